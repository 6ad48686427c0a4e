use std::sync::Arc;

use weir_origin::Limits;
use weir_packager::Snapshot;

use crate::support::{MASTER, MEDIA, Server, gunzip, playlist, snapshot};

const MULTIVARIANT: &str = "/live/studio/index.m3u8";
const RENDITION: &str = "/live/studio/720p/index.m3u8";

#[tokio::test]
async fn a_playlist_is_sent_with_all_that_caches_and_players_need() {
    let server = Server::start(Limits::default()).await;
    let reply = server.get(MULTIVARIANT, "").await;
    insta::assert_snapshot!(reply.head, @r#"
    HTTP/1.1 200 OK
    access-control-allow-origin: *
    access-control-expose-headers: Content-Length, Content-Range, Age, Date, ETag
    cache-control: max-age=1
    content-length: 54
    content-type: application/vnd.apple.mpegurl
    etag: "v1"
    priority: u=1
    timing-allow-origin: *
    vary: Accept-Encoding
    "#);
    assert!(reply.dated);
    assert_eq!(reply.body, MASTER.as_bytes());
    assert_eq!(server.get(RENDITION, "").await.body, MEDIA.as_bytes());
}

#[tokio::test]
async fn gzip_is_another_representation_with_its_own_tag() {
    let server = Server::start(Limits::default()).await;
    let reply = server.get(RENDITION, "Accept-Encoding: gzip, identity;q=1, *;q=0\r\nRange: bytes=0-\r\n").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    assert_eq!(reply.header("etag"), Some("\"v1-gzip\""));
    assert_eq!(reply.header("vary"), Some("Accept-Encoding"));
    assert_eq!(gunzip(&reply.body), MEDIA);
}

#[tokio::test]
async fn a_playlist_that_has_not_changed_is_not_sent_again() {
    let server = Server::start(Limits::default()).await;
    let reply = server.get(MULTIVARIANT, "If-None-Match: \"other\", W/\"v1\"\r\n").await;
    insta::assert_snapshot!(reply.head, @r#"
    HTTP/1.1 304 Not Modified
    access-control-allow-origin: *
    access-control-expose-headers: Content-Length, Content-Range, Age, Date, ETag
    cache-control: max-age=1
    etag: "v1"
    priority: u=1
    timing-allow-origin: *
    vary: Accept-Encoding
    "#);
    assert!(reply.dated);
    let gzip = "Accept-Encoding: gzip\r\n";
    assert_eq!(server.get(MULTIVARIANT, &format!("{gzip}If-None-Match: \"v1\"\r\n")).await.status, 200);
    assert_eq!(server.get(MULTIVARIANT, &format!("{gzip}If-None-Match: \"v1-gzip\"\r\n")).await.status, 304);
    assert_eq!(server.get(MULTIVARIANT, "If-None-Match: *\r\n").await.status, 304);
}

#[tokio::test]
async fn head_says_what_get_says() {
    let server = Server::start(Limits::default()).await;
    for headers in ["", "Accept-Encoding: gzip\r\n", "If-None-Match: \"v1\"\r\n"] {
        let get = server.get(MULTIVARIANT, headers).await;
        let head = server.ask("HEAD", MULTIVARIANT, headers).await;
        assert_eq!(head.head, get.head);
        assert!(head.body.is_empty());
    }
}

#[tokio::test]
async fn queries_do_not_matter() {
    let server = Server::start(Limits::default()).await;
    assert_eq!(server.get("/live/studio/index.m3u8?_HLS_msn=3&x=%00", "").await.body, MASTER.as_bytes());
}

#[tokio::test]
async fn what_is_published_next_is_served_next() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.connect().await;
    assert_eq!(client.ask("GET", MULTIVARIANT, "").await.body, MASTER.as_bytes());
    server.publish.send_replace(Some(Arc::new(Snapshot { multivariant: playlist(MEDIA), ..snapshot() })));
    assert_eq!(client.ask("GET", MULTIVARIANT, "").await.body, MEDIA.as_bytes());
    server.publish.send_replace(None);
    assert_eq!(client.ask("GET", MULTIVARIANT, "").await.status, 404);
}

#[tokio::test]
async fn a_channel_off_air_cannot_be_told_from_one_that_never_was() {
    let server = Server::start(Limits::default()).await;
    let unknown = server.get("/live/nobody/index.m3u8", "").await;
    insta::assert_snapshot!(unknown.head, @r"
    HTTP/1.1 404 Not Found
    access-control-allow-origin: *
    access-control-expose-headers: Content-Length, Content-Range, Age, Date, ETag
    cache-control: max-age=1
    content-length: 10
    content-type: text/plain; charset=utf-8
    timing-allow-origin: *
    x-content-type-options: nosniff
    ");
    for path in [
        "/live/idle/index.m3u8",
        "/live/idle/720p/index.m3u8",
        "/live/idle/720p/init.mp4",
        "/live/studio/480p/index.m3u8",
        "/live/studio/720p/s2.m4s",
        "/live/studio/720p/../../x",
        "/live/studio%2f720p/index.m3u8",
        "/live/",
    ] {
        assert_eq!(server.get(path, "").await, unknown, "{path}");
    }
}
