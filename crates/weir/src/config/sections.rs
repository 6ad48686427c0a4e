//! The tables that appear once: what each setting may be, and what it is when not given.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;

use toml::Spanned;
use weir_ladder::Preset;
use weir_packager::Latency;

use super::channels::{channels, passphrase, srt_latency};
use super::check::Check;
use super::event_sections::{api, database, events, ingest, outbound_allow, playback_url};
use super::problem::Problem;
use super::raw::{Raw, RawHls, RawHttp, RawHttpTls, RawLadder, RawLog, RawSrt, RawTls};
use super::rungs::rungs;
use super::{Certificate, Config, Hls, Http, HttpTls, Ladder, Log, LogFormat, OnShutdown, Rtmp, RtmpTls, Srt};

// Nothing is open to the network until the operator says so.
const HTTP_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const RTMP_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1935);
const SRT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8890);

/// What libsrt has. Good for a local network; four round trips are better for a longer way.
pub const SRT_LATENCY_MS: u32 = 120;

/// Short segments let players join soon; long ones cost the picture fewer keyframes and the origin fewer requests.
const SEGMENT_MS_LOW: u32 = 2000;
const SEGMENT_MS_STANDARD: u32 = 6000;
const WINDOW_S: u32 = 60;
const WINDOW_S_MIN: u32 = 15;

/// The window is held in memory: 15 minutes of the default ladder are about 1 GB a channel.
const WINDOW_S_MAX: u32 = 900;

/// Apple's authoring rules, 8.11.
const WINDOW_SEGMENTS_MIN: u32 = 6;

/// An encoder that is gone for longer has ended its broadcast; viewers have left by then.
const RECONNECT_WINDOW_S: u32 = 300;

/// About four times what the default ladder takes.
const MEMORY_MAX_MB: u32 = 2048;

/// Checks everything; what is wrong is noted in `check`, and the result is then not to be used.
pub fn config(check: &mut Check<'_>, raw: &Raw) -> Config {
    let data_dir = data_dir(check, raw);
    let config = Config {
        log: log(check, &raw.log),
        http: http(check, &raw.http),
        rtmp: Rtmp {
            listen: raw.rtmp.listen.as_ref().and_then(|listen| check.listen(listen)).unwrap_or(RTMP_LISTEN),
            connections_per_address_max: connections(
                check,
                &raw.rtmp.connections_per_address_max,
                "connections_per_address_max",
            ),
            tls: raw.rtmp.tls.as_ref().and_then(|raw| tls(check, raw)),
        },
        srt: raw.srt.as_ref().map(|raw| srt(check, raw.get_ref())),
        hls: hls(check, &raw.hls),
        ladder: ladder(check, &raw.ladder),
        database: database(check, &raw.database, &data_dir),
        api: api(check, &raw.api),
        events: events(check, &raw.events),
        ingest: ingest(check, &raw.ingest),
        playback_url: playback_url(check, &raw.playback),
        outbound_allow: outbound_allow(check, &raw.outbound),
        channels: channels(check, &raw.channel),
        data_dir,
    };
    different_ports(check, raw, &config);
    config
}

fn data_dir(check: &mut Check<'_>, raw: &Raw) -> std::path::PathBuf {
    let Some(value) = &raw.data_dir else { return check.path("data") };
    let path = check.path(value.get_ref());
    if path.exists() && !path.is_dir() {
        check.note(Problem::new(format!("`data_dir` {} is not a folder", path.display()), value.span(), "a file"));
    }
    path
}

fn log(check: &mut Check<'_>, raw: &RawLog) -> Log {
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let levels = [
        ("error", tracing::Level::ERROR),
        ("warn", tracing::Level::WARN),
        ("info", tracing::Level::INFO),
        ("debug", tracing::Level::DEBUG),
        ("trace", tracing::Level::TRACE),
    ];
    Log {
        format: check.word_or(&raw.format, "format", &formats, LogFormat::Text),
        level: check.word_or(&raw.level, "level", &levels, tracing::Level::INFO),
    }
}

