//! What the contenders are fed with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use weir_testkit::{Probe, run_tool};

use super::spent::Spent;
use super::{CLIP, arguments};

/// Length of the clip made here. A start (loading of libraries, first touch of memory) takes a fifth of a second of weir's CPU, and nothing of
/// an hour of stream, so it is no shorter.
const SECONDS: u32 = 30;
/// Of a clip that is given, no more is taken.
pub const SECONDS_MAX: u32 = 60;
const MADE_WITHIN: Duration = Duration::from_secs(600);

/// A picture with detail at every size, as nature has it: noise, enlarged, with finer noise on top, and so on; not too
/// colourful. It is panned and turned a little, which no encoder can do with whole pixels; a sharp, coloured picture
/// moves across it, every five seconds there is a cut, and all of it has grain. The same bytes on every machine with
/// the same ffmpeg.
const PICTURE: &str = "color=gray:s=16x9:r=30:d=0.03,format=yuv444p,noise=alls=100:allf=u:all_seed=1,\
    scale=64:36:flags=bicubic,noise=alls=60:allf=u:all_seed=2,scale=256:144:flags=bicubic,noise=alls=30:allf=u:all_seed=3,\
    scale=1024:576:flags=bicubic,noise=alls=14:allf=u:all_seed=4,scale=2560:1440:flags=bicubic,\
    noise=alls=6:allf=u:all_seed=5,hue=s=0.35,loop=-1:1:0,setpts=N/30/TB,\
    crop=2048:1152:x=256+250*sin(t/3):y=144+140*cos(t/4),rotate=0.04*sin(t/2),crop=1920:1080,\
    negate=enable=gte(mod(t\\,10)\\,5),format=yuv420p[back];testsrc2=s=480x270:r=30[front];\
    [back][front]overlay=x=720+600*sin(t*1.3):y=405+350*sin(t*1.7),noise=alls=4:allf=t+u:all_seed=6[v]";
const SOUND: &str =
    "aevalsrc=0.3*sin(440*2*PI*t)+0.05*(random(0)-0.5)|0.3*sin(554*2*PI*t)+0.05*(random(1)-0.5):s=48000";

/// A file that an encoder could have sent, as [`CLIP`] in the folder of the comparison.
pub struct Clip {
    /// For people.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Number of pictures.
    pub frames: usize,
    /// Duration.
    pub seconds: f64,
}

impl Clip {
    /// Seconds of CPU for each second of the clip.
    pub fn share(&self, spent: &Spent) -> f64 {
        spent.cpu.as_secs_f64() / self.seconds
    }

    /// Makes one.
    pub async fn make(folder: &Path) -> Result<Self> {
        let path = folder.join(CLIP);
        println!("making a clip of {SECONDS} s");
        let mut args = arguments("-v error -nostdin -y -filter_complex");
        args.extend([PICTURE.to_owned(), "-f".to_owned(), "lavfi".to_owned(), "-i".to_owned(), SOUND.to_owned()]);
        args.extend(arguments(&format!(
            "-map [v] -map 0:a -t {SECONDS} -c:v libx264 -preset veryfast -profile:v high"
        )));
        // Below the rate of the best rung, so that it may be copied.
        args.extend(arguments("-b:v 4800k -maxrate 4800k -bufsize 4800k -g 60 -keyint_min 60 -sc_threshold 0"));
        args.extend(arguments("-c:a aac -b:a 128k -f flv"));
        ffmpeg(&args, &path).await?;
        Self::new("A clip made for this (fractal noise that pans and turns, a test card before it, cuts, grain)", path)
            .await
    }

    /// Takes one that is there: into the container of RTMP once, so that no contender pays for that.
    pub async fn take(given: &Path, folder: &Path) -> Result<Self> {
        let path = folder.join(CLIP);
        let from = given.to_str().context("a path that is not UTF-8")?;
        let mut args = arguments("-v error -nostdin -y -i");
        args.push(from.to_owned());
        args.extend(arguments(&format!("-map 0:v:0 -map 0:a:0 -t {SECONDS_MAX} -c copy -f flv")));
        ffmpeg(&args, &path).await?;
        let name = given.file_name().map_or("A clip".into(), |name| name.to_string_lossy());
        Self::new(&name, path).await
    }

    async fn new(name: &str, path: PathBuf) -> Result<Self> {
        let frames = Probe::video(&path).await?.frames();
        let text = path.to_str().context("a path that is not UTF-8")?;
        let args = ["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", text];
        let output = run_tool("ffprobe", &args, MADE_WITHIN).await?;
        let seconds = String::from_utf8(output)?.trim().parse()?;
        Ok(Self { name: name.to_owned(), path, frames, seconds })
    }
}

async fn ffmpeg(args: &[String], to: &Path) -> Result<()> {
    let to = to.to_str().context("a path that is not UTF-8")?;
    let args: Vec<&str> = args.iter().map(String::as_str).chain([to]).collect();
    run_tool("ffmpeg", &args, MADE_WITHIN).await.map(drop)
}
