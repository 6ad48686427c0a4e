use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use weir_media::{Frame, TrackFormat, TrackKind};

use crate::config::{Config, InvalidSession, Position, Session};
use crate::epoch::{Epoch, OpenEpoch};
use crate::error::{EpochError, FormatError, PushError};
use crate::iframes::iframe_playlist;
use crate::journal::{JournalBatch, Recorder};
use crate::multivariant::multivariant_playlist;
use crate::playlist::media_playlist;
use crate::restore::{Found, RestoreError, Restored, restored};
use crate::slot::Slot;
use crate::snapshot::{Edge, PartGrid, Playlist, RenditionSnapshot, Snapshot};
use crate::window::{Track, Window};

/// One presentation: frames of all renditions in, snapshots out.
///
/// The life of it: [`start_epoch`](Self::start_epoch), [`set_format`](Self::set_format) and [`push`](Self::push) for
/// each rendition, [`end_epoch`](Self::end_epoch), [`fill`](Self::fill) while nothing comes, and so on with the next
/// epoch, until [`end`](Self::end).
/// After a call that may have published, write [`take_journal`](Self::take_journal) and store
/// [`position`](Self::position), then show [`take_snapshot`](Self::take_snapshot).
#[derive(Debug)]
pub struct Packager {
    config: Config,
    session: Session,
    window: Window,
    epoch: Option<OpenEpoch>,
    counters: Counters,
    changed: bool,
    /// Parts of a full segment of this epoch, or of the one before it.
    parts_per_segment: u32,
    /// The last one rendered; most parts leave it as it is.
    multivariant: Option<Playlist>,
}

/// What happened since the packager was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Segments finished since the presentation began, in earlier runs too, or since it was opened to the public; gaps
    /// left out.
    pub segments: u64,
    /// Parts, each of one rendition, that were dropped at the end of an epoch because another rendition had none to go with them.
    pub parts_dropped: u64,
    /// Frames, each of one rendition, that were dropped from the last part of an epoch so that all renditions end together.
    pub frames_trimmed: u64,
}

impl Packager {
    /// A presentation with empty playlists that goes on from `position`. `session` (8 to 32 characters of `a-z 0-9`)
    /// is part of every media file name; it must be unguessable, and new each time a packager is made, because a
    /// crash may have published names that nobody remembers.
    pub fn new(config: Config, session: &str, position: Position) -> Result<Self, InvalidSession> {
        Ok(Self::with_window(config, Session::new(session)?, Window::new(position.bounded())))
    }

    /// A presentation that goes on with what an earlier run recorded: the same URLs give the same bytes, and a segment
    /// of which only some parts had come ends with them. `session` is that of the presentation
    /// where the journal has every name that was given; else it must be new, as for [`new`](Self::new).
    ///
    /// `newest` is the highest media sequence number of which there is a file, and `file` gives each that is asked for,
    /// or `None` when it cannot. `reached` is what is known to have been advertised: files that end before it are
    /// refused, because sequence numbers would go back. What was advertised and is in none of the files must be
    /// excluded by the caller, who knows whether all that was written is there.
    pub fn restore(
        config: Config,
        session: &str,
        reached: Position,
        newest: u64,
        file: impl FnMut(u64) -> Option<Bytes>,
    ) -> Result<Restored, RestoreError> {
        let session = Session::new(session)?;
        let Found { window, files, last_len } = restored(config, reached, newest, file)?;
        let packager = Self { changed: true, ..Self::with_window(config, session, window) };
        Ok(Restored { packager, files, last_len })
    }

    /// Has everything recorded that is added, for [`take_journal`](Self::take_journal). For a packager just made.
    pub fn journaled(mut self) -> Self {
        self.window.journal = Some(Recorder::default());
        self
    }

    /// Has the presentation begin in private: its snapshots say so until it is [opened](Self::open_to_public). For a
    /// packager just made.
    pub fn private(mut self) -> Self {
        self.window.private = true;
        self
    }

    fn with_window(config: Config, session: Session, window: Window) -> Self {
        let (epoch, counters, changed) = (None, Counters::default(), false);
        let parts_per_segment = config.segment_ms().div_ceil(config.gap_ms());
        Self { config, session, window, epoch, counters, changed, parts_per_segment, multivariant: None }
    }

    /// Begins an epoch, ending the one before it if that is still open. Its first segment follows a DISCONTINUITY
    /// unless it is the first of the presentation.
    pub fn start_epoch(&mut self, epoch: Epoch) -> Result<(), EpochError> {
        self.end_epoch();
        if self.window.ended {
            return Err(EpochError::Ended);
        }
        let epoch = OpenEpoch::begin(epoch, self.config, &self.window)?;
        self.parts_per_segment = epoch.parts_per_segment();
        self.epoch = Some(epoch);
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
        self.epoch.as_mut().ok_or(PushError::NoEpoch)?.push(rendition, frame)?;
        self.publish();
        Ok(())
    }

    /// Ends the open epoch, if there is one: what all renditions have of the last part is published,
    /// up to where the first of them ends, and the rest dropped. The open segment is finished, be it media or a gap.
    pub fn end_epoch(&mut self) {
        if let Some(epoch) = &mut self.epoch {
            self.counters.frames_trimmed += epoch.finish();
            self.publish();
        }
        if let Some(epoch) = self.epoch.take() {
            self.counters.parts_dropped += epoch.unpublished();
        }
        self.close_open();
    }

