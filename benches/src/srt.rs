//! SRT's receiver beside libsrt's: what is missing on bad links, and what many callers cost.

mod load;
mod losses;
mod receiver;
mod sender;
mod sink;

pub use load::{libsrt, run as load, weir};
pub use losses::run as losses;
pub use sink::run as sink;

/// Bytes of one packet: seven of a transport stream.
pub const PACKET_BYTES: usize = 1316;
/// Time between two packets at 6 Mbps.
pub const PACKET_PERIOD_NS: u64 = PACKET_BYTES as u64 * 8 * 1_000 / 6;
