//! Refused callers in the log: libsrt's tools come again a hundred times a second.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use super::clock::Micros;

/// How long the same refusal of the same address is told once only.
const QUIET: Micros = 10_000_000;
/// Refusals that are remembered; beyond, all are forgotten and told again.
const KEPT_MAX: usize = 1024;

/// Which refusals were told, and how many since were not.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<HashMap<Refused, Told>>);

/// An address and the label of a reason.
type Refused = (IpAddr, &'static str);
/// When it was told last, and how many were not since.
type Told = (Micros, u64);

impl Refusals {
    /// A caller at `ip` is refused at `now`. When that should be told: how many like it were not told since the last time.
    pub fn note(&self, ip: IpAddr, label: &'static str, now: Micros) -> Option<u64> {
        // Counting goes on after a panic elsewhere.
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= KEPT_MAX {
            seen.clear();
        }
        let (told, untold) = seen.entry((ip, label)).or_insert((now - QUIET, 0));
        if now - *told < QUIET {
            *untold += 1;
            return None;
        }
        *told = now;
        Some(std::mem::take(untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_refusal_is_told_once_in_ten_seconds_with_the_count_of_the_rest() {
        let refusals = Refusals::default();
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        assert_eq!(refusals.note(one, "wrong_key", 5), Some(0));
        assert_eq!(refusals.note(one, "wrong_key", 6), None);
        assert_eq!(refusals.note(one, "wrong_key", 7), None);
        assert_eq!(refusals.note(one, "passphrase", 7), Some(0));
        assert_eq!(refusals.note(other, "wrong_key", 7), Some(0));
        assert_eq!(refusals.note(one, "wrong_key", 5 + QUIET), Some(2));
    }
}
