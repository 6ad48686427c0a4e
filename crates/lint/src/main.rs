//! `weir-hls-lint URL`: watches a live presentation and says which rules it breaks.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use weir_hls_lint::watch::{Options, Report, watch};
use weir_hls_lint::{Finding, RULES, Severity, rule};

/// Watches a live HLS presentation and says which rules of rfc8216bis and Apple's authoring specification it breaks.
#[derive(Parser)]
struct Arguments {
    /// The multivariant playlist (http: only; HTTP/2 is tried by prior knowledge).
    #[arg(required_unless_present = "rules")]
    url: Option<String>,
    /// For how many seconds to watch.
    #[arg(long = "for", default_value_t = 60)]
    seconds: u64,
    /// For how many seconds the server may be away at a time, for example to be restarted.
    #[arg(long, default_value_t = 0)]
    away: u64,
    /// Rules that may be broken, by their ids.
    #[arg(long, value_delimiter = ',')]
    allow: Vec<String>,
    /// A folder in which to keep every state of every playlist, for other judges.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Fail also when only a SHOULD is broken.
    #[arg(long)]
    strict: bool,
    /// Show all rules and go.
    #[arg(long)]
    rules: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.rules {
        RULES.iter().for_each(|rule| println!("{:16} {:8} {}", rule.id, rule.section, rule.sentence));
        return ExitCode::SUCCESS;
    }
    let lasts = Duration::from_secs(arguments.seconds);
    let away = Duration::from_secs(arguments.away);
    let options = Options { lasts, allow: arguments.allow, keep: arguments.keep, away, told: None };
    match watch(&arguments.url.unwrap_or_default(), options).await {
        Ok(report) => show(&report, arguments.strict),
        Err(error) => {
            eprintln!("weir-hls-lint: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn show(report: &Report, strict: bool) -> ExitCode {
    let mut by_rule: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    report.findings.iter().for_each(|finding| by_rule.entry(finding.rule).or_default().push(finding));
    let (mut must, mut should) = (0, 0);
    for (id, findings) in &by_rule {
        let Some((rule, first)) = rule(id).zip(findings.first()) else { continue };
        let severity = match rule.severity {
            Severity::Must => "MUST",
            Severity::Should => "SHOULD",
        };
        *(if rule.severity == Severity::Must { &mut must } else { &mut should }) += findings.len();
        let code = rule.apple.map(|code| format!(", Apple {code}")).unwrap_or_default();
        println!("{severity} {id} ({}{code}): {}", rule.section, rule.sentence);
        println!("    {} times; first {}:{}: {}", findings.len(), first.place, first.line, first.what);
    }
    println!(
        "{} playlists, {} parts, {} segments ({} gaps, {} discontinuities) of {} renditions in {} s: {must} MUST, {should} SHOULD broken",
        report.playlists,
        report.parts,
        report.segments,
        report.gaps,
        report.discontinuities,
        report.renditions,
        report.took.as_secs()
    );
    ExitCode::from(u8::from(must > 0 || strict && should > 0))
}
