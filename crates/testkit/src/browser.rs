use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fantoccini::{Client, ClientBuilder};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::port::HeldPort;
use crate::proc;
use crate::process::{Process, signal_pid};
use crate::wait::until;

/// The longest that the driver may take to start, and a page to load, on two busy cores.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// No window, no sandbox (which refuses root), nothing fetched in the background, sound or not: plays at once.
const FLAGS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
];

/// Headless Chromium under its driver, with a profile of its own.
pub struct Browser {
    client: Option<Client>,
    driver: Process,
    _profile: TempDir,
}

/// What the first `<video>` of a page says about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoState {
    /// `currentTime` in seconds.
    pub time: f64,
    /// `readyState`: 2 and above have the current frame.
    pub ready: u64,
    /// `videoWidth`, 0 until known.
    pub width: u64,
    /// `videoHeight`, 0 until known.
    pub height: u64,
    /// Whether it played to its end.
    pub ended: bool,
    /// `buffered`: begin and end of each range, in seconds.
    pub buffered: Vec<(f64, f64)>,
    /// Code and message of `error`.
    pub error: Option<String>,
}

/// A frame as it was drawn, reduced to 64 by 36 pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Brightness of every pixel, 0 to 255.
    pub luma: Vec<u8>,
}

impl Picture {
    /// The distance from the darkest to the brightest pixel: near 0 when the picture is flat.
    pub fn contrast(&self) -> u8 {
        let (low, high) = (self.luma.iter().min(), self.luma.iter().max());
        high.copied().unwrap_or(0) - low.copied().unwrap_or(0)
    }

    /// How many pixels differ clearly from those of `other`.
    pub fn changed(&self, other: &Self) -> usize {
        self.luma.iter().zip(&other.luma).filter(|(a, b)| a.abs_diff(**b) > 16).count()
    }
}

/// What the watch page says about itself in `window.weir`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchPage {
    /// For example `live` or `ended`.
    pub state: String,
    /// `hls.js` or `native`.
    pub engine: String,
    /// Players started since the page was opened: 1 when the first was never given up.
    pub players: u64,
    /// How many errors were fatal to their player.
    pub fatal: u64,
    /// The newest errors, at most a hundred, as the page lists them.
    pub errors: Vec<Value>,
}

const STATE: &str = "const v = document.querySelector('video'); if (!v) return null;
    return { time: v.currentTime, ready: v.readyState, width: v.videoWidth, height: v.videoHeight, ended: v.ended,
             buffered: [...Array(v.buffered.length).keys()].map((i) => [v.buffered.start(i), v.buffered.end(i)]),
             error: v.error ? v.error.code + ' ' + v.error.message : null };";

const DRAW: &str = "const v = document.querySelector('video');
    const c = document.createElement('canvas'); c.width = 64; c.height = 36;
    const g = c.getContext('2d'); g.drawImage(v, 0, 0, 64, 36);
    const p = g.getImageData(0, 0, 64, 36).data, luma = [];
    for (let i = 0; i < p.length; i += 4) luma.push(Math.round((p[i] * 3 + p[i + 1] * 6 + p[i + 2]) / 10));
    return luma;";

const NATIVE: &str = "const v = document.createElement('video'); v.muted = true; v.autoplay = true; v.controls = true;
    document.body.replaceChildren(v); v.src = arguments[0]; v.play().catch(() => {});";

impl Browser {
    /// Starts the driver and a browser with an empty page.
    pub async fn open() -> Result<Self> {
        // With port 0 it takes any port of IPv6, and ends when another program has the same one of IPv4.
        let held = HeldPort::take()?;
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={}", held.number()));
        let driver = Process::spawn("chromedriver", command, &[])?;
        let port = driver.out.find(0, "a port of chromedriver", START_TIMEOUT, driver_port).await?;
        let profile = TempDir::new()?;
        let mut args: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
        args.push(format!("--user-data-dir={}", profile.path().display()));
        let options = json!({ "goog:chromeOptions": { "args": args } });
        let Value::Object(capabilities) = options else { anyhow::bail!("no object") };
        let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
        builder.capabilities(capabilities);
        let url = format!("http://127.0.0.1:{port}");
        let client =
            tokio::time::timeout(START_TIMEOUT, builder.connect(&url)).await.context("no browser in time")??;
        Ok(Self { client: Some(client), driver, _profile: profile })
    }

