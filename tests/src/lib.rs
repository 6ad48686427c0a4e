//! What the end-to-end tests share: the judgement of a whole ladder as it came out of the daemon.

mod ladder;

use std::time::Duration;

pub use ladder::{Rendition, check_ladder, check_parity};

/// The longest that the first segment may take after an encoder connected: the frame rate is found, a worker
/// starts, a segment of two seconds fills, on two cores that also run the encoder.
pub const PLAYABLE_WITHIN: Duration = Duration::from_secs(20);

/// The longest that ENDLIST may take after the encoder left, with a reconnect window of a few seconds.
pub const ENDED_WITHIN: Duration = Duration::from_secs(20);
