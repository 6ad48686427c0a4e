//! How a daemon ends, and what it finds when it starts again.

use std::collections::HashMap;
use std::net::TcpListener;
use std::time::Duration;

use tokio::process::Command;
use weir_testkit::{Config, Daemon, Home, Process, Source, binary, check_change, proc, until};
use weir_tests::PLAYABLE_WITHIN;

/// What is promised from SIGTERM to the exit.
const EXITS_WITHIN: Duration = Duration::from_secs(5);
const GOES_ON_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_resumable_window_survives_the_restart() {
    let daemon = Daemon::start(Config::default()).await.unwrap();
    let encoder = Source::default().push(&daemon.publish_url()).unwrap();
    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await.unwrap();
    let mut before = HashMap::new();
    for path in hls.renditions().await.unwrap() {
        let playlist =
            hls.wait_playlist(&path, "three segments", GOES_ON_WITHIN, |playlist| playlist.segments.len() >= 3).await;
        let download = hls.download(&path, playlist.unwrap()).await.unwrap();
        before.insert(path, download);
    }
    let worker = daemon.wait_worker(None, GOES_ON_WITHIN).await.unwrap();
    let stopped = daemon.stop().await.unwrap();
    assert!(stopped.status.success(), "{}", stopped.status);
    assert!(stopped.took < EXITS_WITHIN, "{:?}", stopped.took);
    assert!(!proc::command_line(worker).contains("ladder-worker"));
    drop(encoder);

    let daemon = Daemon::start_in(stopped.home).await.unwrap();
    let hls = daemon.hls();
    hls.wait_playable(GOES_ON_WITHIN).await.unwrap();
    for (path, download) in &before {
        let playlist = hls.playlist(path).await.unwrap();
        check_change(&download.playlist, &playlist).unwrap();
        assert!(!playlist.ended);
        let again = hls.download(path, download.playlist.clone()).await.unwrap();
        let same = again.segments.iter().zip(&download.segments).all(|(a, b)| a.body == b.body && a.init == b.init);
        assert!(same, "{path}: other bytes under the same names");
    }
    let _encoder = Source::default().push(&daemon.publish_url()).unwrap();
    for (path, download) in &before {
        let playlist = hls
            .wait_playlist(path, "a segment after the restart", GOES_ON_WITHIN, |playlist| {
                playlist.segments.iter().any(|segment| segment.epoch == 1)
            })
            .await
            .unwrap();
        check_change(&download.playlist, &playlist).unwrap();
        let after = playlist.segments.iter().find(|segment| segment.epoch == 1).unwrap();
        assert!(after.msn >= download.playlist.next_msn());
    }
    daemon.stop().await.unwrap();
}

/// The parts listed of the segment that is not finished, one after the other, if there are any.
async fn open_parts(daemon: &Daemon, path: &str) -> Option<Vec<u8>> {
    let playlist = daemon.http().fetch(path).await.ok()?;
    let (folder, _) = path.rsplit_once('/')?;
    let (_, open) = playlist.text().ok()?.rsplit_once(".m4s\n")?;
    let mut bytes = Vec::new();
    for line in open.lines().filter(|line| line.starts_with("#EXT-X-PART:")) {
        let name = line.split_once("URI=\"")?.1.split('"').next()?;
        bytes.extend_from_slice(&daemon.http().fetch(&format!("{folder}/{name}")).await.ok()?.body);
    }
    (!bytes.is_empty()).then_some(bytes)
}

