//! What came of it: which findings are excused and why, and the table at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use weir_hls_lint::{Finding, Severity, rule};

use super::plan::Fault;
use super::viewer::Seen;
use super::vitals::{Notes, Vitals};

/// A finding that comes so long after a fault is over still comes of it: the judge tells of what was late when the
/// next thing comes.
pub const AFTERMATH: Duration = Duration::from_secs(4);

/// Sentences about segments that are shown.
const SENTENCES_MAX: usize = 20;

/// What may be broken during a fault, and why that says nothing against the daemon.
struct Excuse {
    fault: fn(Fault) -> bool,
    rules: &'static [&'static str],
    reason: &'static str,
}

const EXCUSES: &[Excuse] = &[Excuse {
    fault: |fault| fault == Fault::UplinkStall,
    rules: &["L2"],
    reason: "what a stalled uplink holds back comes late but whole, and weir waits for it as long as no segment is overdue: \
             gap parts instead of it would be in time and lose it for everybody",
}];

/// A fault that was made.
#[derive(Debug, Clone, Copy)]
pub struct Made {
    pub fault: Fault,
    /// From its beginning to the end of its recovery, since the begin of the run.
    pub from: Duration,
    pub until: Duration,
    /// When it was undone.
    pub over: Duration,
    /// How long after it was over media came again; `None` when they did not in time.
    pub recovered: Option<Duration>,
}

/// The whole run.
pub struct Run {
    pub head: String,
    pub made: Vec<Made>,
    /// What was meant to be a fault, when, and why it could not be made.
    pub unmade: Vec<String>,
    /// Faults that cannot be made on this machine, or were not asked for.
    pub left_out: Vec<Fault>,
    /// With the time since the begin of the run.
    pub findings: Vec<(Duration, Finding)>,
    /// What the judge saw in all, or why it gave up.
    pub judged: Result<String, String>,
    pub seen: Seen,
    pub first: Vitals,
    pub last: Vitals,
    pub notes: Notes,
    /// How the daemon ended, if it did by itself.
    pub death: Option<String>,
}

/// How often a rule was broken.
#[derive(Debug, Default, PartialEq, Eq)]
struct Broken {
    blamed: u64,
    excused: u64,
    /// Faults during which it was, and what was found first.
    during: BTreeMap<String, u64>,
    first: String,
}

impl Run {
    /// Whether everything held.
    pub fn is_good(&self) -> bool {
        let must = self.broken().iter().any(|(id, broken)| is_must(id) && broken.blamed > 0);
        let seen = &self.seen;
        !must
            && seen.lost + seen.skipped + seen.changed == 0
            && self.made.iter().all(|made| made.recovered.is_some())
            && self.unmade.is_empty()
            && self.judged.is_ok()
            && self.notes.panics.is_empty()
            && self.death.is_none()
    }

    /// The fault that was going on at `at`, or had just been.
    fn during(&self, at: Duration) -> Option<&Made> {
        self.made.iter().rev().find(|made| made.from <= at && at <= made.until + AFTERMATH)
    }

