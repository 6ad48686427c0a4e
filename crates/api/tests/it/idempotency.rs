//! Requests that are sent again.

use serde_json::{Value, json};
use uuid::Uuid;
use weir_api::Role;

use crate::support::{Answer, HOUR, Loopback, Setup, World, id, rtmp};

const KEY: &str = "0198c0de-1";

fn talk(title: &str) -> Value {
    json!({ "title": title, "source": rtmp() })
}

async fn events(world: &World) -> usize {
    world.get("/events?limit=200").await["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn the_same_request_with_the_same_key_is_carried_out_once() {
    let world = World::new().await;
    let create = world.call("POST", "/events").json(&talk("A talk")).key(KEY);
    let first = create.clone().send().await;
    let second = create.clone().send().await;
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(first.good(), second.good());
    let replayed = |answer: &Answer| answer.header("idempotency-replayed").map(str::to_owned);
    assert_eq!((replayed(&first), replayed(&second)), (None, Some("true".to_owned())));
    assert_eq!(second.header("cache-control"), Some("no-store"));
    assert_eq!(second.header("etag"), first.header("etag"), "a replayed event has its entity tag");
    assert_eq!(events(&world).await, 1);
    // Another key is another request.
    create.header("x-other", "1").send().await.good();
    world.call("POST", "/events").json(&talk("A talk")).key("0198c0de-2").send().await.good();
    assert_eq!(events(&world).await, 2);
}

#[tokio::test]
async fn a_key_belongs_to_one_request() {
    let world = World::new().await;
    let reused = (422, "idempotency_key_reused".to_owned());
    let first = world.call("POST", "/events").json(&talk("A talk")).key(KEY).send().await;
    assert_eq!(world.call("POST", "/events").json(&talk("Another")).key(KEY).refused().await, reused);
    let path = format!("/events/{}/activate", id(&first.good()));
    assert_eq!(world.call("POST", &path).key(KEY).refused().await, reused);
    assert_eq!(events(&world).await, 1);
}

#[tokio::test]
async fn a_key_belongs_to_one_token() {
    let world = World::new().await;
    let create = world.call("POST", "/events").json(&talk("A talk")).key(KEY);
    let mine = create.clone().send().await.good();
    let theirs = create.clone().token(&world.operator).send().await.good();
    assert_ne!(mine["id"], theirs["id"]);
    // Names are for people: two tokens may share one, and are two all the same.
    let (_, first) = world.token("ci", Role::Operator).await;
    let (_, second) = world.token("ci", Role::Operator).await;
    let first = create.clone().token(&first).send().await.good();
    let second = create.token(&second).send().await.good();
    assert_ne!(first["id"], second["id"]);
    assert_eq!(events(&world).await, 4);
}

#[tokio::test]
async fn a_secret_is_not_replayed_to_a_token_of_the_same_name() {
    let world = World::new().await;
    let (_, admin) = world.token("ci", Role::Admin).await;
    let (_, viewer) = world.token("ci", Role::Viewer).await;
    let make = world.call("POST", "/tokens").json(&json!({ "name": "new", "role": "admin" })).key(KEY);
    make.clone().token(&admin).send().await.good();
    assert_eq!(make.token(&viewer).refused().await, (403, "role".to_owned()));
}

#[tokio::test]
async fn a_key_has_a_form() {
    let world = World::new().await;
    let create = world.call("POST", "/events").json(&talk("A talk"));
    for bad in [String::new(), "x".repeat(129), "schlüssel".to_owned()] {
        let refused = create.clone().key(&bad).refused().await;
        assert_eq!(refused, (400, "idempotency_key".to_owned()), "{bad:?}");
    }
    create.key(&"x".repeat(128)).send().await.good();
    assert_eq!(events(&world).await, 1);
    // Whoever only looks needs no key, and is not asked for a good one.
    assert_eq!(world.call("GET", "/events").key("").send().await.status, 200);
}

#[tokio::test]
async fn a_refusal_is_replayed_as_the_refusal_it_was() {
    let world = World::new().await;
    let id = world.draft(rtmp()).await;
    let start = world.call("POST", &format!("/events/{id}/start")).key(KEY);
    let first = start.clone().send().await;
    assert_eq!(first.problem()["code"], "gates_missing");
    world.command(&id, "activate").await;
    let again = start.send().await;
    assert_eq!(again.problem(), first.problem());
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
}

#[tokio::test]
async fn an_answer_without_a_body_is_replayed_without_one() {
    let world = World::new().await;
    let (id, _) = world.token("ci", Role::Viewer).await;
    let revoke = world.call("DELETE", &format!("/tokens/{id}")).key(KEY);
    let (first, again) = (revoke.clone().send().await, revoke.send().await);
    assert_eq!((first.status, again.status), (204, 204));
    assert_eq!((again.header("content-type"), again.body.len()), (None, 0));
}

#[tokio::test]
async fn of_requests_at_the_same_time_one_is_carried_out() {
    let world = World::new().await;
    let create = world.call("POST", "/events").json(&talk("A talk")).key(KEY);
    let calls = (0..8).map(|_| create.clone().send());
    let answers = futures_util::future::join_all(calls).await;
    let made: Vec<String> = answers.iter().filter(|answer| answer.status == 201).map(|a| id(&a.good())).collect();
    assert!(!made.is_empty() && made.iter().all(|id| *id == made[0]), "{made:?}");
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!((answer.status, &answer.problem()["code"]), (409, &"idempotency_running".into()));
    }
    assert_eq!(events(&world).await, 1);
    assert_eq!(id(&create.send().await.good()), made[0]);
}

