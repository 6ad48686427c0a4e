//! Telling others: signed, and again until they have heard.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use metrics::{counter, describe_counter};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};
use weir_outbound::{Client, sign};
use weir_store::{Attempt, Seal, Store};

use crate::clock::Clock;

/// What the secret of a webhook is sealed for; its row is the webhook.
pub const WEBHOOK_SECRET: &str = "webhook";
/// How long to wait after each failed attempt; after the last one it is given up. A day and a half in all.
const WAITS_S: [i64; 10] = [5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 57_600];
/// Deliveries under way at a time: somebody who does not answer must not hold up the others for long.
const AT_ONCE: u32 = 16;
/// How long an attempt belongs to who has taken it: longer than it can last.
const TAKEN_MS: i64 = 60_000;
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
    loop {
        let now_ms = clock.now_ms();
        match store.take_due_deliveries(now_ms, now_ms.saturating_add(TAKEN_MS), AT_ONCE).await {
            Ok(due) if !due.is_empty() => {
                let mut attempts = JoinSet::new();
                for attempt in due {
                    attempts.spawn(attempt_one(store.clone(), seal.clone(), client.clone(), clock.clone(), attempt));
                }
                // They come to an end by themselves, and a stop need not wait: what is not reported is tried again.
                tokio::select! {
                    _ = stop.changed() => return,
                    _ = attempts.join_all() => continue,
                }
            }
            Ok(_) => {}
            Err(error) => warn!(%error, "what is due to webhooks cannot be read"),
        }
        tokio::select! {
            _ = stop.changed() => return,
            () = told.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

async fn attempt_one(store: Store, seal: Seal, client: Client, clock: Clock, attempt: Attempt) {
    let outcome = post(&seal, &client, &clock, &attempt).await;
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
            info!(webhook = %attempt.webhook, kind = attempt.kind, attempt = attempt.number, why, outcome, "webhook not delivered");
            store.delivery_failed(&attempt, &why, next_ms).await
        }
    };
    if let Err(error) = reported {
        error!(webhook = %attempt.webhook, %error, "the outcome of a delivery cannot be stored; it may be delivered twice");
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
