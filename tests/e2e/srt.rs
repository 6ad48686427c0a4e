//! SRT callers: those that publish, and those that should not have come.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::process::Command;
use weir_testkit::srt::{Fuzzer, RawCaller, extension, hello, text};
use weir_testkit::{Config, Daemon, Link, Process, Relay, Source, proc};
use weir_tests::PLAYABLE_WITHIN;

/// A refused caller must know within this.
const REFUSED_WITHIN: Duration = Duration::from_secs(2);
/// For a caller's task to log what it did.
const TOLD_WITHIN: Duration = Duration::from_secs(10);
/// A sender that is gone must be noticed.
const NOTICED_WITHIN: Duration = Duration::from_secs(4);
const PASSPHRASE: &str = "correct horse battery";
/// How much the daemon may grow under attack.
const GROWTH_MAX: u64 = 48 << 20;
/// How long the listeners are fuzzed; WEIR_FUZZ_SECONDS says otherwise.
const FUZZED_FOR: Duration = Duration::from_secs(20);
/// The type of the answer to a conclusion that was taken; a refusal has 1000 and its code.
const TAKEN: u32 = 0xffff_ffff;

async fn start(srt_passphrase: Option<&'static str>) -> Result<Daemon> {
    Daemon::start(Config { srt_passphrase, ..Config::default() }).await
}

/// A short clip whose caller is done at once.
fn short() -> Source {
    Source { seconds: Some(1), ..Source::default() }
}

/// libsrt's own sender, fed by ffmpeg.
fn push_by_libsrt(url: &str) -> Result<Process> {
    let mut command = Command::new("bash");
    // The sender takes the shell's place, and with it its process id; ffmpeg ends when nobody reads it any more.
    let script = "exec srt-live-transmit -q file://con \"$1\" < <(ffmpeg -nostdin -loglevel error -re -f lavfi \
                  -i testsrc2=size=640x360:rate=30 -f lavfi -i sine=sample_rate=48000 -c:v libx264 -preset ultrafast \
                  -pix_fmt yuv420p -g 30 -c:a aac -ac 2 -f mpegts -)";
    command.args(["-c", script, "bash", url]);
    Process::spawn("srt-live-transmit", command, &[])
}

/// GStreamer's sender.
fn push_by_gstreamer(daemon: &Daemon, stream_id: &str, options: &[&str]) -> Result<Process> {
    let mut command = Command::new("gst-launch-1.0");
    command.args("-q mpegtsmux name=mux alignment=7 ! srtsink name=sink".split(' '));
    command.arg(format!("uri=srt://{}?mode=caller", daemon.srt())).arg(format!("streamid={stream_id}")).args(options);
    let rest = "videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=30/1 \
                ! x264enc speed-preset=ultrafast tune=zerolatency key-int-max=30 ! video/x-h264,profile=baseline \
                ! h264parse ! queue ! mux. audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! avenc_aac \
                ! aacparse ! queue ! mux.";
    command.args(rest.split_whitespace());
    Process::spawn("gst-launch-1.0", command, &[])
}

/// Ends a publisher and waits until the daemon knows.
async fn end(daemon: &Daemon, mut publisher: Process) -> Result<()> {
    let mark = daemon.log().mark();
    publisher.kill().await?;
    daemon.log().wait_for(mark, "publisher gone", TOLD_WITHIN).await.map(drop)
}

