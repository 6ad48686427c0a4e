//! AAC frames out of PES packets, whichever way they are wrapped.

use bytes::Bytes;
use weir_media::{AAC_FRAME_SAMPLES, AudioParams, MEDIA_HZ};

use super::adts::{self, Header};
use super::latm::{self, Latm};
use super::pes::Pes;
use crate::UnsupportedMedia;
use crate::params::audio_params;

/// Bytes of an unfinished frame that are kept: the longest that a length of 13 bits can name, and its header.
const REST_BYTES_MAX: usize = 8192 + 3;

/// One frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Sound {
    /// The parameters, where they are new.
    pub params: Option<AudioParams>,
    /// When it is heard: 33 bits of 90 kHz.
    pub time: u64,
    /// One `raw_data_block`.
    pub data: Bytes,
}

/// How frames are wrapped.
#[derive(Debug)]
enum Wrapping {
    Adts,
    Latm(Latm),
}

/// Reads one AAC stream.
#[derive(Debug)]
pub struct Audio {
    wrapping: Wrapping,
    /// What began and is not whole yet.
    rest: Vec<u8>,
    params: Option<AudioParams>,
    /// A time that a packet gave, and how many samples came since.
    time: Option<(u64, u64)>,
}

impl Audio {
    /// AAC with ADTS headers.
    pub fn adts() -> Self {
        Self { wrapping: Wrapping::Adts, rest: Vec::new(), params: None, time: None }
    }

    /// AAC in LATM.
    pub fn latm() -> Self {
        Self { wrapping: Wrapping::Latm(Latm::default()), ..Self::adts() }
    }

    /// Hands out the frames that end in this packet. A packet's time is that of the first frame that begins in it.
    pub fn read(&mut self, pes: &Pes, mut take: impl FnMut(Sound)) -> Result<(), UnsupportedMedia> {
        let carried = self.rest.len();
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.extend_from_slice(&pes.data);
        let (mut at, mut given) = (0, pes.pts);
        while let Some(length) = self.measure(&bytes[at..]) {
            let Some(frame) = length.and_then(|length| bytes.get(at..at + length)) else {
                match length {
                    // The rest of it is in the next packet.
                    Some(_) => break,
                    None => {
                        at += 1;
                        continue;
                    }
                }
            };
            if at >= carried
                && let Some(pts) = given.take()
            {
                self.time = Some((pts, 0));
            }
            at += frame.len();
            if let Some(sound) = self.frame(frame)? {
                take(sound);
            }
        }
        let keep = at.max(bytes.len().saturating_sub(REST_BYTES_MAX));
        self.rest = bytes.split_off(keep.min(bytes.len()));
        // The frame that has begun here gets the time when it is whole.
        if let Some(pts) = given.filter(|_| !self.rest.is_empty() && keep >= carried) {
            self.time = Some((pts, 0));
        }
        Ok(())
    }

    /// Something is missing: what has begun cannot be finished.
    pub fn lost(&mut self) {
        self.rest.clear();
    }

    /// The length of the frame at the front, `Some(None)` when there is none, `None` when too little is here to tell.
    fn measure(&self, bytes: &[u8]) -> Option<Option<usize>> {
        match self.wrapping {
            Wrapping::Adts if bytes.len() >= adts::MEASURE_BYTES => {
                Some(Header::read(bytes).map(|header| header.length))
            }
            Wrapping::Latm(_) if bytes.len() >= latm::MEASURE_BYTES => Some(latm::length(bytes)),
            _ => None,
        }
    }

    fn frame(&mut self, frame: &[u8]) -> Result<Option<Sound>, UnsupportedMedia> {
        let unwrapped = match &mut self.wrapping {
            Wrapping::Adts => Header::read(frame)
                .filter(|header| header.single)
                .map(|header| (header.asc(), Bytes::copy_from_slice(&frame[header.header..]))),
            Wrapping::Latm(latm) => latm.read(frame),
        };
        // What has no time is not handed out: its parameters are still new with what follows.
        let Some((begin, samples)) = &mut self.time else { return Ok(None) };
        let params = match &unwrapped {
            Some((asc, _)) if self.params.as_ref().is_none_or(|params| params.asc != *asc) => {
                let params = audio_params(asc.clone())?;
                self.params = Some(params.clone());
                Some(params)
            }
            _ => None,
        };
        let rate = self.params.as_ref().map_or(48_000, |params| params.sample_rate);
        let time = (*begin + *samples * MEDIA_HZ as u64 / u64::from(rate)) & ((1 << 33) - 1);
        *samples += u64::from(AAC_FRAME_SAMPLES);
        Ok(unwrapped.map(|(_, data)| Sound { params, time, data }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(number: u8) -> Vec<u8> {
        let mut out = vec![0xff, 0xf1, 0x4c, 0x80, 0, 0x1f, 0xfc];
        out.extend([number; 20]);
        out[4] = (out.len() >> 3) as u8;
        out[5] |= (out.len() as u8 & 7) << 5;
        out
    }

    fn read(audio: &mut Audio, pts: Option<u64>, data: &[u8]) -> Vec<(u64, u8)> {
        let mut found = Vec::new();
        let pes = Pes { pts, dts: pts, data: data.to_vec() };
        audio.read(&pes, |sound| found.push((sound.time, sound.data[0]))).expect("AAC-LC");
        found
    }

    #[test]
    fn frames_are_timed_from_the_packet_they_begin_in() {
        let mut audio = Audio::adts();
        let stream: Vec<u8> = (1..=4).flat_map(frame).collect();
        assert_eq!(read(&mut audio, Some(9000), &stream[..40]), [(9000, 1)]);
        assert_eq!(
            read(&mut audio, Some(9000 + 3840), &stream[40..]),
            [(9000 + 1920, 2), (9000 + 3840, 3), (9000 + 5760, 4)]
        );
    }

    #[test]
    fn behind_a_loss_the_next_whole_frame_is_found() {
        let mut audio = Audio::adts();
        assert_eq!(read(&mut audio, Some(0), &[&frame(1)[..], &frame(2)[..9]].concat()), [(0, 1)]);
        audio.lost();
        let tail = [&frame(3)[15..], &frame(4)[..]].concat();
        assert_eq!(read(&mut audio, Some(50_000), &tail), [(50_000, 4)]);
    }

    #[test]
    fn parameters_come_with_the_first_frame_that_has_a_time() {
        let mut audio = Audio::adts();
        assert_eq!(read(&mut audio, None, &frame(1)), []);
        let mut params = Vec::new();
        let pes = Pes { pts: Some(9000), dts: Some(9000), data: [frame(2), frame(3)].concat() };
        audio.read(&pes, |sound| params.push(sound.params.is_some())).expect("AAC-LC");
        assert_eq!(params, [true, false]);
    }

    #[test]
    fn times_wrap_at_33_bits() {
        let mut audio = Audio::adts();
        let found = read(&mut audio, Some((1 << 33) - 1), &[frame(1), frame(2)].concat());
        assert_eq!(found, [((1 << 33) - 1, 1), (1919, 2)]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 1..9),
            latm in any::<bool>(),
        ) {
            let mut audio = if latm { Audio::latm() } else { Audio::adts() };
            for data in pieces {
                let _ = audio.read(&Pes { pts: Some(0), dts: None, data }, |_| {});
            }
            prop_assert!(audio.rest.len() <= REST_BYTES_MAX);
        }
    }
}
