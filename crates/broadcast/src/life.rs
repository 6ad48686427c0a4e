//! When a channel is on, away or off: the rules of its life, without clocks or sockets.

use std::time::{Duration, Instant};

/// How long a publisher may send nothing before its epoch is closed and another may take its key.
/// Long enough for a stalled uplink to breathe, short enough that a crashed encoder's ghost does not
/// keep its owner out.
pub const SILENCE: Duration = Duration::from_secs(3);

/// Where a channel stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// No publisher, nothing to continue.
    Off,
    /// A publisher is connected.
    On {
        /// When its last frame came, or when it connected.
        last_media: Instant,
        /// Whether [`Due::Silent`] was already told for this silence.
        silent: bool,
    },
    /// The publisher left and may still come back to the same playlists.
    Away {
        /// When its last frame came.
        since: Instant,
    },
}

/// What to do with a publisher that asks for the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The key is free.
    Accept,
    /// The publisher before it is a ghost: close that one, accept this one.
    TakeOver,
    /// The publisher before it is sending.
    KeyInUse,
}

/// What time alone brought about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// The publisher fell silent: close its epoch so that what was sent can be seen.
    Silent,
    /// Nobody came back in time: end the playlists, and the publisher if it is still connected.
    Expired,
}

/// The life of one channel. Every method takes `now` and none looks at a clock.
#[derive(Debug)]
pub struct Life {
    stage: Stage,
    reconnect_window: Option<Duration>,
}

impl Life {
    /// A channel that is off; or away since `resumed`, when it carries on playlists of an earlier run. Without a
    /// window somebody else decides when the wait for a publisher is over.
    pub fn new(reconnect_window: Option<Duration>, resumed: Option<Instant>) -> Self {
        let stage = resumed.map_or(Stage::Off, |since| Stage::Away { since });
        Self { stage, reconnect_window }
    }

    /// Where the channel stands.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// A publisher with the right key asks.
    pub fn publish(&mut self, now: Instant) -> Answer {
        let answer = match self.stage {
            Stage::On { last_media, .. } if now.duration_since(last_media) < SILENCE => return Answer::KeyInUse,
            Stage::On { .. } => Answer::TakeOver,
            Stage::Off | Stage::Away { .. } => Answer::Accept,
        };
        self.stage = Stage::On { last_media: now, silent: false };
        answer
    }

    /// A frame came. Answers whether that ends a silence.
    pub fn media(&mut self, now: Instant) -> bool {
        let Stage::On { last_media, silent } = &mut self.stage else { return false };
        *last_media = now;
        std::mem::take(silent)
    }

    /// The publisher's session ended. What was never anything to watch (`nothing_shown`) is over at once.
    pub fn left(&mut self, now: Instant, nothing_shown: bool) {
        if let Stage::On { last_media, .. } = self.stage {
            self.stage = if nothing_shown { Stage::Off } else { Stage::Away { since: last_media.min(now) } };
        }
    }

    /// Time passed. Tells each thing once.
    pub fn tick(&mut self, now: Instant) -> Option<Due> {
        match &mut self.stage {
            Stage::On { last_media: since, .. } | Stage::Away { since }
                if self.reconnect_window.is_some_and(|window| now.duration_since(*since) >= window) =>
            {
                self.stage = Stage::Off;
                Some(Due::Expired)
            }
            Stage::On { last_media, silent } if !*silent && now.duration_since(*last_media) >= SILENCE => {
                *silent = true;
                Some(Due::Silent)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Option<Duration> = Some(Duration::from_secs(300));

    fn on_air() -> (Life, Instant) {
        let (mut life, now) = (Life::new(WINDOW, None), Instant::now());
        assert_eq!(life.publish(now), Answer::Accept);
        (life, now)
    }

    fn after(now: Instant, millis: u64) -> Instant {
        now + Duration::from_millis(millis)
    }

    #[test]
    fn a_second_publisher_is_refused_while_the_first_sends() {
        let (mut life, now) = on_air();
        life.media(after(now, 10_000));
        assert_eq!(life.publish(after(now, 12_999)), Answer::KeyInUse);
    }

    #[test]
    fn a_second_publisher_takes_over_from_a_ghost_at_once() {
        let (mut life, now) = on_air();
        life.media(after(now, 10_000));
        assert_eq!(life.publish(after(now, 13_000)), Answer::TakeOver);
        assert_eq!(life.publish(after(now, 13_100)), Answer::KeyInUse);
    }

    #[test]
    fn silence_is_told_once_and_again_after_media() {
        let (mut life, now) = on_air();
        assert_eq!(life.tick(after(now, 2_999)), None);
        assert_eq!(life.tick(after(now, 3_000)), Some(Due::Silent));
        assert_eq!(life.tick(after(now, 4_000)), None);
        life.media(after(now, 5_000));
        assert_eq!(life.tick(after(now, 8_000)), Some(Due::Silent));
    }

    #[test]
    fn a_publisher_that_left_may_return_within_the_window() {
        let (mut life, now) = on_air();
        life.media(after(now, 1_000));
        life.left(after(now, 2_000), false);
        assert_eq!(life.tick(after(now, 300_999)), None);
        assert_eq!(life.publish(after(now, 300_999)), Answer::Accept);
    }

    #[test]
    fn the_window_counts_from_the_last_frame_and_ends_once() {
        let (mut life, now) = on_air();
        life.media(after(now, 1_000));
        life.left(after(now, 2_000), false);
        assert_eq!(life.tick(after(now, 301_000)), Some(Due::Expired));
        assert_eq!(life.tick(after(now, 900_000)), None);
        assert_eq!(life.stage(), Stage::Off);
    }

    #[test]
    fn a_publisher_silent_for_the_whole_window_is_expired_too() {
        let (mut life, now) = on_air();
        assert_eq!(life.tick(after(now, 3_000)), Some(Due::Silent));
        assert_eq!(life.tick(after(now, 300_000)), Some(Due::Expired));
    }

    #[test]
    fn a_publisher_that_showed_nothing_leaves_nothing_to_return_to() {
        let (mut life, now) = on_air();
        life.left(after(now, 500), true);
        assert_eq!(life.stage(), Stage::Off);
    }

    #[test]
    fn playlists_of_an_earlier_run_wait_for_their_encoder() {
        let now = Instant::now();
        let mut life = Life::new(WINDOW, Some(now));
        assert_eq!(life.tick(after(now, 299_999)), None);
        assert_eq!(life.tick(after(now, 300_000)), Some(Due::Expired));
    }

    #[test]
    fn without_a_window_the_wait_has_no_end() {
        let (mut life, now) = (Life::new(None, None), Instant::now());
        life.publish(now);
        life.left(after(now, 10), false);
        assert_eq!(life.tick(after(now, 86_400_000)), None);
        assert_eq!(life.publish(after(now, 86_400_000)), Answer::Accept);
    }
}
