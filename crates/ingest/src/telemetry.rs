use metrics::{describe_counter, describe_gauge};

pub(crate) const CONNECTIONS: &str = "weir_ingest_connections";
pub(crate) const CONNECTIONS_TOTAL: &str = "weir_ingest_connections_total";
pub(crate) const REFUSED_TOTAL: &str = "weir_ingest_refused_total";
pub(crate) const BYTES_TOTAL: &str = "weir_ingest_bytes_total";
pub(crate) const FRAMES_TOTAL: &str = "weir_ingest_frames_total";
pub(crate) const DROPS_TOTAL: &str = "weir_drops_total";

/// Gives every metric of this crate its description. Call it once, after the recorder is installed.
pub fn describe_metrics() {
    describe_gauge!(CONNECTIONS, "Open connections of encoders, those that have not published yet included");
    describe_counter!(CONNECTIONS_TOTAL, "Connections accepted from encoders");
    describe_counter!(REFUSED_TOTAL, "Connections and publishers turned away");
    describe_counter!(BYTES_TOTAL, "Bytes received from encoders, protocol overhead included");
    describe_counter!(FRAMES_TOTAL, "Frames received from encoders");
    describe_counter!(DROPS_TOTAL, "Frames dropped, by the stage that dropped them and why");
}

/// Counts frames that the ingest dropped.
pub(crate) fn dropped(reason: &'static str) {
    metrics::counter!(DROPS_TOTAL, "stage" => "ingest", "reason" => reason).increment(1);
}

/// Counts a connection or publisher that was turned away.
pub(crate) fn refused(reason: &'static str) {
    metrics::counter!(REFUSED_TOTAL, "reason" => reason).increment(1);
}
