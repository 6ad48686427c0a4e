//! Fragmented MP4: initialisation sections and fragments (ISO/IEC 14496-12, rfc8216bis 3.1.2).

use crate::finding::Sink;

/// What an initialisation section says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Init {
    /// Ticks per second.
    pub timescale: u32,
    /// Video, or audio.
    pub video: bool,
    /// Coded width and height of video.
    pub size: (u64, u64),
    /// RFC 6381.
    pub codec: String,
    /// Default duration, size and flags of samples (`trex`).
    defaults: [u32; 3],
}

/// What a file of fragments holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Media {
    /// Decoding time of its first sample, in ticks.
    pub start: u64,
    /// The sum of the durations of its samples, in ticks.
    pub duration: u64,
    /// Whether its first sample is a sync sample.
    pub sync: bool,
    /// Where its first `moof` begins and its first sample ends.
    pub first_sample: (u64, u64),
    /// Whether the first slice of its first sample is of an IDR picture; for video only.
    pub idr: bool,
}

type Box<'a> = (&'a [u8], &'a [u8], usize);

/// Boxes as type, content, and where they begin; `None` when they are not whole.
fn boxes(bytes: &[u8]) -> Option<Vec<Box<'_>>> {
    let (mut all, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let size = word(bytes, at)? as usize;
        let whole = bytes.get(at..at.checked_add(size)?).filter(|whole| whole.len() >= 8)?;
        all.push((&whole[4..8], &whole[8..], at));
        at += size;
    }
    Some(all)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn find<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(bytes, |inside, kind| {
        boxes(inside)?.into_iter().find(|(found, ..)| found == *kind).map(|(_, content, _)| content)
    })
}

/// Judges an initialisation section.
pub fn init(bytes: &[u8], sink: &mut Sink) -> Option<Init> {
    let read = read_init(bytes, sink);
    sink.check("C-init", 0, read.is_some(), || "not ftyp and moov of one track".to_owned());
    read
}

fn read_init(bytes: &[u8], sink: &mut Sink) -> Option<Init> {
    let all = boxes(bytes)?;
    let kinds: Vec<_> = all.iter().map(|(kind, ..)| *kind).collect();
    sink.check("C-init", 0, kinds == [b"ftyp", b"moov"], || format!("{} boxes, not ftyp and moov alone", kinds.len()));
    let brands = find(bytes, &[b"ftyp"])?;
    let modern =
        brands.chunks(4).any(|brand| matches!(brand, b"iso6" | b"iso7" | b"iso8" | b"iso9" | b"cmfc" | b"cmf2"));
    sink.check("C-init", 0, modern, || "no brand of iso6 or later".to_owned());
    let moov = find(bytes, &[b"moov"])?;
    let tracks = boxes(moov)?.iter().filter(|(kind, ..)| *kind == b"trak").count();
    sink.check("C-init", 0, tracks == 1, || format!("{tracks} tracks"));
    let trex = find(moov, &[b"mvex", b"trex"]);
    sink.check("C-init", 0, trex.is_some(), || "no mvex".to_owned());
    let media = find(moov, &[b"trak", b"mdia"])?;
    let table = find(media, &[b"minf", b"stbl"])?;
    for (kind, at) in [(b"stts", 4), (b"stsc", 4), (b"stsz", 8), (b"stco", 4)] {
        let count = find(table, &[kind]).and_then(|content| word(content, at));
        sink.check("C-init", 0, count == Some(0), || format!("{count:?} samples in {}", String::from_utf8_lossy(kind)));
    }
    let header = find(media, &[b"mdhd"])?;
    let timescale = word(header, if header.first() == Some(&1) { 20 } else { 12 })?;
    let video = find(media, &[b"hdlr"])?.get(8..12)? == b"vide";
    let entries = find(table, &[b"stsd"])?.get(8..)?;
    let (kind, entry, _) = boxes(entries)?.into_iter().next()?;
    let (size, codec) = match video {
        true => ((half(entry, 24)?.into(), half(entry, 26)?.into()), avc(kind, entry)?),
        false => ((0, 0), "mp4a.40.2".to_owned()),
    };
    let default = |at| trex.and_then(|trex| word(trex, at)).unwrap_or(0);
    Some(Init { timescale, video, size, codec, defaults: [default(12), default(16), default(20)] })
}

/// The codec string of an AVC sample entry: the three bytes behind the version of avcC.
fn avc(kind: &[u8], entry: &[u8]) -> Option<String> {
    let config = find(entry.get(78..)?, &[b"avcC"])?;
    let bytes = config.get(1..4)?;
    Some(format!("{}.{:02x}{:02x}{:02x}", String::from_utf8_lossy(kind), bytes[0], bytes[1], bytes[2]))
}

