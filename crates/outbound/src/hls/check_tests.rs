use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::http::request::Parts;

use super::*;
use crate::test_server::{Server, TIMES, client, impatient, loopback_allowed, ok, redirect, status};
use crate::{OutboundError, Policy};

const MULTIVARIANT: &str = "#EXTM3U
#EXT-X-VERSION:6
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"English\",DEFAULT=YES,URI=\"audio.m3u8\"
#EXT-X-STREAM-INF:BANDWIDTH=6000000,RESOLUTION=1920x1080,FRAME-RATE=29.970,CODECS=\"avc1.640028,mp4a.40.2\",NAME=\"1080p\"
1080/live.m3u8?token=1
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=100000,URI=\"iframes.m3u8\"
#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=640x360,CODECS=\"hvc1.1.6.L90.B0\"
360/live.m3u8
";

const LOW_LATENCY: &str = "#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:4
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.5
#EXT-X-PART-INF:PART-TARGET=0.5
#EXT-X-MEDIA-SEQUENCE:100
#EXT-X-MAP:URI=\"init.mp4\"
#EXTINF:4.0,
100.m4s
#EXTINF:4.0,
101.m4s
#EXT-X-PART:DURATION=0.5,URI=\"102.0.m4s\"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"102.1.m4s\"
";

const VOD: &str = "#EXTM3U
#EXT-X-TARGETDURATION:6
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-KEY:METHOD=AES-128,URI=\"key\"
#EXTINF:6,
0.ts
#EXTINF:6,
1.ts
#EXT-X-ENDLIST
";

/// A server of these files, which any site may read, on a machine that knows no ranges.
async fn files(files: &'static [(&'static str, &'static str)]) -> Server {
    Server::http(move |head| match files.iter().find(|(path, _)| *path == head.uri.path()) {
        Some((_, body)) => open(*body),
        None => status(404),
    })
    .await
}

fn open(body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = ok(body);
    answer.headers_mut().insert("access-control-allow-origin", "*".parse().expect("a value"));
    answer
}

async fn checked(server: &Server, path: &str) -> HlsReport {
    check(&client(loopback_allowed()), &server.url(path)).await.expect("a report")
}

/// As JSON, without the port that the system gave.
fn golden(report: &HlsReport, server: &Server) -> String {
    let text = serde_json::to_string_pretty(report).expect("JSON");
    text.replace(&server.address.to_string(), "ADDRESS")
}

fn codes(report: &HlsReport) -> Vec<HlsCode> {
    report.findings.iter().map(|finding| finding.code).collect()
}

#[tokio::test]
async fn a_low_latency_ladder_is_looked_at_from_the_top_to_the_newest_segment() {
    let server = files(&[
        ("/master.m3u8", MULTIVARIANT),
        ("/1080/live.m3u8", LOW_LATENCY),
        ("/1080/init.mp4", "ftyp"),
        ("/1080/101.m4s", "moof"),
    ])
    .await;
    let report = checked(&server, "/master.m3u8").await;
    insta::assert_snapshot!(golden(&report, &server));
    let seen = server.seen.lock().expect("the record");
    let paths: Vec<_> = seen.iter().map(|(head, _)| head.uri.to_string()).collect();
    assert_eq!(paths, ["/master.m3u8", "/1080/live.m3u8?token=1", "/1080/init.mp4", "/1080/101.m4s"]);
    assert!(seen.iter().all(|(head, _)| head.headers["origin"] == "https://weir.invalid"));
    let range = |head: &Parts| head.headers.get("range").cloned();
    assert_eq!(range(&seen[1].0), None);
    assert_eq!(range(&seen[3].0).expect("a range"), "bytes=0-1023");
}

#[tokio::test]
async fn an_encrypted_recording_in_transport_stream_is_described() {
    let server = files(&[("/vod.m3u8", VOD), ("/1.ts", "G and noise")]).await;
    insta::assert_snapshot!(golden(&checked(&server, "/vod.m3u8").await, &server));
}

#[tokio::test]
async fn a_web_page_is_no_playlist() {
    let server = files(&[("/watch", "<!DOCTYPE html><html><body>Watch here</body></html>")]).await;
    insta::assert_snapshot!(golden(&checked(&server, "/watch").await, &server));
}

