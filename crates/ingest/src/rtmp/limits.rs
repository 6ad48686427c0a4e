use std::time::Duration;

/// What a peer may cost. The defaults suit a daemon with some dozens of encoders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// From the accepted connection to the end of the TLS and RTMP handshakes. They take four round trips;
    /// a slow-loris holds its place no longer than this.
    pub handshake_timeout: Duration,
    /// From the accepted connection to `publish`. Encoders take well under a second.
    pub publish_timeout: Duration,
    /// How long the answer to a publish request may take. The encoder waits for it, and gives up by itself
    /// after about 10 s.
    pub answer_timeout: Duration,
    /// How long one of our short answers may take to go out. A peer that does not read them is gone.
    pub write_timeout: Duration,
    /// Silence of an authorised publisher after which the connection is dead. Longer than any reconnect
    /// window, as it is the broadcast that decides about silence; this only frees the socket.
    pub idle_timeout: Duration,
    /// Open connections in all. One that has not published costs about 200 kB at the worst.
    pub connections_max: usize,
    /// Open connections of one address (of one /64 for IPv6). A studio behind NAT has several encoders.
    pub connections_per_address_max: usize,
    /// The largest message of an authorised publisher, in bytes: a keyframe of 4K fits.
    pub message_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(5),
            publish_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(330),
            connections_max: 256,
            connections_per_address_max: 64,
            message_bytes_max: 8 << 20,
        }
    }
}
