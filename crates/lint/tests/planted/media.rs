//! Faults in initialisation sections and fragments, which are written here box by box.

use weir_hls_lint::cmaf::{self, Init};
use weir_hls_lint::{Finding, Sink};

use crate::Planted;

fn boxed(kind: &str, content: &[u8]) -> Vec<u8> {
    let mut out = (content.len() as u32 + 8).to_be_bytes().to_vec();
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(content);
    out
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// What may be wrong with an initialisation section.
#[derive(Clone, Copy)]
pub struct Section {
    pub brand: &'static [u8; 4],
    pub mvex: bool,
    pub samples: u32,
    pub tracks: usize,
}

pub const GOOD: Section = Section { brand: b"iso6", mvex: true, samples: 0, tracks: 1 };

pub fn section(of: Section) -> Vec<u8> {
    let mut avc1 = vec![0; 78];
    (avc1[24], avc1[25], avc1[26], avc1[27]) = (2, 128, 1, 104);
    avc1.extend(boxed("avcC", &[1, 0x4d, 0x40, 0x1e, 0xff]));
    let stsd = [words(&[0, 1]), boxed("avc1", &avc1)].concat();
    let stbl = [
        boxed("stsd", &stsd),
        boxed("stts", &words(&[0, of.samples])),
        boxed("stsc", &words(&[0, 0])),
        boxed("stsz", &words(&[0, 0, 0])),
        boxed("stco", &words(&[0, 0])),
    ];
    let hdlr = [words(&[0, 0]), b"vide".to_vec(), words(&[0, 0, 0])].concat();
    let minf = boxed("minf", &boxed("stbl", &stbl.concat()));
    let mdia = [boxed("mdhd", &words(&[0, 0, 0, 30_000, 0, 0])), boxed("hdlr", &hdlr), minf].concat();
    let trak = boxed("trak", &boxed("mdia", &mdia));
    let mut moov = trak.repeat(of.tracks);
    if of.mvex {
        moov.extend(boxed("mvex", &boxed("trex", &words(&[0, 1, 1, 1000, 0, 0]))));
    }
    [boxed("ftyp", &[of.brand.as_slice(), &[0; 4]].concat()), boxed("moov", &moov)].concat()
}

fn section_judged(of: Section) -> Vec<Finding> {
    let mut sink = Sink::new("init");
    cmaf::init(&section(of), &mut sink);
    sink.findings
}

/// What may be wrong with a fragment.
#[derive(Clone, Copy)]
pub struct Part {
    pub tfhd: u32,
    pub tfdt: u8,
    pub trafs: usize,
    pub start: u64,
    pub offset: i32,
    pub sizes: [u32; 2],
    pub nal: u8,
    pub sync: bool,
}

pub const FRAGMENT: Part =
    Part { tfhd: 0x02_0028, tfdt: 1, trafs: 1, start: 60_000, offset: 0, sizes: [9, 6], nal: 0x65, sync: true };

pub fn fragment(of: Part) -> Vec<u8> {
    let tfhd = words(&[of.tfhd, 1, 1000, 0x0101_0000]);
    let time = if of.tfdt == 1 { words(&[0x0100_0000, 0, of.start as u32]) } else { words(&[0, of.start as u32]) };
    let flags = if of.sync { 0x0200_0000 } else { 0x0101_0000 };
    let moof = |offset: u32| {
        let run = words(&[0x205, 2, offset, flags, of.sizes[0], of.sizes[1]]);
        let traf = boxed("traf", &[boxed("tfhd", &tfhd), boxed("tfdt", &time), boxed("trun", &run)].concat());
        boxed("moof", &[boxed("mfhd", &words(&[0, 7])), traf.repeat(of.trafs)].concat())
    };
    let offset = moof(0).len() as i32 + 8 + of.offset;
    let data = [words(&[5]), vec![of.nal, 1, 2, 3, 4], words(&[2]), vec![0x41, 9]].concat();
    [moof(offset as u32), boxed("mdat", &data)].concat()
}

fn init() -> Init {
    let mut sink = Sink::new("init");
    let found = cmaf::init(&section(GOOD), &mut sink).expect("a good section");
    assert_eq!((found.timescale, found.size, found.codec.as_str()), (30_000, (640, 360), "avc1.4d401e"));
    assert_eq!(sink.findings, []);
    found
}

fn fragment_judged(bytes: &[u8]) -> Vec<Finding> {
    let mut sink = Sink::new("100.m4s");
    cmaf::media(bytes, &init(), &mut sink);
    sink.findings
}

#[test]
fn good_media_are_left_alone_and_read_right() {
    let mut sink = Sink::new("100.m4s");
    let next = Part { start: 62_000, ..FRAGMENT };
    let bytes = [boxed("styp", b"msdh"), fragment(FRAGMENT), fragment(next)].concat();
    let media = cmaf::media(&bytes, &init(), &mut sink).expect("media");
    assert_eq!(sink.findings, []);
    assert_eq!((media.start, media.duration, media.sync, media.idr), (60_000, 4000, true, true));
    assert_eq!(media.first_sample, (12, 12 + fragment(FRAGMENT).len() as u64 - 6));
    let late = cmaf::media(&fragment(Part { nal: 0x41, sync: false, ..FRAGMENT }), &init(), &mut sink).expect("media");
    assert!(!late.idr && !late.sync);
}

pub fn planted() -> Vec<Planted> {
    let plant = |name, rule, findings| Planted { name, rule, findings };
    let part = |of: Part| fragment_judged(&fragment(of));
    let hole = [fragment(FRAGMENT), fragment(Part { start: 62_001, ..FRAGMENT })].concat();
    let cut = fragment(FRAGMENT)[..60].to_vec();
    vec![
        plant("an old brand", "C-init", section_judged(Section { brand: b"isom", ..GOOD })),
        plant("no mvex", "C-init", section_judged(Section { mvex: false, ..GOOD })),
        plant("samples in the moov", "C-init", section_judged(Section { samples: 1, ..GOOD })),
        plant("two tracks", "C-init", section_judged(Section { tracks: 2, ..GOOD })),
        plant("addresses from the file's start", "C-moof", part(Part { tfhd: 0x28, ..FRAGMENT })),
        plant("two traf", "C-moof", part(Part { trafs: 2, ..FRAGMENT })),
        plant("a tfdt of 32 bits", "C-tfdt", part(Part { tfdt: 0, ..FRAGMENT })),
        plant("a data offset beside the media", "C-boxes", part(Part { offset: 4, ..FRAGMENT })),
        plant("samples larger than their mdat", "C-boxes", part(Part { sizes: [9, 7], ..FRAGMENT })),
        plant("half a file", "C-boxes", fragment_judged(&cut)),
        plant("a hole between fragments", "C-steady", fragment_judged(&hole)),
    ]
}
