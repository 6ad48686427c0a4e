use std::time::Instant;

use bytes::Bytes;
use weir_packager::{Config, Latency, Packager, Position, Restored};

/// What a file of a journal begins with.
const MAGIC: &[u8] = b"weirjnl\x01";
/// When the run after goes on: ten seconds after the journals of the corpus.
const WALL_MS: i64 = 1_767_323_055_678;

/// Files of a journal. The first byte has the latency, the second the number of the first segment. Then pieces: a byte that says
/// what it is, a length of two bytes, bytes. What can be gone on with goes on.
pub fn journal(data: &[u8]) {
    let Some((&[how, first], rest)) = data.split_first_chunk() else { return };
    let latency = if how & 1 == 0 { Latency::Low } else { Latency::Standard };
    let Ok(config) = Config::new(latency, 1000, 5) else { return };
    let files = files(rest);
    let Some(newest) = (files.len() as u64 + u64::from(first)).checked_sub(1) else { return };
    let file = |msn: u64| files.get(usize::try_from(msn.checked_sub(first.into())?).ok()?).cloned();
    let restored = Packager::restore(config, "f00dfeed", Position::default(), newest, file);
    let Ok(Restored { packager, files: kept, last_len }) = restored else { return };
    assert!(kept.start() <= kept.end() && *kept.end() <= newest);
    assert!(file(*kept.end()).is_some_and(|file| last_len <= file.len() as u64));
    go_on(packager);
}

/// The bytes of each file, of records with their heads.
fn files(mut rest: &[u8]) -> Vec<Bytes> {
    let mut files: Vec<Vec<u8>> = Vec::new();
    while let Some((&[kind, high, low], behind)) = rest.split_first_chunk() {
        let (content, next) = behind.split_at(usize::from(u16::from_be_bytes([high, low])).min(behind.len()));
        rest = next;
        // A new file, or one more record of the last; or bytes as they are, a head that is wrong or half of one.
        if kind & 1 == 1 || files.is_empty() {
            files.push(MAGIC.to_vec());
        }
        let Some(file) = files.last_mut() else { continue };
        if kind & 2 == 0 {
            file.extend(head(content));
        }
        file.extend(content);
    }
    files.into_iter().map(Bytes::from).collect()
}

/// The length twice, the second time with all bits turned, and the CRC-32.
fn head(record: &[u8]) -> Vec<u8> {
    let length = record.len() as u64;
    let mut checksum = flate2::Crc::new();
    checksum.update(record);
    [&length.to_be_bytes()[..], &(!length).to_be_bytes(), &checksum.sum().to_be_bytes()].concat()
}

/// Whatever was restored can be shown, and goes on.
fn go_on(mut packager: Packager) {
    assert!(shown(&mut packager), "there is nothing to see");
    let before = packager.position();
    packager.fill(WALL_MS);
    let after = packager.position();
    assert!(after.next_msn >= before.next_msn && after.next_base_ms >= before.next_base_ms);
    assert_eq!(shown(&mut packager), after != before);
    packager.end();
    assert!(shown(&mut packager) && packager.has_ended());
}

fn shown(packager: &mut Packager) -> bool {
    packager.take_journal();
    let Some(snapshot) = packager.take_snapshot(Instant::now()) else { return false };
    for rendition in &snapshot.renditions {
        assert!(rendition.playlist.plain.starts_with(b"#EXTM3U\n"));
        assert!(rendition.media.values().all(|file| !file.is_empty()));
    }
    assert!(snapshot.multivariant.plain.starts_with(b"#EXTM3U\n") && snapshot.renditions.len() >= 2);
    true
}
