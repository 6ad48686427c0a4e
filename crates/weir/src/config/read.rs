//! Text to [`Raw`]: syntax, unknown settings, wrong types; all of them in one go.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use super::raw::{Raw, header, place, tables};

/// More faults than this at once help nobody, and each costs another pass over the file.
const PROBLEMS_MAX: usize = 20;

/// The settings that could be read, beside what could not. With broken syntax there are no settings.
pub fn read(source: &str) -> (Option<Raw>, Vec<Problem>) {
    let (tree, errors) = DeTable::parse_recoverable(source);
    if !errors.is_empty() {
        return (None, syntax_problems(&errors));
    }
    let span = tree.span();
    let mut tree = tree.into_inner();
    let mut problems = Vec::new();
    loop {
        let whole = toml::de::Deserializer::from(Spanned::new(span.clone(), tree.clone()));
        let error = match Raw::deserialize(whole) {
            Ok(raw) => return (Some(raw), problems),
            Err(error) => error,
        };
        // serde stops at the first fault: take out what it stumbled over, then let it go on.
        let culprit = error.span().and_then(|at| take_culprit(&mut tree, &at, ""));
        let Some(culprit) = culprit.filter(|_| problems.len() < PROBLEMS_MAX) else {
            let at = error.span().unwrap_or(span);
            problems.push(Problem::new("this cannot be read as a setting", at, "here"));
            return (None, problems);
        };
        problems.push(culprit.problem(error.message()));
    }
}

/// After one fault the parser guesses where to go on, so of each line only the first fault is worth showing.
fn syntax_problems(errors: &[toml::de::Error]) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    for error in errors.iter().take(PROBLEMS_MAX) {
        let at = error.span().unwrap_or(0..0);
        let problem = Problem::new(format!("not valid TOML: {}", error.message().replace('\n', ", ")), at, "here");
        if !problems.iter().any(|earlier| earlier.labels == problem.labels) {
            problems.push(problem);
        }
    }
    problems
}

/// What serde refused, taken out of the tree.
enum Culprit {
    UnknownName { name: String, table: String, at: Range<usize> },
    WrongType { path: String, found: &'static str, at: Range<usize> },
}

/// Finds the name or the value that stands at `at`, and removes its entry. Goes as deep as the file nests, which
/// the TOML parser bounds.
fn take_culprit(table: &mut DeTable<'_>, at: &Range<usize>, path: &str) -> Option<Culprit> {
    let mut refused: Option<(String, Culprit)> = None;
    for (key, value) in table.iter_mut() {
        let name = key.get_ref().to_string();
        if key.span() == *at {
            let culprit = Culprit::UnknownName { name: name.clone(), table: path.to_owned(), at: at.clone() };
            refused = Some((name, culprit));
            break;
        }
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if value.span() == *at {
            refused = Some((name, wrong_type(below, value)));
            break;
        }
        let found = match value.get_mut() {
            DeValue::Table(table) => take_culprit(table, at, &below),
            DeValue::Array(items) => {
                if let Some(item) = items.iter_mut().find(|item| item.span() == *at) {
                    let culprit = wrong_type(below, item);
                    // The lists of this file are all lists of tables.
                    *item.get_mut() = DeValue::Table(DeTable::new());
                    return Some(culprit);
                }
                items.iter_mut().find_map(|item| match item.get_mut() {
                    DeValue::Table(table) => take_culprit(table, at, &below),
                    _ => None,
                })
            }
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    let (name, culprit) = refused?;
    table.remove(name.as_str());
    Some(culprit)
}

fn wrong_type(path: String, value: &Spanned<DeValue<'_>>) -> Culprit {
    Culprit::WrongType { path, found: value.get_ref().type_str(), at: value.span() }
}

impl Culprit {
    /// `message` is serde's. Only what it expected is taken from it: it also quotes the value, which may be a key.
    fn problem(self, message: &str) -> Problem {
        match self {
            Self::UnknownName { name, table, at } => {
                let message = format!("unknown setting `{name}` {}", place(&table));
                Problem::new(message, at, "unknown").help(suggestion(&name, &table))
            }
            Self::WrongType { path, found, at } => {
                let expected = message.rsplit(", expected ").next().unwrap_or_default();
                let (wanted, help) = match expected.lines().next().unwrap_or_default() {
                    "i64" => ("a whole number", "digits alone: no quotes, no decimal point".to_owned()),
                    "a string" => ("text", "write it in quotes: \"...\"".to_owned()),
                    "a sequence" => ("a list of tables", format!("write its header as {}", header(&path))),
                    _ => (
                        "a table",
                        format!("write its header as {}, and its settings on the lines below", header(&path)),
                    ),
                };
                let name = path.rsplit('.').next().unwrap_or_default();
                let message = format!("`{name}` must be {wanted}, not {}", in_words(found));
                Problem::new(message, at, format!("{wanted} is wanted")).help(help)
            }
        }
    }
}

/// The parser's word for a type, in words for people.
fn in_words(type_name: &str) -> &'static str {
    match type_name {
        "string" => "text",
        "integer" => "a number",
        "float" => "a number with a decimal point",
        "boolean" => "true or false",
        "datetime" => "a date",
        "array" => "a list",
        _ => "a table",
    }
}

/// What may have been meant by `name` in `table`: a name spelt much like it, the same name elsewhere, or else
/// any of the names there are.
fn suggestion(name: &str, table: &str) -> String {
    let all = tables();
    let here = all.iter().find(|(path, _)| *path == table).map_or(&[][..], |(_, fields)| fields);
    if let Some(near) = nearest(name, here) {
        return format!("did you mean `{near}`?");
    }
    if let Some((home, _)) = all.iter().find(|(_, fields)| fields.contains(&name)) {
        return format!("`{name}` belongs {}", place(home));
    }
    format!("{} there can be: {}", place(table), here.join(", "))
}

/// The name nearest to `word` by edit distance, if near enough to be a slip.
pub fn nearest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase().replace('-', "_");
    let distance = |name: &str| strsim::damerau_levenshtein(&word, name);
    let best = names.iter().min_by_key(|name| distance(name))?;
    // A third of the letters wrong is a slip; more is another word.
    (distance(best) <= (best.len() / 3).max(1)).then_some(best)
}
