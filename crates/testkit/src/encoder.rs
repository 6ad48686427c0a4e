use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::process::{Process, run_tool};

/// The longest that making a test clip may take on two busy cores.
const CLIP_TIMEOUT: Duration = Duration::from_secs(180);

/// The sound of a [`Source`].
#[derive(Debug, Clone, Copy)]
pub enum Audio {
    /// No audio track at all.
    None,
    /// A sine tone in AAC-LC.
    Sine {
        /// Samples per second.
        rate: u32,
        /// An ffmpeg channel layout: `mono`, `stereo`, `5.1`.
        layout: &'static str,
    },
}

/// A moving test picture with a tone, H.264 and AAC, closed GOPs.
#[derive(Debug, Clone)]
pub struct Source {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames per second as ffmpeg reads it, for example `30000/1001`.
    pub rate: &'static str,
    /// Length; without one it goes on until stopped.
    pub seconds: Option<u32>,
    /// Frames from one keyframe to the next.
    pub gop: u32,
    /// B-frames in a row.
    pub bframes: u32,
    /// The sound.
    pub audio: Audio,
    /// Bit rate of the picture.
    pub kbps: u32,
    /// Whether the wall clock is burnt into the picture, as `scripts/clock-filter` does it, and nothing is delayed.
    pub clock: bool,
}

impl Default for Source {
    /// 640x360 at 30 frames per second with a keyframe every second and stereo sound, endless.
    fn default() -> Self {
        Self {
            width: 640,
            height: 360,
            rate: "30",
            seconds: None,
            gop: 30,
            bframes: 0,
            audio: Audio::Sine { rate: 48_000, layout: "stereo" },
            kbps: 800,
            clock: false,
        }
    }
}

impl Source {
    /// The arguments of ffmpeg from the inputs to the muxer's name, which is that of FLV or, for SRT, MPEG-TS. `live`
    /// reads in real time.
    fn ffmpeg_args(&self, live: bool, muxer: &str) -> Result<Vec<String>> {
        let mut line = String::from("-hide_banner -nostdin -nostats -loglevel info -y");
        let pace = if live { " -re" } else { "" };
        let Self { width, height, rate, gop, bframes, kbps, .. } = self;
        // Writing to a String cannot fail.
        let _ = write!(line, "{pace} -f lavfi -i testsrc2=size={width}x{height}:rate={rate}");
        if let Audio::Sine { rate, .. } = self.audio {
            let _ = write!(line, "{pace} -f lavfi -i sine=frequency=440:sample_rate={rate}");
        }
        let _ = write!(line, " -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g {gop} -keyint_min {gop}");
        let _ = write!(line, " -sc_threshold 0 -bf {bframes} -b:v {kbps}k -maxrate {kbps}k -bufsize {kbps}k");
        if let Audio::Sine { rate, layout } = self.audio {
            let _ = write!(line, " -c:a aac -b:a 128k -ar {rate} -channel_layout {layout}");
        }
        if let Some(seconds) = self.seconds {
            let _ = write!(line, " -t {seconds}");
        }
        if self.clock {
            // No blanks are in it.
            let _ =
                write!(line, " -tune zerolatency -flush_packets 1 -vf {},format=yuv420p", clock_filter(*width, rate)?);
        }
        if muxer == "flv" {
            line.push_str(" -flvflags no_duration_filesize");
        }
        let _ = write!(line, " -f {muxer}");
        Ok(line.split(' ').map(str::to_owned).collect())
    }

    /// Encodes it as fast as the machine can into the FLV file `file`; wants a length.
    pub async fn write_clip(&self, file: &Path) -> Result<()> {
        anyhow::ensure!(self.seconds.is_some(), "an endless clip");
        let mut args = self.ffmpeg_args(false, "flv")?;
        args.push(file.to_str().context("a path that is not UTF-8")?.to_owned());
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        run_tool("ffmpeg", &args, CLIP_TIMEOUT).await.map(drop)
    }

    /// Encodes it as fast as the machine can into the MPEG-TS file `file`, with further options of ffmpeg; wants a length.
    pub async fn write_ts(&self, options: &[&str], file: &Path) -> Result<()> {
        anyhow::ensure!(self.seconds.is_some(), "an endless clip");
        let args = self.ffmpeg_args(false, "mpegts")?;
        let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
        args.extend(options);
        args.push(file.to_str().context("a path that is not UTF-8")?);
        run_tool("ffmpeg", &args, CLIP_TIMEOUT).await.map(drop)
    }

    /// Has ffmpeg encode it in real time and push it to an RTMP, RTMPS or SRT URL.
    pub fn push(&self, url: &str) -> Result<Process> {
        let muxer = if url.starts_with("srt:") { "mpegts" } else { "flv" };
        let mut command = Command::new("ffmpeg");
        command.args(self.ffmpeg_args(true, muxer)?).arg(url);
        Process::spawn("ffmpeg", command, &[])
    }

    /// Has GStreamer encode it in real time and push it by `rtmp2sink`. B-frames and bit rate are not followed,
    /// and the sound is stereo at the rate asked for.
    pub fn push_by_gstreamer(&self, url: &str) -> Result<Process> {
        let Self { width, height, gop, .. } = self;
        let rate = if self.rate.contains('/') { self.rate.to_owned() } else { format!("{}/1", self.rate) };
        let frames_per_second: u32 = self.rate.split('/').next().and_then(|n| n.parse().ok()).unwrap_or(30);
        let frames = self.seconds.map_or(-1, |seconds| i64::from(seconds * frames_per_second));
        let mut line = format!(
            "-q -e flvmux name=mux streamable=true ! rtmp2sink location={url} tls-validation-flags=0 \
             videotestsrc is-live=true pattern=ball num-buffers={frames} \
             ! video/x-raw,format=I420,width={width},height={height},framerate={rate} \
             ! x264enc speed-preset=ultrafast tune=zerolatency key-int-max={gop} ! video/x-h264,profile=baseline \
             ! h264parse ! queue ! mux."
        );
        if let Audio::Sine { rate: hertz, .. } = self.audio {
            // One audio buffer as long as one video frame lets both ends meet.
            let samples = hertz / frames_per_second;
            let _ = write!(
                line,
                " audiotestsrc is-live=true num-buffers={frames} samplesperbuffer={samples} \
                 ! audio/x-raw,rate={hertz},channels=2 ! avenc_aac ! aacparse ! queue ! mux."
            );
        }
        let mut command = Command::new("gst-launch-1.0");
        command.args(line.split_whitespace());
        Process::spawn("gst-launch-1.0", command, &[])
    }
}

/// The filter that burns the wall clock into the picture, from the script that the demo uses too.
fn clock_filter(width: u32, rate: &str) -> Result<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/clock-filter");
    let output = std::process::Command::new(script).args([&width.to_string(), rate]).output();
    let output = output.with_context(|| format!("cannot run {script}"))?;
    anyhow::ensure!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Has ffmpeg push the file `clip` in real time as it is, without encoding; `options` come before the URL.
pub fn push_clip(clip: &Path, options: &[&str], url: &str) -> Result<Process> {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-nostdin", "-nostats", "-loglevel", "info", "-re", "-i"]).arg(clip);
    command.args(["-c", "copy", "-flvflags", "no_duration_filesize"]).args(options).args(["-f", "flv", url]);
    Process::spawn("ffmpeg", command, &[])
}
