//! The reports as a page in Markdown.

use std::fmt::Write as _;

use crate::machine::Setting;
use crate::report::{Aim, Report, Series};

/// The contender that the others are put beside.
const OURS: &str = "weir";

/// The whole page: the machine of the latest comparison, then all of them in the order given.
pub fn render(reports: &[Report]) -> String {
    let mut page = String::from(
        "# What was measured\n\nWritten by `make bench`; the raw numbers are in `raw/`. Every comparison was run in turns (A, B, A, B, ...), each line has\n\
         the median of its rounds and how far they spread. Ratios are of medians.\n",
    );
    let latest = reports.iter().map(|report| &report.setting).max_by(|a, b| a.date.cmp(&b.date));
    if let Some(setting) = latest {
        page += "\n| machine | |\n|---|---|\n";
        for (name, value) in &setting.facts {
            row(&mut page, &[name, value]);
        }
    }
    for report in reports {
        page += "\n";
        page += &section(report);
        if let Some(others) = latest.and_then(|latest| other_facts(&report.setting, latest)) {
            let _ = writeln!(page, "\nMeasured with other versions than those above: {others}.");
        }
    }
    page
}

/// One comparison: where, how, aims, figures.
pub fn section(report: &Report) -> String {
    let Report { title, setting, commands, notes, series, aims, .. } = report;
    let mut text = format!(
        "## {title}\n\nMeasured {} at revision {}, load average before it {:.2}.\n",
        setting.date, setting.revision, setting.load
    );
    if !commands.is_empty() {
        let _ = write!(text, "\n```sh\n{}\n```\n", commands.join("\n"));
    }
    for note in notes {
        let _ = write!(text, "\n{note}\n");
    }
    if !aims.is_empty() {
        text += "\n| aim | wanted | got | |\n|---|---|---|---|\n";
        aims.iter().for_each(|aim| aim_row(&mut text, aim));
    }
    for (metric, unit) in metrics(series) {
        let of_metric: Vec<&Series> = series.iter().filter(|series| series.metric == metric).collect();
        let _ = write!(text, "\n{}", table(metric, unit, &of_metric));
    }
    text
}

/// Metrics with their units, in the order in which they first came.
fn metrics(series: &[Series]) -> Vec<(&str, &str)> {
    let mut metrics: Vec<(&str, &str)> = Vec::new();
    for series in series {
        if metrics.iter().all(|(metric, _)| *metric != series.metric) {
            metrics.push((&series.metric, &series.unit));
        }
    }
    metrics
}

fn table(metric: &str, unit: &str, series: &[&Series]) -> String {
    let ours = series.iter().find(|series| series.contender == OURS).and_then(|series| series.median());
    let unit = if unit.is_empty() { String::new() } else { format!(", {unit}") };
    let mut text = String::new();
    let headline = format!("{metric}{unit}");
    let mut heads = vec![headline.as_str(), "median", "lowest", "highest", "rounds"];
    // Beside nobody it stands alone.
    let beside = ours.filter(|ours| *ours > 0.0 && series.len() > 1);
    heads.extend(beside.map(|_| "weir / this"));
    row(&mut text, &heads);
    let _ = writeln!(text, "|{}", "---|".repeat(heads.len()));
    for series in series {
        let median = series.median().unwrap_or(f64::NAN);
        let lowest = series.rounds.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = series.rounds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let rounds = series.rounds.iter().map(|&value| number(value)).collect::<Vec<_>>().join(", ");
        let mut cells = vec![series.contender.clone(), number(median), number(lowest), number(highest), rounds];
        cells.extend(beside.map(|ours| if median > 0.0 { number(ours / median) } else { "-".to_owned() }));
        row(&mut text, &cells.iter().map(String::as_str).collect::<Vec<_>>());
    }
    text
}

fn aim_row(text: &mut String, aim: &Aim) {
    let bound = format!("at {} {}", if aim.at_most { "most" } else { "least" }, number(aim.wanted));
    let verdict = if aim.reached() { "reached" } else { "**NOT reached**" };
    row(text, &[&aim.text, &bound, &number(aim.got), verdict]);
}

