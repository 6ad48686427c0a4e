//! Every rule that says no, with the answer that a client gets: what the rules call gates, and all the rest.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use insta::assert_snapshot;
use serde_json::{Value, json};
use weir_events::Refusal;

use crate::rows::{EVENT, SOON, rows, schedule};
use crate::scene::{Scene, of_account};
use crate::support::{MINUTE, World, hls, id, until};

/// Every refusal that the rules know. One that is added there and not here is an error of the compiler.
macro_rules! every_refusal {
    ($($variant:pat => $example:expr),* $(,)?) => {
        fn every_refusal() -> Vec<Refusal> {
            fn _all_are_here(refusal: &Refusal) {
                match refusal { $($variant => {})* }
            }
            vec![$($example),*]
        }
    };
}

every_refusal! {
    Refusal::Ended => Refusal::Ended,
    Refusal::AlreadyStarted => Refusal::AlreadyStarted,
    Refusal::NotStarted => Refusal::NotStarted,
    Refusal::GatesMissing(_) => Refusal::GatesMissing(Vec::new()),
    Refusal::TooEarly { .. } => Refusal::TooEarly { from_ms: 0 },
    Refusal::NoPreview => Refusal::NoPreview,
    Refusal::NoInput => Refusal::NoInput,
    Refusal::AlreadyLive => Refusal::AlreadyLive,
    Refusal::EndFixed => Refusal::EndFixed,
    Refusal::SourceFixed => Refusal::SourceFixed,
    Refusal::OfferFixed => Refusal::OfferFixed,
    Refusal::StartPast => Refusal::StartPast,
    Refusal::StartFar => Refusal::StartFar,
    Refusal::DurationRange { .. } => Refusal::DurationRange { min_ms: 0, max_ms: 0 },
    Refusal::ExternalSchedule => Refusal::ExternalSchedule,
    Refusal::ExternalPaid => Refusal::ExternalPaid,
    Refusal::ExternalCredentials => Refusal::ExternalCredentials,
    Refusal::ExternalUrl => Refusal::ExternalUrl,
    Refusal::Title => Refusal::Title,
}

/// Of the director's errors those that a client can cause.
const OF_DIRECTOR: [&str; 5] = ["not_found", "no_account", "event_changed", "no_credentials", "no_listener"];

#[tokio::test]
async fn every_rule_refuses_in_its_own_words_and_changes_nothing() {
    let mut scene = Scene::new().await;
    let (mut golden, mut met) = (String::new(), BTreeSet::new());
    for row in rows() {
        let event = scene.event(row.given).await;
        let world = scene.world(row.given);
        let before = version(world, &event).await;
        let (method, path) = row.request.split_once(' ').unwrap();
        let mut call = world.call(method, &path.replace(EVENT, &event)).json(&row.body);
        if let Some(if_match) = row.if_match {
            call = call.header("if-match", if_match);
        }
        let answer = call.send().await;
        let problem = answer.problem();
        met.insert(problem["code"].as_str().unwrap().to_owned());
        // Writing to a String cannot fail.
        let _ = write!(golden, "{}\n  {:?}: {}", row.rule, row.given, row.request);
        let _ = row.if_match.map(|tag| write!(golden, " if-match: {tag}"));
        let _ = match row.body.to_string() {
            body if row.body.is_null() || body.len() > 200 => writeln!(golden),
            body => writeln!(golden, " {body}"),
        };
        let _ = writeln!(golden, "  {}", answer.text());
        assert_eq!(version(world, &event).await, before, "{}: a refused request changed the event", row.rule);
    }
    for refusal in every_refusal() {
        assert!(met.contains(refusal.code()), "no row is refused with {}", refusal.code());
    }
    for code in OF_DIRECTOR {
        assert!(met.contains(code), "no row is refused with {code}");
    }
    assert_snapshot!(golden);
}

async fn version(world: &World, event: &str) -> Value {
    if event.is_empty() { Value::Null } else { world.get(&format!("/events/{event}")).await["version"].clone() }
}

#[tokio::test]
async fn what_somebody_else_encodes_and_serves_starts_without_any_credit() {
    let world = World::new().await;
    let account = uuid::Uuid::from_u128(1);
    let nothing = json!({ "name": "A", "live_ingest": false, "encoding_minutes_left": 0, "egress_bytes_left": -1 });
    world.put(&format!("/accounts/{account}"), nothing).await;
    let event = world.post("/events", json!({ "title": "A talk", "source": hls(), "account": account })).await;
    let id = id(&event);
    world.command(&id, "activate").await;
    world.put(&format!("/events/{id}/offer"), json!({ "offer": "free" })).await;
    assert_eq!(world.command(&id, "start").await["state"], "live");
}

#[tokio::test]
async fn a_gate_that_opens_lets_a_planned_event_start_by_itself() {
    let world = World::new().await;
    let id = of_account(&world, 1, json!({ "name": "A", "live_ingest": false }), true).await;
    world.put(&format!("/events/{id}/schedule"), schedule(SOON, 3600)).await;
    let mut changes = world.director.changes();
    world.pass(55 * MINUTE);
    let refused = until(&mut changes, &id, "event.start_refused").await;
    assert_eq!(refused.event.start_refused, ["live_ingest"]);
    world.put(&format!("/accounts/{}", uuid::Uuid::from_u128(1)), json!({ "name": "A", "live_ingest": true })).await;
    until(&mut changes, &id, "event.ready").await;
}
