use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::HOST;
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest that any answer may take: everything is served from memory on loopback, but two cores may be
/// busy with encoding.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A plain HTTP/1.1 client of one server that changes nothing: no redirects, no decoding, no cache.
#[derive(Debug, Clone, Copy)]
pub struct Http {
    address: SocketAddr,
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body as it was sent, still coded if it was.
    pub body: Bytes,
}

impl Answer {
    /// A header field as text; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as UTF-8.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.body).context("the body is not UTF-8")
    }
}

impl Http {
    /// A client of the server at `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Where the server is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of `path` on this server.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// GETs `path`, whatever the status.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.request("GET", path, &[]).await
    }

    /// GETs `path` and wants a 200.
    pub async fn fetch(&self, path: &str) -> Result<Answer> {
        let answer = self.get(path).await?;
        if answer.status != 200 {
            bail!("GET {path} answered {}, wanted 200", answer.status);
        }
        Ok(answer)
    }

    /// Sends a request without a body on a connection of its own.
    pub async fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        self.exchange_body(method, path, headers, Bytes::new()).await
    }

    /// Sends a request with a body on a connection of its own.
    pub async fn exchange_body(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer> {
        let answer = timeout(ANSWER_TIMEOUT, self.exchange(method, path, headers, body)).await;
        answer.with_context(|| format!("{method} {path} was not answered within {ANSWER_TIMEOUT:?}"))?
    }

    async fn exchange(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Bytes) -> Result<Answer> {
        let stream = TcpStream::connect(self.address).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header(HOST, self.address.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = sender.send_request(request.body(Full::new(body))?).await?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        driver.abort();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }
}
