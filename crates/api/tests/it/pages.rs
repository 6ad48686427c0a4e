//! Lists, a page at a time.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{World, hls, rtmp, srt};

async fn page(world: &World, query: &str) -> (Vec<String>, Value) {
    let page = world.get(&format!("/events?{query}")).await;
    let items = page["items"].as_array().unwrap().iter();
    (items.map(|event| event["title"].as_str().unwrap().to_owned()).collect(), page["next"].clone())
}

async fn create(world: &World, title: &str) {
    world.post("/events", json!({ "title": title, "source": rtmp() })).await;
}

#[tokio::test]
async fn all_pages_together_are_all_events_newest_first_and_newer_ones_move_nothing() {
    let world = World::new().await;
    for number in 0..7 {
        create(&world, &number.to_string()).await;
    }
    let (mut seen, mut query, mut pages) = (Vec::new(), "limit=3".to_owned(), 0);
    loop {
        let (titles, next) = page(&world, &query).await;
        seen.extend(titles);
        pages += 1;
        // What comes in meanwhile belongs before the first page.
        create(&world, "new").await;
        let Some(cursor) = next.as_str() else { break };
        query = format!("limit=3&cursor={cursor}");
    }
    assert_eq!((seen, pages), (["6", "5", "4", "3", "2", "1", "0"].map(str::to_owned).to_vec(), 3));
}

#[tokio::test]
async fn a_page_has_fifty_entries_or_as_many_as_are_wanted_up_to_two_hundred() {
    let world = World::new().await;
    for number in 0..51 {
        create(&world, &number.to_string()).await;
    }
    let (titles, next) = page(&world, "").await;
    assert_eq!((titles.len(), next.is_string()), (50, true));
    let (titles, next) = page(&world, "limit=51").await;
    assert_eq!((titles.len(), next), (51, Value::Null));
    // More than there can be is as many as there can be.
    assert_eq!(page(&world, "limit=4294967295").await.0.len(), 51);
    assert_eq!(page(&world, "limit=0").await.0.len(), 1);
}

#[tokio::test]
async fn events_are_found_by_state_and_account() {
    let world = World::new().await;
    world.draft(rtmp()).await;
    world.ready(srt()).await;
    world.ready(hls()).await;
    world.ended(rtmp()).await;
    let mut found = BTreeSet::new();
    for state in ["draft", "scheduled", "ready", "preview", "live", "ended"] {
        let events = world.get(&format!("/events?state={state}")).await;
        for event in events["items"].as_array().unwrap() {
            assert_eq!(event["state"], state);
            found.insert((state, event["source"]["kind"].as_str().unwrap().to_owned()));
        }
    }
    let wanted = [("draft", "rtmp"), ("ended", "rtmp"), ("live", "hls"), ("ready", "srt")];
    assert_eq!(found, wanted.map(|(state, kind)| (state, kind.to_owned())).into());
    let default = "00000000-0000-0000-0000-000000000000";
    assert_eq!(page(&world, &format!("account={default}")).await.0.len(), 4);
    assert_eq!(page(&world, "account=0198c0de-0000-7000-8000-000000000000").await.0.len(), 0);
}

#[tokio::test]
async fn what_a_query_does_not_know_is_refused() {
    let world = World::new().await;
    for query in [
        "colour=red",
        "state=Live",
        "state=",
        "limit=-1",
        "limit=many",
        "limit=4294967296",
        "cursor=7",
        "account=mine",
        "limit=1&limit=2",
        "state=%ff",
    ] {
        let refused = world.call("GET", &format!("/events?{query}")).refused().await;
        assert_eq!(refused, (400, "query".to_owned()), "{query}");
    }
    assert_eq!(world.call("GET", "/audit?colour=red").refused().await, (400, "query".to_owned()));
}

#[tokio::test]
async fn the_log_says_who_did_what_a_page_at_a_time() {
    let world = World::new().await;
    let id = world.placed(rtmp()).await;
    world.call("POST", &format!("/events/{id}/stop")).token(&world.operator).send().await.good();
    let (mut deeds, mut path) = (Vec::new(), "/audit?limit=2".to_owned());
    loop {
        let page = world.get(&path).await;
        for deed in page["items"].as_array().unwrap().iter().filter(|deed| deed["subject"] == id.as_str()) {
            let text = |field: &str| deed[field].as_str().unwrap().to_owned();
            deeds.push((text("actor"), text("action"), text("at")));
        }
        let Some(cursor) = page["next"].as_str() else { break };
        path = format!("/audit?limit=2&cursor={cursor}");
    }
    let wanted = [
        ("token:operator", "event.stop"),
        ("token:admin", "event.place"),
        ("token:admin", "event.activate"),
        ("token:admin", "event.create"),
    ];
    let at = "2027-01-15T08:00:00.000Z";
    assert_eq!(deeds, wanted.map(|(actor, action)| (actor.to_owned(), action.to_owned(), at.to_owned())));
}
