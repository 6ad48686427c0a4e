//! The soak and fault run: one ladder, its viewers and a judge, while everything around goes wrong that can.
//!
//! `plan` says which fault comes when, `stage` makes it, `viewer` and the judge (`weir-hls-lint`) look on, `verdict` says
//! what came of it.

mod clock;
mod disk;
mod floods;
mod link;
mod plan;
mod stage;
mod verdict;
mod viewer;
mod vitals;

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use weir_hls_lint::Finding;
use weir_hls_lint::watch::{Options, watch};

use plan::{FAULTS, Fault, Step};
use stage::Stage;
use verdict::{Made, Run};
use viewer::{Tally, Viewer, edge};
use vitals::{Notebook, Vitals};

/// Set in the process that has a mount namespace of its own.
const APART: &str = "WEIR_SOAK_APART";
/// Named faults, separated by commas, take the place of all when this is set: for looking into one.
const ONLY: &str = "WEIR_SOAK_ONLY";
const PLAYABLE_WITHIN: Duration = Duration::from_secs(30);
/// The window is full and everything has found its size.
const SETTLES: Duration = Duration::from_secs(60);
/// At the end all is well for so long, that what faults needed is given back.
const CALMS: Duration = Duration::from_secs(20);
/// Media must come again so soon after a fault, with an encoder that is there: it has to start and find its place,
/// the ladder's worker may wait for its next try, and two segments last four seconds.
const RECOVERS_WITHIN: Duration = Duration::from_secs(20);
/// How long the server may be away for the judge.
const AWAY: Duration = Duration::from_secs(20);
const LOOKS_EVERY: Duration = Duration::from_millis(200);

/// Runs for `minutes` with the faults of `seed`.
///
/// # Errors
/// The run could not be made, or not everything held.
pub async fn run(minutes: u64, seed: u64) -> Result<()> {
    if std::env::var_os(APART).is_none() {
        return Err(apart());
    }
    let place = tempfile::tempdir()?;
    let stage = Stage::start(place.path()).await?;
    let run = soak(stage, minutes, seed).await?;
    let text = run.markdown();
    println!("\n{text}");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("SOAK.md");
    std::fs::write(&file, &text).with_context(|| format!("cannot write {}", file.display()))?;
    if run.is_good() { Ok(()) } else { bail!("not everything held") }
}

/// Begins anew in a mount namespace of its own, so that no mount outlives the run; without privileges in a user
/// namespace too.
fn apart() -> anyhow::Error {
    let mut command = std::process::Command::new("unshare");
    command.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    let program = std::env::current_exe().unwrap_or_default();
    anyhow::Error::from(command.arg(program).args(std::env::args_os().skip(1)).env(APART, "1").exec())
        .context("cannot run unshare")
}

async fn soak(mut stage: Stage, minutes: u64, seed: u64) -> Result<Run> {
    let begun = Instant::now();
    let hls = stage.daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await?;
    let renditions = hls.renditions().await?;
    let best = renditions.first().context("no rendition")?.clone();
    let (tally, notebook) = (Tally::default(), Notebook::default());
    let mut audience = JoinSet::new();
    let http = stage.daemon.http();
    let waiting = renditions.iter().map(|path| (path, true));
    for (path, waits) in waiting.chain([(&best, false)]) {
        audience.spawn(Viewer::new(http, path, waits, tally.clone()).run());
    }
    audience.spawn(vitals::watch(stage.daemon.pid(), stage.daemon.log().clone(), notebook.clone()));
    let lasts = Duration::from_secs(minutes * 60);
    let (told, heard) = mpsc::unbounded_channel();
    let options =
        Options { lasts: lasts.saturating_sub(begun.elapsed()), away: AWAY, told: Some(told), ..Options::default() };
    let url = hls.url();
    let judge = tokio::spawn(async move { watch(&url, options).await });
    let found = tokio::spawn(timed(begun, heard));

    let faults = wanted(&stage)?;
    stage.pass(SETTLES.min(lasts / 3)).await?;
    let first = Vitals::of(stage.daemon.pid())?;
    let (mut made, mut unmade) = (Vec::new(), Vec::new());
    let mut death = None;
    for step in plan::steps(seed, &faults) {
        stage.pass(step.rest).await?;
        if begun.elapsed() + step.lasts + RECOVERS_WITHIN + CALMS > lasts {
            break;
        }
        // One that cannot be made is told at the end, and the others are tried.
        let at = begun.elapsed();
        match make(&mut stage, &best, step, begun).await {
            Ok(fault) => made.push(fault),
            Err(error) => {
                let sentence = format!("{}, {} s: {error:#}", step.fault, at.as_secs());
                println!("         NOT made: {sentence}\n{}", stage.daemon.log().tail());
                unmade.push(sentence);
            }
        }
        if let Err(error) = stage.daemon.is_well().await {
            death = Some(format!("{error:#}"));
            break;
        }
    }
    if death.is_none() {
        stage.pass(lasts.saturating_sub(begun.elapsed())).await?;
    }
    let last = Vitals::of(stage.daemon.pid()).unwrap_or_default();
    let judged = match judge.await? {
        Ok(report) => Ok(format!(
            "{} playlists, {} parts, {} segments, {} gaps and {} discontinuities of {} renditions in {} s",
            report.playlists,
            report.parts,
            report.segments,
            report.gaps,
            report.discontinuities,
            report.renditions,
            report.took.as_secs()
        )),
        Err(error) => Err(format!("{error:#}")),
    };
    audience.shutdown().await;
    let head = head(&stage, minutes, seed);
    if death.is_none() {
        stage.daemon.stop().await?;
    }
    Ok(Run {
        head,
        made,
        unmade,
        left_out: FAULTS.into_iter().filter(|fault| !faults.contains(fault)).collect(),
        findings: found.await?,
        judged,
        seen: inner(&tally),
        first,
        last,
        notes: inner(&notebook),
        death,
    })
}

