//! Changes that were decided on what somebody has seen.

use serde_json::json;

use crate::support::{World, rtmp};

#[tokio::test]
async fn an_event_has_its_version_as_entity_tag() {
    let world = World::new().await;
    let created = world.call("POST", "/events").json(&json!({ "title": "A talk", "source": rtmp() })).send().await;
    let event = created.good();
    assert_eq!((created.header("etag"), &event["version"]), (Some("\"1\""), &1.into()));
    let path = format!("/events/{}", event["id"].as_str().unwrap());
    assert_eq!(world.call("GET", &path).send().await.header("etag"), Some("\"1\""));
    let edited = world.call("PATCH", &path).json(&json!({ "title": "Another" })).send().await;
    assert_eq!((edited.header("etag"), &edited.good()["title"]), (Some("\"2\""), &"Another".into()));
}

#[tokio::test]
async fn a_change_goes_to_the_version_it_was_decided_on_or_nowhere() {
    let world = World::new().await;
    let id = world.placed(rtmp()).await;
    let start = world.call("POST", &format!("/events/{id}/start"));
    let problem = start.clone().header("if-match", "\"2\"").send().await.problem();
    assert_eq!((&problem["status"], &problem["code"]), (&412.into(), &"event_changed".into()));
    assert_eq!(problem["version"], 3);
    assert_eq!(start.clone().header("if-match", "\"3\"").send().await.good()["version"], 4);
    // Any version will do, and so will no word about it.
    let edit = world.call("PATCH", &format!("/events/{id}")).json(&json!({ "title": "Another" }));
    assert_eq!(edit.clone().header("if-match", "*").send().await.good()["version"], 5);
    assert_eq!(edit.send().await.good()["version"], 6);
}

#[tokio::test]
async fn what_is_no_version_is_refused() {
    let world = World::new().await;
    let activate = world.call("POST", &format!("/events/{}/activate", world.draft(rtmp()).await));
    for bad in ["", "\"\"", "W/\"1\"", "\"1\", \"2\"", "-1", "one", "ü"] {
        let refused = activate.clone().header("if-match", bad).refused().await;
        assert_eq!(refused, (400, "if_match".to_owned()), "{bad:?}");
    }
}

#[tokio::test]
async fn of_two_who_decided_on_the_same_version_one_is_refused() {
    let world = World::new().await;
    let id = world.draft(rtmp()).await;
    let edit = |title: &str| {
        let call = world.call("PATCH", &format!("/events/{id}")).json(&json!({ "title": title }));
        call.header("if-match", "\"1\"").send()
    };
    let (one, other) = tokio::join!(edit("one"), edit("other"));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
}
