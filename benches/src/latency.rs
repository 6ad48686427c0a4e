//! From capture to screen: a 1080p source with the clock in its picture, the whole ladder, and each engine in turn.

use std::time::Duration;

use anyhow::{Context, Result};
use weir_testkit::{
    Browser, Config, Daemon, ENGINES, PlayerPages, PlayerState, Source, low_latency_requests, player_state,
    restart_counts,
};

use crate::report::Report;

const PRESET: &str = "ultrafast";
const LATENCY: &str = "latency, median of a start";
const PLAYABLE_WITHIN: Duration = Duration::from_secs(30);
const PLAYS_WITHIN: Duration = Duration::from_secs(60);
/// What a player does while it finds its place is not counted.
const SETTLES: Duration = Duration::from_secs(10);

/// A browser that has just been opened is busy with itself; viewers have theirs open already.
const OPENS: Duration = Duration::from_secs(3);

/// Starts each engine `starts` times, because where it begins depends on the moment at which it finds the playlist, and
/// plays for `seconds` after each start.
pub async fn run(starts: usize, seconds: u64) -> Result<()> {
    let mut report = Report::new("latency", "Latency: from capture to screen, 1080p30 with the whole ladder")?;
    describe(&mut report, starts, seconds);
    let config = Config { preset: PRESET, log_level: "debug", ..Config::full_ladder("1080p") };
    let daemon = Daemon::start(config).await?;
    let source = Source { width: 1920, height: 1080, gop: 60, kbps: 5000, clock: true, ..Source::default() };
    let _encoder = source.push(&daemon.publish_url())?;
    daemon.hls().wait_playable(PLAYABLE_WITHIN).await?;
    let pages = PlayerPages::serve().await?;
    for engine in ENGINES {
        let before = low_latency_requests(&daemon.log().text())?;
        play(&mut report, &pages, engine, &daemon.hls().url(), starts, seconds).await?;
        let after = low_latency_requests(&daemon.log().text())?;
        report.add(engine, "blocking reloads in all", "", (after.0 - before.0) as f64);
        report.add(engine, "requests of parts in all", "", (after.1 - before.1) as f64);
    }
    let metrics = daemon.http().fetch("/metrics").await?;
    add_stages(&mut report, metrics.text()?)?;
    daemon.stop().await?;
    report.save()
}

fn describe(report: &mut Report, starts: usize, seconds: u64) {
    report.commands.push("make bench-latency    # SECONDS_EACH=... for another time after each start".to_owned());
    report.notes = vec![
        format!(
            "A source with the clock in its picture is encoded at 1080p30 and pushed over RTMP on the same machine; the ladder's \
             preset is {PRESET}. Each engine plays in Chromium, starts {starts} times, and is watched for {seconds} s after the \
             first {} s of each start; the page reads the clock from what it shows. A value is one start. The source, weir \
             and Chromium, which decodes and draws without a GPU, share the cores.",
            SETTLES.as_secs()
        ),
        "The steps within weir are the least bounds of its histograms (`/metrics`) below which half and 99 of 100 values lie."
            .to_owned(),
    ];
}

/// Starts an engine some times, and lets it play for `seconds` each time.
async fn play(
    report: &mut Report,
    pages: &PlayerPages,
    engine: &str,
    url: &str,
    starts: usize,
    seconds: u64,
) -> Result<()> {
    let browser = Browser::open().await?;
    for _ in 0..starts {
        browser.goto("about:blank").await?;
        tokio::time::sleep(OPENS).await;
        pages.play(&browser, engine, url, PLAYS_WITHIN).await?;
        tokio::time::sleep(SETTLES).await;
        restart_counts(&browser).await?;
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let state = player_state(&browser).await?;
        println!("{engine}: {state:?}");
        add_start(report, engine, &state)?;
    }
    browser.close().await
}

fn add_start(report: &mut Report, engine: &str, state: &PlayerState) -> Result<()> {
    let seconds =
        |ms: Option<f64>| Ok::<_, anyhow::Error>(ms.with_context(|| format!("{engine} showed no clock"))? / 1000.0);
    report.add(engine, LATENCY, "s", seconds(state.median_ms)?);
    report.add(engine, "latency, 95 of 100 frames within", "s", seconds(state.p95_ms)?);
    report.add(engine, "stalls", "", state.stalls as f64);
    report.add(engine, "stalled", "s", state.stalled_ms / 1000.0);
    report.add(engine, "frames dropped by the browser", "", state.dropped as f64);
    report.add(engine, "fatal errors", "", state.fatal as f64);
    Ok(())
}

fn add_stages(report: &mut Report, metrics: &str) -> Result<()> {
    for (step, name, label) in [
        ("arrival to encoded", "weir_stage_seconds", "stage=\"encoded\""),
        ("arrival to a closed part", "weir_stage_seconds", "stage=\"closed\""),
        ("a closed part to its playlist's first byte", "weir_http_first_byte_seconds", "kind=\"playlist\""),
        ("a closed part to its own first byte", "weir_http_first_byte_seconds", "kind=\"media\""),
    ] {
        for (words, share) in [("half within", 0.5), ("99 of 100 within", 0.99)] {
            let bound = bound(metrics, name, label, share).with_context(|| format!("no {name}{{{label}}}"))?;
            let metric = format!("steps within weir, {words}");
            if bound.is_finite() {
                report.add(step, &metric, "s", bound);
            } else {
                report.notes.push(format!("{step}, {words}: longer than the histogram's last bound."));
            }
        }
    }
    Ok(())
}

/// The least bucket bound of a histogram below which `share` of the values lie.
fn bound(metrics: &str, name: &str, label: &str, share: f64) -> Option<f64> {
    let prefix = format!("{name}_bucket{{{label},le=\"");
    let buckets: Vec<(f64, f64)> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix(&prefix)?.split_once("\"} "))
        .filter_map(|(bound, count)| Some((bound.parse().unwrap_or(f64::INFINITY), count.parse().ok()?)))
        .collect();
    let total = buckets.last()?.1;
    buckets.iter().find(|(_, count)| *count >= total * share).map(|(bound, _)| *bound)
}