fn row(text: &mut String, cells: &[&str]) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

/// Four digits that count, whole numbers as they are.
fn number(value: f64) -> String {
    match value.abs() {
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 100.0 => format!("{value:.1}"),
        size if size >= 10.0 => format!("{value:.2}"),
        size if size >= 1.0 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    }
}

/// What was different when `setting` was, if anything.
fn other_facts(setting: &Setting, latest: &Setting) -> Option<String> {
    let others: Vec<String> = setting
        .facts
        .iter()
        .filter(|fact| !latest.facts.contains(fact))
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    (!others.is_empty()).then(|| others.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(name: &str, date: &str, ffmpeg: &str) -> Report {
        let setting = Setting {
            date: date.to_owned(),
            revision: "0123456789".to_owned(),
            load: 0.1,
            facts: vec![("cores".to_owned(), "2".to_owned()), ("ffmpeg".to_owned(), ffmpeg.to_owned())],
        };
        let series = |contender: &str, metric: &str, rounds: &[f64]| Series {
            contender: contender.to_owned(),
            metric: metric.to_owned(),
            unit: "s per stream s".to_owned(),
            rounds: rounds.to_vec(),
        };
        Report {
            name: name.to_owned(),
            title: name.to_uppercase(),
            setting,
            commands: vec!["make bench-x".to_owned()],
            notes: vec!["A note.".to_owned()],
            series: vec![
                series("weir", "CPU", &[0.9, 1.1, 1.0]),
                series("stalls", "other", &[0.0]),
                series("ffmpeg", "CPU", &[1.25, 1.26, 1.24]),
            ],
            aims: vec![
                Aim { text: "weir / ffmpeg".to_owned(), wanted: 0.8, at_most: true, got: 0.8 },
                Aim { text: "speed".to_owned(), wanted: 2.0, at_most: false, got: 1.99 },
            ],
        }
    }

    #[test]
    fn a_section_has_commands_notes_aims_and_a_table_for_each_metric() {
        let wanted = "## A\n\nMeasured 2026-01-01 at revision 0123456789, load average before it 0.10.\n\n\
            ```sh\nmake bench-x\n```\n\nA note.\n\n\
            | aim | wanted | got | |\n|---|---|---|---|\n\
            | weir / ffmpeg | at most 0.8000 | 0.8000 | reached |\n\
            | speed | at least 2 | 1.990 | **NOT reached** |\n\n\
            | CPU, s per stream s | median | lowest | highest | rounds | weir / this |\n|---|---|---|---|---|---|\n\
            | weir | 1 | 0.9000 | 1.100 | 0.9000, 1.100, 1 | 1 |\n\
            | ffmpeg | 1.250 | 1.240 | 1.260 | 1.250, 1.260, 1.240 | 0.8000 |\n\n\
            | other, s per stream s | median | lowest | highest | rounds |\n|---|---|---|---|---|\n\
            | stalls | 0 | 0 | 0 | 0 |\n";
        assert_eq!(section(&report("a", "2026-01-01", "5.1")), wanted);
    }

    #[test]
    fn the_machine_is_that_of_the_latest_comparison_and_what_was_different_is_said() {
        let page = render(&[report("a", "2026-01-02", "5.1"), report("b", "2026-01-01", "4.4")]);
        assert!(page.contains("| ffmpeg | 5.1 |"), "{page}");
        assert!(page.ends_with("\nMeasured with other versions than those above: ffmpeg 4.4.\n"), "{page}");
        assert_eq!(page.matches("other versions").count(), 1);
    }

    #[test]
    fn numbers_have_four_digits() {
        let numbers = [0.0, 0.98765, 1.23456, 12.3456, 123.456, 1234.56, 50_000.0].map(number);
        assert_eq!(numbers, ["0", "0.9877", "1.235", "12.35", "123.5", "1235", "50000"]);
    }
}
