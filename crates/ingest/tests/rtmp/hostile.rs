//! Peers that are broken, slow or ill-meaning, and publications that end in other ways than by the encoder.

use std::time::{Duration, Instant};

use super::common::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir_ingest::{
    BindError, CloseReason, EndReason, IngestEvent, Limits, Refusal, RtmpConfig, RtmpServer, UnsupportedMedia,
};

const AVC_CONFIG: &[u8] = include_bytes!("../data/avcc-64x48.bin");

fn config_tag() -> Vec<u8> {
    [&[0x17, 0, 0, 0, 0], AVC_CONFIG].concat()
}

/// A video tag with one IDR slice of `bytes` bytes.
fn idr_tag(bytes: u32) -> Vec<u8> {
    [&[0x17, 1, 0, 0, 0][..], &bytes.to_be_bytes(), &[0x65], &vec![7; bytes as usize - 1]].concat()
}

/// A publisher gets through: the server is alive.
async fn assert_serves(server: &mut Server) {
    let publisher = Puppet::publish(server.address, "good");
    let accept = async { server.request().await.accept() };
    let (mut puppet, mut publication) = tokio::join!(publisher, accept);
    puppet.started().await;
    puppet.video(0, &config_tag()).await;
    assert!(matches!(publication.recv().await, Some(IngestEvent::VideoConfig(_))));
}

/// Reads to the end, whether the server closes or resets.
async fn drained(mut socket: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = socket.read_to_end(&mut bytes).await;
    bytes
}

