//! The queue between a connection and the owner of its publication. The connection never waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{mpsc, oneshot};
use weir_media::{AudioParams, Frame, TrackKind, VideoParams};

use crate::telemetry;
use crate::{CloseReason, EndReason, IngestEvent, LostReason, Metadata, Publication};

/// Events that wait at most: about 5 s of 60 frames and 47 AAC frames a second.
const QUEUE_EVENTS: usize = 512;
/// Bytes of frames that wait at most: 5 s of 25 Mbps, and two frames of the largest size allowed.
const QUEUE_BYTES: usize = 16 << 20;
/// Dropping ends only when half the queue is free, or it would begin again at once.
const RESUME_EVENTS: usize = QUEUE_EVENTS / 2;
const RESUME_BYTES: usize = QUEUE_BYTES / 2;
/// Places a frame needs when it may be preceded by what was held back: loss, metadata, two configurations.
const PLACES: usize = 5;
/// After so many audio frames (5 s at 48 kHz) without one of video, audio no longer waits for a keyframe.
const AUDIO_ALONE: u32 = 256;

/// The sending end of a [`Publication`].
#[derive(Debug)]
pub(crate) struct Feed {
    events: mpsc::Sender<IngestEvent>,
    queued_bytes: Arc<AtomicUsize>,
    end: oneshot::Sender<EndReason>,
    /// Resolves when the owner closes the publication; with an error when it was dropped.
    pub(crate) closed: oneshot::Receiver<CloseReason>,
    gap: Option<Gap>,
    /// Audio frames since the last video frame; at [`AUDIO_ALONE`] there is no video to wait for.
    audio_run: u32,
}

/// What has been held back since dropping began.
#[derive(Debug, Default)]
struct Gap {
    frames: u32,
    metadata: Option<Metadata>,
    video: Option<VideoParams>,
    audio: Option<AudioParams>,
}

/// A new queue.
pub(crate) fn channel() -> (Feed, Publication) {
    let (events, receiver) = mpsc::channel(QUEUE_EVENTS);
    let (end, ended) = oneshot::channel();
    let (close, closed) = oneshot::channel();
    let queued_bytes = Arc::new(AtomicUsize::new(0));
    let publication =
        Publication { events: receiver, queued_bytes: queued_bytes.clone(), end: Some(ended), close: Some(close) };
    (Feed { events, queued_bytes, end, closed, gap: None, audio_run: AUDIO_ALONE }, publication)
}

impl Feed {
    /// Queues an event, or drops it when there is no room. From a drop on, everything up to the next
    /// keyframe is dropped, and parameters are kept until then.
    pub(crate) fn offer(&mut self, event: IngestEvent) {
        match event {
            IngestEvent::Frame(frame) => self.offer_frame(frame),
            other if self.gap.is_none() && self.has_room(0, PLACES, QUEUE_BYTES) => self.send(other),
            // The state of the link comes again in a second, and a loss in the network is nothing beside our own.
            IngestEvent::Link(_) | IngestEvent::Lost { .. } => {}
            other => self.hold(other),
        }
    }

    /// Ends the publication. What was queued is still received.
    pub(crate) fn end(self, reason: EndReason) {
        if let Some(Gap { frames: frames @ 1.., .. }) = self.gap {
            self.send(IngestEvent::Lost { frames, reason: LostReason::QueueFull });
        }
        // Nobody listens any more when the owner has dropped the publication.
        let _ = self.end.send(reason);
    }

    fn offer_frame(&mut self, frame: Frame) {
        self.audio_run = match frame.kind {
            TrackKind::Video => 0,
            TrackKind::Audio => (self.audio_run + 1).min(AUDIO_ALONE),
        };
        let bytes = frame.data.len();
        if self.gap.is_some() {
            let starts = frame.keyframe && (frame.kind == TrackKind::Video || self.audio_run == AUDIO_ALONE);
            if !starts || !self.has_room(bytes, RESUME_EVENTS, RESUME_BYTES) {
                return self.drop_frame();
            }
            self.resume();
        } else if !self.has_room(bytes, PLACES, QUEUE_BYTES) {
            tracing::warn!("the broadcast does not keep up: dropping up to the next keyframe");
            return self.drop_frame();
        }
        self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.send(IngestEvent::Frame(frame));
    }

    fn has_room(&self, bytes: usize, places: usize, bytes_max: usize) -> bool {
        self.events.capacity() >= places && self.queued_bytes.load(Ordering::Relaxed) + bytes <= bytes_max
    }

    fn drop_frame(&mut self) {
        telemetry::dropped("queue_full");
        let gap = self.gap.get_or_insert_default();
        gap.frames = gap.frames.saturating_add(1);
    }

    fn hold(&mut self, event: IngestEvent) {
        let gap = self.gap.get_or_insert_default();
        match event {
            IngestEvent::Metadata(metadata) => gap.metadata = Some(metadata),
            IngestEvent::VideoConfig(params) => gap.video = Some(params),
            IngestEvent::AudioConfig(params) => gap.audio = Some(params),
            // The other kinds are not held back.
            IngestEvent::Frame(_) | IngestEvent::Link(_) | IngestEvent::Lost { .. } | IngestEvent::Ended(_) => {}
        }
    }

