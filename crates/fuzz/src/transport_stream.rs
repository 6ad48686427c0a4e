use weir_ingest::IngestEvent;
use weir_ingest::ts::Demux;
use weir_media::{Frame, TrackKind, nal_units};

/// Access units that are taken.
const UNIT_BYTES_MAX: usize = 1 << 20;
/// Times have 33 bits; pictures behind the first of a packet are counted on from its time.
const TIME_END: i64 = 1 << 34;

/// A transport stream in pieces; the first byte says how long they are and where some are missing.
pub fn demuxer(data: &[u8]) {
    let Some((&cut, stream)) = data.split_first() else { return };
    let (mut demux, mut seen) = (Demux::new(UNIT_BYTES_MAX), Seen::default());
    for (number, piece) in stream.chunks(usize::from(cut) * 7 + 1).enumerate() {
        if number % 16 == usize::from(cut >> 4) {
            demux.lost();
        }
        if demux.push(piece).is_err() {
            return;
        }
        std::iter::from_fn(|| demux.pop()).for_each(|event| seen.check(&event));
    }
    if demux.finish().is_ok() {
        std::iter::from_fn(|| demux.pop()).for_each(|event| seen.check(&event));
    }
    assert!(demux.skipped_bytes() <= stream.len() as u64);
}

/// Tracks whose parameters came.
#[derive(Default)]
struct Seen {
    video: bool,
    audio: bool,
}

impl Seen {
    fn check(&mut self, event: &IngestEvent) {
        match event {
            IngestEvent::VideoConfig(_) => self.video = true,
            IngestEvent::AudioConfig(_) => self.audio = true,
            IngestEvent::Frame(frame) => self.check_frame(frame),
            _ => {}
        }
    }

    fn check_frame(&self, frame: &Frame) {
        assert!(frame.dts >= 0 && frame.dts < TIME_END && (frame.pts - frame.dts).abs() < TIME_END);
        match frame.kind {
            TrackKind::Video => {
                assert!(self.video, "a picture before the first parameters");
                let bytes: usize = nal_units(&frame.data, 4).map(|unit| 4 + unit.len()).sum();
                assert!(bytes == frame.data.len() && bytes > 0);
            }
            TrackKind::Audio => assert!(self.audio, "sound before the first parameters"),
        }
    }
}
