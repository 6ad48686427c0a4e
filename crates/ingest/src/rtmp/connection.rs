//! Moves bytes between one socket and its session, and keeps the time limits.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use metrics::Counter;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use weir_media::TrackKind;

use super::reply::Farewell;
use super::session::{Output, Session};
use super::stop::Stop;
use super::{APP, Limits};
use crate::feed::Feed;
use crate::publication::Asking;
use crate::shutdown::stopped;
use crate::{CloseReason, Encoder, EndReason, IngestEvent, Protocol, PublishRequest, StreamKey, telemetry};

/// Bytes asked of the socket at once: enough for most frames of a fast stream.
const READ_BYTES: usize = 64 << 10;
/// How long a peer may take to read our last words and close. ffmpeg and librtmp need under 0.3 s.
const LINGER: Duration = Duration::from_secs(1);

thread_local! {
    /// What the connections of a thread read into in turns, each for as long as it takes to put messages together and to
    /// answer them: one buffer stays in the processor's cache, where one for each connection would not, and an idle encoder
    /// has none.
    static READ_BUFFER: Cell<BytesMut> = Cell::new(BytesMut::new());
}

/// What all connections of a server share.
pub(super) struct Context {
    pub limits: Limits,
    pub acceptor: Option<TlsAcceptor>,
    pub requests: mpsc::Sender<PublishRequest>,
}

/// Serves one accepted connection to its end.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    protocol: Protocol,
    context: Arc<Context>,
    shutdown: watch::Receiver<bool>,
) {
    let started = Instant::now();
    tracing::debug!("connected");
    // Only delays answers; a socket on which this fails is about to fail altogether.
    let _ = stream.set_nodelay(true);
    match (protocol, &context.acceptor) {
        (Protocol::Rtmps, Some(acceptor)) => {
            let limit = context.limits.handshake_timeout;
            let stop = match timeout_at(started + limit, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let connection = Connection::new(Box::new(stream), peer, protocol, context, shutdown, started);
                    return Box::pin(connection.run()).await;
                }
                Ok(Err(error)) => Stop::Tls(error),
                Err(_) => Stop::HandshakeTimeout(limit),
            };
            stop.report_unpublished(0);
        }
        _ => Box::pin(Connection::new(stream, peer, protocol, context, shutdown, started).run()).await,
    }
}

/// One socket with its session.
struct Connection<S> {
    socket: S,
    input: BytesMut,
    session: Session,
    peer: SocketAddr,
    protocol: Protocol,
    context: Arc<Context>,
    shutdown: watch::Receiver<bool>,
    started: Instant,
    bytes: u64,
    bytes_total: Counter,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn new(
        socket: S,
        peer: SocketAddr,
        protocol: Protocol,
        context: Arc<Context>,
        shutdown: watch::Receiver<bool>,
        started: Instant,
    ) -> Self {
        let session = Session::new(context.limits.message_bytes_max);
        let bytes_total = metrics::counter!(telemetry::BYTES_TOTAL, "protocol" => protocol.name());
        let input = BytesMut::new();
        Self { socket, input, session, peer, protocol, context, shutdown, started, bytes: 0, bytes_total }
    }

    async fn run(mut self) {
        let accepted = match self.negotiate().await {
            Ok((key, encoder)) => self.ask(key, encoder).await,
            Err(stop) => Err(stop),
        };
        match accepted {
            Ok(mut feed) => {
                let stop = match self.publish(&mut feed).await {
                    Ok(never) => match never {},
                    Err(stop) => stop,
                };
                tracing::info!(bytes = self.bytes, reason = %stop, "publisher gone");
                let last_words = self.last_words(&stop);
                let lingers = !last_words.is_empty() || matches!(stop, Stop::Finished);
                feed.end(stop.into_end());
                self.part(&last_words, lingers).await;
            }
            Err(stop) => {
                stop.report_unpublished(self.bytes);
                let last_words = self.last_words(&stop);
                self.part(&last_words, !last_words.is_empty()).await;
            }
        }
    }

    /// Talks as far as `publish`.
    async fn negotiate(&mut self) -> Result<(StreamKey, Encoder), Stop> {
        loop {
            while let Some(output) = self.session.next(&mut self.input)? {
                match output {
                    Output::Send(bytes) => self.write(&bytes).await?,
                    Output::Publish { key, encoder } => {
                        keep_rest(&mut self.input);
                        return Ok((key, encoder));
                    }
                    Output::Dropped(reason) => telemetry::dropped(reason.label()),
                    // Neither comes before a publisher was accepted.
                    Output::Media(_) | Output::Finished => {}
                }
            }
            keep_rest(&mut self.input);
            let limits = &self.context.limits;
            let late = match self.session.is_shaking_hands() {
                true => Stop::HandshakeTimeout(limits.handshake_timeout),
                false => Stop::PublishTimeout(limits.publish_timeout),
            };
            let deadline = match late {
                Stop::HandshakeTimeout(limit) | Stop::PublishTimeout(limit) => self.started + limit,
                _ => self.started,
            };
            tokio::select! {
                read = read(&mut self.socket, &mut self.input) => self.received(read?),
                () = sleep_until(deadline) => return Err(late),
                () = stopped(&mut self.shutdown) => return Err(Stop::Closed(CloseReason::Shutdown)),
            }
        }
    }

