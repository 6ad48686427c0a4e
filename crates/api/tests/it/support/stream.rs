//! The API over TCP: its own listener, and a client that listens to server-sent events.

use std::net::SocketAddr;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpSocket;
use weir_api::Api;

use super::World;

/// A stream of server-sent events.
pub struct Listener {
    body: Incoming,
    text: String,
}

/// One of them.
#[derive(Debug)]
pub struct Message {
    pub kind: String,
    pub id: String,
    pub event: Value,
}

impl World {
    /// Serves the API on loopback until the world stops.
    pub async fn listen(&self) -> SocketAddr {
        let api = Api::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = api.local_addr();
        tokio::spawn(api.run(self.router.clone(), self.stop.subscribe()));
        address
    }
}

/// Sends a request over a connection of its own that comes from the address `from`.
pub async fn exchange(to: SocketAddr, from: [u8; 4], request: Request<Body>) -> hyper::Response<Incoming> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let stream = socket.connect(to).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender.send_request(request).await.unwrap()
}

impl Listener {
    pub async fn to(address: SocketAddr, path: &str, token: &str) -> Self {
        let request = Request::builder().uri(format!("/api/v1{path}")).header("host", "live.example");
        let request = request.header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
        let response = exchange(address, [127, 0, 0, 1], request).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), text: String::new() }
    }

    /// The next message; `None` when the stream is over.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let lines = block.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    lines.collect::<Vec<_>>().join("\n")
                };
                let event = serde_json::from_str(&field("data")).unwrap();
                let message = Message { kind: field("event"), id: field("id"), event };
                self.text = rest.to_owned();
                return Some(message);
            }
            // A server that stops breaks off what has no end.
            let frame = self.body.frame().await?.ok()?;
            self.text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
        }
    }
}
