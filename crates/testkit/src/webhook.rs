use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A server that is told by webhooks, and says 200 to everything.
pub struct Hook {
    address: SocketAddr,
    told: Arc<Mutex<Vec<Told>>>,
    task: JoinHandle<()>,
}

/// Something that was told.
#[derive(Debug, Clone)]
pub struct Told {
    /// The header `weir-signature`.
    pub signature: String,
    /// The body as it came.
    pub body: Bytes,
}

impl Told {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Hook {
    /// Listens on a free port of loopback.
    pub async fn listen() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, told) = (listener.local_addr()?, Arc::<Mutex<Vec<Told>>>::default());
        let heard = told.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let heard = heard.clone();
                let service = service_fn(move |request| answer(request, heard.clone()));
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                // A connection that breaks has told nothing.
                tokio::spawn(async move { drop(connection.await) });
            }
        });
        Ok(Self { address, told, task })
    }

    /// Where it is to be told.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// What was told so far.
    pub fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    request: Request<Incoming>,
    heard: Arc<Mutex<Vec<Told>>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let signature = request.headers().get("weir-signature").and_then(|value| value.to_str().ok());
    let signature = signature.unwrap_or_default().to_owned();
    if let Ok(body) = request.into_body().collect().await {
        let told = Told { signature, body: body.to_bytes() };
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    }
    Ok(Response::new(Empty::new()))
}
