//! How things stand before a request that is refused.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::rows::{Given, SOON, schedule};
use crate::support::{Setup, World, hls, id, rtmp, srt};

/// The worlds of the rows, and the events in them. No refused request changes its event, so rows share theirs.
pub struct Scene {
    usual: World,
    deaf: World,
    events: HashMap<Given, String>,
}

impl Scene {
    pub async fn new() -> Self {
        let deaf = World::with(Setup { deaf: true, ..Setup::default() }).await;
        Self { usual: World::new().await, deaf, events: HashMap::new() }
    }

    pub fn world(&self, given: Given) -> &World {
        if matches!(given, Given::DeafToRtmp | Given::DeafToSrt) { &self.deaf } else { &self.usual }
    }

    /// The event that a row is about; nothing where it is about none.
    pub async fn event(&mut self, given: Given) -> String {
        if let Some(event) = self.events.get(&given) {
            return event.clone();
        }
        let event = arrange(self.world(given), given).await;
        self.events.insert(given, event.clone());
        event
    }
}

async fn arrange(world: &World, given: Given) -> String {
    let plan = |minutes: Option<i64>, bytes: Option<i64>| {
        json!({
            "name": "A", "live_ingest": true, "encoding_minutes_left": minutes, "egress_bytes_left": bytes
        })
    };
    match given {
        Given::Nothing => String::new(),
        Given::Draft => world.draft(rtmp()).await,
        Given::External => world.draft(hls()).await,
        Given::Activated => {
            let id = world.draft(rtmp()).await;
            world.command(&id, "activate").await;
            id
        }
        Given::Placed => world.placed(rtmp()).await,
        Given::Paid => {
            let id = world.draft(rtmp()).await;
            world.put(&format!("/events/{id}/offer"), json!({ "offer": "paid" })).await;
            id
        }
        Given::Scheduled => planned(world, SOON, 5400).await,
        Given::ScheduledFar => planned(world, "2027-01-15T18:00:00Z", 5400).await,
        Given::Ready => world.ready(rtmp()).await,
        Given::Preview => world.preview().await,
        Given::Lost => world.lost().await,
        Given::Live => world.live().await,
        Given::LiveExternal => world.ready(hls()).await,
        Given::Ended => world.ended(rtmp()).await,
        Given::NoLiveIngest => of_account(world, 1, json!({ "name": "A", "live_ingest": false }), true).await,
        Given::NoEncodingLeft => of_account(world, 2, plan(Some(0), Some(1)), true).await,
        Given::EncodingInTheRed => of_account(world, 3, plan(Some(-7), None), true).await,
        Given::NoEgressLeft => of_account(world, 4, plan(None, Some(0)), true).await,
        Given::NothingAtAll => {
            let nothing =
                json!({ "name": "A", "live_ingest": false, "encoding_minutes_left": 0, "egress_bytes_left": 0 });
            of_account(world, 5, nothing, false).await
        }
        Given::DeafToRtmp => world.placed(rtmp()).await,
        Given::DeafToSrt => world.placed(srt()).await,
        Given::ManyWebhooks => {
            for _ in 0..20 {
                world.post("/webhooks", json!({ "url": "https://platform.example/" })).await;
            }
            String::new()
        }
    }
}

async fn planned(world: &World, starts_at: &str, duration_s: u64) -> String {
    let id = world.placed(rtmp()).await;
    world.put(&format!("/events/{id}/schedule"), schedule(starts_at, duration_s)).await;
    id
}

/// An event of an account of its own.
/// It is placed where `placed` says so.
pub async fn of_account(world: &World, account: u128, plan: Value, placed: bool) -> String {
    let account = uuid::Uuid::from_u128(account);
    world.put(&format!("/accounts/{account}"), plan).await;
    let event = world.post("/events", json!({ "title": "A talk", "source": rtmp(), "account": account })).await;
    let id = id(&event);
    if placed {
        world.command(&id, "activate").await;
        world.put(&format!("/events/{id}/offer"), json!({ "offer": "free" })).await;
    }
    id
}
