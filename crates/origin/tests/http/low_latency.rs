//! Delivery directives, held requests and delta updates.

use std::sync::Arc;

use bytes::Bytes;
use weir_origin::Limits;
use weir_packager::{Edge, MediaFile, Snapshot};

use crate::support::{DELTA, EDGE, IFRAMES, MEDIA, Server, playlist, snapshot};

const PLAYLIST: &str = "/live/studio/720p/index.m3u8";
const NEXT: &str = "#EXTM3U\n#EXTINF:2.0,\ns2.m4s\n";

/// The snapshot after the next part: the hinted file is there, and another is hinted at.
fn next(edge: Edge) -> Snapshot {
    let mut next = Snapshot { edge, ..snapshot() };
    let rendition = &mut next.renditions[0];
    let part = MediaFile {
        pieces: vec![Bytes::from_static(b"part")],
        etag: "\"p7.m4s\"".to_owned(),
        content_type: "video/iso.segment",
    };
    rendition.media.insert("p7.m4s".to_owned(), Arc::new(part));
    rendition.hint = Some("p8.m4s".to_owned());
    rendition.playlist = playlist(NEXT);
    next
}

/// Publishes once the origin holds `held` requests more than it did.
async fn publish_when_held(server: &Server, receivers: usize, snapshot: Option<Snapshot>) {
    while server.publish.receiver_count() < receivers {
        tokio::task::yield_now().await;
    }
    server.publish.send_replace(snapshot.map(Arc::new));
}

#[tokio::test]
async fn directives_that_nobody_can_follow_are_refused_by_name() {
    let server = Server::start(Limits::default()).await;
    for (query, why) in [
        ("_HLS_part=1", "_HLS_part needs _HLS_msn\n"),
        ("_HLS_msn=x", "_HLS_msn is not a decimal integer\n"),
        ("_HLS_msn=1&_HLS_part=-1", "_HLS_part is not a decimal integer\n"),
        ("_HLS_msn=10&_HLS_msn=10", "a delivery directive stands twice in the query\n"),
        ("_HLS_msn=12", "_HLS_msn and _HLS_part are too far ahead of the playlist\n"),
        ("_HLS_msn=10&_HLS_part=7", "_HLS_msn and _HLS_part are too far ahead of the playlist\n"),
        ("_HLS_skip=no", "_HLS_skip is neither YES nor v2\n"),
    ] {
        for file in ["index.m3u8", "iframes.m3u8"] {
            let reply = server.get(&format!("/live/studio/720p/{file}?{query}"), "").await;
            assert_eq!((reply.status, String::from_utf8_lossy(&reply.body).as_ref()), (400, why), "{query}");
            assert_eq!(reply.header("cache-control"), Some("max-age=8"));
            assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        }
    }
}

#[tokio::test]
async fn what_is_there_is_delivered_at_once() {
    let server = Server::start(Limits::default()).await;
    for query in
        ["_HLS_msn=0", "_HLS_msn=9", "_HLS_msn=9&_HLS_part=3", "_HLS_msn=9&_HLS_part=4", "_HLS_msn=10&_HLS_part=1"]
    {
        let reply = server.get(&format!("{PLAYLIST}?{query}"), "").await;
        assert_eq!((reply.status, &reply.body[..]), (200, MEDIA.as_bytes()), "{query}");
        assert_eq!(reply.header("cache-control"), Some("max-age=0, s-maxage=12"), "{query}");
    }
    let iframes = server.get("/live/studio/720p/iframes.m3u8?_HLS_msn=9", "").await;
    assert_eq!(iframes.body, IFRAMES.as_bytes());
}

#[tokio::test]
async fn other_parameters_and_the_multivariant_playlist_know_no_directives() {
    let server = Server::start(Limits::default()).await;
    for path in ["/live/studio/index.m3u8?_HLS_msn=99", "/live/studio/720p/index.m3u8?token=x&_HLS_push=0"] {
        let reply = server.get(path, "").await;
        assert_eq!((reply.status, reply.header("cache-control")), (200, Some("max-age=1")), "{path}");
    }
    assert_eq!(server.get("/live/studio/none/index.m3u8?_HLS_msn=99", "").await.status, 404);
    assert_eq!(server.get("/live/idle/720p/index.m3u8?_HLS_msn=x", "").await.status, 404);
}

