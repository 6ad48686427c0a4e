//! What runs events: director, API, webhooks, and who sweeps up behind them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinHandle};
use tracing::warn;
use weir_api::{Api, ApiState};
use weir_broadcast::{ChannelsHandle, Gate};
use weir_director::{Clock, Director, Parts, deliver};
use weir_origin::Directory;
use weir_outbound::{Client, Policy};
use weir_store::Store;

use crate::cli::Failure;
use crate::config::Config;
use crate::serve::ServeError;
use crate::vault::Vault;
use crate::wiring::{self, Addresses};

/// How often what nobody needs any more is removed from the database.
const SWEEP: Duration = Duration::from_secs(3600);
/// How long messages to webhooks are kept after they were made.
const MESSAGES_KEPT_MS: i64 = 30 * 24 * 3_600_000;

/// What events need of the rest of the daemon.
pub struct EventParts<'a> {
    pub config: &'a Config,
    pub addresses: Addresses,
    pub store: Store,
    pub vault: &'a Vault,
    pub handle: ChannelsHandle,
    pub gate: Arc<Gate>,
    pub directory: Directory,
}

/// The running tasks.
pub struct Events {
    tasks: Vec<JoinHandle<()>>,
    store: Store,
}

impl Events {
    /// Takes up the events that there are, and opens the API.
    pub async fn start(parts: EventParts<'_>, api: Api, stop: &watch::Receiver<bool>) -> Result<Self, ServeError> {
        let EventParts { config, addresses, store, vault, handle, gate, directory } = parts;
        let failed = |e: &dyn std::fmt::Display| ServeError::new(Failure::Running, e);
        let (clock, told) = (Clock::system(), Arc::new(Notify::new()));
        let client = Client::new(Policy { allow: config.outbound_allow.clone() }).map_err(|e| failed(&e))?;
        let director_parts = Parts {
            store: store.clone(),
            seal: vault.seal().clone(),
            channels: handle,
            gate,
            directory,
            clock: clock.clone(),
            told: told.clone(),
        };
        let director_config = wiring::director(config, &addresses);
        let (director, directing) =
            Director::start(director_config, director_parts, stop.clone()).await.map_err(|e| failed(&e))?;
        let playback_url = wiring::playback_url(config, &addresses);
        let behind_proxy = config.api.behind_proxy;
        let state = ApiState::new(director, client.clone(), vault.playback_keys(), playback_url, behind_proxy);
        let serving = tokio::spawn(api.run(weir_api::router(state), stop.clone()));
        let delivering = deliver(store.clone(), vault.seal().clone(), client, clock.clone(), told, stop.clone());
        let sweeping = tokio::spawn(sweep(store.clone(), clock, stop.clone()));
        Ok(Self { tasks: vec![directing, serving, tokio::spawn(delivering), sweeping], store })
    }

    /// Waits for all of them to end, once they were told to.
    pub async fn join(self) -> Result<(), JoinError> {
        for task in self.tasks {
            task.await?;
        }
        self.store.close().await;
        Ok(())
    }
}

async fn sweep(store: Store, clock: Clock, mut stop: watch::Receiver<bool>) {
    let mut tick = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            _ = tick.tick() => {}
        }
        let now_ms = clock.now_ms();
        if let Err(error) = store.prune(now_ms, now_ms - MESSAGES_KEPT_MS).await {
            warn!(%error, "what nobody needs any more cannot be removed from the database");
        }
    }
}