    /// Says that until `wall_ms` (milliseconds since the Unix epoch) nothing came: between two epochs the playlists
    /// go on with gaps, so that players know that they need not wait (rfc8216bis 6.2.1). A gap is published once
    /// its time is over. Does nothing while an epoch is open, before the first segment, and after the end.
    pub fn fill(&mut self, wall_ms: i64) {
        if self.epoch.is_none() && !self.window.ended && self.window.all_slots().next().is_some() {
            self.changed |= self.window.fill(self.config, &self.session, wall_ms);
        }
    }

    /// Opens a private presentation to the public at the present: with the first part of the next segment, which may be
    /// a gap, everything before it is gone from the playlists and from the files, and the snapshots are no longer
    /// private. A segment of which a frame was pushed before is not the next. The numbers go on. Does nothing when it is
    /// public already, or told to be, or has ended.
    pub fn open_to_public(&mut self) {
        if self.window.open_to_public()
            && let Some(epoch) = &mut self.epoch
        {
            epoch.open_to_public();
        }
    }

    /// Ends the presentation: the playlists get ENDLIST and nothing is removed or added any more. One that is still
    /// private stays so. Its journal is of no use any more and is not kept on.
    pub fn end(&mut self) {
        self.end_epoch();
        self.changed |= !self.window.ended && !self.window.slots.is_empty();
        self.window.ended = true;
        self.stop_journal();
    }

    /// Whether it was ended.
    pub fn has_ended(&self) -> bool {
        self.window.ended
    }

    fn close_open(&mut self) {
        self.changed |= self.window.open.is_some();
        self.window.close_open(self.config);
    }

    fn publish(&mut self) {
        let Some(epoch) = &mut self.epoch else { return };
        while let Some(tick) = epoch.take_tick(&self.session, &mut self.window) {
            self.window.append(self.config, &self.session, tick);
            self.changed = true;
        }
    }

    /// The presentation as players are to see it now; `None` when nothing changed since the last call, or when there
    /// is no segment yet.
    pub fn take_snapshot(&mut self, now: Instant) -> Option<Arc<Snapshot>> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let text = multivariant_playlist(&self.window);
        let multivariant = match self.multivariant.take() {
            Some(same) if same.plain == text => same,
            _ => Playlist::render(text),
        };
        self.multivariant = Some(multivariant.clone());
        let renditions = self.window.order.iter().filter_map(|&track| self.rendition(track)).collect();
        let (edge, ended, private) = (self.edge(), self.window.ended, self.window.private);
        Some(Arc::new(Snapshot { multivariant, renditions, edge, published_at: now, ended, private }))
    }

    fn rendition(&self, track: usize) -> Option<RenditionSnapshot> {
        let (window, config) = (&self.window, self.config);
        let Track { name, traits, .. } = window.tracks.get(track)?;
        let texts = media_playlist(window, config, &self.session, track);
        let is_video = traits.detail.kind() == TrackKind::Video;
        let is_hinted = !window.ended && config.part_target_ms().is_some() && window.current.contains(&track);
        Some(RenditionSnapshot {
            name: name.clone(),
            playlist: Playlist::render(texts.full),
            delta: texts.delta.map(Playlist::render),
            iframes: is_video.then(|| Playlist::render(iframe_playlist(window, config, track))),
            hint: is_hinted.then(|| window.next_part_name(&self.session)),
            media: window.files(track),
        })
    }

    /// What is to be written to the journal before the next snapshot is shown; `None` when there is nothing new, or
    /// when no journal is kept.
    pub fn take_journal(&mut self) -> Option<JournalBatch> {
        self.window.take_journal()
    }

    /// Records nothing any more: what was written cannot be gone on with.
    pub fn stop_journal(&mut self) {
        self.window.journal = None;
    }

    /// How far the playlists reach.
    pub fn edge(&self) -> Edge {
        let (window, config) = (&self.window, self.config);
        let per_segment = self.parts_per_segment;
        Edge {
            next_msn: window.open.as_ref().map_or(window.next.next_msn, |open| open.msn),
            parts: window.open.as_ref().map_or(0, Slot::parts),
            last_parts: window.slots.back().map_or(0, Slot::parts),
            target_duration_s: config.target_duration_s(),
            part: config.part_target_ms().map(|target_ms| PartGrid { target_ms, per_segment }),
        }
    }

    /// Where the numbers stand, everything included that [`take_snapshot`](Self::take_snapshot) would show.
    pub fn position(&self) -> Position {
        self.window.next
    }

    /// Up to when the playlists are dated, in milliseconds since the Unix epoch: what comes next is dated there or later.
    pub fn dated_ms(&self) -> Option<i64> {
        self.window.wall_end_ms
    }

    /// When the last picture published of the open epoch is shown, in ticks of `hz` since the epoch's instant 0.
    pub fn last_picture(&self, hz: i64) -> Option<i64> {
        self.epoch.as_ref()?.last_picture(hz)
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        Counters { segments: self.window.finished, ..self.counters }
    }
}
