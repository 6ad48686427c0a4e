use url::Url;

use crate::OutboundError;
use crate::limits::URL_BYTES_MAX;

/// Reads a URL that requests may go to, as far as can be told without resolving its host: absolute, http or https,
/// with a host, no user name or password, and not port 0.
///
/// # Errors
/// It is none of that, or longer than 8 KiB.
pub fn parse_url(text: &str) -> Result<Url, OutboundError> {
    if text.len() > URL_BYTES_MAX {
        return Err(OutboundError::InvalidUrl { reason: format!("it is longer than {URL_BYTES_MAX} bytes") });
    }
    let url = Url::parse(text).map_err(|error| OutboundError::InvalidUrl { reason: error.to_string() })?;
    judged(url)
}

/// The URL that a redirect leads to.
pub(crate) fn redirected(from: &Url, location: &str) -> Result<Url, OutboundError> {
    let to = joined(from, location)?;
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(OutboundError::Downgrade);
    }
    Ok(to)
}

/// A URL that may be relative to another.
pub(crate) fn joined(base: &Url, reference: &str) -> Result<Url, OutboundError> {
    if reference.len() > URL_BYTES_MAX {
        return Err(OutboundError::InvalidUrl { reason: format!("it is longer than {URL_BYTES_MAX} bytes") });
    }
    let url = base.join(reference).map_err(|error| OutboundError::InvalidUrl { reason: error.to_string() })?;
    judged(url)
}

fn judged(url: Url) -> Result<Url, OutboundError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(OutboundError::Scheme { found: url.scheme().chars().take(SCHEME_SHOWN_CHARS).collect() });
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(OutboundError::UserInfo);
    }
    if url.port() == Some(0) {
        return Err(OutboundError::InvalidUrl { reason: "no server has port 0".to_owned() });
    }
    Ok(url)
}

/// As much of a foreign scheme as an error repeats.
const SCHEME_SHOWN_CHARS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> &'static str {
        parse_url(text).expect_err(text).code()
    }

    #[test]
    fn only_http_and_https_without_a_user_and_with_a_real_port_are_targets() {
        for good in ["http://example.com/a.m3u8?b=c#d", "https://example.com:8443/", "https://[2606:4700::1111]/"] {
            assert!(parse_url(good).is_ok(), "{good}");
        }
        for scheme in ["file:///etc/passwd", "ftp://example.com/", "javascript:alert(1)", "gopher://x/", "data:,x"] {
            assert_eq!(code(scheme), "scheme", "{scheme}");
        }
        for user in ["http://user@example.com/", "http://user:pass@example.com/", "http://:pass@example.com/"] {
            assert_eq!(code(user), "userinfo", "{user}");
        }
        for invalid in ["", "example.com/live.m3u8", "http://", "http://example.com:0/", "http://1.2.3.4.5/"] {
            assert_eq!(code(invalid), "invalid_url", "{invalid:?}");
        }
        assert_eq!(code(&format!("http://example.com/{}", "a".repeat(URL_BYTES_MAX))), "invalid_url");
    }

    #[test]
    fn a_redirect_is_judged_like_a_first_url_and_never_leaves_https() {
        let from = parse_url("https://example.com/live/a.m3u8").expect("a target");
        assert_eq!(redirected(&from, "../b.m3u8").expect("relative").as_str(), "https://example.com/b.m3u8");
        assert_eq!(redirected(&from, "//other.example/").expect("same scheme").scheme(), "https");
        let refused = |location: &str| redirected(&from, location).expect_err("refused").code();
        assert_eq!(refused("http://example.com/live/a.m3u8"), "downgrade");
        assert_eq!(refused("file:///etc/passwd"), "scheme");
        assert_eq!(refused("https://user@example.com/"), "userinfo");
    }
}
