//! A server to push to, and real and made-up encoders.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rml_rtmp::handshake::{Handshake, HandshakeProcessResult, PeerType};
use rml_rtmp::sessions::{
    ClientSession, ClientSessionConfig, ClientSessionEvent, ClientSessionResult, PublishRequestType,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use weir_ingest::{
    EndReason, IngestEvent, Limits, Publication, PublishRequest, RtmpConfig, RtmpServer, RtmpTls, tls_config,
};
use weir_media::{Frame, TrackKind};

/// A whole test takes some seconds; one that hangs must fail by name.
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

pub async fn limited<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(TEST_TIMEOUT, test).await.expect("the test hangs")
}

/// A served server on free ports of the loopback.
pub struct Server {
    pub address: SocketAddr,
    pub tls_address: SocketAddr,
    pub requests: mpsc::Receiver<PublishRequest>,
    shutdown: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    pub async fn start(limits: Limits) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&cert, made.cert.pem()).expect("written");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let tls = RtmpTls { listen: any, config: tls_config(&cert, &key).expect("a configuration") };
        let server = RtmpServer::bind(RtmpConfig { listen: any, tls: Some(tls), limits }).await.expect("bound");
        let (address, tls_address) = (server.local_addr(), server.tls_local_addr().expect("an address"));
        let (sender, requests) = mpsc::channel(16);
        let (shutdown, stop) = watch::channel(false);
        let task = tokio::spawn(server.run(sender, stop));
        Self { address, tls_address, requests, shutdown, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("rtmp://{}/{path}", self.address)
    }

    pub fn tls_url(&self, path: &str) -> String {
        format!("rtmps://{}/{path}", self.tls_address)
    }

    pub async fn request(&mut self) -> PublishRequest {
        self.requests.recv().await.expect("a request")
    }

    pub fn shut_down(&self) {
        self.shutdown.send_replace(true);
    }

    /// Shuts down and waits until no connection is left.
    pub async fn stop(self) {
        self.shut_down();
        self.task.await.expect("the server ended well");
    }
}

/// All that a publication brings.
#[derive(Debug, Default)]
pub struct Received {
    pub video: Vec<Frame>,
    pub audio: Vec<Frame>,
    pub configs: Vec<TrackKind>,
    pub sizes: Vec<(u32, u32)>,
    pub encoder: Option<String>,
    pub lost: u32,
    pub end: Option<EndReason>,
}

pub async fn receive_all(mut publication: Publication) -> Received {
    let mut received = Received::default();
    while let Some(event) = publication.recv().await {
        match event {
            IngestEvent::Metadata(metadata) => received.encoder = metadata.encoder,
            IngestEvent::VideoConfig(params) => {
                received.configs.push(TrackKind::Video);
                received.sizes.push((params.sps.width, params.sps.height));
            }
            IngestEvent::AudioConfig(_) => received.configs.push(TrackKind::Audio),
            IngestEvent::Frame(frame) if frame.kind == TrackKind::Video => received.video.push(frame),
            IngestEvent::Frame(frame) => received.audio.push(frame),
            IngestEvent::Lost { frames, .. } => received.lost += frames,
            // Of SRT alone.
            IngestEvent::Link(_) => {}
            IngestEvent::Ended(end) => received.end = Some(end),
        }
    }
    received
}

