//! The boxes, read back by mp4-atom and by Firefox's mp4parse.

use std::time::Instant;

use bytes::Bytes;
use mp4_atom::{Atom, Codec, Decode, Ftyp, Header, Mdat, Moof, Moov, ReadAtom, ReadFrom, Styp};
use weir_media::{Frame, FrameRate, TrackFormat, TrackKind};
use weir_packager::{Packager, Snapshot};

use crate::support::{Feed, WALL_MS, packager, video};

fn file<'a>(snapshot: &'a Snapshot, rendition: &str, name: &str) -> &'a Bytes {
    &snapshot.rendition(rendition).expect("there").media[name].pieces[0]
}

fn ran() -> std::sync::Arc<Snapshot> {
    let mut packager = packager(2000, 60);
    let mut feed = Feed::plain();
    feed.start(&mut packager, WALL_MS);
    feed.run(&mut packager, 4500, |_| ()).expect("good frames");
    packager.take_snapshot(Instant::now()).expect("changed")
}

fn init(snapshot: &Snapshot, rendition: &str) -> (Ftyp, Moov) {
    let mut rest = &file(snapshot, rendition, "a1b2c3d4e5-init1.mp4")[..];
    let read = (Ftyp::decode(&mut rest).expect("ftyp"), Moov::decode(&mut rest).expect("moov"));
    assert!(rest.is_empty());
    read
}

fn segment(body: &[u8]) -> (Styp, Moof, Mdat) {
    let mut rest = body;
    let mut next = |kind| {
        let header = Header::read_from(&mut rest).expect("a box");
        assert_eq!(header.kind, kind);
        let (body, behind) = rest.split_at(header.size.expect("a size"));
        rest = behind;
        (header, body)
    };
    let (header, mut body) = next(Styp::KIND);
    let styp = Styp::read_atom(&header, &mut body).expect("styp");
    let (header, mut body) = next(Moof::KIND);
    let moof = Moof::read_atom(&header, &mut body).expect("moof");
    let (header, mut body) = next(Mdat::KIND);
    let mdat = Mdat::read_atom(&header, &mut body).expect("mdat");
    assert!(rest.is_empty());
    (styp, moof, mdat)
}

#[test]
fn an_initialisation_section_says_what_the_track_is() {
    let snapshot = ran();
    let (ftyp, moov) = init(&snapshot, "720p");
    assert_eq!(ftyp.major_brand, b"iso6".into());
    assert!([b"iso6", b"cmfc", b"cmf2"].map(|brand| brand.into()).iter().all(|b| ftyp.compatible_brands.contains(b)));
    assert_eq!((moov.mvhd.duration, moov.mvhd.next_track_id, moov.trak.len()), (0, 2, 1));
    assert_eq!(moov.mvex.as_ref().expect("mvex").trex[0].track_id, 1);
    let track = &moov.trak[0];
    assert_eq!((track.tkhd.enabled, track.tkhd.duration, track.edts.is_none()), (true, 0, true));
    assert_eq!((track.tkhd.width.integer(), track.tkhd.height.integer()), (1280, 720));
    assert_eq!((track.mdia.mdhd.timescale, track.mdia.mdhd.language.as_str()), (30_000, "und"));
    let table = &track.mdia.minf.stbl;
    assert_eq!((table.stts.entries.len(), table.stsc.entries.len()), (0, 0));
    let [Codec::Avc1(avc1)] = &table.stsd.codecs[..] else { panic!("one avc1") };
    assert_eq!((avc1.visual.width, avc1.visual.height, avc1.pasp.is_none()), (1280, 720, true));
    let TrackFormat::Video { params, .. } = video("720p", FrameRate::new(30, 1)) else { panic!("video") };
    let body = file(&snapshot, "720p", "a1b2c3d4e5-init1.mp4");
    assert!(body.windows(params.avcc.len()).any(|bytes| bytes == params.avcc), "avcC is copied as it is");

    let (_, moov) = init(&snapshot, "audio");
    let track = &moov.trak[0];
    assert_eq!(track.mdia.mdhd.timescale, 48_000);
    let [Codec::Mp4a(mp4a)] = &track.mdia.minf.stbl.stsd.codecs[..] else { panic!("one mp4a") };
    assert_eq!((mp4a.audio.channel_count, mp4a.audio.sample_rate.integer()), (2, 48_000));
    let config = &mp4a.esds.es_desc.dec_config;
    assert_eq!(config.object_type_indication, 0x40);
    let specific = config.dec_specific.as_ref().expect("an AudioSpecificConfig");
    assert_eq!((specific.profile, specific.freq_index, specific.chan_conf), (2, 3, 2));
}

