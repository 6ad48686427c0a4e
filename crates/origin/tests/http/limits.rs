use std::time::Duration;

use tokio::time::timeout;
use weir_origin::{Config, Directory, Limits, Origin, Status};

use crate::support::{HUNG, MASTER, Server};

const PLAYLIST: &str = "/live/studio/index.m3u8";

#[tokio::test]
async fn a_connection_serves_many_requests_even_when_they_come_at_once() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.connect().await;
    client.send(&format!("GET {PLAYLIST} HTTP/1.1\r\nHost: a\r\n\r\n").repeat(3)).await;
    for _ in 0..3 {
        assert_eq!(client.reply(false).await.body, MASTER.as_bytes());
    }
    assert_eq!(client.ask("GET", "/live/studio/720p/large.m4s", "").await.body.len(), 16 << 20);
    assert_eq!(client.ask("HEAD", PLAYLIST, "").await.status, 200);
    assert_eq!(client.ask("GET", PLAYLIST, "").await.body, MASTER.as_bytes());
    assert_eq!(client.ask("GET", PLAYLIST, "Connection: close\r\n").await.status, 200);
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn a_request_head_that_does_not_end_is_cut_off() {
    let limits = Limits { header_timeout: Duration::from_millis(150), ..Limits::default() };
    let server = Server::start(limits).await;
    assert!(server.connect().await.rest().await.is_empty());
    let mut begun = server.connect().await;
    begun.send("GET / HTTP/1.1\r\nHost: a\r\n").await;
    assert!(begun.rest().await.is_empty());
}

#[tokio::test]
async fn a_connection_that_asks_nothing_more_is_closed() {
    let limits = Limits { idle_timeout: Duration::from_millis(150), ..Limits::default() };
    let server = Server::start(limits).await;
    let mut client = server.connect().await;
    assert_eq!(client.ask("GET", PLAYLIST, "").await.status, 200);
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut_off() {
    let write_stall_timeout = Duration::from_millis(150);
    let limits = Limits { write_stall_timeout, shutdown_grace: HUNG * 2, ..Limits::default() };
    let mut server = Server::start(limits).await;
    let mut client = server.connect().await;
    client.send("GET /live/studio/720p/large.m4s HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // Only the cut can end the connection, and so the origin, before the grace is over.
    client.stream.readable().await.expect("the answer has begun");
    server.stop();
    timeout(HUNG, server.running).await.expect("the reader is cut off").expect("no panic");
    assert!(client.rest().await.len() < 16 << 20);
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_at_once() {
    let limits = Limits { connections_per_address_max: 2, ..Limits::default() };
    let server = Server::start(limits).await;
    let mut first = server.connect().await;
    assert_eq!(first.ask("GET", PLAYLIST, "").await.status, 200);
    let mut second = server.connect().await;
    assert_eq!(second.ask("GET", PLAYLIST, "").await.status, 200);
    assert!(server.connect().await.rest().await.is_empty());
    assert_eq!(first.ask("GET", PLAYLIST, "").await.status, 200);
}

#[tokio::test]
async fn long_urls_long_heads_and_bodies_are_refused() {
    let server = Server::start(Limits::default()).await;
    let long = "x".repeat(3000);
    assert_eq!(server.get(&format!("/live/{long}/index.m3u8"), "").await.status, 414);
    assert_eq!(server.get(&format!("{PLAYLIST}?{long}"), "").await.status, 414);
    let header = format!("X-Long: {}\r\n", "x".repeat(20_000));
    assert_eq!(server.get(PLAYLIST, &header).await.status, 431);
    for headers in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        let reply = server.get(PLAYLIST, headers).await;
        assert_eq!((reply.status, reply.header("connection")), (413, Some("close")), "{headers}");
    }
    assert_eq!(server.get(PLAYLIST, "Content-Length: 0\r\n").await.status, 200);
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let server = Server::start(Limits::default()).await;
    for garbage in ["\u{3}\0\0\0 hello\r\n\r\n", "GET\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"] {
        let mut client = server.connect().await;
        client.send(garbage).await;
        let answer = client.rest().await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{garbage:?}");
    }
    assert_eq!(server.get(PLAYLIST, "").await.status, 200);
}

#[tokio::test]
async fn shutdown_ends_idle_connections_and_refuses_new_ones() {
    let mut server = Server::start(Limits::default()).await;
    let mut client = server.connect().await;
    assert_eq!(client.ask("GET", PLAYLIST, "").await.status, 200);
    server.stop();
    assert!(client.rest().await.is_empty());
    server.running.await.expect("no panic");
    assert!(tokio::net::TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn shutdown_lets_an_answer_end_but_does_not_wait_for_ever() {
    for (reads, whole) in [(true, true), (false, false)] {
        let limits = Limits { shutdown_grace: Duration::from_millis(500), ..Limits::default() };
        let mut server = Server::start(limits).await;
        let mut client = server.connect().await;
        client.send("GET /live/studio/720p/large.m4s HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.stream.readable().await.expect("the answer has begun");
        server.stop();
        if reads {
            assert_eq!(client.reply(false).await.body.len(), 16 << 20);
        }
        server.running.await.expect("no panic");
        assert_eq!(client.rest().await.is_empty(), whole);
    }
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let server = Server::start(Limits::default()).await;
    let status = Status { metrics: std::sync::Arc::new(String::new), ready: std::sync::Arc::new(|| Ok(())) };
    let config = Config { tls: None, listen: server.address, limits: Limits::default(), tokens: None };
    let error = Origin::bind(config, Directory::new(), status).await.err().expect("in use");
    assert_eq!(
        error.to_string(),
        format!("HTTP cannot listen on {}: the address is already in use by another program", server.address)
    );
}
