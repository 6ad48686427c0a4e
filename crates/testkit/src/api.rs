use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

use crate::http::{Answer, Http};
use crate::wait::until;

/// The API of a daemon, as somebody with a token.
#[derive(Clone)]
pub struct Api {
    http: Http,
    authorization: String,
}

impl Api {
    /// The API at `address`, with `token`.
    pub fn new(address: SocketAddr, token: &str) -> Self {
        Self { http: Http::new(address), authorization: format!("Bearer {token}") }
    }

    /// Sends a request, whatever the answer.
    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<(u16, Value)> {
        let path = format!("/api/v1{path}");
        let mut headers = vec![("authorization", self.authorization.as_str())];
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let answer = self.http.exchange_body(method.as_str(), &path, &headers, body).await?;
        let Answer { status, ref body, .. } = answer;
        let value = if body.is_empty() { Value::Null } else { serde_json::from_slice(body)? };
        Ok((status, value))
    }

    /// POSTs and wants success.
    pub async fn post(&self, path: &str, body: Option<Value>) -> Result<Value> {
        self.wanted(Method::POST, path, body).await
    }

    /// PUTs and wants success.
    pub async fn put(&self, path: &str, body: Value) -> Result<Value> {
        self.wanted(Method::PUT, path, Some(body)).await
    }

    /// GETs and wants success.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.wanted(Method::GET, path, None).await
    }

    async fn wanted(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let (status, value) = self.send(method.clone(), path, body).await?;
        ensure!((200..300).contains(&status), "{method} {path} answered {status}: {value}");
        Ok(value)
    }

    /// Sends a request that is to be refused; its status and the code of the problem.
    pub async fn refused(&self, method: Method, path: &str, body: Option<Value>) -> Result<(u16, String)> {
        let (status, value) = self.send(method, path, body).await?;
        let code = value["code"].as_str().with_context(|| format!("{path} answered {status}: {value}"))?;
        Ok((status, code.to_owned()))
    }

    /// Creates an event that has its gates: the id.
    pub async fn event(&self, source: Value, offer: &str) -> Result<String> {
        let event = self.post("/events", Some(json!({ "title": "A talk", "source": source }))).await?;
        let id = event["id"].as_str().context("an event without an id")?.to_owned();
        self.post(&format!("/events/{id}/activate"), None).await?;
        self.put(&format!("/events/{id}/offer"), json!({ "offer": offer })).await?;
        Ok(id)
    }

    /// Waits until an event is in `state`; the event then.
    pub async fn wait_state(&self, id: &str, state: &str, within: Duration) -> Result<Value> {
        let path = format!("/events/{id}");
        until(&format!("the event is {state}"), within, async || {
            let event = self.get(&path).await?;
            Ok((event["state"] == state).then_some(event))
        })
        .await
    }
}
