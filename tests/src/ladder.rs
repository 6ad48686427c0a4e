use std::path::Path;

use anyhow::{Context, Result, ensure};
use weir_testkit::cmaf::{Init, samples};
use weir_testkit::{Download, Piece, Probe, decode};

/// Samples in an AAC frame.
const AAC_FRAME: i64 = 1024;
/// How much the sum of a segment's frames and its EXTINF may differ: a digit of six decimals.
const EXTINF_TOLERANCE_US: i64 = 1;

/// A video rendition as it should have come out.
#[derive(Debug, Clone, Copy)]
pub struct Rendition {
    /// The name in its URL.
    pub name: &'static str,
    /// Width and height in pixels.
    pub size: (i64, i64),
    /// Frames per second as ffprobe writes it.
    pub rate: &'static str,
    /// How many frames it must hold, give or take one.
    pub frames: usize,
}

/// Where a segment lies on the timeline of its track.
#[derive(Debug, Clone, Copy)]
struct Span {
    msn: u64,
    start: i64,
    end: i64,
    timescale: i64,
    date_ms: i64,
}

/// Judges an ended ladder of one epoch: every video rendition as wanted, audio after them, all cut alike.
pub async fn check_ladder(downloads: &[Download], wanted: &[Rendition], folder: &Path) -> Result<()> {
    let (audio, video) = downloads.split_last().context("no rendition at all")?;
    ensure!(video.len() == wanted.len(), "{} video renditions, wanted {}", video.len(), wanted.len());
    for (download, wanted) in video.iter().zip(wanted) {
        check_video(download, wanted, folder).await.with_context(|| format!("rendition {}", wanted.name))?;
    }
    check_audio(audio, folder).await.context("audio")?;
    check_parity(downloads)
}

async fn check_video(download: &Download, wanted: &Rendition, folder: &Path) -> Result<()> {
    let place = format!("/{}/index.m3u8", wanted.name);
    ensure!(download.path.ends_with(&place), "its place is {}", download.path);
    let files = download.write_epochs(folder)?;
    ensure!(files.len() == 1, "{} epochs: {:#?}", files.len(), download.playlist);
    let file = files.first().context("no file")?;
    decode(file).await?;
    let probe = Probe::video(file).await?;
    ensure!(probe.text("codec_name") == "h264", "codec {}", probe.text("codec_name"));
    ensure!(probe.size()? == wanted.size, "size {:?}, wanted {:?}", probe.size()?, wanted.size);
    ensure!(probe.text("r_frame_rate") == wanted.rate, "rate {}", probe.text("r_frame_rate"));
    let frames = probe.frames();
    ensure!(frames.abs_diff(wanted.frames) <= 1, "{frames} frames, wanted {} give or take one", wanted.frames);
    let steps: Vec<i64> = probe.pts()?.windows(2).map(|pair| pair[1] - pair[0]).collect();
    ensure!(steps.windows(2).all(|pair| pair[0] == pair[1]), "uneven steps between frames: {steps:?}");
    for piece in &download.segments {
        check_segment_start(piece).with_context(|| format!("segment {}", piece.segment.msn))?;
    }
    Ok(())
}

/// A video segment starts with an IDR picture, and holds no other sync sample that its flags hide.
fn check_segment_start(piece: &Piece) -> Result<()> {
    ensure!(Init::parse(&piece.init)?.video, "not a video track");
    let samples = samples(&piece.body)?;
    let first = samples.first().context("empty")?;
    ensure!(first.is_idr() && first.sync, "it does not start with an IDR picture");
    ensure!(samples.iter().all(|sample| sample.is_idr() == sample.sync), "flags and NAL types disagree");
    Ok(())
}

async fn check_audio(download: &Download, folder: &Path) -> Result<()> {
    ensure!(download.path.ends_with("/audio/index.m3u8"), "its place is {}", download.path);
    for file in download.write_epochs(folder)? {
        decode(&file).await?;
        let probe = Probe::audio(&file).await?;
        let (rate, channels) = (probe.number("sample_rate")?, probe.number("channels")?);
        ensure!(probe.text("codec_name") == "aac" && probe.text("profile") == "LC", "codec {}", probe.text("profile"));
        ensure!((rate, channels) == (48_000, 2), "{rate} Hz, {channels} channels");
    }
    Ok(())
}

/// Judges that all renditions have the same segments at the same times: video to the tick, audio to half a frame.
pub fn check_parity(downloads: &[Download]) -> Result<()> {
    let (audio, video) = downloads.split_last().context("no rendition at all")?;
    let first = spans(video.first().context("no video")?)?;
    for download in video.iter().skip(1) {
        compare(&first, &spans(download)?, |_| 0).with_context(|| download.path.clone())?;
    }
    compare(&first, &spans(audio)?, |timescale| timescale * AAC_FRAME / 48_000).context("audio")
}

/// Compares where two renditions' segments start. `tolerance` gives the ticks of the second that they may differ.
fn compare(one: &[Span], other: &[Span], tolerance: fn(i64) -> i64) -> Result<()> {
    ensure!(one.len() == other.len(), "{} segments and {}", one.len(), other.len());
    for (a, b) in one.iter().zip(other) {
        ensure!(a.msn == b.msn, "media sequence {} and {}", a.msn, b.msn);
        let distance = (a.start * b.timescale - b.start * a.timescale).abs();
        let allowed = tolerance(b.timescale) * a.timescale;
        ensure!(distance <= allowed, "segment {} starts at {a:?} and {b:?}", a.msn);
        ensure!((a.date_ms - b.date_ms).abs() <= 22, "dates of {a:?} and {b:?}");
    }
    Ok(())
}

/// The span of every segment; within an epoch they must follow one another without a hole, and EXTINF must be
/// what they hold.
fn spans(download: &Download) -> Result<Vec<Span>> {
    let mut spans: Vec<Span> = Vec::new();
    let mut epoch = None;
    for Piece { segment, init, body } in &download.segments {
        let timescale = i64::from(Init::parse(init)?.timescale);
        let samples = samples(body).with_context(|| format!("segment {}", segment.msn))?;
        let dts = samples.first().context("empty")?.dts;
        let length: i64 = samples.iter().map(|sample| i64::from(sample.duration)).sum();
        let start = samples.iter().map(|sample| sample.pts).min().unwrap_or(dts);
        let micros = length * 1_000_000 / timescale;
        ensure!((micros - segment.micros as i64).abs() <= EXTINF_TOLERANCE_US, "EXTINF of {}", segment.msn);
        if let Some(last) = spans.last().filter(|_| epoch == Some(segment.epoch)) {
            ensure!(last.end == dts, "segment {} begins at {dts}, the one before ended at {}", segment.msn, last.end);
        }
        epoch = Some(segment.epoch);
        spans.push(Span { msn: segment.msn, start, end: dts + length, timescale, date_ms: segment.date_ms });
    }
    Ok(spans)
}
