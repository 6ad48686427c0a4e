//! What a pasted HLS URL is, and whether browsers play it.

mod attributes;
mod check;
#[cfg(test)]
mod check_tests;
mod codecs;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod judge;
mod media;
mod multivariant;
mod playlist;
mod report;

pub use check::check;
pub use report::{Container, HlsCode, HlsFinding, HlsReport, PlaylistKind, Resolution, Severity, Timing, Variant};
