use weir_media::TrackKind;

use crate::feed::Feed;
use crate::ts::Demux;
use crate::{IngestEvent, telemetry};

/// Counts what the demultiplexer makes on its way to the feed.
pub struct Media {
    video: metrics::Counter,
    audio: metrics::Counter,
}

impl Media {
    /// The counters of all callers.
    pub fn new() -> Self {
        let frames = |kind| metrics::counter!(telemetry::FRAMES_TOTAL, "kind" => kind);
        Self { video: frames("video"), audio: frames("audio") }
    }

    /// Hands on everything that is ready.
    pub fn offer(&self, demux: &mut Demux, feed: &mut Feed) {
        while let Some(event) = demux.pop() {
            if let IngestEvent::Frame(frame) = &event {
                if frame.kind == TrackKind::Video { &self.video } else { &self.audio }.increment(1);
            }
            feed.offer(event);
        }
    }
}
