use metrics::{describe_counter, describe_gauge};

pub(crate) const CONNECTIONS: &str = "weir_ingest_connections";
pub(crate) const CONNECTIONS_TOTAL: &str = "weir_ingest_connections_total";
pub(crate) const REFUSED_TOTAL: &str = "weir_ingest_refused_total";
pub(crate) const BYTES_TOTAL: &str = "weir_ingest_bytes_total";
pub(crate) const FRAMES_TOTAL: &str = "weir_ingest_frames_total";
pub(crate) const DATAGRAMS_DROPPED_TOTAL: &str = "weir_srt_datagrams_dropped_total";
pub(crate) const PACKETS_LOST_TOTAL: &str = "weir_srt_packets_lost_total";
pub(crate) const DROPS_TOTAL: &str = "weir_drops_total";

/// Gives every metric of this crate its description. Call it once, after the recorder is installed.
pub fn describe_metrics() {
    describe_gauge!(
        CONNECTIONS,
        "Open connections of encoders by kind of listener, those that have not published yet included"
    );
    describe_counter!(CONNECTIONS_TOTAL, "Connections accepted from encoders");
    describe_counter!(REFUSED_TOTAL, "Connections and publishers turned away");
    describe_counter!(BYTES_TOTAL, "Bytes received from encoders, protocol overhead included");
    describe_counter!(FRAMES_TOTAL, "Frames received from encoders");
    describe_counter!(DATAGRAMS_DROPPED_TOTAL, "Datagrams to the SRT port that were not used, by reason");
    describe_counter!(PACKETS_LOST_TOTAL, "Packets of media that did not come in time over SRT");
    describe_counter!(DROPS_TOTAL, "Frames dropped, by the stage that dropped them and why");
}

/// Counts frames that the ingest dropped.
pub(crate) fn dropped(reason: &'static str) {
    metrics::counter!(DROPS_TOTAL, "stage" => "ingest", "reason" => reason).increment(1);
}

/// Counts datagrams that belong to nobody or cannot be used.
pub(crate) fn datagram_dropped(reason: &'static str) {
    metrics::counter!(DATAGRAMS_DROPPED_TOTAL, "reason" => reason).increment(1);
}

/// Counts packets of media that SRT gave up.
pub(crate) fn lost(packets: u32) {
    metrics::counter!(PACKETS_LOST_TOTAL).increment(packets.into());
}

/// Counts a connection or publisher that was turned away.
pub(crate) fn refused(reason: &'static str) {
    metrics::counter!(REFUSED_TOTAL, "reason" => reason).increment(1);
}
