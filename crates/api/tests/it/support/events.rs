//! Events, brought to where a test wants them by the requests that an operator would send.

use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use weir_director::Change;

use super::World;
use super::call::id;

pub fn rtmp() -> Value {
    json!({ "kind": "rtmp", "input": "1080p" })
}

pub fn srt() -> Value {
    json!({ "kind": "srt", "input": "720p" })
}

pub fn hls() -> Value {
    json!({ "kind": "hls", "url": "https://cdn.example/live/index.m3u8" })
}

impl World {
    /// A draft; its id.
    pub async fn draft(&self, source: Value) -> String {
        id(&self.post("/events", json!({ "title": "A talk", "source": source })).await)
    }

    /// One that may be started.
    pub async fn placed(&self, source: Value) -> String {
        let id = self.draft(source).await;
        self.command(&id, "activate").await;
        self.put(&format!("/events/{id}/offer"), json!({ "offer": "free" })).await;
        id
    }

    /// One that waits for its encoder.
    pub async fn ready(&self, source: Value) -> String {
        let id = self.placed(source).await;
        self.command(&id, "start").await;
        id
    }

    /// One that can be watched in private.
    pub async fn preview(&self) -> String {
        let id = self.ready(rtmp()).await;
        let mut changes = self.director.changes();
        self.players.of(&id).connect();
        until(&mut changes, &id, "event.preview").await;
        id
    }

    /// One that could be watched until its encoder went away.
    pub async fn lost(&self) -> String {
        let id = self.preview().await;
        let mut changes = self.director.changes();
        self.players.of(&id).disconnect();
        until(&mut changes, &id, "event.input_lost").await;
        id
    }

    /// One on air.
    pub async fn live(&self) -> String {
        let id = self.preview().await;
        self.command(&id, "air").await;
        id
    }

    /// One that is over.
    pub async fn ended(&self, source: Value) -> String {
        let id = self.ready(source).await;
        self.command(&id, "stop").await;
        id
    }

    /// A command without further words; the event after it.
    pub async fn command(&self, id: &str, command: &str) -> Value {
        self.call("POST", &format!("/events/{id}/{command}")).send().await.good()
    }
}

/// Waits until that happens to the event.
pub async fn until(changes: &mut Receiver<Change>, id: &str, kind: &str) -> Change {
    loop {
        let change = changes.recv().await.unwrap();
        if change.kind == kind && change.event.id.to_string() == id {
            return change;
        }
    }
}
