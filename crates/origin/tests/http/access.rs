//! Who may see what: tokens, previews and events that are paid for.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::sync::watch;
use weir_origin::{Access, Audience, Claims, Limits, TokenKey};
use weir_packager::{Edge, Snapshot};

use crate::support::{EDGE, MASTER, MEDIA, Reply, Server, snapshot};

type Publish = watch::Sender<Option<Arc<Snapshot>>>;

/// Everything that can be asked for of an event, with what the answer holds when it is to be had.
const FILES: [(&str, &str); 3] = [("index.m3u8", MASTER), ("720p/index.m3u8", MEDIA), ("720p/s1.m4s", "0123456789")];
/// The faults that a token can have, with the words for them.
const FAULTS: [&str; 7] = ["expired", "early", "signature", "event", "audience", "garbage", "long"];

fn private() -> Snapshot {
    Snapshot { private: true, ..snapshot() }
}

/// Serves `snapshot` as the event `name`.
fn show(server: &Server, name: &str, access: Access, snapshot: Option<Snapshot>) -> Publish {
    let (publish, source) = watch::channel(snapshot.map(Arc::new));
    server.directory.insert(name, source, access);
    publish
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64
}

fn claims(audience: Audience, event: &str) -> Claims {
    let viewer = (audience == Audience::Playback).then(|| "viewer-17".to_owned());
    Claims { audience, event: event.to_owned(), viewer, expires_s: now_s() + 600, not_before_s: None }
}

/// A token of `audience` for `event`, with a fault unless that is "valid".
fn token(server: &Server, audience: Audience, event: &str, fault: &str) -> String {
    let (key, crossed) = match audience {
        Audience::Playback => (&server.tokens.playback, Audience::Preview),
        Audience::Preview => (&server.tokens.preview, Audience::Playback),
    };
    let claims = claims(audience, event);
    match fault {
        "valid" => key.mint(&claims),
        "expired" => key.mint(&Claims { expires_s: now_s() - 1, ..claims }),
        "early" => key.mint(&Claims { not_before_s: Some(now_s() + 300), ..claims }),
        "signature" => TokenKey::new(&[3; 32]).mint(&claims),
        "event" => key.mint(&Claims { event: "another".to_owned(), ..claims }),
        "audience" => key.mint(&Claims { audience: crossed, ..claims }),
        "garbage" => "%00..x".to_owned(),
        "long" => key.mint(&Claims { viewer: Some("v".repeat(1000)), ..claims }),
        _ => panic!("{fault}"),
    }
}

/// The words for a fault.
fn words(fault: &str) -> &'static str {
    match fault {
        "expired" => "token expired\n",
        "early" => "token not valid yet\n",
        "signature" => "token signature wrong\n",
        "event" => "token for another event\n",
        "audience" => "token for another audience\n",
        "garbage" => "token malformed\n",
        "long" => "token too long\n",
        _ => panic!("{fault}"),
    }
}

fn statuses(replies: &[Reply]) -> Vec<u16> {
    replies.iter().map(|reply| reply.status).collect()
}

/// Asks for all [`FILES`] of an event.
async fn ask_all(server: &Server, prefix: &str, event: &str) -> Vec<Reply> {
    let mut replies = Vec::new();
    for (file, _) in FILES {
        replies.push(server.get(&format!("{prefix}/live/{event}/{file}"), "").await);
    }
    replies
}

#[tokio::test]
async fn every_kind_of_token_opens_what_it_is_for_and_nothing_else() {
    let server = Server::start(Limits::default()).await;
    let _kept = [
        show(&server, "private-free", Access::Free, Some(private())),
        show(&server, "private-paid", Access::Paid, Some(private())),
        show(&server, "free", Access::Free, Some(snapshot())),
        show(&server, "paid", Access::Paid, Some(snapshot())),
        show(&server, "absent-paid", Access::Paid, None),
    ];
    let table = [
        // Event, without a token, with playback, with preview, with any fault.
        ("private-free", 404, 404, 200, 404),
        ("private-paid", 404, 404, 200, 404),
        ("free", 200, 200, 200, 200),
        ("paid", 403, 200, 200, 403),
        ("absent-paid", 404, 404, 404, 404),
        ("nobody", 404, 404, 404, 404),
    ];
    for (event, without, playback, preview, faulty) in table {
        assert_eq!(statuses(&ask_all(&server, "", event).await), [without; 3], "{event} without a token");
        for (audience, valid) in [(Audience::Playback, playback), (Audience::Preview, preview)] {
            let prefix = format!("/token/{}", token(&server, audience, event, "valid"));
            let replies = ask_all(&server, &prefix, event).await;
            assert_eq!(statuses(&replies), [valid; 3], "{event} with {audience:?}");
            for (reply, (_, body)) in replies.iter().zip(FILES).filter(|(reply, _)| reply.status == 200) {
                assert_eq!(reply.body, body.as_bytes());
            }
            for fault in FAULTS {
                let prefix = format!("/token/{}", token(&server, audience, event, fault));
                let replies = ask_all(&server, &prefix, event).await;
                assert_eq!(statuses(&replies), [faulty; 3], "{event} with {audience:?}, {fault}");
            }
        }
    }
}

