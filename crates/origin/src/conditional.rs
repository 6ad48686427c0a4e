use hyper::HeaderMap;
use hyper::header::{IF_NONE_MATCH, IF_RANGE};

/// Whether `If-None-Match` holds the entity tag `current`, so that 304 is the answer (RFC 9110, 13.1.2: weak
/// comparison, `*` matches whatever exists).
pub(crate) fn not_modified(headers: &HeaderMap, current: &[u8]) -> bool {
    headers.get_all(IF_NONE_MATCH).iter().any(|value| {
        let value = value.as_bytes().trim_ascii();
        value == b"*" || Tags { rest: value }.any(|tag| tag == current)
    })
}

/// Whether a range may be answered with a part: there is no `If-Range`, or it names `current` by strong
/// comparison (RFC 9110, 13.1.5). A date never matches, because nothing here has a modification date.
pub(crate) fn range_allowed(headers: &HeaderMap, current: &str) -> bool {
    headers.get(IF_RANGE).is_none_or(|value| value.as_bytes() == current.as_bytes())
}

/// The opaque tags, with their quotes, of a list of entity tags (RFC 9110, 8.8.3). Ends at the first fault.
struct Tags<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Tags<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self.rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
        let tag = &self.rest[start..];
        let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
        let inside = tag.strip_prefix(b"\"")?;
        // A comma may stand inside the quotes, so the closing quote ends the tag, not the next comma.
        let length = inside.iter().position(|&byte| byte == b'"')? + 2;
        let (tag, rest) = tag.split_at(length);
        self.rest = rest;
        Some(tag)
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn held(value: &[u8]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(IF_NONE_MATCH, HeaderValue::from_bytes(value).expect("a header value"));
        not_modified(&headers, b"\"a,b\"")
    }

    #[test]
    fn a_tag_is_found_in_a_list_weak_or_strong() {
        for value in ["\"a,b\"", "W/\"a,b\"", "\"x\", \"a,b\"", "\"x\",W/\"a,b\" , \"y\"", "*", " * ", ",\"a,b\""] {
            assert!(held(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn another_tag_or_a_broken_list_does_not_match() {
        for value in ["\"a\"", "a,b", "\"a,b", "\"x", "", "w/\"a,b\"", "\"A,B\"", "x \"a,b\"", "**"] {
            assert!(!held(value.as_bytes()), "{value}");
        }
        assert!(!not_modified(&HeaderMap::new(), b"\"a,b\""));
    }

    #[test]
    fn if_range_needs_the_strong_tag() {
        let mut headers = HeaderMap::new();
        assert!(range_allowed(&headers, "\"v1\""));
        for (value, allowed) in
            [("\"v1\"", true), ("W/\"v1\"", false), ("\"v2\"", false), ("Sat, 29 Oct 1994 19:43:31 GMT", false)]
        {
            headers.insert(IF_RANGE, HeaderValue::from_static(value));
            assert_eq!(range_allowed(&headers, "\"v1\""), allowed, "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_list_makes_the_reader_panic(value in "[\"W/, a*]{0,20}") {
            let _ = held(value.as_bytes());
        }
    }
}
