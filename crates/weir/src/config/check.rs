//! Checks that many settings share. A setting that fails is noted and its default goes on in its place, so that
//! the rest of the file is checked too; a configuration with a note is never used.

use std::fs::File;
use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::problem::Problem;
use super::read::nearest;

/// The notes taken while settings are checked.
pub struct Check<'a> {
    folder: &'a Path,
    complete: bool,
    problems: Vec<Problem>,
}

impl<'a> Check<'a> {
    /// `folder` is where relative paths begin. `complete` says that nothing was lost while reading: otherwise what
    /// seems to be missing may only be misspelt, and was noted already.
    pub fn new(folder: &'a Path, complete: bool) -> Self {
        Self { folder, complete, problems: Vec::new() }
    }

    pub fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    pub fn note(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Notes that something is not there.
    pub fn missing(&mut self, problem: Problem) {
        if self.complete {
            self.problems.push(problem);
        }
    }

    /// The value of a setting that has to be given in the table at `table`.
    pub fn required<'v, T>(
        &mut self,
        value: &'v Option<Spanned<T>>,
        name: &str,
        table: Range<usize>,
        help: &str,
    ) -> Option<&'v Spanned<T>> {
        if value.is_none() {
            self.missing(Problem::new(format!("`{name}` is missing"), table, format!("needs `{name}`")).help(help));
        }
        value.as_ref()
    }

    /// A whole number within `range`.
    pub fn number(&mut self, value: &Spanned<i64>, name: &str, range: RangeInclusive<u32>, unit: &str) -> Option<u32> {
        let number = u32::try_from(*value.get_ref()).ok().filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            let message = format!("`{name}` must be from {least} to {most} {unit}, and is {}", value.get_ref());
            self.note(Problem::new(message, value.span(), "out of range"));
        }
        number
    }

    /// As [`number`](Self::number), or `default` where it is not given.
    pub fn number_or(
        &mut self,
        value: &Option<Spanned<i64>>,
        name: &str,
        range: RangeInclusive<u32>,
        unit: &str,
        default: u32,
    ) -> u32 {
        value.as_ref().and_then(|value| self.number(value, name, range, unit)).unwrap_or(default)
    }

    /// One of a few words.
    pub fn word<T: Copy>(&mut self, value: &Spanned<String>, name: &str, words: &[(&str, T)]) -> Option<T> {
        let found = words.iter().find(|(word, _)| *word == value.get_ref()).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let problem =
                Problem::new(format!("`{name}` cannot be \"{}\"", value.get_ref()), value.span(), "not known");
            let help = match nearest(value.get_ref(), &names) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("one of: {}", names.join(", ")),
            };
            self.note(problem.help(help));
        }
        found
    }

    /// As [`word`](Self::word), or `default` where it is not given.
    pub fn word_or<T: Copy>(
        &mut self,
        value: &Option<Spanned<String>>,
        name: &str,
        words: &[(&str, T)],
        default: T,
    ) -> T {
        value.as_ref().and_then(|value| self.word(value, name, words)).unwrap_or(default)
    }

    /// An IP address and a port.
    pub fn listen(&mut self, value: &Spanned<String>) -> Option<SocketAddr> {
        let address = value.get_ref().parse().ok();
        if address.is_none() {
            let message = format!("\"{}\" is not an IP address with a port", value.get_ref());
            self.note(Problem::new(message, value.span(), "address:port is wanted").help(
                "\"127.0.0.1:1935\" is for this machine alone, \"0.0.0.0:1935\" and \"[::]:1935\" are for every interface",
            ));
        }
        address
    }

    /// A path, taken from the folder of the file when relative.
    pub fn path(&self, value: &str) -> PathBuf {
        self.folder.join(value)
    }

    /// A file that the daemon will read.
    pub fn readable(&mut self, value: &Spanned<String>, name: &str) -> PathBuf {
        let path = self.path(value.get_ref());
        let file = File::open(&path).and_then(|file| file.metadata());
        let fault = match file {
            Ok(metadata) if metadata.is_dir() => Some("it is a folder".to_owned()),
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        };
        if let Some(fault) = fault {
            let message = format!("`{name}` {} cannot be read: {fault}", path.display());
            self.note(Problem::new(message, value.span(), "this file").help(RELATIVE_PATHS));
        }
        path
    }
}

/// How paths in the file are meant.
pub const RELATIVE_PATHS: &str = "a relative path begins at the folder of the configuration file";
