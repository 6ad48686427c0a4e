//! What a comparison measured: kept raw in `benches/raw`, shown in `benches/RESULTS.md`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::machine::Setting;
use crate::results;

/// One figure of one contender, a value for each round.
#[derive(Debug, Serialize, Deserialize)]
pub struct Series {
    /// Who was measured; `weir` is what the others are put beside.
    pub contender: String,
    /// What was measured ("CPU").
    pub metric: String,
    /// In what ("s per stream s").
    pub unit: String,
    /// The values in the order in which they came.
    pub rounds: Vec<f64>,
}

impl Series {
    /// The middle value, or the mean of the two in the middle; `None` without values.
    pub fn median(&self) -> Option<f64> {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        let upper = *sorted.get(sorted.len() / 2)?;
        Some(if sorted.len() % 2 == 1 { upper } else { (sorted[sorted.len() / 2 - 1] + upper) / 2.0 })
    }
}

/// A ratio or value that is aimed at, with what came out.
#[derive(Debug, Serialize, Deserialize)]
pub struct Aim {
    /// Of what ("weir / floor, CPU").
    pub text: String,
    /// The bound.
    pub wanted: f64,
    /// Whether the bound is the most or the least that is wanted.
    pub at_most: bool,
    /// What was measured.
    pub got: f64,
}

impl Aim {
    /// Whether `got` is on the wanted side of the bound, or on it.
    pub fn reached(&self) -> bool {
        if self.at_most { self.got <= self.wanted } else { self.got >= self.wanted }
    }
}

/// One comparison.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// Name of its file: `ladder`, `ingest`, ...
    pub name: String,
    /// Headline.
    pub title: String,
    /// Where and when it was measured.
    pub setting: Setting,
    /// What was run, as a stranger would type it.
    pub commands: Vec<String>,
    /// What has to be known to read the figures, a sentence or two each.
    pub notes: Vec<String>,
    /// The figures.
    pub series: Vec<Series>,
    /// What was aimed at.
    pub aims: Vec<Aim>,
}

impl Report {
    /// An empty report. Looks at the machine and its load, so it belongs before the measuring.
    pub fn new(name: &str, title: &str) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            title: title.to_owned(),
            setting: Setting::now()?,
            commands: Vec::new(),
            notes: Vec::new(),
            series: Vec::new(),
            aims: Vec::new(),
        })
    }

    /// Adds a value to its series, which begins with its first value.
    pub fn add(&mut self, contender: &str, metric: &str, unit: &str, value: f64) {
        let same = |series: &&mut Series| series.contender == contender && series.metric == metric;
        match self.series.iter_mut().find(same) {
            Some(series) => series.rounds.push(value),
            None => self.series.push(Series {
                contender: contender.to_owned(),
                metric: metric.to_owned(),
                unit: unit.to_owned(),
                rounds: vec![value],
            }),
        }
    }

    /// The median of a series that has values.
    pub fn median(&self, contender: &str, metric: &str) -> Result<f64> {
        self.series
            .iter()
            .find(|series| series.contender == contender && series.metric == metric)
            .and_then(Series::median)
            .with_context(|| format!("{metric} of {contender} was not measured"))
    }

    /// Notes that `got` should be `wanted` at most.
    pub fn aim_at_most(&mut self, text: &str, wanted: f64, got: f64) {
        self.aims.push(Aim { text: text.to_owned(), wanted, at_most: true, got });
    }

    /// Notes that `got` should be `wanted` at least.
    pub fn aim_at_least(&mut self, text: &str, wanted: f64, got: f64) {
        self.aims.push(Aim { text: text.to_owned(), wanted, at_most: false, got });
    }

    /// Writes the raw numbers, and `RESULTS.md` anew from all raw numbers there are.
    pub fn save(&self) -> Result<()> {
        for series in &self.series {
            let finite = series.rounds.iter().all(|value| value.is_finite());
            ensure!(finite, "{} of {}: {:?}", series.metric, series.contender, series.rounds);
        }
        for aim in &self.aims {
            ensure!(aim.got.is_finite(), "{}: {}", aim.text, aim.got);
        }
        let raw = folder().join("raw");
        fs::create_dir_all(&raw)?;
        fs::write(raw.join(format!("{}.json", self.name)), serde_json::to_string_pretty(self)? + "\n")?;
        let results = folder().join("RESULTS.md");
        fs::write(&results, results::render(&read_all(&raw)?))?;
        println!("\n{}", results::section(self));
        println!("written to benches/RESULTS.md and benches/raw/{}.json", self.name);
        Ok(())
    }
}

/// The folder of the benches: where the sources are that this was built from.
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read_all(raw: &Path) -> Result<Vec<Report>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(raw)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: PathBuf| {
        serde_json::from_slice(&fs::read(&path)?).with_context(|| format!("{} is no report", path.display()))
    };
    paths.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(rounds: &[f64]) -> Series {
        Series { contender: String::new(), metric: String::new(), unit: String::new(), rounds: rounds.to_vec() }
    }

    #[test]
    fn the_median_is_the_middle_of_the_sorted_values() {
        assert_eq!(series(&[3.0, 1.0, 2.0]).median(), Some(2.0));
        assert_eq!(series(&[4.0, 1.0, 2.0, 3.0]).median(), Some(2.5));
        assert_eq!(series(&[]).median(), None);
    }

    #[test]
    fn an_aim_is_reached_on_its_bound_and_on_its_side() {
        let aim = |at_most, got| Aim { text: String::new(), wanted: 1.0, at_most, got };
        assert!(aim(true, 1.0).reached() && aim(true, 0.9).reached() && !aim(true, 1.1).reached());
        assert!(aim(false, 1.0).reached() && aim(false, 1.1).reached() && !aim(false, 0.9).reached());
    }

    #[test]
    fn values_gather_in_the_series_of_their_contender() {
        let mut report = Report::new("x", "X").unwrap();
        for (contender, value) in [("weir", 1.0), ("ffmpeg", 2.0), ("weir", 3.0)] {
            report.add(contender, "CPU", "s", value);
        }
        assert_eq!(report.series.len(), 2);
        assert_eq!(report.series[0].rounds, [1.0, 3.0]);
        assert_eq!(report.median("weir", "CPU").unwrap(), 2.0);
        assert!(report.median("nginx", "CPU").is_err());
        let raw = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&raw).unwrap().series[1].rounds, [2.0]);
    }
}
