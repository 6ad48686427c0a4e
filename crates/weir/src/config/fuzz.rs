//! What fuzzing asks of the configuration: a function that takes bytes as the file could hold them, and panics if something
//! does not hold that must hold whatever they are.

use std::path::Path;

use super::channels::is_url_name;
use super::redact::redact;
use super::{Config, KeySource};

/// A folder that is not there, so that no file that the text names is.
const FILE: &str = "/nonexistent/weir.toml";

/// A configuration file. A good one is summed up without its keys; of a wrong one all that is wrong can be shown.
pub fn toml(data: &[u8]) {
    let Ok(source) = std::str::from_utf8(data) else { return };
    assert_eq!(redact(source).len(), source.len(), "places would move");
    let config = match Config::parse(Path::new(FILE), source) {
        Ok(config) => config,
        Err(error) => return assert!(error.render(false).contains("problem")),
    };
    let summary = config.to_string();
    assert!((500..=10_000).contains(&config.hls.segment_ms) && (15..=900).contains(&config.hls.window_s));
    for (index, channel) in config.channels.iter().enumerate() {
        assert!(is_url_name(&channel.name) && config.channels[..index].iter().all(|other| other.name != channel.name));
        if let KeySource::Given(key) = &channel.key {
            assert!((16..=128).contains(&key.expose().len()));
            // It may be the name of something, too.
            assert!(source.matches(key.expose()).count() != 1 || !summary.contains(key.expose()));
        }
    }
}