#[test]
fn firefox_reads_the_initialisation_sections() {
    let snapshot = ran();
    let read = |rendition: &str| {
        let mut body = &file(&snapshot, rendition, "a1b2c3d4e5-init1.mp4")[..];
        mp4parse::read_mp4(&mut body).expect("right")
    };
    let context = read("1080p");
    let track = &context.tracks[0];
    assert!(track.track_type == mp4parse::TrackType::Video);
    assert_eq!(track.timescale.expect("mdhd").0, 30_000);
    let entry = &track.stsd.as_ref().expect("stsd").descriptions[0];
    let mp4parse::SampleEntry::Video(entry) = entry else { panic!("a video entry") };
    assert_eq!((entry.codec_type, entry.width, entry.height), (mp4parse::CodecType::H264, 1920, 1080));
    assert!(context.mvex.is_some());

    let context = read("audio");
    let entry = &context.tracks[0].stsd.as_ref().expect("stsd").descriptions[0];
    let mp4parse::SampleEntry::Audio(entry) = entry else { panic!("an audio entry") };
    assert_eq!((entry.codec_type, entry.channelcount), (mp4parse::CodecType::AAC, 2));
    let mp4parse::AudioCodecSpecific::ES_Descriptor(es) = &entry.codec_specific else { panic!("an esds") };
    assert_eq!((es.audio_sample_rate, es.audio_channel_count), (Some(48_000), Some(2)));
}

#[test]
fn a_segment_holds_its_samples_once_and_in_order() {
    let snapshot = ran();
    let (styp, moof, mdat) = segment(file(&snapshot, "360p", "a1b2c3d4e5-1.m4s"));
    assert_eq!(styp.major_brand, b"msdh".into());
    assert!(styp.compatible_brands.contains(&b"cmfs".into()));
    assert_eq!(moof.mfhd.sequence_number, 2);
    let tfhd = &moof.traf[0].tfhd;
    assert!(tfhd.default_base_is_moof && tfhd.base_data_offset.is_none());
    assert_eq!((tfhd.track_id, tfhd.default_sample_duration), (1, Some(1000)));
    assert_eq!(tfhd.default_sample_flags, Some(0x0901_0000));
    assert_eq!(moof.traf[0].tfdt.as_ref().expect("tfdt").base_media_decode_time, 60_000);
    let trun = &moof.traf[0].trun[0];
    let samples: Vec<_> = trun.samples.iter().collect();
    assert_eq!(samples.len(), 60);
    let sizes: Vec<_> = samples.iter().map(|sample| sample.size.expect("a size") as usize).collect();
    assert_eq!((sizes[0], sizes[1], sizes.iter().sum::<usize>()), (40, 10, mdat.data.len()));
    assert_eq!(samples[0].flags, Some(0x0a00_0000));
    assert!(samples[1..].iter().all(|sample| sample.flags.is_none()));
    // Frame 60 is the first of the segment, and each carries its number.
    assert_eq!(mdat.data[..8], 60_u64.to_be_bytes());
    assert_eq!(mdat.data[40..48], 61_u64.to_be_bytes());
    let body = file(&snapshot, "360p", "a1b2c3d4e5-1.m4s");
    let offset = 24 + trun.data_offset.expect("an offset") as usize;
    assert_eq!(body[offset..offset + 8], 60_u64.to_be_bytes());
}

