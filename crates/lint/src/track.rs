//! The media of one rendition as it is fetched: each file once, its bytes forgotten, what they said kept.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::cmaf::{Init, Media};
use crate::finding::Sink;

/// Files whose bytes are remembered by their hash, to be asked for again.
const REMEMBERED_MAX: usize = 4096;
/// How far a declared duration may be from that of the samples: both ends are rounded.
const ROUNDED_US: u64 = 1500;

/// What was fetched of one rendition.
#[derive(Debug, Default)]
pub(crate) struct Track {
    pub(crate) inits: HashMap<String, Option<Init>>,
    hashes: VecDeque<(String, u64)>,
    /// Where the last segment ended, and by which map.
    end: Option<(u64, String)>,
    /// Bytes and microseconds of the segments, of each in turn.
    pub(crate) sizes: Vec<(u64, u64)>,
}

/// What is declared of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Declared<'a> {
    pub(crate) map: &'a str,
    pub(crate) duration_us: u64,
    /// INDEPENDENT=YES, of a part.
    pub(crate) independent: Option<bool>,
    pub(crate) discontinuity: bool,
}

impl Track {
    /// Whether this file is new, and if it is not, whether its bytes are the same as before.
    pub(crate) fn same_bytes(&mut self, url: &str, bytes: &[u8], sink: &mut Sink) {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let hash = hasher.finish();
        match self.hashes.iter().find(|(known, _)| known == url) {
            Some((_, before)) => {
                sink.check("C-bytes", 0, *before == hash, || format!("{url} has other bytes than before"))
            }
            None => {
                if self.hashes.len() == REMEMBERED_MAX {
                    self.hashes.pop_front();
                }
                self.hashes.push_back((url.to_owned(), hash));
            }
        }
    }

    /// Judges a segment or a part by what is declared of it.
    pub(crate) fn declared(&self, media: &Media, declared: Declared<'_>, sink: &mut Sink) {
        let Some(Some(init)) = self.inits.get(declared.map) else { return };
        let lasts_us = media.duration * 1_000_000 / u64::from(init.timescale.max(1));
        sink.check("C-duration", 0, lasts_us.abs_diff(declared.duration_us) <= ROUNDED_US, || {
            format!("samples of {lasts_us} us, {} us are declared", declared.duration_us)
        });
        match declared.independent {
            Some(independent) => sink.check("C-independent", 0, independent == media.sync, || {
                format!("INDEPENDENT is {independent}, the first sample is a sync sample: {}", media.sync)
            }),
            None => sink.check("C-idr", 0, !init.video || (media.idr && media.sync), || {
                "it begins with no IDR picture".to_owned()
            }),
        }
    }

    /// Judges that a segment goes on where the one before it ended, and counts its bytes.
    pub(crate) fn follows(&mut self, media: &Media, bytes: usize, declared: Declared<'_>, sink: &mut Sink) {
        if let Some((end, map)) = &self.end
            && !declared.discontinuity
            && map == declared.map
        {
            sink.check("C-steady", 0, media.start == *end, || {
                format!("it begins at {}, the one before ended at {end}", media.start)
            });
        }
        self.end = Some((media.start + media.duration, declared.map.to_owned()));
        self.sizes.push((bytes as u64, declared.duration_us));
    }

    /// Segments are missing: the next one follows none.
    pub(crate) fn interrupted(&mut self) {
        self.end = None;
    }

    /// The measured peak over any run of segments of 0.5 to 1.5 target durations, and the average, in bits per second.
    pub(crate) fn rates(&self, target_s: u64) -> (u64, u64) {
        let rate = |bytes: u64, micros: u64| bytes * 8_000_000 / micros.max(1);
        let mut peak = 0;
        for at in 0..self.sizes.len() {
            let (mut bytes, mut micros) = (0, 0);
            for (more_bytes, more_micros) in &self.sizes[at..] {
                (bytes, micros) = (bytes + more_bytes, micros + more_micros);
                if micros > target_s * 1_500_000 {
                    break;
                }
                if micros >= target_s * 500_000 {
                    peak = peak.max(rate(bytes, micros));
                }
            }
        }
        let (bytes, micros) = self.sizes.iter().fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
        let average = rate(bytes, micros);
        // What is shorter than any run has no peak of its own.
        (if peak == 0 { average } else { peak }, average)
    }
}
