//! Tokens of those who watch: the origin has to agree with them.

use serde_json::{Value, json};
use weir_origin::{Audience, Claims, TokenFault, TokenKey};

use crate::support::{HOUR, START, World, rtmp};

/// In seconds since 1970.
const NOW_S: i64 = START / 1000;

async fn make(world: &World, id: &str, kind: &str, body: Value) -> Value {
    let answer = world.call("POST", &format!("/events/{id}/{kind}-tokens")).json(&body).send().await;
    assert_eq!((answer.status, answer.header("cache-control")), (201, Some("no-store")));
    answer.good()
}

#[tokio::test]
async fn a_preview_token_opens_its_event_and_no_other_for_an_hour() {
    let world = World::new().await;
    let (id, other) = (world.draft(rtmp()).await, world.draft(rtmp()).await);
    let made = make(&world, &id, "preview", json!({})).await;
    let token = made["token"].as_str().unwrap();
    assert_eq!(world.keys.verify(token, &id, NOW_S).unwrap().audience, Audience::Preview);
    assert_eq!(world.keys.verify(token, &other, NOW_S).unwrap_err(), TokenFault::OtherEvent);
    assert!(world.keys.verify(token, &id, NOW_S + 3599).is_ok());
    assert_eq!(world.keys.verify(token, &id, NOW_S + 7200).unwrap_err(), TokenFault::Expired);
    assert_eq!(made["expires_at"], "2027-01-15T09:00:00.000Z");
    assert_eq!(made["playback_url"], format!("https://live.example/token/{token}/live/{id}/index.m3u8"));
    assert_eq!(made["watch_url"], format!("https://live.example/watch/{id}#token={token}"));
}

#[tokio::test]
async fn a_playback_token_is_for_one_viewer() {
    let world = World::new().await;
    let id = world.ready(rtmp()).await;
    let made = make(&world, &id, "playback", json!({ "viewer": "zoë@platform", "expires_in_s": 60 })).await;
    let grant = world.keys.verify(made["token"].as_str().unwrap(), &id, NOW_S).unwrap();
    assert_eq!((grant.audience, grant.viewer.as_deref()), (Audience::Playback, Some("zoë@platform")));
    assert_eq!(made["expires_at"], "2027-01-15T08:01:00.000Z");
}

#[tokio::test]
async fn the_longest_id_of_a_viewer_makes_a_token_that_opens() {
    let world = World::new().await;
    let id = world.draft(rtmp()).await;
    for longest in ["\"", "\u{10ffff}"] {
        let body = json!({ "viewer": longest.repeat(128), "expires_in_s": 60 });
        let made = make(&world, &id, "playback", body).await;
        assert!(world.keys.verify(made["token"].as_str().unwrap(), &id, NOW_S).is_ok(), "{longest:?}");
    }
    let call = world.call("POST", &format!("/events/{id}/playback-tokens"));
    let refused = call.json(&json!({ "viewer": "a\nb", "expires_in_s": 60 })).refused().await;
    assert_eq!(refused, (422, "viewer".to_owned()));
}

#[tokio::test]
async fn a_token_is_good_from_the_server_s_own_time_on() {
    let world = World::new().await;
    let id = world.draft(rtmp()).await;
    world.pass(HOUR);
    let made = make(&world, &id, "preview", json!({ "expires_in_s": 1 })).await;
    assert_eq!(made["expires_at"], "2027-01-15T09:00:01.000Z");
}

#[tokio::test]
async fn a_platform_with_the_key_makes_tokens_itself() {
    let world = World::new().await;
    let id = world.draft(rtmp()).await;
    let key = world.get("/playback-key").await;
    assert_eq!(key["algorithm"], "HS256");
    let (event, viewer) = (id.clone(), Some("v".to_owned()));
    let claims = Claims { audience: Audience::Playback, event, viewer, expires_s: NOW_S + 60, not_before_s: None };
    let token = TokenKey::new(key["key"].as_str().unwrap().as_bytes()).mint(&claims);
    assert_eq!(world.keys.verify(&token, &id, NOW_S).unwrap().audience, Audience::Playback);
    // It does not open what is still private.
    let preview =
        TokenKey::new(key["key"].as_str().unwrap().as_bytes()).mint(&Claims { audience: Audience::Preview, ..claims });
    assert!(world.keys.verify(&preview, &id, NOW_S).is_err());
}
