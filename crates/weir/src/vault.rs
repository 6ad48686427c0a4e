//! The master key, and what comes of it.

use weir_api::PlaybackKeys;
use weir_broadcast::Gate;
use weir_origin::{TokenKey, TokenKeys};
use weir_store::{MasterKey, Seal, Store};

use crate::cli::Failure;
use crate::config::Config;
use crate::serve::ServeError;

/// The secrets of a daemon. All come of one master key, each for its own purpose.
pub struct Vault {
    seal: Seal,
    playback: String,
}

impl Vault {
    /// Reads the master key, or makes it on the first start.
    ///
    /// # Errors
    /// It cannot be read or kept.
    pub fn open(config: &Config) -> Result<Self, ServeError> {
        let master = MasterKey::read_or_make(&config.database.secret_key_file);
        let seal = Seal::open(&master.map_err(|e| ServeError::new(Failure::Keys, e))?);
        // The platform's backend gets it as text, so it is text here too.
        let playback = seal.derive("playback-token").iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { seal, playback })
    }

    /// What secrets in the database are sealed with.
    pub fn seal(&self) -> &Seal {
        &self.seal
    }

    /// Opens the database, and sees to it that its secrets are of this master key.
    ///
    /// # Errors
    /// It cannot be opened, or belongs to another master key.
    pub async fn store(&self, config: &Config) -> Result<Store, ServeError> {
        let failed = |e| ServeError::new(Failure::Keys, Said(e));
        let store = Store::open(&config.database.url).await.map_err(failed)?;
        store.check_seal(&self.seal).await.map_err(failed)?;
        Ok(store)
    }

    /// The gate of stream keys, still without doors.
    pub fn gate(&self, config: &Config) -> Gate {
        Gate::new(&self.seal.derive("stream-key"), config.ingest.wrong_keys_per_minute_max)
    }

    /// What signs the tokens of viewers.
    pub fn playback_keys(&self) -> PlaybackKeys {
        PlaybackKeys { playback: self.playback.clone(), preview: TokenKey::new(&self.seal.derive("preview-token")) }
    }

    /// What the origin checks tokens with.
    pub fn token_keys(&self) -> TokenKeys {
        let keys = self.playback_keys();
        TokenKeys { playback: keys.playback_key(), preview: keys.preview }
    }
}

/// An error with its cause.
struct Said(weir_store::StoreError);

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the database cannot be used: {}", self.0)?;
        let mut cause = std::error::Error::source(&self.0);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