fn http(check: &mut Check<'_>, raw: &RawHttp) -> Http {
    Http {
        listen: raw.listen.as_ref().and_then(|listen| check.listen(listen)).unwrap_or(HTTP_LISTEN),
        connections_max: connections(check, &raw.connections_max, "connections_max"),
        connections_per_address_max: connections(
            check,
            &raw.connections_per_address_max,
            "connections_per_address_max",
        ),
        waiters_max: requests(check, &raw.waiters_max, "waiters_max"),
        waiters_per_address_max: requests(check, &raw.waiters_per_address_max, "waiters_per_address_max"),
        streams_per_connection_max: requests(check, &raw.streams_per_connection_max, "streams_per_connection_max"),
        tls: raw.tls.as_ref().and_then(|raw| http_tls(check, raw)),
    }
}

fn requests(check: &mut Check<'_>, value: &Option<Spanned<i64>>, name: &str) -> Option<u32> {
    value.as_ref().and_then(|value| check.number(value, name, 1..=1_000_000, "requests"))
}

fn http_tls(check: &mut Check<'_>, raw: &Spanned<RawHttpTls>) -> Option<HttpTls> {
    let (table, help) = (raw.span(), "[http.tls] needs listen, and cert and key; or self_signed = true for trying out");
    let raw = raw.get_ref();
    let listen = check.required(&raw.listen, "listen", table.clone(), help);
    let self_signed = raw.self_signed.as_ref().filter(|wanted| *wanted.get_ref());
    let certificate = match self_signed {
        Some(wanted) => {
            if let Some(file) = raw.cert.as_ref().or(raw.key.as_ref()) {
                let message = "`self_signed` makes a certificate, and one is given too".to_owned();
                let problem = Problem::new(message, wanted.span(), "makes one").and(file.span(), "given here");
                check.note(problem.help("leave out self_signed, or cert and key"));
            }
            Some(Certificate::SelfSigned)
        }
        None => {
            let cert = check.required(&raw.cert, "cert", table.clone(), help);
            let key = check.required(&raw.key, "key", table, help);
            let cert = cert.map(|cert| check.readable(cert, "cert"));
            let key = key.map(|key| check.readable(key, "key"));
            cert.zip(key).map(|(cert, key)| Certificate::Files { cert, key })
        }
    };
    Some(HttpTls { listen: listen.and_then(|listen| check.listen(listen))?, certificate: certificate? })
}

fn connections(check: &mut Check<'_>, value: &Option<Spanned<i64>>, name: &str) -> Option<u32> {
    value.as_ref().and_then(|value| check.number(value, name, 1..=1_000_000, "connections"))
}

fn tls(check: &mut Check<'_>, raw: &Spanned<RawTls>) -> Option<RtmpTls> {
    let (table, help) = (raw.span(), "[rtmp.tls] needs listen, cert and key; leave the table out to have no RTMPS");
    let raw = raw.get_ref();
    let listen = check.required(&raw.listen, "listen", table.clone(), help);
    let cert = check.required(&raw.cert, "cert", table.clone(), help);
    let key = check.required(&raw.key, "key", table, help);
    let cert = cert.map(|cert| check.readable(cert, "cert"));
    let key = key.map(|key| check.readable(key, "key"));
    Some(RtmpTls { listen: listen.and_then(|listen| check.listen(listen))?, cert: cert?, key: key? })
}

fn srt(check: &mut Check<'_>, raw: &RawSrt) -> Srt {
    let callers = raw.callers_per_address_max.as_ref();
    Srt {
        listen: raw.listen.as_ref().and_then(|listen| check.listen(listen)).unwrap_or(SRT_LISTEN),
        latency_ms: raw
            .latency_ms
            .as_ref()
            .and_then(|value| srt_latency(check, value, "latency_ms"))
            .unwrap_or(SRT_LATENCY_MS),
        passphrase: raw.srt_passphrase.as_ref().and_then(|value| passphrase(check, value)),
        callers_per_address_max: callers
            .and_then(|value| check.number(value, "callers_per_address_max", 1..=1_000_000, "callers")),
    }
}

