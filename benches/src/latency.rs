//! From capture to screen: a 1080p source with the clock in its picture, the whole ladder, and each engine in turn.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;
use weir_testkit::{
    Browser, Config, Daemon, ENGINES, PlayerPages, PlayerState, Source, low_latency_requests, player_state,
    restart_counts,
};

const PRESET: &str = "ultrafast";
const PLAYABLE_WITHIN: Duration = Duration::from_secs(30);
const PLAYS_WITHIN: Duration = Duration::from_secs(60);
/// What a player does while it finds its place is not counted.
const SETTLES: Duration = Duration::from_secs(10);

/// Times that each engine starts anew: where it begins depends on the moment at which it finds the playlist.
const STARTS: usize = 5;
/// A browser that has just been opened is busy with itself; viewers have theirs open already.
const OPENS: Duration = Duration::from_secs(3);

struct Row {
    engine: &'static str,
    starts: Vec<PlayerState>,
    blocking: usize,
    parts: usize,
}

/// Plays for `seconds` after each start of each engine.
pub async fn run(seconds: u64) -> Result<()> {
    let config = Config { preset: PRESET, log_level: "debug", ..Config::full_ladder("1080p") };
    let daemon = Daemon::start(config).await?;
    let source = Source { width: 1920, height: 1080, gop: 60, kbps: 5000, clock: true, ..Source::default() };
    let _encoder = source.push(&daemon.publish_url())?;
    daemon.hls().wait_playable(PLAYABLE_WITHIN).await?;
    let pages = PlayerPages::serve().await?;
    let mut rows = Vec::new();
    for engine in ENGINES {
        let before = low_latency_requests(&daemon.log().text())?;
        let starts = play(&pages, engine, &daemon.hls().url(), seconds).await?;
        let after = low_latency_requests(&daemon.log().text())?;
        rows.push(Row { engine, starts, blocking: after.0 - before.0, parts: after.1 - before.1 });
    }
    println!(
        "\n1080p30 with the ladder at {PRESET}, {STARTS} starts of {seconds} s each after {} s\n\n{}",
        SETTLES.as_secs(),
        table(&rows)
    );
    let metrics = daemon.http().fetch("/metrics").await?;
    for (name, label) in [
        ("weir_stage_seconds", "stage=\"encoded\""),
        ("weir_stage_seconds", "stage=\"closed\""),
        ("weir_http_first_byte_seconds", "kind=\"playlist\""),
        ("weir_http_first_byte_seconds", "kind=\"media\""),
    ] {
        let bounds = [0.5, 0.99].map(|share| bound(metrics.text().unwrap_or_default(), name, label, share));
        println!("{name}{{{label}}}: half below {:?} s, 99 % below {:?} s", bounds[0], bounds[1]);
    }
    daemon.stop().await.map(drop)
}

/// Starts an engine [`STARTS`] times, and lets it play for `seconds` each time.
async fn play(pages: &PlayerPages, engine: &str, url: &str, seconds: u64) -> Result<Vec<PlayerState>> {
    let browser = Browser::open().await?;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        browser.goto("about:blank").await?;
        tokio::time::sleep(OPENS).await;
        pages.play(&browser, engine, url, PLAYS_WITHIN).await?;
        tokio::time::sleep(SETTLES).await;
        restart_counts(&browser).await?;
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let state = player_state(&browser).await?;
        println!("{engine}: {state:?}");
        starts.push(state);
    }
    browser.close().await?;
    Ok(starts)
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| engine | median s | of the starts, from - to | worst 95 % s | stalls | stalled s | fatal | dropped frames \
         | blocking reloads | parts |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for Row { engine, starts, blocking, parts } in rows {
        let mut medians: Vec<f64> = starts.iter().filter_map(|start| start.median_ms).collect();
        medians.sort_by(f64::total_cmp);
        let worst = starts.iter().filter_map(|start| start.p95_ms).max_by(f64::total_cmp);
        let sum = |count: fn(&PlayerState) -> u64| starts.iter().map(count).sum::<u64>();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {engine} | {} | {} - {} | {} | {} | {:.1} | {} | {} | {blocking} | {parts} |",
            seconds(medians.get(medians.len() / 2)),
            seconds(medians.first()),
            seconds(medians.last()),
            seconds(worst.as_ref()),
            sum(|start| start.stalls),
            starts.iter().map(|start| start.stalled_ms).sum::<f64>() / 1000.0,
            sum(|start| start.fatal),
            sum(|start| start.dropped),
        );
    }
    text
}

fn seconds(ms: Option<&f64>) -> String {
    ms.map_or("-".to_owned(), |ms| format!("{:.2}", ms / 1000.0))
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
