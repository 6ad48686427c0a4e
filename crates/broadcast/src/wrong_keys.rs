//! Addresses from which wrong keys come.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use weir_ingest::address_block;

/// How long attempts count together.
const SPAN: Duration = Duration::from_secs(60);
/// Addresses that are remembered; beyond, all are forgotten. Some hundred kilobytes.
const ADDRESSES_MAX: usize = 8192;

/// Counts wrong keys by address.
#[derive(Debug)]
pub struct WrongKeys {
    per_span_max: u32,
    seen: HashMap<IpAddr, (Instant, u32)>,
}

impl WrongKeys {
    /// Lets an address try so many wrong keys a minute.
    pub fn new(per_minute_max: u32) -> Self {
        Self { per_span_max: per_minute_max, seen: HashMap::new() }
    }

    /// Whether an address has had all its attempts.
    pub fn is_barred(&self, address: IpAddr, now: Instant) -> bool {
        let seen = self.seen.get(&address_block(address));
        seen.is_some_and(|(since, count)| now.duration_since(*since) < SPAN && *count >= self.per_span_max)
    }

    /// A wrong key came.
    pub fn note(&mut self, address: IpAddr, now: Instant) {
        if self.seen.len() >= ADDRESSES_MAX {
            self.seen.retain(|_, (since, _)| now.duration_since(*since) < SPAN);
            if self.seen.len() >= ADDRESSES_MAX {
                self.seen.clear();
            }
        }
        let (since, count) = self.seen.entry(address_block(address)).or_insert((now, 0));
        if now.duration_since(*since) >= SPAN {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_forgotten_before_they_are_too_many() {
        let (mut wrong, now) = (WrongKeys::new(1), Instant::now());
        for address in 0..100_000_u32 {
            wrong.note(IpAddr::from(address.to_be_bytes()), now);
        }
        assert!(wrong.seen.len() <= ADDRESSES_MAX);
    }

    #[test]
    fn addresses_of_one_subscriber_count_together() {
        let (mut wrong, now) = (WrongKeys::new(1), Instant::now());
        wrong.note("2001:db8::1".parse().unwrap(), now);
        assert!(wrong.is_barred("2001:db8::ffff:2".parse().unwrap(), now));
        assert!(!wrong.is_barred("2001:db8:0:1::1".parse().unwrap(), now));
    }
}
