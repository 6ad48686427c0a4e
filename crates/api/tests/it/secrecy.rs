//! Secrets: in exactly the answers where they must be, and nowhere else.

use std::io;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use tracing_subscriber::filter::LevelFilter;

use crate::support::{Answer, Loopback, Setup, World, exchange, id, operations, srt, until};

const PASSWORD: &str = "correct horse battery";
const WRONG: &str = "wrong horse battery";

/// All that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A run, in which every answer is kept.
struct Run {
    world: World,
    said: Vec<(String, Answer)>,
    secrets: Vec<Secret>,
}

/// Something that was handed out, and the requests in whose answers it may be.
struct Secret {
    what: &'static str,
    text: String,
    answers: Vec<String>,
}

impl Run {
    async fn ask(&mut self, method: &str, path: &str, body: Value) -> Answer {
        let answer = self.world.call(method, path).json(&body).send().await;
        self.said.push((format!("{method} {path}"), answer.clone()));
        answer
    }

    async fn good(&mut self, method: &str, path: &str, body: Value) -> Value {
        self.ask(method, path, body).await.good()
    }

    fn keep(&mut self, what: &'static str, text: &Value, answers: &[&str]) {
        let text = text.as_str().unwrap().to_owned();
        assert!(text.len() >= 8, "{what} is too short to be a secret");
        self.secrets.push(Secret { what, text, answers: answers.iter().map(ToString::to_string).collect() });
    }
}

#[tokio::test]
async fn a_secret_is_in_the_answers_where_it_must_be_and_in_no_other_and_not_in_the_log() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false);
    // For all threads, those of the database too.
    subscriber.with_writer(move || writer.clone()).init();
    let allow = vec!["127.0.0.1/32".parse().unwrap()];
    let world = World::with(Setup { allow, deliver: true, ..Setup::default() }).await;
    let mut server = Loopback::start().await;
    let mut run = Run { world, said: Vec::new(), secrets: Vec::new() };

    administer(&mut run, &server).await;
    live(&mut run).await;
    log_in(&mut run).await;
    look_at_everything(&mut run).await;
    over_tcp(&run).await;

    let Run { said, mut secrets, world } = run;
    for (what, text) in [("the admin's token", &world.admin), ("a viewer's token", &world.viewer)] {
        secrets.push(Secret { what, text: text.clone(), answers: Vec::new() });
    }
    for text in [PASSWORD, WRONG] {
        secrets.push(Secret { what: "a password", text: text.to_owned(), answers: Vec::new() });
    }
    let mut messages = vec![server.next().await];
    while !messages.iter().any(|message| message.body.windows(11).any(|bytes| bytes == b"event.ended")) {
        messages.push(server.next().await);
    }
    world.stop();
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("event changed") && log.contains("DEBUG sqlx::query"), "what is logged does not come here");
    for Secret { what, text, answers } in &secrets {
        let leak = log.lines().find(|line| line.contains(text));
        assert!(leak.is_none(), "{what} is in the log: {}", leak.unwrap_or_default());
        let found: Vec<&String> = said.iter().filter(|(_, answer)| shows(answer, text)).map(|(name, _)| name).collect();
        assert_eq!(found, answers.iter().collect::<Vec<_>>(), "where {what} is");
        for message in &messages {
            assert!(!std::str::from_utf8(&message.body).unwrap().contains(text), "{what} is in a message");
        }
    }
}

fn shows(answer: &Answer, text: &str) -> bool {
    answer.text().contains(text) || answer.headers.values().any(|value| value.to_str().unwrap().contains(text))
}

async fn administer(run: &mut Run, server: &Loopback) {
    run.good("PUT", "/password", json!({ "password": PASSWORD })).await;
    let made = run.good("POST", "/tokens", json!({ "name": "ci", "role": "operator" })).await;
    run.keep("a token", &made["token"], &["POST /tokens"]);
    let made = run.good("POST", "/webhooks", json!({ "url": server.url("/hook") })).await;
    run.keep("the secret of a webhook", &made["secret"], &["POST /webhooks"]);
    let key = run.good("GET", "/playback-key", Value::Null).await;
    // Everything is looked at once more in the end.
    run.keep("the playback key", &key["key"], &["GET /playback-key", "GET /playback-key"]);
}

