use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;
use weir_media::{Frame, MEDIA_HZ, TrackKind};

use super::WorkerLimits;
use crate::wire;

/// Something on its way to the worker.
#[derive(Debug)]
pub(super) enum Item {
    Frame(Frame),
    Control(Bytes),
}

/// Why a frame was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The queue is full: the worker is slower than the source. Carries whether this is the first frame of the run.
    Full { first: bool },
}

/// The bounded queue in front of the worker. When it is full, video is refused up to the next keyframe that finds
/// room, so that only whole tails of groups of pictures are lost.
///
/// Sound waits for the next picture, which takes longer on its way than what it waits: neither daemon nor worker is woken for
/// every frame of it.
#[derive(Debug)]
pub(super) struct InputQueue {
    limits: WorkerLimits,
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    bytes: usize,
    frames: usize,
    skipping: bool,
    unanswered_since: Option<Instant>,
}

impl InputQueue {
    pub fn new(limits: WorkerLimits) -> Arc<Self> {
        Arc::new(Self { limits, state: Mutex::default(), arrived: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half way, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a control message. Those are few and small: one job, one end, and what [`set_audio`](super::Worker::set_audio)
    /// is called for.
    pub fn push_control(&self, message: Bytes) {
        self.state().items.push_back(Item::Control(message));
        self.arrived.notify_one();
    }

    /// Queues a frame, or says why not.
    pub fn push(&self, frame: Frame, now: Instant) -> Result<(), Refusal> {
        let mut state = self.state();
        let full = state.is_full(&self.limits, &frame);
        if frame.kind == TrackKind::Video {
            let skip = full || (state.skipping && !frame.keyframe);
            let first = skip && !state.skipping;
            state.skipping = skip;
            if skip {
                return Err(Refusal::Full { first });
            }
            state.unanswered_since.get_or_insert(now);
        } else if full {
            return Err(Refusal::Full { first: false });
        }
        let wakes = frame.kind == TrackKind::Video || state.frames + 1 >= wire::FRAMES_WAITING_MAX as usize;
        state.bytes += frame.data.len();
        state.frames += 1;
        state.items.push_back(Item::Frame(frame));
        drop(state);
        if wakes {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// The next item; waits for one. May be given up at any time without losing anything.
    pub async fn pop(&self) -> Item {
        loop {
            if let Some(item) = self.state().pop() {
                return item;
            }
            self.arrived.notified().await;
        }
    }

    /// How much video waits, in milliseconds of its timestamps.
    pub fn backlog_ms(&self) -> i64 {
        let state = self.state();
        let mut waiting = state.items.iter().filter_map(|item| match item {
            Item::Frame(frame) if frame.kind == TrackKind::Video => Some(frame.dts),
            _ => None,
        });
        let oldest = waiting.next();
        let newest = waiting.next_back().or(oldest);
        newest.zip(oldest).map_or(0, |(newest, oldest)| (newest - oldest) * 1000 / MEDIA_HZ)
    }

    /// The worker gave out a picture: what was fed is answered.
    pub fn answered(&self) {
        self.state().unanswered_since = None;
    }

    /// The worker is ready only now: what was fed before counts from here.
    pub fn count_from(&self, now: Instant) {
        let mut state = self.state();
        state.unanswered_since = state.unanswered_since.map(|_| now);
    }

    /// Since when video has been fed without a picture coming out.
    pub fn unanswered_since(&self) -> Option<Instant> {
        self.state().unanswered_since
    }
}

impl State {
    fn is_full(&self, limits: &WorkerLimits, next: &Frame) -> bool {
        let oldest = self.items.iter().find_map(|item| match item {
            Item::Frame(frame) if frame.kind == next.kind => Some(frame.dts),
            _ => None,
        });
        let span_ms = oldest.map_or(0, |oldest| (next.dts - oldest) * 1000 / MEDIA_HZ);
        let late = next.kind == TrackKind::Video && span_ms > i64::from(limits.queue_ms_max);
        late || self.bytes + next.data.len() > limits.queue_bytes_max || self.frames >= limits.queue_frames_max
    }

    fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        if let Item::Frame(frame) = &item {
            self.bytes -= frame.data.len();
            self.frames -= 1;
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn video(n: i64, keyframe: bool) -> Frame {
        let dts = n * MEDIA_HZ / 10;
        Frame { kind: TrackKind::Video, dts, pts: dts, keyframe, data: Bytes::from_static(&[0; 100]) }
    }

    fn pushed(queue: &InputQueue, n: i64) -> bool {
        queue.push(video(n, n % 10 == 0), Instant::now()).is_ok()
    }

    #[tokio::test]
    async fn an_overrun_loses_the_rest_of_the_group_of_pictures_and_no_more() {
        let queue = InputQueue::new(WorkerLimits { queue_ms_max: 1500, ..WorkerLimits::default() });
        assert!((0..=15).all(|n| pushed(&queue, n)));
        assert_eq!(queue.push(video(16, false), Instant::now()), Err(Refusal::Full { first: true }));
        for _ in 0..10 {
            queue.pop().await;
        }
        assert_eq!(queue.push(video(17, false), Instant::now()), Err(Refusal::Full { first: false }));
        assert!((18..20).all(|n| !pushed(&queue, n)));
        assert!((20..=25).all(|n| pushed(&queue, n)));
    }

    #[tokio::test]
    async fn bytes_are_bounded_whatever_the_timestamps_say() {
        let queue = InputQueue::new(WorkerLimits { queue_bytes_max: 250, ..WorkerLimits::default() });
        assert!(
            queue.push(video(0, true), Instant::now()).is_ok() && queue.push(video(0, false), Instant::now()).is_ok()
        );
        assert!(queue.push(video(0, true), Instant::now()).is_err());
        queue.pop().await;
        assert!(queue.push(video(0, true), Instant::now()).is_ok());
    }

    #[tokio::test]
    async fn sound_waits_for_a_picture_but_not_for_ever() {
        let queue = InputQueue::new(WorkerLimits::default());
        let sound = |n| queue.push(Frame { kind: TrackKind::Audio, ..video(n, true) }, Instant::now()).is_ok();
        let woken = || queue.arrived.notified().now_or_never().is_some();
        assert!(sound(0) && !woken());
        assert!(pushed(&queue, 0) && woken());
        assert!(matches!(queue.pop().await, Item::Frame(frame) if frame.kind == TrackKind::Audio));
        queue.pop().await;
        assert!((1..i64::from(wire::FRAMES_WAITING_MAX)).all(sound) && !woken());
        assert!(sound(100) && woken());
    }

    #[tokio::test]
    async fn sound_goes_on_while_pictures_are_skipped() {
        let queue = InputQueue::new(WorkerLimits { queue_ms_max: 100, ..WorkerLimits::default() });
        assert!(pushed(&queue, 0) && !pushed(&queue, 2));
        let sound = Frame { kind: TrackKind::Audio, ..video(2, true) };
        assert!(queue.push(sound, Instant::now()).is_ok());
    }
}
