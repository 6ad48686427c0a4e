//! What all handlers share.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::Semaphore;
use weir_director::Director;
use weir_origin::TokenKey;
use weir_outbound::Client;
use weir_store::{Seal, Store};

/// Failed attempts to get in from one address in a minute.
const FAILURES_PER_MINUTE: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// Server-sent event streams at a time; each is a connection that stays.
const STREAMS_MAX: usize = 256;
/// Passwords that are looked at at a time: each costs 19 MiB and some hundredth of a second.
const PASSWORDS_AT_ONCE: usize = 2;
/// Checks of external playlists at a time: each makes requests of its own.
const CHECKS_AT_ONCE: usize = 8;

/// What all handlers share. Clones are of the same.
#[derive(Clone)]
pub struct ApiState(pub(crate) Arc<Shared>);

/// See [`ApiState`].
pub(crate) struct Shared {
    pub director: Director,
    pub client: Client,
    pub playback: PlaybackKeys,
    /// Where viewers come, without a slash at its end.
    pub playback_url: String,
    /// Whether everybody comes through a proxy with TLS, which says where they come from.
    pub behind_proxy: bool,
    pub failures: DefaultKeyedRateLimiter<IpAddr>,
    pub streams: Arc<Semaphore>,
    pub passwords: Semaphore,
    pub checks: Semaphore,
}

/// The keys of viewers' tokens.
#[derive(Clone)]
pub struct PlaybackKeys {
    /// Of viewers of paid events; the platform's backend has it too, as this text.
    pub playback: String,
    /// Of those who check a signal before it goes on air.
    pub preview: TokenKey,
}

impl PlaybackKeys {
    /// The key that signs tokens of viewers.
    pub fn playback_key(&self) -> TokenKey {
        TokenKey::new(self.playback.as_bytes())
    }
}

impl ApiState {
    /// `playback_url` is where viewers come, without a slash at its end. With `behind_proxy` everybody comes through a proxy
    /// with TLS: cookies are for HTTPS, and an address is the last one in `x-forwarded-for`.
    pub fn new(
        director: Director,
        client: Client,
        playback: PlaybackKeys,
        playback_url: String,
        behind_proxy: bool,
    ) -> Self {
        Self(Arc::new(Shared {
            director,
            client,
            playback,
            playback_url,
            behind_proxy,
            failures: RateLimiter::keyed(Quota::per_minute(FAILURES_PER_MINUTE)),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            passwords: Semaphore::new(PASSWORDS_AT_ONCE),
            checks: Semaphore::new(CHECKS_AT_ONCE),
        }))
    }

    pub(crate) fn director(&self) -> &Director {
        &self.0.director
    }

    pub(crate) fn store(&self) -> &Store {
        self.0.director.store()
    }

    pub(crate) fn seal(&self) -> &Seal {
        self.0.director.seal()
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.0.director.clock().now_ms()
    }
}
