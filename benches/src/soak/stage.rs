//! The daemon, its encoder, and everything that can be done to them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio::time::{Instant, sleep};
use weir_testkit::{Config, Daemon, Home, Process, Relay, Signal, Source, proc, signal_pid};

use super::clock::{Clock, SEEN_AFTER};
use super::disk::Disk;
use super::floods::{Target, flood, tls};
use super::link::Link;
use super::plan::{Fault, Port, Step};

/// How often the encoder is looked after.
const TENDED_EVERY: Duration = Duration::from_millis(200);
/// Files that the daemon may still open when it runs out of them.
const FILES_LEFT: usize = 1;
/// How long a slow disk takes nothing, and how long it then takes everything.
const STUTTER: (Duration, Duration) = (Duration::from_millis(600), Duration::from_millis(100));

/// Who encodes, and how.
pub struct Encoder {
    process: Option<Process>,
    by_srt: bool,
    tcp: Link,
    udp: Relay,
    key: String,
    /// How often it was started.
    pub starts: u64,
}

impl Encoder {
    async fn new(daemon: &Daemon) -> Result<Self> {
        let even =
            weir_testkit::Link { seed: 1, delay: Duration::ZERO, jitter: Duration::ZERO, loss: 0.0, duplicates: 0.0 };
        let (tcp, udp) = (Link::open(daemon.rtmp()).await?, Relay::open(even, daemon.srt()).await?);
        Ok(Self { process: None, by_srt: false, tcp, udp, key: daemon.key().to_owned(), starts: 0 })
    }

    /// Starts it where it does not run, as every encoder does that was told to reconnect.
    fn tend(&mut self) -> Result<()> {
        if self.process.as_mut().is_some_and(Process::is_running) {
            return Ok(());
        }
        let key = &self.key;
        let url = match self.by_srt {
            true => format!("srt://{}?streamid={key}&pkt_size=1316", self.udp.address()),
            false => format!("rtmp://{}/live/{key}", self.tcp.address()),
        };
        self.process = Some(Source::default().push(&url)?);
        self.starts += 1;
        Ok(())
    }

    async fn kill(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.kill().await,
            None => Ok(()),
        }
    }

    fn stall(&self, stalled: bool) {
        self.tcp.stall(stalled);
        self.udp.cut(stalled);
    }

    async fn cut(&mut self) -> Result<()> {
        if self.by_srt {
            // UDP has no connection to cut: nothing passes any more, and the encoder goes.
            self.udp.cut(true);
            self.kill().await?;
            self.udp.cut(false);
        } else {
            self.tcp.cut();
        }
        Ok(())
    }
}

/// Where everything happens.
pub struct Stage {
    pub daemon: Daemon,
    pub encoder: Encoder,
    pub disk: Disk,
    clock: Clock,
}

impl Stage {
    /// Starts the daemon with its data on a small disk under `place`, an empty folder, and an encoder.
    pub async fn start(place: &Path) -> Result<Self> {
        let (disk_place, clock_place) = (place.join("disk"), place.join("clock"));
        std::fs::create_dir(&disk_place)?;
        std::fs::create_dir(&clock_place)?;
        let disk = Disk::mount(&disk_place)?;
        let clock = Clock::new(&clock_place)?;
        let config = Config { segment_ms: 2000, window_s: 30, reconnect_window_s: 120, tls: true, ..Config::default() };
        let home = clock.put_into(Home::new_in(disk.folder(), config)?);
        let daemon = Daemon::start_in(home).await?;
        let mut encoder = Encoder::new(&daemon).await?;
        encoder.tend()?;
        Ok(Self { daemon, encoder, disk, clock })
    }

    /// Whether this fault can be made here.
    pub fn can(&self, fault: Fault) -> bool {
        self.disk.can_freeze() || !matches!(fault, Fault::DiskSlow | Fault::DiskHung)
    }

