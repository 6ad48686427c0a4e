use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use weir_media::{TrackFormat, nal_units};

use super::Track;

/// Mean brightness of a decoded picture.
pub type Picture = u8;

/// Decodes a video rendition with ffmpeg, which must have nothing to complain about.
pub fn decode_video(track: &Track) -> Vec<Picture> {
    shrunk(track, 1, 1)
}

/// Mean brightness of the 16 by 9 tiles of each decoded picture.
pub fn decode_tiles(track: &Track) -> Vec<Vec<u8>> {
    shrunk(track, 16, 9).chunks(16 * 9).map(<[u8]>::to_vec).collect()
}

fn shrunk(track: &Track, width: u32, height: u32) -> Vec<u8> {
    let Some(TrackFormat::Video { params, .. }) = &track.format else { panic!("not video: {:?}", track.format) };
    let mut stream = Vec::new();
    let mut unit = |nal: &[u8]| {
        stream.extend_from_slice(&[0, 0, 0, 1]);
        stream.extend_from_slice(nal);
    };
    for set in parameter_sets(&params.avcc) {
        unit(set);
    }
    for frame in &track.frames {
        nal_units(&frame.data, params.nal_length_size).for_each(&mut unit);
    }
    let scale = format!("scale={width}:{height}:flags=area,setsar=1");
    ffmpeg("h264", &stream, &["-vsync", "passthrough", "-vf", &scale, "-pix_fmt", "gray", "-f", "rawvideo"])
}

/// The SPS and PPS of an `AVCDecoderConfigurationRecord` with one of each.
fn parameter_sets(avcc: &[u8]) -> [&[u8]; 2] {
    let sps = 8 + usize::from(u16::from_be_bytes([avcc[6], avcc[7]]));
    let pps = sps + 3;
    [&avcc[8..sps], &avcc[pps..pps + usize::from(u16::from_be_bytes([avcc[sps + 1], avcc[sps + 2]]))]]
}

/// Decodes the audio rendition with ffmpeg to mono samples.
pub fn decode_audio(track: &Track) -> Vec<i16> {
    let mut stream = Vec::new();
    for frame in &track.frames {
        let length = frame.data.len() + 7;
        // ADTS: MPEG-4, no CRC, LC, 48 kHz, two channels.
        stream.extend_from_slice(&[0xff, 0xf1, 0x4c, 0x80 | (length >> 11) as u8, (length >> 3) as u8]);
        stream.extend_from_slice(&[(length << 5) as u8 | 0x1f, 0xfc]);
        stream.extend_from_slice(&frame.data);
    }
    let bytes = ffmpeg("aac", &stream, &["-ac", "1", "-f", "s16le"]);
    bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

fn ffmpeg(format: &str, stream: &[u8], to: &[&str]) -> Vec<u8> {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "warning", "-nostdin", "-f", format, "-i", "pipe:0"])
        .args(to)
        .arg("pipe:1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ffmpeg runs");
    let mut stdin = child.stdin.take().expect("piped");
    let output = thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(stream).expect("ffmpeg reads"));
        child.wait_with_output().expect("ffmpeg ends")
    });
    // Bare streams carry no times, AAC's bit rate can only be guessed, pictures of one pixel have hardly any: it says so of
    // every one.
    let harmless = [
        "bitrate parameter is set too low",
        "Estimating duration from bitrate",
        "Timestamps are unset",
        "-vsync is deprecated",
    ];
    let text = String::from_utf8_lossy(&output.stderr);
    let complaints: Vec<&str> =
        text.lines().filter(|line| !harmless.iter().any(|known| line.contains(known))).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    output.stdout
}
