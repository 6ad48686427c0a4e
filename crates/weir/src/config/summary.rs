//! A configuration in words, for `weir check-config`. Holds no key.

use std::fmt;

use weir_ladder::{Preset, Profile, RungSpec};
use weir_packager::Latency;

use super::{Certificate, Channel, Config, HttpTls, KeySource, OnShutdown};

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "data      {}", self.data_dir.display())?;
        let (http, rtmp) = (&self.http, &self.rtmp);
        let limits = limits(http.connections_max, http.connections_per_address_max);
        writeln!(f, "http      {}{limits}", http.listen)?;
        match &http.tls {
            Some(HttpTls { listen, certificate: Certificate::Files { cert, key } }) => {
                writeln!(f, "https     {listen}, {} with {}", cert.display(), key.display())?;
            }
            Some(HttpTls { listen, certificate: Certificate::SelfSigned }) => {
                writeln!(f, "https     {listen}, self-signed, for trying out")?;
            }
            None => writeln!(f, "https     off")?,
        }
        writeln!(f, "rtmp      {}{}", rtmp.listen, self::limits(None, rtmp.connections_per_address_max))?;
        match &rtmp.tls {
            Some(tls) => writeln!(f, "rtmps     {}, {} with {}", tls.listen, tls.cert.display(), tls.key.display())?,
            None => writeln!(f, "rtmps     off")?,
        }
        match &self.srt {
            Some(srt) => {
                let encrypted = if srt.passphrase.is_some() { ", encrypted" } else { "" };
                let callers = self::limits(None, srt.callers_per_address_max);
                writeln!(f, "srt       {} (UDP), latency of {} ms{encrypted}{callers}", srt.listen, srt.latency_ms)?;
            }
            None => writeln!(f, "srt       off")?,
        }
        let ending = match self.hls.on_shutdown {
            OnShutdown::Resume => "resumed after a restart",
            OnShutdown::End => "ended at shutdown",
        };
        let (latency, segment_ms, window_s) = (self.hls.latency, self.hls.segment_ms, self.hls.window_s);
        let latency = match latency {
            Latency::Low => "low latency",
            Latency::Standard => "standard latency",
        };
        writeln!(f, "hls       {latency}, segments of {segment_ms} ms, window of {window_s} s, {ending}")?;
        writeln!(
            f,
            "ladder    x264 {}{}, at most {} MiB a worker; an encoder may be away for {} s",
            self.ladder.preset.map_or("as slow as the machine holds", Preset::name),
            if self.ladder.copy_best { ", the best rung copied where it can be" } else { "" },
            self.ladder.memory_max_mb,
            self.ladder.reconnect_window_s
        )?;
        for spec in &self.ladder.rungs {
            writeln!(f, "rung      {}", rung(spec))?;
        }
        writeln!(f, "database  {}", self.database.url)?;
        writeln!(f, "api       {}", self.api.listen)?;
        let events = &self.events;
        writeln!(
            f,
            "events    at most {} s, ready {} s before their start, ended after {} s without input",
            events.duration_max_s, events.lead_s, events.no_input_s
        )?;
        if !self.outbound_allow.is_empty() {
            let networks: Vec<String> = self.outbound_allow.iter().map(ToString::to_string).collect();
            writeln!(f, "outbound  {} may be reached besides what is public", networks.join(", "))?;
        }
        for channel in &self.channels {
            writeln!(f, "channel   {channel}")?;
        }
        Ok(())
    }
}

fn limits(connections: Option<u32>, per_address: Option<u32>) -> String {
    let all = connections.map(|most| format!(", at most {most} connections"));
    let each = per_address.map(|most| format!(", at most {most} from one address"));
    all.unwrap_or_default() + &each.unwrap_or_default()
}

fn rung(rung: &RungSpec) -> String {
    let profile = match rung.profile {
        Profile::Main => "Main",
        Profile::High => "High",
    };
    let RungSpec { name, width, height, kbps, kbps_high, .. } = rung;
    let fps_max = rung.fps_max.map(|fps| format!(", at most {fps} fps")).unwrap_or_default();
    format!("{name}: {width}x{height}, {kbps} kbps ({kbps_high} above 30 fps), {profile}{fps_max}")
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, ", self.name, self.input)?;
        match &self.key {
            KeySource::Given(_) => write!(f, "key from this file")?,
            KeySource::File { path, .. } => write!(f, "key from {}", path.display())?,
            KeySource::Generated => write!(f, "key made at the first start")?,
        }
        if self.srt_passphrase.is_some() {
            write!(f, ", SRT encrypted with a passphrase of its own")?;
        }
        if let Some(latency_ms) = self.srt_latency_ms {
            write!(f, ", SRT latency of {latency_ms} ms")?;
        }
        if let Some(pull) = &self.srt_pull {
            write!(f, ", fetched over SRT from {}", pull.address)?;
        }
        Ok(())
    }
}
