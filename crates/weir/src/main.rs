//! The weir daemon and its command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    weir::run()
}
