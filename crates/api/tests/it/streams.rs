//! Server-sent events, over TCP as consoles get them.

use serde_json::json;

use crate::support::{Listener, World, rtmp};

#[tokio::test]
async fn a_stream_begins_with_the_event_as_it_is_and_tells_its_whole_life_in_order() {
    let world = World::new().await;
    let address = world.listen().await;
    let id = world.draft(rtmp()).await;
    let mut stream = Listener::to(address, &format!("/events/{id}/stream"), &world.viewer).await;
    let first = stream.next().await.unwrap();
    assert_eq!((first.kind.as_str(), first.id.as_str()), ("event.state", "1"));
    assert_eq!(first.event, world.get(&format!("/events/{id}")).await);

    // Of another event it says nothing.
    world.draft(rtmp()).await;
    world.command(&id, "activate").await;
    world.put(&format!("/events/{id}/offer"), json!({ "offer": "free" })).await;
    world
        .put(&format!("/events/{id}/schedule"), json!({ "starts_at": "2027-01-15T09:00:00Z", "duration_s": 60 }))
        .await;
    world.command(&id, "rotate-key").await;
    world.command(&id, "start").await;
    world.players.of(&id).connect();
    let mut kinds = Vec::new();
    for version in 2..=8 {
        let message = stream.next().await.unwrap();
        assert_eq!((&message.event["id"], &message.event["version"]), (&id.as_str().into(), &version.into()));
        assert_eq!(message.id, version.to_string());
        kinds.push(message.kind);
    }
    let wish = world.players.of(&id).wish;
    assert!(!wish.borrow().public, "a preview is private");
    world.command(&id, "air").await;
    assert!(wish.borrow().public);
    kinds.push(stream.next().await.unwrap().kind);
    world.players.of(&id).disconnect();
    kinds.push(stream.next().await.unwrap().kind);
    world.command(&id, "stop").await;
    let last = stream.next().await.unwrap();
    assert_eq!((&last.event["state"], &last.event["end_reason"]), (&"ended".into(), &"stopped".into()));
    kinds.push(last.kind);
    let wanted = [
        "edited",
        "edited",
        "scheduled",
        "key_rotated",
        "ready",
        "input_connected",
        "preview",
        "live",
        "input_lost",
        "ended",
    ];
    assert_eq!(kinds, wanted.map(|kind| format!("event.{kind}")));
}

#[tokio::test]
async fn the_stream_of_all_tells_of_every_event_and_ends_with_the_server() {
    let world = World::new().await;
    let address = world.listen().await;
    let mut stream = Listener::to(address, "/stream", &world.viewer).await;
    let (one, other) = (world.draft(rtmp()).await, world.draft(rtmp()).await);
    world.command(&one, "stop").await;
    for (id, kind) in [(&one, "event.created"), (&other, "event.created"), (&one, "event.ended")] {
        let message = stream.next().await.unwrap();
        assert_eq!((message.kind.as_str(), &message.event["id"]), (kind, &id.as_str().into()));
    }
    world.stop();
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn who_listens_too_late_for_a_place_is_told_to_come_again() {
    let world = World::new().await;
    let id = world.draft(rtmp()).await;
    let mut streams = Vec::new();
    for _ in 0..256 {
        streams.push(world.call("GET", "/stream").open().await);
    }
    let late = world.call("GET", &format!("/events/{id}/stream"));
    let busy = late.clone().send().await;
    assert_eq!((busy.status, busy.header("retry-after")), (503, Some("10")));
    assert_eq!(busy.problem()["code"], "busy");
    // A place is free as soon as somebody has gone.
    streams.pop();
    assert_eq!(late.open().await.status(), 200);
}
