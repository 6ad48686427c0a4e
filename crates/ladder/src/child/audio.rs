use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_media::{AAC_FRAME_SAMPLES, AudioParams, Frame, SILENT_STEREO_FRAME};

use super::ChildError;
use super::link::Link;
use super::pcm::{Decoder, Encoder, SAMPLE_BYTES};
use crate::grid::{AudioGrid, Cut};
use crate::wire::{WireCounts, WireFormat, from_worker};

/// The whole way of the sound. Frames that already are what the rendition wants pass unchanged; anything else is decoded
/// and encoded. Once that has begun it stays so until the end, so that the line of frames never breaks.
#[derive(Debug)]
pub(super) struct Audio {
    rendition: usize,
    link: Arc<Link>,
    track: Arc<Mutex<Track>>,
    decoder: Option<Decoder>,
    lag: Arc<AtomicI64>,
}

/// The rendition as made so far; shared with the decoder's thread.
#[derive(Debug)]
struct Track {
    rendition: usize,
    link: Arc<Link>,
    grid: AudioGrid,
    frames: u64,
    encoder: Option<Encoder>,
}

impl Audio {
    /// `lag` is kept at how much later than its own time the sound is played.
    pub fn new(
        rendition: usize,
        source: Option<&AudioParams>,
        lag: Arc<AtomicI64>,
        link: &Arc<Link>,
    ) -> Result<Self, ChildError> {
        link.control(from_worker::FORMAT, &WireFormat { rendition, avcc: None })?;
        let grid = AudioGrid::new(Cut::Frames, source.is_some());
        let track = Track { rendition, link: Arc::clone(link), grid, frames: 0, encoder: None };
        let mut audio =
            Self { rendition, link: Arc::clone(link), track: Arc::new(Mutex::new(track)), decoder: None, lag };
        if let Some(params) = source {
            audio.set_source(params)?;
        }
        Ok(audio)
    }

    /// The source's audio appears, or changes.
    pub fn set_source(&mut self, params: &AudioParams) -> Result<(), ChildError> {
        // What the old decoder still holds is some milliseconds of a format that has ended.
        self.decoder = None;
        if params.is_lc_48k_stereo() && self.track().encoder.is_none() {
            self.track().grid.change_source(Cut::Frames);
            return Ok(());
        }
        {
            let mut track = self.track();
            track.grid.change_source(Cut::Samples);
            if track.encoder.is_none() {
                track.encoder = Some(Encoder::new(self.rendition, track.frames, &self.link)?);
            }
        }
        let (track, lag) = (Arc::clone(&self.track), Arc::clone(&self.lag));
        let decoded = move |pts, samples: &[u8]| {
            let mut track = lock(&track);
            track.decoded(pts, samples)?;
            lag.store(track.grid.lag(), Ordering::Relaxed);
            Ok(())
        };
        self.decoder = Some(Decoder::new(params, &self.link, decoded)?);
        Ok(())
    }

    /// A frame of the source, to be heard at `pts` in ticks since instant 0.
    pub fn frame(&self, frame: Frame, pts: i64) -> Result<(), ChildError> {
        match &self.decoder {
            // A decoder cannot take negative times; this little of the beginning is not missed.
            Some(decoder) if pts >= 0 => decoder.push(frame.data, pts),
            Some(_) => Ok(()),
            None => {
                let mut track = self.track();
                track.copied(pts, &frame.data)?;
                self.lag.store(track.grid.lag(), Ordering::Relaxed);
                Ok(())
            }
        }
    }

    /// The picture has come to `pts`: makes silence if there is no sound by now.
    pub fn video_at(&self, pts: i64) -> Result<(), ChildError> {
        let mut track = self.track();
        let silence = track.grid.video_at(pts);
        self.lag.store(track.grid.lag(), Ordering::Relaxed);
        track.silence(silence)
    }

    /// The picture ended at `pts`: lets the sound end with it.
    pub fn finish(&self, pts: i64) -> Result<(), ChildError> {
        if let Some(decoder) = &self.decoder {
            decoder.finish()?;
        }
        let mut track = self.track();
        let silence = track.grid.finish(pts);
        track.silence(silence)?;
        track.encoder.as_ref().map_or(Ok(()), Encoder::finish)
    }

    /// Adds the sound's totals.
    pub fn count(&self, counts: &mut WireCounts) {
        let track = self.track();
        counts.silent_audio_frames = track.grid.silent_samples() / u64::from(AAC_FRAME_SAMPLES);
        counts.dropped_audio_frames = track.grid.dropped_samples() / u64::from(AAC_FRAME_SAMPLES);
    }

    fn track(&self) -> MutexGuard<'_, Track> {
        lock(&self.track)
    }
}

fn lock(track: &Mutex<Track>) -> MutexGuard<'_, Track> {
    track.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Track {
    fn copied(&mut self, pts: i64, data: &[u8]) -> Result<(), ChildError> {
        let placed = self.grid.place(pts, AAC_FRAME_SAMPLES);
        self.silence(placed.silence)?;
        if placed.skip > 0 { Ok(()) } else { self.give(data) }
    }

    fn decoded(&mut self, pts: i64, samples: &[u8]) -> Result<(), ChildError> {
        let placed = self.grid.place(pts, (samples.len() / SAMPLE_BYTES) as u32);
        self.silence(placed.silence)?;
        let rest = samples.get(placed.skip as usize * SAMPLE_BYTES..).unwrap_or_default().to_vec();
        self.encoder.as_mut().map_or(Ok(()), |encoder| encoder.push(rest))
    }

    fn silence(&mut self, samples: u32) -> Result<(), ChildError> {
        if let Some(encoder) = &mut self.encoder {
            return encoder.push_silence(samples);
        }
        for _ in 0..samples / AAC_FRAME_SAMPLES {
            self.give(&SILENT_STEREO_FRAME)?;
        }
        Ok(())
    }

    fn give(&mut self, data: &[u8]) -> Result<(), ChildError> {
        self.link.waiting_frame(self.rendition, true, self.frames as i64 * i64::from(AAC_FRAME_SAMPLES), data)?;
        self.frames += 1;
        Ok(())
    }
}
