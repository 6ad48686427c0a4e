//! Answers for people.

use std::io::{self, Write};

use serde_json::Value;

/// A text field of an answer; a dash where there is nothing.
pub fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or("-")
}

/// Rows under their heads, in columns as wide as they have to be.
pub fn table(out: &mut dyn Write, heads: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([heads[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    writeln!(out, "{}", line(&mut heads.iter().copied()))?;
    for row in rows {
        writeln!(out, "{}", line(&mut row.iter().map(String::as_str)))?;
    }
    Ok(())
}

/// Names and what belongs to them, those left out that have nothing.
pub fn fields(out: &mut dyn Write, fields: &[(&str, &Value)]) -> io::Result<()> {
    let shown: Vec<(&str, String)> = fields.iter().filter_map(|(name, value)| Some((*name, word(value)?))).collect();
    let width = shown.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    shown.iter().try_for_each(|(name, value)| writeln!(out, "{name:width$}  {value}"))
}

fn word(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(if *truth { "yes" } else { "no" }.to_owned()),
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => Some(items.iter().filter_map(word).collect::<Vec<_>>().join(", ")),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut out = Vec::new();
        let rows = [["é", "live"], ["long title", "ended"]].map(|row| row.map(str::to_owned).to_vec());
        table(&mut out, &["TITLE", "STATE"], &rows).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
        TITLE       STATE
        é           live
        long title  ended
        ");
    }

    #[test]
    fn fields_without_a_value_are_left_out() {
        let mut out = Vec::new();
        let (yes, list) = (Value::Bool(true), serde_json::json!(["a", "b"]));
        fields(&mut out, &[("one", &yes), ("none", &Value::Null), ("many", &list)]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "one   yes\nmany  a, b\n");
    }
}
