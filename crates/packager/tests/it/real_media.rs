//! Frames of x264 and of an AAC encoder, through the packager, judged by ffprobe and ffmpeg.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use bytes::Bytes;
use weir_media::{AudioParams, Frame, FrameRate, TrackFormat, TrackKind, VideoParams};
use weir_packager::{Packager, Snapshot};

use crate::observer::{owner, parse};
use crate::support::{Feed, WALL_MS, packager};

/// What ffmpeg wrote as FLV: parameters, and frames as they came.
#[derive(Default)]
struct Clip {
    avcc: Bytes,
    asc: Bytes,
    /// Data, composition offset in milliseconds, keyframe.
    video: Vec<(Bytes, i64, bool)>,
    audio: Vec<Bytes>,
}

fn run(program: &str, arguments: &[&str], directory: &Path) -> Output {
    let output = Command::new(program).args(arguments).current_dir(directory).output().expect("installed");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// A moving picture of that many frames, with a keyframe every `gop` frames, and a tone that lasts a little longer.
fn clip(size: &str, rate: FrameRate, frames: u32, gop: u32, b_frames: u32) -> Clip {
    let seconds = f64::from(frames) * f64::from(rate.den) / f64::from(rate.num);
    let picture = format!("testsrc2=size={size}:rate={}/{}", rate.num, rate.den);
    let arguments = format!(
        "-v error -f lavfi -t {seconds} -i {picture} -f lavfi -t {} -i sine=440:sample_rate=48000 \
         -c:v libx264 -preset ultrafast -profile:v main -bf {b_frames} -g {gop} -sc_threshold 0 -pix_fmt yuv420p \
         -c:a aac -ac 2 -f flv -flvflags no_duration_filesize -",
        seconds + 0.2
    );
    let arguments: Vec<_> = arguments.split_whitespace().collect();
    let clip = flv(&run("ffmpeg", &arguments, Path::new(".")).stdout);
    assert_eq!(clip.video.len(), frames as usize);
    clip
}

/// Adobe's FLV specification, annex E.
fn flv(file: &[u8]) -> Clip {
    let mut clip = Clip::default();
    let mut rest = &file[13..];
    while rest.len() > 15 {
        let length = u32::from_be_bytes([0, rest[1], rest[2], rest[3]]) as usize;
        let body = &rest[11..11 + length];
        match (rest[0], body) {
            (8, [_, 0, asc @ ..]) => clip.asc = Bytes::copy_from_slice(asc),
            (8, [_, 1, data @ ..]) => clip.audio.push(Bytes::copy_from_slice(data)),
            (9, [_, 0, _, _, _, avcc @ ..]) => clip.avcc = Bytes::copy_from_slice(avcc),
            (9, [kind, 1, a, b, c, data @ ..]) => {
                let offset = i64::from(i32::from_be_bytes([*a, *b, *c, 0]) >> 8);
                clip.video.push((Bytes::copy_from_slice(data), offset, kind >> 4 == 1));
            }
            _ => {}
        }
        rest = &rest[15 + length..];
    }
    clip
}

/// Pushes clips as the renditions of one epoch.
fn push(packager: &mut Packager, clips: &[(&str, &Clip)], rate: FrameRate, gop: u32, wall_ms: i64) {
    let names: Vec<_> = clips.iter().map(|(name, _)| *name).collect();
    let mut feed = Feed::new(&names, rate, rate, gop);
    let audio = AudioParams::from_asc(clips[0].1.asc.clone()).expect("an AudioSpecificConfig");
    for (index, (_, clip)) in clips.iter().enumerate() {
        let params = VideoParams::from_avcc(clip.avcc.clone()).expect("an avcC");
        feed.renditions[index].1 = TrackFormat::Video { params, frame_rate: rate };
    }
    feed.renditions[names.len()].1 = TrackFormat::Audio { params: audio };
    feed.start(packager, wall_ms);
    let ticks = i64::from(rate.frame_ticks());
    for number in 0..clips[0].1.video.len() {
        for (index, (_, clip)) in clips.iter().enumerate() {
            let (data, offset_ms, keyframe) = clip.video[number].clone();
            let frames = (offset_ms * i64::from(rate.num) + 500 * i64::from(rate.den)) / (1000 * i64::from(rate.den));
            let dts = number as i64 * ticks;
            let frame = Frame { kind: TrackKind::Video, dts, pts: dts + frames * ticks, keyframe, data };
            packager.push(index, frame).expect("good frames");
        }
    }
    for (number, data) in clips[0].1.audio.iter().enumerate() {
        let dts = number as i64 * 1024;
        let frame = Frame { kind: TrackKind::Audio, dts, pts: dts, keyframe: true, data: data.clone() };
        packager.push(names.len(), frame).expect("good frames");
    }
    packager.end_epoch();
}

/// Writes a snapshot as an origin would serve it.
fn write(snapshot: &Snapshot) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("index.m3u8"), &snapshot.multivariant.plain).expect("writable");
    for rendition in &snapshot.renditions {
        let path = directory.path().join(&rendition.name);
        std::fs::create_dir(&path).expect("writable");
        std::fs::write(path.join("index.m3u8"), &rendition.playlist.plain).expect("writable");
        for (name, file) in &rendition.media {
            std::fs::write(path.join(name), file.pieces.concat()).expect("writable");
        }
    }
    directory
}

