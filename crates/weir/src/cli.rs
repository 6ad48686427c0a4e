//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::admin::TokenCommand;
use crate::client::{EventCommand, KeyCommand, Remote};

/// Self-hosted live video: RTMP and SRT in, an H.264 ladder, HLS out.
#[derive(Debug, Parser)]
#[command(name = "weir", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What weir does when called.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon until it is told to stop (SIGTERM or Ctrl-C).
    Serve {
        /// The configuration file (TOML).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Check a configuration file, and say in short what it sets up.
    CheckConfig {
        /// The configuration file (TOML).
        #[arg(value_name = "FILE")]
        config: PathBuf,
    },
    /// Run events: create, start, go on air, stop.
    Event {
        /// Which daemon, and as whom.
        #[command(flatten)]
        remote: Remote,
        /// What to do.
        #[command(subcommand)]
        command: EventCommand,
    },
    /// Change the stream keys of events.
    Key {
        /// Which daemon, and as whom.
        #[command(flatten)]
        remote: Remote,
        /// What to do.
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Say who may use the API.
    Token {
        /// What to do.
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Set the console's password to the first line of standard input.
    Password {
        /// The daemon's configuration file (TOML).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Encode one broadcast; the daemon starts this itself.
    #[command(hide = true)]
    LadderWorker,
}

/// How the process ends when it does not end well, so that a supervisor can tell what a restart would help.
/// A wrong command line ends with 2 (clap's own), anything unforeseen with 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Failure {
    /// Something went wrong while running.
    Running = 1,
    /// An address could not be listened on (sysexits.h, `EX_OSERR`).
    Bind = 71,
    /// A key or the data folder could not be written (sysexits.h, `EX_CANTCREAT`).
    Keys = 73,
    /// The configuration is wrong (sysexits.h, `EX_CONFIG`).
    Config = 78,
}

impl From<Failure> for std::process::ExitCode {
    fn from(failure: Failure) -> Self {
        Self::from(failure as u8)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_worker_is_not_in_the_help() {
        let help = Cli::command().render_long_help().to_string();
        assert!(help.contains("check-config") && !help.contains("ladder-worker"), "{help}");
    }
}
