//! A judge of live HLS. It shares no code with what renders playlists or media: what a rule means was read from
//! rfc8216bis-22 and Apple's authoring specification, and written down here a second time.
//!
//! The judgements are pure: [`playlist::read`] and [`rules`] look at one playlist, [`pair`] at two states of one,
//! [`across`] at renditions of one moment, [`multivariant`] at the multivariant playlist, [`cmaf`] at media, and
//! [`exchange`] at HTTP. [`watch`](watch::watch) follows a live presentation and has all of them judge it.

pub mod across;
mod attributes;
pub mod cmaf;
pub mod exchange;
mod finding;
mod http;
pub mod multivariant;
pub mod pair;
pub mod playlist;
pub mod rules;
mod track;
pub mod watch;

pub use finding::{Finding, RULES, Rule, Severity, Sink, rule};
