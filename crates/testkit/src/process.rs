use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::log::Log;
use crate::proc;

/// A child process that cannot outlive the test: killed by its pid when dropped, with all that it started.
pub struct Process {
    name: String,
    child: Child,
    pid: u32,
    /// What it writes to standard output.
    pub out: Log,
    /// What it writes to standard error.
    pub err: Log,
}

impl Drop for Process {
    /// An nginx that is killed leaves its workers behind, a driver its browser.
    fn drop(&mut self) {
        if self.is_running() {
            // One that has ended meanwhile is what is wanted.
            proc::tree(self.pid).into_iter().for_each(|pid| drop(signal_pid(pid, Signal::KILL)));
        }
    }
}

impl Process {
    /// Starts `command` with no input; neither of its outputs may ever contain one of `secrets`.
    pub fn spawn(name: &str, mut command: Command, secrets: &[String]) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let pid = child.id().with_context(|| format!("{name} has no pid"))?;
        let out = child.stdout.take().with_context(|| format!("{name} has no standard output"))?;
        let err = child.stderr.take().with_context(|| format!("{name} has no standard error"))?;
        let (out, err) = (Log::follow(out, secrets.to_vec()), Log::follow(err, secrets.to_vec()));
        Ok(Self { name: name.to_owned(), child, pid, out, err })
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        signal_pid(self.pid, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// Waits for its end and for the rest of its output.
    pub async fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        let Ok(status) = tokio::time::timeout(within, self.child.wait()).await else {
            bail!("{} did not end within {within:?}; its last lines:\n{}", self.name, self.err.tail());
        };
        self.out.end(within).await?;
        self.err.end(within).await?;
        Ok(status?)
    }

    /// Waits for its end and wants success.
    pub async fn succeed(&mut self, within: Duration) -> Result<()> {
        let status = self.wait(within).await?;
        if !status.success() {
            bail!("{} ended with {status}; its last lines:\n{}", self.name, self.err.tail());
        }
        Ok(())
    }

    /// Kills it and waits until it is gone.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.with_context(|| format!("cannot kill {}", self.name))
    }
}

/// Sends `signal` to the process `pid`.
pub fn signal_pid(pid: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("not a pid")?;
    Ok(kill_process(pid, signal)?)
}

/// Runs a tool to its end and gives its standard output; its failure is an error that shows what it wrote.
pub async fn run_tool(name: &str, args: &[&str], within: Duration) -> Result<Vec<u8>> {
    let (output, _) = run_tool_with_errors(name, args, within).await?;
    Ok(output)
}

/// As [`run_tool`], with what the tool wrote to standard error beside its output.
pub async fn run_tool_with_errors(name: &str, args: &[&str], within: Duration) -> Result<(Vec<u8>, String)> {
    let mut command = Command::new(name);
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    let Ok(output) = tokio::time::timeout(within, command.output()).await else {
        bail!("{name} {} did not end within {within:?}", args.join(" "));
    };
    let output = output.with_context(|| format!("cannot start {name}"))?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        bail!("{name} {} ended with {}:\n{errors}", args.join(" "), output.status);
    }
    Ok((output.stdout, errors))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Duration = Duration::from_secs(10);

    fn shell(script: &str, secrets: &[String]) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::spawn("sh", command, secrets).unwrap()
    }

    #[tokio::test]
    async fn lines_are_waited_for_and_the_end_is_told() {
        let mut process = shell("echo one; echo two; echo three >&2; exit 3", &[]);
        assert_eq!(process.out.wait_for(0, "tw", WITHIN).await.unwrap(), "two");
        assert_eq!(process.wait(WITHIN).await.unwrap().code(), Some(3));
        assert_eq!(process.err.text(), "three");
        let error = process.out.wait_for(process.out.mark(), "two", WITHIN).await.unwrap_err();
        assert!(error.to_string().contains("ended without two"), "{error}");
        assert!(process.succeed(WITHIN).await.is_err());
    }

    #[tokio::test]
    async fn a_secret_in_the_output_is_noticed() {
        let mut process = shell("echo fine; echo key=hunter2 >&2; echo hunter3", &["hunter2".to_owned()]);
        process.out.forbid("hunter4");
        process.wait(WITHIN).await.unwrap();
        assert_eq!(process.out.leak(), None);
        assert_eq!(process.err.leak().as_deref(), Some("key=hunter2"));
    }

    #[tokio::test]
    async fn a_dropped_process_is_killed() {
        let mut process = shell("echo ready; exec sleep 600", &[]);
        let out = process.out.clone();
        out.wait_for(0, "ready", WITHIN).await.unwrap();
        assert!(process.is_running());
        drop(process);
        out.end(WITHIN).await.unwrap();
    }
}
