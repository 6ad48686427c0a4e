use proptest::prelude::*;

use super::*;

const EVENT: &str = "0198c5a2-7d1e-7a30-8f14-2b6a5c9e0d71";
const EXPIRES_S: i64 = 1_900_000_000;
const NOW_S: i64 = EXPIRES_S - 60;

/// Made with nothing of ours:
///
/// ```python
/// import hmac, hashlib, base64
/// b = lambda x: base64.urlsafe_b64encode(x).rstrip(b"=").decode()
/// h = b(b'{"alg":"HS256","typ":"JWT"}')
/// p = b(b'{"aud":"playback","evt":"0198c5a2-7d1e-7a30-8f14-2b6a5c9e0d71","sub":"viewer-17","exp":1900000000}')
/// key = b"a key of exactly thirty-two byte"
/// print(f"{h}.{p}." + b(hmac.new(key, f"{h}.{p}".encode(), hashlib.sha256).digest()))
/// ```
const GOLDEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
    eyJhdWQiOiJwbGF5YmFjayIsImV2dCI6IjAxOThjNWEyLTdkMWUtN2EzMC04ZjE0LTJiNmE1YzllMGQ3MSIsInN1YiI6InZpZXdlci0xNyIsImV4cCI6MTkwMDAwMDAwMH0.\
    uz3Ga6wilbQiENkN8FPUb7OyNQl6q34WvgucCTyWl7U";

fn keys() -> TokenKeys {
    TokenKeys {
        playback: TokenKey::new(b"a key of exactly thirty-two byte"),
        preview: TokenKey::new(b"another one, of the same length."),
    }
}

fn claims() -> Claims {
    Claims {
        audience: Audience::Playback,
        event: EVENT.to_owned(),
        viewer: Some("viewer-17".to_owned()),
        expires_s: EXPIRES_S,
        not_before_s: None,
    }
}

/// What comes of a payload that the playback key signed under `header`.
fn signed(header: &str, payload: &str) -> Result<Grant, TokenFault> {
    let keys = keys();
    keys.verify(&keys.playback.sign(header, payload), EVENT, NOW_S)
}

#[test]
fn a_token_that_others_made_is_read_and_ours_is_the_same() {
    let grant = Grant { audience: Audience::Playback, viewer: Some("viewer-17".to_owned()), expires_s: EXPIRES_S };
    assert_eq!(keys().verify(GOLDEN, EVENT, NOW_S), Ok(grant));
    assert_eq!(keys().playback.mint(&claims()), GOLDEN);
}

#[test]
fn a_preview_needs_no_viewer_but_playback_does() {
    let keys = keys();
    let anybody = Claims { viewer: None, audience: Audience::Preview, ..claims() };
    let grant = Grant { audience: Audience::Preview, viewer: None, expires_s: EXPIRES_S };
    assert_eq!(keys.verify(&keys.preview.mint(&anybody), EVENT, NOW_S), Ok(grant));
    for viewer in [None, Some(String::new()), Some("é".repeat(129))] {
        let token = keys.playback.mint(&Claims { viewer, ..claims() });
        assert_eq!(keys.verify(&token, EVENT, NOW_S), Err(TokenFault::Claims));
    }
    let long = keys.playback.mint(&Claims { viewer: Some("é".repeat(128)), ..claims() });
    assert!(keys.verify(&long, EVENT, NOW_S).is_ok());
}

#[test]
fn a_token_is_valid_from_nbf_until_just_before_exp() {
    let keys = keys();
    let token = keys.playback.mint(&Claims { not_before_s: Some(NOW_S), ..claims() });
    for (now_s, fault) in [
        (NOW_S - 1, Some(TokenFault::NotYet)),
        (NOW_S, None),
        (EXPIRES_S - 1, None),
        (EXPIRES_S, Some(TokenFault::Expired)),
        (i64::MAX, Some(TokenFault::Expired)),
    ] {
        assert_eq!(keys.verify(&token, EVENT, now_s).err(), fault, "{now_s}");
    }
}

#[test]
fn each_audience_has_its_key() {
    let keys = keys();
    let crossed = keys.playback.mint(&Claims { audience: Audience::Preview, ..claims() });
    assert_eq!(keys.verify(&crossed, EVENT, NOW_S), Err(TokenFault::Audience));
    let crossed = keys.preview.mint(&claims());
    assert_eq!(keys.verify(&crossed, EVENT, NOW_S), Err(TokenFault::Audience));
    let foreign = TokenKey::new(b"a key that nobody here knows").mint(&claims());
    assert_eq!(keys.verify(&foreign, EVENT, NOW_S), Err(TokenFault::Signature));
    assert_eq!(keys.verify(GOLDEN, "another", NOW_S), Err(TokenFault::OtherEvent));
}

