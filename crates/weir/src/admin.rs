//! The command line that works on the database itself: who may use the API.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;
use uuid::Uuid;
use weir_api::{Role, hash_password, new_token};
use weir_director::{Clock, timestamp};
use weir_store::{ApiToken, AuditEntry, Store};

use crate::cli::Failure;
use crate::config::Config;
use crate::vault::Vault;

/// Who did it, for the audit log: whoever can read the database and the master key is trusted.
const ACTOR: &str = "command line";

/// What to do with tokens for the API.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token, and print it: it is shown only now.
    Create {
        /// Whose it is, for the audit log.
        #[arg(long, default_value = "command line")]
        name: String,
        /// What it may do: viewer, operator or admin.
        #[arg(long, default_value = "operator", value_parser = role)]
        role: Role,
        /// The daemon's configuration file (TOML).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// List the tokens.
    List {
        /// The daemon's configuration file (TOML).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Revoke a token.
    Revoke {
        /// Its id.
        id: Uuid,
        /// The daemon's configuration file (TOML).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

fn role(name: &str) -> Result<Role, String> {
    Role::parse(name).ok_or_else(|| "viewer, operator or admin".to_owned())
}

/// Carries out a command about tokens.
pub fn token(command: TokenCommand) -> ExitCode {
    match command {
        TokenCommand::Create { name, role, config } => with_store(&config, async |vault, store| {
            let (token, digest) = new_token(vault.seal()).map_err(said)?;
            let (id, now_ms) = (Uuid::now_v7(), Clock::system().now_ms());
            let role = role.name().to_owned();
            let kept = ApiToken { id, name, role, created_ms: now_ms, last_used_ms: None, revoked_ms: None };
            let deed = deed("token.create", id.to_string(), json!({ "name": kept.name, "role": kept.role }));
            store.create_token(&kept, &digest, &deed).await.map_err(said)?;
            writeln!(io::stdout(), "{token}").map_err(said)
        }),
        TokenCommand::List { config } => with_store(&config, async |_, store| {
            for token in store.tokens().await.map_err(said)? {
                let state = if token.revoked_ms.is_some() { "revoked" } else { "good" };
                let used = token.last_used_ms.map_or("never used".to_owned(), timestamp);
                let ApiToken { id, name, role, .. } = token;
                writeln!(io::stdout(), "{id}  {role:8}  {state:7}  {used:24}  {name}").map_err(said)?;
            }
            Ok(())
        }),
        TokenCommand::Revoke { id, config } => with_store(&config, async |_, store| {
            let deed = deed("token.revoke", id.to_string(), json!({}));
            store.revoke_token(id, Clock::system().now_ms(), &deed).await.map_err(said)
        }),
    }
}

/// Sets the console's password to the first line of standard input.
pub fn password(config: &Path) -> ExitCode {
    if io::stdin().is_terminal() {
        eprintln!("The new password, then Enter (it is shown as you type):");
    }
    let mut line = String::new();
    if let Err(error) = io::stdin().lock().read_line(&mut line) {
        eprintln!("weir: {error}");
        return Failure::Running.into();
    }
    let hash = match hash_password(line.trim_end_matches(['\n', '\r'])) {
        Ok(hash) => hash,
        Err(fault) => {
            eprintln!("weir: {fault}");
            return Failure::Running.into();
        }
    };
    with_store(config, async |_, store| {
        store.set_password_hash(&hash, &deed("password.set", "console".to_owned(), json!({}))).await.map_err(said)
    })
}

fn deed(action: &str, subject: String, detail: serde_json::Value) -> AuditEntry {
    let (actor, action) = (ACTOR.to_owned(), action.to_owned());
    AuditEntry { at_ms: Clock::system().now_ms(), actor, action, subject, detail }
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn with_store(path: &Path, work: impl AsyncFnOnce(&Vault, &Store) -> Result<(), String>) -> ExitCode {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => {
            error.print();
            return Failure::Config.into();
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("weir: {error}");
            return Failure::Running.into();
        }
    };
    let outcome = runtime.block_on(async {
        let vault = Vault::open(&config).map_err(|error| (error.to_string(), error.failure))?;
        let store = vault.store(&config).await.map_err(|error| (error.to_string(), error.failure))?;
        let done = work(&vault, &store).await.map_err(|error| (error, Failure::Running));
        store.close().await;
        done
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err((error, failure)) => {
            eprintln!("weir: {error}");
            failure.into()
        }
    }
}
