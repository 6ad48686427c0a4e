//! The ways in which a connection ends.

use std::io;
use std::time::Duration;

use super::session::SessionError;
use crate::{CloseReason, EndReason, Refusal, telemetry};

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error("{}", .0.sentence())]
    Refused(Refusal),
    #[error("the encoder finished")]
    Finished,
    #[error("the peer closed the connection")]
    Disconnected,
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    #[error("the TLS handshake failed: {0}")]
    Tls(io::Error),
    #[error("the peer does not read what it is sent")]
    WriteTimeout,
    #[error("the handshake was not finished in {0:?}")]
    HandshakeTimeout(Duration),
    #[error("nothing was published in {0:?}")]
    PublishTimeout(Duration),
    #[error("not a byte came for {0:?}")]
    Idle(Duration),
    #[error("{}", .0.sentence())]
    Closed(CloseReason),
}

impl Stop {
    /// The value of the `reason` label when nothing was published; `None` when that is no refusal.
    fn refusal_label(&self) -> Option<&'static str> {
        match self {
            Self::Session(error) => Some(error.label()),
            Self::Refused(refusal) => Some(refusal.label()),
            Self::Tls(_) => Some("tls"),
            Self::HandshakeTimeout(_) => Some("handshake_timeout"),
            Self::PublishTimeout(_) => Some("publish_timeout"),
            Self::WriteTimeout => Some("write_timeout"),
            Self::Finished | Self::Disconnected | Self::Io(_) | Self::Idle(_) | Self::Closed(_) => None,
        }
    }

    /// What the owner of the publication gets to know.
    pub fn into_end(self) -> EndReason {
        match self {
            Self::Session(SessionError::Unsupported(media)) => EndReason::Unsupported(media),
            Self::Session(error) => EndReason::Protocol(error.to_string()),
            Self::Finished => EndReason::Finished,
            Self::Idle(_) => EndReason::Idle,
            Self::Closed(reason) => EndReason::Closed(reason),
            Self::Disconnected | Self::Io(_) | Self::WriteTimeout => EndReason::Disconnected,
            Self::Refused(_) | Self::Tls(_) | Self::HandshakeTimeout(_) | Self::PublishTimeout(_) => {
                EndReason::Internal
            }
        }
    }

    /// Logs and counts a connection that ends without having published.
    pub fn report_unpublished(&self, bytes: u64) {
        match self.refusal_label() {
            Some(label) => {
                telemetry::refused(label);
                tracing::warn!(bytes, reason = %self, "connection refused");
            }
            None => tracing::debug!(bytes, reason = %self, "connection closed without publishing"),
        }
    }
}