/// Two seconds of 640x360 at 30 frames a second with B-frames, and AAC: fewer frames than the queue holds,
/// so that nothing is ever lost, however fast it is pushed.
pub async fn clip(folder: &Path) -> PathBuf {
    let path = folder.join("clip.flv");
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=30:d=2"])
        .args(["-f", "lavfi", "-i", "sine=r=48000:d=2", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2"])
        .args(["-g", "30", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2", "-b:a", "64k", "-f", "flv"])
        .arg(&path)
        .status()
        .await;
    assert!(status.expect("ffmpeg runs").success());
    path
}

/// One coded frame as ffprobe sees it.
#[derive(Debug, PartialEq, Eq)]
pub struct Probed {
    pub pts: i64,
    pub dts: i64,
    pub bytes: usize,
    pub keyframe: bool,
}

impl From<&Frame> for Probed {
    fn from(frame: &Frame) -> Self {
        Self { pts: frame.pts, dts: frame.dts, bytes: frame.data.len(), keyframe: frame.keyframe }
    }
}

/// The frames of stream `v` or `a` of a file.
pub async fn probe(path: &Path, stream: &str) -> Vec<Probed> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", stream, "-show_entries", "packet=pts,dts,size,flags"])
        .args(["-of", "compact=p=0:nk=1"])
        .arg(path)
        .output()
        .await
        .expect("ffprobe runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let number = |field: &str| field.parse::<i64>().expect("a number");
    text.lines()
        .map(|line| {
            let fields: Vec<&str> = line.split('|').collect();
            let keyframe = fields[3].starts_with('K');
            Probed { pts: number(fields[0]), dts: number(fields[1]), bytes: number(fields[2]) as usize, keyframe }
        })
        .collect()
}

/// ffmpeg that pushes a file as it is.
pub fn ffmpeg(file: &Path, url: &str) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "warning", "-nostdin", "-i"]).arg(file).args(["-c", "copy", "-f", "flv", url]);
    command.stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// ffmpeg that encodes a test picture and a tone by the codecs given, at the pace of the clock, for long.
pub fn ffmpeg_live([video, audio]: [&str; 2], url: &str) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "warning", "-nostdin", "-re", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=30:d=60"]);
    command.args(["-re", "-f", "lavfi", "-i", "sine=r=44100:d=60", "-c:v", video, "-c:a", audio]);
    command.args(["-f", "flv", url]).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// GStreamer's own RTMP client that pushes a file as it is.
pub fn rtmp2sink(file: &Path, url: &str) -> Command {
    gstreamer(file, &["rtmp2sink", "sync=false", "tls-validation-flags=0", &format!("location={url}")])
}

/// The same by librtmp, which is what OBS speaks.
pub fn librtmp(file: &Path, url: &str) -> Command {
    gstreamer(file, &["rtmpsink", "sync=false", &format!("location={url}")])
}

fn gstreamer(file: &Path, sink: &[&str]) -> Command {
    let mut command = Command::new("gst-launch-1.0");
    command.args(["-q", "filesrc", &format!("location={}", file.display()), "!", "flvdemux", "name=d"]);
    command.args(["flvmux", "name=m", "streamable=true", "!"]).args(sink);
    command.args(["d.video", "!", "queue", "!", "h264parse", "!", "m.video"]);
    command.args(["d.audio", "!", "queue", "!", "aacparse", "!", "m.audio"]);
    command.stderr(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    command
}

/// An encoder made of rml_rtmp's client session, to send what no real one does.
pub struct Puppet {
    pub socket: TcpStream,
    session: ClientSession,
}

impl Puppet {
    /// Connects and asks to publish under `key`.
    pub async fn publish(address: SocketAddr, key: &str) -> Self {
        let mut socket = shaken(address).await;
        let (mut session, first) = ClientSession::new(ClientSessionConfig::new()).expect("a session");
        send(&mut socket, first).await;
        let connect = session.request_connection("live".to_owned()).expect("a request");
        send(&mut socket, vec![connect]).await;
        let mut puppet = Self { socket, session };
        while !puppet.events().await.iter().any(|e| matches!(e, ClientSessionEvent::ConnectionRequestAccepted)) {}
        let publish = puppet.session.request_publishing(key.to_owned(), PublishRequestType::Live).expect("a request");
        send(&mut puppet.socket, vec![publish]).await;
        // createStream is answered, then publish goes out.
        let _ = puppet.events().await;
        puppet
    }

    /// Waits until publishing was allowed.
    pub async fn started(&mut self) {
        while !self.events().await.iter().any(|e| matches!(e, ClientSessionEvent::PublishRequestAccepted)) {}
    }

    /// Reads once, and answers what must be answered.
    async fn events(&mut self) -> Vec<ClientSessionEvent> {
        let mut buffer = [0; 4096];
        let count = self.socket.read(&mut buffer).await.expect("readable");
        assert!(count > 0, "the server closed the connection");
        let results = self.session.handle_input(&buffer[..count]).expect("valid");
        let (mut events, mut answers) = (Vec::new(), Vec::new());
        for result in results {
            match result {
                ClientSessionResult::RaisedEvent(event) => events.push(event),
                other => answers.push(other),
            }
        }
        send(&mut self.socket, answers).await;
        events
    }

    pub async fn video(&mut self, time: u32, body: &[u8]) {
        let body = bytes::Bytes::copy_from_slice(body);
        let time = rml_rtmp::time::RtmpTimestamp::new(time);
        let result = self.session.publish_video_data(body, time, false).expect("publishing");
        send(&mut self.socket, vec![result]).await;
    }

    /// All that the server still says, as text.
    pub async fn last_words(mut self) -> String {
        let mut bytes = Vec::new();
        self.socket.read_to_end(&mut bytes).await.expect("readable");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

async fn send(socket: &mut TcpStream, results: Vec<ClientSessionResult>) {
    for result in results {
        if let ClientSessionResult::OutboundResponse(packet) = result {
            socket.write_all(&packet.bytes).await.expect("writable");
        }
    }
}

/// A connection whose RTMP handshake is done.
pub async fn shaken(address: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.expect("connected");
    let mut handshake = Handshake::new(PeerType::Client);
    socket.write_all(&handshake.generate_outbound_p0_and_p1().expect("made")).await.expect("writable");
    let mut answer = vec![0; 1 + 2 * 1536];
    socket.read_exact(&mut answer).await.expect("readable");
    let Ok(HandshakeProcessResult::Completed { response_bytes, .. }) = handshake.process_bytes(&answer) else {
        panic!("the handshake is not completed")
    };
    socket.write_all(&response_bytes).await.expect("writable");
    socket
}
