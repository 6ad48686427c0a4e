//! Media messages to parameters and frames.

use bytes::Bytes;
use weir_media::{Frame, TrackKind, contains_idr};

use super::flv::{self, Tag};
use crate::params::{audio_params, video_params};
use crate::{IngestEvent, UnsupportedMedia};

/// Why a media message gives no frame; the value of the `reason` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DropReason {
    /// It came before the parameters that it needs.
    NoConfig,
    /// It is shorter than its own header.
    Malformed,
    /// It came outside a publication.
    NotPublishing,
    /// Tags packed together in one message (RTMP 1.0, 7.1.6), which no encoder of today sends.
    Aggregate,
}

impl DropReason {
    pub fn label(self) -> &'static str {
        match self {
            Self::NoConfig => "no_config",
            Self::Malformed => "malformed",
            Self::NotPublishing => "not_publishing",
            Self::Aggregate => "aggregate",
        }
    }
}

/// What became of a media message.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    Event(IngestEvent),
    Dropped(DropReason),
    Nothing,
}

/// The parameters that the two tracks have now.
#[derive(Debug, Default)]
pub(super) struct Tracks {
    video: Option<VideoTrack>,
    audio: Option<Bytes>,
}

#[derive(Debug)]
struct VideoTrack {
    avcc: Bytes,
    nal_length_size: u8,
}

impl Tracks {
    /// Takes the body of a video message.
    pub fn video(&mut self, timestamp: u32, body: Bytes) -> Result<Outcome, UnsupportedMedia> {
        Ok(match flv::video(body)? {
            Tag::Config(avcc) => self.video_config(avcc)?,
            Tag::Coded { composition, data } => self.video_frame(timestamp, composition, data),
            Tag::Nothing => Outcome::Nothing,
            Tag::Short => Outcome::Dropped(DropReason::Malformed),
        })
    }

    /// Takes the body of an audio message.
    pub fn audio(&mut self, timestamp: u32, body: Bytes) -> Result<Outcome, UnsupportedMedia> {
        Ok(match flv::audio(body)? {
            Tag::Config(asc) => self.audio_config(asc)?,
            Tag::Coded { .. } if self.audio.is_none() => Outcome::Dropped(DropReason::NoConfig),
            Tag::Coded { data, .. } => {
                let time = i64::from(timestamp);
                let frame = Frame { kind: TrackKind::Audio, dts: time, pts: time, keyframe: true, data };
                Outcome::Event(IngestEvent::Frame(frame))
            }
            Tag::Nothing => Outcome::Nothing,
            Tag::Short => Outcome::Dropped(DropReason::Malformed),
        })
    }

    fn video_config(&mut self, avcc: Bytes) -> Result<Outcome, UnsupportedMedia> {
        if self.video.as_ref().is_some_and(|track| track.avcc == avcc) {
            return Ok(Outcome::Nothing);
        }
        let params = video_params(avcc.clone())?;
        self.video = Some(VideoTrack { avcc, nal_length_size: params.nal_length_size });
        Ok(Outcome::Event(IngestEvent::VideoConfig(params)))
    }

    fn audio_config(&mut self, asc: Bytes) -> Result<Outcome, UnsupportedMedia> {
        if self.audio.as_ref() == Some(&asc) {
            return Ok(Outcome::Nothing);
        }
        let params = audio_params(asc.clone())?;
        self.audio = Some(asc);
        Ok(Outcome::Event(IngestEvent::AudioConfig(params)))
    }

    fn video_frame(&self, timestamp: u32, composition: i32, data: Bytes) -> Outcome {
        let Some(track) = &self.video else { return Outcome::Dropped(DropReason::NoConfig) };
        let dts = i64::from(timestamp);
        let frame = Frame {
            kind: TrackKind::Video,
            dts,
            pts: dts + i64::from(composition),
            // The flag of the tag is what the encoder says; this is what a decoder can start with.
            keyframe: contains_idr(&data, track.nal_length_size),
            data,
        };
        Outcome::Event(IngestEvent::Frame(frame))
    }
}
