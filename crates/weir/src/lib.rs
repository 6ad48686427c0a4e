//! The weir daemon and its command line, as a library: the binary calls [`run`] and does nothing else.

mod admin;
mod cli;
mod client;
mod config;
mod events;
mod keys;
mod listen;
mod logging;
mod serve;
mod vault;
mod wiring;

#[cfg(feature = "fuzz")]
pub use config::fuzz;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, Failure};
use config::Config;

/// Does what the command line says.
pub fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Serve { config } => serve(&config),
        Command::CheckConfig { config } => check_config(&config),
        Command::Event { remote, command } => client::event(&remote, command),
        Command::Key { remote, command } => client::key(&remote, command),
        Command::Token { command } => admin::token(command),
        Command::Password { config } => admin::password(&config),
        Command::LadderWorker => weir_ladder::worker_main(),
    }
}

fn check_config(path: &Path) -> ExitCode {
    match Config::load(path) {
        Ok(config) => {
            print!("{config}");
            println!("{} is fine", path.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            error.print();
            Failure::Config.into()
        }
    }
}

fn serve(path: &Path) -> ExitCode {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => {
            error.print();
            return Failure::Config.into();
        }
    };
    if let Err(error) = logging::init(config.log) {
        eprintln!("weir: {error}");
        return Failure::Config.into();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("weir: cannot start: {error}");
            return Failure::Running.into();
        }
    };
    match runtime.block_on(serve::serve(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weir: {error}");
            error.failure.into()
        }
    }
}