#[test]
fn only_hs256_is_an_algorithm_whoever_signed() {
    let payload = format!(r#"{{"aud":"playback","evt":"{EVENT}","sub":"a","exp":{EXPIRES_S}}}"#);
    for header in [HEADER, r#"{"typ":"JWT","alg":"HS256","kid":"7"}"#, r#"{"alg":"HS256"}"#] {
        assert!(signed(header, &payload).is_ok(), "{header}");
    }
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"HS512","typ":"JWT"}"#,
        r#"{"alg":"RS256","typ":"JWT"}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
    ] {
        assert_eq!(signed(header, &payload), Err(TokenFault::Algorithm), "{header}");
    }
    for header in ["", "{}", "null", r#"{"alg":["HS256"]}"#, r#"{"alg":"HS256","alg":"HS256"}"#, "{"] {
        assert_eq!(signed(header, &payload), Err(TokenFault::Malformed), "{header}");
    }
    let (unsigned, _) = GOLDEN.rsplit_once('.').expect("three parts");
    assert_eq!(keys().verify(&format!("{unsigned}."), EVENT, NOW_S), Err(TokenFault::Signature));
}

#[test]
fn claims_that_are_missing_or_of_another_kind_are_refused() {
    for payload in [
        "",
        "{}",
        "[]",
        r#"{"aud":"playback","evt":"E","sub":"a"}"#,
        r#"{"aud":"playback","sub":"a","exp":1900000000}"#,
        r#"{"evt":"E","sub":"a","exp":1900000000}"#,
        r#"{"aud":"admin","evt":"E","sub":"a","exp":1900000000}"#,
        r#"{"aud":"playback","evt":"E","sub":7,"exp":1900000000}"#,
        r#"{"aud":"playback","evt":"E","sub":"a","exp":"1900000000"}"#,
        r#"{"aud":"playback","evt":"E","sub":"a","exp":1e300}"#,
        r#"{"aud":"playback","evt":"E","sub":"a","exp":1900000000,"exp":1900000001}"#,
        r#"{"aud":"playback","evt":"E","sub":"a","exp":1900000000,"nbf":"now"}"#,
    ] {
        assert_eq!(signed(HEADER, &payload.replace('E', EVENT)), Err(TokenFault::Claims), "{payload}");
    }
    let more = r#"{"iss":"shop","iat":1,"aud":"playback","evt":"E","sub":"\u0061","exp":1900000000,"seat":{"row":7}}"#;
    let grant = signed(HEADER, &more.replace('E', EVENT)).expect("what else is there does not matter");
    assert_eq!(grant.viewer.as_deref(), Some("a"));
}

#[test]
fn what_is_no_token_or_too_long_is_named() {
    for text in ["", ".", "..", "...", "a.b", "a.b.c", &format!("{GOLDEN}="), &format!("{GOLDEN}.x")] {
        assert_eq!(keys().verify(text, EVENT, NOW_S), Err(TokenFault::Malformed), "{text}");
    }
    let padded = |length| format!("{}{GOLDEN}", "A".repeat(length - GOLDEN.len()));
    assert_eq!(keys().verify(&padded(1025), EVENT, NOW_S), Err(TokenFault::TooLong));
    assert_eq!(keys().verify(&padded(1024), EVENT, NOW_S), Err(TokenFault::Malformed));
}

#[test]
fn keys_are_not_shown() {
    assert_eq!(format!("{:?}", keys()), "TokenKeys { playback: TokenKey(..), preview: TokenKey(..) }");
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,80}|[-_A-Za-z0-9.]{0,1100}|[-_A-Za-z0-9]{0,60}\\.[-_A-Za-z0-9]{0,60}\\.[-_A-Za-z0-9]{43}") {
        prop_assert!(keys().verify(&text, EVENT, NOW_S).is_err());
    }

    #[test]
    fn no_signed_payload_makes_the_reader_panic(header in "\\PC{0,40}", payload in "[\\[{\":,a-z0-9}\\]]{0,100}|\\PC{0,100}") {
        prop_assert!(signed(&header, &payload).is_err());
        prop_assert!(signed(HEADER, &payload).is_err());
    }

    #[test]
    fn a_token_with_another_byte_anywhere_is_refused(at in 0..GOLDEN.len(), byte in 0x21_u8..0x7f) {
        let mut other = GOLDEN.as_bytes().to_vec();
        prop_assume!(other[at] != byte);
        other[at] = byte;
        let other = String::from_utf8(other).expect("ASCII");
        prop_assert!(keys().verify(&other, EVENT, NOW_S).is_err());
    }

    #[test]
    fn what_is_minted_is_granted_for_its_event_alone(event in "[a-z0-9-]{1,36}", viewer in "\\PC{1,40}", expires_s in 1_i64..i64::MAX) {
        let (keys, expires) = (keys(), expires_s);
        let claims = Claims { event: event.clone(), viewer: Some(viewer.clone()), expires_s, ..claims() };
        let token = keys.playback.mint(&claims);
        let grant = Grant { audience: Audience::Playback, viewer: Some(viewer), expires_s: expires };
        prop_assert_eq!(keys.verify(&token, &event, expires_s - 1), Ok(grant));
        prop_assert_eq!(keys.verify(&token, &event, expires_s), Err(TokenFault::Expired));
        prop_assert_eq!(keys.verify(&token, EVENT, 0), Err(TokenFault::OtherEvent));
    }
}

/// The property above takes samples; this is the whole of it for one bit.
#[test]
fn every_flipped_bit_is_noticed() {
    for at in 0..GOLDEN.len() {
        for bit in 0..7 {
            let mut other = GOLDEN.as_bytes().to_vec();
            other[at] ^= 1 << bit;
            let other = String::from_utf8(other).expect("ASCII");
            assert!(keys().verify(&other, EVENT, NOW_S).is_err(), "byte {at}, bit {bit}");
        }
    }
}
