use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use weir_origin::{Access, Config, Directory, Limits, Origin, Status, Tls, TokenKey, TokenKeys};
use weir_packager::{Edge, MediaFile, PartGrid, Playlist, RenditionSnapshot, Snapshot};

/// A hung test ends here; nothing that passes comes near it.
pub const HUNG: Duration = Duration::from_secs(20);

pub const MASTER: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n720p/index.m3u8\n";
pub const MEDIA: &str = "#EXTM3U\n#EXTINF:2.0,\ns1.m4s\n";

pub const DELTA: &str = "#EXTM3U\n#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n";
pub const IFRAMES: &str = "#EXTM3U\n#EXT-X-I-FRAMES-ONLY\n";

/// Segments up to 9 are finished, of four parts; two parts of 10 are listed.
pub const EDGE: Edge = Edge {
    next_msn: 10,
    parts: 2,
    last_parts: 4,
    target_duration_s: 2,
    part: Some(PartGrid { target_ms: 512, per_segment: 4 }),
};

pub struct Server {
    pub address: SocketAddr,
    pub tls_address: Option<SocketAddr>,
    pub publish: watch::Sender<Option<Arc<Snapshot>>>,
    pub directory: Directory,
    pub tokens: TokenKeys,
    stop: Option<oneshot::Sender<()>>,
    pub running: JoinHandle<()>,
}

impl Server {
    /// An origin with the channel "studio" on air and the channel "idle" off air.
    pub async fn start(limits: Limits) -> Self {
        Self::with_status(limits, Ok(())).await
    }

    pub async fn with_status(limits: Limits, ready: Result<(), &'static str>) -> Self {
        Self::with_tls(limits, ready, None).await
    }

    pub async fn with_tls(limits: Limits, ready: Result<(), &'static str>, tls: Option<Tls>) -> Self {
        let directory = Directory::new();
        let (publish, studio) = watch::channel(Some(Arc::new(snapshot())));
        directory.insert("studio", studio, Access::Free);
        directory.insert("idle", watch::channel(None).1, Access::Free);
        let status = Status {
            metrics: Arc::new(|| "weir_up 1\n".to_owned()),
            ready: Arc::new(move || ready.map_err(str::to_owned)),
        };
        let listen = "127.0.0.1:0".parse().expect("an address");
        let tokens = TokenKeys { playback: TokenKey::new(&[1; 32]), preview: TokenKey::new(&[2; 32]) };
        let config = Config { listen, tls, limits, tokens: Some(tokens.clone()) };
        let origin = Origin::bind(config, directory.clone(), status).await.expect("a free port");
        let (stop, stopped) = oneshot::channel();
        let (address, tls_address) = (origin.local_addr(), origin.tls_local_addr());
        let running = tokio::spawn(origin.run(async {
            let _ = stopped.await;
        }));
        Self { address, tls_address, publish, directory, tokens, stop: Some(stop), running }
    }

    pub async fn connect(&self) -> Client {
        Client { stream: TcpStream::connect(self.address).await.expect("connects"), read: Vec::new() }
    }

    /// One request on a connection of its own, with `headers` in lines of their own.
    pub async fn ask(&self, method: &str, path: &str, headers: &str) -> Reply {
        self.connect().await.ask(method, path, headers).await
    }

    pub async fn get(&self, path: &str, headers: &str) -> Reply {
        self.ask("GET", path, headers).await
    }

    pub fn stop(&mut self) {
        let _ = self.stop.take().expect("stopped once").send(());
    }
}

pub fn snapshot() -> Snapshot {
    let files = [
        ("init.mp4", "video/mp4", Bytes::from_static(b"init")),
        ("s1.m4s", "video/iso.segment", Bytes::from_static(b"0123456789")),
        ("medium.m4s", "video/iso.segment", medium()),
        ("large.m4s", "video/iso.segment", Bytes::from(vec![7; 16 << 20])),
    ];
    let media = files.map(|(name, content_type, body)| {
        (name.to_owned(), Arc::new(MediaFile { pieces: pieces(&body), etag: format!("\"{name}\""), content_type }))
    });
    Snapshot {
        multivariant: playlist(MASTER),
        renditions: vec![RenditionSnapshot {
            name: "720p".to_owned(),
            playlist: playlist(MEDIA),
            delta: Some(playlist(DELTA)),
            iframes: Some(playlist(IFRAMES)),
            hint: Some("p7.m4s".to_owned()),
            media: HashMap::from(media),
        }],
        edge: EDGE,
        published_at: Instant::now(),
        ended: false,
        private: false,
    }
}

/// 3 MiB in which no two neighbouring blocks are alike.
pub fn medium() -> Bytes {
    let mut bytes = (0..251).collect::<Vec<u8>>().repeat((3 << 20) / 251 + 1);
    bytes.truncate(3 << 20);
    bytes.into()
}

/// Two pieces, where there is enough for two.
fn pieces(body: &Bytes) -> Vec<Bytes> {
    [body.slice(..4), body.slice(4..)].into_iter().filter(|piece| !piece.is_empty()).collect()
}

pub fn playlist(text: &'static str) -> Playlist {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(text.as_bytes()).expect("into memory");
    Playlist {
        plain: Bytes::from_static(text.as_bytes()),
        gzip: gzip.finish().expect("into memory").into(),
        etag: "\"v1\"".into(),
        gzip_etag: "\"v1-gzip\"".into(),
    }
}

/// A client that speaks HTTP/1.1 by hand.
pub struct Client {
    pub stream: TcpStream,
    read: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// Status line and header lines sorted, without the date.
    pub head: String,
    pub dated: bool,
    pub body: Vec<u8>,
}

impl Client {
    pub async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.expect("the server takes it");
    }

    pub async fn ask(&mut self, method: &str, path: &str, headers: &str) -> Reply {
        self.send(&format!("{method} {path} HTTP/1.1\r\nHost: weir\r\n{headers}\r\n")).await;
        self.reply(method == "HEAD").await
    }

    pub async fn reply(&mut self, head_only: bool) -> Reply {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.more().await, "the connection ended in a head: {:?}", String::from_utf8_lossy(&self.read));
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).expect("ASCII");
        let mut lines: Vec<&str> = head.trim_end().lines().collect();
        let all = lines.len();
        lines.retain(|line| !line.starts_with("date: "));
        let dated = lines.len() < all;
        lines[1..].sort_unstable();
        let length = lines.iter().find_map(|line| line.strip_prefix("content-length: "));
        let length = if head_only { 0 } else { length.map_or(0, |text| text.parse().expect("a number")) };
        while self.read.len() < length {
            assert!(self.more().await, "the connection ended in a body");
        }
        let status = lines[0].split(' ').nth(1).expect("a status").parse().expect("a number");
        Reply { status, head: lines.join("\n"), dated, body: self.read.drain(..length).collect() }
    }

    /// Reads on; false at the end of the connection.
    pub async fn more(&mut self) -> bool {
        let mut chunk = vec![0; 65536];
        let count = timeout(HUNG, self.stream.read(&mut chunk)).await.expect("an answer in time").unwrap_or(0);
        self.read.extend_from_slice(&chunk[..count]);
        count > 0
    }

    /// Whatever comes until the server closes.
    pub async fn rest(mut self) -> Vec<u8> {
        while self.more().await {}
        self.read
    }
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).filter_map(|line| line.split_once(": ")).find(|(n, _)| *n == name).map(|(_, v)| v)
    }
}

pub fn gunzip(bytes: &[u8]) -> String {
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(bytes), &mut text).expect("gzip");
    text
}
