//! Requests to the API.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::args::Remote;

/// How long an answer may take; a check of an external playlist takes longest.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// The longest answer: a page of events.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody has said who asks.
    #[error("no token: set WEIR_TOKEN or give --token-file (`weir token create --config FILE` makes one)")]
    NoToken,
    /// The file with the token.
    #[error("the token file cannot be read: {0}")]
    TokenFile(std::io::Error),
    /// The daemon is not there.
    #[error("{server} does not answer: {why}")]
    NoAnswer {
        /// Where it was looked for.
        server: String,
        /// What went wrong.
        why: String,
    },
    /// The daemon says no.
    #[error("{0}")]
    Refused(String),
    /// What was given cannot be sent.
    #[error("{0}")]
    Invalid(String),
    /// Output or runtime.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// A daemon's API, as somebody with a token.
pub struct ApiClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    server: String,
    authorization: String,
}

impl ApiClient {
    /// Reads the token.
    ///
    /// # Errors
    /// There is none.
    pub fn new(remote: &Remote) -> Result<Self, ClientError> {
        let token = match &remote.token_file {
            Some(file) => std::fs::read_to_string(file).map_err(ClientError::TokenFile)?,
            None => std::env::var("WEIR_TOKEN").map_err(|_| ClientError::NoToken)?,
        };
        let https = HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(https);
        let server = remote.server.trim_end_matches('/').to_owned();
        Ok(Self { client, server, authorization: format!("Bearer {}", token.trim()) })
    }

    /// GET, and what it answers.
    pub async fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.json(Method::GET, path, None).await
    }

    /// Another method, and what it answers.
    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, ClientError> {
        self.json(method, path, body).await
    }

    async fn json(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, ClientError> {
        let exchange = async {
            let response = self.request(method, path, body).await?;
            let status = response.status();
            let body = http_body_util::Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| self.no_answer(&*error))?.to_bytes();
            let value: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
            if status.is_success() { Ok(value) } else { Err(refused(status.as_u16(), &value)) }
        };
        tokio::time::timeout(ANSWER_MAX, exchange).await.unwrap_or_else(|_| Err(self.too_slow()))
    }

    /// A stream of server-sent events; `line` gets each line as it comes.
    pub async fn stream(
        &self,
        path: &str,
        mut line: impl FnMut(&str) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        let mut response = self.request(Method::GET, path, None).await?;
        if !response.status().is_success() {
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.map_err(|error| self.no_answer(&error))?.to_bytes();
            return Err(refused(status, &serde_json::from_slice(&body).unwrap_or(Value::Null)));
        }
        let mut rest = Vec::new();
        while let Some(frame) = response.body_mut().frame().await {
            let frame = frame.map_err(|error| self.no_answer(&error))?;
            rest.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let whole: Vec<u8> = rest.drain(..=end).collect();
                line(String::from_utf8_lossy(&whole).trim_end())?;
            }
            if rest.len() > ANSWER_BYTES_MAX {
                return Err(ClientError::Refused("the server sends a line without an end".to_owned()));
            }
        }
        Ok(())
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut request = Request::builder().method(method).uri(format!("{}/api/v1{path}", self.server));
        request = request.header(AUTHORIZATION, &self.authorization);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let request = request.body(Full::new(body)).map_err(|error| ClientError::Invalid(error.to_string()))?;
        self.client.request(request).await.map_err(|error| self.no_answer(&error))
    }

    fn no_answer(&self, error: &(dyn std::error::Error + 'static)) -> ClientError {
        let mut innermost = error;
        while let Some(cause) = innermost.source() {
            innermost = cause;
        }
        ClientError::NoAnswer { server: self.server.clone(), why: innermost.to_string() }
    }

    fn too_slow(&self) -> ClientError {
        let why = format!("nothing came for {} s", ANSWER_MAX.as_secs());
        ClientError::NoAnswer { server: self.server.clone(), why }
    }
}

/// What the daemon says, in its own words.
fn refused(status: u16, problem: &Value) -> ClientError {
    let Some(title) = problem["title"].as_str() else {
        return ClientError::Refused(format!("the server answers with status {status}"));
    };
    let from = problem["possible_from"].as_str().map(|from| format!(" (possible from {from})")).unwrap_or_default();
    ClientError::Refused(format!("{title}{from}"))
}
