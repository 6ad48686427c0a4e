//! One request and its answer, on a connection of its own.

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_ENCODING, HOST, HeaderValue, LOCATION};
use hyper::http::response::Parts;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use url::{Position, Url};

use crate::OutboundError;
use crate::limits::{HEAD_BYTES_MAX, HEADERS_MAX};

/// How much of a body is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted {
    /// All of it; more than this many bytes is an error.
    All(usize),
    /// Its first bytes, this many at most. What comes after them is not read.
    First(usize),
}

/// An answer whose body is still to come. Dropped, it closes the connection.
pub(crate) struct Answer {
    /// Status and headers.
    pub head: Parts,
    body: Incoming,
    /// The task that moves the bytes of the connection; ends with this set.
    _connection: JoinSet<()>,
}

/// A request for a URL. The caller adds headers; `Host` is there.
pub(crate) fn request(method: Method, url: &Url, body: Bytes) -> Result<Request<Full<Bytes>>, OutboundError> {
    // The fragment stays here, as does everything before the path.
    let path = &url[Position::BeforePath..Position::AfterQuery];
    // A default port is not part of it, as RFC 9110, 7.2 wants.
    let host = &url[Position::BeforeHost..Position::AfterPort];
    let unusable = |error: hyper::http::Error| OutboundError::InvalidUrl { reason: error.to_string() };
    let host = HeaderValue::from_str(host).map_err(|error| unusable(error.into()))?;
    Request::builder().method(method).uri(path).header(HOST, host).body(Full::new(body)).map_err(unusable)
}

/// Sends a request and waits for the head of the answer.
pub(crate) async fn send<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Answer, OutboundError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX).max_headers(HEADERS_MAX);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(OutboundError::of_hyper)?;
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        // What goes wrong is told to whoever waits for the answer.
        let _ = connection.await;
    });
    let (head, body) = sender.send_request(request).await.map_err(OutboundError::of_hyper)?.into_parts();
    Ok(Answer { head, body, _connection: driver })
}

impl Answer {
    /// Where a redirect leads to. `None` when the answer is no redirect; text that is not ASCII leads nowhere.
    pub fn location(&self) -> Option<&str> {
        // 300 and 304 are no instructions to go elsewhere, 305 and 306 are gone.
        let redirects = matches!(self.head.status.as_u16(), 301 | 302 | 303 | 307 | 308);
        self.head.headers.get(LOCATION).filter(|_| redirects)?.to_str().ok()
    }

    /// Whether the body is compressed.
    pub fn is_encoded(&self) -> bool {
        self.head.headers.get(CONTENT_ENCODING).is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
    }

    /// Reads the body. What counts is what comes, not what `Content-Length` says.
    pub async fn read(&mut self, wanted: Wanted) -> Result<Bytes, OutboundError> {
        let mut body = BytesMut::new();
        while let Some(frame) = self.body.frame().await {
            // Trailers are of no use here.
            let Ok(data) = frame.map_err(OutboundError::of_hyper)?.into_data() else { continue };
            match wanted {
                Wanted::All(bytes_max) if data.len() > bytes_max.saturating_sub(body.len()) => {
                    return Err(OutboundError::TooLarge { part: "body", bytes_max });
                }
                Wanted::First(bytes_max) if data.len() >= bytes_max.saturating_sub(body.len()) => {
                    body.extend_from_slice(&data);
                    body.truncate(bytes_max);
                    break;
                }
                Wanted::All(_) | Wanted::First(_) => body.extend_from_slice(&data),
            }
        }
        Ok(body.freeze())
    }
}
