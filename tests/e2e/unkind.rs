//! What people and programs send that they should not.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use weir_testkit::flv::{Tag, read};
use weir_testkit::rtmp::{Message, Rtmp, enhanced_video_header, nested_arrays};
use weir_testkit::{Config, Daemon, Probe, Source, proc};
use weir_tests::{ENDED_WITHIN, PLAYABLE_WITHIN, Rendition, check_ladder};

/// An encoder that is refused must say so and stop, not hang.
const REFUSED_WITHIN: Duration = Duration::from_secs(5);
/// The handshake may take five seconds.
const HANDSHAKE_CUT_WITHIN: Duration = Duration::from_secs(8);
/// How much the daemon may grow under attack. Sixty connections at the largest message would be half a gigabyte.
const GROWTH_MAX: u64 = 64 << 20;
const WRONG_KEY: &str = "not-the-key-0123456789";

async fn start() -> Result<Daemon> {
    Daemon::start(Config { reconnect_window_s: 5, ..Config::default() }).await
}

/// The daemon still does its work: a real encoder becomes playable.
async fn still_works(daemon: &mut Daemon) -> Result<()> {
    daemon.is_well().await?;
    let _encoder = Source::default().push(&daemon.publish_url())?;
    daemon.hls().wait_playable(PLAYABLE_WITHIN).await.map(drop)
}

