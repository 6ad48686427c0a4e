//! Caller mode: weir connects to an SRT listener and takes what it sends. This side is srt-tokio's; whatever it may do
//! happens in tasks of its own and ends one connection at most.

use std::io;
use std::time::Duration;

use futures_util::StreamExt;
use srt_tokio::SrtSocket;
use tokio::net::lookup_host;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::NO_APP;
use super::crypto::Passphrase;
use super::limits::SrtLimits;
use super::media::Media;
use crate::feed::Feed;
use crate::publication::Asking;
use crate::shutdown::stopped;
use crate::ts::Demux;
use crate::{CloseReason, Encoder, EndReason, Protocol, PublishRequest, StreamKey};

/// Wait after a connection that did not come about or ended; it doubles up to the longest.
const WAIT_FIRST: Duration = Duration::from_secs(1);
const WAIT_LONGEST: Duration = Duration::from_secs(10);
/// A listener that does not answer for so long is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Nothing for so long means that the connection is over; SRT gives a sign of life every second.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Bytes of an AES key; a listener that wants another length says so.
const KEY_BYTES: u16 = 16;

/// Where one channel's stream is taken from.
#[derive(Debug, Clone)]
pub struct SrtPull {
    /// The listener, `host:port`.
    pub address: String,
    /// What to ask it for.
    pub stream_id: Option<String>,
    /// What it encrypts with.
    pub passphrase: Option<Passphrase>,
    /// For how long packets are held at least.
    pub latency: Duration,
    /// The channel's own key.
    pub key: StreamKey,
}

/// Why a connection did not come about.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0} has no address")]
    Unknown(String),
    #[error("the listener does not answer")]
    Timeout,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Refused(String),
}

/// Connects again and again until `shutdown` holds true.
pub async fn pull(source: SrtPull, requests: mpsc::Sender<PublishRequest>, mut shutdown: watch::Receiver<bool>) {
    let mut wait = WAIT_FIRST;
    loop {
        let outcome = tokio::select! {
            outcome = connect(&source, &requests) => outcome,
            () = stopped(&mut shutdown) => return,
        };
        match outcome {
            Ok((socket, feed)) => {
                wait = WAIT_FIRST;
                let end = take(socket, feed, &mut shutdown).await;
                tracing::info!(listener = source.address, reason = end, "stream from the SRT listener is over");
            }
            Err(error) => tracing::warn!(listener = source.address, %error, ?wait, "cannot take a stream over SRT"),
        }
        tokio::select! {
            () = sleep(wait) => wait = (wait * 2).min(WAIT_LONGEST),
            () = stopped(&mut shutdown) => return,
        }
    }
}

async fn connect(source: &SrtPull, requests: &mpsc::Sender<PublishRequest>) -> Result<(SrtSocket, Box<Feed>), Failed> {
    let peer = lookup_host(&source.address).await?.next().ok_or_else(|| Failed::Unknown(source.address.clone()))?;
    let mut builder = SrtSocket::builder().latency(source.latency);
    if let Some(passphrase) = &source.passphrase {
        builder = builder.encryption(KEY_BYTES, passphrase.expose());
    }
    let calling = builder.call(peer, source.stream_id.as_deref());
    let socket = timeout(CONNECT_TIMEOUT, calling).await.map_err(|_| Failed::Timeout)??;
    let encoder = Encoder { flash_ver: "SRT listener".to_owned(), four_ccs: Vec::new() };
    let asking = Asking { peer, protocol: Protocol::Srt, app: NO_APP, key: source.key.clone(), encoder };
    let answer = asking.ask(requests, SrtLimits::default().answer_timeout).await;
    let feed = answer.map_err(|refusal| Failed::Refused(refusal.sentence().to_owned()))?;
    tracing::info!(listener = source.address, "stream from the SRT listener taken");
    Ok((socket, feed))
}

/// Hands on media until something ends it; what that was.
async fn take(mut socket: SrtSocket, mut feed: Box<Feed>, shutdown: &mut watch::Receiver<bool>) -> String {
    let mut demux = Demux::new(SrtLimits::default().unit_bytes_max);
    let media = Media::new();
    let end = loop {
        tokio::select! {
            next = timeout(SILENCE_MAX, socket.next()) => match next {
                Ok(Some(Ok((_, payload)))) => match demux.push(&payload) {
                    Ok(()) => media.offer(&mut demux, &mut feed),
                    Err(unsupported) => break EndReason::Unsupported(unsupported),
                },
                Ok(Some(Err(_)) | None) => break EndReason::Disconnected,
                Err(_) => break EndReason::Idle,
            },
            reason = &mut feed.closed => break EndReason::Closed(reason.unwrap_or(CloseReason::Stopped)),
            () = stopped(shutdown) => break EndReason::Closed(CloseReason::Shutdown),
        }
    };
    let reason = end.to_string();
    feed.end(end);
    reason
}
