//! The least that hyper can do for requests that wait: HTTP/2, a channel that all watch, one shared body, no limits.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use http_body_util::Full;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// As long as a playlist of a minute in gzip.
const BODY_BYTES: usize = 450;
const PERIOD: Duration = Duration::from_secs(1);
const STREAMS_PER_CONNECTION: u32 = 256;

/// Publishes every second and prints `listening ADDRESS`. Runs until it is killed.
pub async fn run() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening {}", listener.local_addr()?);
    let (publish, published) = watch::channel(Bytes::new());
    tokio::spawn(async move {
        let mut period = tokio::time::interval(PERIOD);
        loop {
            period.tick().await;
            publish.send_replace(Bytes::from_static(&[0; BODY_BYTES]));
        }
    });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let published = published.clone();
        let service = service_fn(move |_: Request<Incoming>| {
            let mut published = published.clone();
            published.mark_unchanged();
            async move {
                // The sender lives as long as this process.
                let _ = published.changed().await;
                let body = published.borrow().clone();
                Ok::<_, Infallible>(Response::new(Full::new(body)))
            }
        });
        let mut server = http2::Builder::new(TokioExecutor::new());
        server.max_concurrent_streams(STREAMS_PER_CONNECTION);
        tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
    }
}