#[tokio::test]
async fn a_slow_handshake_is_cut_at_the_limit() {
    limited(async {
        let handshake_timeout = Duration::from_millis(200);
        let server = Server::start(Limits { handshake_timeout, ..Limits::default() }).await;
        let started = Instant::now();
        let mut silent = TcpStream::connect(server.address).await.expect("connected");
        silent.write_all(&[3, 0, 0]).await.expect("writable");
        let tls = TcpStream::connect(server.tls_address).await.expect("connected");
        tokio::join!(drained(silent), drained(tls));
        assert!(started.elapsed() >= handshake_timeout);
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn who_does_not_publish_is_cut_at_the_limit() {
    limited(async {
        let publish_timeout = Duration::from_secs(1);
        let server = Server::start(Limits { publish_timeout, ..Limits::default() }).await;
        let started = Instant::now();
        drained(shaken(server.address).await).await;
        assert!(started.elapsed() >= publish_timeout);
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_nested_amf_bomb_before_connect_ends_only_its_connection() {
    limited(async {
        let mut server = Server::start(Limits::default()).await;
        let mut socket = shaken(server.address).await;
        let bomb = b"\x0a\0\0\0\x01".repeat(12_000);
        let length = (bomb.len() as u32).to_be_bytes();
        let set_chunk_size = [2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 1, 0, 0];
        let header = [3, 0, 0, 0, length[1], length[2], length[3], 20, 0, 0, 0, 0];
        socket.write_all(&[&set_chunk_size[..], &header, &bomb].concat()).await.expect("writable");
        drained(socket).await;
        assert_serves(&mut server).await;
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn two_hundred_connections_of_garbage_leave_the_server_alive() {
    limited(async {
        let limits = Limits { connections_per_address_max: 300, connections_max: 300, ..Limits::default() };
        let mut server = Server::start(limits).await;
        let address = server.address;
        let peers: Vec<_> = (0..200_u64)
            .map(|seed| {
                tokio::spawn(async move {
                    // A third does not even begin like RTMP; the others go on with noise after the handshake.
                    let mut socket = match seed % 3 {
                        0 => TcpStream::connect(address).await.expect("connected"),
                        _ => shaken(address).await,
                    };
                    let mut state = seed + 1;
                    let noise: Vec<u8> = (0..20_000)
                        .map(|_| {
                            state =
                                state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                            (state >> 56) as u8
                        })
                        .collect();
                    // The server may have hung up already.
                    let _ = socket.write_all(&noise).await;
                    let _ = socket.shutdown().await;
                    drained(socket).await;
                })
            })
            .collect();
        for peer in peers {
            peer.await.expect("the peer ended");
        }
        assert_serves(&mut server).await;
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn hevc_is_refused_by_name_in_mid_stream() {
    limited(async {
        let mut server = Server::start(Limits::default()).await;
        let publisher = Puppet::publish(server.address, "key");
        let accept = async { server.request().await.accept() };
        let (mut puppet, publication) = tokio::join!(publisher, accept);
        puppet.started().await;
        puppet.video(0, b"\x90hvc1\x01\x02\x03").await;
        let words = puppet.last_words().await;
        assert!(words.contains("NetStream.Publish.Denied") && words.contains("video is HEVC; send H.264"), "{words}");
        let end = EndReason::Unsupported(UnsupportedMedia::VideoCodec("HEVC".to_owned()));
        assert_eq!(receive_all(publication).await.end, Some(end));
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_second_publisher_can_be_refused_while_the_first_goes_on() {
    limited(async {
        let mut server = Server::start(Limits::default()).await;
        let address = server.address;
        let (mut first, mut publication) =
            tokio::join!(Puppet::publish(address, "key"), async { server.request().await.accept() });
        first.started().await;
        let (second, ()) =
            tokio::join!(Puppet::publish(address, "key"), async { server.request().await.refuse(Refusal::KeyInUse) });
        let words = second.last_words().await;
        assert!(words.contains("NetStream.Publish.BadName") && words.contains("another encoder"), "{words}");
        first.video(0, &config_tag()).await;
        assert!(matches!(publication.recv().await, Some(IngestEvent::VideoConfig(_))));
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_request_dropped_without_an_answer_is_refused() {
    limited(async {
        let mut server = Server::start(Limits::default()).await;
        let (puppet, ()) = tokio::join!(Puppet::publish(server.address, "key"), async { drop(server.request().await) });
        let words = puppet.last_words().await;
        assert!(words.contains("the server cannot take a stream now"), "{words}");
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_broadcast_that_does_not_read_loses_groups_and_never_blocks_the_encoder() {
    limited(async {
        let mut server = Server::start(Limits::default()).await;
        let (mut puppet, publication) =
            tokio::join!(Puppet::publish(server.address, "key"), async { server.request().await.accept() });
        puppet.started().await;
        puppet.video(0, &config_tag()).await;
        // 40 MB, far more than sockets and queue hold together.
        for at in 0..400 {
            puppet.video(at * 33, &idr_tag(100_000)).await;
        }
        // Closing our half is the encoder's way to vanish.
        puppet.socket.shutdown().await.expect("writable");
        puppet.last_words().await;
        let received = receive_all(publication).await;
        assert_eq!(received.end, Some(EndReason::Disconnected));
        assert_eq!(received.video.len() + received.lost as usize, 400);
        let held: usize = received.video.iter().map(|frame| frame.data.len()).sum();
        assert!(received.lost > 0 && held <= 16 << 20, "{held} bytes were held, {} frames lost", received.lost);
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn closing_a_publication_tells_the_encoder_why() {
    limited(async {
        let mut server = Server::start(Limits::default()).await;
        for (reason, code) in
            [(CloseReason::Silent, "NetStream.Publish.Idle"), (CloseReason::Stopped, "NetStream.Failed")]
        {
            let (mut puppet, publication) =
                tokio::join!(Puppet::publish(server.address, "key"), async { server.request().await.accept() });
            puppet.started().await;
            publication.close(reason);
            let words = puppet.last_words().await;
            assert!(words.contains(code) && words.contains(reason.sentence()), "{words}");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn shutdown_ends_publications_and_the_server() {
    limited(async {
        let mut server = Server::start(Limits::default()).await;
        let (mut puppet, publication) =
            tokio::join!(Puppet::publish(server.address, "key"), async { server.request().await.accept() });
        puppet.started().await;
        server.shut_down();
        let (words, received) = tokio::join!(puppet.last_words(), receive_all(publication));
        assert!(words.contains("the server is shutting down"), "{words}");
        assert_eq!(received.end, Some(EndReason::Closed(CloseReason::Shutdown)));
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_publisher_silent_for_too_long_is_cut() {
    limited(async {
        let idle_timeout = Duration::from_millis(200);
        let mut server = Server::start(Limits { idle_timeout, ..Limits::default() }).await;
        let (mut puppet, publication) =
            tokio::join!(Puppet::publish(server.address, "key"), async { server.request().await.accept() });
        puppet.started().await;
        assert_eq!(receive_all(publication).await.end, Some(EndReason::Idle));
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn one_address_gets_only_so_many_connections() {
    limited(async {
        let server = Server::start(Limits { connections_per_address_max: 2, ..Limits::default() }).await;
        let _two = (shaken(server.address).await, shaken(server.address).await);
        let third = TcpStream::connect(server.address).await.expect("connected");
        assert_eq!(drained(third).await, b"");
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    limited(async {
        let server = Server::start(Limits::default()).await;
        let config = RtmpConfig { listen: server.address, tls: None, limits: Limits::default() };
        let error: BindError = RtmpServer::bind(config).await.expect_err("in use");
        let wanted = format!("RTMP cannot listen on {}: ", server.address);
        assert!(error.to_string().starts_with(&wanted), "{error}");
        server.stop().await;
    })
    .await;
}
