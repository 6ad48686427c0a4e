use std::time::Duration;

/// What callers may cost. The defaults suit a daemon with some dozens of encoders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SrtLimits {
    /// Callers in all, accepted or about to be. An accepted one costs what its latency holds: 300 kB at 20 Mbps and 120 ms.
    pub callers_max: usize,
    /// Callers of one address (of one /64 for IPv6). A studio behind NAT has several encoders.
    pub callers_per_address_max: usize,
    /// Of all callers, those that have not been answered yet.
    pub pending_max: usize,
    /// How long the answer to a publish request may take; callers give up by themselves after 3 s.
    pub answer_timeout: Duration,
    /// Datagrams that wait for one caller's task: some 0.7 s of 20 Mbps. More are dropped, and asked for again.
    pub queue_datagrams: usize,
    /// The largest access unit, in bytes.
    pub unit_bytes_max: usize,
}

impl Default for SrtLimits {
    fn default() -> Self {
        Self {
            callers_max: 256,
            callers_per_address_max: 64,
            pending_max: 32,
            answer_timeout: Duration::from_millis(2500),
            queue_datagrams: 2048,
            unit_bytes_max: 8 << 20,
        }
    }
}
