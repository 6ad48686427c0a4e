use std::process::{Command, Stdio};

use bytes::{Buf, Bytes};
use weir_media::{AudioParams, Frame, TrackKind, VideoParams};

use super::Source;

/// Runs `ffmpeg ARGS -f flv` and takes its output apart (Adobe FLV 10.1, annex E).
pub fn source(args: &str) -> Source {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin"])
        .args(args.split_ascii_whitespace())
        .args(["-f", "flv", "pipe:1"])
        .stderr(Stdio::inherit())
        .output()
        .expect("ffmpeg runs");
    assert!(output.status.success(), "ffmpeg {args}");
    demux(output.stdout.into())
}

fn demux(mut flv: Bytes) -> Source {
    flv.advance(9 + 4);
    let (mut video, mut audio, mut frames) = (None, None, Vec::new());
    while flv.len() > 11 {
        let kind = flv.get_u8();
        let length = flv.get_uint(3) as usize;
        let low = flv.get_uint(3) as i64;
        let dts = (i64::from(flv.get_u8()) << 24 | low) * 90;
        flv.advance(3);
        let mut body = flv.split_to(length);
        flv.advance(4);
        match kind {
            9 => {
                let keyframe = body.get_u8() >> 4 == 1;
                let packet = body.get_u8();
                let offset = body.get_int(3) * 90;
                match packet {
                    0 => video = Some(VideoParams::from_avcc(body).expect("avcC")),
                    1 => frames.push(Frame { kind: TrackKind::Video, dts, pts: dts + offset, keyframe, data: body }),
                    _ => {}
                }
            }
            8 => {
                body.advance(1);
                match body.get_u8() {
                    0 => audio = Some(AudioParams::from_asc(body).expect("ASC")),
                    _ => frames.push(Frame { kind: TrackKind::Audio, dts, pts: dts, keyframe: true, data: body }),
                }
            }
            _ => {}
        }
    }
    Source { video: video.expect("video"), audio, frames }
}
