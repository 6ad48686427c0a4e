//! The life of an event with real encoders, real players and real time.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use weir_testkit::{Api, Browser, Config, Daemon, Hook, Process, Source, binary, check_change, until};
use weir_tests::PLAYABLE_WITHIN;

const GOES_ON_WITHIN: Duration = Duration::from_secs(20);
/// Players look every two seconds, pages every few.
const SEEN_WITHIN: Duration = Duration::from_secs(15);
/// ffmpeg must report a refusal, not hang.
const REFUSED_WITHIN: Duration = Duration::from_secs(5);
/// A name that no event has.
const NOBODY: &str = "00000000-0000-7000-8000-000000000000";

#[cfg(test)]
fn rtmp() -> Value {
    json!({ "kind": "rtmp", "input": "1080p" })
}

#[cfg(test)]
fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}")).to_owned()
}

/// The event's encoder: where to push, once it is known.
#[cfg(test)]
async fn push_url(daemon: &Daemon, api: &Api, id: &str) -> String {
    let credentials = api.get(&format!("/events/{id}/credentials")).await.unwrap();
    let key = text(&credentials, "stream_key");
    daemon.forbid(&key);
    format!("{}/{key}", text(&credentials, "rtmp_url"))
}

#[cfg(test)]
async fn started(daemon: &Daemon, api: &Api, offer: &str) -> (String, String) {
    let id = api.event(rtmp(), offer).await.unwrap();
    api.post(&format!("/events/{id}/start"), None).await.unwrap();
    let url = push_url(daemon, api, &id).await;
    (id, url)
}

#[cfg(test)]
async fn preview_token(daemon: &Daemon, api: &Api, id: &str) -> Value {
    let made = api.post(&format!("/events/{id}/preview-tokens"), Some(json!({}))).await.unwrap();
    daemon.forbid(&text(&made, "token"));
    made
}

#[cfg(test)]
async fn is_refused(url: &str) {
    let mut encoder = Source::default().push(url).unwrap();
    assert!(!encoder.wait(REFUSED_WITHIN).await.unwrap().success());
}

