use std::sync::Arc;

use weir_media::{Frame, TrackFormat, TrackKind};

use crate::config::{Config, Session};
use crate::error::{EpochError, FormatError, PushError};
use crate::grid::SegmentGrid;
use crate::init::{display_size, init_section};
use crate::segmenter::{Plan, Segmenter};
use crate::slot::Init;
use crate::tick::{Tick, TickPart};
use crate::window::{Detail, Entry, RENDITIONS_MAX, Traits, Window};

/// One run of the ladder: a continuous timeline from instant 0.
#[derive(Debug, Clone)]
pub struct Epoch {
    /// Where segments begin.
    pub segment: SegmentGrid,
    /// Wall clock of instant 0, milliseconds since the Unix epoch.
    pub wall_start_ms: i64,
    /// Video renditions from the best down, then the one audio rendition. Frames are pushed by index in this list.
    pub renditions: Vec<RenditionSpec>,
}

/// One rendition of an [`Epoch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenditionSpec {
    /// 1 to 32 characters of `a-z A-Z 0-9 _ -`: it stands in URLs. The same name in a later epoch continues the playlist.
    pub name: String,
    /// Video or audio.
    pub kind: TrackKind,
}

/// The latest wall clock that is taken from outside, in the year 8307: media can follow for centuries before dates
/// have more than four digits of year.
pub(crate) const WALL_MS_MAX: i64 = 200_000_000_000_000;

/// An epoch into which frames are pushed.
#[derive(Debug)]
pub(crate) struct OpenEpoch {
    plan: Plan,
    /// Wall clock of instant 0, never before the end of the epoch before.
    wall_ms: i64,
    discontinuity: u64,
    /// The first of its segments, counted from 0, with which a private presentation may open to the public.
    pub(crate) public_from: u64,
    pub(crate) renditions: Vec<Segmenter>,
    /// Tracks of the window, known from the first published segment on.
    members: Vec<(usize, Arc<Init>)>,
}

impl OpenEpoch {
    pub(crate) fn begin(epoch: Epoch, config: Config, window: &Window) -> Result<Self, EpochError> {
        check_renditions(&epoch.renditions, window)?;
        if !epoch.segment.is_usable() {
            let (frames, rate) = (epoch.segment.frames_per_segment, epoch.segment.frame_rate);
            return Err(EpochError::Grid { frames, num: rate.num, den: rate.den });
        }
        // PROGRAM-DATE-TIME must not run over what is published (rfc8216bis 6.2.1), whatever the wall clock did.
        let wall_ms = epoch.wall_start_ms.clamp(0, WALL_MS_MAX).max(window.wall_end_ms.unwrap_or(0));
        let plan = Plan::new(config, epoch.segment, window.next.next_base_ms);
        let renditions = epoch.renditions.into_iter().map(|spec| Segmenter::new(spec.name, spec.kind)).collect();
        let discontinuity = window.next.next_discontinuity;
        Ok(Self { plan, wall_ms, discontinuity, public_from: 0, renditions, members: Vec::new() })
    }

    pub(crate) fn set_format(&mut self, index: usize, format: TrackFormat) -> Result<(), FormatError> {
        let count = self.renditions.len();
        let rendition = self.renditions.get_mut(index).ok_or(FormatError::UnknownRendition { index, count })?;
        rendition.set_format(&self.plan, format)
    }

    pub(crate) fn parts_per_segment(&self) -> u32 {
        self.plan.parts_per_segment()
    }

    pub(crate) fn push(&mut self, index: usize, frame: Frame) -> Result<(), PushError> {
        let count = self.renditions.len();
        let rendition = self.renditions.get_mut(index).ok_or(PushError::UnknownRendition { index, count })?;
        let result = rendition.push(&self.plan, frame);
        if let Err(PushError::Lagging { parts, .. }) = result
            && let Some(slowest) = self.renditions.iter().min_by_key(|rendition| rendition.closed.len())
        {
            let parts = parts - slowest.closed.len();
            return Err(PushError::Lagging { rendition: slowest.name.clone(), parts });
        }
        result
    }

    /// Closes what is open in every rendition, and makes all end together: media that goes on in one rendition while
    /// another has ended would be a hole in the other, at which players stall. Answers the frames dropped for that.
    pub(crate) fn finish(&mut self) -> u64 {
        self.renditions.iter_mut().for_each(|rendition| rendition.finish(&self.plan));
        let parts = self.renditions.iter().map(|rendition| rendition.closed.len()).min().unwrap_or(0);
        let Some(last) = parts.checked_sub(1) else { return 0 };
        let ends = self.renditions.iter().filter_map(|rendition| rendition.end_of(last));
        let sooner = |a: &(u64, u32), b: &(u64, u32)| {
            (u128::from(a.0) * u128::from(b.1)).cmp(&(u128::from(b.0) * u128::from(a.1)))
        };
        let Some(end) = ends.min_by(sooner) else { return 0 };
        self.renditions.iter_mut().map(|rendition| rendition.shorten(last, end)).sum()
    }