#[tokio::test]
async fn a_fault_of_the_server_is_not_kept() {
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    let world = World::with(Setup { allow, ..Setup::default() }).await;
    let mut server = Loopback::start().await;
    server.hold();
    let check = world.call("POST", "/checks").json(&json!({ "url": server.url("/live.m3u8") }));
    // Eight checks at a time wait for a server that does not answer.
    let mut waiting: Vec<_> = (0..8).map(|_| Box::pin(check.clone().send())).collect();
    let mut all = futures_util::future::join_all(waiting.drain(..));
    for _ in 0..8 {
        tokio::select! {
            _ = &mut all => panic!("a check was answered by a server that does not answer"),
            _ = server.next() => {}
        }
    }
    let busy = check.clone().key(KEY).send().await;
    assert_eq!((busy.status, busy.header("retry-after")), (503, Some("10")));
    assert_eq!(busy.problem()["code"], "busy");
    server.release();
    all.await;
    let answer = check.key(KEY).send().await;
    assert_eq!((answer.status, answer.header("idempotency-replayed")), (200, None));
}

#[tokio::test]
async fn who_hangs_up_in_the_middle_finds_the_answer_when_they_ask_again() {
    let world = World::new().await;
    let id = world.placed(rtmp()).await;
    let start = world.call("POST", &format!("/events/{id}/start")).key(KEY);
    let held = world.players.hold().await;
    tokio::select! {
        _ = start.clone().send() => panic!("started without a channel"),
        () = world.players.ordered(1) => {}
    }
    // The request is gone. What it wanted is under way.
    assert_eq!(start.clone().refused().await, (409, "idempotency_running".to_owned()));
    drop(held);
    let answer = loop {
        let answer = start.clone().send().await;
        if answer.status != 409 {
            break answer;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((answer.header("idempotency-replayed"), &answer.good()["state"]), (Some("true"), &"ready".into()));
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let world = World::new().await;
    let create = world.call("POST", "/events").json(&talk("A talk")).key(KEY);
    let first = id(&create.clone().send().await.good());
    world.pass(24 * HOUR - 1);
    assert_eq!(id(&create.clone().send().await.good()), first);
    world.pass(1);
    assert_ne!(id(&create.send().await.good()), first);
}

#[tokio::test]
async fn what_is_unknown_is_refused_before_a_key_is_used() {
    let world = World::new().await;
    let path = format!("/events/{}/start", Uuid::nil());
    assert_eq!(world.call("POST", &path).anonymous().key(KEY).refused().await.0, 401);
    assert_eq!(world.call("POST", &path).key(KEY).refused().await.0, 404);
}
