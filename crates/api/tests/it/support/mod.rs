//! The whole API in one process: the real router over a real store and a real director, with a clock that only moves when
//! it is told to and channels that the test plays.

mod call;
mod events;
mod loopback;
mod operations;
mod players;
mod stream;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use ipnet::IpNet;
use tempfile::TempDir;
use tokio::sync::{Notify, watch};
use uuid::Uuid;
use weir_api::{ApiState, PlaybackKeys, Role, new_token, router};
use weir_broadcast::{ChannelsHandle, Gate};
use weir_director::{Clock, Config, Director, IngestUrls, Parts, deliver};
use weir_events::Rules;
use weir_origin::{Directory, TokenKey, TokenKeys};
use weir_outbound::{Client, Policy};
use weir_store::{ApiToken, AuditEntry, DatabaseUrl, MasterKey, Seal, Store};

pub use call::{Answer, id};
pub use events::{hls, rtmp, srt, until};
pub use loopback::{Loopback, Received};
pub use operations::{Operation, description, operations};
pub use players::Players;
pub use stream::{Listener, exchange};

/// When each test begins: 2027-01-15T08:00:00Z.
pub const START: i64 = 1_800_000_000_000;
pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;

/// How a world is to be.
#[derive(Default)]
pub struct Setup {
    /// Networks that outbound requests may go to.
    pub allow: Vec<IpNet>,
    /// Whether nothing can come in: there is no listener for encoders.
    pub deaf: bool,
    /// Whether browsers come over HTTPS.
    pub behind_proxy: bool,
    /// Whether webhooks are delivered.
    pub deliver: bool,
}

/// One server, with a token of each role.
pub struct World {
    pub router: Router,
    pub director: Director,
    pub players: Players,
    pub keys: TokenKeys,
    pub viewer: String,
    pub operator: String,
    pub admin: String,
    told: Arc<Notify>,
    now_ms: Arc<AtomicI64>,
    stop: watch::Sender<bool>,
    _folder: TempDir,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub async fn with(setup: Setup) -> Self {
        let folder = TempDir::new().unwrap();
        let seal = Seal::open(&MasterKey::from_bytes([7; 32]));
        let store = Store::open(&DatabaseUrl::sqlite(&folder.path().join("weir.db"))).await.unwrap();
        let (channels, orders) = ChannelsHandle::new();
        let (stop, stopped) = watch::channel(false);
        let (now_ms, told) = (Arc::new(AtomicI64::new(START)), Arc::new(Notify::new()));
        let read_ms = now_ms.clone();
        let clock = Clock::new(move || read_ms.load(Ordering::SeqCst));
        let parts = Parts {
            store: store.clone(),
            seal: seal.clone(),
            channels,
            gate: Arc::new(Gate::new(&seal.derive("stream-key"), 1000)),
            directory: Directory::new(),
            clock: clock.clone(),
            told: told.clone(),
        };
        let players = Players::play(orders);
        let config = config(&folder, setup.deaf);
        let playback_url = config.playback_url.clone();
        let (director, _) = Director::start(config, parts, stopped.clone()).await.unwrap();
        let client = Client::new(Policy { allow: setup.allow }).unwrap();
        let keys =
            PlaybackKeys { playback: "key of the platform".to_owned(), preview: TokenKey::new(b"key of previews") };
        let token_keys = TokenKeys { playback: keys.playback_key(), preview: keys.preview.clone() };
        let state = ApiState::new(director.clone(), client.clone(), keys, playback_url, setup.behind_proxy);
        if setup.deliver {
            tokio::spawn(deliver(store.clone(), seal.clone(), client, clock, told.clone(), stopped));
        }
        Self {
            router: router(state),
            director,
            players,
            keys: token_keys,
            viewer: keep_token(&store, &seal, "viewer", Role::Viewer).await.1,
            operator: keep_token(&store, &seal, "operator", Role::Operator).await.1,
            admin: keep_token(&store, &seal, "admin", Role::Admin).await.1,
            told,
            now_ms,
            stop,
            _folder: folder,
        }
    }

    /// Lets time pass; whoever waits for it looks at the clock.
    pub fn pass(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
        self.told.notify_one();
    }

    /// Makes a token, and says its id too.
    pub async fn token(&self, name: &str, role: Role) -> (Uuid, String) {
        keep_token(self.director.store(), self.director.seal(), name, role).await
    }

    /// Ends the director, as a daemon that stops does.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }
}

fn config(folder: &TempDir, deaf: bool) -> Config {
    let url = |url: &str| (!deaf).then(|| url.to_owned());
    Config {
        rules: Rules::default(),
        ingest: IngestUrls {
            rtmp: url("rtmp://live.example/live"),
            rtmps: url("rtmps://live.example/live"),
            srt: url("srt://live.example:8890"),
        },
        srt_latency: Duration::from_millis(120),
        playback_url: "https://live.example".to_owned(),
        events_dir: folder.path().join("events"),
    }
}

/// As `weir token create` does.
async fn keep_token(store: &Store, seal: &Seal, name: &str, role: Role) -> (Uuid, String) {
    let (token, digest) = new_token(seal).unwrap();
    let (id, role) = (Uuid::now_v7(), role.name().to_owned());
    let name = name.to_owned();
    let kept = ApiToken { id, name, role, created_ms: START, last_used_ms: None, revoked_ms: None };
    let [actor, action] = ["test", "token.create"].map(str::to_owned);
    let deed = AuditEntry { at_ms: START, actor, action, subject: id.to_string(), detail: serde_json::json!({}) };
    store.create_token(&kept, &digest, &deed).await.unwrap();
    (id, token)
}
