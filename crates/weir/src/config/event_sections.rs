//! The tables that events need: where they are kept, who runs them, who is told where to come.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use ipnet::IpNet;
use toml::Spanned;
use url::Url;
use weir_store::DatabaseUrl;

use super::check::Check;
use super::problem::Problem;
use super::raw::{RawApi, RawDatabase, RawEvents, RawIngest, RawOutbound, RawPlayback};
use super::{Api, Database, Events, Ingest};

/// Nothing is open to the network until the operator says so.
const API_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8090);
const DURATION_MAX_S: u32 = 3 * 3600;
const LEAD_S: u32 = 300;
const NO_INPUT_S: u32 = 300;
/// One a second: more than a person mistypes, too few to find a key by trying.
const WRONG_KEYS_PER_MINUTE_MAX: u32 = 60;

/// `[database]`.
pub fn database(check: &mut Check<'_>, raw: &RawDatabase, data_dir: &Path) -> Database {
    let default = || DatabaseUrl::sqlite(&data_dir.join("weir.db"));
    let url = raw.database_url.as_ref().and_then(|value| match value.get_ref().strip_prefix("sqlite:") {
        // Relative to the file, as every path in it.
        Some(path) => Some(DatabaseUrl::sqlite(&check.path(path))),
        None => match DatabaseUrl::parse(value.get_ref()) {
            Ok(url) => Some(url),
            Err(error) => {
                let problem = Problem::new(format!("`database_url`: {error}"), value.span(), "the URL (not shown)");
                check.note(problem.help("sqlite:PATH, or postgres://USER:PASSWORD@HOST/DATABASE"));
                None
            }
        },
    });
    let secret_key_file = match &raw.secret_key_file {
        Some(value) => check.path(value.get_ref()),
        None => data_dir.join("secret.key"),
    };
    Database { url: url.unwrap_or_else(default), secret_key_file }
}

/// `[api]`.
pub fn api(check: &mut Check<'_>, raw: &RawApi) -> Api {
    let listen = raw.listen.as_ref().and_then(|listen| check.listen(listen)).unwrap_or(API_LISTEN);
    Api { listen, behind_proxy: raw.behind_proxy.as_ref().is_some_and(|wanted| *wanted.get_ref()) }
}

/// `[events]`.
pub fn events(check: &mut Check<'_>, raw: &RawEvents) -> Events {
    let mut seconds = |value, name, range, default| check.number_or(value, name, range, "seconds", default);
    Events {
        duration_max_s: seconds(&raw.duration_max_s, "duration_max_s", 60..=86_400, DURATION_MAX_S),
        lead_s: seconds(&raw.lead_s, "lead_s", 0..=3600, LEAD_S),
        no_input_s: seconds(&raw.no_input_s, "no_input_s", 5..=3600, NO_INPUT_S),
    }
}

/// `[ingest]`.
pub fn ingest(check: &mut Check<'_>, raw: &RawIngest) -> Ingest {
    let host = raw.host.as_ref().filter(|host| {
        let good = url::Host::parse(host.get_ref()).is_ok();
        if !good {
            let message = format!("`host` \"{}\" is no name or address of a machine", host.get_ref());
            check.note(Problem::new(message, host.span(), "a host name is wanted").help("without a scheme and a port"));
        }
        good
    });
    let host = host.map(|host| host.get_ref().clone());
    let name = "wrong_keys_per_minute_max";
    let most = check.number_or(&raw.wrong_keys_per_minute_max, name, 1..=1_000_000, "keys", WRONG_KEYS_PER_MINUTE_MAX);
    Ingest { host, wrong_keys_per_minute_max: most }
}

/// `[playback] public_url`.
pub fn playback_url(check: &mut Check<'_>, raw: &RawPlayback) -> Option<String> {
    let value = raw.public_url.as_ref()?;
    let url = Url::parse(value.get_ref()).ok();
    let good = url.filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host() && url.path() == "/");
    if good.is_none() {
        let message = format!("`public_url` \"{}\" is not where viewers can come", value.get_ref());
        let problem = Problem::new(message, value.span(), "a URL without a path is wanted");
        check.note(problem.help("https://live.example or http://192.0.2.1:8080"));
    }
    good.map(|url| url.as_str().trim_end_matches('/').to_owned())
}

/// `[outbound] allow`.
pub fn outbound_allow(check: &mut Check<'_>, raw: &RawOutbound) -> Vec<IpNet> {
    let Some(value) = &raw.allow else { return Vec::new() };
    let networks = value.get_ref().split(',').map(str::trim).filter(|part| !part.is_empty());
    networks.filter_map(|part| network(check, value, part)).collect()
}

fn network(check: &mut Check<'_>, value: &Spanned<String>, part: &str) -> Option<IpNet> {
    let network = part.parse::<IpNet>().ok().or_else(|| part.parse::<IpAddr>().ok().map(IpNet::from));
    if network.is_none() {
        let problem = Problem::new(format!("`allow`: \"{part}\" is no network"), value.span(), "not a network");
        check.note(problem.help("addresses and networks with commas between them: \"10.0.0.0/8, 127.0.0.1\""));
    }
    network
}