    fn broken(&self) -> BTreeMap<&'static str, Broken> {
        let mut rules: BTreeMap<&'static str, Broken> = BTreeMap::new();
        for (at, finding) in &self.findings {
            let during = self.during(*at);
            let broken = rules.entry(finding.rule).or_default();
            match during.filter(|made| *at <= made.over + AFTERMATH).and_then(|made| excuse(made.fault, finding.rule)) {
                Some(_) => broken.excused += 1,
                None => {
                    broken.blamed += 1;
                    let during = during.map_or("nothing".to_owned(), |made| made.fault.to_string());
                    *broken.during.entry(during).or_default() += 1;
                    if broken.first.is_empty() {
                        broken.first = format!("{} s, {}: {}", at.as_secs(), finding.place, finding.what);
                    }
                }
            }
        }
        rules
    }

    /// All of it as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("{}\n\n", self.head);
        self.write_faults(&mut text);
        self.write_rules(&mut text);
        self.write_segments(&mut text);
        self.write_vitals(&mut text);
        self.write_log(&mut text);
        let outcome = if self.is_good() { "Everything held." } else { "**Not everything held.**" };
        let _ = writeln!(text, "{outcome}");
        text
    }

    // Writing to a String cannot fail.
    fn write_faults(&self, text: &mut String) {
        let mut kinds: BTreeMap<Fault, (u64, u64, Duration)> = BTreeMap::new();
        for made in &self.made {
            let (count, recovered, worst) = kinds.entry(made.fault).or_default();
            *count += 1;
            *recovered += u64::from(made.recovered.is_some());
            *worst = made.recovered.unwrap_or_default().max(*worst);
        }
        text.push_str("| fault | injected | recovered | worst recovery |\n|---|---|---|---|\n");
        for (fault, (count, recovered, worst)) in &kinds {
            let _ = writeln!(text, "| {fault} | {count} | {recovered} | {:.1} s |", worst.as_secs_f64());
        }
        for fault in &self.left_out {
            let _ = writeln!(text, "| {fault} | 0: not made in this run | - | - |");
        }
        text.push_str("\nRecovery is counted from the moment at which the fault is over to two whole segments without a gap at the end of the playlist.\n\n");
        for sentence in &self.unmade {
            let _ = writeln!(text, "- **could not be made:** {sentence}");
        }
        if !self.unmade.is_empty() {
            text.push('\n');
        }
    }

    fn write_rules(&self, text: &mut String) {
        let rules = self.broken();
        let sum = |must: bool, count: fn(&Broken) -> u64| {
            rules.iter().filter(|(id, _)| is_must(id) == must).map(|(_, broken)| count(broken)).sum::<u64>()
        };
        let _ = writeln!(text, "| rules | broken | excused |\n|---|---|---|");
        for (name, must) in [("MUST", true), ("SHOULD", false)] {
            let (blamed, excused) = (sum(must, |broken| broken.blamed), sum(must, |broken| broken.excused));
            let _ = writeln!(text, "| {name} | {blamed} | {excused} |");
        }
        text.push('\n');
        for (id, broken) in &rules {
            if broken.blamed > 0 {
                let during: Vec<_> = broken.during.iter().map(|(fault, count)| format!("{fault} {count}")).collect();
                let name = if is_must(id) { "MUST" } else { "SHOULD" };
                let (count, during) = (broken.blamed, during.join(", "));
                let _ = writeln!(text, "- {name} {id} broken {count} times ({during}); first at {}", broken.first);
            }
            if broken.excused > 0 {
                let reasons = EXCUSES.iter().filter(|excuse| excuse.rules.contains(id)).map(|excuse| excuse.reason);
                let reasons: Vec<_> = reasons.collect();
                let _ = writeln!(text, "- {id} excused {} times: {}", broken.excused, reasons.join("; or "));
            }
        }
        let _ = match &self.judged {
            Ok(judged) => writeln!(text, "\nThe judge saw {judged}.\n"),
            Err(error) => writeln!(text, "\n**The judge gave up: {error}**\n"),
        };
    }

    fn write_segments(&self, text: &mut String) {
        let Seen { listed, gaps, fetched, parts, lost, skipped, changed, retries, .. } = self.seen;
        text.push_str("| segments listed | gaps | segments fetched | parts fetched | lost | skipped | changed | requests made again |\n");
        let _ = writeln!(text, "|---|---|---|---|---|---|---|---|");
        let _ = writeln!(
            text,
            "| {listed} | {gaps} | {fetched} | {parts} | {lost} | {skipped} | {changed} | {retries} |\n"
        );
        for sentence in self.seen.sentences.iter().take(SENTENCES_MAX) {
            let _ = writeln!(text, "- {sentence}");
        }
    }

    fn write_vitals(&self, text: &mut String) {
        let (first, last, most) = (self.first, self.last, self.notes.most);
        let mb = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
        let _ = writeln!(text, "\n| the daemon's | at the start | at the end | at most |\n|---|---|---|---|");
        let _ = writeln!(text, "| memory (RSS) | {} | {} | {} |", mb(first.memory), mb(last.memory), mb(most.memory));
        let _ = writeln!(text, "| open files | {} | {} | {} |", first.files, last.files, most.files);
        let _ = writeln!(text, "| threads | {} | {} | {} |\n", first.threads, last.threads, most.threads);
        let memory: Vec<_> = self.notes.memory.iter().map(|bytes| mb(*bytes)).collect();
        let _ = writeln!(text, "Memory about once a minute: {}.\n", memory.join(", "));
    }

    fn write_log(&self, text: &mut String) {
        let _ = writeln!(text, "| in the log | times |\n|---|---|");
        let _ = writeln!(text, "| panics | {} |", self.notes.panics.len());
        for (level, lines) in [("ERROR", &self.notes.errors), ("WARN", &self.notes.warnings)] {
            for (line, count) in lines {
                let _ = writeln!(text, "| {level}: {line} | {count} |");
            }
        }
        text.push('\n');
        for panic in &self.notes.panics {
            let _ = writeln!(text, "- {panic}");
        }
        if let Some(death) = &self.death {
            let _ = writeln!(text, "**The daemon did not live to the end: {death}**");
        }
    }
}

fn is_must(id: &str) -> bool {
    rule(id).is_some_and(|rule| rule.severity == Severity::Must)
}

fn excuse(fault: Fault, id: &str) -> Option<&'static str> {
    let fits = |excuse: &&Excuse| (excuse.fault)(fault) && excuse.rules.contains(&id);
    EXCUSES.iter().find(fits).map(|excuse| excuse.reason)
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
