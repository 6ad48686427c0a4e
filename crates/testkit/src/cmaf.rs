//! A small strict reader of the boxes weir may write (ISO/IEC 14496-12, 23000-19), sharing no code with what
//! writes them.

use anyhow::{Context, Result, bail, ensure};

/// What an initialisation section says that segments are read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Init {
    /// Ticks per second of the one track (`mdhd`).
    pub timescale: u32,
    /// `hdlr` says `vide` (otherwise `soun`).
    pub video: bool,
}

impl Init {
    /// Reads `ftyp` and `moov` of a section with one track.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let boxes = boxes(bytes)?;
        ensure!(kinds(&boxes) == ["ftyp", "moov"], "boxes {:?}", kinds(&boxes));
        let moov = boxes[1].1;
        ensure!(find(moov, "mvex").is_ok(), "no mvex");
        let media = find(find(moov, "trak")?, "mdia")?;
        let header = find(media, "mdhd")?;
        let timescale = u32_at(header, if header.first() == Some(&1) { 20 } else { 12 })?;
        let handler = find(media, "hdlr")?.get(8..12).context("short hdlr")?;
        ensure!(timescale > 0 && [b"vide", b"soun"].iter().any(|kind| *kind == handler), "mdhd or hdlr");
        Ok(Self { timescale, video: handler == b"vide" })
    }
}

/// One sample of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample<'a> {
    /// Decoding time in ticks of the track.
    pub dts: i64,
    /// Presentation time in ticks of the track.
    pub pts: i64,
    /// How long it lasts, in ticks.
    pub duration: u32,
    /// `sample_is_non_sync_sample` is not set.
    pub sync: bool,
    /// The coded bytes.
    pub data: &'a [u8],
}

impl Sample<'_> {
    /// Whether the first coded slice of an AVC sample with 4-byte lengths is of an IDR picture
    /// (`nal_unit_type` 5).
    pub fn is_idr(&self) -> bool {
        let mut rest = self.data;
        while let Some((length, tail)) = rest.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            let Some(nal) = tail.get(..length) else { return false };
            match nal.first().map(|byte| byte & 31) {
                Some(5) => return true,
                Some(1..=4) => return false,
                _ => rest = &tail[length..],
            }
        }
        false
    }
}

/// The samples of a segment: `styp` and one or more pairs of `moof` and `mdat`, one track, contiguous times.
pub fn samples(bytes: &[u8]) -> Result<Vec<Sample<'_>>> {
    let mut all: Vec<Sample> = Vec::new();
    let mut moof = None;
    let mut sequence = None;
    for (index, (kind, body)) in boxes(bytes)?.into_iter().enumerate() {
        match (index, kind) {
            (0, "styp") => {}
            (1.., "moof") if moof.is_none() => moof = Some(body),
            (1.., "mdat") => {
                let fragment = Fragment::parse(moof.take().context("mdat without moof")?)?;
                ensure!(sequence.is_none_or(|last| fragment.sequence > last), "mfhd does not rise");
                sequence = Some(fragment.sequence);
                let end = all.last().map(|sample| sample.dts + i64::from(sample.duration));
                ensure!(end.is_none_or(|end| end == fragment.decode_time), "a hole between fragments");
                fragment.collect(body, &mut all)?;
            }
            _ => bail!("box {index} is {kind}"),
        }
    }
    ensure!(moof.is_none() && !all.is_empty(), "a moof without mdat, or nothing at all");
    Ok(all)
}

struct Fragment<'a> {
    sequence: u32,
    decode_time: i64,
    defaults: [Option<u32>; 3],
    run: &'a [u8],
    /// Where the media begins, counted from the start of the `moof` box.
    moof_length: usize,
}

const DURATION: usize = 0;
const SIZE: usize = 1;
const FLAGS: usize = 2;
/// `sample_is_non_sync_sample` (ISO/IEC 14496-12, 8.8.3.1).
const NON_SYNC: u32 = 0x0001_0000;

