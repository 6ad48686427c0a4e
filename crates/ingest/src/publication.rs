use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use weir_media::SourceClock;

use crate::feed::{self, Feed};
use crate::{CloseReason, EndReason, IngestEvent};

/// The secret that names a stream to its encoder. Neither `Debug` nor `Display` shows it.
#[derive(Clone)]
pub struct StreamKey(String);

impl StreamKey {
    /// A key as somebody sent it, right or wrong.
    pub fn new(key: &str) -> Self {
        Self(key.to_owned())
    }

    /// The key itself, for comparing in constant time. Never for a log, a metric or an answer.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKey(redacted)")
    }
}

impl fmt::Display for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redacted")
    }
}

/// How an encoder is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// RTMP over plain TCP.
    Rtmp,
    /// RTMP over TLS.
    Rtmps,
    /// MPEG-TS over SRT.
    Srt,
}

impl Protocol {
    /// The name used in URLs, logs and metric labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rtmp => "rtmp",
            Self::Rtmps => "rtmps",
            Self::Srt => "srt",
        }
    }

    /// The counter that stamps its frames.
    pub fn clock(self) -> SourceClock {
        match self {
            Self::Rtmp | Self::Rtmps => SourceClock::Millis32,
            Self::Srt => SourceClock::Ticks33,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an encoder says of itself: in RTMP's `connect`, or in SRT's handshake. All texts are printable and short.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoder {
    /// `flashVer`, for example `FMLE/3.0 (compatible; Lavf59.27.100)`, or `SRT` and the version of its library; empty when it
    /// was not given.
    pub flash_ver: String,
    /// `fourCcList`: the codecs that an enhanced-RTMP encoder offers.
    pub four_ccs: Vec<String>,
}

/// Why a publisher is turned away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No stream has this key.
    WrongKey,
    /// Another encoder is sending under this key.
    KeyInUse,
    /// The key is known, and does not let this encoder in: for the reason in the sentence, which its user gets to read.
    Closed(String),
    /// Not now, for the reason in the sentence, which the encoder's user gets to read.
    Unavailable(String),
}

impl Refusal {
    /// The value of the `reason` label and of logs.
    pub fn label(&self) -> &'static str {
        match self {
            Self::WrongKey => "wrong_key",
            Self::KeyInUse => "key_in_use",
            Self::Closed(_) => "key_closed",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// The sentence for the encoder's user.
    pub fn sentence(&self) -> &str {
        match self {
            Self::WrongKey => "the stream key is wrong",
            Self::KeyInUse => "another encoder is sending with this stream key",
            Self::Closed(sentence) | Self::Unavailable(sentence) => sentence,
        }
    }
}

/// An encoder that asks to publish. Dropped without an answer it is refused as unavailable.
#[derive(Debug)]
pub struct PublishRequest {
    /// Where the encoder connects from.
    pub peer: SocketAddr,
    /// How.
    pub protocol: Protocol,
    /// The application part of the URL, without a key; RTMP takes `live` only, SRT has none.
    pub app: String,
    /// The key it publishes under.
    pub key: StreamKey,
    /// What it says of itself.
    pub encoder: Encoder,
    answer: oneshot::Sender<Answer>,
}

/// An encoder as its session knows it, on the way to become a [`PublishRequest`].
pub(crate) struct Asking {
    pub peer: SocketAddr,
    pub protocol: Protocol,
    pub app: &'static str,
    pub key: StreamKey,
    pub encoder: Encoder,
}

impl Asking {
    /// Has the owner of the stream key decide, `within` a time that the encoder will wait.
    pub async fn ask(self, requests: &mpsc::Sender<PublishRequest>, within: Duration) -> Result<Box<Feed>, Refusal> {
        let unavailable = |sentence: &str| Refusal::Unavailable(sentence.to_owned());
        let Self { peer, protocol, app, key, encoder } = self;
        let (answer, answered) = oneshot::channel();
        let request = PublishRequest { peer, protocol, app: app.to_owned(), key, encoder, answer };
        if requests.try_send(request).is_err() {
            return Err(unavailable("the server is too busy to take a stream, try again"));
        }
        match timeout(within, answered).await {
            Ok(Ok(Answer::Accepted(feed))) => Ok(feed),
            Ok(Ok(Answer::Refused(refusal))) => Err(refusal),
            Ok(Err(_)) | Err(_) => Err(unavailable("the server cannot take a stream now, try again")),
        }
    }
}

/// What became of a [`PublishRequest`].
#[derive(Debug)]
enum Answer {
    Accepted(Box<Feed>),
    Refused(Refusal),
}

impl PublishRequest {
    /// Lets the encoder publish. If it has gone meanwhile, the publication ends at once.
    pub fn accept(self) -> Publication {
        let (feed, publication) = feed::channel();
        if let Err(Answer::Accepted(feed)) = self.answer.send(Answer::Accepted(Box::new(feed))) {
            feed.end(EndReason::Disconnected);
        }
        publication
    }

    /// Turns the encoder away.
    pub fn refuse(self, refusal: Refusal) {
        // An encoder that has gone meanwhile needs no answer.
        let _ = self.answer.send(Answer::Refused(refusal));
    }
}

/// The receiving end of one accepted publisher. Dropping it disconnects the encoder.
#[derive(Debug)]
pub struct Publication {
    pub(crate) events: mpsc::Receiver<IngestEvent>,
    pub(crate) queued_bytes: Arc<AtomicUsize>,
    pub(crate) end: Option<oneshot::Receiver<EndReason>>,
    pub(crate) close: Option<oneshot::Sender<CloseReason>>,
}

impl Publication {
    /// The next event; `None` after [`IngestEvent::Ended`]. Cancel safe. Who waits long between two calls
    /// loses whole groups of pictures: see [`IngestEvent::Lost`].
    pub async fn recv(&mut self) -> Option<IngestEvent> {
        if let Some(event) = self.events.recv().await {
            if let IngestEvent::Frame(frame) = &event {
                self.queued_bytes.fetch_sub(frame.data.len(), Ordering::Relaxed);
            }
            return Some(event);
        }
        let reason = self.end.as_mut()?.await.unwrap_or(EndReason::Internal);
        self.end = None;
        Some(IngestEvent::Ended(reason))
    }

    /// Tells the encoder why and disconnects it.
    pub fn close(mut self, reason: CloseReason) {
        if let Some(close) = self.close.take() {
            // A connection that has ended already cannot be closed again.
            let _ = close.send(reason);
        }
    }
}
