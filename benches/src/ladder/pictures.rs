//! How like the source a rendition is, and how x264 was set when it made it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use super::Rung;

/// A rendition beside the source.
pub struct Likeness {
    /// Of all planes, 1 at best.
    pub ssim: f64,
    /// Of all planes, in dB.
    pub psnr: f64,
}

/// Compares the frames of `file` with those of `clip` scaled to the same size, by their numbers.
pub async fn compare(file: &Path, clip: &Path, rung: &Rung) -> Result<Likeness> {
    check_order(file, clip, rung).await?;
    let source = scaled(rung);
    let filters =
        format!("[0:v]{BY_NUMBER},split[a][b];[1:v]{source},split[c][d];[a][c]ssim=shortest=1;[b][d]psnr=shortest=1");
    let text = measure(file, clip, &filters).await?;
    Ok(Likeness { ssim: figure(&text, "SSIM ", "All:")?, psnr: figure(&text, "PSNR ", "average:")? })
}

/// An early frame must be more like the frame of the source with its number than like the one before it or behind it.
async fn check_order(file: &Path, clip: &Path, rung: &Rung) -> Result<()> {
    let source = scaled(rung);
    let mut likeness = Vec::new();
    for other in [CHECKED, CHECKED - 1, CHECKED + 1] {
        let one = |number: u32| format!("trim=start_frame={number}:end_frame={},{BY_NUMBER}", number + 1);
        let filters = format!("[0:v]{BY_NUMBER},{}[a];[1:v]{source},{}[b];[a][b]ssim", one(CHECKED), one(other));
        likeness.push(figure(&measure(file, clip, &filters).await?, "SSIM ", "All:")?);
    }
    let best = likeness.iter().all(|&other| likeness[0] >= other);
    ensure!(best, "{}: its frames are not those of the source with the same numbers: {likeness:?}", rung.name);
    Ok(())
}

/// Late enough for what goes wrong at the start to be seen.
const CHECKED: u32 = 30;
const BY_NUMBER: &str = "settb=1/30,setpts=N";

fn scaled(rung: &Rung) -> String {
    format!("scale={}:{}:flags=bicubic,{BY_NUMBER}", rung.width, rung.height)
}

/// What the filters of ffmpeg say at their end.
async fn measure(file: &Path, clip: &Path, filters: &str) -> Result<String> {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-nostdin", "-nostats", "-i"]).arg(file).arg("-i").arg(clip);
    command.args(["-lavfi", filters, "-f", "null", "-"]).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.context("cannot start ffmpeg")?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "ffmpeg ended with {}:\n{text}", output.status);
    Ok(text)
}

/// The number behind `name` in the last line that has `kind`.
fn figure(text: &str, kind: &str, name: &str) -> Result<f64> {
    let line = text.lines().rfind(|line| line.contains(kind)).with_context(|| format!("no {kind}in:\n{text}"))?;
    let value = line.split_once(name).and_then(|(_, rest)| rest.split_whitespace().next());
    value.with_context(|| format!("no {name} in {line:?}"))?.parse().with_context(|| format!("no number in {line:?}"))
}

/// What x264 was set to, from the note it leaves in the first picture.
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// Reads it from a file.
    pub fn read(file: &Path) -> Result<Self> {
        let bytes = std::fs::read(file)?;
        Self::find(&bytes).with_context(|| format!("{} does not say how x264 was set", file.display()))
    }

    fn find(bytes: &[u8]) -> Option<Self> {
        const MARK: &[u8] = b" - options: ";
        let begin = bytes.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
        let text: String = bytes[begin..]
            .iter()
            .map(|&byte| char::from(byte))
            .take_while(|c| c.is_ascii_graphic() || *c == ' ')
            .collect();
        let pairs = text.split(' ').filter_map(|pair| pair.split_once('='));
        Some(Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }

    /// What is not the same. How far keyframes may be apart is left out: weir asks for each of them itself.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let names = self.0.keys().chain(other.0.keys().filter(|name| !self.0.contains_key(*name)));
        names
            .filter(|name| !name.starts_with("keyint") && self.0.get(*name) != other.0.get(*name))
            .map(|name| format!("{name} {:?} and {:?}", self.0.get(name), other.0.get(name)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_what_ffmpeg_says() {
        let text = "[Parsed_ssim_4 @ 0x1] SSIM Y:0.98 (17.1) U:0.9 (1) V:0.9 (1) All:0.978123 (16.6)\n\
            [Parsed_psnr_5 @ 0x2] PSNR y:36.1 u:40.0 v:41.0 average:36.938 min:30 max:50\n";
        assert_eq!(figure(text, "SSIM ", "All:").unwrap(), 0.978123);
        assert_eq!(figure(text, "PSNR ", "average:").unwrap(), 36.938);
        assert!(figure(text, "VMAF ", "All:").is_err());
    }

    #[test]
    fn other_settings_are_found_but_for_the_distance_of_keyframes() {
        let note =
            |text: &str| Settings::find(format!("mdat x264 - core 164 - options: {text}\0\u{80}").as_bytes()).unwrap();
        let (a, b) = (note("ref=1 keyint=60 threads=1"), note("ref=1 keyint=infinite threads=3 aq=1"));
        assert_eq!(a.differences(&b), [r#"threads Some("1") and Some("3")"#, r#"aq None and Some("1")"#]);
        assert!(a.differences(&a).is_empty());
        assert!(Settings::find(b"mdat").is_none());
    }
}
