//! The command line that talks to a running daemon over its API.

mod args;
mod event;
mod http;
mod table;

use std::io::Write;
use std::process::ExitCode;

pub use args::{EventCommand, KeyCommand, Remote};
use http::{ApiClient, ClientError};

use crate::cli::Failure;

/// Carries out a command about events.
pub fn event(remote: &Remote, command: EventCommand) -> ExitCode {
    run(remote, |client, out| Box::pin(event::event(client, remote.json, command, out)))
}

/// Carries out a command about stream keys.
pub fn key(remote: &Remote, command: KeyCommand) -> ExitCode {
    let KeyCommand::Rotate { id } = command;
    run(remote, |client, out| Box::pin(event::rotate_key(client, remote.json, id, out)))
}

/// What a command writes to.
type Out<'a> = &'a mut (dyn Write + 'a);
type Running<'a> = std::pin::Pin<Box<dyn Future<Output = Result<(), ClientError>> + 'a>>;

fn run(remote: &Remote, command: impl for<'a> FnOnce(&'a ApiClient, Out<'a>) -> Running<'a>) -> ExitCode {
    let outcome = ApiClient::new(remote).and_then(|client| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(command(&client, &mut std::io::stdout()))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has had enough.
        Err(ClientError::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weir: {error}");
            Failure::Running.into()
        }
    }
}
