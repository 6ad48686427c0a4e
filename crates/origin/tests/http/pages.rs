use weir_origin::Limits;

use crate::support::{Server, gunzip};

#[tokio::test]
async fn the_watch_page_is_the_same_for_every_name() {
    let server = Server::start(Limits::default()).await;
    let page = server.get("/watch/studio", "").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    insta::assert_snapshot!(page.header("content-security-policy").expect("a policy"), @"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; media-src 'self' blob:; worker-src 'self' blob:; base-uri 'none'; form-action 'none'");
    for path in ["/watch/idle", "/watch/nobody", "/watch/caf%C3%A9?native"] {
        assert_eq!(server.get(path, "").await, page, "{path}");
    }
    let etag = page.header("etag").expect("a tag");
    assert_eq!(server.get("/watch/x", &format!("If-None-Match: {etag}\r\n")).await.status, 304);
}

#[tokio::test]
async fn every_file_that_the_page_names_is_there_for_ever() {
    let server = Server::start(Limits::default()).await;
    let page = server.get("/watch/studio", "").await;
    let page = String::from_utf8(page.body).expect("UTF-8");
    let files: Vec<&str> = page.split('"').filter(|text| text.starts_with("/assets/")).collect();
    assert_eq!(files.len(), 3, "a script, a style and an icon: {files:?}");
    for file in files {
        let plain = server.get(file, "").await;
        assert_eq!(plain.status, 200, "{file}");
        assert_eq!(plain.header("cache-control"), Some("public, max-age=31536000, immutable"));
        let gzip = server.get(file, "Accept-Encoding: gzip\r\n").await;
        assert_eq!(gzip.header("content-encoding"), Some("gzip"), "{file}");
        assert_eq!(gunzip(&gzip.body).as_bytes(), plain.body, "{file}");
        assert_eq!(gzip.header("content-type"), plain.header("content-type"));
    }
}

#[tokio::test]
async fn nothing_else_is_served_from_the_build() {
    let server = Server::start(Limits::default()).await;
    let unknown = server.get("/nothing", "").await;
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.header("access-control-allow-origin"), None);
    for path in ["/assets/", "/assets/../index.html", "/assets/%2e%2e/index.html", "/watch/", "/watch", "/index.html"] {
        assert_eq!(server.get(path, "").await, unknown, "{path}");
    }
}

#[tokio::test]
async fn the_daemon_says_how_it_is() {
    let server = Server::start(Limits::default()).await;
    assert_eq!(server.get("/healthz", "").await.body, b"alive\n");
    assert_eq!(server.get("/readyz", "").await.status, 200);
    let metrics = server.get("/metrics", "").await;
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(metrics.header("cache-control"), Some("no-store"));
    assert_eq!(metrics.body, b"weir_up 1\n");
    assert_eq!(server.get("/", "").await.status, 200);

    let unready = Server::with_status(Limits::default(), Err("RTMP does not listen")).await;
    let reply = unready.get("/readyz", "").await;
    assert_eq!((reply.status, reply.body.as_slice()), (503, &b"not ready: RTMP does not listen\n"[..]));
    assert_eq!(unready.get("/healthz", "").await.status, 200);
}