    fn client(&self) -> Result<&Client> {
        self.client.as_ref().context("the browser is closed")
    }

    /// Opens a page and waits until it is loaded.
    pub async fn goto(&self, url: &str) -> Result<()> {
        let load = self.client()?.goto(url);
        Ok(tokio::time::timeout(START_TIMEOUT, load).await.context("the page did not load in time")??)
    }

    /// Runs the body of a JavaScript function in the page and gives what it returns.
    pub async fn run(&self, script: &str, arguments: Vec<Value>) -> Result<Value> {
        Ok(self.client()?.execute(script, arguments).await?)
    }

    /// Replaces the page by a `<video>` that plays `url` with what the browser itself can do.
    pub async fn play_natively(&self, url: &str) -> Result<()> {
        self.run(NATIVE, vec![json!(url)]).await.map(drop)
    }

    /// The state of the first `<video>`; `None` when there is none.
    pub async fn video(&self) -> Result<Option<VideoState>> {
        let state = self.run(STATE, vec![]).await?;
        if state.is_null() {
            return Ok(None);
        }
        Ok(Some(VideoState {
            time: state["time"].as_f64().context("no time")?,
            ready: state["ready"].as_u64().unwrap_or(0),
            width: state["width"].as_u64().unwrap_or(0),
            height: state["height"].as_u64().unwrap_or(0),
            ended: state["ended"].as_bool().unwrap_or(false),
            buffered: serde_json::from_value(state["buffered"].clone()).context("no buffered")?,
            error: state["error"].as_str().map(str::to_owned),
        }))
    }

    /// Waits until the video plays at or beyond `time` seconds with a picture; its error ends the wait.
    pub async fn wait_time(&self, time: f64, within: Duration) -> Result<VideoState> {
        let mut last = None;
        let found = until(&format!("the video plays beyond {time:.1} s"), within, async || {
            let state = self.video().await?;
            if let Some(error) = state.as_ref().and_then(|state| state.error.as_ref()) {
                anyhow::bail!("the video failed: {error}");
            }
            let there = state.clone().filter(|state| state.time >= time && state.ready >= 2 && state.width > 0);
            last = state;
            Ok(there)
        })
        .await;
        found.with_context(|| format!("the video is {last:?}"))
    }

    /// What the watch page says about itself.
    pub async fn watch_page(&self) -> Result<WatchPage> {
        let page = self.run("return window.weir || null", vec![]).await?;
        ensure!(page.is_object(), "the page has no window.weir");
        Ok(WatchPage {
            state: page["state"].as_str().unwrap_or_default().to_owned(),
            engine: page["engine"].as_str().unwrap_or_default().to_owned(),
            players: page["players"].as_u64().context("no players")?,
            fatal: page["fatal"].as_u64().context("no fatal")?,
            errors: page["errors"].as_array().context("no errors")?.clone(),
        })
    }

    /// Waits until the watch page says `state` of itself.
    pub async fn wait_state(&self, state: &str, within: Duration) -> Result<()> {
        let mut last = None;
        let found = until(&format!("the page says {state:?}"), within, async || {
            let page = self.watch_page().await?;
            let there = page.state == state;
            last = Some(page);
            Ok(there.then_some(()))
        })
        .await;
        let Err(error) = found else { return Ok(()) };
        Err(error.context(format!("the page and its video are {last:?} and {:?}", self.video().await)))
    }