    /// Lets time pass; an encoder that has ended comes back.
    pub async fn pass(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.encoder.tend()?;
            sleep(TENDED_EVERY.min(end - Instant::now())).await;
        }
        self.encoder.tend()
    }

    /// Makes a fault, and undoes it when it has lasted long enough.
    pub async fn suffer(&mut self, step: Step) -> Result<()> {
        let Step { fault, lasts, chance, .. } = step;
        match fault {
            Fault::EncoderKill => {
                self.encoder.kill().await?;
                sleep(lasts).await;
            }
            Fault::LinkCut => {
                self.encoder.cut().await?;
                sleep(lasts).await;
            }
            Fault::UplinkStall => {
                self.encoder.stall(true);
                sleep(lasts).await;
                self.encoder.stall(false);
            }
            Fault::OtherProtocol => {
                self.encoder.kill().await?;
                sleep(lasts).await;
                self.encoder.by_srt = !self.encoder.by_srt;
            }
            Fault::WorkerKill => self.signal_workers(Signal::KILL)?,
            // The daemon kills what hangs; there is nothing to undo.
            Fault::WorkerHang => {
                self.signal_workers(Signal::STOP)?;
                self.pass(lasts).await?;
            }
            Fault::ClockForward => self.step_clock(3600, lasts).await?,
            Fault::ClockBack => self.step_clock(-3600, lasts).await?,
            Fault::ClockSmall => {
                let offset_s = [-20, -5, 2, 5, 20][chance as usize % 5];
                self.step_clock(offset_s, lasts).await?;
            }
            Fault::ClockAway => self.step_clock_alone(if chance % 2 == 0 { 3600 } else { -3600 }, lasts).await?,
            Fault::DiskFull => {
                let filled = self.disk.fill()?;
                self.pass(lasts).await?;
                drop(filled);
            }
            Fault::DiskSlow => self.disk.stutter(lasts, STUTTER.0, STUTTER.1).await?,
            Fault::DiskHung => {
                let frozen = self.disk.freeze()?;
                sleep(lasts).await;
                drop(frozen);
            }
            Fault::FilesOut => self.run_out_of_files(lasts, chance % 2 == 0).await?,
            Fault::Flood(port) => {
                let target = self.target(port)?;
                let flood = tokio::spawn(flood(target, lasts, chance));
                self.pass(lasts).await?;
                println!("    tried {} times", flood.await?);
            }
        }
        self.encoder.tend()
    }

    fn signal_workers(&self, signal: Signal) -> Result<()> {
        let workers = self.daemon.workers();
        ensure!(!workers.is_empty(), "no ladder worker runs");
        workers.into_iter().try_for_each(|pid| signal_pid(pid, signal))
    }

    /// Steps the clock while the encoder sends, and back.
    async fn step_clock(&mut self, offset_s: i64, lasts: Duration) -> Result<()> {
        self.clock.step(offset_s)?;
        self.pass(SEEN_AFTER).await?;
        let seen = self.clock.check(&self.daemon, offset_s).await;
        self.pass(lasts.saturating_sub(SEEN_AFTER)).await?;
        self.clock.step(0)?;
        self.pass(SEEN_AFTER).await?;
        seen
    }

    /// Steps the clock while the encoder is away, lets it come back, and steps back while it is away again.
    async fn step_clock_alone(&mut self, offset_s: i64, lasts: Duration) -> Result<()> {
        let mut seen = Ok(());
        for offset_s in [offset_s, 0] {
            self.encoder.kill().await?;
            sleep(Duration::from_secs(2)).await;
            self.clock.step(offset_s)?;
            sleep(SEEN_AFTER + Duration::from_secs(2)).await;
            seen = seen.and(self.clock.check(&self.daemon, offset_s).await);
            self.pass(lasts).await?;
        }
        seen
    }

    /// Lets the daemon open hardly a file more, and where `kill` says so, its worker dies meanwhile.
    async fn run_out_of_files(&mut self, lasts: Duration, kill: bool) -> Result<()> {
        let pid = self.daemon.pid();
        let process = i32::try_from(pid).ok().and_then(Pid::from_raw).context("no pid")?;
        let most = (proc::open_files(pid)? + FILES_LEFT) as u64;
        // The daemon was given the limits of this process.
        let maximum = getrlimit(Resource::Nofile).maximum;
        let before = prlimit(Some(process), Resource::Nofile, Rlimit { current: Some(most), maximum })?;
        let outcome = async {
            self.pass(lasts / 2).await?;
            if kill {
                self.signal_workers(Signal::KILL)?;
            }
            self.pass(lasts / 2).await
        }
        .await;
        prlimit(Some(process), Resource::Nofile, before)?;
        outcome
    }

    fn target(&self, port: Port) -> Result<Target> {
        let daemon = &self.daemon;
        let (address, tls) = match port {
            Port::Rtmp => (daemon.rtmp(), None),
            Port::Rtmps => (daemon.rtmps().context("no RTMPS")?, Some(tls(daemon.folder(), None)?)),
            Port::Srt => (daemon.srt(), None),
            Port::Http => (daemon.http().address(), None),
            Port::Https => (daemon.https().context("no HTTPS")?, Some(tls(daemon.folder(), Some(b"h2"))?)),
            Port::Api => (daemon.api_address(), None),
        };
        Ok(Target { port, address, tls })
    }
}