/// Judges a segment or part, which may have several fragments.
pub fn media(bytes: &[u8], init: &Init, sink: &mut Sink) -> Option<Media> {
    let Some(all) = boxes(bytes) else {
        sink.add("C-boxes", 0, "a box is not whole");
        return None;
    };
    let mut found: Option<Media> = None;
    let mut moof: Option<(&[u8], usize)> = None;
    for (kind, content, at) in all {
        match kind {
            b"moof" => moof = Some((content, at)),
            b"mdat" => {
                let Some((moof, moof_at)) = moof.take() else {
                    sink.add("C-boxes", 0, "an mdat without its moof");
                    return None;
                };
                let fragment = fragment(bytes, moof, moof_at, (at + 8, content.len()), init, sink)?;
                match &mut found {
                    None => found = Some(fragment),
                    Some(media) => {
                        let end = media.start + media.duration;
                        sink.check("C-steady", 0, fragment.start == end, || {
                            format!("a fragment begins at {}, the one before ended at {end}", fragment.start)
                        });
                        media.duration += fragment.duration;
                    }
                }
            }
            b"styp" | b"prft" | b"emsg" | b"sidx" => {}
            other => sink.add("C-boxes", 0, format!("the box {}", String::from_utf8_lossy(other))),
        }
    }
    sink.check("C-boxes", 0, found.is_some() && moof.is_none(), || "no fragment, or one without media".to_owned());
    found
}

fn fragment(
    file: &[u8],
    moof: &[u8],
    moof_at: usize,
    (data_at, data_length): (usize, usize),
    init: &Init,
    sink: &mut Sink,
) -> Option<Media> {
    let inner = boxes(moof)?;
    let trafs: Vec<_> = inner.iter().filter(|(kind, ..)| *kind == b"traf").collect();
    sink.check("C-moof", 0, trafs.len() == 1, || format!("{} traf in a moof", trafs.len()));
    let traf = trafs.first()?.1;
    let header = find(traf, &[b"tfhd"])?;
    let flags = word(header, 0)? & 0x00ff_ffff;
    sink.check("C-moof", 0, flags & 0x02_0000 != 0 && flags & 1 == 0, || format!("tfhd flags {flags:06x}"));
    let time = find(traf, &[b"tfdt"]);
    let version = time.and_then(|time| time.first().copied());
    sink.check("C-tfdt", 0, version == Some(1), || format!("tfdt version {version:?}"));
    let time = time?;
    let start = if version == Some(1) {
        u64::from(word(time, 4)?) << 32 | u64::from(word(time, 8)?)
    } else {
        word(time, 4)?.into()
    };
    let mut defaults = init.defaults;
    let mut at = 8 + if flags & 1 != 0 { 8 } else { 0 } + if flags & 2 != 0 { 4 } else { 0 };
    for (slot, bit) in defaults.iter_mut().zip([0x08, 0x10, 0x20]) {
        if flags & bit != 0 {
            *slot = word(header, at)?;
            at += 4;
        }
    }
    let run = find(traf, &[b"trun"])?;
    let run_flags = word(run, 0)? & 0x00ff_ffff;
    let count = word(run, 4)?;
    let mut at = 8;
    let offset = if run_flags & 1 != 0 { word(run, at)? as usize } else { usize::MAX };
    at += if run_flags & 1 != 0 { 4 } else { 0 };
    sink.check("C-boxes", 0, moof_at.checked_add(offset) == Some(data_at), || {
        format!("the data offset leads to {}, the media begin at {data_at}", moof_at.wrapping_add(offset))
    });
    let first_flags = if run_flags & 4 != 0 { word(run, at) } else { None };
    at += if run_flags & 4 != 0 { 4 } else { 0 };
    let (mut duration, mut size, mut first) = (0_u64, 0_u64, None);
    for index in 0..count {
        let mut field = |bit: u32, default: u32| -> Option<u32> {
            if run_flags & bit == 0 {
                return Some(default);
            }
            at += 4;
            word(run, at - 4)
        };
        let lasts = field(0x100, defaults[0])?;
        let bytes = field(0x200, defaults[1])?;
        let sample_flags = field(0x400, defaults[2])?;
        field(0x800, 0)?;
        if index == 0 {
            first = Some((bytes, first_flags.unwrap_or(sample_flags)));
        }
        (duration, size) = (duration + u64::from(lasts), size + u64::from(bytes));
    }
    sink.check("C-boxes", 0, size == data_length as u64, || {
        format!("samples of {size} bytes in an mdat of {data_length}")
    });
    let (first_bytes, first_flags) = first?;
    let first_end = data_at + first_bytes as usize;
    let idr = init.video && file.get(data_at..first_end).is_some_and(is_idr);
    let sync = first_flags & 0x0001_0000 == 0;
    Some(Media { start, duration, sync, first_sample: (moof_at as u64, first_end as u64), idr })
}

/// Whether the first slice of an AVC sample with 4-byte lengths is of an IDR picture.
fn is_idr(mut sample: &[u8]) -> bool {
    while let Some(length) = word(sample, 0) {
        let Some(unit) = sample.get(4..4 + length as usize) else { return false };
        match unit.first().map(|byte| byte & 31) {
            Some(5) => return true,
            Some(1..=4) => return false,
            _ => sample = &sample[4 + unit.len()..],
        }
    }
    false
}
