use weir_media::AAC_FRAME_SAMPLES;

/// Samples per second of the grid.
const SAMPLE_HZ: i64 = 48_000;
/// Samples in one AAC frame.
const FRAME: i64 = AAC_FRAME_SAMPLES as i64;
/// A lasting error of this many samples (three quarters of a frame) is acted on, so that with the rounding of
/// timestamps it never reaches a whole frame.
const LASTING: i64 = FRAME * 3 / 4;
/// An error of this many samples is no jitter (64 ms) and is acted on at once.
const SUDDEN: i64 = FRAME * 3;
/// How many frames the error is averaged over: a third of a second.
const AVERAGE_FRAMES: i64 = 16;
/// Sound that is this far ahead of the picture is not believed: a source that jumps must not cost hours of silence.
const AHEAD_MAX: i64 = SAMPLE_HZ * 3;
/// How far the sound may come behind the picture before it is taken for absent: what encoders interleave badly.
const BEHIND_MAX: i64 = SAMPLE_HZ;
/// The same once there is no sound, so that silence does not hold up the segments.
const BEHIND_MAX_SILENT: i64 = SAMPLE_HZ / 10;

/// What to put on the grid for a block of sound, in samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Silence that goes before the block.
    pub silence: u32,
    /// How much of the block's beginning to leave out; its whole length means that it is dropped.
    pub skip: u32,
}

/// How finely sound can be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Coded frames pass whole.
    Frames,
    /// Decoded sound: at any sample.
    Samples,
}

/// Puts sound on an unbroken line of samples at 48 kHz that starts at instant 0, the same as the picture's.
///
/// Times are ticks of 90 kHz since instant 0, as they came: rounded to milliseconds, with jitter, holes and drift. What
/// comes steadily passes unchanged; a lasting lead is filled with silence, a lasting lag trimmed; where there is no
/// sound at all, the picture's progress makes silence.
#[derive(Debug, Clone)]
pub struct AudioGrid {
    cut: Cut,
    next: i64,
    video: i64,
    /// Smoothed lead of the source over the grid, in samples times [`AVERAGE_FRAMES`].
    error: i64,
    /// The next block is placed by its own time, without averaging.
    resync: bool,
    present: bool,
    silent_samples: u64,
    dropped_samples: u64,
}

impl AudioGrid {
    /// An empty grid. `expected` says whether the source has announced sound.
    pub fn new(cut: Cut, expected: bool) -> Self {
        Self {
            cut,
            next: 0,
            video: 0,
            error: 0,
            resync: true,
            present: expected,
            silent_samples: 0,
            dropped_samples: 0,
        }
    }

    /// Another source takes over, cut as `cut` says.
    pub fn change_source(&mut self, cut: Cut) {
        (self.cut, self.resync, self.present) = (cut, true, true);
    }

    /// Places a block of `samples` that begins at `pts`.
    pub fn place(&mut self, pts: i64, samples: u32) -> Placed {
        let length = i64::from(samples);
        let at = to_samples(pts);
        self.present = true;
        if at > self.video + AHEAD_MAX {
            self.resync = true;
            return self.dropped(length);
        }
        let correction = self.correction(at - self.next);
        if correction < 0 {
            let skip = length.min(-correction);
            if skip == length {
                return self.dropped(length);
            }
            self.resync = false;
            self.next += length - skip;
            self.dropped_samples += skip as u64;
            return Placed { silence: 0, skip: skip as u32 };
        }
        self.resync = false;
        self.silent_samples += correction as u64;
        self.next += correction + length;
        Placed { silence: correction as u32, skip: 0 }
    }

    /// The picture has come to `pts`; answers how many samples of silence, in whole frames, are to be made because no
    /// sound came.
    pub fn video_at(&mut self, pts: i64) -> u32 {
        self.video = self.video.max(to_samples(pts));
        let behind_max = if self.present { BEHIND_MAX } else { BEHIND_MAX_SILENT };
        let behind = self.video - behind_max - self.next;
        if behind < FRAME {
            return 0;
        }
        self.present = false;
        // From here on silence follows the picture closely.
        self.fill(self.video - BEHIND_MAX_SILENT)
    }

    /// The picture ended at `pts`; answers the samples of silence, in whole frames, that make the sound end with it.
    pub fn finish(&mut self, pts: i64) -> u32 {
        self.fill(to_samples(pts) + FRAME / 2)
    }

    /// How much later than its own time the sound is played, in ticks of 90 kHz; less than a frame.
    pub fn lag(&self) -> i64 {
        if self.present && !self.resync { (-self.error * 15 / (8 * AVERAGE_FRAMES)).clamp(-1920, 1920) } else { 0 }
    }

    /// Samples of silence made so far.
    pub fn silent_samples(&self) -> u64 {
        self.silent_samples
    }

    /// Samples that came and were not used.
    pub fn dropped_samples(&self) -> u64 {
        self.dropped_samples
    }

    /// How many samples to insert (or, below 0, to take away) before a block that leads the grid by `error`.
    fn correction(&mut self, error: i64) -> i64 {
        if self.resync || error.abs() >= SUDDEN {
            let correction = self.rounded(error);
            self.resync = true;
            self.error = (error - correction) * AVERAGE_FRAMES;
            return correction;
        }
        self.error += error - self.error / AVERAGE_FRAMES;
        let lasting = self.error / AVERAGE_FRAMES;
        if lasting.abs() < LASTING {
            return 0;
        }
        let correction = self.rounded(lasting);
        self.error -= correction * AVERAGE_FRAMES;
        correction
    }

    fn rounded(&self, samples: i64) -> i64 {
        match self.cut {
            Cut::Frames => (samples + FRAME / 2).div_euclid(FRAME) * FRAME,
            Cut::Samples => samples,
        }
    }

    fn dropped(&mut self, length: i64) -> Placed {
        self.dropped_samples += length as u64;
        Placed { silence: 0, skip: length as u32 }
    }

    fn fill(&mut self, until: i64) -> u32 {
        let silence = ((until - self.next) / FRAME).max(0) * FRAME;
        if silence > 0 {
            self.resync = true;
        }
        self.next += silence;
        self.silent_samples += silence as u64;
        silence as u32
    }
}

/// Ticks of 90 kHz as samples of 48 kHz, rounded.
fn to_samples(ticks: i64) -> i64 {
    (ticks.saturating_mul(8).saturating_add(7)).div_euclid(15)
}

#[cfg(test)]
mod tests;
