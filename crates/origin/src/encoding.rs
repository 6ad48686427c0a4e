use hyper::HeaderMap;
use hyper::header::ACCEPT_ENCODING;

/// Weight of a content coding in thousandths (RFC 9110, 12.4.2).
type Weight = u16;
const FULL: Weight = 1000;

/// Whether an answer that exists plain and gzip-coded is to be sent gzip-coded (RFC 9110, 12.5.3).
///
/// Gzip wins a tie, so `gzip, identity;q=1, *;q=0`, which Chromium's own player sends, is answered with gzip. A
/// client that accepts neither gets the plain text, as the section allows, for that is of more use than 406.
pub(crate) fn prefers_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut identity, mut any) = (None, None, None);
    for value in headers.get_all(ACCEPT_ENCODING) {
        for member in value.to_str().unwrap_or_default().split(',') {
            let (coding, weight) = member_weight(member);
            if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
                gzip = Some(weight);
            } else if coding.eq_ignore_ascii_case("identity") {
                identity = Some(weight);
            } else if coding == "*" {
                any = Some(weight);
            }
        }
    }
    let gzip = gzip.or(any).unwrap_or(0);
    // Identity that is not named is acceptable, but nobody asked for it.
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// The coding of a list member and its weight; a weight that cannot be read is 0.
fn member_weight(member: &str) -> (&str, Weight) {
    let mut parts = member.split(';').map(str::trim);
    let coding = parts.next().unwrap_or_default();
    let weight = parts
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .map_or(FULL, |(_, value)| thousandths(value.trim()).unwrap_or(0));
    (coding, weight)
}

/// A `qvalue`: `0`, `1`, or either with up to three decimals, not above 1.
fn thousandths(value: &str) -> Option<Weight> {
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    if !matches!(whole, "0" | "1") || decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let fraction = format!("{decimals:0<3}").parse::<Weight>().ok()?;
    let weight = if whole == "1" { FULL } else { 0 } + fraction;
    (weight <= FULL).then_some(weight)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn asked(values: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_static(value));
        }
        prefers_gzip(&headers)
    }

    #[test]
    fn gzip_is_sent_to_those_who_accept_it() {
        for value in [
            "gzip",
            "GZIP",
            "x-gzip",
            "*",
            "gzip, deflate, br, zstd",
            "gzip, identity;q=1, *;q=0",
            "deflate;q=1, gzip;q=0.001",
            "br, *;q=0.1",
            "gzip ; Q=1.000",
            "identity;q=0.5, gzip;q=0.5",
            "identity;q=0, gzip;q=0.2",
            "*, identity;q=0.9",
        ] {
            assert!(asked(&[value]), "{value}");
        }
        assert!(asked(&["br", "gzip"]));
    }

    #[test]
    fn plain_text_is_sent_to_all_others() {
        for value in [
            "",
            "identity",
            "br",
            "gzip;q=0",
            "gzip;q=0.000, *",
            "*;q=0",
            "gzip;q=0.5, identity",
            "gzip;q=2",
            "gzip;q=1.001",
            "gzip;q=-1",
            "gzip;q=0.0001",
            "gzip;q=",
            "gzipped",
            "identity;q=0, *;q=0",
        ] {
            assert!(!asked(&[value]), "{value}");
        }
        assert!(!asked(&[]));
    }
}
