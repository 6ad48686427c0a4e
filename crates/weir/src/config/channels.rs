//! `[[channel]]`.

use std::ops::Range;

use toml::Spanned;
use weir_ingest::Passphrase;
use weir_ladder::DeclaredInput;

use super::check::{Check, RELATIVE_PATHS};
use super::problem::Problem;
use super::raw::RawChannel;
use super::{Channel, KeySource, PullFrom};
use crate::keys::{SecretKey, read_key_file};

/// The length of a DNS label, so that a name can become a host name one day.
const NAME_CHARS_MAX: usize = 63;

/// All channels; names and keys all different.
pub fn channels(check: &mut Check<'_>, raw: &[Spanned<RawChannel>]) -> Vec<Channel> {
    different_names(check, raw);
    let mut channels: Vec<Channel> = Vec::with_capacity(raw.len());
    for raw in raw {
        let Some(channel) = channel(check, raw) else { continue };
        if let Some(other) = channels.iter().find(|other| same_key(&other.key, &channel.key)) {
            check.note(
                Problem::new(
                    format!("channels {} and {} have the same stream key", other.name, channel.name),
                    key_span(raw),
                    "the key (not shown)",
                )
                .help("an encoder's key says which channel it is for: give each its own"),
            );
        }
        channels.push(channel);
    }
    channels
}

fn same_key(one: &KeySource, other: &KeySource) -> bool {
    one.secret().is_some_and(|key| other.secret() == Some(key))
}

fn key_span(raw: &Spanned<RawChannel>) -> Range<usize> {
    let RawChannel { key, key_file, .. } = raw.get_ref();
    key.as_ref().or(key_file.as_ref()).map_or(raw.span(), Spanned::span)
}

fn channel(check: &mut Check<'_>, spanned: &Spanned<RawChannel>) -> Option<Channel> {
    let (at, raw) = (spanned.span(), spanned.get_ref());
    let help = "a channel needs name and input";
    let name = check.required(&raw.name, "name", at.clone(), help);
    let input = check.required(&raw.input, "input", at, help);
    let name = name.filter(|name| valid_name(check, name)).map(|name| name.get_ref().clone());
    let inputs = [("1080p", DeclaredInput::P1080), ("720p", DeclaredInput::P720)];
    let input = input.and_then(|input| check.word(input, "input", &inputs));
    let key = key(check, raw);
    let srt_passphrase = raw.srt_passphrase.as_ref().and_then(|value| passphrase(check, value));
    let srt_latency_ms = raw.srt_latency_ms.as_ref().and_then(|value| srt_latency(check, value, "srt_latency_ms"));
    let srt_pull = raw.srt_pull.as_ref().and_then(|value| pull_from(check, value));
    Some(Channel { name: name?, input: input?, key: key?, srt_passphrase, srt_latency_ms, srt_pull })
}

fn valid_name(check: &mut Check<'_>, name: &Spanned<String>) -> bool {
    let valid = is_url_name(name.get_ref());
    if !valid {
        let message = format!("channel name \"{}\" cannot stand in a URL", name.get_ref());
        check.note(Problem::new(message, name.span(), "another name is wanted").help(format!(
            "lower-case letters, digits and hyphens, beginning with a letter or digit, at most {NAME_CHARS_MAX}"
        )));
    }
    valid
}

/// Whether `name` is `[a-z0-9][a-z0-9-]{0,62}`.
pub fn is_url_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(allowed) && !name.starts_with('-')
}

/// A passphrase for SRT.
pub fn passphrase(check: &mut Check<'_>, value: &Spanned<String>) -> Option<Passphrase> {
    match Passphrase::parse(value.get_ref()) {
        Ok(passphrase) => Some(passphrase),
        Err(error) => {
            check.note(Problem::new(error.to_string(), value.span(), "the passphrase (not shown)"));
            None
        }
    }
}

/// For how long packets are held over SRT.
pub fn srt_latency(check: &mut Check<'_>, value: &Spanned<i64>, name: &str) -> Option<u32> {
    check.number(value, name, 20..=8000, "milliseconds")
}

fn pull_from(check: &mut Check<'_>, value: &Spanned<String>) -> Option<PullFrom> {
    let pull = parse_pull(value.get_ref());
    if pull.is_none() {
        let message = "`srt_pull` is not the URL of an SRT listener";
        check.note(Problem::new(message, value.span(), "the URL (not shown)").help(
            "srt://host:port or srt://host:port?streamid=ID; a passphrase and the latency are srt_passphrase and srt_latency_ms",
        ));
    }
    pull
}

fn parse_pull(url: &str) -> Option<PullFrom> {
    let (address, query) = match url.strip_prefix("srt://")?.split_once('?') {
        Some((address, query)) => (address, Some(query)),
        None => (url.strip_prefix("srt://")?, None),
    };
    let (host, port) = address.rsplit_once(':')?;
    port.parse::<u16>().ok().filter(|_| !host.is_empty())?;
    let stream_id = match query {
        // Only one thing may stand here, so that nothing in it needs to be escaped.
        Some(query) => Some(query.strip_prefix("streamid=")?.to_owned()),
        None => None,
    };
    Some(PullFrom { address: address.to_owned(), stream_id })
}

fn key(check: &mut Check<'_>, raw: &RawChannel) -> Option<KeySource> {
    match (&raw.key, &raw.key_file) {
        (None, None) => Some(KeySource::Generated),
        (Some(key), None) => match SecretKey::parse(key.get_ref()) {
            Ok(key) => Some(KeySource::Given(key)),
            Err(fault) => {
                check.note(
                    Problem::new(fault.to_string(), key.span(), "the key (not shown)")
                        .help("leave `key` out to have a random one made at the first start"),
                );
                None
            }
        },
        (None, Some(file)) => {
            let path = check.path(file.get_ref());
            match read_key_file(&path) {
                Ok(key) => Some(KeySource::File { path, key }),
                Err(fault) => {
                    let message = format!("`key_file` {} gives no key: {fault}", path.display());
                    check.note(Problem::new(message, file.span(), "this file").help(RELATIVE_PATHS));
                    None
                }
            }
        }
        (Some(key), Some(file)) => {
            check.note(
                Problem::new("a channel has `key` or `key_file`, not both", file.span(), "here the file")
                    .and(key.span(), "here the key")
                    .help("keep one of the two; with neither, a random key is made at the first start"),
            );
            None
        }
    }
}

fn different_names(check: &mut Check<'_>, raw: &[Spanned<RawChannel>]) {
    let named: Vec<&Spanned<String>> = raw.iter().filter_map(|channel| channel.get_ref().name.as_ref()).collect();
    for (index, name) in named.iter().enumerate() {
        if let Some(first) = named[..index].iter().find(|first| first.get_ref() == name.get_ref()) {
            check.note(
                Problem::new(format!("two channels have the name \"{}\"", name.get_ref()), name.span(), "again here")
                    .and(first.span(), "first here")
                    .help("a channel's name is part of its URL: give each its own"),
            );
        }
    }
}
