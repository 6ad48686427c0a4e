//! Transport streams as ffmpeg writes them, in every shape: the demultiplexer finds what ffprobe finds.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use weir_ingest::IngestEvent;
use weir_ingest::ts::Demux;
use weir_media::TrackKind;
use weir_testkit::{Probe, Source};

const UNIT_BYTES_MAX: usize = 8 << 20;
/// Times have 33 bits; ffprobe follows them past their wrap.
const TIMES: i64 = 1 << 33;

/// Presentation and decoding times, and whether decoding can start there.
type Seen = Vec<(i64, i64, bool)>;

/// What comes out of `bytes`, handed over in pieces as SRT would: picture and sound.
fn demux(bytes: &[u8], piece: usize) -> Result<(Seen, Seen)> {
    let mut demux = Demux::new(UNIT_BYTES_MAX);
    for piece in bytes.chunks(piece) {
        demux.push(piece)?;
    }
    demux.finish()?;
    ensure!(demux.continuity_errors() == 0, "{} continuity errors", demux.continuity_errors());
    let (mut video, mut audio) = (Vec::new(), Vec::new());
    while let Some(event) = demux.pop() {
        match event {
            IngestEvent::Frame(frame) => {
                let track = if frame.kind == TrackKind::Video { &mut video } else { &mut audio };
                track.push((frame.pts.rem_euclid(TIMES), frame.dts.rem_euclid(TIMES), frame.keyframe));
            }
            IngestEvent::Lost { .. } => bail!("nothing is lost here"),
            _ => {}
        }
    }
    Ok((video, audio))
}

/// Fails at the first frame that differs.
fn same(found: &Seen, expected: &Seen, what: &str) {
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found, expected, "{what}: frame {index}");
    }
    assert_eq!(found.len(), expected.len(), "{what}");
}

/// What ffprobe lists: picture and sound.
async fn probed(file: &Path) -> Result<(Seen, Seen)> {
    let seen = |probe: Probe| -> Result<Seen> {
        let (pts, dts, keyframes) = (probe.pts()?, probe.dts()?, probe.keyframes());
        let times = pts.iter().zip(&dts).zip(keyframes);
        Ok(times.map(|((pts, dts), key)| (pts.rem_euclid(TIMES), dts.rem_euclid(TIMES), key)).collect())
    };
    Ok((seen(Probe::video(file).await?)?, seen(Probe::audio(file).await?)?))
}

#[tokio::test]
async fn every_shape_gives_the_frames_that_ffprobe_lists() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source { seconds: Some(3), bframes: 2, kbps: 400, ..Source::default() };
    let shapes: [(&str, &[&str]); 8] = [
        ("plain", &[]),
        ("latm", &["-mpegts_flags", "latm"]),
        ("tables at frames", &["-mpegts_flags", "+pat_pmt_at_frames+resend_headers+initial_discontinuity"]),
        ("video with lengths", &["-omit_video_pes_length", "0"]),
        ("constant rate", &["-muxrate", "2M"]),
        ("one frame of sound a packet", &["-pes_payload_size", "0"]),
        ("large packets of sound", &["-pes_payload_size", "60000"]),
        ("across the wrap of times", &["-output_ts_offset", "95442"]),
    ];
    for (name, options) in shapes {
        let file = folder.path().join("clip.ts");
        source.write_ts(options, &file).await.unwrap();
        let bytes = std::fs::read(&file).unwrap();
        let expected = probed(&file).await.unwrap();
        assert!(expected.0.len() >= 89 && expected.1.len() >= 139, "{name}");
        for piece in [1316, 188, 1000, bytes.len()] {
            let found = demux(&bytes, piece).unwrap();
            same(&found.0, &expected.0, &format!("{name}, picture, in pieces of {piece}"));
            same(&found.1, &expected.1, &format!("{name}, sound, in pieces of {piece}"));
        }
    }
}

#[tokio::test]
async fn packets_of_192_and_204_bytes_give_the_same_as_those_of_188() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clip.ts");
    let source = Source { seconds: Some(2), ..Source::default() };
    source.write_ts(&[], &file).await.unwrap();
    let bytes = std::fs::read(&file).unwrap();
    let expected = demux(&bytes, 1316).unwrap();
    assert!(!expected.0.is_empty() && !expected.1.is_empty());
    let coded: Vec<u8> = bytes.chunks(188).flat_map(|packet| [&[9, 1, 2, 3], packet].concat()).collect();
    let checked: Vec<u8> = bytes.chunks(188).flat_map(|packet| [packet, &[0x47; 16]].concat()).collect();
    assert_eq!(demux(&coded, 1316).unwrap(), expected);
    assert_eq!(demux(&checked, 1316).unwrap(), expected);

    // As ffmpeg writes discs, where AAC has no type of its own and cannot be told from data.
    source.write_ts(&["-mpegts_m2ts_mode", "1"], &file).await.unwrap();
    let (found, expected) = (demux(&std::fs::read(&file).unwrap(), 1316).unwrap(), probed(&file).await.unwrap());
    same(&found.0, &expected.0, "192 bytes of ffmpeg");
}

#[tokio::test]
async fn a_hole_costs_the_pictures_it_hits_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clip.ts");
    Source { seconds: Some(3), ..Source::default() }.write_ts(&[], &file).await.unwrap();
    let bytes = std::fs::read(&file).unwrap();
    let whole = demux(&bytes, 1316).unwrap().0;
    let mut demux = Demux::new(UNIT_BYTES_MAX);
    let (mut times, mut lost) = (Vec::new(), 0);
    for (number, piece) in bytes.chunks(1316).enumerate() {
        match number % 40 {
            39 => demux.lost(),
            _ => demux.push(piece).unwrap(),
        }
        while let Some(event) = demux.pop() {
            match event {
                IngestEvent::Frame(frame) if frame.kind == TrackKind::Video => times.push(frame.dts),
                IngestEvent::Lost { frames, .. } => lost += frames as usize,
                _ => {}
            }
        }
    }
    let holes = bytes.len() / 1316 / 40;
    assert!(holes >= 3 && lost >= holes / 2, "{holes} holes, {lost} pictures said to be lost");
    assert!(times.len() + 3 * holes >= whole.len(), "{} of {} pictures came", times.len(), whole.len());
    assert!(times.iter().all(|dts| whole.iter().any(|(_, known, _)| known == dts)));
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source { seconds: Some(1), ..Source::default() };
    for (options, name) in [
        (&["-c:v", "mpeg2video"][..], "video is MPEG-2 video; send H.264"),
        (&["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error"], "video is HEVC; send H.264"),
        (&["-c:a", "mp2"], "audio is MPEG audio (MP2 or MP3); send AAC"),
        (&["-c:a", "ac3"], "audio is AC-3; send AAC"),
        (&["-c:a", "libopus"], "audio is Opus; send AAC"),
    ] {
        let file = folder.path().join("clip.ts");
        source.write_ts(options, &file).await.unwrap();
        let error = Demux::new(UNIT_BYTES_MAX).push(&std::fs::read(&file).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), name);
    }
}
