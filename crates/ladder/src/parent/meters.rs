use std::sync::Arc;

use metrics::Unit;

use super::WorkerStats;

/// Describes the metrics of this crate; once, at the start of the daemon.
pub fn describe_metrics() {
    metrics::describe_counter!("weir_ladder_frames_total", Unit::Count, "Frames encoded, by channel and rendition");
    metrics::describe_gauge!("weir_ladder_fps", "Frames a second a rendition gives out");
    metrics::describe_gauge!(
        "weir_ladder_speed",
        "Media seconds a rendition gives out per second; below 1 is too slow"
    );
    metrics::describe_counter!("weir_ladder_cpu_seconds_total", Unit::Seconds, "CPU time of the ladder worker");
    metrics::describe_gauge!("weir_ladder_memory_bytes", Unit::Bytes, "Resident memory of the ladder worker");
    metrics::describe_counter!("weir_ladder_duplicated_frames_total", "Pictures repeated to fill holes of the source");
    metrics::describe_counter!("weir_ladder_decode_errors_total", "Complaints of the decoders about the source");
    metrics::describe_counter!("weir_drops_total", Unit::Count, "What was dropped, by channel, stage and reason");
}

/// The metrics of one channel's ladder. They appear when there is something to count.
#[derive(Debug, Clone)]
pub(super) struct Meters {
    channel: Arc<str>,
}

impl Meters {
    pub fn new(channel: &Arc<str>) -> Self {
        Self { channel: Arc::clone(channel) }
    }

    /// A source frame found no room in the queue.
    pub fn dropped_input(&self) {
        self.dropped("worker_slow", 1);
    }

    fn dropped(&self, reason: &'static str, count: u64) {
        if count > 0 {
            let channel = self.channel.to_string();
            metrics::counter!("weir_drops_total", "channel" => channel, "stage" => "ladder", "reason" => reason)
                .increment(count);
        }
    }

    /// Counts what happened between two statistics.
    pub fn report(&self, names: &[String], before: &WorkerStats, now: &WorkerStats) {
        let channel = || self.channel.to_string();
        for ((name, stats), index) in names.iter().zip(&now.renditions).zip(0..) {
            let frames = stats.frames.saturating_sub(before.renditions.get(index).map_or(0, |before| before.frames));
            let labels = [("channel", channel()), ("rendition", name.clone())];
            metrics::counter!("weir_ladder_frames_total", &labels).increment(frames);
            metrics::gauge!("weir_ladder_fps", &labels).set(stats.fps_milli as f64 / 1000.0);
            metrics::gauge!("weir_ladder_speed", &labels).set(stats.speed_milli as f64 / 1000.0);
        }
        // Whole seconds, of the totals: the remainder comes with a later one.
        let cpu_seconds = now.cpu_ms / 1000 - before.cpu_ms / 1000;
        metrics::counter!("weir_ladder_cpu_seconds_total", "channel" => channel()).increment(cpu_seconds);
        metrics::gauge!("weir_ladder_memory_bytes", "channel" => channel()).set(now.rss_bytes as f64);
        let duplicated = now.duplicated.saturating_sub(before.duplicated);
        metrics::counter!("weir_ladder_duplicated_frames_total", "channel" => channel()).increment(duplicated);
        let errors = now.decode_errors.saturating_sub(before.decode_errors);
        metrics::counter!("weir_ladder_decode_errors_total", "channel" => channel()).increment(errors);
        self.dropped("surplus_frames", now.dropped.saturating_sub(before.dropped));
        self.dropped("surplus_audio", now.dropped_audio_frames.saturating_sub(before.dropped_audio_frames));
    }

    /// Shows that nothing runs any more.
    pub fn ended(&self, names: &[String]) {
        if names.is_empty() {
            return;
        }
        for name in names {
            let labels = [("channel", self.channel.to_string()), ("rendition", name.clone())];
            metrics::gauge!("weir_ladder_fps", &labels).set(0.0);
            metrics::gauge!("weir_ladder_speed", &labels).set(0.0);
        }
        metrics::gauge!("weir_ladder_memory_bytes", "channel" => self.channel.to_string()).set(0.0);
    }
}
