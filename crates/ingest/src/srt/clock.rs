//! When a packet is due: the sender's clock on ours (draft-sharabayko-srt-01, 4.5), followed as it drifts.

use std::collections::VecDeque;

/// A moment or a duration in microseconds, on a clock that begins anywhere and never steps.
pub type Micros = i64;

/// How many seconds the smallest delay is looked for in: jitter only ever adds to it, so what moves over such a time is
/// the sender's clock, or the route.
const WINDOW_S: usize = 5;
/// The part of a deviation that is made good in a second.
const CORRECTION_PART: Micros = 4;
/// The most that is made good in a second.
const CORRECTION_MAX: Micros = 20_000;

/// The sender's clock as seen from here.
#[derive(Debug)]
pub struct Clock {
    /// Our time when the sender's timestamps were 0.
    base: Micros,
    /// The last timestamp, as sent and unwrapped.
    last: (u32, Micros),
    /// The smallest delay beyond `base` in the running second and in those before it.
    least: Option<Micros>,
    seconds: VecDeque<Micros>,
    second_ends: Micros,
    /// The smallest delay of the first seconds, which is kept.
    reference: Option<Micros>,
}

impl Clock {
    /// A clock whose `timestamp` arrived at `now`.
    pub fn new(timestamp: u32, now: Micros) -> Self {
        let sent = Micros::from(timestamp);
        Self {
            base: now - sent,
            last: (timestamp, sent),
            least: None,
            seconds: VecDeque::with_capacity(WINDOW_S + 1),
            second_ends: now + 1_000_000,
            reference: None,
        }
    }

    /// The whole time of a timestamp of 32 bits, which may lie up to 35 minutes from the last.
    pub fn unwrap(&mut self, timestamp: u32) -> Micros {
        let (last, sent) = self.last;
        let step = Micros::from(timestamp.wrapping_sub(last) as i32);
        let unwrapped = sent + step;
        // A retransmission comes with its first timestamp and must not pull the reference back.
        if step > 0 {
            self.last = (timestamp, unwrapped);
        }
        unwrapped
    }

    /// When what was sent at `sent` (unwrapped) is due with a latency of 0.
    pub fn arrival(&self, sent: Micros) -> Micros {
        self.base + sent
    }

    /// Something that was sent for the first time at `sent` (unwrapped) came at `now`.
    pub fn observe(&mut self, sent: Micros, now: Micros) {
        let delay = now - self.base - sent;
        self.least = Some(self.least.map_or(delay, |least| least.min(delay)));
        if now >= self.second_ends {
            self.second_ends = now + 1_000_000;
            self.seconds.extend(self.least.take());
            self.correct();
        }
    }

    fn correct(&mut self) {
        if self.seconds.len() < WINDOW_S {
            return;
        }
        while self.seconds.len() > WINDOW_S {
            self.seconds.pop_front();
        }
        let least = self.seconds.iter().copied().min().unwrap_or_default();
        let reference = *self.reference.get_or_insert(least);
        let step = ((least - reference) / CORRECTION_PART).clamp(-CORRECTION_MAX, CORRECTION_MAX);
        self.base += step;
        for second in &mut self.seconds {
            *second -= step;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Runs a sender whose clock is off by `ppm`, 100 packets a second with up to `jitter` of extra delay; answers by how
    /// much the time at which packets are due has moved against the true sending time.
    fn moved(ppm: i64, jitter: Micros, seconds: i64) -> Micros {
        let mut clock = Clock::new(0, 25_000);
        let mut noise = 12_345_u32;
        let mut due = 0;
        for tick in 0..seconds * 100 {
            let now = tick * 10_000;
            let sent = now + now * ppm / 1_000_000;
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let extra = Micros::from(noise >> 8) % (jitter + 1);
            let unwrapped = clock.unwrap(sent as u32);
            clock.observe(unwrapped, now + 25_000 + extra);
            due = clock.arrival(unwrapped) - now - 25_000;
        }
        due
    }

    #[test]
    fn a_drifting_sender_is_followed_even_through_jitter() {
        for ppm in [-500, -100, 0, 100, 500] {
            for jitter in [0, 30_000] {
                // Without following, two hours of 500 ppm would be 3.6 s.
                let moved = moved(ppm, jitter, 7200);
                assert!(moved.abs() < 8_000, "{ppm} ppm, {jitter} us of jitter: {moved} us");
            }
        }
    }

    #[test]
    fn timestamps_run_on_across_their_wrap_and_past_retransmissions() {
        let mut clock = Clock::new(u32::MAX - 10, 0);
        assert_eq!(clock.unwrap(9), Micros::from(u32::MAX) + 10);
        assert_eq!(clock.unwrap(u32::MAX - 5), Micros::from(u32::MAX) - 5);
        assert_eq!(clock.unwrap(20), Micros::from(u32::MAX) + 21);
    }

    proptest! {
        #[test]
        fn no_timestamps_overflow(raws in prop::collection::vec((any::<u32>(), 0..10_000_000_i64), 1..100)) {
            let mut clock = Clock::new(0, 0);
            let mut now = 0;
            for (raw, step) in raws {
                now += step;
                let sent = clock.unwrap(raw);
                clock.observe(sent, now);
                let _ = clock.arrival(sent);
            }
        }
    }
}
