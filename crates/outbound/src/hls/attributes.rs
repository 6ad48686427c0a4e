//! Attribute lists (rfc8216bis 4.2), read as far as they make sense.

/// The names and values of a list, without quotes. What has no `=` ends it.
pub(crate) fn attributes(list: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let (name, after) = rest.split_once('=')?;
        let (value, tail) = match after.strip_prefix('"') {
            // A quote that is never closed takes what is left.
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        rest = tail.split_once(',').map_or("", |(_, next)| next);
        Some((name.trim(), value.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &str) -> Vec<(&str, &str)> {
        attributes(list).collect()
    }

    #[test]
    fn commas_in_quotes_do_not_end_a_value() {
        assert_eq!(read(r#"A=1,B="x,y=z",C=2"#), [("A", "1"), ("B", "x,y=z"), ("C", "2")]);
    }

    #[test]
    fn what_is_malformed_is_read_as_far_as_it_makes_sense() {
        assert_eq!(read(""), []);
        assert_eq!(read("nothing"), []);
        assert_eq!(read(r#"A="open,B=2"#), [("A", "open,B=2")]);
        assert_eq!(read(r#"A="x"junk,B= 2 ,"#), [("A", "x"), ("B", "2")]);
    }
}