#[test]
fn audio_samples_are_all_sync_samples() {
    let snapshot = ran();
    let (_, moof, _) = segment(file(&snapshot, "audio", "a1b2c3d4e5-1.m4s"));
    assert_eq!(moof.traf[0].tfhd.default_sample_flags, Some(0x0a00_0000));
    assert_eq!(moof.traf[0].tfdt.as_ref().expect("tfdt").base_media_decode_time, 94 * 1024);
    assert!(moof.traf[0].trun[0].samples.iter().all(|sample| sample.flags.is_none() && sample.cts.is_none()));
}

/// One rendition of ten frames a second in segments of five, with `frame` changed before it is pushed.
fn changed(change: impl Fn(u64, &mut Frame)) -> (Packager, std::sync::Arc<Snapshot>) {
    let mut packager = packager(500, 60);
    let rate = FrameRate::new(10, 1);
    let mut feed = Feed::new(&["360p"], rate, rate, 5);
    feed.start(&mut packager, WALL_MS);
    for number in 0..11 {
        let mut frame = feed.next(0);
        change(number, &mut frame);
        packager.push(0, frame).expect("good frames");
    }
    feed.push_until(&mut packager, 1, 1200).expect("good frames");
    let snapshot = packager.take_snapshot(Instant::now()).expect("changed");
    (packager, snapshot)
}

#[test]
fn b_frames_are_shown_from_the_start_of_the_segment_on() {
    // I B P B P, decoded I P B P B: the I is shown two frames after it is decoded.
    let delays = [2, 3, 1, 3, 1].map(|frames| frames * 1000);
    let (_, snapshot) = changed(|number, frame| frame.pts += delays[(number % 5) as usize]);
    for (msn, start) in [(0, 0), (1, 5000)] {
        let (_, moof, _) = segment(file(&snapshot, "360p", &format!("a1b2c3d4e5-{msn}.m4s")));
        assert_eq!(moof.traf[0].tfdt.as_ref().expect("tfdt").base_media_decode_time, start);
        let offsets: Vec<_> =
            moof.traf[0].trun[0].samples.iter().map(|sample| sample.cts.expect("an offset")).collect();
        assert_eq!(offsets, [0, 1000, -1000, 1000, -1000]);
    }
}

#[test]
fn a_keyframe_inside_a_segment_is_marked_and_does_not_cut() {
    let (packager, snapshot) = changed(|number, frame| frame.keyframe |= number == 3);
    let (_, moof, _) = segment(file(&snapshot, "360p", "a1b2c3d4e5-0.m4s"));
    let flags: Vec<_> = moof.traf[0].trun[0].samples.iter().map(|sample| sample.flags.expect("flags")).collect();
    let (sync, other) = (0x0a00_0000, 0x0901_0000);
    assert_eq!(flags, [sync, other, other, sync, other]);
    assert_eq!(packager.counters().segments, 2);
}

#[test]
fn pixels_that_are_not_square_are_said_to_be() {
    let mut packager = packager(500, 60);
    let rate = FrameRate::new(10, 1);
    let mut feed = Feed::new(&["360p"], rate, rate, 5);
    let TrackFormat::Video { params, .. } = &mut feed.renditions[0].1 else { panic!("video") };
    params.sps.sample_aspect = (4, 3);
    feed.start(&mut packager, WALL_MS);
    feed.run(&mut packager, 700, |_| ()).expect("good frames");
    let snapshot = packager.take_snapshot(Instant::now()).expect("changed");
    let (_, moov) = init(&snapshot, "360p");
    let [Codec::Avc1(avc1)] = &moov.trak[0].mdia.minf.stbl.stsd.codecs[..] else { panic!("one avc1") };
    let pasp = avc1.pasp.as_ref().expect("pasp");
    assert_eq!((pasp.h_spacing, pasp.v_spacing, avc1.visual.width), (4, 3, 640));
    assert_eq!(moov.trak[0].tkhd.width.integer(), 853);
    let text = std::str::from_utf8(&snapshot.multivariant.plain).expect("UTF-8");
    assert!(text.contains("RESOLUTION=853x360"));
    assert_eq!(snapshot.renditions[1].media["a1b2c3d4e5-init1.mp4"].content_type, "audio/mp4");
    assert_eq!(TrackKind::Video, feed.renditions[0].1.kind());
}
