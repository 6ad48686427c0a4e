//! Attribute lists (rfc8216bis 4.2).

use crate::finding::Sink;

/// An attribute's value, and whether it stood in quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    text: String,
    quoted: bool,
}

/// The attributes of one tag.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attributes {
    line: usize,
    list: Vec<(String, Value)>,
}

impl Attributes {
    /// Reads a list strictly; what is wrong goes to `sink`, and what can be read is kept.
    pub(crate) fn read(text: &str, line: usize, sink: &mut Sink) -> Self {
        let mut attributes = Self { line, list: Vec::new() };
        let mut rest = text;
        loop {
            let Some((name, after)) = rest.split_once('=') else {
                sink.add("P1-attributes", line, format!("{rest:?} has no ="));
                return attributes;
            };
            let proper = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
            sink.check("P1-attributes", line, !name.is_empty() && name.bytes().all(proper), || {
                format!("the attribute name {name:?} is not made of A-Z, 0-9 and -")
            });
            let (value, tail) = match after.strip_prefix('"') {
                Some(inner) => match inner.split_once('"') {
                    Some((text, tail)) => (Value { text: text.to_owned(), quoted: true }, tail),
                    None => {
                        sink.add("P1-attributes", line, format!("{name} has no closing quote"));
                        return attributes;
                    }
                },
                None => {
                    let (text, _) = after.split_once(',').unwrap_or((after, ""));
                    sink.check("P1-attributes", line, !text.is_empty() && !text.contains([' ', '\t', '"']), || {
                        format!("{name} has the value {text:?}")
                    });
                    (Value { text: text.to_owned(), quoted: false }, &after[text.len()..])
                }
            };
            let twice = attributes.list.iter().any(|(other, _)| other == name);
            sink.check("P1-attributes", line, !twice, || format!("{name} stands twice"));
            attributes.list.push((name.to_owned(), value));
            match tail.strip_prefix(',') {
                Some(next) => rest = next,
                None => {
                    sink.check("P1-attributes", line, tail.is_empty(), || format!("{tail:?} after {name}"));
                    return attributes;
                }
            }
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.list.iter().any(|(other, _)| other == name)
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.list.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// A quoted string, if the attribute is there.
    pub(crate) fn quoted(&self, name: &str, sink: &mut Sink) -> Option<String> {
        let value = self.get(name)?;
        sink.check("P1-values", self.line, value.quoted, || format!("{name} is not quoted"));
        Some(value.text.clone())
    }

    /// Anything that is not quoted.
    pub(crate) fn plain(&self, name: &str, sink: &mut Sink) -> Option<String> {
        let value = self.get(name)?;
        sink.check("P1-values", self.line, !value.quoted, || format!("{name} is quoted"));
        Some(value.text.clone())
    }

    pub(crate) fn integer(&self, name: &str, sink: &mut Sink) -> Option<u64> {
        let text = self.plain(name, sink)?;
        let number = decimal(&text);
        sink.check("P1-values", self.line, number.is_some(), || format!("{name}={text} is no decimal integer"));
        number
    }

    pub(crate) fn micros(&self, name: &str, sink: &mut Sink) -> Option<u64> {
        let text = self.plain(name, sink)?;
        let number = micros(&text);
        sink.check("P1-values", self.line, number.is_some(), || format!("{name}={text} is no decimal number"));
        number
    }

    /// YES, or not there.
    pub(crate) fn yes(&self, name: &str, sink: &mut Sink) -> bool {
        match self.plain(name, sink) {
            None => false,
            Some(text) => {
                sink.check("P1-values", self.line, text == "YES" || text == "NO", || format!("{name}={text}"));
                text == "YES"
            }
        }
    }
}

pub(crate) fn decimal(text: &str) -> Option<u64> {
    let digits = (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Microseconds of a decimal-floating-point number of seconds; digits beyond the sixth are cut off.
pub(crate) fn micros(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let part: String = part.chars().chain("000000".chars()).take(6.max(part.len())).collect();
    let fraction = decimal(&part).and_then(|_| decimal(part.get(..6)?))?;
    decimal(whole)?.checked_mul(1_000_000)?.checked_add(fraction)
}