    /// Has the owner of the stream key decide.
    async fn ask(&mut self, key: StreamKey, encoder: Encoder) -> Result<Box<Feed>, Stop> {
        let flash_ver = encoder.flash_ver.clone();
        let asking = Asking { peer: self.peer, protocol: self.protocol, app: APP, key, encoder };
        let answer = asking.ask(&self.context.requests, self.context.limits.answer_timeout).await;
        let feed = answer.map_err(Stop::Refused)?;
        tracing::info!(encoder = flash_ver, "publish accepted");
        let started = self.session.accept();
        match self.write(&started).await {
            Ok(()) => Ok(feed),
            Err(stop) => {
                feed.end(EndReason::Disconnected);
                Err(stop)
            }
        }
    }

    /// Hands on media until something ends it.
    async fn publish(&mut self, feed: &mut Feed) -> Result<std::convert::Infallible, Stop> {
        let idle_timeout = self.context.limits.idle_timeout;
        let frames = |kind| metrics::counter!(telemetry::FRAMES_TOTAL, "kind" => kind);
        let (video_frames, audio_frames) = (frames("video"), frames("audio"));
        let mut last_read = Instant::now();
        // Armed again only when it fires: a stream reads some hundred times a second.
        let idle = sleep(idle_timeout);
        // Likewise waited for once.
        let mut shutdown = self.shutdown.clone();
        let stopped = stopped(&mut shutdown);
        tokio::pin!(idle, stopped);
        loop {
            while let Some(output) = self.session.next(&mut self.input)? {
                match output {
                    Output::Send(bytes) => self.write(&bytes).await?,
                    Output::Media(event) => {
                        if let IngestEvent::Frame(frame) = &event {
                            let counter = if frame.kind == TrackKind::Video { &video_frames } else { &audio_frames };
                            counter.increment(1);
                        }
                        feed.offer(event);
                    }
                    Output::Dropped(reason) => telemetry::dropped(reason.label()),
                    Output::Finished => return Err(Stop::Finished),
                    // A second publish is not asked about.
                    Output::Publish { .. } => {}
                }
            }
            keep_rest(&mut self.input);
            tokio::select! {
                read = read(&mut self.socket, &mut self.input) => {
                    self.received(read?);
                    last_read = Instant::now();
                }
                reason = &mut feed.closed => return Err(Stop::Closed(reason.unwrap_or(CloseReason::Stopped))),
                () = &mut stopped => return Err(Stop::Closed(CloseReason::Shutdown)),
                () = &mut idle => {
                    if last_read.elapsed() >= idle_timeout {
                        return Err(Stop::Idle(idle_timeout));
                    }
                    idle.as_mut().reset(last_read + idle_timeout);
                }
            }
        }
    }

    fn received(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.bytes_total.increment(bytes);
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let write = async {
            self.socket.write_all(bytes).await?;
            self.socket.flush().await
        };
        timeout(self.context.limits.write_timeout, write).await.map_err(|_| Stop::WriteTimeout)??;
        Ok(())
    }

    /// What the peer is to be told before the connection closes.
    fn last_words(&mut self, stop: &Stop) -> Vec<u8> {
        match stop {
            Stop::Session(error) => self.session.farewell(error),
            Stop::Refused(refusal) => self.session.refuse(refusal),
            Stop::Closed(reason) if !self.session.is_shaking_hands() => self.session.close(&Farewell::closed(*reason)),
            _ => Vec::new(),
        }
    }

    /// Sends the last words and, if the peer is to read them, waits for it to close: closing first, with
    /// bytes of the peer unread, would be a reset that can overtake them.
    async fn part(mut self, last_words: &[u8], lingers: bool) {
        if !lingers || self.write(last_words).await.is_err() {
            return;
        }
        let parting = async {
            // Who is turned away has to be shown the end. Who is done closes by itself, and would take it for a
            // failure to be closed first (rtmp2sink does).
            if !last_words.is_empty() {
                self.socket.shutdown().await?;
            }
            while read(&mut self.socket, &mut self.input).await.is_ok() {
                self.input.clear();
                keep_rest(&mut self.input);
            }
            self.socket.shutdown().await
        };
        // However the peer takes it, the connection is over.
        let _ = timeout(LINGER, parting).await;
    }
}

/// Reads what is there behind what is left in `input`; how many bytes. What cannot be used yet is to be [kept](keep_rest)
/// before the next read.
async fn read<S: AsyncRead + Unpin>(socket: &mut S, input: &mut BytesMut) -> Result<u64, Stop> {
    let bytes = poll_fn(|cx| {
        let mut buffer = READ_BUFFER.take();
        buffer.reserve(input.len() + READ_BYTES);
        buffer.extend_from_slice(input);
        // Nothing is lost with a read that is pending.
        let read = pin!(socket.read_buf(&mut buffer)).poll(cx);
        match read {
            Poll::Ready(Ok(_)) => *input = buffer,
            Poll::Ready(Err(_)) | Poll::Pending => {
                buffer.clear();
                READ_BUFFER.set(buffer);
            }
        }
        read
    });
    match bytes.await? {
        0 => Err(Stop::Disconnected),
        bytes => Ok(bytes as u64),
    }
}

/// Keeps of `input` what is left of it, most often nothing, and gives the buffer back to the thread, unless that has one.
fn keep_rest(input: &mut BytesMut) {
    let rest = BytesMut::from(input.as_ref());
    let mut buffer = std::mem::replace(input, rest);
    buffer.clear();
    let threads = READ_BUFFER.take();
    READ_BUFFER.set(if threads.capacity() > 0 { threads } else { buffer });
}