#[tokio::test]
async fn a_delta_is_sent_to_those_who_ask_for_it() {
    let server = Server::start(Limits::default()).await;
    for query in ["_HLS_skip=YES", "_HLS_skip=v2", "_HLS_msn=9&_HLS_skip=YES"] {
        assert_eq!(server.get(&format!("{PLAYLIST}?{query}"), "").await.body, DELTA.as_bytes(), "{query}");
    }
    let mut without = snapshot();
    without.renditions[0].delta = None;
    server.publish.send_replace(Some(Arc::new(without)));
    assert_eq!(server.get(&format!("{PLAYLIST}?_HLS_skip=YES"), "").await.body, MEDIA.as_bytes());
}

#[tokio::test]
async fn a_playlist_is_held_until_it_has_what_is_asked_for() {
    let server = Server::start(Limits::default()).await;
    let idle = server.publish.receiver_count();
    let path = format!("{PLAYLIST}?_HLS_msn=10&_HLS_part=2");
    let (reply, ()) = tokio::join!(
        server.get(&path, "Accept-Encoding: gzip\r\n"),
        publish_when_held(&server, idle + 1, Some(next(Edge { parts: 3, ..EDGE })))
    );
    assert_eq!((reply.status, crate::support::gunzip(&reply.body)), (200, NEXT.to_owned()));
    assert_eq!(reply.header("cache-control"), Some("max-age=0, s-maxage=12"));
}

#[tokio::test]
async fn a_change_that_is_not_the_one_waited_for_does_not_answer() {
    let server = Server::start(Limits::default()).await;
    let idle = server.publish.receiver_count();
    let path = format!("{PLAYLIST}?_HLS_msn=10");
    let publish = async {
        publish_when_held(&server, idle + 1, Some(next(Edge { parts: 3, ..EDGE }))).await;
        tokio::task::yield_now().await;
        server.publish.send_replace(Some(Arc::new(next(Edge { next_msn: 11, parts: 0, ..EDGE }))));
    };
    let (reply, ()) = tokio::join!(server.get(&path, ""), publish);
    assert_eq!((reply.status, reply.body), (200, NEXT.as_bytes().to_vec()));
}

#[tokio::test]
async fn a_hinted_part_is_held_until_it_is_there() {
    let server = Server::start(Limits::default()).await;
    let idle = server.publish.receiver_count();
    let (reply, ()) = tokio::join!(
        server.get("/live/studio/720p/p7.m4s", ""),
        publish_when_held(&server, idle + 1, Some(next(Edge { parts: 3, ..EDGE })))
    );
    assert_eq!((reply.status, reply.body), (200, b"part".to_vec()));
    assert_eq!(server.get("/live/studio/720p/p9.m4s", "").await.status, 404);
}

#[tokio::test]
async fn a_hint_that_is_withdrawn_is_not_found() {
    let server = Server::start(Limits::default()).await;
    let idle = server.publish.receiver_count();
    let mut gap = next(Edge { parts: 3, ..EDGE });
    gap.renditions[0].media.remove("p7.m4s");
    let (reply, ()) =
        tokio::join!(server.get("/live/studio/720p/p7.m4s", ""), publish_when_held(&server, idle + 1, Some(gap)));
    assert_eq!(reply.status, 404);
}

#[tokio::test]
async fn the_end_answers_whoever_waits_and_makes_directives_void() {
    let server = Server::start(Limits::default()).await;
    let idle = server.publish.receiver_count();
    let mut ended = Snapshot { ended: true, ..snapshot() };
    ended.renditions[0].hint = None;
    let path = format!("{PLAYLIST}?_HLS_msn=10&_HLS_part=2");
    let (reply, ()) = tokio::join!(server.get(&path, ""), publish_when_held(&server, idle + 1, Some(ended)));
    assert_eq!(reply.status, 200);
    for query in ["_HLS_msn=99", "_HLS_part=1", "_HLS_msn=x", "_HLS_msn=1&_HLS_msn=2"] {
        let reply = server.get(&format!("{PLAYLIST}?{query}"), "").await;
        assert_eq!((reply.status, reply.header("cache-control")), (200, Some("max-age=1")), "{query}");
    }
}

#[tokio::test]
async fn one_address_cannot_hold_all_places_and_shutdown_frees_them() {
    let mut server = Server::start(Limits { waiters_per_address_max: 1, ..Limits::default() }).await;
    let idle = server.publish.receiver_count();
    let path = format!("{PLAYLIST}?_HLS_msn=10");
    let mut held = server.connect().await;
    held.send(&format!("GET {path} HTTP/1.1\r\nHost: weir\r\n\r\n")).await;
    while server.publish.receiver_count() < idle + 1 {
        tokio::task::yield_now().await;
    }
    let refused = server.get(&path, "").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(refused.header("cache-control"), Some("no-store"));
    server.stop();
    assert_eq!(held.reply(false).await.status, 503);
}
