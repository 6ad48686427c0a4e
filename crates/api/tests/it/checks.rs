//! Looking at what somebody else serves, without getting to the inside of the network.

use serde_json::json;

use crate::support::{Loopback, Setup, World};

const PLAYLIST: &str = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n\
    #EXTINF:4.0,\na.ts\n#EXTINF:4.0,\nb.ts\n#EXTINF:4.0,\nc.ts\n#EXTINF:4.0,\nd.ts\n";

async fn open_world() -> World {
    World::with(Setup { allow: vec!["127.0.0.1/32".parse().unwrap()], ..Setup::default() }).await
}

#[tokio::test]
async fn an_allowed_server_is_asked_and_reported_on() {
    let (world, mut server) = (open_world().await, Loopback::start().await);
    server.say(200, "application/vnd.apple.mpegurl", PLAYLIST);
    let url = server.url("/live.m3u8");
    let report = world.post("/checks", json!({ "url": url })).await;
    assert_eq!(server.next().await.path, "/live.m3u8");
    assert_eq!((&report["url"], &report["kind"]), (&url.into(), &"media".into()));
    assert_eq!((&report["timing"], &report["target_duration_s"]), (&"live".into(), &4.into()));
}

#[tokio::test]
async fn the_playlist_of_an_external_event_is_looked_at() {
    let (world, server) = (open_world().await, Loopback::start().await);
    server.say(200, "application/vnd.apple.mpegurl", PLAYLIST);
    let id = world.draft(json!({ "kind": "hls", "url": server.url("/live.m3u8") })).await;
    assert_eq!(world.command(&id, "check").await["kind"], "media");
}

#[tokio::test]
async fn what_cannot_be_had_is_no_fault_of_the_api() {
    let (world, server) = (open_world().await, Loopback::start().await);
    server.say(404, "text/plain", "");
    let missing = world.call("POST", "/checks").json(&json!({ "url": server.url("/live.m3u8") }));
    assert_eq!(missing.refused().await, (422, "status".to_owned()));
    server.say(200, "text/html", "<!doctype html>");
    let report = world.post("/checks", json!({ "url": server.url("/") })).await;
    assert_eq!((&report["playable"], &report["kind"]), (&false.into(), &serde_json::Value::Null));
    assert!(!report["findings"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_not_allowed_is_never_asked() {
    let (world, mut server) = (World::new().await, Loopback::start().await);
    let check = world.call("POST", "/checks").json(&json!({ "url": server.url("/live.m3u8") }));
    let problem = check.send().await.problem();
    assert_eq!((&problem["status"], &problem["code"]), (&422.into(), &"refused_address".into()));
    let id = world.draft(json!({ "kind": "hls", "url": server.url("/live.m3u8") })).await;
    let check = world.call("POST", &format!("/events/{id}/check"));
    assert_eq!(check.refused().await, (422, "refused_address".to_owned()));
    assert!(server.pending().is_none());
}
