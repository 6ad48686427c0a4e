//! Tokens for the API.

use serde_json::json;

use crate::support::{MINUTE, World, id};

#[tokio::test]
async fn a_token_works_from_when_it_is_made_until_it_is_revoked() {
    let world = World::new().await;
    let made = world.call("POST", "/tokens").json(&json!({ "name": " ci ", "role": "operator" })).send().await;
    assert_eq!((made.status, made.header("cache-control")), (201, Some("no-store")));
    let (made, token) = (made.good(), made.good()["token"].as_str().unwrap().to_owned());
    assert_eq!((&made["name"], &made["role"]), (&"ci".into(), &"operator".into()));
    assert!(token.starts_with("weir_") && token.len() >= 37);
    let look = || world.call("GET", "/events").token(&token).send();
    assert_eq!(look().await.status, 200);
    let id = id(&made);
    assert_eq!(world.call("DELETE", &format!("/tokens/{id}")).send().await.status, 204);
    assert_eq!(look().await.problem()["code"], "unauthorized");
    // Once more changes nothing.
    assert_eq!(world.call("DELETE", &format!("/tokens/{id}")).send().await.status, 204);
}

#[tokio::test]
async fn the_list_says_when_tokens_were_made_used_and_revoked() {
    let world = World::new().await;
    let made = world.post("/tokens", json!({ "name": "ci", "role": "viewer" })).await;
    let (id, token) = (id(&made), made["token"].as_str().unwrap().to_owned());
    let listed = async || {
        let tokens = world.get("/tokens").await;
        tokens.as_array().unwrap().iter().find(|token| token["id"] == id.as_str()).unwrap().clone()
    };
    let kept = listed().await;
    assert_eq!(kept["created_at"], "2027-01-15T08:00:00.000Z");
    assert!(kept["last_used_at"].is_null() && kept["revoked_at"].is_null() && kept.get("token").is_none());
    world.pass(MINUTE);
    world.call("GET", "/events").token(&token).send().await.good();
    assert_eq!(listed().await["last_used_at"], "2027-01-15T08:01:00.000Z");
    world.pass(MINUTE);
    world.call("DELETE", &format!("/tokens/{id}")).send().await.good();
    assert_eq!(listed().await["revoked_at"], "2027-01-15T08:02:00.000Z");
}

#[tokio::test]
async fn a_password_that_is_no_token_is_none_however_long() {
    let world = World::new().await;
    for bad in ["", "weir_", &"w".repeat(129), &"w".repeat(8000)] {
        assert_eq!(world.call("GET", "/events").token(bad).refused().await, (401, "unauthorized".to_owned()));
    }
}