#[tokio::test]
async fn numbers_do_not_go_back_after_a_kill() {
    let daemon = Daemon::start(Config::default()).await.unwrap();
    let encoder = Source::default().push(&daemon.publish_url()).unwrap();
    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await.unwrap();
    let mut before = HashMap::new();
    for path in hls.renditions().await.unwrap() {
        let playlist =
            hls.wait_playlist(&path, "three segments", GOES_ON_WITHIN, |playlist| playlist.segments.len() >= 3).await;
        let download = hls.download(&path, playlist.unwrap()).await.unwrap();
        let parts = until("a part", GOES_ON_WITHIN, async || Ok(open_parts(&daemon, &path).await)).await.unwrap();
        before.insert(path, (download, parts));
    }
    let home = daemon.kill().await.unwrap();
    drop(encoder);

    let daemon = Daemon::start_in(home).await.unwrap();
    let hls = daemon.hls();
    hls.wait_playable(GOES_ON_WITHIN).await.unwrap();
    for (path, (download, parts)) in &before {
        let playlist = hls.playlist(path).await.unwrap();
        check_change(&download.playlist, &playlist).unwrap();
        let again = hls.download(path, playlist.clone()).await.unwrap();
        let same = again.segments.iter().zip(&download.segments).all(|(a, b)| a.body == b.body && a.init == b.init);
        assert!(same, "{path}: other bytes under the same names");
        // The parts that were there are in it as they were, whichever segment was open when they were asked for.
        let whole = again.segments.iter().any(|piece| piece.body.starts_with(parts));
        assert!(whole, "{path}: parts that were listed are lost");
    }
    let _encoder = Source::default().push(&daemon.publish_url()).unwrap();
    for (path, (download, _)) in &before {
        let playlist = hls
            .wait_playlist(path, "a segment after the kill", GOES_ON_WITHIN, |playlist| {
                playlist.segments.iter().any(|segment| segment.epoch == 1)
            })
            .await
            .unwrap();
        check_change(&download.playlist, &playlist).unwrap();
        // Names carry the number with which they were made: none was left out.
        assert!(playlist.segments.iter().all(|segment| segment.uri.ends_with(&format!("-{}.m4s", segment.msn))));
        assert_eq!(playlist.discontinuities, 1);
    }
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn a_daemon_told_to_end_its_playlists_says_endlist() {
    let daemon = Daemon::start(Config { on_shutdown: "end", ..Config::default() }).await.unwrap();
    let _encoder = Source::default().push(&daemon.publish_url()).unwrap();
    let hls = daemon.hls();
    hls.wait_playable(PLAYABLE_WITHIN).await.unwrap();
    let path = hls.renditions().await.unwrap()[0].clone();
    let before = hls.playlist(&path).await.unwrap();
    let stop = tokio::spawn(daemon.stop());
    let ended = until("ENDLIST before the exit", EXITS_WITHIN, async || {
        let Ok(playlist) = hls.playlist(&path).await else { return Ok(None) };
        check_change(&before, &playlist)?;
        Ok(playlist.ended.then_some(playlist))
    })
    .await;
    let stopped = stop.await.unwrap().unwrap();
    assert!(stopped.status.success() && stopped.took < EXITS_WITHIN, "{} {:?}", stopped.status, stopped.took);
    assert!(ended.unwrap().next_msn() >= before.next_msn());
}

#[tokio::test]
async fn an_idle_daemon_ends_at_once() {
    let stopped = Daemon::start(Config::default()).await.unwrap().stop().await.unwrap();
    assert!(stopped.status.success() && stopped.took < Duration::from_secs(2), "{:?}", stopped.took);
}

#[tokio::test]
async fn a_port_in_use_is_said_in_a_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let home = Home::new(Config { rtmp_listen: address.to_string(), ..Config::default() }).unwrap();
    let mut command = Command::new(binary().unwrap());
    command.arg("serve").arg("--config").arg(home.config_file());
    let mut process = Process::spawn("weir", command, &[]).unwrap();
    let status = process.wait(GOES_ON_WITHIN).await.unwrap();
    assert_eq!(status.code(), Some(71));
    let text = process.err.text().replace(&address.port().to_string(), "PORT");
    let golden = "weir: RTMP cannot listen on 127.0.0.1:PORT: the address is already in use by another program ([rtmp] \
                  listen in the configuration)\n  help: `ss -ltnp 'sport = :PORT'` shows what listens there now";
    assert_eq!(text, golden);
}