impl<'a> Fragment<'a> {
    fn parse(moof: &'a [u8]) -> Result<Self> {
        let inner = boxes(moof)?;
        ensure!(kinds(&inner) == ["mfhd", "traf"], "moof holds {:?}", kinds(&inner));
        let parts = boxes(inner[1].1)?;
        ensure!(kinds(&parts) == ["tfhd", "tfdt", "trun"], "traf holds {:?}", kinds(&parts));
        let (header, time, run) = (parts[0].1, parts[1].1, parts[2].1);
        ensure!(time.first() == Some(&1), "tfdt is not version 1");
        let decode_time = time.get(4..12).context("short tfdt")?.try_into().map(u64::from_be_bytes)?;
        let flags = u32_at(header, 0)? & 0xff_ffff;
        // default-base-is-moof must be set, base-data-offset must not; sample-description-index may.
        ensure!(flags & 0x02_0001 == 0x02_0000, "tfhd flags {flags:06x}");
        let mut at = if flags & 0x02 == 0 { 8 } else { 12 };
        let mut defaults = [None; 3];
        for (slot, bit) in defaults.iter_mut().zip([0x08, 0x10, 0x20]) {
            if flags & bit != 0 {
                *slot = Some(u32_at(header, at)?);
                at += 4;
            }
        }
        let sequence = u32_at(inner[0].1, 4)?;
        Ok(Self { sequence, decode_time: i64::try_from(decode_time)?, defaults, run, moof_length: moof.len() + 8 })
    }

    fn collect(&self, media: &'a [u8], all: &mut Vec<Sample<'a>>) -> Result<()> {
        let flags = u32_at(self.run, 0)? & 0xff_ffff;
        let count = u32_at(self.run, 4)?;
        ensure!(flags & 0x01 != 0, "trun without a data offset");
        ensure!(u32_at(self.run, 8)? as usize == self.moof_length + 8, "the data offset is not the start of mdat");
        let mut words = self.run.get(12..).unwrap_or_default().chunks_exact(4);
        let mut next = || words.next().context("short trun").and_then(|word| u32_at(word, 0));
        let first_flags = if flags & 0x04 != 0 { Some(next()?) } else { None };
        let (mut dts, mut rest) = (self.decode_time, media);
        for index in 0..count {
            let mut field = |which: usize, bit: u32| -> Result<u32> {
                if flags & bit != 0 { next() } else { self.defaults[which].context("neither in trun nor in tfhd") }
            };
            let duration = field(DURATION, 0x100)?;
            let size = field(SIZE, 0x200)? as usize;
            let own_flags = if index == 0 && first_flags.is_some() { first_flags } else { field(FLAGS, 0x400).ok() };
            let offset = if flags & 0x800 != 0 { next()? as i32 } else { 0 };
            let data = rest.get(..size).context("a sample reaches beyond mdat")?;
            rest = &rest[size..];
            let sync = own_flags.unwrap_or(0) & NON_SYNC == 0;
            all.push(Sample { dts, pts: dts + i64::from(offset), duration, sync, data });
            dts += i64::from(duration);
        }
        ensure!(rest.is_empty(), "{} bytes of mdat belong to no sample", rest.len());
        Ok(())
    }
}

fn boxes(mut bytes: &[u8]) -> Result<Vec<(&str, &[u8])>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let size = u32_at(bytes, 0)? as usize;
        ensure!(size >= 8 && size <= bytes.len(), "a box of {size} bytes in {}", bytes.len());
        let kind = std::str::from_utf8(&bytes[4..8]).context("a box name that is no text")?;
        all.push((kind, &bytes[8..size]));
        bytes = &bytes[size..];
    }
    Ok(all)
}

fn kinds<'a>(boxes: &[(&'a str, &[u8])]) -> Vec<&'a str> {
    boxes.iter().map(|(kind, _)| *kind).collect()
}

fn find<'a>(bytes: &'a [u8], kind: &str) -> Result<&'a [u8]> {
    let found: Vec<_> = boxes(bytes)?.into_iter().filter(|(k, _)| *k == kind).collect();
    ensure!(found.len() == 1, "{} boxes {kind}", found.len());
    Ok(found[0].1)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32> {
    let word = bytes.get(at..at + 4).with_context(|| format!("no four bytes at {at}"))?;
    Ok(u32::from_be_bytes(word.try_into()?))
}
