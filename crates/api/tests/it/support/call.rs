//! Requests, and what is answered.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, Response};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;

use super::World;

/// A request that is being put together. It is the admin's, from an address of its own, where nothing else is said.
#[derive(Clone)]
pub struct Call<'a> {
    world: &'a World,
    method: String,
    path: String,
    token: Option<String>,
    headers: Vec<(String, String)>,
    /// Nothing where it never comes.
    body: Option<Vec<u8>>,
    peer: IpAddr,
}

/// An answer that has come whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl World {
    /// `path` is below `/api/v1`, unless it begins with that.
    pub fn call(&self, method: &str, path: &str) -> Call<'_> {
        let path = if path.starts_with("/api/") { path.to_owned() } else { format!("/api/v1{path}") };
        Call {
            world: self,
            method: method.to_owned(),
            path,
            token: Some(self.admin.clone()),
            headers: Vec::new(),
            body: Some(Vec::new()),
            peer: IpAddr::from([192, 0, 2, 1]),
        }
    }

    /// What the admin gets, which must be there.
    pub async fn get(&self, path: &str) -> Value {
        self.call("GET", path).send().await.good()
    }

    /// What the admin is answered, which must be no refusal.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.call("POST", path).json(&body).send().await.good()
    }

    /// The same with PUT.
    pub async fn put(&self, path: &str, body: Value) -> Value {
        self.call("PUT", path).json(&body).send().await.good()
    }
}

impl Call<'_> {
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    pub fn anonymous(mut self) -> Self {
        self.token = None;
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// `null` is no body at all.
    pub fn json(self, body: &Value) -> Self {
        if body.is_null() { self } else { self.body("application/json", body.to_string()) }
    }

    pub fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Some(body.into()), ..self.header("content-type", content_type) }
    }

    /// With a body that never comes.
    pub fn endless(self) -> Self {
        Self { body: None, ..self }
    }

    pub fn peer(self, peer: [u8; 4]) -> Self {
        Self { peer: peer.into(), ..self }
    }

    /// The answer, whose body may never end.
    pub async fn open(self) -> Response<Body> {
        let mut request = Request::builder().method(self.method.as_str()).uri(self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request = request.extension(ConnectInfo(SocketAddr::new(self.peer, 5000)));
        let never = || Body::from_stream(futures_util::stream::pending::<Result<Bytes, Infallible>>());
        let request = request.body(self.body.map_or_else(never, Body::from)).unwrap();
        // A router never fails; it answers.
        TowerToHyperService::new(self.world.router.clone()).call(request).await.unwrap()
    }

    pub async fn send(self) -> Answer {
        let (head, body) = self.open().await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }

    /// The status and the code of the refusal that it must be.
    pub async fn refused(self) -> (u16, String) {
        let problem = self.send().await.problem();
        (problem["status"].as_u64().unwrap() as u16, problem["code"].as_str().unwrap().to_owned())
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body of what must be no refusal; `null` where there is none.
    pub fn good(&self) -> Value {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.text());
        if self.body.is_empty() {
            return Value::Null;
        }
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The problem that it must be, complete and in the right dress.
    pub fn problem(&self) -> Value {
        assert!(self.status >= 400, "{} {}", self.status, self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{} {}", self.status, self.text());
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let problem: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], self.status);
        assert!(!problem["code"].as_str().unwrap().is_empty() && !problem["title"].as_str().unwrap().is_empty());
        problem
    }
}

/// The id in an answer.
pub fn id(answer: &Value) -> String {
    answer["id"].as_str().unwrap().to_owned()
}
