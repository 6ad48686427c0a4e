//! Who may do what: for every operation that the API describes, so that none can be forgotten.

use std::fmt::Write as _;

use insta::assert_snapshot;
use weir_api::Role;

use crate::support::{Operation, World, operations};

/// Somebody without a good token.
async fn refused_status(world: &World, operation: &Operation, token: Option<&str>, peer: [u8; 4]) -> u16 {
    let call = world.call(&operation.method, &operation.path()).peer(peer);
    let call = match token {
        Some(token) => call.token(token),
        None => call.anonymous(),
    };
    call.open().await.status().as_u16()
}

#[tokio::test]
async fn who_has_no_good_token_is_let_in_nowhere_but_to_the_session() {
    let world = World::new().await;
    let (id, revoked) = world.token("revoked", Role::Admin).await;
    world.call("DELETE", &format!("/tokens/{id}")).send().await.good();
    for (place, operation) in operations(&world).await.iter().enumerate() {
        // Failed attempts are counted by address, so each operation is asked for from another.
        let peer = [198, 51, 100, place as u8];
        for token in [None, Some("weir_00000000000000000000000000000000"), Some("nonsense"), Some(revoked.as_str())] {
            let status = refused_status(&world, operation, token, peer).await;
            let (is_open, wanted) = (operation.is_open(), status == 401);
            assert_eq!(is_open, !wanted, "{} with {token:?}: {status}", operation.name());
        }
    }
}

#[tokio::test]
async fn each_operation_needs_the_role_that_it_needs() {
    let world = World::new().await;
    let mut golden = String::new();
    for operation in operations(&world).await.iter().filter(|operation| !operation.is_open()) {
        let mut allowed = Vec::new();
        for (role, token) in [("viewer", &world.viewer), ("operator", &world.operator), ("admin", &world.admin)] {
            let response = world.call(&operation.method, &operation.path()).token(token).open().await;
            assert_ne!(response.status(), 401, "{} as {role}", operation.name());
            if response.status() != 403 {
                allowed.push(role);
            }
        }
        // Each role may do what those before it may.
        let roles = ["viewer", "operator", "admin"];
        assert!(!allowed.is_empty() && roles.ends_with(&allowed), "{}: {allowed:?}", operation.name());
        // Writing to a String cannot fail.
        let _ = writeln!(golden, "{:8}  {}", allowed[0], operation.name());
    }
    assert_snapshot!(golden);
}

#[tokio::test]
async fn a_role_that_is_too_small_is_told_which_is_needed() {
    let world = World::new().await;
    let problem = world.call("POST", "/tokens").token(&world.operator).send().await.problem();
    assert_eq!((&problem["status"], &problem["code"]), (&403.into(), &"role".into()));
    assert_eq!(problem["title"], "this needs the role admin, and the token has the role operator");
}

#[tokio::test]
async fn who_is_not_let_in_is_told_how() {
    let world = World::new().await;
    let answer = world.call("GET", "/events").anonymous().send().await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(answer.problem()["code"], "unauthorized");
    // The scheme is one word in any case, and nothing else is a token.
    for good in ["bearer", "BEARER"] {
        let value = format!("{good} {}", world.viewer);
        assert_eq!(world.call("GET", "/events").anonymous().header("authorization", &value).send().await.status, 200);
    }
    for bad in [world.viewer.clone(), format!("Basic {}", world.viewer), "Bearer".to_owned()] {
        let call = world.call("GET", "/events").anonymous().header("authorization", &bad);
        assert_eq!(call.refused().await, (401, "unauthorized".to_owned()));
    }
}
