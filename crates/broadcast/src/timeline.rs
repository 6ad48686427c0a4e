//! Source timestamps to the one timeline of an epoch: unwrapped and rebased here, and nowhere else.

use weir_media::{Frame, MEDIA_HZ, SourceClock, TrackKind, Unwrapper};

/// The longest hole in the video that is filled with repeated pictures and silence; behind a longer one
/// the picture goes on after a discontinuity instead of standing still.
const GAP_MAX: i64 = MEDIA_HZ * 3 / 2;
/// How far decoding times may step back and still be taken for an encoder's rounding.
const STEP_BACK_MAX: i64 = MEDIA_HZ / 2;
/// How far behind the video audio may be interleaved.
const AUDIO_LATE_MAX: i64 = MEDIA_HZ * 5;
/// How far before its decoding time's neighbours a frame may be shown; more is a lie about B-frames.
const COMPOSITION_MAX: i64 = MEDIA_HZ * 5;

/// Where a frame of the source belongs.
#[derive(Debug, PartialEq, Eq)]
pub enum Placed {
    /// In the running epoch, at these times: [`MEDIA_HZ`] ticks since the first picture.
    Frame(Frame),
    /// Nowhere yet: an epoch begins with a keyframe and this is not one.
    BeforeKeyframe,
    /// It is a picture that does not follow the one before. The epoch is over; place the frame again.
    Break(Jump),
    /// It is sound too far from the pictures to belong to them.
    OutOfStep,
}

/// How a source's timestamps broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jump {
    /// Back by this many milliseconds.
    Back(i64),
    /// Ahead by this many milliseconds.
    Ahead(i64),
}

/// The timeline of one publisher's session. Its epochs come and go; the unwrapping runs through.
#[derive(Debug)]
pub struct Timeline {
    clock: SourceClock,
    unwrapper: Unwrapper,
    epoch: Option<Epoch>,
}

#[derive(Debug)]
struct Epoch {
    /// Unwrapped time of the first picture.
    origin: i64,
    /// Decoding time of the last picture, since the origin.
    last_video: i64,
}

impl Timeline {
    /// A timeline that has seen no frame.
    pub fn new(clock: SourceClock) -> Self {
        Self { clock, unwrapper: Unwrapper::new(clock), epoch: None }
    }

    /// Ends the epoch; the next keyframe begins another.
    pub fn end_epoch(&mut self) {
        self.epoch = None;
    }

    /// Places a frame whose `dts` and `pts` are the source's own, straight from the wire.
    pub fn place(&mut self, frame: Frame) -> Placed {
        let mut probe = self.unwrapper.clone();
        let dts = probe.unwrap(frame.dts);
        let composition = ((frame.pts - frame.dts) * self.clock.scale()).clamp(-COMPOSITION_MAX, COMPOSITION_MAX);
        let placed = self.place_unwrapped(frame, dts, composition);
        // Sound out of step must not drag the unwrapping of the pictures along.
        if placed != Placed::OutOfStep {
            self.unwrapper = probe;
        }
        placed
    }

