//! Where events go: standard error, as text or JSON.

use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::config::{Log, LogFormat};

/// Takes the place of the configured level, as tracing directives: `WEIR_LOG=info,weir_ingest=trace`.
pub const FILTER_VARIABLE: &str = "WEIR_LOG";

/// Sends all events to standard error from now on, panics among them. To be called once.
///
/// # Errors
/// The filter in the environment is wrong, or something else already takes the events.
pub fn init(log: Log) -> anyhow::Result<()> {
    let filter = match std::env::var(FILTER_VARIABLE) {
        Ok(directives) => EnvFilter::try_new(directives)
            .map_err(|error| anyhow::anyhow!("{FILTER_VARIABLE} is not a filter: {error}"))?,
        Err(_) => filter(log.level),
    };
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(BoxMakeWriter::new(std::io::stderr))
        .with_ansi(colour);
    match log.format {
        LogFormat::Text => subscriber.try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    }
    .map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// The level is for weir's own crates; libraries are heard from `warn` up, whatever the level.
fn filter(level: Level) -> EnvFilter {
    let others = if level < Level::WARN { level } else { Level::WARN };
    EnvFilter::new(format!("{others},weir={level}"))
}

/// A panic ends one task, not the daemon; it must be as visible as any other error.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let message = panic.payload_as_str().unwrap_or("no message");
    tracing::error!(%location, thread = thread.name().unwrap_or("unnamed"), "panic: {message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_not_louder_than_warnings() {
        assert_eq!(filter(Level::INFO).to_string(), "weir=info,warn");
        assert_eq!(filter(Level::ERROR).to_string(), "weir=error,error");
    }
}
