//! The disk of the daemon's data: an ext4 of its own in memory, which can be filled and frozen. Where there are no
//! loop devices it is memory alone, which cannot be frozen.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::{Instant, sleep};

/// Room for the journal of a window and little else.
const DISK_MB: u64 = 64;

/// A mounted disk.
pub struct Disk {
    /// The memory that it is in.
    place: PathBuf,
    folder: PathBuf,
    can_freeze: bool,
}

impl Disk {
    /// Mounts a disk under `place`, an empty folder.
    pub fn mount(place: &Path) -> Result<Self> {
        let path = |name: &str| place.join(name).to_string_lossy().into_owned();
        let outer = place.to_string_lossy().into_owned();
        run("mount", &["-t", "tmpfs", "-o", &format!("size={}m", DISK_MB + 8), "weir-soak", &outer])?;
        let (image, folder) = (path("image"), path("disk"));
        std::fs::create_dir(&folder)?;
        File::create(&image)?.set_len(DISK_MB << 20)?;
        let ext4 =
            run("mkfs.ext4", &["-q", "-m", "0", &image]).and_then(|()| run("mount", &["-o", "loop", &image, &folder]));
        let can_freeze = match ext4 {
            Ok(()) => true,
            Err(error) => {
                eprintln!("no slow disk in this run: {error:#}");
                std::fs::remove_file(&image)?;
                run("mount", &["-t", "tmpfs", "-o", &format!("size={DISK_MB}m"), "weir-soak", &folder])?;
                false
            }
        };
        Ok(Self { place: place.to_owned(), folder: folder.into(), can_freeze })
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether it can be made to take nothing.
    pub fn can_freeze(&self) -> bool {
        self.can_freeze
    }

    /// Leaves no room, until the answer is dropped.
    pub fn fill(&self) -> Result<Filled> {
        let path = self.folder.join("filler");
        let mut file = File::create(&path)?;
        let filled = Filled(path);
        for size in [1 << 20, 4096, 1] {
            loop {
                match file.write(&vec![0; size]) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error).context("cannot fill the disk"),
                }
            }
        }
        file.sync_all()?;
        Ok(filled)
    }

    /// Lets it take nothing for `frozen`, then everything for `free`, again and again for `lasts`.
    pub async fn stutter(&self, lasts: Duration, frozen: Duration, free: Duration) -> Result<()> {
        let end = Instant::now() + lasts;
        while Instant::now() < end {
            let thaw = self.freeze()?;
            sleep(frozen).await;
            drop(thaw);
            sleep(free).await;
        }
        Ok(())
    }

    /// Lets it take nothing, until the answer is dropped.
    pub fn freeze(&self) -> Result<Frozen<'_>> {
        ensure!(self.can_freeze, "this disk cannot be frozen");
        run("fsfreeze", &["--freeze", &self.folder.to_string_lossy()])?;
        Ok(Frozen(self))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        for mounted in [&self.folder, &self.place] {
            // It goes with the mount namespace of this process at the latest.
            let _ = run("umount", &["--lazy", &mounted.to_string_lossy()]);
        }
    }
}

/// See [`Disk::fill`].
pub struct Filled(PathBuf);

impl Drop for Filled {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            eprintln!("the disk stays full: {error}");
        }
    }
}

/// See [`Disk::freeze`].
pub struct Frozen<'a>(&'a Disk);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        if let Err(error) = run("fsfreeze", &["--unfreeze", &self.0.folder.to_string_lossy()]) {
            eprintln!("the disk stays frozen: {error:#}");
        }
    }
}

fn run(tool: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(tool).args(arguments).output().with_context(|| format!("cannot run {tool}"))?;
    ensure!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