#[tokio::test]
async fn a_ladder_that_browsers_cannot_play_and_do_not_reach_says_all_of_it() {
    let server = Server::http(|head| match head.uri.path() {
        "/master.m3u8" => ok("#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"hvc1.1.6.L93.B0,mp4a.40.2\"
a.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2,CODECS=\"avc1.640028,ac-3\"
b.m3u8
"),
        _ => status(403),
    })
    .await;
    insta::assert_snapshot!(golden(&checked(&server, "/master.m3u8").await, &server));
}

#[tokio::test]
async fn a_playlist_without_segments_and_one_of_gaps_are_not_playable() {
    let server = files(&[
        ("/empty.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:4\n"),
        ("/gaps.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-GAP\n#EXTINF:4,\na.ts\n"),
        ("/nothing.m3u8", ""),
        ("/declared.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n"),
        ("/nested.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nnested.m3u8\n"),
    ])
    .await;
    for (path, code) in [
        ("/empty.m3u8", HlsCode::NoSegments),
        ("/gaps.m3u8", HlsCode::OnlyGaps),
        ("/nothing.m3u8", HlsCode::Empty),
        ("/declared.m3u8", HlsCode::NoVariants),
        ("/nested.m3u8", HlsCode::VariantNotMedia),
    ] {
        let report = checked(&server, path).await;
        assert!(codes(&report).contains(&code) && !report.playable, "{path}: {:?}", report.findings);
    }
}

#[tokio::test]
async fn segments_that_are_missing_or_are_pages_are_found() {
    let live = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.ts\n";
    let server = Server::http(move |head| match head.uri.path() {
        "/missing/live.m3u8" | "/page/live.m3u8" | "/audio/live.m3u8" => open(live),
        "/page/a.ts" => open("<html>Not found"),
        "/audio/a.ts" => open("ID3\u{4}"),
        _ => status(404),
    })
    .await;
    let missing = checked(&server, "/missing/live.m3u8").await;
    let found = missing.findings.iter().find(|finding| finding.code == HlsCode::SegmentUnreachable).expect("found");
    assert_eq!(found.sentence, "the newest segment cannot be fetched: the server answers with 404 Not Found");
    assert!(!missing.playable);
    assert!(codes(&checked(&server, "/page/live.m3u8").await).contains(&HlsCode::SegmentNotMedia));
    let audio = checked(&server, "/audio/live.m3u8").await;
    assert_eq!((audio.container, audio.playable), (Some(Container::PackedAudio), true));
}

#[tokio::test]
async fn what_a_playlist_points_at_is_guarded_too() {
    let server = files(&[
        ("/master.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://169.254.169.254/latest\n"),
        (
            "/media.m3u8",
            "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI=\"file:///etc/passwd\"\n#EXTINF:4,\nhttp://10.0.0.1/a\n",
        ),
    ])
    .await;
    let report = checked(&server, "/master.m3u8").await;
    let sentences: Vec<_> = report.findings.iter().map(|finding| finding.sentence.as_str()).collect();
    assert!(
        sentences.iter().any(|sentence| sentence.contains("169.254.169.254 is a metadata address")),
        "{sentences:?}"
    );
    let codes = codes(&checked(&server, "/media.m3u8").await);
    assert!(codes.contains(&HlsCode::InitUnreachable) && codes.contains(&HlsCode::SegmentUnreachable), "{codes:?}");
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn names_in_a_playlist_are_relative_to_where_it_came_from_in_the_end() {
    let server = Server::http(|head| match head.uri.path() {
        "/live.m3u8" => redirect("/edge/7/live.m3u8"),
        "/edge/7/live.m3u8" => open("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.ts\n"),
        "/edge/7/a.ts" => open("G"),
        _ => status(404),
    })
    .await;
    let report = checked(&server, "/live.m3u8").await;
    assert_eq!((report.url, report.playable), (server.url("/edge/7/live.m3u8"), true));
}

#[tokio::test]
async fn what_takes_too_long_after_the_playlist_is_a_finding() {
    let stuck = Server::raw(b"HTTP/1.1 200 OK\r\n", b"").await;
    let playlist = format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{}\n", stuck.url("/a.ts"));
    let server = Server::http(move |_| open(playlist.clone())).await;
    let (client, url) = (impatient(TIMES.exchange, Duration::from_millis(500)), server.url("/live.m3u8"));
    let checking = tokio::spawn(async move { check(&client, &url).await });
    let report = checking.await.expect("no panic").expect("a report");
    let last = report.findings.last().expect("a finding");
    assert_eq!(last.code, HlsCode::SegmentUnreachable);
    assert_eq!(last.sentence, "the newest segment cannot be fetched: the check took longer than 500ms");
}

#[tokio::test]
async fn a_url_of_which_nothing_can_be_said_is_an_error() {
    let large = Server::http(|_| open(vec![b'#'; 600 * 1024])).await;
    let failed = async |policy: Policy, url: &str| -> OutboundError {
        check(&client(policy), url).await.expect_err("no report")
    };
    assert_eq!(failed(loopback_allowed(), &large.url("/")).await.code(), "too_large");
    assert_eq!(failed(Policy::default(), &large.url("/")).await.code(), "refused_address");
    assert_eq!(failed(Policy::default(), "rtmp://example.com/live").await.code(), "scheme");
    let missing = files(&[]).await;
    assert_eq!(failed(loopback_allowed(), &missing.url("/")).await.code(), "status");
}
