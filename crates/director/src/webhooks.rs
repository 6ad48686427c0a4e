//! Telling others: signed, and again until they have heard.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use metrics::{counter, describe_counter};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::task::{self, JoinError, JoinSet};
use tracing::{error, info, warn};
use uuid::Uuid;
use weir_outbound::{Client, sign};
use weir_store::{Attempt, Seal, Store};

use crate::clock::Clock;

/// What the secret of a webhook is sealed for; its row is the webhook.
pub const WEBHOOK_SECRET: &str = "webhook";
/// How long to wait after each failed attempt; after the last one it is given up. A day and a half in all.
const WAITS_S: [i64; 10] = [5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 57_600];
/// Deliveries taken at a time.
const AT_ONCE: u32 = 16;
/// How long a delivery belongs to who has taken it: longer than a whole chain of them can last, at 10 s each, and the chain
/// before it.
const TAKEN_MS: i64 = 5 * 60_000;
/// How often to look though nobody said that there is something: what is due again, and what others have stored.
const LOOK: Duration = Duration::from_secs(1);

/// Describes the metrics of this module.
pub fn describe_metrics() {
    describe_counter!("weir_webhook_attempts_total", "Attempts to deliver to webhooks, by outcome.");
}

/// Delivers what is due until `stop` turns true. What was not delivered then is delivered by the next run.
pub async fn deliver(
    store: Store,
    seal: Seal,
    client: Client,
    clock: Clock,
    told: Arc<Notify>,
    mut stop: watch::Receiver<bool>,
) {
    let mut chains =
        Chains { store, seal, client, clock, tasks: JoinSet::new(), running: HashMap::new(), waiting: HashMap::new() };
    loop {
        chains.take().await;
        tokio::select! {
            _ = stop.changed() => return,
            Some(ended) = chains.tasks.join_next_with_id() => chains.ended(ended),
            () = told.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Deliveries under way: one chain for each webhook, so that each hears of everything in order, and one that does not answer
/// holds up none of the others.
struct Chains {
    store: Store,
    seal: Seal,
    client: Client,
    clock: Clock,
    tasks: JoinSet<()>,
    running: HashMap<task::Id, Uuid>,
    /// What was taken for a webhook whose chain is running.
    waiting: HashMap<Uuid, Vec<Attempt>>,
}

impl Chains {
    async fn take(&mut self) {
        let now_ms = self.clock.now_ms();
        let due = match self.store.take_due_deliveries(now_ms, now_ms.saturating_add(TAKEN_MS), AT_ONCE).await {
            Ok(due) => due,
            Err(error) => return warn!(%error, "what is due to webhooks cannot be read"),
        };
        for attempt in due {
            self.waiting.entry(attempt.webhook).or_default().push(attempt);
        }
        self.start();
    }

    fn start(&mut self) {
        let idle: Vec<Uuid> =
            self.waiting.keys().filter(|id| !self.running.values().any(|running| running == *id)).copied().collect();
        for webhook in idle {
            let Some(mut attempts) = self.waiting.remove(&webhook) else { continue };
            // Ids are in the order in which things came about.
            attempts.sort_by_key(|attempt| attempt.outbox);
            let (store, seal) = (self.store.clone(), self.seal.clone());
            let (client, clock) = (self.client.clone(), self.clock.clone());
            let task = self.tasks.spawn(chain(store, seal, client, clock, attempts));
            self.running.insert(task.id(), webhook);
        }
    }

    fn ended(&mut self, ended: Result<(task::Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(panic) => {
                error!(error = %panic, "a delivery failed by a fault of ours; it is due again in some minutes");
                panic.id()
            }
        };
        self.running.remove(&id);
        self.start();
    }
}

/// Delivers to one webhook, one after the other. What follows one that fails waits as long as that does.
async fn chain(store: Store, seal: Seal, client: Client, clock: Clock, attempts: Vec<Attempt>) {
    let mut failed: Option<i64> = None;
    for attempt in attempts {
        let outcome = match failed {
            None => post(&seal, &client, &clock, &attempt).await,
            Some(_) => Err("it waits for an earlier message that was not delivered".to_owned()),
        };
        let now_ms = clock.now_ms();
        let reported = match outcome {
            Ok(()) => {
                counter!("weir_webhook_attempts_total", "outcome" => "delivered").increment(1);
                store.delivered(&attempt, now_ms).await
            }
            Err(why) => {
                let next_ms = next_ms(attempt.number, now_ms);
                let outcome = if next_ms.is_some() { "failed" } else { "given_up" };
                counter!("weir_webhook_attempts_total", "outcome" => outcome).increment(1);
                let (webhook, kind, number) = (attempt.webhook, &attempt.kind, attempt.number);
                info!(%webhook, kind, attempt = number, why, outcome, "webhook not delivered");
                let next_ms = next_ms.map(|next_ms| failed.unwrap_or(next_ms));
                failed = failed.or(next_ms);
                store.delivery_failed(&attempt, &why, next_ms).await
            }
        };
        if let Err(error) = reported {
            error!(webhook = %attempt.webhook, %error, "the outcome of a delivery cannot be stored; it may be delivered twice");
        }
    }
}

/// When to try again after attempt `number` has failed.
fn next_ms(number: u32, now_ms: i64) -> Option<i64> {
    let index = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
    WAITS_S.get(index).map(|wait_s| now_ms.saturating_add(wait_s * 1000))
}

async fn post(seal: &Seal, client: &Client, clock: &Clock, attempt: &Attempt) -> Result<(), String> {
    let secret = seal.unseal(WEBHOOK_SECRET, attempt.webhook, &attempt.secret).map_err(|error| error.to_string())?;
    let body = Bytes::from(message(attempt).to_string());
    let signature = sign(secret.as_bytes(), clock.now_ms() / 1000, &body);
    let id = attempt.outbox.to_string();
    let headers = vec![("weir-signature", signature.as_str()), ("weir-delivery", id.as_str())];
    client.post_json(&attempt.url, headers, body).await.map(drop).map_err(|error| error.to_string())
}

/// The message, with an id that is the same in all attempts.
fn message(attempt: &Attempt) -> Value {
    let mut message = attempt.body.clone();
    if let Some(fields) = message.as_object_mut() {
        fields.insert("id".to_owned(), json!(attempt.outbox));
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_come_to_an_end() {
        let waits: Vec<Option<i64>> = (1..=11).map(|number| next_ms(number, 0).map(|ms| ms / 1000)).collect();
        assert_eq!(waits[..3], [Some(5), Some(30), Some(120)]);
        assert_eq!(waits[9..], [Some(57_600), None]);
    }
}