/// The initialisation section and all segments of a rendition in one file, as MSE would be fed.
fn concatenated(snapshot: &Snapshot, rendition: &str, directory: &Path) -> PathBuf {
    let media = &snapshot.rendition(rendition).expect("there").media;
    let mut bytes = media["a1b2c3d4e5-init1.mp4"].pieces.concat();
    for msn in 0.. {
        let Some(file) = media.get(&format!("a1b2c3d4e5-{msn}.m4s")) else { break };
        bytes.extend_from_slice(&file.pieces.concat());
    }
    let path = directory.join(format!("{rendition}.mp4"));
    std::fs::write(&path, bytes).expect("writable");
    path
}

/// Presentation times and flags of all packets, sorted, as ffprobe reads them; it must have nothing to complain about.
fn packets(path: &Path) -> Vec<(i64, bool)> {
    let directory = path.parent().expect("a directory");
    let name = path.to_str().expect("UTF-8");
    let output =
        run("ffprobe", &["-v", "warning", "-show_entries", "packet=pts,flags", "-of", "csv=p=0", name], directory);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let line = |line: &str| {
        let (pts, flags) = line.split_once(',').expect("two fields");
        (pts.parse().expect("a time"), flags.starts_with('K'))
    };
    let mut packets: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().map(line).collect();
    packets.sort();
    packets
}

/// Frames that ffmpeg decodes of a file or playlist, without one word of complaint.
fn decoded(input: &Path, kind: &str) -> usize {
    decoded_at("warning", input, kind)
}

/// The same with only messages of that level and above counting as complaints.
fn decoded_at(level: &str, input: &Path, kind: &str) -> usize {
    let directory = input.parent().expect("a directory");
    let name = input.to_str().expect("UTF-8");
    let arguments = ["-v", level, "-xerror", "-i", name, "-map", &format!("0:{kind}:0"), "-f", "framecrc", "-"];
    let output = run("ffmpeg", &arguments, directory);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8_lossy(&output.stdout).lines().filter(|line| !line.starts_with('#')).count()
}

