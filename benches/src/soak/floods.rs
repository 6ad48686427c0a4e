//! Crowds that fall on one port: connections that say nothing, noise, slow clients, wrong keys, and requests by the
//! thousand. They come from other loopback addresses than viewers and the encoder, as crowds do.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use weir_testkit::rtmp::Rtmp;
use weir_testkit::srt::{Fuzzer, RawCaller, extension, hello, text};

use super::plan::Port;

/// Attackers of one style at a time. The machine also encodes and watches.
const CROWD: usize = 24;
/// Connections that one of them holds open without a word.
const HELD: usize = 12;
/// Between two connections of one attacker.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest that one connection is held.
const HELD_FOR: Duration = Duration::from_secs(3);
/// Datagrams of one attacker between two pauses: together some thousands in a second.
const BURST: usize = 6;
const WRONG_KEY: &str = "not-the-key-0123456789";

/// A port to fall upon.
#[derive(Clone)]
pub struct Target {
    pub port: Port,
    pub address: SocketAddr,
    /// How to speak TLS with it.
    pub tls: Option<TlsConnector>,
}

/// What an attacker does.
#[derive(Debug, Clone, Copy)]
enum Style {
    /// Connects and says nothing.
    Silent,
    /// Says what has no sense.
    Noise,
    /// Says something sensible, a byte at a time.
    Slow,
    /// Asks for what is not there, or with a wrong key.
    Asks,
    /// Opens streams by the hundred and drops them, or begins a handshake and goes.
    Drops,
}

const STYLES: [Style; 5] = [Style::Silent, Style::Noise, Style::Slow, Style::Asks, Style::Drops];

/// How to speak TLS with a daemon whose certificate is in `folder`.
pub fn tls(folder: &Path, protocol: Option<&[u8]>) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("cert.pem"))?)?;
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocol.map(<[u8]>::to_vec).into_iter().collect();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Falls upon `target` for `lasts`, the same way for the same seed. Answers how often it was tried.
pub async fn flood(target: Target, lasts: Duration, seed: u64) -> u64 {
    let end = Instant::now() + lasts;
    let mut crowd = JoinSet::new();
    for number in 0..CROWD {
        let (target, seed) = (target.clone(), seed ^ number as u64);
        crowd.spawn(async move {
            let mut random = StdRng::seed_from_u64(seed);
            let style = STYLES[number % STYLES.len()];
            let mut tried = 0;
            while Instant::now() < end {
                // Being refused is what attackers have to expect.
                let _ = timeout(HELD_FOR, attack(&target, style, &mut random)).await;
                tried += 1;
                sleep(PAUSE).await;
            }
            tried
        });
    }
    crowd.join_all().await.into_iter().sum()
}

async fn attack(target: &Target, style: Style, random: &mut StdRng) -> Result<()> {
    if target.port == Port::Srt {
        return datagrams(target.address, style, random).await;
    }
    match style {
        Style::Silent => {
            let mut held = Vec::new();
            for _ in 0..HELD {
                held.push(connect(target.address, random).await?);
            }
            sleep(HELD_FOR).await;
            Ok(())
        }
        Style::Noise => {
            let mut stream = connect(target.address, random).await?;
            let mut noise = vec![0; random.random_range(1..20_000)];
            random.fill_bytes(&mut noise);
            stream.write_all(&noise).await?;
            drained(stream).await
        }
        Style::Slow => {
            let mut stream = connect(target.address, random).await?;
            for byte in opening(target.port) {
                stream.write_all(&[*byte]).await?;
                sleep(Duration::from_millis(150)).await;
            }
            drained(stream).await
        }
        Style::Asks => asks(target, random).await,
        Style::Drops => drops(target, random).await,
    }
}

/// How a client of this port begins.
fn opening(port: Port) -> &'static [u8] {
    match port {
        Port::Http | Port::Api => b"GET /live/studio/index.m3u8 HTTP/1.1\r\nhost: a\r\nx-slow: yes",
        // A record of TLS that announces more than comes.
        Port::Https | Port::Rtmps => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        Port::Rtmp | Port::Srt => b"\x03\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02\x03\x04\x05",
    }
}

/// Asks as a client does, for what it will not get.
async fn asks(target: &Target, random: &mut StdRng) -> Result<()> {
    match (target.port, &target.tls) {
        (Port::Rtmp, _) => Rtmp::connect(target.address).await?.publish(WRONG_KEY).await.map(drop),
        (Port::Http | Port::Api, _) => {
            let mut stream = connect(target.address, random).await?;
            let path = match random.random_range(0..4) {
                0 => "/live/studio/index.m3u8".to_owned(),
                1 => "/api/v1/events".to_owned(),
                2 => format!("/live/studio/360p/index.m3u8?_HLS_msn={}", random.random_range(0..9_999_999_u64)),
                _ => format!("/live/{:x}/x.m4s", random.random::<u64>()),
            };
            let key = format!("{WRONG_KEY}{}", random.random::<u32>());
            let head =
                format!("GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            drained(stream).await
        }
        (_, Some(tls)) => {
            let stream = connect(target.address, random).await?;
            let mut stream = tls.connect(ServerName::try_from("localhost")?, stream).await?;
            stream.write_all(b"\x03 and nothing that either protocol knows\r\n\r\n").await?;
            stream.flush().await?;
            stream.read_to_end(&mut Vec::new()).await.map(drop).context("refused")
        }
        _ => Ok(()),
    }
}

/// Begins a great deal and ends none of it.
async fn drops(target: &Target, random: &mut StdRng) -> Result<()> {
    let stream = connect(target.address, random).await?;
    match (target.port, &target.tls) {
        (Port::Http, _) => many_streams(stream, "http").await,
        (Port::Https, Some(tls)) => {
            many_streams(tls.connect(ServerName::try_from("localhost")?, stream).await?, "https").await
        }
        (port, _) => {
            let mut stream = stream;
            let opening = opening(port);
            stream.write_all(&opening[..random.random_range(1..opening.len())]).await?;
            Ok(())
        }
    }
}

/// HTTP/2 requests that are taken back as soon as they are made.
async fn many_streams<S>(stream: S, scheme: &str) -> Result<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake::<_, _, Empty<Bytes>>(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    for number in 0..200 {
        sender.ready().await?;
        let uri = format!("{scheme}://localhost/live/studio/360p/index.m3u8?_HLS_skip=YES&n={number}");
        let answer = sender.send_request(Request::get(uri).body(Empty::new())?);
        // Long enough for it to be sent.
        let _ = timeout(Duration::from_millis(1), answer).await;
    }
    connection.abort();
    Ok(())
}

/// Datagrams that look much like SRT, handshakes with a wrong key, and noise.
async fn datagrams(address: SocketAddr, style: Style, random: &mut StdRng) -> Result<()> {
    let mut caller = RawCaller::open(address).await?;
    let mut fuzzer = Fuzzer::new(random.random());
    if matches!(style, Style::Asks | Style::Slow) {
        caller.induce().await?;
        caller.conclude(&[hello(), text(extension::STREAM_ID, WRONG_KEY)]).await?;
    }
    for _ in 0..40 {
        for _ in 0..BURST {
            let datagram = fuzzer.next(&caller, WRONG_KEY);
            caller.say(&datagram).await?;
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Connects from one of some other addresses of this machine.
async fn connect(target: SocketAddr, random: &mut StdRng) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, random.random_range(2..6)), 0)))?;
    Ok(socket.connect(target).await?)
}

async fn drained(mut stream: TcpStream) -> Result<()> {
    stream.read_to_end(&mut Vec::new()).await?;
    Ok(())
}