    /// When the last picture published is shown, in ticks of `hz`.
    pub(crate) fn last_picture(&self, hz: i64) -> Option<i64> {
        self.renditions.first()?.last_packed(hz)
    }

    /// Finished parts that some other rendition has not got.
    pub(crate) fn unpublished(&self) -> u64 {
        self.renditions.iter().map(|rendition| rendition.closed.len() as u64).sum()
    }

    /// The next part of all renditions together, once each has closed it. Enters the renditions into the window with
    /// the first one, so that an epoch which never got that far leaves no trace.
    pub(crate) fn take_tick(&mut self, session: &Session, window: &mut Window) -> Option<Tick> {
        if self.renditions.iter().any(|rendition| rendition.closed.is_empty()) {
            return None;
        }
        let first = self.members.is_empty();
        if first {
            self.members = window.enter(&session.to_string(), self.entries()?);
        }
        // Increasing, and wrapping only after 2^32 parts.
        let sequence = window.parts_made as u32 + 1;
        let mut parts = Vec::with_capacity(self.renditions.len());
        for (rendition, (track, init)) in self.renditions.iter_mut().zip(&self.members) {
            let packed = rendition.pack(&self.plan, sequence)?;
            parts.push(TickPart { track: *track, init: Arc::clone(init), kind: rendition.kind, packed });
        }
        let (tagged, discontinuity) = (first && self.discontinuity > 0, self.discontinuity);
        let may_open = parts.first().is_some_and(|part| part.packed.segment >= self.public_from);
        Some(Tick { discontinuity, tagged, may_open, wall_ms: self.wall_ms, base_ms: self.plan.base_ms, parts })
    }

    /// What the window is to know of the renditions; nothing while one has no format.
    fn entries(&self) -> Option<Vec<Entry<'_>>> {
        let entry = |rendition: &'_ Segmenter| rendition.format.as_ref().map(traits_and_init);
        let entries = self.renditions.iter().map(|rendition| {
            let (traits, init) = entry(rendition)?;
            Some(Entry { name: &rendition.name, traits, init })
        });
        entries.collect()
    }
}

fn traits_and_init(format: &TrackFormat) -> (Traits, Vec<u8>) {
    let detail = match format {
        TrackFormat::Video { params, frame_rate } => {
            let (width, height) = display_size(params);
            Detail::Video { width, height, frame_rate: *frame_rate }
        }
        TrackFormat::Audio { params } => Detail::Audio { channels: params.channels },
    };
    (Traits { codec: format.codec_string(), detail }, init_section(format))
}

fn check_renditions(specs: &[RenditionSpec], window: &Window) -> Result<(), EpochError> {
    let audio = specs.iter().filter(|spec| spec.kind == TrackKind::Audio).count();
    let video = specs.len() - audio;
    let audio_last = specs.last().is_some_and(|spec| spec.kind == TrackKind::Audio);
    let unknown = specs.iter().filter(|spec| window.track(&spec.name).is_none()).count();
    if video == 0 || audio != 1 || !audio_last || window.tracks.len() + unknown > RENDITIONS_MAX {
        return Err(EpochError::Renditions { video, audio });
    }
    for (at, spec) in specs.iter().enumerate() {
        if !is_rendition_name(&spec.name) || specs[..at].iter().any(|earlier| earlier.name == spec.name) {
            return Err(EpochError::Name(spec.name.clone()));
        }
        let changed = |wanted: &str| Err(EpochError::Changed { name: spec.name.clone(), wanted: wanted.to_owned() });
        match window.track(&spec.name).map(|track| track.traits.detail.kind()) {
            Some(TrackKind::Audio) if spec.kind == TrackKind::Video => return changed("audio"),
            Some(TrackKind::Video) if spec.kind == TrackKind::Audio => return changed("video"),
            _ => {}
        }
        if let Some(audio) = window.audio()
            && spec.kind == TrackKind::Audio
            && audio != spec.name
        {
            return changed(audio);
        }
    }
    Ok(())
}

/// Whether a name can stand in a URL as it is.
pub(crate) fn is_rendition_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(plain)
}
