//! What is wrong with a file, said so that a person can put it right.

use std::fmt;
use std::io::IsTerminal;
use std::ops::Range;
use std::path::PathBuf;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

/// Wide enough for a sentence, narrow enough for a terminal beside an editor.
const REPORT_COLUMNS: usize = 110;

/// One fault: where it is, what is there and what was wanted. Never holds a stream key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A sentence without its full stop.
    pub message: String,
    /// Places in the file, in bytes, each with a few words; the first is the fault itself.
    pub labels: Vec<(Range<usize>, String)>,
    /// What to write instead.
    pub help: Option<String>,
}

impl Problem {
    pub fn new(message: impl Into<String>, at: Range<usize>, label: impl Into<String>) -> Self {
        Self { message: message.into(), labels: vec![(at, label.into())], help: None }
    }

    pub fn and(mut self, at: Range<usize>, label: impl Into<String>) -> Self {
        self.labels.push((at, label.into()));
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn position(&self) -> usize {
        self.labels.first().map_or(0, |(at, _)| at.start)
    }
}

/// All faults of one file.
#[derive(Debug)]
pub struct Problems {
    file: String,
    /// Already redacted.
    source: String,
    list: Vec<Problem>,
}

impl Problems {
    /// `redacted` must be as long as the file itself, and is shown to people.
    pub fn new(file: String, redacted: String, mut list: Vec<Problem>) -> Self {
        list.sort_by_key(Problem::position);
        Self { file, source: redacted, list }
    }
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read at all.
    #[error("cannot read {}: {source}", file.display())]
    Unreadable {
        /// As given on the command line.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is longer than any configuration.
    #[error("{} is longer than {bytes_max} bytes: this is no configuration file", file.display())]
    TooLong {
        /// As given on the command line.
        file: PathBuf,
        /// The limit.
        bytes_max: u64,
    },
    /// The file is not text.
    #[error("{}:{line}:{column}: not UTF-8 text", file.display())]
    NotUtf8 {
        /// As given on the command line.
        file: PathBuf,
        /// Of the first byte that is not text; counted from 1.
        line: usize,
        /// Counted from 1, in bytes.
        column: usize,
    },
    /// The text was read and is not right.
    #[error("{} in {}", count(.0.list.len()), .0.file)]
    Invalid(Problems),
}

fn count(problems: usize) -> String {
    if problems == 1 { "1 problem".to_owned() } else { format!("{problems} problems") }
}

impl ConfigError {
    /// Prints all that is wrong on standard error, in colour where that is a terminal.
    pub fn print(&self) {
        let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        eprint!("{}", self.render(colour));
    }

    /// All that is wrong, with the lines it is about, in the order of the file.
    pub fn render(&self, colour: bool) -> String {
        let Self::Invalid(problems) = self else { return format!("{self}\n") };
        let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(REPORT_COLUMNS).with_links(false);
        let source = NamedSource::new(&problems.file, problems.source.clone());
        let mut text = String::new();
        for problem in &problems.list {
            let shown = Shown { problem, source: &source };
            if handler.render_report(&mut text, &shown).is_err() {
                text.push_str(&problem.message);
            }
            text.push('\n');
        }
        // Masked lines end in blanks as long as what they hide.
        let lines = text.lines().map(|line| format!("{}\n", line.trim_end()));
        lines.chain([format!("{self}\n")]).collect()
    }
}

/// A problem beside its source, as miette wants it.
#[derive(Debug)]
struct Shown<'a> {
    problem: &'a Problem,
    source: &'a NamedSource<String>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.problem.labels.iter().map(|(at, label)| {
            // A masked value is marked as far as its mask goes, not as far as the value went.
            let visible = self.source.inner().get(at.clone()).map_or(0, |text| text.trim_end().len());
            LabeledSpan::new_with_span(Some(label.clone()), (at.start, visible))
        })))
    }
}