/// An event over SRT, from its beginning to its end.
async fn live(run: &mut Run) {
    let event = run.good("POST", "/events", json!({ "title": "A talk", "source": srt() })).await;
    let path = format!("/events/{}", id(&event));
    run.good("POST", &format!("{path}/activate"), Value::Null).await;
    run.good("PUT", &format!("{path}/offer"), json!({ "offer": "paid" })).await;
    run.good("POST", &format!("{path}/start"), Value::Null).await;
    let (credentials, rotate) = (format!("{path}/credentials"), format!("{path}/rotate-key"));
    let first = run.good("GET", &credentials, Value::Null).await;
    let asked = format!("GET {credentials}");
    run.keep("a stream key", &first["stream_key"], &[&asked]);
    run.keep("a passphrase", &first["srt_passphrase"], &[&asked]);
    let second = run.good("POST", &rotate, Value::Null).await;
    let rotated = format!("POST {rotate}");
    run.good("GET", &credentials, Value::Null).await;
    run.keep("another stream key", &second["stream_key"], &[&rotated, &asked]);
    for (kind, body) in [("preview", json!({})), ("playback", json!({ "viewer": "v", "expires_in_s": 60 }))] {
        let tokens = format!("{path}/{kind}-tokens");
        let made = run.good("POST", &tokens, body).await;
        run.keep("a token for watching", &made["token"], &[&format!("POST {tokens}")]);
    }
    let mut changes = run.world.director.changes();
    run.world.players.of(&id(&event)).connect();
    until(&mut changes, &id(&event), "event.preview").await;
    run.good("POST", &format!("{path}/air"), Value::Null).await;
    run.good("GET", &format!("{path}/health"), Value::Null).await;
    run.good("POST", &format!("{path}/stop"), Value::Null).await;
}

/// What only browsers have.
async fn log_in(run: &mut Run) {
    run.ask("POST", "/session", json!({ "password": WRONG })).await.problem();
    let answer = run.ask("POST", "/session", json!({ "password": PASSWORD })).await;
    run.keep("a CSRF token", &answer.good()["csrf_token"], &["POST /session"]);
    let cookie = answer.header("set-cookie").unwrap().split(['=', ';']).nth(1).unwrap().to_owned();
    run.keep("a cookie", &cookie.into(), &["POST /session"]);
}

/// Every list and every thing, after all secrets were handed out.
async fn look_at_everything(run: &mut Run) {
    let event = run.world.get("/events").await["items"][0].clone();
    let hook = run.world.get("/webhooks").await[0].clone();
    for operation in operations(&run.world).await.iter().filter(|operation| operation.method == "GET") {
        let of = if operation.template.contains("webhooks") { &hook } else { &event };
        let path = operation.template.replace("{id}", &id(of)).replace("/api/v1", "");
        if !path.ends_with("/stream") {
            run.ask("GET", &path, Value::Null).await;
        }
    }
}

/// The listener and the guess at a token have logs of their own.
async fn over_tcp(run: &Run) {
    let address = run.world.listen().await;
    let login = json!({ "password": PASSWORD }).to_string();
    for (method, path, token, body) in [
        ("GET", "/api/v1/events", &run.world.viewer, String::new()),
        ("GET", "/api/v1/events", &format!("{}x", run.world.admin), String::new()),
        ("POST", "/api/v1/session", &run.world.admin, login),
    ] {
        let request = Request::builder().method(method).uri(path).header("host", "live.example");
        let request = request.header("content-type", "application/json");
        let request = request.header("authorization", format!("Bearer {token}"));
        exchange(address, [127, 0, 0, 1], request.body(Body::from(body)).unwrap()).await;
    }
}