#[tokio::test]
async fn a_preview_cannot_be_told_from_nothing_at_all() {
    let server = Server::start(Limits::default()).await;
    let _kept = [
        show(&server, "event", Access::Free, Some(private())),
        show(&server, "ended", Access::Paid, Some(Snapshot { ended: true, ..private() })),
    ];
    let mut prefixes = vec![String::new(), format!("/token/{}", token(&server, Audience::Playback, "event", "valid"))];
    for fault in FAULTS {
        prefixes.push(format!("/token/{}", token(&server, Audience::Preview, "event", fault)));
    }
    // What is there, what will be, what is not, and what nobody can follow.
    let below = [
        "index.m3u8",
        "720p/index.m3u8",
        "720p/index.m3u8?_HLS_msn=10&_HLS_part=2",
        "720p/index.m3u8?_HLS_msn=99",
        "720p/index.m3u8?_HLS_part=x",
        "720p/iframes.m3u8?_HLS_skip=no",
        "720p/s1.m4s",
        "720p/p7.m4s",
        "720p/none.m4s",
        "none/index.m3u8",
        "none",
    ];
    for prefix in &prefixes {
        let nothing = server.get(&format!("{prefix}/live/nobody/index.m3u8"), "").await;
        assert_eq!(nothing.status, 404);
        for file in below {
            for event in ["event", "ended", "nobody"] {
                let path = format!("{prefix}/live/{event}/{file}");
                let headers = "If-None-Match: *\r\nRange: bytes=99-\r\nAccept-Encoding: gzip\r\n";
                assert_eq!(server.get(&path, headers).await, nothing, "{path}");
                let head = server.ask("HEAD", &path, "").await;
                assert_eq!((head.head, head.body.len()), (nothing.head.clone(), 0), "{path}");
            }
            for method in ["OPTIONS", "POST"] {
                let of_nothing = server.ask(method, &format!("{prefix}/live/nobody/{file}"), "").await;
                assert_eq!(server.ask(method, &format!("{prefix}/live/event/{file}"), "").await, of_nothing);
            }
        }
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_found_as_ever() {
    let server = Server::start(Limits::default()).await;
    let _kept = show(&server, "event", Access::Free, Some(private()));
    let unknown = server.get("/live/nobody/index.m3u8", "").await;
    assert_eq!(server.get("/live/event/index.m3u8", "").await, unknown);
    insta::assert_snapshot!(server.get("/token/x.y.z/live/event/index.m3u8", "").await.head, @r"
    HTTP/1.1 404 Not Found
    access-control-allow-origin: *
    access-control-expose-headers: Content-Length, Content-Range, Age, Date, ETag
    cache-control: private, max-age=1
    content-length: 10
    content-type: text/plain; charset=utf-8
    timing-allow-origin: *
    x-content-type-options: nosniff
    ");
}

#[tokio::test]
async fn a_ticket_that_is_missing_or_wrong_is_refused_with_the_reason() {
    let server = Server::start(Limits::default()).await;
    let _kept = show(&server, "event", Access::Paid, Some(snapshot()));
    let missing = server.get("/live/event/index.m3u8", "").await;
    insta::assert_snapshot!(missing.head, @r"
    HTTP/1.1 403 Forbidden
    access-control-allow-origin: *
    access-control-expose-headers: Content-Length, Content-Range, Age, Date, ETag
    cache-control: no-store
    content-length: 14
    content-type: text/plain; charset=utf-8
    timing-allow-origin: *
    x-content-type-options: nosniff
    ");
    assert_eq!(missing.body, b"token missing\n");
    for fault in FAULTS {
        for audience in [Audience::Playback, Audience::Preview] {
            let token = token(&server, audience, "event", fault);
            // Before anything else: what is there and what is not is not told either.
            for file in ["720p/index.m3u8?_HLS_part=x", "720p/index.m3u8?_HLS_msn=10", "none/index.m3u8"] {
                let reply = server.get(&format!("/token/{token}/live/event/{file}"), "").await;
                assert_eq!((reply.status, String::from_utf8_lossy(&reply.body).as_ref()), (403, words(fault)));
                assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
                assert_eq!(reply.header("cache-control"), Some("no-store"));
            }
        }
    }
}

#[tokio::test]
async fn answers_to_a_token_are_kept_by_its_bearer_alone() {
    let server = Server::start(Limits::default()).await;
    let _kept =
        [show(&server, "paid", Access::Paid, Some(snapshot())), show(&server, "free", Access::Free, Some(snapshot()))];
    for event in ["paid", "free"] {
        let prefix = format!("/token/{}/live/{event}", token(&server, Audience::Playback, event, "valid"));
        for (file, headers, status, cache) in [
            ("index.m3u8", "", 200, "private, max-age=1"),
            ("index.m3u8", "If-None-Match: *\r\n", 304, "private, max-age=1"),
            ("720p/index.m3u8?_HLS_msn=9", "", 200, "private, max-age=0"),
            ("720p/index.m3u8?_HLS_part=x", "", 400, "private, max-age=8"),
            ("720p/s1.m4s", "", 200, "private, max-age=3600, immutable"),
            ("720p/s1.m4s", "Range: bytes=99-\r\n", 416, "private, max-age=1"),
            ("720p/none.m4s", "", 404, "private, max-age=1"),
        ] {
            let reply = server.get(&format!("{prefix}/{file}"), headers).await;
            assert_eq!((reply.status, reply.header("cache-control")), (status, Some(cache)), "{file}");
        }
    }
    assert_eq!(
        server.get("/live/free/720p/index.m3u8?_HLS_msn=9", "").await.header("cache-control"),
        Some("max-age=0, s-maxage=12")
    );
}

/// Asks for what comes next of `event`, and publishes `next` once the request is held.
async fn held(server: &Server, publish: &Publish, path: &str, next: Snapshot) -> Reply {
    let idle = publish.receiver_count();
    let publishing = async {
        while publish.receiver_count() == idle {
            tokio::task::yield_now().await;
        }
        publish.send_replace(Some(Arc::new(next)));
    };
    tokio::join!(server.get(path, ""), publishing).0
}

#[tokio::test]
async fn a_preview_goes_on_over_the_moment_of_going_on_air() {
    let server = Server::start(Limits::default()).await;
    for access in [Access::Free, Access::Paid] {
        let publish = show(&server, "event", access, Some(private()));
        let token = token(&server, Audience::Preview, "event", "valid");
        let path = format!("/token/{token}/live/event/720p/index.m3u8?_HLS_msn=10&_HLS_part=2");
        let next = Snapshot { edge: Edge { parts: 3, ..EDGE }, ..snapshot() };
        let reply = held(&server, &publish, &path, next).await;
        assert_eq!((reply.status, reply.header("cache-control")), (200, Some("private, max-age=0")), "{access:?}");
        assert_eq!(server.get(&path, "").await.status, 200);
    }
}

#[tokio::test]
async fn what_becomes_private_is_gone_for_whoever_waits_for_it() {
    let server = Server::start(Limits::default()).await;
    let next = || Snapshot { edge: Edge { parts: 3, ..EDGE }, ..private() };
    let publish = show(&server, "event", Access::Free, Some(snapshot()));
    for file in ["720p/index.m3u8?_HLS_msn=10", "720p/p7.m4s"] {
        publish.send_replace(Some(Arc::new(snapshot())));
        let reply = held(&server, &publish, &format!("/live/event/{file}"), next()).await;
        assert_eq!(reply, server.get("/live/nobody/index.m3u8", "").await, "{file}");
    }
}

/// All that was logged, of any level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_token_is_in_no_log_and_no_metric() {
    let (log, recorder) = (Log::default(), PrometheusBuilder::new().build_recorder());
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    // The runtime of this test has one thread, so both hear of all that the origin does.
    let _logging = tracing::subscriber::set_default(subscriber.finish());
    let handle = recorder.handle();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let server = Server::start(Limits { uri_bytes_max: 1500, ..Limits::default() }).await;
    let _kept = show(&server, "event", Access::Paid, Some(snapshot()));
    for fault in ["valid", "expired", "signature", "long"] {
        let token = token(&server, Audience::Playback, "event", fault);
        for path in ["/live/event/720p/index.m3u8", "/live/event/720p/p9.m4s", "/live", "", "/metrics"] {
            for method in ["GET", "POST"] {
                server.ask(method, &format!("/token/{token}{path}"), "").await;
            }
        }
        for text in [String::from_utf8(log.0.lock().expect("no panic").clone()).expect("UTF-8"), handle.render()] {
            assert!(text.contains("event/720p/index.m3u8") || text.contains("weir_http_requests_total"), "{text}");
            let leaked = token.split('.').skip(1).find(|part| text.contains(part));
            assert_eq!(leaked, None, "{text}");
        }
    }
}

#[tokio::test]
async fn nothing_but_what_is_live_is_below_a_token() {
    let server = Server::start(Limits::default()).await;
    let token = token(&server, Audience::Playback, "studio", "valid");
    let missing = server.get("/token/x", "").await;
    assert_eq!(missing.status, 404);
    for path in ["metrics", "healthz", "watch/studio", "watch/studio/status.json", "assets/", "live/", ""] {
        assert_eq!(server.get(&format!("/token/{token}/{path}"), "").await, missing, "{path}");
    }
}