    fn place_unwrapped(&mut self, frame: Frame, dts: i64, composition: i64) -> Placed {
        let is_video = frame.kind == TrackKind::Video;
        let Some(epoch) = &mut self.epoch else {
            if !(is_video && frame.keyframe) {
                return Placed::BeforeKeyframe;
            }
            self.epoch = Some(Epoch { origin: dts + composition, last_video: -composition });
            return Placed::Frame(Frame { dts: -composition, pts: 0, ..frame });
        };
        let mut dts = dts - epoch.origin;
        let ahead = dts - epoch.last_video;
        if !is_video {
            let in_step = (-AUDIO_LATE_MAX..=GAP_MAX).contains(&ahead);
            return if in_step { Placed::Frame(Frame { dts, pts: dts, ..frame }) } else { Placed::OutOfStep };
        }
        let millis = ahead / (MEDIA_HZ / 1000);
        if ahead > GAP_MAX {
            return Placed::Break(Jump::Ahead(millis));
        }
        if ahead < -STEP_BACK_MAX {
            return Placed::Break(Jump::Back(-millis));
        }
        let pts = dts + composition;
        dts = dts.max(epoch.last_video);
        epoch.last_video = dts;
        Placed::Frame(Frame { dts, pts, ..frame })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn video(dts: i64, composition: i64, keyframe: bool) -> Frame {
        Frame { kind: TrackKind::Video, dts, pts: dts + composition, keyframe, data: Bytes::new() }
    }

    fn audio(dts: i64) -> Frame {
        Frame { kind: TrackKind::Audio, dts, pts: dts, keyframe: true, data: Bytes::new() }
    }

    fn times(placed: Placed) -> (i64, i64) {
        match placed {
            Placed::Frame(frame) => (frame.dts / 90, frame.pts / 90),
            other => panic!("not placed: {other:?}"),
        }
    }

    fn begun_at(dts: i64) -> Timeline {
        let mut timeline = Timeline::new(SourceClock::Millis32);
        assert_eq!(times(timeline.place(video(dts, 0, true))), (0, 0));
        timeline
    }

    #[test]
    fn an_epoch_begins_with_the_first_picture_shown_at_zero() {
        let mut timeline = Timeline::new(SourceClock::Millis32);
        assert_eq!(timeline.place(audio(990)), Placed::BeforeKeyframe);
        assert_eq!(timeline.place(video(1000, 0, false)), Placed::BeforeKeyframe);
        assert_eq!(times(timeline.place(video(1040, 80, true))), (-80, 0));
        assert_eq!(times(timeline.place(video(1080, 160, false))), (-40, 120));
        assert_eq!(times(timeline.place(audio(1100))), (-20, -20));
    }

    #[test]
    fn a_wrap_of_the_counter_is_no_jump() {
        let mut timeline = begun_at(i64::from(u32::MAX) - 20);
        assert_eq!(times(timeline.place(video(19, 0, false))), (40, 40));
        let mut timeline = begun_at((1 << 31) - 21);
        assert_eq!(times(timeline.place(video(19, 0, false))), (40, 40));
    }

    #[test]
    fn a_jump_breaks_the_epoch_and_the_next_keyframe_begins_another() {
        let mut timeline = begun_at(50_000);
        assert_eq!(timeline.place(video(1000, 0, true)), Placed::Break(Jump::Back(49_000)));
        timeline.end_epoch();
        assert_eq!(times(timeline.place(video(1000, 0, true))), (0, 0));
        assert_eq!(timeline.place(video(3_601_000, 0, true)), Placed::Break(Jump::Ahead(3_600_000)));
    }

    #[test]
    fn a_hole_of_a_second_is_not_a_jump() {
        let mut timeline = begun_at(0);
        assert_eq!(times(timeline.place(video(1500, 0, false))), (1500, 1500));
    }

    #[test]
    fn sound_from_elsewhere_neither_plays_nor_breaks_the_picture() {
        let mut timeline = begun_at(100_000);
        assert_eq!(timeline.place(audio(40)), Placed::OutOfStep);
        assert_eq!(timeline.place(audio(3_000_000_000)), Placed::OutOfStep);
        assert_eq!(times(timeline.place(video(100_040, 0, false))), (40, 40));
        assert_eq!(times(timeline.place(audio(100_020))), (20, 20));
    }

    #[test]
    fn decoding_times_never_step_back_within_an_epoch() {
        let mut timeline = begun_at(1000);
        timeline.place(video(1040, 0, false));
        assert_eq!(times(timeline.place(video(1030, 20, false))), (40, 50));
    }

    proptest! {
        #[test]
        fn any_timestamps_give_rising_times_or_a_named_refusal(
            raws in prop::collection::vec((any::<u32>(), -0x80_0000_i64..0x80_0000, any::<[bool; 2]>()), 1..60),
        ) {
            let mut timeline = Timeline::new(SourceClock::Millis32);
            let mut last = i64::MIN;
            for (raw, composition, [keyframe, is_video]) in raws {
                let raw = i64::from(raw);
                let frame = if is_video { video(raw, composition, keyframe) } else { audio(raw) };
                match timeline.place(frame) {
                    Placed::Frame(frame) if is_video => {
                        prop_assert!(frame.dts >= last);
                        last = frame.dts;
                    }
                    Placed::Break(_) => {
                        timeline.end_epoch();
                        last = i64::MIN;
                    }
                    _ => {}
                }
            }
        }
    }
}