#[tokio::test]
async fn an_event_lives_from_its_draft_to_its_end() {
    let config = Config { lead_s: 4, ..Config::default() };
    let daemon = Daemon::start(config).await.unwrap();
    let (api, http) = (daemon.api("operator").await.unwrap(), daemon.http());
    let admin = daemon.api("admin").await.unwrap();
    let hook = Hook::listen().await.unwrap();
    let made = admin.post("/webhooks", Some(json!({ "url": hook.url() }))).await.unwrap();
    let secret = text(&made, "secret");
    daemon.forbid(&secret);

    // Planned: no credentials, and a key that exists already is refused with the reason. Viewers see a countdown.
    let id = api.event(rtmp(), "free").await.unwrap();
    let starts = jiff::Timestamp::now() + Duration::from_secs(10);
    let plan = json!({ "starts_at": starts.to_string(), "duration_s": 3600 });
    api.put(&format!("/events/{id}/schedule"), plan).await.unwrap();
    let early = api.refused(hyper::Method::GET, &format!("/events/{id}/credentials"), None).await.unwrap();
    assert_eq!(early, (409, "no_credentials".to_owned()));
    let rotated = api.post(&format!("/events/{id}/rotate-key"), None).await.unwrap();
    let key = text(&rotated, "stream_key");
    daemon.forbid(&key);
    let mark = daemon.log().mark();
    is_refused(&format!("{}/{key}", text(&rotated, "rtmp_url"))).await;
    daemon.log().wait_for(mark, "has not been started yet", REFUSED_WITHIN).await.unwrap();
    let browser = Browser::open().await.unwrap();
    browser.goto(&http.url(&format!("/watch/{id}"))).await.unwrap();
    browser.wait_state("upcoming", SEEN_WITHIN).await.unwrap();

    // Ready by itself before its start, with the same key; then in private.
    api.wait_state(&id, "ready", GOES_ON_WITHIN).await.unwrap();
    let url = push_url(&daemon, &api, &id).await;
    assert!(url.ends_with(&key));
    let mut encoder = Source::default().push(&url).unwrap();
    api.wait_state(&id, "preview", PLAYABLE_WITHIN).await.unwrap();
    let hidden = http.get(&format!("/live/{id}/index.m3u8")).await.unwrap();
    let absent = http.get(&format!("/live/{NOBODY}/index.m3u8")).await.unwrap();
    assert_eq!((hidden.status, &hidden.body), (404, &absent.body));
    assert_eq!(hidden.headers.len(), absent.headers.len());
    let token = preview_token(&daemon, &api, &id).await;
    let preview = weir_testkit::Hls::new(http, &format!("/token/{}/live/{id}/index.m3u8", text(&token, "token")));
    let path = &preview.renditions().await.unwrap()[0];
    let private = preview.playlist(path).await.unwrap();
    assert!(!private.segments.is_empty());
    let health = api.get(&format!("/events/{id}/health")).await.unwrap();
    assert_eq!((&health["input"]["width"], &health["encoder"]["protocol"]), (&json!(640), &json!("rtmp")));

    // On air: the public begins at the present, and the page that counted down plays.
    api.post(&format!("/events/{id}/air"), None).await.unwrap();
    let hls = daemon.event_hls(&id);
    hls.wait_playable(PLAYABLE_WITHIN).await.unwrap();
    let path = &hls.renditions().await.unwrap()[0];
    let public = hls.playlist(path).await.unwrap();
    assert!(public.media_sequence >= private.next_msn(), "{} < {}", public.media_sequence, private.next_msn());
    for old in &private.segments {
        assert!(public.segments.iter().all(|segment| segment.uri != old.uri), "{} was private", old.uri);
        let file =
            format!("/live/{id}/{}/{}", path.trim_end_matches("/index.m3u8").rsplit('/').next().unwrap(), old.uri);
        assert_eq!(http.get(&file).await.unwrap().status, 404, "{file}");
    }
    browser.check_playing(GOES_ON_WITHIN).await.unwrap();

    // It drops and returns: the same event, the same playlists.
    encoder.kill().await.unwrap();
    until("the event has no input", SEEN_WITHIN, async || {
        Ok((api.get(&format!("/events/{id}")).await?["connected"] == false).then_some(()))
    })
    .await
    .unwrap();
    let mut encoder = Source::default().push(&url).unwrap();
    let later = hls
        .wait_playlist(path, "a segment of the second run", GOES_ON_WITHIN, |playlist| {
            playlist.segments.iter().any(|segment| segment.epoch > public.segments[0].epoch)
        })
        .await
        .unwrap();
    check_change(&public, &later).unwrap();

    // Stopped: the encoder is turned away, the playlists end, and that is final.
    let mark = daemon.log().mark();
    let ended = api.post(&format!("/events/{id}/stop"), None).await.unwrap();
    assert_eq!((text(&ended, "state"), text(&ended, "end_reason")), ("ended".to_owned(), "stopped".to_owned()));
    assert!(!encoder.wait(REFUSED_WITHIN).await.unwrap().success());
    hls.wait_playlist(path, "ENDLIST", SEEN_WITHIN, |playlist| playlist.ended).await.unwrap();
    is_refused(&url).await;
    daemon.log().wait_for(mark, "has ended", REFUSED_WITHIN).await.unwrap();
    let refused = |path: &'static str| {
        let (api, path) = (api.clone(), format!("/events/{id}/{path}"));
        async move { api.refused(hyper::Method::POST, &path, None).await.unwrap() }
    };
    for command in ["start", "air", "stop", "rotate-key"] {
        assert_eq!(refused(command).await, (409, "event_ended".to_owned()), "{command}");
    }
    browser.wait_state("ended", GOES_ON_WITHIN).await.unwrap();
    browser.close().await.unwrap();

    check_told(&hook, &secret).await;
    daemon.stop().await.unwrap();
}

/// Everything was told, in order, and signed.
#[cfg(test)]
async fn check_told(hook: &Hook, secret: &str) {
    let told = until("the end was told", SEEN_WITHIN, async || {
        let told = hook.told();
        Ok(told.iter().any(|told| told.json()["type"] == "event.ended").then_some(told))
    })
    .await
    .unwrap();
    let mut kinds: Vec<(String, String)> =
        told.iter().map(|told| (text(&told.json(), "at"), text(&told.json(), "type"))).collect();
    kinds.sort();
    let position = |kind: &str| kinds.iter().position(|(_, told)| told == kind).unwrap_or_else(|| panic!("{kind}"));
    let order = ["event.created", "event.scheduled", "event.ready", "event.input_connected", "event.preview"];
    let order = [&order[..], &["event.live", "event.input_lost", "event.ended"]].concat();
    assert!(order.windows(2).all(|two| position(two[0]) < position(two[1])), "{kinds:?}");
    for told in told {
        let (time, signature) = told.signature.split_once(",v1=").unwrap();
        let time = time.strip_prefix("t=").unwrap();
        let signed = [time.as_bytes(), b".", &told.body].concat();
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
        let wanted: String =
            ring::hmac::sign(&key, &signed).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(signature, wanted);
    }
}

