use weir_ingest::srt::stream_key;

/// What an SRT caller says it wants. A key that was found is found again in the other spellings, where it does not stand at
/// the end: blanks there are no part of it.
pub fn stream_id(data: &[u8]) {
    let Ok(key) = stream_key(data) else { return };
    let key = key.as_bytes();
    assert!((1..=256).contains(&key.len()) && key.len() <= data.len());
    for spelled in [[b"#!::r=", key, b",m=publish"].concat(), [b"#!::m=publish,r=live/", key, b",x=y"].concat()] {
        let again = stream_key(&spelled);
        assert!(again.is_ok_and(|again| again.as_bytes() == key), "{:?}", spelled.escape_ascii().to_string());
    }
}
