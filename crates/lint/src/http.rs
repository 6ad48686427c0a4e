//! One HTTP/2 connection in the clear, or HTTP/1.1 where that is all there is.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::exchange::Exchange;

/// A server may hold a request for three target durations; longer than any is this.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// The largest body that is read: 10 s at 200 Mbit/s.
const BODY_MAX: usize = 256 << 20;

/// Pause before a server that is away is looked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A client of one origin.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    authority: String,
    /// `None` where HTTP/1.1 is spoken.
    http2: Option<Arc<Mutex<Http2>>>,
    /// For how long the server may be away at a time.
    away: Duration,
}

type Http2 = http2::SendRequest<Empty<Bytes>>;

impl Client {
    /// Connects to the host of an `http:` URL. Answers the path too.
    pub(crate) async fn connect(url: &str, away: Duration) -> Result<(Self, String)> {
        let uri: Uri = url.parse().with_context(|| format!("{url} is no URL"))?;
        if uri.scheme_str() != Some("http") {
            bail!("{url}: only http: is understood, in which HTTP/2 is spoken by prior knowledge");
        }
        let authority = uri.authority().with_context(|| format!("{url} names no host"))?;
        let authority = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80));
        let mut client = Self { authority, http2: None, away: Duration::ZERO };
        client.http2 = Some(Arc::new(Mutex::new(client.connected().await?)));
        // Whoever speaks HTTP/1.1 alone answers the preface with an error or not at all.
        if timeout(Duration::from_secs(3), client.get(uri.path())).await.is_ok_and(|answer| answer.is_ok()) {
            client.away = away;
            return Ok((client, uri.path().to_owned()));
        }
        client.http2 = None;
        Ok((client, uri.path().to_owned()))
    }

    async fn connected(&self) -> Result<Http2> {
        let authority = &self.authority;
        let stream = TcpStream::connect(authority).await.with_context(|| format!("cannot connect to {authority}"))?;
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Asks for a path, again and again while the server is away.
    pub(crate) async fn get(&self, path: &str) -> Result<Exchange> {
        let begun = Instant::now();
        loop {
            match self.get_once(path).await {
                Err(_) if begun.elapsed() < self.away => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    // Where that fails too, the next look tells.
                    if let (Some(shared), Ok(sender)) = (&self.http2, self.connected().await) {
                        *shared.lock().unwrap_or_else(PoisonError::into_inner) = sender;
                    }
                }
                outcome => return outcome,
            }
        }
    }

    async fn get_once(&self, path: &str) -> Result<Exchange> {
        let begun = Instant::now();
        let absolute = if self.http2.is_some() { format!("http://{}{path}", self.authority) } else { path.to_owned() };
        let request = Request::get(absolute)
            .header("accept-encoding", "gzip")
            .header("host", &self.authority)
            .body(Empty::new())
            .with_context(|| format!("{path} is no path"))?;
        let exchange = async {
            let sender =
                self.http2.as_ref().map(|shared| shared.lock().unwrap_or_else(PoisonError::into_inner).clone());
            match sender {
                Some(mut sender) => {
                    sender.ready().await?;
                    self.read(path, sender.send_request(request).await?, true).await
                }
                None => {
                    let stream = TcpStream::connect(&self.authority).await?;
                    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
                    let connection = tokio::spawn(connection);
                    let answer = self.read(path, sender.send_request(request).await?, false).await;
                    connection.abort();
                    answer
                }
            }
        };
        let exchange = timeout(ANSWER_MAX, exchange).await.with_context(|| format!("no answer to {path}"))??;
        Ok(Exchange { took: begun.elapsed(), ..exchange })
    }

    async fn read(&self, path: &str, response: Response<hyper::body::Incoming>, http2: bool) -> Result<Exchange> {
        let (head, body) = response.into_parts();
        let body = Limited::new(body, BODY_MAX).collect().await.map_err(anyhow::Error::from_boxed)?.to_bytes();
        let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers: Vec<_> =
            head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        let coded = headers.iter().any(|(name, value)| name == "content-encoding" && value == "gzip");
        let body = if coded { unzipped(&body).with_context(|| format!("{path} is no gzip"))? } else { body };
        Ok(Exchange { path: path.to_owned(), status: head.status.as_u16(), headers, body, http2, took: Duration::ZERO })
    }
}

fn unzipped(bytes: &[u8]) -> Result<Bytes> {
    let mut text = Vec::new();
    GzDecoder::new(bytes).take(BODY_MAX as u64).read_to_end(&mut text)?;
    Ok(text.into())
}