#[tokio::test]
async fn a_wrong_key_is_refused_in_words_that_encoders_show() {
    let mut daemon = start().await.unwrap();
    daemon.log().forbid(WRONG_KEY);
    let url = format!("rtmp://{}/live/{WRONG_KEY}", daemon.rtmp());
    let mut ffmpeg = Source::default().push(&url).unwrap();
    let mut gstreamer = Source::default().push_by_gstreamer(&url).unwrap();
    assert!(!ffmpeg.wait(REFUSED_WITHIN).await.unwrap().success());
    assert!(!gstreamer.wait(REFUSED_WITHIN).await.unwrap().success());
    let mut by_hand = Rtmp::connect(daemon.rtmp()).await.unwrap();
    let answer = by_hand.publish(WRONG_KEY).await.unwrap();
    assert_eq!(answer.level, "error", "{answer:?}");
    assert!(answer.code.starts_with("NetStream.Publish."), "{answer:?}");
    assert!(!answer.description.is_empty() && !answer.description.contains(WRONG_KEY), "{answer:?}");
    by_hand.closed(REFUSED_WITHIN).await.unwrap();
    assert!(daemon.metric("weir_ingest_refused_total", "wrong_key").await.unwrap() >= 3.0);
    daemon.log().wait_for(0, "127.0.0.1:", REFUSED_WITHIN).await.unwrap();
    daemon.is_well().await.unwrap();
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn an_unknown_application_is_refused_at_connect() {
    let mut daemon = start().await.unwrap();
    let mut client = Rtmp::connect(daemon.rtmp()).await.unwrap();
    let (answer, status) = client.connect_app("vod").await.unwrap();
    assert_eq!((answer.as_str(), status.code.as_str()), ("_error", "NetConnection.Connect.Rejected"));
    client.closed(REFUSED_WITHIN).await.unwrap();
    let url = format!("rtmp://{}/vod/{}", daemon.rtmp(), daemon.key());
    assert!(!Source::default().push(&url).unwrap().wait(REFUSED_WITHIN).await.unwrap().success());
    daemon.is_well().await.unwrap();
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn codecs_other_than_h264_and_aac_are_refused_by_name() {
    let mut daemon = start().await.unwrap();
    let mp3 = Tag { kind: 8, timestamp: 0, body: Bytes::from_static(&[0x2f, 0xff, 0xfb, 0x90, 0x64]) };
    let cases = [
        (enhanced_video_header(b"hvc1"), "HEVC"),
        (enhanced_video_header(b"av01"), "AV1"),
        (enhanced_video_header(b"vp09"), "VP9"),
        (mp3, "MP3"),
    ];
    for (tag, name) in cases {
        let mut client = Rtmp::publisher(daemon.rtmp(), daemon.key()).await.unwrap();
        client.send_tag(&tag, 0).await.unwrap();
        let status = client.status().await.unwrap();
        assert_eq!(status.level, "error", "{status:?}");
        assert!(status.description.contains(name), "{status:?}");
        client.closed(REFUSED_WITHIN).await.unwrap();
    }
    still_works(&mut daemon).await.unwrap();
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn garbage_and_bombs_end_their_connection_and_nothing_else() {
    let mut daemon = start().await.unwrap();
    let before = proc::memory(daemon.pid()).unwrap();
    let mut attacks = JoinSet::new();
    for seed in 0..200_u64 {
        let address = daemon.rtmp();
        attacks.spawn(async move {
            // Whatever happens to this connection is well; that it ends is what matters.
            let _ = timeout(HANDSHAKE_CUT_WITHIN, attack(address, seed)).await;
        });
    }
    attacks.join_all().await;
    let grown = proc::memory_peak(daemon.pid()).unwrap().saturating_sub(before);
    assert!(grown < GROWTH_MAX, "grown by {grown} bytes");
    still_works(&mut daemon).await.unwrap();
    daemon.stop().await.unwrap();
}

/// One unkind connection; the seed decides of which kind.
async fn attack(address: std::net::SocketAddr, seed: u64) -> Result<()> {
    let noise = noise(seed, 20_000);
    if seed.is_multiple_of(4) {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&noise).await?;
        stream.read_to_end(&mut Vec::new()).await?;
        return Ok(());
    }
    let mut client = Rtmp::connect(address).await?;
    match seed % 4 {
        1 => client.send_bytes(&noise).await?,
        2 => client.send(&bomb("connect")).await?,
        _ => {
            client.connect_app("live").await?;
            client.send(&bomb("createStream")).await?;
            client.send_bytes(&noise).await?;
        }
    }
    client.closed(HANDSHAKE_CUT_WITHIN).await.map(drop)
}

/// A command whose argument is arrays in arrays, 60 kB deep.
fn bomb(name: &str) -> Message {
    let mut body = vec![2, 0, name.len() as u8];
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(&[0, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]);
    body.extend_from_slice(&nested_arrays(60_000));
    Message { chunk_stream: 3, kind: 20, stream: 0, timestamp: 0, body: body.into() }
}

/// Bytes without sense, the same for the same seed (a linear congruential generator).
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[tokio::test]
async fn large_messages_before_publishing_are_not_kept() {
    let mut daemon = start().await.unwrap();
    let before = proc::memory(daemon.pid()).unwrap();
    // A video message of 16 MiB on each of many chunk streams, to somebody who has not published anything.
    let head = |id: u8| vec![id, 0, 0, 0, 0xff, 0xff, 0xff, 9, 1, 0, 0, 0];
    for _ in 0..20 {
        let mut client = Rtmp::connect(daemon.rtmp()).await.unwrap();
        for id in 4..60 {
            let chunk = [head(id), vec![0; weir_testkit::rtmp::CHUNK_SIZE]].concat();
            if client.send_bytes(&chunk).await.is_err() {
                break;
            }
        }
        client.closed(REFUSED_WITHIN).await.unwrap();
    }
    let grown = proc::memory_peak(daemon.pid()).unwrap().saturating_sub(before);
    assert!(grown < GROWTH_MAX, "grown by {grown} bytes");
    daemon.is_well().await.unwrap();
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn chunks_of_different_messages_may_be_interleaved() {
    let daemon = start().await.unwrap();
    let clip = daemon.folder().join("clip.flv");
    Source { seconds: Some(4), ..Source::default() }.write_clip(&clip).await.unwrap();
    let frames = Probe::video(&clip).await.unwrap().frames();
    let tags = read(&clip).unwrap();
    let mut client = Rtmp::publisher(daemon.rtmp(), daemon.key()).await.unwrap();
    let start = Instant::now();
    for pair in tags.chunks(2) {
        let due = Duration::from_millis(u64::from(pair[0].timestamp));
        tokio::time::sleep_until(start + due).await;
        client.send_bytes(&interleave(pair)).await.unwrap();
    }
    drop(client);
    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await.unwrap();
    let downloads = hls.download_ended(ENDED_WITHIN).await.unwrap();
    let rendition = |name, size| Rendition { name, size, rate: "30/1", frames };
    let wanted = [rendition("360p", (640, 360)), rendition("180p", (320, 180))];
    check_ladder(&downloads, &wanted, daemon.folder()).await.unwrap();
    daemon.stop().await.unwrap();
}

/// The chunks of neighbouring messages of different kinds, one of each in turn; of the same kind, one after the
/// other.
fn interleave(tags: &[Tag]) -> Vec<u8> {
    let messages: Vec<Message> = tags.iter().map(|tag| Message::of_tag(tag, tag.timestamp)).collect();
    let chunks: Vec<Vec<Vec<u8>>> = messages.iter().map(Message::chunks).collect();
    let apart = messages.len() == 2 && messages[0].chunk_stream != messages[1].chunk_stream;
    if !apart {
        return chunks.concat().concat();
    }
    let rounds = chunks.iter().map(Vec::len).max().unwrap_or(0);
    (0..rounds).flat_map(|round| chunks.iter().filter_map(move |list| list.get(round))).flatten().copied().collect()
}

#[tokio::test]
async fn slow_handshakes_are_cut_and_keep_nobody_out() {
    let mut daemon = start().await.unwrap();
    let mut slow = JoinSet::new();
    for _ in 0..30 {
        let mut stream = TcpStream::connect(daemon.rtmp()).await.unwrap();
        slow.spawn(async move {
            stream.write_all(&[3]).await?;
            // Closed or reset, but in time.
            anyhow::Ok(timeout(HANDSHAKE_CUT_WITHIN, stream.read_to_end(&mut Vec::new())).await?.unwrap_or(0))
        });
    }
    still_works(&mut daemon).await.unwrap();
    for ended in slow.join_all().await {
        ended.unwrap();
    }
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn a_client_that_never_publishes_is_cut() {
    let daemon = start().await.unwrap();
    let mut client = Rtmp::connect(daemon.rtmp()).await.unwrap();
    client.connect_app("live").await.unwrap();
    // The first publish may take ten seconds.
    client.closed(Duration::from_secs(13)).await.unwrap();
    daemon.stop().await.unwrap();
}
