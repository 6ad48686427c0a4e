use hyper::HeaderMap;
use hyper::header::RANGE;

/// What a `Range` header asks of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it: there is no range, or one that is not honoured.
    Whole,
    /// The bytes from `start` up to, not including, `end`; never empty.
    Part { start: usize, end: usize },
    /// None of the bytes asked for exist: 416.
    Unsatisfiable,
}

/// Reads a `Range` header for a body of `length` bytes (RFC 9110, 14.2). Only a single byte range is honoured:
/// a list, another unit or a malformed header is answered with the whole, as the section allows.
pub(crate) fn wanted(headers: &HeaderMap, length: usize) -> Wanted {
    let mut values = headers.get_all(RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Wanted::Whole };
    value.to_str().ok().and_then(|text| single(text, length)).unwrap_or(Wanted::Whole)
}

fn single(text: &str, length: usize) -> Option<Wanted> {
    let (unit, spec) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = spec.trim().split_once('-')?;
    let (start, end) = match (first, last) {
        ("", suffix) => (length.saturating_sub(position(suffix)?), length),
        (first, "") => (position(first)?, length),
        (first, last) => {
            let (first, last) = (position(first)?, position(last)?);
            if last < first {
                return None;
            }
            (first, length.min(last.saturating_add(1)))
        }
    };
    Some(if start < end { Wanted::Part { start, end } } else { Wanted::Unsatisfiable })
}

/// Digits as a number; one too large for a `usize` lies behind every body all the same.
fn position(digits: &str) -> Option<usize> {
    let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| digits.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn of_ten(value: &str) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, HeaderValue::from_str(value).expect("a header value"));
        wanted(&headers, 10)
    }

    #[test]
    fn a_single_range_is_clipped_to_the_body() {
        for (value, start, end) in [
            ("bytes=0-", 0, 10),
            ("bytes=0-0", 0, 1),
            ("bytes=2-4", 2, 5),
            ("bytes=9-", 9, 10),
            ("bytes=5-99999999999999999999999", 5, 10),
            ("bytes=-3", 7, 10),
            ("bytes=-99", 0, 10),
            ("Bytes= 1-1 ", 1, 2),
        ] {
            assert_eq!(of_ten(value), Wanted::Part { start, end }, "{value}");
        }
    }

    #[test]
    fn a_range_behind_the_body_cannot_be_satisfied() {
        for value in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(of_ten(value), Wanted::Unsatisfiable, "{value}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, HeaderValue::from_static("bytes=0-"));
        assert_eq!(wanted(&headers, 0), Wanted::Unsatisfiable);
    }

    #[test]
    fn lists_other_units_and_nonsense_get_the_whole() {
        for value in
            ["bytes=0-1,3-4", "items=0-1", "bytes", "bytes=", "bytes=-", "bytes=4-2", "bytes=a-b", "bytes=+1-2"]
        {
            assert_eq!(of_ten(value), Wanted::Whole, "{value}");
        }
        assert_eq!(wanted(&HeaderMap::new(), 10), Wanted::Whole);
    }

    proptest! {
        #[test]
        fn a_part_always_lies_inside_the_body(value in "bytes=[0-9]{0,21}-[0-9]{0,21}", length in 0_usize..2000) {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, HeaderValue::from_str(&value).expect("a header value"));
            if let Wanted::Part { start, end } = wanted(&headers, length) {
                prop_assert!(start < end && end <= length);
            }
        }
    }
}
