//! What can go wrong with what somebody wants of the director.

use weir_events::Refusal;
use weir_store::{SealError, StoreError};

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum DirectorError {
    /// There is no such event.
    #[error("there is no such event")]
    NotFound,
    /// There is no such account.
    #[error("there is no such account")]
    NoAccount,
    /// A rule says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It was decided on another version of the event than there is.
    #[error("the event was changed meanwhile: it is at version {found}")]
    Changed {
        /// The version that there is.
        found: u64,
    },
    /// Its credentials do not exist yet, or not any more.
    #[error("{0}")]
    NoCredentials(&'static str),
    /// There is no listener for the event's source.
    #[error("this server takes nothing in over {0}: its configuration has no listener for it")]
    NoListener(&'static str),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A secret cannot be sealed or read.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The system has no random bytes.
    #[error("the system gives no random bytes")]
    NoRandomness,
    /// The daemon stops, or has not begun.
    #[error("the server is stopping")]
    Stopping,
}
