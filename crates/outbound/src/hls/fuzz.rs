//! What fuzzing asks of what foreign servers answer: functions that take bytes as they could send them, and panic if
//! something does not hold that must hold whatever they are.

use std::net::IpAddr;

use hyper::HeaderMap;
use url::{Host, Url};

use super::judge::{self, Piece};
use super::playlist::{self, Playlist, VARIANTS_MAX};
use super::report::{HlsReport, Severity};
use crate::address::{self, AddressClass};
use crate::target;

/// Characters of a declared text in a report.
const TEXT_CHARS_MAX: usize = 200;

/// A playlist at an external URL, with all that is made of it without fetching anything.
pub fn external_playlist(data: &[u8]) {
    let Ok(base) = target::parse_url("https://example.com/live/index.m3u8") else { return };
    let mut report = HlsReport::new(base.to_string());
    match playlist::read(data) {
        Err(why) => judge::no_playlist(&mut report, why),
        Ok(Playlist::Multivariant(playlist)) => {
            assert!(playlist.variants.len() <= VARIANTS_MAX);
            judge::multivariant(&mut report, &playlist);
            playlist.variants.iter().for_each(|(_, uri)| assert_target(&base, uri));
        }
        Ok(Playlist::Media(playlist)) => {
            judge::media(&mut report, &playlist);
            if let Some(segment) = &playlist.newest {
                assert_target(&base, &segment.uri);
                segment.map.iter().for_each(|uri| assert_target(&base, uri));
            }
        }
    }
    judge::segment(&mut report, data);
    judge::transport(&mut report, Piece::Playlist, &base, &HeaderMap::new());
    let is_error = report.findings.iter().any(|finding| finding.severity == Severity::Error);
    assert_eq!(report.playable, !is_error);
    for variant in &report.variants {
        let texts = [&variant.codecs, &variant.name];
        assert!(texts.into_iter().flatten().all(|text| text.chars().count() <= TEXT_CHARS_MAX));
        assert!(variant.frame_rate.is_none_or(f64::is_finite));
    }
}

/// A URL as somebody pastes it, and in the second line where its server sends on to.
pub fn url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (first, location) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(url) = target::parse_url(first) else { return };
    assert_judged(&url);
    assert_eq!(target::parse_url(url.as_str()).ok().as_ref(), Some(&url), "it reads otherwise the second time");
    if let Ok(to) = target::redirected(&url, location) {
        assert_judged(&to);
        assert!(url.scheme() == "http" || to.scheme() == "https");
    }
}

fn assert_target(base: &Url, reference: &str) {
    if let Ok(url) = target::joined(base, reference) {
        assert_judged(&url);
    }
}

/// What is connected to has been judged: the guard must know this machine in every spelling.
fn assert_judged(url: &Url) {
    assert!(matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none());
    assert!(url.has_host() && url.port() != Some(0));
    let host: Option<IpAddr> = match url.host() {
        Some(Host::Ipv4(address)) => Some(address.into()),
        Some(Host::Ipv6(address)) => Some(address.into()),
        _ => None,
    };
    if let Some(host) = host.filter(|host| host.to_canonical().is_loopback()) {
        assert_eq!(address::class(host), Some(AddressClass::Loopback));
    }
}
