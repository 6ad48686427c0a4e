//! The console's way in.

use serde_json::json;

use crate::support::{Answer, HOUR, Setup, World, exchange, rtmp};

const PASSWORD: &str = "correct horse battery";
const ELSEWHERE: [u8; 4] = [192, 0, 2, 77];

async fn with_password(setup: Setup) -> World {
    let world = World::with(setup).await;
    world.put("/password", json!({ "password": PASSWORD })).await;
    world
}

async fn log_in(world: &World, password: &str) -> Answer {
    world.call("POST", "/session").anonymous().json(&json!({ "password": password })).send().await
}

/// The cookie as browsers send it back, and the CSRF token.
fn session(answer: &Answer) -> (String, String) {
    let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    (cookie, answer.good()["csrf_token"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_right_password_begins_a_session_that_may_do_everything() {
    let world = with_password(Setup::default()).await;
    let answer = log_in(&world, PASSWORD).await;
    assert_eq!((answer.status, &answer.good()["expires_at"]), (201, &"2027-01-15T20:00:00.000Z".into()));
    let (cookie, csrf) = session(&answer);
    let tokens = world.call("GET", "/tokens").anonymous().header("cookie", &format!("a=b; {cookie}; c=d"));
    assert_eq!(tokens.send().await.status, 200);
    let create = world.call("POST", "/events").anonymous().json(&json!({ "title": "A talk", "source": rtmp() }));
    let create = create.header("cookie", &cookie).header("x-csrf-token", &csrf);
    assert_eq!(create.send().await.status, 201);
    let deed = world.get("/audit?limit=1").await["items"][0].clone();
    assert_eq!((&deed["actor"], &deed["action"]), (&"console".into(), &"event.create".into()));
}

#[tokio::test]
async fn a_wrong_password_begins_nothing() {
    let world = World::new().await;
    let no_password = log_in(&world, PASSWORD).await;
    assert_eq!((no_password.status, no_password.problem()["code"].as_str()), (401, Some("unauthorized")));
    world.put("/password", json!({ "password": PASSWORD })).await;
    for wrong in ["correct horse batterx", "", &"x".repeat(2000)] {
        let answer = log_in(&world, wrong).await;
        assert_eq!((answer.status, answer.header("set-cookie")), (401, None));
        assert_eq!(answer.problem()["title"], "the password is wrong");
    }
}

#[tokio::test]
async fn no_script_and_no_other_site_gets_the_cookie() {
    for behind_proxy in [false, true] {
        let world = with_password(Setup { behind_proxy, ..Setup::default() }).await;
        let answer = log_in(&world, PASSWORD).await;
        let (pair, attributes) = answer.header("set-cookie").unwrap().split_once("; ").unwrap();
        let secret = pair.strip_prefix("weir_session=").unwrap();
        assert!(secret.len() >= 32 && secret.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let secure = if behind_proxy { "; Secure" } else { "" };
        assert_eq!(attributes, format!("Path=/api; HttpOnly; SameSite=Strict; Max-Age=43200{secure}"));
        assert!(!answer.text().contains(secret), "the body, which scripts read, has the cookie's secret");
    }
}

#[tokio::test]
async fn what_changes_something_needs_the_csrf_token_of_its_session() {
    let world = with_password(Setup::default()).await;
    let (cookie, csrf) = session(&log_in(&world, PASSWORD).await);
    let (_, other) = session(&log_in(&world, PASSWORD).await);
    let refused = (403, "csrf".to_owned());
    // It is looked at before anything else is.
    for (method, path) in [("POST", "/tokens"), ("PUT", "/password"), ("DELETE", "/tokens/7"), ("PATCH", "/events/7")] {
        let call = world.call(method, path).anonymous().header("cookie", &cookie);
        assert_eq!(call.clone().refused().await, refused, "{method}");
        assert_eq!(call.clone().header("x-csrf-token", "").refused().await, refused, "{method}");
        assert_eq!(call.clone().header("x-csrf-token", &other).refused().await, refused, "{method}");
        assert_ne!(call.header("x-csrf-token", &csrf).refused().await.0, 403, "{method}");
    }
    // Who only looks needs none. A token is nothing that a browser sends by itself.
    assert_eq!(world.call("GET", "/events").anonymous().header("cookie", &cookie).send().await.status, 200);
    assert_ne!(world.call("POST", "/tokens").header("cookie", &cookie).refused().await.0, 403);
}

#[tokio::test]
async fn a_session_that_was_ended_is_over() {
    let world = with_password(Setup::default()).await;
    let (cookie, _) = session(&log_in(&world, PASSWORD).await);
    let (other, _) = session(&log_in(&world, PASSWORD).await);
    let look = |cookie: &str| world.call("GET", "/events").anonymous().header("cookie", cookie).send();
    let ended = world.call("DELETE", "/session").anonymous().header("cookie", &cookie).send().await;
    assert_eq!(ended.status, 204);
    assert!(ended.header("set-cookie").unwrap().starts_with("weir_session=; "));
    assert!(ended.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!((look(&cookie).await.status, look(&other).await.status), (401, 200));
    // Once more, or without one, is no error.
    assert_eq!(world.call("DELETE", "/session").anonymous().header("cookie", &cookie).send().await.status, 204);
    assert_eq!(world.call("DELETE", "/session").anonymous().send().await.status, 204);
}

#[tokio::test]
async fn a_session_lasts_twelve_hours() {
    let world = with_password(Setup::default()).await;
    let (cookie, _) = session(&log_in(&world, PASSWORD).await);
    let look = || world.call("GET", "/events").anonymous().header("cookie", &cookie).send();
    world.pass(12 * HOUR - 1);
    assert_eq!(look().await.status, 200);
    world.pass(1);
    assert_eq!(look().await.status, 401);
}

#[tokio::test]
async fn another_password_ends_the_sessions_of_the_first() {
    let world = with_password(Setup::default()).await;
    let (cookie, csrf) = session(&log_in(&world, PASSWORD).await);
    let change = world.call("PUT", "/password").anonymous().json(&json!({ "password": "another sentence" }));
    assert_eq!(change.header("cookie", &cookie).header("x-csrf-token", &csrf).send().await.status, 204);
    let look = world.call("GET", "/events").anonymous().header("cookie", &cookie);
    assert_eq!(look.refused().await, (401, "unauthorized".to_owned()));
    assert_eq!(log_in(&world, PASSWORD).await.status, 401);
    assert_eq!(log_in(&world, "another sentence").await.status, 201);
}

#[tokio::test]
async fn who_fails_too_often_has_to_wait_and_others_do_not() {
    let world = World::new().await;
    let address = world.listen().await;
    let guess = |from: [u8; 4]| {
        let request = axum::http::Request::post("/api/v1/session").header("host", "live.example");
        let request = request.header("content-type", "application/json");
        exchange(address, from, request.body(r#"{"password":"a guess"}"#.into()).unwrap())
    };
    let (mut failures, from) = (0, [127, 0, 0, 3]);
    let refused = loop {
        let answer = guess(from).await;
        if answer.status() != 401 {
            break answer;
        }
        failures += 1;
    };
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"10".parse().unwrap()));
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    // Ten in a minute, and what comes back while they are made.
    assert!((10..=12).contains(&failures), "{failures} guesses were allowed");
    assert_eq!(guess([127, 0, 0, 4]).await.status(), 401);
}

#[tokio::test]
async fn wrong_tokens_count_as_failures_and_good_ones_still_get_in() {
    let world = World::new().await;
    let with = |token: &str| world.call("GET", "/events").token(token).peer(ELSEWHERE).send();
    let mut statuses = Vec::new();
    for _ in 0..13 {
        statuses.push(with("weir_wrong").await.status);
    }
    assert!(statuses.starts_with(&[401; 10]) && statuses.ends_with(&[429]), "{statuses:?}");
    assert_eq!(with("weir_wrong").await.problem()["code"], "too_many_attempts");
    assert_eq!(with(&world.viewer).await.status, 200);
    // Who brings nothing guesses nothing.
    assert_eq!(world.call("GET", "/events").anonymous().peer(ELSEWHERE).send().await.status, 401);
}