fn hls(check: &mut Check<'_>, raw: &RawHls) -> Hls {
    let latencies = [("low", Latency::Low), ("standard", Latency::Standard)];
    let latency = check.word_or(&raw.latency, "latency", &latencies, Latency::Low);
    let segment_default_ms = match latency {
        Latency::Low => SEGMENT_MS_LOW,
        Latency::Standard => SEGMENT_MS_STANDARD,
    };
    let segment_ms = check.number_or(&raw.segment_ms, "segment_ms", 500..=10_000, "milliseconds", segment_default_ms);
    let window_s = check.number_or(&raw.window_s, "window_s", WINDOW_S_MIN..=WINDOW_S_MAX, "seconds", WINDOW_S);
    if window_s * 1000 < WINDOW_SEGMENTS_MIN * segment_ms {
        let at = raw.window_s.as_ref().or(raw.segment_ms.as_ref()).map_or(0..0, Spanned::span);
        let needed = (WINDOW_SEGMENTS_MIN * segment_ms).div_ceil(1000);
        let message = format!(
            "`window_s` is {window_s}, which holds fewer than {WINDOW_SEGMENTS_MIN} segments of {segment_ms} ms"
        );
        check.note(Problem::new(message, at, "too short for players").help(format!("window_s = {needed} or more")));
    }
    let endings = [("resume", OnShutdown::Resume), ("end", OnShutdown::End)];
    Hls {
        latency,
        segment_ms,
        window_s,
        on_shutdown: check.word_or(&raw.on_shutdown, "on_shutdown", &endings, OnShutdown::Resume),
    }
}

fn ladder(check: &mut Check<'_>, raw: &RawLadder) -> Ladder {
    Ladder {
        preset: raw.preset.as_ref().map_or(Some(Preset::SUPERFAST), |value| preset(check, value)),
        copy_best: raw.copy_best.unwrap_or(false),
        reconnect_window_s: check.number_or(
            &raw.reconnect_window_s,
            "reconnect_window_s",
            5..=86_400,
            "seconds",
            RECONNECT_WINDOW_S,
        ),
        memory_max_mb: check.number_or(&raw.memory_max_mb, "memory_max_mb", 256..=65_536, "MiB", MEMORY_MAX_MB),
        rungs: rungs(check, &raw.rung),
    }
}

/// `None` is "auto".
fn preset(check: &mut Check<'_>, value: &Spanned<String>) -> Option<Preset> {
    let mut words: Vec<(&str, Option<Preset>)> =
        Preset::all().into_iter().map(|preset| (preset.name(), Some(preset))).collect();
    words.push(("auto", None));
    check.word(value, "preset", &words).flatten()
}

/// Two listeners on one port would fail when bound; it is clearer said here, and sooner.
fn different_ports(check: &mut Check<'_>, raw: &Raw, config: &Config) {
    let place = |value: &Option<Spanned<String>>| value.as_ref().map(Spanned::span);
    let mut listeners: Vec<(&str, SocketAddr, Option<Range<usize>>)> = vec![
        ("[http] listen", config.http.listen, place(&raw.http.listen)),
        ("[rtmp] listen", config.rtmp.listen, place(&raw.rtmp.listen)),
        ("[api] listen", config.api.listen, place(&raw.api.listen)),
    ];
    if let (Some(tls), Some(raw)) = (&config.http.tls, &raw.http.tls) {
        listeners.push(("[http.tls] listen", tls.listen, place(&raw.get_ref().listen)));
    }
    if let (Some(tls), Some(raw)) = (&config.rtmp.tls, &raw.rtmp.tls) {
        listeners.push(("[rtmp.tls] listen", tls.listen, place(&raw.get_ref().listen)));
    }
    for (index, (name, address, at)) in listeners.iter().enumerate() {
        let Some((other, other_address, other_at)) =
            listeners[..index].iter().find(|(_, other, _)| collide(*address, *other))
        else {
            continue;
        };
        // One of the two may be a default, which stands nowhere in the file.
        let (at, other_at) = if at.is_some() { (at, other_at) } else { (other_at, at) };
        let mut problem = Problem::new(
            format!("{other} ({other_address}) and {name} ({address}) want the same port"),
            at.clone().unwrap_or(0..0),
            "in conflict",
        );
        if let Some(other_at) = other_at {
            problem = problem.and(other_at.clone(), "taken here");
        }
        check.note(problem.help("each listener needs a port of its own"));
    }
}

/// Port 0 is any free port, and never the same one twice.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let overlapping = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && overlapping
}