    /// Checks that the watch page still plays with the player it began with.
    pub async fn check_one_player(&self, engine: &str) -> Result<()> {
        let page = self.watch_page().await?;
        ensure!(page.engine == engine && page.players == 1 && page.fatal == 0, "{page:?}");
        Ok(())
    }

    /// The frame that the video shows.
    pub async fn picture(&self) -> Result<Picture> {
        let drawn = self.run(DRAW, vec![]).await?;
        let pixels = drawn.as_array().context("nothing was drawn")?;
        let luma: Vec<u8> = pixels.iter().filter_map(|pixel| u8::try_from(pixel.as_u64()?).ok()).collect();
        ensure!(luma.len() == 64 * 36, "{} pixels", luma.len());
        Ok(Picture { luma })
    }

    /// Checks that the video runs: a picture that is not flat, time that goes on, and then another picture.
    pub async fn check_playing(&self, within: Duration) -> Result<()> {
        let before = self.wait_time(0.1, within).await?;
        let first = self.picture().await?;
        ensure!(first.contrast() > 48, "a flat picture, contrast {}", first.contrast());
        self.wait_time(before.time + 2.0, within).await?;
        let changed = self.picture().await?.changed(&first);
        ensure!(changed > 20, "only {changed} of {} pixels changed in 2 s", 64 * 36);
        Ok(())
    }

    /// Writes what the page looks like as a PNG file.
    pub async fn screenshot(&self, file: &Path) -> Result<()> {
        Ok(std::fs::write(file, self.client()?.screenshot().await?)?)
    }

    /// Ends the browser and its driver.
    pub async fn close(mut self) -> Result<()> {
        if let Some(client) = self.client.take() {
            client.close().await?;
        }
        Ok(())
    }
}

impl Drop for Browser {
    /// The driver would leave its browser behind when killed alone.
    fn drop(&mut self) {
        for pid in proc::tree(self.driver.pid()).into_iter().skip(1) {
            // It may have gone in the meantime.
            let _ = signal_pid(pid, Signal::KILL);
        }
    }
}

fn driver_port(line: &str) -> Option<u16> {
    line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A video without any file: what a canvas shows, as a stream.
    const PAGE: &str = "data:text/html,<video autoplay muted></video><script>
        const c = document.createElement('canvas'); c.width = 320; c.height = 180; const g = c.getContext('2d'); let n = 0;
        setInterval(() => { g.fillStyle = 'black'; g.fillRect(0, 0, 320, 180); g.fillStyle = 'white';
                            g.fillRect((n += 4) % 320, 20, 80, 120); }, 33);
        document.querySelector('video').srcObject = c.captureStream(30);</script>";

    #[tokio::test]
    async fn a_moving_picture_is_seen_and_nothing_is_left_behind() {
        let browser = Browser::open().await.unwrap();
        browser.goto("data:text/html,<p>nothing").await.unwrap();
        assert_eq!(browser.video().await.unwrap(), None);
        browser.goto(PAGE).await.unwrap();
        browser.check_playing(Duration::from_secs(20)).await.unwrap();
        let state = browser.video().await.unwrap().unwrap();
        assert_eq!((state.width, state.height, state.error), (320, 180, None));
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("page.png");
        browser.screenshot(&file).await.unwrap();
        assert!(std::fs::read(file).unwrap().starts_with(b"\x89PNG"));
        let tree = proc::tree(browser.driver.pid());
        assert!(tree.len() > 2, "{tree:?}");
        browser.close().await.unwrap();
        until("the browser is gone", Duration::from_secs(10), async || {
            Ok(tree.iter().all(|&pid| !proc::command_line(pid).contains("chrom")).then_some(()))
        })
        .await
        .unwrap();
    }

    #[test]
    fn the_port_is_read_from_the_drivers_greeting() {
        assert_eq!(driver_port("ChromeDriver was started successfully on port 43210."), Some(43210));
    }
}
