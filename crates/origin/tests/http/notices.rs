//! What the public is told of events.

use weir_origin::{Access, Limits, Notice, NoticeState};

use crate::support::Server;

const STATUS: &str = "/watch/event/status.json";

fn notice() -> Notice {
    Notice {
        title: "Café \"concert\"".to_owned(),
        state: NoticeState::Upcoming,
        starts_ms: Some(1_900_000_000_000),
        access: Access::Paid,
        external_url: None,
    }
}

/// The members of a status, without the clock.
fn without_now(body: &[u8]) -> String {
    let text = String::from_utf8(body.to_vec()).expect("UTF-8");
    let (before, rest) = text.split_once("\"now\":\"").expect("a clock");
    let (now, after) = rest.split_once("\",").expect("a text");
    assert!(now.len() == "2030-03-17T17:46:40.000Z".len() && now.starts_with("20") && now.ends_with('Z'), "{now}");
    format!("{before}{after}")
}

#[tokio::test]
async fn what_is_announced_can_be_read_until_it_is_withdrawn() {
    let server = Server::start(Limits::default()).await;
    let unknown = server.get("/watch/nobody/status.json", "").await;
    assert_eq!(unknown.status, 404);
    assert_eq!(server.get(STATUS, "").await, unknown);
    assert_eq!(server.get("/watch/studio/status.json", "").await, unknown);

    server.directory.announce("event", notice());
    let reply = server.get(STATUS, "").await;
    insta::assert_snapshot!(reply.head, @r"
    HTTP/1.1 200 OK
    cache-control: max-age=1
    content-length: 147
    content-type: application/json
    x-content-type-options: nosniff
    ");
    insta::assert_snapshot!(without_now(&reply.body), @r#"{"title":"Café \"concert\"","state":"upcoming","starts_at":"2030-03-17T17:46:40.000Z","access":"paid","url":null}"#);
    let external_url = Some("https://cdn.example/live.m3u8".to_owned());
    let live = Notice { state: NoticeState::Live, starts_ms: None, access: Access::Free, external_url, ..notice() };
    server.directory.announce("event", live);
    insta::assert_snapshot!(without_now(&server.get(STATUS, "").await.body), @r#"{"title":"Café \"concert\"","state":"live","starts_at":null,"access":"free","url":"https://cdn.example/live.m3u8"}"#);

    server.directory.withdraw("event");
    assert_eq!(server.get(STATUS, "").await, unknown);
}

#[tokio::test]
async fn a_page_may_load_from_the_origin_that_its_notice_names() {
    let server = Server::start(Limits::default()).await;
    let page = server.get("/watch/event", "").await;
    server.directory.announce("event", notice());
    assert_eq!(server.get("/watch/event", "").await, page);
    let url = "https://cdn.example:8443/a;script-src/b?c='unsafe-inline'".to_owned();
    server.directory.announce("event", Notice { external_url: Some(url), ..notice() });
    let external = server.get("/watch/event", "").await;
    insta::assert_snapshot!(external.header("content-security-policy").expect("a policy"), @"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' https://cdn.example:8443 https:; media-src 'self' blob: https://cdn.example:8443 https:; worker-src 'self' blob:; base-uri 'none'; form-action 'none'");
    assert_eq!(external.body, page.body);
    // A browser keeps the policy of the page that it has, whatever comes with a 304.
    let (tag, other) = (page.header("etag").expect("a tag"), external.header("etag").expect("a tag"));
    assert_eq!(server.get("/watch/event", &format!("If-None-Match: {tag}\r\n")).await.status, 200);
    assert_eq!(server.get("/watch/event", &format!("If-None-Match: {other}\r\n")).await.status, 304);
    assert_eq!(server.get("/watch/another", "").await, page);
}
