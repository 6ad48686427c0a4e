//! Synthetic renditions, and a feeder that interleaves their frames as a ladder would.

use bytes::Bytes;
use weir_media::{AudioParams, Frame, FrameRate, TrackFormat, TrackKind, VideoParams};
use weir_packager::{Config, Epoch, Latency, Packager, Position, PushError, RenditionSpec, SegmentGrid};

pub const SESSION: &str = "a1b2c3d4e5";
/// 2026-01-02T03:04:05.678Z.
pub const WALL_MS: i64 = 1_767_323_045_678;

pub fn video(name: &str, rate: FrameRate) -> TrackFormat {
    let avcc: &'static [u8] = match name {
        "1080p" => include_bytes!("../data/avcc-1920x1080.bin"),
        "720p" => include_bytes!("../data/avcc-1280x720.bin"),
        _ => include_bytes!("../data/avcc-640x360.bin"),
    };
    TrackFormat::Video {
        params: VideoParams::from_avcc(Bytes::from_static(avcc)).expect("made by x264"),
        frame_rate: rate,
    }
}

pub fn audio() -> TrackFormat {
    TrackFormat::Audio { params: AudioParams::lc_48k_stereo() }
}

pub fn packager(segment_ms: u32, window_s: u32) -> Packager {
    let config = Config::new(Latency::Standard, segment_ms, window_s).expect("in range");
    Packager::new(config, SESSION, Position::default()).expect("a good session id")
}

/// One epoch on its way into a packager.
pub struct Feed {
    pub renditions: Vec<(String, TrackFormat)>,
    pub grid: SegmentGrid,
    /// Frames pushed so far.
    pub frames: Vec<u64>,
    /// Bytes of a keyframe and of any other frame.
    pub sizes: (usize, usize),
    /// Keyframes of video come that many frames late, in the segment of that number.
    pub late: Option<(u64, u64)>,
}

impl Feed {
    /// Video at `rate` under each name, the last at `last_rate`, and audio.
    pub fn new(names: &[&str], rate: FrameRate, last_rate: FrameRate, frames_per_segment: u32) -> Self {
        let last = names.len() - 1;
        let rate_of = |at: usize| if at == last { last_rate } else { rate };
        let mut renditions: Vec<_> =
            names.iter().enumerate().map(|(at, name)| ((*name).to_owned(), video(name, rate_of(at)))).collect();
        renditions.push(("audio".to_owned(), audio()));
        let grid = SegmentGrid { frames_per_segment, frame_rate: rate };
        let frames = vec![0; renditions.len()];
        Self { renditions, grid, frames, sizes: (40, 10), late: None }
    }

    /// 1080p, 720p, 360p at 30 frames a second in segments of two seconds.
    pub fn plain() -> Self {
        let rate = FrameRate::new(30, 1);
        Self::new(&["1080p", "720p", "360p"], rate, rate, 60)
    }

    pub fn epoch(&self, wall_start_ms: i64) -> Epoch {
        let spec = |(name, format): &(String, TrackFormat)| RenditionSpec { name: name.clone(), kind: format.kind() };
        Epoch { segment: self.grid, wall_start_ms, renditions: self.renditions.iter().map(spec).collect() }
    }

    pub fn start(&self, packager: &mut Packager, wall_start_ms: i64) {
        packager.start_epoch(self.epoch(wall_start_ms)).expect("a good epoch");
        for (index, (_, format)) in self.renditions.iter().enumerate() {
            packager.set_format(index, format.clone()).expect("a good format");
        }
    }

    /// The next frame of a rendition.
    pub fn next(&mut self, index: usize) -> Frame {
        let format = &self.renditions[index].1;
        let number = self.frames[index];
        self.frames[index] += 1;
        let kind = format.kind();
        let keyframe = kind == TrackKind::Audio || self.is_keyframe(format, number);
        let size = if keyframe && kind == TrackKind::Video { self.sizes.0 } else { self.sizes.1 };
        let mut data = vec![index as u8; size];
        data[..8].copy_from_slice(&number.to_be_bytes());
        let dts = (number * u64::from(format.frame_ticks())) as i64;
        Frame { kind, dts, pts: dts, keyframe, data: data.into() }
    }

    fn is_keyframe(&self, format: &TrackFormat, number: u64) -> bool {
        let per_segment = self.per_segment(format);
        let (segment, offset) = (number / per_segment, number % per_segment);
        match self.late {
            Some((late, by)) if late == segment => offset == by,
            _ => offset == 0,
        }
    }

    /// Frames of a video rendition in one segment.
    fn per_segment(&self, format: &TrackFormat) -> u64 {
        let rate = self.grid.frame_rate;
        let num = u64::from(self.grid.frames_per_segment) * u64::from(rate.den) * u64::from(format.timescale());
        num / (u64::from(rate.num) * u64::from(format.frame_ticks()))
    }

    /// Pushes a rendition up to `end_ms` of the epoch.
    pub fn push_until(&mut self, packager: &mut Packager, index: usize, end_ms: u64) -> Result<(), PushError> {
        let format = &self.renditions[index].1;
        let (ticks, scale) = (u64::from(format.frame_ticks()), u64::from(format.timescale()));
        while self.frames[index] * ticks * 1000 < end_ms * scale {
            let frame = self.next(index);
            packager.push(index, frame)?;
        }
        Ok(())
    }

    /// Pushes all renditions up to `end_ms`, in steps of a tenth of a second; `after` sees the packager after each.
    pub fn run(
        &mut self,
        packager: &mut Packager,
        end_ms: u64,
        mut after: impl FnMut(&mut Packager),
    ) -> Result<(), PushError> {
        for step_ms in (100..=end_ms.next_multiple_of(100)).step_by(100) {
            for index in 0..self.renditions.len() {
                self.push_until(packager, index, step_ms.min(end_ms))?;
            }
            after(packager);
        }
        Ok(())
    }
}
