//! How a publisher's link does, as metrics.

use metrics::{describe_gauge, gauge};
use weir_ingest::LinkStats;

/// Every gauge: its name, what it tells, and where it is found.
type Reading = (&'static str, &'static str, fn(&LinkStats) -> f64);
const READINGS: [Reading; 11] = [
    ("weir_srt_latency_seconds", "Time for which packets are held, by channel.", |stats| stats.latency.as_secs_f64()),
    ("weir_srt_rtt_seconds", "Round trip to the caller, by channel.", |stats| stats.rtt.as_secs_f64()),
    ("weir_srt_bytes_per_second", "Media received in the last second, by channel.", |stats| stats.bytes_per_s as f64),
    ("weir_srt_packets", "Packets received by the running connection, by channel.", |stats| stats.packets as f64),
    ("weir_srt_lost", "Packets found missing; most come again, by channel.", |stats| stats.lost as f64),
    ("weir_srt_retransmitted", "Packets received that were sent again, by channel.", |stats| {
        stats.retransmitted as f64
    }),
    ("weir_srt_dropped", "Packets that did not come in time, by channel.", |stats| stats.dropped as f64),
    ("weir_srt_undecryptable", "Packets whose key was not known, by channel.", |stats| stats.undecryptable as f64),
    ("weir_srt_buffered", "Packets that wait for their time, by channel.", |stats| stats.buffered.into()),
    ("weir_srt_missing", "Of these, packets that are missing, by channel.", |stats| stats.missing.into()),
    ("weir_srt_continuity_errors", "Places at which the transport stream broke, by channel.", |stats| {
        stats.continuity_errors as f64
    }),
];

/// Shows the state of a channel's link.
pub fn report(channel: &str, stats: &LinkStats) {
    for (name, _, read) in READINGS {
        gauge!(name, "channel" => channel.to_owned()).set(read(stats));
    }
}

/// Describes the gauges.
pub fn describe_metrics() {
    for (name, text, _) in READINGS {
        describe_gauge!(name, text);
    }
}
