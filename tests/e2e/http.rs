//! The answers of the origin as a player, a cache and a stranger see them.

use std::io::Read;

use weir_testkit::{CHANNEL, Config, Daemon, Source};
use weir_tests::PLAYABLE_WITHIN;

const PLAYLIST: &str = "application/vnd.apple.mpegurl";

#[tokio::test]
async fn playlists_media_and_pages_are_served_by_the_rules() {
    let daemon = Daemon::start(Config::default()).await.unwrap();
    let encoder = Source::default().push(&daemon.publish_url()).unwrap();
    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await.unwrap();
    let http = daemon.http();

    // Playlists: two codings, never a range, short in caches.
    let path = &hls.renditions().await.unwrap()[0];
    let multivariant = format!("/live/{CHANNEL}/index.m3u8");
    for path in [path, &multivariant] {
        let plain = http.request("GET", path, &[("range", "bytes=0-9")]).await.unwrap();
        assert_eq!((plain.status, plain.header("content-type")), (200, PLAYLIST));
        assert_eq!(plain.header("access-control-allow-origin"), "*");
        assert!(plain.header("vary").to_ascii_lowercase().contains("accept-encoding"));
        assert!(plain.header("cache-control").contains("max-age="));
        assert!(plain.header("content-encoding").is_empty() && plain.text().unwrap().starts_with("#EXTM3U"));
        let coded = http.request("GET", path, &[("accept-encoding", "gzip, identity;q=1, *;q=0")]).await.unwrap();
        assert_eq!((coded.status, coded.header("content-encoding")), (200, "gzip"));
        assert_ne!(coded.header("etag"), plain.header("etag"));
        let mut text = String::new();
        flate2::read::GzDecoder::new(&coded.body[..]).read_to_string(&mut text).unwrap();
        assert!(text.starts_with("#EXTM3U"));
    }

    // Media: immutable, by ranges, without coding.
    let playlist = hls.playlist(path).await.unwrap();
    let base = path.rsplit_once('/').unwrap().0;
    let media = format!("{base}/{}", playlist.segments[0].uri);
    let whole = http.fetch(&media).await.unwrap();
    assert_eq!(whole.header("accept-ranges"), "bytes");
    assert_eq!(whole.header("content-type"), "video/iso.segment");
    assert!(whole.header("cache-control").contains("immutable"));
    let part = http.request("GET", &media, &[("range", "bytes=10-19"), ("accept-encoding", "gzip")]).await.unwrap();
    assert_eq!((part.status, &part.body[..]), (206, &whole.body[10..20]));
    assert_eq!(part.header("content-range"), format!("bytes 10-19/{}", whole.body.len()));
    let beyond = http.request("GET", &media, &[("range", "bytes=99999999-")]).await.unwrap();
    assert_eq!(beyond.status, 416);
    let same = http.request("GET", &media, &[("if-none-match", whole.header("etag"))]).await.unwrap();
    assert_eq!((same.status, same.body.len()), (304, 0));
    let head = http.request("HEAD", &media, &[]).await.unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), whole.body.len().to_string());
    let init = http.fetch(&format!("{base}/{}", playlist.segments[0].map)).await.unwrap();
    assert_eq!(init.header("content-type"), "video/mp4");

    // Strangers: nothing there, nothing kept for long, nothing to be changed.
    for absent in ["/live/nobody/index.m3u8", "/nothing", &format!("{base}/absent.m4s"), "/live/../etc/passwd"] {
        let answer = http.get(absent).await.unwrap();
        assert_eq!(answer.status, 404, "{absent}");
        let age = answer.header("cache-control").split_once("max-age=").map_or("0", |(_, age)| age);
        assert!(age.parse::<u32>().is_ok_and(|age| age <= 10), "{absent}: {}", answer.header("cache-control"));
    }
    let post = http.request("POST", path, &[]).await.unwrap();
    assert_eq!(post.status, 405);
    assert!(post.header("allow").contains("GET"));
    let preflight = http.request("OPTIONS", path, &[("origin", "http://x"), ("access-control-request-method", "GET")]);
    let preflight = preflight.await.unwrap();
    assert!(preflight.status < 300 && preflight.header("access-control-allow-origin") == "*");

    // People and machines that look after it.
    assert_eq!(http.fetch("/readyz").await.unwrap().status, 200);
    let page = http.fetch(&format!("/watch/{CHANNEL}")).await.unwrap();
    assert!(page.header("content-type").starts_with("text/html"));
    drop(encoder);
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn metrics_tell_what_happens_and_no_key() {
    let daemon = Daemon::start(Config::default()).await.unwrap();
    let _encoder = Source::default().push(&daemon.publish_url()).unwrap();
    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await.unwrap();
    let text = daemon.http().fetch("/metrics").await.unwrap();
    let text = text.text().unwrap();
    assert!(!text.contains(daemon.key()));
    assert!(text.lines().any(|line| line.starts_with("# HELP weir_")));
    for name in [
        "weir_ingest_connections_total",
        "weir_ingest_bytes_total",
        "weir_ingest_frames_total",
        "weir_ladder_frames_total",
        "weir_http_requests_total",
        "weir_http_bytes_total",
    ] {
        assert!(daemon.metric(name, "").await.unwrap() > 0.0, "{name} in\n{text}");
    }
    for name in ["weir_ladder_fps", "weir_ladder_speed", "weir_ladder_cpu_seconds_total", "weir_ladder_memory_bytes"] {
        assert!(text.contains(name), "{name} in\n{text}");
    }
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn without_an_encoder_a_channel_looks_like_none() {
    let daemon = Daemon::start(Config::default()).await.unwrap();
    let http = daemon.http();
    let (known, unknown) = ("/live/studio/index.m3u8", "/live/nobody/index.m3u8");
    let (known, unknown) = (http.get(known).await.unwrap(), http.get(unknown).await.unwrap());
    assert_eq!((known.status, &known.body), (404, &unknown.body));
    let names = |answer: &weir_testkit::Answer| answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&known), names(&unknown));
    daemon.stop().await.unwrap();
}
