use std::sync::Arc;

use weir_media::{Frame, TrackFormat};

use crate::config::{Config, InvalidSession, Position, Session};
use crate::epoch::{Epoch, OpenEpoch};
use crate::error::{EpochError, FormatError, PushError};
use crate::multivariant::multivariant_playlist;
use crate::playlist::media_playlist;
use crate::restore::{RestoreError, restored};
use crate::saved::{SavedWindow, save};
use crate::segmenter::Plan;
use crate::snapshot::{Playlist, RenditionSnapshot, Snapshot};
use crate::window::Window;

/// One presentation: frames of all renditions in, snapshots out.
///
/// The life of it: [`start_epoch`](Self::start_epoch), [`set_format`](Self::set_format) and [`push`](Self::push) for
/// each rendition, [`end_epoch`](Self::end_epoch), and so on with the next epoch, until [`end`](Self::end).
/// After a call that may have published, store [`position`](Self::position), then show
/// [`take_snapshot`](Self::take_snapshot).
#[derive(Debug)]
pub struct Packager {
    config: Config,
    session: Session,
    window: Window,
    epoch: Option<OpenEpoch>,
    counters: Counters,
    changed: bool,
    /// The last one rendered; most segments leave it as it is.
    multivariant: Option<Playlist>,
}

/// What happened since the packager was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Media sequence numbers published.
    pub segments: u64,
    /// Boundaries at which a video rendition had no keyframe, so that its segment was prolonged.
    pub boundary_mismatches: u64,
    /// Segments, each of one rendition, that were dropped at the end of an epoch because another rendition had none to go with them.
    pub segments_dropped: u64,
    /// Frames, each of one rendition, that were dropped from the last segment of an epoch so that all renditions end together.
    pub frames_trimmed: u64,
}

impl Packager {
    /// A presentation with empty playlists that goes on from `position`. `session` (8 to 32 characters of `a-z 0-9`)
    /// is part of every media file name; it must be unguessable, and new each time a packager is made, because a
    /// crash may have published names that nobody remembers.
    pub fn new(config: Config, session: &str, position: Position) -> Result<Self, InvalidSession> {
        Ok(Self::with_window(config, Session::new(session)?, Window::new(position.bounded())))
    }

    /// A presentation that goes on with a saved window: the same URLs give the same bytes. `session` must be new, as
    /// for [`new`](Self::new), and `position` be the one stored last: a window that is older than it is refused,
    /// because sequence numbers would go back.
    pub fn restore(
        config: Config,
        session: &str,
        position: Position,
        window: SavedWindow,
    ) -> Result<Self, RestoreError> {
        let session = Session::new(session)?;
        let window = restored(config, position, window)?;
        let changed = !window.slots.is_empty();
        Ok(Self { changed, ..Self::with_window(config, session, window) })
    }

    fn with_window(config: Config, session: Session, window: Window) -> Self {
        let (epoch, counters, changed) = (None, Counters::default(), false);
        Self { config, session, window, epoch, counters, changed, multivariant: None }
    }

    /// Begins an epoch, ending the one before it if that is still open. Its first segment follows a DISCONTINUITY
    /// unless it is the first of the presentation.
    pub fn start_epoch(&mut self, epoch: Epoch) -> Result<(), EpochError> {
        self.end_epoch();
        if self.window.ended {
            return Err(EpochError::Ended);
        }
        let Position { next_msn: first_msn, next_base_ms: base_ms, .. } = self.window.next;
        let plan = Plan { config: self.config, grid: epoch.segment, base_ms, first_msn };
        self.epoch = Some(OpenEpoch::begin(epoch, plan, &self.window)?);
        Ok(())
    }

    /// Says what a rendition of the open epoch is; must come before its first frame. The same format again is allowed
    /// at any time.
    pub fn set_format(&mut self, rendition: usize, format: TrackFormat) -> Result<(), FormatError> {
        self.epoch.as_mut().ok_or(FormatError::NoEpoch)?.set_format(rendition, format)
    }

    /// Takes the next frame of a rendition in decoding order: frame n has `dts` = n × the format's frame ticks, from 0
    /// at the start of the epoch. Publishes what it completes. After an error the epoch should be ended.
    pub fn push(&mut self, rendition: usize, frame: Frame) -> Result<(), PushError> {
        self.epoch.as_mut().ok_or(PushError::NoEpoch)?.push(rendition, frame, &mut self.counters)?;
        self.publish();
        Ok(())
    }

    /// Ends the open epoch, if there is one: what all renditions have of the last segment is published,
    /// up to where the first of them ends, and the rest dropped.
    pub fn end_epoch(&mut self) {
        if let Some(epoch) = &mut self.epoch {
            self.counters.frames_trimmed += epoch.finish();
            self.publish();
        }
        if let Some(epoch) = self.epoch.take() {
            self.counters.segments_dropped += epoch.unpublished();
        }
    }

    /// Ends the presentation: the playlists get ENDLIST and nothing is removed or added any more.
    pub fn end(&mut self) {
        self.end_epoch();
        self.changed |= !self.window.ended && !self.window.slots.is_empty();
        self.window.ended = true;
    }

    fn publish(&mut self) {
        let Some(epoch) = &mut self.epoch else { return };
        while let Some((slot, end_ms)) = epoch.take_slot(&self.session, &mut self.window) {
            self.window.publish(self.config, slot, end_ms);
            self.counters.segments += 1;
            self.changed = true;
        }
    }

    /// The presentation as players are to see it now; `None` when nothing changed since the last call, or when there
    /// is no segment yet.
    pub fn take_snapshot(&mut self) -> Option<Arc<Snapshot>> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let text = multivariant_playlist(&self.window);
        let multivariant = match self.multivariant.take() {
            Some(same) if same.plain == text => same,
            _ => Playlist::render(text),
        };
        self.multivariant = Some(multivariant.clone());
        let renditions = self.window.order.iter().filter_map(|&index| {
            let name = self.window.tracks.get(index)?.name.clone();
            let playlist = Playlist::render(media_playlist(&self.window, self.config, index));
            Some(RenditionSnapshot { name, playlist, media: self.window.files(index) })
        });
        Some(Arc::new(Snapshot { multivariant, renditions: renditions.collect(), ended: self.window.ended }))
    }

    /// Where the numbers stand, everything included that [`take_snapshot`](Self::take_snapshot) would show.
    pub fn position(&self) -> Position {
        self.window.next
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Everything published, media included, for [`restore`](Self::restore). End the epoch first: frames that are in
    /// no published segment are not saved.
    pub fn save(&self) -> SavedWindow {
        save(self.config, &self.window)
    }
}
