use std::fmt::Write as _;
use std::path::Path;

/// One rung of the ladder as configured.
#[derive(Debug, Clone)]
pub struct Rung {
    /// The name of the rendition.
    pub name: &'static str,
    /// The box that the picture must fit into, in pixels.
    pub size: (u32, u32),
    /// Bit rate up to 30 frames per second and above.
    pub kbps: (u32, u32),
    /// Highest frame rate.
    pub fps_max: Option<u32>,
    /// `main` or `high`.
    pub profile: &'static str,
}

/// A configuration of the daemon under test: everything on ports that the system chooses.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[hls] segment_ms`.
    pub segment_ms: u32,
    /// `[hls] window_s`.
    pub window_s: u32,
    /// `[hls] on_shutdown`.
    pub on_shutdown: &'static str,
    /// `[ladder] preset`.
    pub preset: &'static str,
    /// `[ladder] copy_best`.
    pub copy_best: bool,
    /// `[ladder] reconnect_window_s`.
    pub reconnect_window_s: u32,
    /// `[[ladder.rung]]`; none leaves the daemon's own.
    pub rungs: Vec<Rung>,
    /// `[[channel]] input` of the one channel.
    pub input: &'static str,
    /// Its key.
    pub key: String,
    /// `[rtmp] listen`.
    pub rtmp_listen: String,
    /// Whether to listen for RTMPS and HTTPS too.
    pub tls: bool,
    /// `[srt] srt_passphrase`; the listener is always there.
    pub srt_passphrase: Option<&'static str>,
    /// `[[channel]] srt_pull`.
    pub srt_pull: Option<String>,
    /// `[http] waiters_per_address_max`; the daemon's own when `None`.
    pub waiters_per_address_max: Option<u32>,
    /// `[http] listen`.
    pub http_listen: String,
    /// `[events] lead_s`.
    pub lead_s: u32,
    /// `[events] no_input_s`.
    pub no_input_s: u32,
    /// `[log] level`.
    pub log_level: &'static str,
    /// The one core that the daemon and its workers run on; all of them when `None`.
    pub cpu: Option<u32>,
}

/// The name of the channel in every [`Config`].
pub const CHANNEL: &str = "studio";

impl Default for Config {
    /// Two small rungs and segments of a second: cheap, with every rule in force.
    fn default() -> Self {
        let rung = |name, size, kbps, profile| Rung { name, size, kbps: (kbps, kbps * 5 / 4), fps_max: None, profile };
        Self {
            segment_ms: 1000,
            window_s: 60,
            on_shutdown: "resume",
            preset: "ultrafast",
            copy_best: false,
            reconnect_window_s: 60,
            rungs: vec![rung("360p", (640, 360), 800, "high"), rung("180p", (320, 180), 300, "main")],
            input: "1080p",
            key: "test-key-0123456789abcdef".to_owned(),
            rtmp_listen: "127.0.0.1:0".to_owned(),
            tls: false,
            srt_passphrase: None,
            srt_pull: None,
            waiters_per_address_max: None,
            http_listen: "127.0.0.1:0".to_owned(),
            lead_s: 300,
            no_input_s: 60,
            log_level: "info",
            cpu: None,
        }
    }
}

impl Config {
    /// The daemon's own ladder at the fastest preset, with segments of two seconds as they come.
    pub fn full_ladder(input: &'static str) -> Self {
        Self { rungs: Vec::new(), segment_ms: 2000, input, ..Self::default() }
    }

    /// The text of the file, for a daemon at home in `folder`.
    pub fn toml(&self, folder: &Path) -> String {
        let Self { segment_ms, window_s, on_shutdown, preset, reconnect_window_s, input, key, .. } = self;
        let (rtmp, http, level) = (&self.rtmp_listen, &self.http_listen, self.log_level);
        let waiters = self.waiters_per_address_max.map(|most| format!("waiters_per_address_max = {most}\n"));
        let waiters = waiters.unwrap_or_default();
        let folder = folder.display();
        let mut text = format!(
            "data_dir = \"{folder}/data\"\n[log]\nformat = \"json\"\nlevel = \"{level}\"\n[http]\nlisten = \"{http}\"\n{waiters}\
             [rtmp]\nlisten = \"{rtmp}\"\n"
        );
        if self.tls {
            // Writing to a String cannot fail.
            for table in ["rtmp.tls", "http.tls"] {
                let _ = writeln!(text, "[{table}]\nlisten = \"127.0.0.1:0\"");
                let _ = writeln!(text, "cert = \"{folder}/cert.pem\"\nkey = \"{folder}/key.pem\"");
            }
        }
        let (lead_s, no_input_s) = (self.lead_s, self.no_input_s);
        let _ = writeln!(text, "[api]\nlisten = \"127.0.0.1:0\"\n[outbound]\nallow = \"127.0.0.1\"");
        // The tests of hostile callers try thousands of keys from one address, beside callers who have the right one.
        let _ = writeln!(text, "[ingest]\nwrong_keys_per_minute_max = 1000000");
        let _ = writeln!(text, "[events]\nlead_s = {lead_s}\nno_input_s = {no_input_s}");
        let _ = writeln!(text, "[srt]\nlisten = \"127.0.0.1:0\"");
        if let Some(passphrase) = self.srt_passphrase {
            let _ = writeln!(text, "srt_passphrase = \"{passphrase}\"");
        }
        let _ = writeln!(text, "[hls]\nsegment_ms = {segment_ms}\nwindow_s = {window_s}");
        let _ = writeln!(text, "on_shutdown = \"{on_shutdown}\"");
        let _ = writeln!(text, "[ladder]\npreset = \"{preset}\"\nreconnect_window_s = {reconnect_window_s}");
        let _ = writeln!(text, "copy_best = {}", self.copy_best);
        for Rung { name, size: (width, height), kbps: (low, high), fps_max, profile } in &self.rungs {
            let _ = writeln!(text, "[[ladder.rung]]\nname = \"{name}\"\nwidth = {width}\nheight = {height}");
            let _ = writeln!(text, "kbps = {low}\nkbps_high = {high}\nprofile = \"{profile}\"");
            if let Some(fps) = fps_max {
                let _ = writeln!(text, "fps_max = {fps}");
            }
        }
        let _ = writeln!(text, "[[channel]]\nname = \"{CHANNEL}\"\ninput = \"{input}\"\nkey = \"{key}\"");
        if let Some(url) = &self.srt_pull {
            let _ = writeln!(text, "srt_pull = \"{url}\"");
        }
        text
    }
}
