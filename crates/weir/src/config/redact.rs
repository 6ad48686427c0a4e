//! The source as it may be shown: with every value masked that is, or might be meant as, a stream key.

use super::raw::{SECRET_FIELDS, tables};
use crate::keys::KEY_CHARS_MIN;

const MASK: &str = "***";

/// A number or a switch this short is no key, so a mistyped name still shows its value.
const PLAIN_VALUE_CHARS_MAX: usize = 8;

/// Longest unknown name that is shown; what is longer may be a key that lost its quotes.
const NAME_CHARS_MAX: usize = 30;

/// A copy of `source` of the same length in bytes, so that places in one are places in the other.
///
/// It works on lines and not on values, so that a file with broken syntax is masked just as well, and it shows
/// only what is known to be harmless: `[headers]`, settings of the schema other than keys, and short numbers.
pub fn redact(source: &str) -> String {
    let harmless = harmless_names();
    let mut shown = String::with_capacity(source.len());
    let mut in_long_string = false;
    for line in source.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        let visible = if in_long_string { 0 } else { visible_bytes(content, &harmless) };
        shown.push_str(&content[..visible]);
        mask(&mut shown, &content[visible..]);
        shown.push_str(&line[content.len()..]);
        let delimiters = content.matches("\"\"\"").count() + content.matches("'''").count();
        in_long_string ^= delimiters % 2 == 1;
    }
    shown
}

/// The settings whose values are shown. Not the names of tables: an inline table or list may hold a key.
fn harmless_names() -> Vec<&'static str> {
    let tables = tables();
    let is_table = |name: &str| tables.iter().any(|(path, _)| path.rsplit('.').next() == Some(name));
    let names = tables.iter().flat_map(|(_, fields)| fields.iter().copied());
    names.filter(|name| !SECRET_FIELDS.contains(name) && !is_table(name)).collect()
}

/// How much of the line, from its beginning, can be shown.
fn visible_bytes(line: &str, harmless: &[&str]) -> usize {
    // Comments are free text: a key may be noted there.
    let line = line.split('#').next().unwrap_or(line);
    let trimmed = line.trim_start();
    if trimmed.is_empty() || is_header(trimmed) {
        return line.len();
    }
    let Some(equals) = line.find('=') else { return 0 };
    let (name, value) = (line[..equals].trim(), line[equals + 1..].trim());
    let name_is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if !name_is_plain || name.len() > NAME_CHARS_MAX {
        return 0;
    }
    let number =
        value.len() <= PLAIN_VALUE_CHARS_MAX && value.bytes().all(|b| b.is_ascii_digit() || b"+-_.".contains(&b));
    let last = name.rsplit('.').next().unwrap_or(name);
    let shown = number || matches!(value, "true" | "false") || (harmless.contains(&last) && is_one_value(value));
    if shown { line.len() } else { equals + 1 }
}

/// One quoted text and nothing else, or too little to hold a key: where a line break was lost, or in an inline
/// table, a key may stand further on.
fn is_one_value(value: &str) -> bool {
    let quoted = ['"', '\''].iter().any(|quote| {
        value.strip_prefix(*quote).and_then(|rest| rest.strip_suffix(*quote)).is_some_and(|text| !text.contains(*quote))
    });
    quoted || value.len() < KEY_CHARS_MIN
}

/// `[name]`, `[[name]]`, or what is left of one, with a name too short for a key.
fn is_header(line: &str) -> bool {
    let Some(rest) = line.strip_prefix('[') else { return false };
    let name = rest.trim_matches(|c: char| matches!(c, '[' | ']') || c.is_whitespace());
    name.len() < KEY_CHARS_MIN && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

fn mask(shown: &mut String, hidden: &str) {
    // Blanks after the mark, not more stars: the length of a key is nobody's business either.
    let blanks = hidden.len().saturating_sub(MASK.len() + 1);
    for (at, fill) in " ***".chars().chain(std::iter::repeat_n(' ', blanks)).enumerate() {
        if at < hidden.len() {
            shown.push(fill);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(source: &str) -> String {
        let redacted = redact(source);
        assert_eq!(redacted.len(), source.len(), "places would move");
        redacted.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }

    #[test]
    fn keys_are_masked_however_they_are_written() {
        for line in [
            "key = \"hidden-value-abc\"",
            "  key='hidden-value-abc' # hidden too",
            "kee = \"hidden-value-abc\"",
            "\"key\" = \"hidden-value-abc\"",
            "srt_passphrase = \"hidden-value-abc\"",
            "channel = [{ name = \"a\", key = \"hidden-value-abc\" }]",
            "channel = [\"hidden-value-abc\"]",
            "name = { key = \"hidden-value-abc\" }",
            "key \"hidden-value-abc\"",
            "key: \"hidden=value-abc\"",
            "# key = \"hidden-value-abc\"",
            "hidden-value-abc",
            "hiddenvaluehiddenvaluehiddenvalue==",
            "[[channel]] key = \"hidden-value-abc\"",
            "[[channel]] # hidden-value-abc",
            "name = \"studio\" # its key is hidden-value-abc",
            "name = \"a\"key  \"hidden-value-abc\"",
            "[hidden-value-abc]",
            "clé = \"hidden-value-é\"",
            "key = \"\"\"\nhidden-value\nname = \"hidden-value\"\n\"\"\"",
        ] {
            assert!(!shown(line).contains("hidden"), "{line}\n{}", shown(line));
        }
    }

    #[test]
    fn what_is_no_secret_stays_readable() {
        let harmless =
            "[hls]\nsegmet_ms = 2000\nwindow_s = \"60\"\n\n[[channel]]\nname = \"studio\"\nkey_file = \"k\"\n";
        assert_eq!(shown(harmless), harmless);
        assert_eq!(shown("stream_key = \"0123456789abcdef\"\n"), "stream_key = ***\n");
    }

    proptest! {
        #[test]
        fn slips_of_the_keyboard_do_not_uncover_a_key(
            key in "[a-z0-9]{16,40}",
            slips in prop::collection::vec((0usize..200, prop::option::of(r#"[]\["'=#{}\n,.k ]"#)), 0..4),
        ) {
            let mut file = format!("[hls]\nwindow_s = 60\n[[channel]]\nname = \"a\"\nkey = \"{key}\" # x\ninput = \"720p\"\n");
            for (place, slip) in slips {
                let place = place % file.len();
                match slip {
                    Some(extra) => file.insert_str(place, &extra),
                    None => drop(file.remove(place)),
                }
            }
            prop_assert!(!redact(&file).contains(&key), "{}\n{}", file, redact(&file));
        }
    }
}
