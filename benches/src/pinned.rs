//! Processes on a core of their own: the server on one, whatever asks it on the other.

use anyhow::Result;
use tokio::process::Command;
use weir_testkit::Process;

/// The core that servers run on.
pub const SERVER_CPU: u32 = 0;
/// The core that loads run on.
pub const LOAD_CPU: u32 = 1;

/// `program` on one core alone; it keeps the process id of the child.
pub fn pinned(cpu: u32, program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &cpu.to_string(), program]);
    command
}

/// This program on one core alone, with other arguments.
pub fn pinned_self(cpu: u32, args: &[&str]) -> Result<Command> {
    let program = std::env::current_exe()?;
    let mut command = Command::new("taskset");
    command.args(["-c", &cpu.to_string()]).arg(program).args(args);
    Ok(command)
}

/// Keeps a core from halting until it is dropped: a loop of the idle class, which makes way at once for whatever else can run
/// there. Where the machine is a virtual one, its host gives a halted core to somebody else, and what it takes to be quick again
/// would count as the time of a process that only waits for its next picture. A loop that is left behind ends by itself.
pub fn awake(cpu: u32) -> Result<Process> {
    let mut command = pinned(cpu, "chrt");
    command.args(["--idle", "0", "sh", "-c", "while kill -0 $PPID 2>/dev/null; do :; done"]);
    Process::spawn("the loop that keeps a core awake", command, &[])
}

/// Lets this process open as many sockets as the system allows at all.
pub fn raise_file_limit() -> Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?)
}
