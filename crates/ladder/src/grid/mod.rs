//! From the times a source gives to grids of constant rate. Pure.

mod audio_grid;
mod frame_grid;
mod rate_finder;

pub use audio_grid::{AudioGrid, Cut};
pub use frame_grid::{FrameGrid, Placement};
pub use rate_finder::RateFinder;