    fn resume(&mut self) {
        let Some(gap) = self.gap.take() else { return };
        if gap.frames > 0 {
            self.send(IngestEvent::Lost { frames: gap.frames, reason: LostReason::QueueFull });
        }
        let held = [
            gap.metadata.map(IngestEvent::Metadata),
            gap.video.map(IngestEvent::VideoConfig),
            gap.audio.map(IngestEvent::AudioConfig),
        ];
        held.into_iter().flatten().for_each(|event| self.send(event));
    }

    fn send(&self, event: IngestEvent) {
        // There is room (this is the only sender, and it looked); an owner that has gone needs nothing.
        let _ = self.events.try_send(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn frame(kind: TrackKind, dts: i64, keyframe: bool, bytes: usize) -> IngestEvent {
        IngestEvent::Frame(Frame { kind, dts, pts: dts, keyframe, data: Bytes::from(vec![0; bytes]) })
    }

    fn video(dts: i64, keyframe: bool) -> IngestEvent {
        frame(TrackKind::Video, dts, keyframe, 100)
    }

    fn audio(dts: i64) -> IngestEvent {
        frame(TrackKind::Audio, dts, true, 100)
    }

    /// All that waits, as short words.
    async fn drained(publication: &mut Publication) -> Vec<String> {
        let mut words = Vec::new();
        while !publication.events.is_empty() {
            words.push(match publication.recv().await {
                Some(IngestEvent::Frame(frame)) => {
                    let kind = if frame.kind == TrackKind::Video { 'v' } else { 'a' };
                    format!("{kind}{}{}", frame.dts, if frame.keyframe { "k" } else { "" })
                }
                Some(IngestEvent::Lost { frames, .. }) => format!("lost {frames}"),
                Some(IngestEvent::AudioConfig(_)) => "config".to_owned(),
                other => format!("{other:?}"),
            });
        }
        words
    }

    fn fill(feed: &mut Feed) {
        feed.offer(video(0, true));
        while feed.gap.is_none() {
            feed.offer(video(1, false));
        }
    }

    #[tokio::test]
    async fn a_full_queue_loses_the_rest_of_the_group_and_says_so_in_front_of_the_next_keyframe() {
        let (mut feed, mut publication) = channel();
        fill(&mut feed);
        feed.offer(audio(2));
        feed.offer(video(3, true));
        assert_eq!(drained(&mut publication).await.len(), QUEUE_EVENTS - PLACES + 1);
        feed.offer(video(4, false));
        feed.offer(audio(5));
        feed.offer(IngestEvent::AudioConfig(AudioParams::lc_48k_stereo()));
        feed.offer(video(6, true));
        feed.offer(audio(7));
        assert_eq!(drained(&mut publication).await, ["lost 5", "config", "v6k", "a7k"]);
    }

    #[tokio::test]
    async fn bytes_fill_the_queue_as_well_as_events_do() {
        let (mut feed, mut publication) = channel();
        feed.offer(frame(TrackKind::Video, 0, true, QUEUE_BYTES));
        feed.offer(video(1, false));
        feed.offer(video(2, true));
        assert_eq!(drained(&mut publication).await, ["v0k"]);
        feed.offer(video(3, true));
        assert_eq!(drained(&mut publication).await, ["lost 2", "v3k"]);
        assert_eq!(publication.queued_bytes.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn audio_alone_needs_no_keyframe_to_go_on() {
        let (mut feed, mut publication) = channel();
        while feed.gap.is_none() {
            feed.offer(audio(1));
        }
        drained(&mut publication).await;
        feed.offer(audio(2));
        assert_eq!(drained(&mut publication).await, ["lost 1", "a2k"]);
    }

    #[tokio::test]
    async fn the_end_comes_behind_everything_queued_and_only_once() {
        let (mut feed, mut publication) = channel();
        feed.offer(video(0, true));
        feed.end(EndReason::Finished);
        assert_eq!(drained(&mut publication).await, ["v0k"]);
        assert_eq!(publication.recv().await, Some(IngestEvent::Ended(EndReason::Finished)));
        assert_eq!(publication.recv().await, None);
    }

    #[tokio::test]
    async fn a_feed_that_vanishes_is_an_internal_end() {
        let (feed, mut publication) = channel();
        drop(feed);
        assert_eq!(publication.recv().await, Some(IngestEvent::Ended(EndReason::Internal)));
    }

    #[tokio::test]
    async fn closing_and_dropping_are_both_seen_by_the_connection() {
        let (feed, publication) = channel();
        publication.close(CloseReason::Stopped);
        assert_eq!(feed.closed.await, Ok(CloseReason::Stopped));
        let (feed, publication) = channel();
        drop(publication);
        assert!(feed.closed.await.is_err());
    }
}
