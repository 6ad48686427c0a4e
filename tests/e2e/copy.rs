//! The encoder's own picture as the best rendition: byte for byte while it is fit for that, encoded from where it is not.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use weir_hls_lint::watch::{Options, watch};
use weir_hls_lint::{Severity, rule};
use weir_testkit::{Browser, Config, Daemon, Download, Source, cmaf, decode, flv, push_clip, run_tool};
use weir_tests::{ENDED_WITHIN, PLAYABLE_WITHIN, check_parity};

const PLAYS_WITHIN: Duration = Duration::from_secs(30);
/// How long the judge watches.
const WATCHED: Duration = Duration::from_secs(12);
/// These say when something comes, which on a machine that runs other tests beside this one is not the daemon's fault.
const TIMED: [&str; 2] = ["L2", "P12"];
const CLIP_WITHIN: Duration = Duration::from_secs(60);
/// Every how many frames there is a keyframe, up to the one too many.
const GOP: usize = 30;
/// The frame with the keyframe too many: in the middle of a segment.
const ODD: usize = 7 * GOP + GOP / 2;
const FRAMES: usize = 12 * GOP;

/// A clip with B-frames whose keyframes come every second, and once after half a second.
#[cfg(test)]
async fn write_clip(file: &Path) -> Result<()> {
    let keyframes = format!("expr:eq(mod(n,{GOP}),0)+eq(n,{ODD})");
    let args = format!(
        "-v error -nostdin -f lavfi -i testsrc2=s=640x360:r=30 -f lavfi -i sine=r=48000 -t {} -c:v libx264 -preset \
         ultrafast -bf 2 -b_strategy 0 -g 1000 -sc_threshold 0 -force_key_frames {keyframes} -forced-idr 1 -b:v 600k \
         -maxrate 600k -bufsize 600k -pix_fmt yuv420p -c:a aac -ac 2 -f flv",
        FRAMES / 30
    );
    let mut args: Vec<&str> = args.split(' ').filter(|arg| !arg.is_empty()).collect();
    args.push(file.to_str().context("a path that is not UTF-8")?);
    run_tool("ffmpeg", &args, CLIP_WITHIN).await.map(drop)
}

/// The coded picture of a tag: behind the five bytes of an AVC tag that is no header.
#[cfg(test)]
fn picture(tag: &flv::Tag) -> Option<Vec<u8>> {
    (tag.kind == 9 && tag.body.get(1) == Some(&1)).then(|| tag.body[5..].to_vec())
}

/// The coded pictures of a rendition, by epoch.
#[cfg(test)]
fn pictures(download: &Download) -> Result<Vec<Vec<Vec<u8>>>> {
    let mut epochs: BTreeMap<u64, Vec<Vec<u8>>> = BTreeMap::new();
    for piece in &download.segments {
        let epoch = epochs.entry(piece.segment.epoch).or_default();
        epoch.extend(cmaf::samples(&piece.body)?.iter().map(|sample| sample.data.to_vec()));
    }
    Ok(epochs.into_values().collect())
}

#[tokio::test]
async fn a_picture_that_is_fit_is_copied_and_from_where_it_is_not_it_is_encoded_without_a_hole() {
    let config = Config { copy_best: true, reconnect_window_s: 5, ..Config::default() };
    let daemon = Daemon::start(config).await.unwrap();
    let clip = daemon.folder().join("clip.flv");
    write_clip(&clip).await.unwrap();
    push_clip(&clip, &[], &daemon.publish_url()).unwrap().succeed(CLIP_WITHIN).await.unwrap();
    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await.unwrap();
    let downloads = hls.download_ended(ENDED_WITHIN).await.unwrap();
    check_parity(&downloads).unwrap();

    let sent: Vec<Vec<u8>> = flv::read(&clip).unwrap().iter().filter_map(picture).collect();
    assert_eq!(sent.len(), FRAMES);
    let best = pictures(&downloads[0]).unwrap();
    assert_eq!(best.len(), 2, "{:#?}", downloads[0].playlist);
    assert_eq!(best[0], sent[..ODD], "not the encoder's own");
    assert_eq!(best[1].len(), FRAMES - ODD);
    assert_ne!(best[1][1..20], sent[ODD + 1..ODD + 20], "still the encoder's own");
    let encoded = pictures(&downloads[1]).unwrap();
    assert_eq!(encoded.iter().map(Vec::len).collect::<Vec<_>>(), [ODD, FRAMES - ODD]);
    for download in &downloads[..2] {
        for file in download.write_epochs(daemon.folder()).unwrap() {
            decode(&file).await.unwrap();
        }
    }
    let log = daemon.log().text();
    assert!(log.contains("the encoder's own picture is the best rendition"), "{log}");
    assert!(log.contains("its keyframes came every 30 frames and now after 15"), "{log}");
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn a_copied_picture_with_b_frames_plays_and_breaks_no_rule() {
    let daemon = Daemon::start(Config { copy_best: true, ..Config::default() }).await.unwrap();
    let _encoder = Source { bframes: 2, kbps: 600, ..Source::default() }.push(&daemon.publish_url()).unwrap();
    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await.unwrap();
    let (url, allow) = (hls.url(), TIMED.map(str::to_owned).to_vec());
    let options = Options { lasts: WATCHED, allow, keep: None, away: Duration::ZERO, told: None };
    let judge = tokio::spawn(async move { watch(&url, options).await });

    let browser = Browser::open().await.unwrap();
    browser.goto(&daemon.watch_url()).await.unwrap();
    browser.check_playing(PLAYS_WITHIN).await.unwrap();
    browser.check_one_player("hls.js").await.unwrap();
    assert!(browser.video().await.unwrap().is_some_and(|video| video.error.is_none() && video.height == 360));
    browser.close().await.unwrap();

    let report = judge.await.unwrap().unwrap();
    assert!(
        report.findings.iter().all(|finding| rule(finding.rule).is_none_or(|rule| rule.severity != Severity::Must)),
        "{report:#?}"
    );
    assert!(report.parts > 20, "{report:?}");
    assert!(daemon.log().text().contains("the encoder's own picture is the best rendition"));
    daemon.stop().await.unwrap();
}
