use tokio::task::yield_now;
use tokio::time::timeout;
use weir_origin::Limits;

use crate::support::{HUNG, Server, medium};

const SEGMENT: &str = "/live/studio/720p/s1.m4s";
const MEDIUM: &str = "/live/studio/720p/medium.m4s";

#[tokio::test]
async fn a_segment_may_be_kept_for_ever() {
    let server = Server::start(Limits::default()).await;
    let reply = server.get(SEGMENT, "Accept-Encoding: gzip\r\n").await;
    insta::assert_snapshot!(reply.head, @r#"
    HTTP/1.1 200 OK
    accept-ranges: bytes
    access-control-allow-origin: *
    access-control-expose-headers: Content-Length, Content-Range, Age, Date, ETag
    cache-control: public, max-age=3600, immutable
    content-length: 10
    content-type: video/iso.segment
    etag: "s1.m4s"
    priority: u=3
    timing-allow-origin: *
    "#);
    assert!(reply.dated);
    assert_eq!(reply.body, b"0123456789");
    let head = server.ask("HEAD", SEGMENT, "Range: bytes=0-3\r\n").await;
    assert_eq!((head.head, head.body.len()), (reply.head, 0));
}

#[tokio::test]
async fn one_range_is_answered_with_a_part() {
    let server = Server::start(Limits::default()).await;
    let reply = server.get(SEGMENT, "Range: bytes=2-4\r\n").await;
    insta::assert_snapshot!(reply.head, @r#"
    HTTP/1.1 206 Partial Content
    accept-ranges: bytes
    access-control-allow-origin: *
    access-control-expose-headers: Content-Length, Content-Range, Age, Date, ETag
    cache-control: public, max-age=3600, immutable
    content-length: 3
    content-range: bytes 2-4/10
    content-type: video/iso.segment
    etag: "s1.m4s"
    priority: u=3
    timing-allow-origin: *
    "#);
    assert_eq!(reply.body, b"234");
    assert_eq!(server.get(SEGMENT, "Range: bytes=-2\r\n").await.body, b"89");
    assert_eq!(server.get(SEGMENT, "Range: bytes=0-\r\n").await.status, 206);
}

#[tokio::test]
async fn a_range_that_does_not_exist_is_refused_with_the_length() {
    let server = Server::start(Limits::default()).await;
    let reply = server.get(SEGMENT, "Range: bytes=10-\r\n").await;
    insta::assert_snapshot!(reply.head, @"
    HTTP/1.1 416 Range Not Satisfiable
    accept-ranges: bytes
    access-control-allow-origin: *
    access-control-expose-headers: Content-Length, Content-Range, Age, Date, ETag
    cache-control: max-age=1
    content-length: 0
    content-range: bytes */10
    priority: u=3
    timing-allow-origin: *
    ");
}

#[tokio::test]
async fn several_ranges_or_a_stale_one_get_the_whole() {
    let server = Server::start(Limits::default()).await;
    for headers in [
        "Range: bytes=0-1,4-5\r\n",
        "Range: items=0-1\r\n",
        "Range: bytes=0-1\r\nIf-Range: \"other\"\r\n",
        "Range: bytes=0-1\r\nIf-Range: Sat, 29 Oct 1994 19:43:31 GMT\r\n",
    ] {
        let reply = server.get(SEGMENT, headers).await;
        assert_eq!((reply.status, reply.body.len()), (200, 10), "{headers}");
    }
    assert_eq!(server.get(SEGMENT, "Range: bytes=0-1\r\nIf-Range: \"s1.m4s\"\r\n").await.body, b"01");
}

#[tokio::test]
async fn a_segment_that_is_there_already_is_not_sent_again() {
    let server = Server::start(Limits::default()).await;
    let reply = server.get(SEGMENT, "If-None-Match: \"s1.m4s\"\r\nRange: bytes=0-1\r\n").await;
    assert_eq!((reply.status, reply.header("etag"), reply.header("content-length")), (304, Some("\"s1.m4s\""), None));
}

#[tokio::test]
async fn a_large_segment_arrives_whole() {
    let server = Server::start(Limits::default()).await;
    let reply = server.get("/live/studio/720p/large.m4s", "").await;
    assert!(reply.body.len() == 16 << 20 && reply.body.iter().all(|&byte| byte == 7));
}

#[tokio::test]
async fn a_segment_arrives_whole_however_often_it_is_asked_for() {
    let server = Server::start(Limits::default()).await;
    let (mut client, medium) = (server.connect().await, medium());
    assert!(client.ask("GET", MEDIUM, "").await.body == medium);
    assert_eq!(files_in_memory(), 0, "what is asked for once has no file");
    for _ in 0..2 {
        assert!(client.ask("GET", MEDIUM, "").await.body == medium);
        assert_eq!(files_in_memory(), 1);
        assert!(client.ask("GET", MEDIUM, "Range: bytes=1000-2999999\r\n").await.body == medium[1000..3_000_000]);
        assert_eq!(client.ask("HEAD", MEDIUM, "").await.header("content-length"), Some("3145728"));
        assert_eq!(client.ask("GET", SEGMENT, "").await.body, b"0123456789");
    }
    assert!(server.get(MEDIUM, "").await.body == medium);
    // One after the other without waiting for the answers.
    let wanted = [MEDIUM, SEGMENT, MEDIUM].map(|path| format!("GET {path} HTTP/1.1\r\nHost: weir\r\n\r\n"));
    client.send(&wanted.concat()).await;
    for body in [&medium[..], b"0123456789", &medium] {
        assert!(client.reply(false).await.body == body);
    }
    assert_eq!(files_in_memory(), 1);
    drop(client);
    // The origin learns of it in its own time.
    timeout(HUNG, async {
        while files_in_memory() > 0 {
            yield_now().await;
        }
    })
    .await
    .expect("no files without connections");
}

/// Files in memory that this process has open for media.
fn files_in_memory() -> usize {
    let open = std::fs::read_dir("/proc/self/fd").expect("a list").filter_map(|fd| fd.ok()?.path().read_link().ok());
    open.filter(|link| link.to_string_lossy().starts_with("/memfd:weir media")).count()
}

#[tokio::test]
async fn a_preflight_is_answered_for_a_day() {
    let server = Server::start(Limits::default()).await;
    let reply = server.ask("OPTIONS", SEGMENT, "Origin: https://example.com\r\n").await;
    insta::assert_snapshot!(reply.head, @r"
    HTTP/1.1 204 No Content
    access-control-allow-headers: *
    access-control-allow-methods: GET, HEAD, OPTIONS
    access-control-allow-origin: *
    access-control-max-age: 86400
    allow: GET, HEAD, OPTIONS
    ");
    insta::assert_snapshot!(server.ask("OPTIONS", "/metrics", "").await.head, @r"
    HTTP/1.1 204 No Content
    allow: GET, HEAD, OPTIONS
    ");
}

#[tokio::test]
async fn other_methods_are_refused() {
    let server = Server::start(Limits::default()).await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
        let reply = server.ask(method, SEGMENT, "").await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD, OPTIONS")), "{method}");
    }
}
