//! Somebody else's server.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::http::{HeaderMap, Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

/// A server on loopback that tells what it receives.
pub struct Loopback {
    pub address: SocketAddr,
    received: mpsc::UnboundedReceiver<Received>,
    says: Arc<Mutex<Says>>,
    /// One permit lets one answer go.
    answers: Arc<Semaphore>,
}

/// More answers than any test has.
const ANSWERS: usize = 1000;

/// What it answers with.
#[derive(Clone)]
struct Says {
    status: u16,
    content_type: &'static str,
    body: &'static str,
}

/// One request to it.
pub struct Received {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Loopback {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, received) = mpsc::unbounded_channel();
        let says = Arc::new(Mutex::new(Says { status: 200, content_type: "text/plain", body: "" }));
        let answers = Arc::new(Semaphore::new(ANSWERS));
        let (saying, letting) = (says.clone(), answers.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tell, saying, letting) = (tell.clone(), saying.clone(), letting.clone());
                let service = service_fn(move |request| answer(request, tell.clone(), saying.clone(), letting.clone()));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, received, says, answers }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it says from now on.
    pub fn say(&self, status: u16, content_type: &'static str, body: &'static str) {
        *self.says.lock().unwrap() = Says { status, content_type, body };
    }

    /// Answers nobody until it is [released](Self::release).
    pub fn hold(&self) {
        self.answers.forget_permits(ANSWERS);
    }

    pub fn release(&self) {
        self.answers.add_permits(ANSWERS);
    }

    pub async fn next(&mut self) -> Received {
        self.received.recv().await.unwrap()
    }

    /// What has come and was not yet looked at.
    pub fn pending(&mut self) -> Option<Received> {
        self.received.try_recv().ok()
    }
}

async fn answer(
    request: Request<Incoming>,
    tell: mpsc::UnboundedSender<Received>,
    saying: Arc<Mutex<Says>>,
    letting: Arc<Semaphore>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    // The test may be over.
    let _ = tell.send(Received { path: head.uri.path().to_owned(), headers: head.headers, body });
    letting.acquire().await.unwrap().forget();
    let Says { status, content_type, body } = saying.lock().unwrap().clone();
    let response = Response::builder().status(status).header("content-type", content_type);
    Ok(response.body(Full::from(body)).unwrap())
}