#[tokio::test]
async fn a_paid_event_is_for_those_with_a_token() {
    let daemon = Daemon::start(Config::default()).await.unwrap();
    let (api, http) = (daemon.api("operator").await.unwrap(), daemon.http());
    let (id, url) = started(&daemon, &api, "paid").await;
    let _encoder = Source::default().push(&url).unwrap();
    api.wait_state(&id, "preview", PLAYABLE_WITHIN).await.unwrap();
    let viewer = json!({ "viewer": "viewer-7", "expires_in_s": 600 });
    let ticket = api.post(&format!("/events/{id}/playback-tokens"), Some(viewer.clone())).await.unwrap();
    let ticket = text(&ticket, "token");
    daemon.forbid(&ticket);
    let other = api.event(rtmp(), "paid").await.unwrap();
    let others = api.post(&format!("/events/{other}/playback-tokens"), Some(viewer)).await.unwrap();
    let with = |token: &str| format!("/token/{token}/live/{id}/index.m3u8");
    assert_eq!(http.get(&with(&ticket)).await.unwrap().status, 404, "a ticket is not for the preview");

    api.post(&format!("/events/{id}/air"), None).await.unwrap();
    until("the ticket opens it", PLAYABLE_WITHIN, async || {
        Ok((http.get(&with(&ticket)).await?.status == 200).then_some(()))
    })
    .await
    .unwrap();
    let mut forged = ticket.clone();
    forged.pop();
    for (path, why) in [
        (format!("/live/{id}/index.m3u8"), "token missing"),
        (with(&forged), "token"),
        (with(&text(&others, "token")), "token for another event"),
    ] {
        let answer = http.get(&path).await.unwrap();
        assert!(answer.status == 403 && answer.text().unwrap().contains(why), "{path}: {}", answer.status);
    }
    let browser = Browser::open().await.unwrap();
    browser.goto(&http.url(&format!("/watch/{id}"))).await.unwrap();
    browser.wait_state("ticket", SEEN_WITHIN).await.unwrap();
    browser.goto("about:blank").await.unwrap();
    browser.goto(&http.url(&format!("/watch/{id}#token={ticket}"))).await.unwrap();
    browser.check_playing(GOES_ON_WITHIN).await.unwrap();
    browser.close().await.unwrap();
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn an_srt_event_takes_its_own_key_and_passphrase_and_ends_without_input() {
    let config = Config { no_input_s: 6, ..Config::default() };
    let daemon = Daemon::start(config).await.unwrap();
    let api = daemon.api("operator").await.unwrap();
    let id = api.event(json!({ "kind": "srt", "input": "720p" }), "free").await.unwrap();
    api.post(&format!("/events/{id}/start"), None).await.unwrap();
    let credentials = api.get(&format!("/events/{id}/credentials")).await.unwrap();
    let (key, passphrase) = (text(&credentials, "stream_key"), text(&credentials, "srt_passphrase"));
    daemon.forbid(&key);
    daemon.forbid(&passphrase);
    let (good, mark) = (text(&credentials, "srt_url"), daemon.log().mark());
    is_refused(&good.replace(&passphrase, "not-the-passphrase")).await;
    daemon.log().wait_for(mark, "the passphrase is wrong", REFUSED_WITHIN).await.unwrap();
    is_refused(&format!("rtmp://{}/live/{key}", daemon.rtmp())).await;
    daemon.log().wait_for(mark, "this stream key is for SRT", REFUSED_WITHIN).await.unwrap();

    let mut encoder = Source::default().push(&good).unwrap();
    api.wait_state(&id, "preview", PLAYABLE_WITHIN).await.unwrap();
    encoder.kill().await.unwrap();
    let ended = api.wait_state(&id, "ended", GOES_ON_WITHIN).await.unwrap();
    assert_eq!(text(&ended, "end_reason"), "no_input");
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn the_command_line_runs_an_event() {
    let daemon = Daemon::start(Config::default()).await.unwrap();
    let api = daemon.api("operator").await.unwrap();
    let server = format!("http://{}", daemon.api_address());
    let token = daemon.token("operator").await.unwrap();
    let weir = async |args: &[&str]| {
        let mut command = Command::new(binary().unwrap());
        command.args(args).env("WEIR_SERVER", &server).env("WEIR_TOKEN", &token);
        let output = command.output().await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let (good, created, _) = weir(&["event", "create", "A talk", "--offer", "free", "--json"]).await;
    assert!(good, "{created}");
    let event: Value = serde_json::from_str(&created).unwrap();
    let id = text(&event, "id");
    let (good, _, refusal) = weir(&["event", "air", &id]).await;
    assert_eq!((good, refusal.trim()), (false, "weir: the event has not been started"));
    let (good, started, errors) = weir(&["event", "start", &id]).await;
    assert!(good && started.contains("stream key") && started.contains("rtmp://"), "{errors}");
    let url = push_url(&daemon, &api, &id).await;

    let mut watching = Command::new(binary().unwrap());
    watching.args(["event", "watch", &id]).env("WEIR_SERVER", &server).env("WEIR_TOKEN", &token);
    let mut watching = Process::spawn("weir event watch", watching, &[]).unwrap();
    watching.out.wait_for(0, "event.state", SEEN_WITHIN).await.unwrap();
    let _encoder = Source::default().push(&url).unwrap();
    watching.out.wait_for(0, "event.preview", PLAYABLE_WITHIN).await.unwrap();
    let (good, shown, _) = weir(&["event", "show", &id]).await;
    assert!(good && shown.contains("preview") && shown.contains("640"), "{shown}");
    let (good, preview, _) = weir(&["event", "preview", &id]).await;
    assert!(good && preview.contains("/watch/") && preview.contains("#token="));
    assert!(weir(&["event", "air", &id]).await.0);
    let (_, listed, _) = weir(&["event", "list", "--state", "live"]).await;
    assert!(listed.contains(&id) && listed.starts_with("ID"), "{listed}");
    assert!(weir(&["event", "stop", &id]).await.0);
    watching.out.wait_for(0, "ended (stopped)", SEEN_WITHIN).await.unwrap();
    watching.kill().await.unwrap();
    let (good, _, refusal) = weir(&["key", "rotate", &id]).await;
    assert!(!good && refusal.contains("has ended"), "{refusal}");
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn an_external_stream_is_checked_and_shown_and_neither_proxied_nor_planned() {
    let daemon = Daemon::start(Config::default()).await.unwrap();
    let api = daemon.api("operator").await.unwrap();
    // Another server's stream, as far as the event knows.
    let _encoder = Source::default().push(&daemon.publish_url()).unwrap();
    daemon.hls().wait_playable(PLAYABLE_WITHIN).await.unwrap();
    let source = json!({ "kind": "hls", "url": daemon.hls().url() });
    let event = api.post("/events", Some(json!({ "title": "Elsewhere", "source": source }))).await.unwrap();
    let id = text(&event, "id");
    let report = api.post(&format!("/events/{id}/check"), None).await.unwrap();
    assert_eq!((&report["playable"], &report["kind"]), (&json!(true), &json!("multivariant")), "{report}");
    assert_eq!((&report["timing"], &report["low_latency"]), (&json!("live"), &json!(true)), "{report}");

    let plan = json!({ "starts_at": "2099-01-01T00:00:00Z", "duration_s": 3600 });
    let planned = api.refused(hyper::Method::PUT, &format!("/events/{id}/schedule"), Some(plan)).await.unwrap();
    assert_eq!(planned, (409, "external_schedule".to_owned()));
    api.post(&format!("/events/{id}/activate"), None).await.unwrap();
    api.put(&format!("/events/{id}/offer"), json!({ "offer": "free" })).await.unwrap();
    let live = api.post(&format!("/events/{id}/start"), None).await.unwrap();
    assert_eq!((text(&live, "state"), text(&live, "playback_url")), ("live".to_owned(), daemon.hls().url()));
    let http = daemon.http();
    assert_eq!(http.get(&format!("/live/{id}/index.m3u8")).await.unwrap().status, 404, "nothing is proxied");

    let browser = Browser::open().await.unwrap();
    browser.goto(&http.url(&format!("/watch/{id}"))).await.unwrap();
    browser.check_playing(GOES_ON_WITHIN).await.unwrap();
    api.post(&format!("/events/{id}/stop"), None).await.unwrap();
    browser.wait_state("ended", GOES_ON_WITHIN).await.unwrap();
    browser.close().await.unwrap();
    daemon.stop().await.unwrap();
}
