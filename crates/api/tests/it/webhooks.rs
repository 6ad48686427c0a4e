//! Others are told: in the right words, signed, and again until they have heard.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;
use weir_outbound::sign;

use crate::support::{Loopback, Received, START, Setup, World, id, rtmp};

/// The longest that a test waits for what it has brought about.
const PATIENCE: Duration = Duration::from_secs(60);

async fn world() -> (World, Loopback) {
    let allow = vec!["127.0.0.1/32".parse().unwrap()];
    (World::with(Setup { allow, deliver: true, ..Setup::default() }).await, Loopback::start().await)
}

async fn hook(world: &World, server: &Loopback, path: &str) -> (String, String) {
    let answer = world.call("POST", "/webhooks").json(&json!({ "url": server.url(path) })).send().await;
    assert_eq!((answer.status, answer.header("cache-control")), (201, Some("no-store")));
    let made = answer.good();
    (id(&made), made["secret"].as_str().unwrap().to_owned())
}

/// The message that was sent at `sent_s` seconds since 1970, if it is whole, unchanged and signed.
fn judged(received: &Received, secret: &str, sent_s: i64) -> Value {
    let header = |name: &str| received.headers[name].to_str().unwrap();
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("weir-signature"), sign(secret.as_bytes(), sent_s, &received.body));
    let message: Value = serde_json::from_slice(&received.body).unwrap();
    assert_eq!(message["id"], header("weir-delivery"));
    message
}

/// Waits until the newest delivery of a webhook is as wanted.
async fn until(world: &World, hook: &str, wanted: Value) {
    let mut last = Value::Null;
    let looking = async {
        loop {
            last = world.get(&format!("/webhooks/{hook}/deliveries")).await[0].clone();
            if wanted.as_object().unwrap().iter().all(|(field, value)| last[field] == *value) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    assert!(timeout(PATIENCE, looking).await.is_ok(), "wanted {wanted}, and it is {last}");
}

#[tokio::test]
async fn a_webhook_is_told_what_happens_in_order() {
    let (world, mut server) = world().await;
    let (hook, secret) = hook(&world, &server, "/hook").await;
    let id = world.draft(rtmp()).await;
    let received = server.next().await;
    assert_eq!(received.path, "/hook");
    let message = judged(&received, &secret, START / 1000);
    assert_eq!((&message["type"], &message["at"]), (&"event.created".into(), &"2027-01-15T08:00:00.000Z".into()));
    assert_eq!(message["event"], world.get(&format!("/events/{id}")).await);
    until(&world, &hook, json!({ "state": "delivered", "attempts": 1, "error": null, "event": id })).await;

    world.command(&id, "stop").await;
    let message = judged(&server.next().await, &secret, START / 1000);
    assert_eq!((&message["type"], &message["event"]["state"]), (&"event.ended".into(), &"ended".into()));
}

#[tokio::test]
async fn who_fails_is_told_again_later_and_later_with_the_same_id() {
    let (world, mut server) = world().await;
    let (hook, secret) = hook(&world, &server, "/hook").await;
    server.say(500, "text/plain", "");
    world.draft(rtmp()).await;
    let (mut sent_s, mut id) = (START / 1000, None);
    for (attempt, wait_s) in [(1, 5), (2, 30), (3, 120), (4, 600)] {
        // What is signed is the time of sending: it was not sent before its time.
        let message = judged(&server.next().await, &secret, sent_s);
        assert_eq!(id.get_or_insert(message["id"].clone()), &message["id"], "attempt {attempt}");
        sent_s += wait_s;
        let due = weir_director::timestamp(sent_s * 1000);
        until(&world, &hook, json!({ "state": "waiting", "attempts": attempt, "at": due })).await;
        world.pass(wait_s * 1000 - 1);
        assert!(server.pending().is_none());
        world.pass(1);
    }
    // The server is well again before the last attempt is answered.
    server.say(204, "text/plain", "");
    let fifth = judged(&server.next().await, &secret, sent_s);
    assert_eq!(Some(&fifth["id"]), id.as_ref());
}

#[tokio::test]
async fn who_is_well_again_has_heard() {
    let (world, mut server) = world().await;
    let (hook, _) = hook(&world, &server, "/hook").await;
    server.say(503, "text/plain", "");
    world.draft(rtmp()).await;
    server.next().await;
    until(&world, &hook, json!({ "attempts": 1, "error": "the server answers with 503 Service Unavailable" })).await;
    server.say(200, "text/plain", "");
    world.pass(5000);
    server.next().await;
    until(&world, &hook, json!({ "state": "delivered", "attempts": 2, "at": "2027-01-15T08:00:05.000Z" })).await;
}

#[tokio::test]
async fn a_webhook_that_is_switched_off_or_removed_hears_nothing() {
    let (world, mut server) = world().await;
    let (off, _) = hook(&world, &server, "/off").await;
    let (gone, _) = hook(&world, &server, "/gone").await;
    let (on, _) = hook(&world, &server, "/on").await;
    let switched = world.call("PATCH", &format!("/webhooks/{off}")).json(&json!({ "active": false })).send().await;
    assert_eq!(switched.good()["active"], false);
    assert_eq!(world.call("DELETE", &format!("/webhooks/{gone}")).send().await.status, 204);
    world.draft(rtmp()).await;
    assert_eq!(server.next().await.path, "/on");
    until(&world, &on, json!({ "state": "delivered" })).await;
    assert!(server.pending().is_none());
    assert_eq!(world.get(&format!("/webhooks/{off}/deliveries")).await, json!([]));
    assert_eq!(world.call("GET", &format!("/webhooks/{gone}/deliveries")).refused().await.0, 404);
    // Switched on again it hears of what happens from then on.
    world.call("PATCH", &format!("/webhooks/{off}")).json(&json!({ "active": true })).send().await.good();
    world.draft(rtmp()).await;
    let mut paths = [server.next().await.path, server.next().await.path];
    paths.sort();
    assert_eq!(paths, ["/off", "/on"]);
}

#[tokio::test]
async fn a_webhook_into_the_network_is_not_called() {
    let world = World::with(Setup { deliver: true, ..Setup::default() }).await;
    let mut server = Loopback::start().await;
    let (hook, _) = hook(&world, &server, "/hook").await;
    world.draft(rtmp()).await;
    let error = "127.0.0.1 is a loopback address, and the configuration does not allow requests there";
    until(&world, &hook, json!({ "state": "waiting", "attempts": 1, "error": error })).await;
    assert!(server.pending().is_none());
}
