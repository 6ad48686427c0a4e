//! HTTP/2, in the clear and over TLS.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Request, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use weir_origin::{Limits, Tls, tls_config};
use weir_packager::{Edge, Snapshot};

use crate::support::{EDGE, MASTER, Server, playlist, snapshot};

type Sender = SendRequest<Empty<Bytes>>;

/// A connection that knows beforehand what is spoken.
async fn connect(server: &Server) -> Sender {
    let stream = TcpStream::connect(server.address).await.expect("connects");
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
    tokio::spawn(connection);
    sender
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::builder().uri(format!("http://weir{path}")).body(Empty::new()).expect("a request")
}

#[tokio::test]
async fn http2_is_spoken_in_the_clear_to_those_who_begin_with_it() {
    let server = Server::start(Limits::default()).await;
    let mut sender = connect(&server).await;
    let response = sender.send_request(get("/live/studio/index.m3u8")).await.expect("an answer");
    assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));
    assert_eq!(response.headers()["priority"], "u=1");
    assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), MASTER);
    // And HTTP/1.1 on the same port.
    assert_eq!(server.get("/live/studio/index.m3u8", "").await.status, 200);
}

#[tokio::test]
async fn a_thousand_waiters_get_the_same_bytes() {
    const CONNECTIONS: usize = 4;
    const STREAMS: usize = 250;
    let server = Server::start(Limits::default()).await;
    let idle = server.publish.receiver_count();
    let mut waiting = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let sender = connect(&server).await;
        for _ in 0..STREAMS {
            let mut sender = sender.clone();
            waiting.spawn(async move {
                let request = get("/live/studio/720p/index.m3u8?_HLS_msn=10&_HLS_part=2");
                let response = sender.send_request(request).await.expect("an answer");
                (response.status(), response.into_body().collect().await.expect("a body").to_bytes())
            });
        }
    }
    while server.publish.receiver_count() < idle + CONNECTIONS * STREAMS {
        tokio::task::yield_now().await;
    }
    let mut next = Snapshot { edge: Edge { parts: 3, ..EDGE }, ..snapshot() };
    next.renditions[0].playlist = playlist("#EXTM3U\n#next\n");
    server.publish.send_replace(Some(Arc::new(next)));
    let mut answers = 0;
    while let Some(answer) = waiting.join_next().await {
        let (status, body) = answer.expect("no panic");
        assert_eq!((status, &body[..]), (StatusCode::OK, &b"#EXTM3U\n#next\n"[..]));
        answers += 1;
    }
    assert_eq!(answers, CONNECTIONS * STREAMS);
}

#[tokio::test]
async fn a_connection_has_no_more_streams_than_it_may() {
    let server = Server::start(Limits { streams_per_connection_max: 2, ..Limits::default() }).await;
    let idle = server.publish.receiver_count();
    let mut sender = connect(&server).await;
    sender.send_request(get("/healthz")).await.expect("the settings are known");
    let mut waiting = JoinSet::new();
    for _ in 0..3 {
        let mut sender = sender.clone();
        waiting.spawn(async move { sender.send_request(get("/live/studio/720p/index.m3u8?_HLS_msn=10")).await });
    }
    while server.publish.receiver_count() < idle + 2 {
        tokio::task::yield_now().await;
    }
    let ended = Snapshot { ended: true, ..snapshot() };
    server.publish.send_replace(Some(Arc::new(ended)));
    while let Some(answer) = waiting.join_next().await {
        assert_eq!(answer.expect("no panic").expect("an answer").status(), StatusCode::OK);
    }
}

/// An origin with HTTPS, and a client of it that offers `alpn`.
async fn over_tls(alpn: &[u8]) -> (Server, TlsStream<TcpStream>) {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let listen = "127.0.0.1:0".parse().expect("an address");
    let tls = Tls { listen, config: tls_config(&cert, &key).expect("a pair") };
    let server = Server::with_tls(Limits::default(), Ok(()), Some(tls)).await;

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    let mut client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(server.tls_address.expect("HTTPS")).await.expect("connects");
    let name = "localhost".try_into().expect("a name");
    let stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await.expect("TLS");
    (server, stream)
}

#[tokio::test]
async fn http2_is_agreed_upon_over_tls() {
    let (_server, stream) = over_tls(b"h2").await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
    tokio::spawn(connection);
    let response = sender.send_request(get("/live/studio/index.m3u8")).await.expect("an answer");
    assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));
    assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), MASTER);
}

#[tokio::test]
async fn http1_is_spoken_over_tls_to_those_who_know_no_other() {
    let (_server, stream) = over_tls(b"http/1.1").await;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    let request = Request::get("/healthz").header("host", "localhost").body(Empty::<Bytes>::new()).expect("a request");
    let response = sender.send_request(request).await.expect("an answer");
    assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_11));
}
