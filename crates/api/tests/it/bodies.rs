//! Requests that are not what they should be: every one is refused in the same form.

use serde_json::{Value, json};

use crate::support::{World, operations, rtmp};

const TALK: &str = r#"{"title":"A talk","source":{"kind":"rtmp","input":"1080p"}}"#;

async fn refused(world: &World, body: &str) -> (u16, String) {
    world.call("POST", "/events").body("application/json", body).refused().await
}

#[tokio::test]
async fn a_body_is_json() {
    let world = World::new().await;
    let json = (400, "json".to_owned());
    let deep = "[".repeat(10_000);
    for bad in ["", "{", "title=A+talk", "\u{feff}{}", "{\"title\":\"A\"}}", "NaN", deep.as_str()] {
        assert_eq!(refused(&world, bad).await, json, "{bad:.40}");
    }
    let call = world.call("POST", "/events").body("application/json", b"{\"title\":\"\xff\"}".to_vec());
    assert_eq!(call.refused().await.0 / 100, 4);
}

#[tokio::test]
async fn a_body_has_what_is_wanted_and_nothing_else() {
    let world = World::new().await;
    let fields = (422, "fields".to_owned());
    for bad in [
        "null",
        "[]",
        "{}",
        r#"{"title":"A talk"}"#,
        r#"{"title":7,"source":{"kind":"rtmp","input":"1080p"}}"#,
        r#"{"title":"A","title":"B","source":{"kind":"rtmp","input":"1080p"}}"#,
        r#"{"title":"A talk","source":"rtmp"}"#,
        r#"{"title":"A talk","source":{"kind":"rtmp","input":"1080p","url":"x"}}"#,
        r#"{"title":"A talk","source":{"kind":"rtmp","input":"1080p"},"state":"live"}"#,
        r#"{"title":"A talk","source":{"kind":"rtmp","input":"1080p"},"account":"mine"}"#,
    ] {
        assert_eq!(refused(&world, bad).await, fields, "{bad}");
    }
    // An error says where and what.
    let answer =
        world.call("POST", "/events").json(&json!({ "title": "A", "source": rtmp(), "colour": 1 })).send().await;
    let title = answer.problem()["title"].as_str().unwrap().to_owned();
    assert!(title.contains("unknown field `colour`") && title.contains("line 1"), "{title}");
    for (path, body) in [("schedule", json!({ "starts_at": 7, "duration_s": 60 })), ("offer", json!({ "offer": null }))]
    {
        let call = world.call("PUT", &format!("/events/{}/{path}", uuid::Uuid::nil())).json(&body);
        assert_eq!(call.refused().await, fields, "{path}");
    }
}

#[tokio::test]
async fn a_body_says_that_it_is_json() {
    let world = World::new().await;
    for bad in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
        let call = world.call("POST", "/events").body(bad, TALK);
        assert_eq!(call.refused().await, (415, "content_type".to_owned()), "{bad}");
    }
    assert_eq!(world.call("POST", "/events").refused().await, (415, "content_type".to_owned()));
    for good in ["application/json; charset=utf-8", "Application/JSON"] {
        world.call("POST", "/events").body(good, TALK).send().await.good();
    }
}

#[tokio::test]
async fn a_body_has_an_end() {
    let world = World::new().await;
    let most = 64 * 1024;
    let padded = |bytes: usize| format!("{TALK}{}", " ".repeat(bytes - TALK.len()));
    let create = |bytes: usize| world.call("POST", "/events").body("application/json", padded(bytes));
    let too_long = (413, "body".to_owned());
    assert_eq!(create(most + 1).refused().await, too_long);
    assert_eq!(create(most + 1).key("1").refused().await, too_long);
    create(most).send().await.good();
    create(most).key("1").send().await.good();
    let login = world.call("POST", "/session").anonymous().body("application/json", padded(most + 1));
    assert_eq!(login.refused().await, too_long);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
    let world = World::new().await;
    tokio::time::pause();
    let login = world.call("POST", "/session").anonymous().header("content-type", "application/json");
    assert_eq!(login.endless().refused().await, (408, "timeout".to_owned()));
}

#[tokio::test]
async fn text_holds_no_nul() {
    let world = World::new().await;
    let call = world.call("POST", "/events").json(&json!({ "title": "a\0b", "source": rtmp() }));
    assert_eq!(call.refused().await, (422, "title".to_owned()));
    let account = format!("/accounts/{}", uuid::Uuid::from_u128(1));
    let call = world.call("PUT", &account).json(&json!({ "name": "a\0", "live_ingest": true }));
    assert_eq!(call.refused().await, (422, "name".to_owned()));
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_problems_too() {
    let world = World::new().await;
    for path in ["/", "/nothing", "/events/", "/events/7/8/9", "/api/v2/events", "/api/"] {
        assert_eq!(world.call("GET", path).refused().await, (404, "not_found".to_owned()), "{path}");
    }
    for (method, path) in [("PUT", "/events"), ("DELETE", "/events"), ("GET", "/session"), ("POST", "/openapi.json")] {
        let answer = world.call(method, path).send().await;
        assert_eq!((answer.status, &answer.problem()["code"]), (405, &"method".into()), "{method} {path}");
        assert!(answer.header("allow").is_some_and(|allow| !allow.is_empty()), "{method} {path}");
    }
}

#[tokio::test]
async fn what_is_no_id_names_nothing() {
    let world = World::new().await;
    for operation in operations(&world).await.iter().filter(|operation| operation.template.contains("{id}")) {
        for bad in ["7", "0198c0de", "%00", "..%2f..%2ftokens", "00000000-0000-0000-0000-00000000000g"] {
            let path = operation.template.replace("{id}", bad);
            let status = world.call(&operation.method, &path).send().await.problem()["status"].clone();
            assert_eq!(status, 404, "{} {path}", operation.method);
        }
    }
}

#[tokio::test]
async fn every_answer_is_hardened() {
    let world = World::new().await;
    let calls = [
        world.call("GET", "/events"),
        world.call("GET", "/nothing"),
        world.call("PUT", "/events"),
        world.call("GET", "/events").anonymous(),
        world.call("GET", "/openapi.json").anonymous(),
    ];
    for call in calls {
        let answer = call.send().await;
        let header = |name: &str| answer.header(name).map(str::to_owned).unwrap_or_default();
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("referrer-policy"), "no-referrer");
    }
    assert_eq!(world.get("/events").await, json!({ "items": [], "next": Value::Null }));
}
