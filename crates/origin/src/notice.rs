use jiff::Timestamp;
use serde::Serialize;
use url::Url;

use crate::access::Access;

/// What the watch page of an event says to everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What the event is called.
    pub title: String,
    /// How far it has come.
    pub state: NoticeState,
    /// When it begins, in milliseconds since 1970; `None` when that is not planned.
    pub starts_ms: Option<i64>,
    /// Who may play it.
    pub access: Access,
    /// The playlist to play when the event is not served here: an absolute `http` or `https` URL.
    pub external_url: Option<String>,
}

/// How far an event has come, as far as the public is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeState {
    /// It will be on air.
    Upcoming,
    /// It is.
    Live,
    /// It was.
    Ended,
}

/// `status.json`.
#[derive(Serialize)]
struct Status<'a> {
    title: &'a str,
    state: &'static str,
    starts_at: Option<String>,
    /// The clock that `starts_at` goes by; that of a viewer may be wrong.
    now: Option<String>,
    access: &'static str,
    url: Option<&'a str>,
}

impl Notice {
    /// What the page reads, at `now_ms`, in milliseconds since 1970.
    pub(crate) fn json(&self, now_ms: i64) -> Vec<u8> {
        let status = Status {
            title: &self.title,
            state: match self.state {
                NoticeState::Upcoming => "upcoming",
                NoticeState::Live => "live",
                NoticeState::Ended => "ended",
            },
            starts_at: self.starts_ms.and_then(rfc3339),
            now: rfc3339(now_ms),
            access: match self.access {
                Access::Free => "free",
                Access::Paid => "paid",
            },
            url: self.external_url.as_deref(),
        };
        // Texts cannot fail to be written.
        serde_json::to_vec(&status).unwrap_or_default()
    }

    /// Scheme, host and port of the external URL, fit to stand in a security policy: a URL that is none, or of another
    /// scheme, has no such origin, and nothing of its path or query gets into it.
    pub(crate) fn external_origin(&self) -> Option<String> {
        let url = Url::parse(self.external_url.as_deref()?).ok()?;
        let origin = matches!(url.scheme(), "http" | "https").then(|| url.origin().ascii_serialization())?;
        // The URL standard lets a host have a `;`, behind which a policy would read its next directive.
        origin.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:/[]".contains(&byte)).then_some(origin)
    }
}

/// In UTC, to the millisecond; `None` for times beyond the year 9999.
fn rfc3339(ms: i64) -> Option<String> {
    Timestamp::from_millisecond(ms).ok().map(|time| format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(external_url: Option<&str>) -> Notice {
        Notice {
            title: "Choir \"Ü\" </script>".to_owned(),
            state: NoticeState::Upcoming,
            starts_ms: Some(1_900_000_000_000),
            access: Access::Paid,
            external_url: external_url.map(str::to_owned),
        }
    }

    fn text(notice: &Notice) -> String {
        String::from_utf8(notice.json(1_899_999_999_042)).expect("UTF-8")
    }

    #[test]
    fn the_page_reads_times_in_utc_and_null_for_what_is_not_known() {
        insta::assert_snapshot!(text(&notice(None)), @r#"{"title":"Choir \"Ü\" </script>","state":"upcoming","starts_at":"2030-03-17T17:46:40.000Z","now":"2030-03-17T17:46:39.042Z","access":"paid","url":null}"#);
        let bare = Notice { starts_ms: None, state: NoticeState::Ended, access: Access::Free, ..notice(None) };
        insta::assert_snapshot!(text(&bare), @r#"{"title":"Choir \"Ü\" </script>","state":"ended","starts_at":null,"now":"2030-03-17T17:46:39.042Z","access":"free","url":null}"#);
        let beyond = Notice { starts_ms: Some(i64::MAX), ..notice(Some("https://cdn.example/a.m3u8")) };
        insta::assert_snapshot!(text(&beyond), @r#"{"title":"Choir \"Ü\" </script>","state":"upcoming","starts_at":null,"now":"2030-03-17T17:46:39.042Z","access":"paid","url":"https://cdn.example/a.m3u8"}"#);
    }

    #[test]
    fn of_a_url_only_the_origin_is_trusted() {
        for (url, origin) in [
            ("https://cdn.example/live/a.m3u8?b=c#d", Some("https://cdn.example")),
            ("HTTPS://user:secret@CDN.example:443/a", Some("https://cdn.example")),
            ("http://127.0.0.1:8080/a", Some("http://127.0.0.1:8080")),
            ("https://b\u{fc}cher.example/", Some("https://xn--bcher-kva.example")),
            ("https://cdn.example;script-src *", None),
            ("https://cdn.example;sandbox", None),
            ("https://*", None),
            ("https://cdn.example script-src/", None),
            ("https://cdn.example/; script-src *", Some("https://cdn.example")),
            ("javascript:alert(1)", None),
            ("data:text/html,x", None),
            ("blob:https://cdn.example/7", None),
            ("/live/a.m3u8", None),
            ("", None),
        ] {
            assert_eq!(notice(Some(url)).external_origin().as_deref(), origin, "{url}");
        }
    }
}
