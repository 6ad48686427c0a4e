//! A PostgreSQL server of the tests' own: a Unix socket in a folder that is gone afterwards.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use sqlx::Connection as _;
use tempfile::TempDir;

/// The user that runs the server when the tests are run by root, which PostgreSQL refuses to be run by.
const USER: &str = "postgres";

pub struct Cluster {
    folder: TempDir,
    bin: PathBuf,
    server: Child,
}

impl Cluster {
    /// Starts a server and returns once it answers. Without PostgreSQL on this machine the test fails.
    pub fn start() -> Self {
        let bin = bin();
        let folder = tempfile::tempdir().expect("folder");
        if is_root() {
            let id = |option| number(Command::new("id").args([option, USER]));
            chown(folder.path(), Some(id("-u")), Some(id("-g"))).expect("the folder of the server's user");
        }
        let data = folder.path().join("data");
        // Sorted as people like it, so that nothing relies on the order of bytes.
        let mut initdb = as_user(&bin.join("initdb"));
        initdb.args(["--no-sync", "--auth=trust", "--username=weir", "--encoding=UTF8", "--locale=C"]);
        initdb.args(["--locale-provider=icu", "--icu-locale=en-US", "-D"]).arg(&data);
        let made = initdb.output().expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));

        let mut postgres = as_user(&bin.join("postgres"));
        postgres.arg("-D").arg(&data).arg("-k").arg(folder.path());
        for setting in ["listen_addresses=", "fsync=off", "log_min_messages=log", "lc_messages=C"] {
            postgres.args(["-c", setting]);
        }
        let mut server =
            postgres.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
        let log = server.stderr.take().expect("piped");
        // From here on it is stopped whatever happens.
        let cluster = Self { folder, bin, server };
        wait_until_ready(log);
        cluster
    }

    /// The URL of an empty place: a schema of that name, which costs far less than a database.
    pub async fn place(&self, name: &str) -> String {
        let url = format!("postgres:///postgres?host={}&user=weir", self.folder.path().display());
        // PostgreSQL cuts longer names off.
        let schema = &name[..name.len().min(63)];
        let mut connection = sqlx::PgConnection::connect(&url).await.expect("connected");
        let create = sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
        sqlx::raw_sql(create).execute(&mut connection).await.expect("a schema");
        connection.close().await.expect("closed");
        format!("{url}&options[search_path]={schema}")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut stop = as_user(&self.bin.join("pg_ctl"));
        stop.args(["stop", "-w", "-m", "immediate", "-D"]).arg(self.folder.path().join("data"));
        let stopped = stop.output().is_ok_and(|output| output.status.success());
        if !stopped {
            let _ = self.server.kill();
        }
        let _ = self.server.wait();
    }
}

/// Reads what the server says: until it is ready here, and then on, so that it is never kept from writing.
fn wait_until_ready(log: impl Read + Send + 'static) {
    let (sender, ready) = mpsc::channel();
    std::thread::spawn(move || {
        let mut said = String::new();
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            said.push_str(&line);
            said.push('\n');
            if line.contains("ready to accept connections") {
                let _ = sender.send(Ok(()));
            }
        }
        let _ = sender.send(Err(said));
    });
    ready.recv().expect("a word of the server").expect("PostgreSQL starts");
}

/// A program, run by a user that PostgreSQL does not refuse. It is told to end when the test is killed.
fn as_user(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "QUIT"]);
    if is_root() {
        command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]);
    }
    command.arg(program).current_dir("/").env("LC_ALL", "C");
    command
}

fn is_root() -> bool {
    number(Command::new("id").arg("-u")) == 0
}

fn number(command: &mut Command) -> u32 {
    let output = command.output().expect("runs");
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or_else(|_| panic!("no number from {command:?}"))
}

/// Where the programs of the newest PostgreSQL are: Debian has them outside of PATH.
fn bin() -> PathBuf {
    let versions =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let newest = versions.filter(|bin| bin.join("initdb").exists()).max();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = || std::env::split_paths(&path).find(|bin| bin.join("initdb").exists());
    newest.or_else(on_path).expect("initdb of PostgreSQL, which these tests need: run scripts/setup --test")
}
