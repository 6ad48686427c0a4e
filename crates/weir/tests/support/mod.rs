//! A configuration file in a folder of its own, and the program run on it.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A folder with a `weir.toml`.
pub struct Setup {
    folder: TempDir,
}

impl Setup {
    pub fn new(config: impl AsRef<[u8]>) -> Self {
        let setup = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(setup.path().join("weir.toml"), config).unwrap();
        setup
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs weir in the folder; its output carries neither colours nor a path of this machine.
    pub fn weir(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.args(arguments).current_dir(self.path()).env_remove("WEIR_LOG");
        command
    }

    pub fn check(&self) -> Output {
        self.weir(&["check-config", "weir.toml"])
    }
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