fn every_frame_arrives(rate: FrameRate, b_frames: u32) {
    let gop = rate.frames_in_millis(1000);
    let frames = gop * 3 + gop / 2;
    let (large, small) = (clip("320x180", rate, frames, gop, b_frames), clip("160x90", rate, frames, gop, b_frames));
    let mut packager = packager(1000, 60);
    push(&mut packager, &[("720p", &large), ("360p", &small)], rate, gop, WALL_MS);
    packager.end();
    assert_eq!(packager.counters().segments, 4);
    let snapshot = packager.take_snapshot(Instant::now()).expect("changed");
    let directory = write(&snapshot);
    for name in ["720p", "360p"] {
        let path = concatenated(&snapshot, name, directory.path());
        let ticks = i64::from(rate.frame_ticks());
        // In order of presentation every frame is there, none twice. ffmpeg's reader shifts all of them by the most
        // negative composition offset, also those of its own CMAF files; where they begin is tested on the boxes.
        let mut found = packets(&path);
        let shift = if b_frames > 0 { ticks } else { 0 };
        found.iter_mut().for_each(|(pts, _)| *pts -= shift);
        let times: Vec<_> = found.iter().map(|&(pts, _)| pts).collect();
        assert_eq!(times, (0..i64::from(frames)).map(|number| number * ticks).collect::<Vec<_>>(), "{name}");
        let keys: Vec<_> = found.iter().filter(|(_, key)| *key).map(|&(pts, _)| pts / ticks).collect();
        assert_eq!(keys, (0..4).map(|k| k * i64::from(gop)).collect::<Vec<_>>(), "{name}");
        assert_eq!(decoded(&path, "v"), frames as usize, "{name}");
        assert_eq!(decoded(&directory.path().join(name).join("index.m3u8"), "v"), frames as usize, "{name}");
    }
    let path = concatenated(&snapshot, "audio", directory.path());
    let times: Vec<_> = packets(&path).iter().map(|&(pts, _)| pts).collect();
    // The tone is cut where the picture ends.
    let (num, den) = (1024 * u64::from(rate.num), 48_000 * u64::from(rate.den));
    let audio = (u64::from(frames) * den).div_ceil(num) as usize;
    assert!(audio < large.audio.len());
    assert_eq!(times, (0..audio as i64).map(|number| number * 1024).collect::<Vec<_>>());
    assert_eq!(decoded(&path, "a"), audio);
    assert_eq!(decoded(&directory.path().join("index.m3u8"), "v"), frames as usize);
}

#[test]
fn ffmpeg_decodes_every_frame() {
    every_frame_arrives(FrameRate::new(30_000, 1001), 0);
}

#[test]
fn ffmpeg_decodes_every_frame_when_there_are_b_frames() {
    every_frame_arrives(FrameRate::new(25, 1), 2);
}

#[test]
fn ffmpeg_plays_over_a_joint_to_another_ladder() {
    let rate = FrameRate::new(25, 1);
    let (large, small) = (clip("320x180", rate, 60, 25, 0), clip("160x90", rate, 60, 25, 0));
    let mut packager = packager(1000, 60);
    push(&mut packager, &[("720p", &large), ("360p", &small)], rate, 25, WALL_MS);
    push(&mut packager, &[("360p", &small)], rate, 25, WALL_MS + 10_000);
    packager.end();
    let snapshot = packager.take_snapshot(Instant::now()).expect("changed");
    let directory = write(&snapshot);
    // ffmpeg's HLS reader keeps to the first initialisation section and warns when one follows, so it is given the
    // playlist whose format stays.
    assert_eq!(decoded_at("error", &directory.path().join("360p").join("index.m3u8"), "v"), 120);
    // The other playlist changes to the other rendition: what it names between two maps must decode by itself.
    let parsed = parse(&snapshot.rendition("720p").expect("there").playlist.plain);
    for (run, joint) in [(&parsed.entries[..3], false), (&parsed.entries[3..], true)] {
        assert_eq!(run[0].discontinuity, joint);
        let names = std::iter::once(&run[0].map).chain(run.iter().map(|entry| &entry.uri));
        let bytes: Vec<u8> = names
            .flat_map(|uri| {
                let (rendition, file) = owner("720p", uri);
                snapshot.rendition(rendition).expect("there").media[file].pieces.concat()
            })
            .collect();
        let path = directory.path().join(format!("run-{joint}.mp4"));
        std::fs::write(&path, bytes).expect("writable");
        assert_eq!(decoded(&path, "v"), 60);
    }
}
