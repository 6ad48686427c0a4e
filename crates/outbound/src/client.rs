use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::rustls::ClientConfig;
use url::Url;

use crate::exchange::{Answer, Wanted, request, send};
use crate::limits::{REDIRECTS_MAX, Times, WEBHOOK_ANSWER_BYTES_MAX};
use crate::resolve::{Resolver, addresses, system};
use crate::{OutboundError, Policy, SetupError, connect, target};

/// What weir calls itself.
const AGENT: &str = concat!("weir/", env!("CARGO_PKG_VERSION"));

/// Makes requests to URLs that somebody else chose. Cheap to clone. It keeps no cookies, pools no connections, knows
/// no proxy and goes nowhere but to public addresses and to those the [`Policy`] allows.
#[derive(Clone)]
pub struct Client {
    policy: Policy,
    resolver: Resolver,
    tls: Arc<ClientConfig>,
    times: Times,
}

/// A webhook that has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// The status of the answer, 200 to 299.
    pub status: u16,
}

/// An answer to a GET request, with a status from 200 to 299.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// Where it came from, after redirects.
    pub url: Url,
    /// Its headers.
    pub headers: HeaderMap,
    /// As much of its body as was wanted.
    pub body: Bytes,
}

impl Client {
    /// A client that resolves names as the system does and trusts the authorities that browsers trust.
    ///
    /// # Errors
    /// TLS cannot be set up, which no configuration can cause.
    pub fn new(policy: Policy) -> Result<Self, SetupError> {
        let tls = connect::tls_config(connect::public_roots())?;
        Ok(Self::with(policy, system(), tls, Times::default()))
    }

    /// A client that resolves, trusts and waits as given.
    pub(crate) fn with(policy: Policy, resolver: Resolver, tls: Arc<ClientConfig>, times: Times) -> Self {
        Self { policy, resolver, tls, times }
    }

    /// How long a check of several requests may take.
    pub(crate) fn check_timeout(&self) -> Duration {
        self.times.check
    }

    /// Posts JSON: one request, within 10 s, to where the URL says and nowhere else (a redirect is a failure). The
    /// answer's body is read up to 64 KiB and thrown away. `headers` come in addition to the content type and
    /// the user agent.
    ///
    /// # Errors
    /// The URL is not a target, its address is refused, the server cannot be reached or answers too late, or its
    /// status is not 2xx.
    pub async fn post_json(
        &self,
        url: &str,
        headers: Vec<(&str, &str)>,
        body: Bytes,
    ) -> Result<Delivered, OutboundError> {
        let url = target::parse_url(url)?;
        let mut request = request(Method::POST, &url, body)?;
        for (name, value) in headers {
            let (name, value) = header(name, value)?;
            request.headers_mut().insert(name, value);
        }
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let deadline = Instant::now() + self.times.exchange;
        let mut answer = self.in_time(deadline, self.exchange(&url, request)).await?;
        let status = answer.head.status;
        // The status is the answer. A body that breaks off or never ends does not undo it.
        let _ = timeout_at(deadline, answer.read(Wanted::First(WEBHOOK_ANSWER_BYTES_MAX))).await;
        if status.is_success() {
            Ok(Delivered { status: status.as_u16() })
        } else {
            Err(OutboundError::Status { status })
        }
    }

    /// Gets a URL, following redirects.
    pub(crate) async fn get(&self, url: Url, headers: &HeaderMap, wanted: Wanted) -> Result<Fetched, OutboundError> {
        let deadline = Instant::now() + self.times.exchange;
        self.in_time(deadline, self.follow(url, headers, wanted)).await
    }

    async fn follow(&self, mut url: Url, headers: &HeaderMap, wanted: Wanted) -> Result<Fetched, OutboundError> {
        for _ in 0..=REDIRECTS_MAX {
            let mut request = request(Method::GET, &url, Bytes::new())?;
            request.headers_mut().extend(headers.clone());
            request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            let answer = self.exchange(&url, request).await?;
            match answer.location() {
                Some(location) => url = target::redirected(&url, location)?,
                None => return fetched(url, answer, wanted).await,
            }
        }
        Err(OutboundError::TooManyRedirects { max: REDIRECTS_MAX })
    }

    /// One request to a URL that was judged, over a connection to an address that is judged here.
    async fn exchange(&self, url: &Url, mut request: Request<Full<Bytes>>) -> Result<Answer, OutboundError> {
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let addresses = addresses(url, &self.policy, &self.resolver).await?;
        let stream = connect::tcp(&addresses, self.times.connect).await?;
        if url.scheme() == "https" {
            send(connect::tls(stream, url, &self.tls).await?, request).await
        } else {
            send(stream, request).await
        }
    }

    async fn in_time<T>(
        &self,
        deadline: Instant,
        exchange: impl Future<Output = Result<T, OutboundError>>,
    ) -> Result<T, OutboundError> {
        match timeout_at(deadline, exchange).await {
            Ok(result) => result,
            Err(_) => Err(OutboundError::Timeout { what: "the request".to_owned(), limit: self.times.exchange }),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("policy", &self.policy).finish_non_exhaustive()
    }
}

async fn fetched(url: Url, mut answer: Answer, wanted: Wanted) -> Result<Fetched, OutboundError> {
    let status = answer.head.status;
    if !status.is_success() {
        return Err(OutboundError::Status { status });
    }
    if answer.is_encoded() {
        return Err(OutboundError::Encoded);
    }
    let body = answer.read(wanted).await?;
    Ok(Fetched { url, headers: answer.head.headers, body })
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), OutboundError> {
    let unsendable = || OutboundError::Header { name: name.to_owned() };
    let value = HeaderValue::from_str(value).map_err(|_| unsendable())?;
    Ok((name.parse().map_err(|_| unsendable())?, value))
}