/// The faults that can be made here, or those that were asked for.
fn wanted(stage: &Stage) -> Result<Vec<Fault>> {
    let only = std::env::var(ONLY).ok();
    let named =
        |fault: &Fault| only.as_ref().is_none_or(|only| only.split(',').any(|name| fault.to_string().contains(name)));
    let faults: Vec<Fault> = FAULTS.into_iter().filter(|fault| stage.can(*fault) && named(fault)).collect();
    if faults.is_empty() { bail!("{ONLY} names no fault") } else { Ok(faults) }
}

/// Makes a fault and waits until media come again.
async fn make(stage: &mut Stage, path: &str, step: Step, begun: Instant) -> Result<Made> {
    let fault = step.fault;
    let from = begun.elapsed();
    println!("{:>5.0} s  {fault} for {:.1} s", from.as_secs_f64(), step.lasts.as_secs_f64());
    stage.suffer(step).await?;
    let over = Instant::now();
    let http = stage.daemon.http();
    let mut goal = None;
    let mut recovered = None;
    while over.elapsed() < RECOVERS_WITHIN && recovered.is_none() {
        stage.pass(LOOKS_EVERY).await?;
        // Whatever keeps it from being seen is part of the fault.
        let Ok(now) = edge(http, path).await else { continue };
        let goal = *goal.get_or_insert(now.next_msn + 2);
        recovered = (now.next_msn >= goal && now.whole >= 2).then(|| over.elapsed());
    }
    match recovered {
        Some(took) => println!("         well after {:.1} s", took.as_secs_f64()),
        None => println!("         NOT well within {RECOVERS_WITHIN:?}\n{}", stage.daemon.log().tail()),
    }
    Ok(Made { fault, from, over: over.duration_since(begun), until: begun.elapsed(), recovered })
}

/// Notes when each finding came.
async fn timed(begun: Instant, mut heard: mpsc::UnboundedReceiver<Finding>) -> Vec<(Duration, Finding)> {
    let mut findings = Vec::new();
    while let Some(finding) = heard.recv().await {
        let at = begun.elapsed();
        println!("{:>5.0} s  {} broken, {}: {}", at.as_secs_f64(), finding.rule, finding.place, finding.what);
        findings.push((at, finding));
    }
    findings
}

fn head(stage: &Stage, minutes: u64, seed: u64) -> String {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("", |(_, model)| model);
    format!(
        "# Soak and fault run\n\nweir {}, {minutes} minutes, seed {seed} (`make soak MINUTES={minutes} SEED={seed}`), on {cpus} CPUs ({model}) that also encode, \
         watch and attack. One channel, a ladder of two rungs with parts, four viewers, `weir-hls-lint` on all renditions. The encoder was started {} times.",
        env!("CARGO_PKG_VERSION"),
        stage.encoder.starts
    )
}

fn inner<T: Clone>(shared: &Mutex<T>) -> T {
    shared.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