#[tokio::test]
async fn ffmpeg_libsrt_and_gstreamer_play_with_every_length_of_key() {
    let daemon = start(Some(PASSPHRASE)).await.unwrap();
    let key = daemon.key();
    let plays = async |publisher: Process| {
        let hls = daemon.hls();
        let before = daemon.metric("weir_segments", "studio").await.unwrap();
        weir_testkit::until("three more segments", PLAYABLE_WITHIN, async || {
            let now = daemon.metric("weir_segments", "studio").await?;
            Ok((now >= before + 3.0).then_some(()))
        })
        .await
        .unwrap();
        hls.renditions().await.unwrap();
        assert_eq!(daemon.metric("weir_srt_undecryptable", "").await.unwrap(), 0.0);
        end(&daemon, publisher).await.unwrap();
    };
    let secret = |bits: u32| format!("&passphrase={PASSPHRASE}&pbkeylen={}", bits / 8);
    plays(Source::default().push(&daemon.srt_url(key, &secret(128))).unwrap()).await;
    // New keys every 200 packets, some two seconds.
    let renewed = secret(192) + "&kmrefreshrate=200&kmpreannounce=50";
    plays(push_by_libsrt(&daemon.srt_url(&format!("#!::r={key},m=publish"), &renewed)).unwrap()).await;
    let options = [&format!("passphrase={PASSPHRASE}")[..], "pbkeylen=32"];
    plays(push_by_gstreamer(&daemon, &format!("live/{key}"), &options).unwrap()).await;
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn every_dialect_of_the_stream_id_is_taken() {
    let daemon = start(None).await.unwrap();
    let key = daemon.key();
    for stream_id in [
        format!("live/{key}"),
        format!("publish:{key}"),
        format!("publish/live/{key}"),
        format!("#!::r={key}"),
        format!("#!::u=someone,r={key},x=y"),
        format!("#!::h=host,m=publish,r=live/{key}"),
        format!("{key},mode:publish,token:x"),
    ] {
        let mark = daemon.log().mark();
        let mut ffmpeg = short().push(&daemon.srt_url(&stream_id, "")).unwrap();
        ffmpeg.succeed(TOLD_WITHIN).await.unwrap_or_else(|e| panic!("{stream_id}: {e}"));
        daemon.log().wait_for(mark, "the encoder finished", TOLD_WITHIN).await.unwrap();
    }
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn callers_that_do_not_fit_are_refused_at_once_with_the_reason() {
    for (passphrase, stream_id, options, reason) in [
        (Some(PASSPHRASE), "KEY", "&passphrase=wrong horse battery", "the passphrase is wrong"),
        (Some(PASSPHRASE), "KEY", "", "the caller does not encrypt"),
        (None, "KEY", "&passphrase=correct horse battery", "this stream has no passphrase"),
        (None, "not-the-key-0123456789", "", "the stream key is wrong"),
        (None, "#!::r=KEY,m=request", "", "asks to receive"),
        (None, "KEY", "&transtype=file", "file mode"),
    ] {
        let daemon = start(passphrase).await.unwrap();
        let stream_id = stream_id.replace("KEY", daemon.key());
        let mut ffmpeg = short().push(&daemon.srt_url(&stream_id, options)).unwrap();
        let begin = Instant::now();
        let line = daemon.log().wait_for(0, "caller refused", TOLD_WITHIN).await.unwrap();
        assert!(line.contains(reason) && line.contains("127.0.0.1:"), "{line}");
        assert!(!ffmpeg.wait(TOLD_WITHIN).await.unwrap().success());
        assert!(begin.elapsed() < REFUSED_WITHIN + Duration::from_secs(1), "{:?}", begin.elapsed());
        assert!(daemon.metric("weir_ingest_refused_total", "").await.unwrap() >= 1.0);
        daemon.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_cut_cable_is_noticed_and_the_sender_returns_to_the_same_playlists() {
    let daemon = start(None).await.unwrap();
    let link = Link { seed: 1, delay: Duration::from_millis(10), jitter: Duration::ZERO, loss: 0.01, duplicates: 0.0 };
    let relay = Relay::open(link, daemon.srt()).await.unwrap();
    let url = format!("srt://{}?streamid={}&latency=300", relay.address(), daemon.key());
    let mut first = Source::default().push(&url).unwrap();
    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await.unwrap();
    let path = &hls.renditions().await.unwrap()[0];
    assert_eq!(daemon.metric("weir_srt_dropped", "").await.unwrap(), 0.0, "1 % of loss is made good");

    let mark = daemon.log().mark();
    relay.cut(true);
    daemon.log().wait_for(mark, "sends nothing", NOTICED_WITHIN).await.unwrap();
    // Another port, the same key: the silent one gives way.
    let second = Source::default().push(&daemon.srt_url(daemon.key(), "")).unwrap();
    daemon.log().wait_for(mark, "takes over", TOLD_WITHIN).await.unwrap();
    hls.wait_playlist(path, "the second run", PLAYABLE_WITHIN, |playlist| {
        playlist.segments.iter().filter(|segment| segment.epoch == 1).count() >= 2
    })
    .await
    .unwrap();
    first.kill().await.unwrap();

    // A sender killed outright, and one from the same port at once.
    end(&daemon, second).await.unwrap();
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for run in 2..4 {
        let mark = daemon.log().mark();
        let url = daemon.srt_url(daemon.key(), &format!("&localport={port}"));
        let publisher = weir_testkit::until("the key is free", NOTICED_WITHIN * 2, async || {
            let mut publisher = Source::default().push(&url)?;
            let taken = daemon.log().wait_for(mark, "publish accepted", Duration::from_secs(1)).await.is_ok();
            if !taken {
                publisher.kill().await?;
            }
            Ok(taken.then_some(publisher))
        })
        .await
        .unwrap();
        hls.wait_playlist(path, "a run from the same port", PLAYABLE_WITHIN, |playlist| {
            playlist.segments.iter().any(|segment| segment.epoch >= run)
        })
        .await
        .unwrap();
        end(&daemon, publisher).await.unwrap();
    }
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn weir_fetches_from_a_listener_and_comes_again() {
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listener = || {
        let url = format!("srt://127.0.0.1:{port}?mode=listener&passphrase={PASSPHRASE}");
        Source::default().push(&url).unwrap()
    };
    let mut first = listener();
    let config = Config {
        srt_passphrase: Some(PASSPHRASE),
        srt_pull: Some(format!("srt://127.0.0.1:{port}?streamid=some-secret-id")),
        ..Config::default()
    };
    let daemon = Daemon::start(config).await.unwrap();
    daemon.log().forbid("some-secret-id");
    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await.unwrap();
    let path = &hls.renditions().await.unwrap()[0];
    first.kill().await.unwrap();
    let _second = listener();
    hls.wait_playlist(path, "what the second listener sends", PLAYABLE_WITHIN * 2, |playlist| {
        playlist.segments.iter().any(|segment| segment.epoch >= 1)
    })
    .await
    .unwrap();
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn no_datagram_ends_the_listener_or_touches_another_caller() {
    let mut daemon = start(None).await.unwrap();
    let publisher = Source::default().push(&daemon.srt_url(daemon.key(), "")).unwrap();
    daemon.hls().wait_playable(PLAYABLE_WITHIN).await.unwrap();
    let before = proc::memory(daemon.pid()).unwrap();

    // What ends or stalls other listeners, with a cookie that is good.
    let id = text(extension::STREAM_ID, "some-other-key-0123456789");
    for (extensions, code) in [
        (vec![hello(), id.clone(), text(extension::CONGESTION, "file")], 1013),
        (vec![hello(), id.clone(), text(extension::FILTER, "fec,cols:10")], 1014),
        (vec![hello(), id.clone(), (extension::GROUP, vec![0; 8])], 1015),
        (vec![hello(), id.clone(), (extension::KEYS, vec![0x12; 72])], 2401),
        (vec![id.clone()], 1004),
        (vec![hello(), (extension::STREAM_ID, vec![0xff; 8])], 2400),
        (vec![hello(), text(extension::CONGESTION, "live"), id], 2401),
    ] {
        let mut caller = RawCaller::open(daemon.srt()).await.unwrap();
        caller.induce().await.unwrap();
        assert_eq!(caller.conclude(&extensions).await.unwrap(), code, "{extensions:?}");
    }
    // Without one nothing is answered at all, whatever it is.
    let stranger = RawCaller::open(daemon.srt()).await.unwrap();
    for kind in 0..=9 {
        stranger.say(&stranger.conclusion(&[(kind, vec![0; 8])])).await.unwrap();
    }
    for _ in 0..20_000 {
        stranger.say(&stranger.induction()).await.unwrap();
    }

    // A caller that was taken may send what it likes.
    let other = start(None).await.unwrap();
    let mut caller = RawCaller::open(other.srt()).await.unwrap();
    caller.induce().await.unwrap();
    assert_eq!(caller.conclude(&[hello(), text(extension::STREAM_ID, other.key())]).await.unwrap(), TAKEN);
    for (kind, subtype, body) in [
        (4, 0, vec![]),
        (8, 0, vec![0; 4]),
        (0x7fff, 99, vec![0; 4]),
        (3, 0, vec![0x80, 0, 0, 1]),
        (3, 0, [0x8000_0001_u32.to_be_bytes(), 0x7fff_fffe_u32.to_be_bytes()].concat()),
        (7, 0, [0_u32.to_be_bytes(), 0x3fff_fffe_u32.to_be_bytes()].concat()),
        (0x7fff, 3, vec![0x12; 104]),
        (9, 0, vec![]),
    ] {
        caller.say(&caller.control(kind, subtype, &body)).await.unwrap();
    }
    for number in [1000, 1_000_000, 500, 0x7fff_ffff, 26_599] {
        caller.say(&caller.data(number, &[0; 1316])).await.unwrap();
    }
    let mut fuzzer = Fuzzer::new(7);
    let asked_for = std::env::var("WEIR_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let fuzzed_for = asked_for.map_or(FUZZED_FOR, Duration::from_secs);
    let begin = Instant::now();
    while begin.elapsed() < fuzzed_for {
        for _ in 0..200 {
            // A refused port is the loss of a datagram.
            let _ = caller.say(&fuzzer.next(&caller, other.key())).await;
            let _ = stranger.say(&fuzzer.next(&stranger, daemon.key())).await;
        }
        tokio::task::yield_now().await;
    }

    // Both listeners still take callers, and the live one lost nothing.
    assert_eq!(daemon.metric("weir_srt_dropped", "studio").await.unwrap(), 0.0);
    daemon.is_well().await.unwrap();
    let hls = daemon.hls();
    let path = &hls.renditions().await.unwrap()[0];
    assert_eq!(hls.playlist(path).await.unwrap().discontinuities, 0);
    let grown = proc::memory(daemon.pid()).unwrap().saturating_sub(before);
    assert!(grown < GROWTH_MAX, "grown by {} KiB", grown >> 10);
    end(&daemon, publisher).await.unwrap();
    let mut late = RawCaller::open(other.srt()).await.unwrap();
    late.induce().await.unwrap();
    daemon.stop().await.unwrap();
    other.stop().await.unwrap();
}
