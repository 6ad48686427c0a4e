use std::fs;
use std::path::Path;

use bytes::Bytes;
use weir_media::{AudioParams, FrameRate, VideoParams};
use weir_packager::{Config, Latency, RenditionSpec, SegmentGrid};

use super::*;
use crate::files::ChannelFiles;

/// As x264 makes it for 640x360.
const AVCC: &[u8] = b"\x01\x4d\x40\x1e\xff\xe1\x00\x19\x67\x4d\x40\x1e\xda\x02\x80\xbf\xe5\xc0\x44\x00\x00\x03\x00\x04\
    \x00\x00\x03\x00\xf0\x3c\x58\xba\x80\x01\x00\x04\x68\xef\x0f\xc8";
const WALL_MS: i64 = 1_767_323_045_678;
const RATE: FrameRate = FrameRate { num: 25, den: 1 };

type Snapshots = watch::Receiver<Option<Arc<Snapshot>>>;

fn config() -> Config {
    Config::new(Latency::Low, 1000, 10).expect("in range")
}

fn files(state: &Path) -> ChannelFiles {
    ChannelFiles::open(state, "event").expect("opens")
}

fn begun(state: &Path, session: &str) -> (Show, Snapshots) {
    let (packager, ledger) = files(state).begin(config(), session).expect("begins");
    show(packager, ledger)
}

fn resumed(state: &Path, session: &str) -> Option<(Show, Snapshots)> {
    let (packager, ledger) = files(state).resume(config(), session).expect("readable")?;
    Some(show(packager, ledger))
}

fn show(packager: Packager, ledger: Ledger) -> (Show, Snapshots) {
    let (snapshots, seen) = watch::channel(None);
    (Show::new("event", packager, ledger, Arc::new(snapshots)), seen)
}

fn formats() -> [TrackFormat; 2] {
    let params = VideoParams::from_avcc(Bytes::from_static(AVCC)).expect("made by x264");
    [TrackFormat::Video { params, frame_rate: RATE }, TrackFormat::Audio { params: AudioParams::lc_48k_stereo() }]
}

/// An epoch from `wall_ms` on, in which everything between the two times is pushed and published.
async fn run(show: &mut Show, wall_ms: i64, from_ms: i64, until_ms: i64) {
    if from_ms == 0 {
        let spec = |name: &str, kind| RenditionSpec { name: name.to_owned(), kind };
        let renditions = vec![spec("360p", TrackKind::Video), spec("audio", TrackKind::Audio)];
        let segment = SegmentGrid { frames_per_segment: 25, frame_rate: RATE };
        show.packager.start_epoch(Epoch { segment, wall_start_ms: wall_ms, renditions }).expect("a good epoch");
        for (index, format) in formats().into_iter().enumerate() {
            show.packager.set_format(index, format).expect("a good format");
        }
    }
    for at_ms in (from_ms..until_ms).step_by(40) {
        for (index, format) in formats().into_iter().enumerate() {
            let (scale, ticks) = (i64::from(format.timescale()), i64::from(format.frame_ticks()));
            let first = |ms: i64| (ms * scale + ticks * 1000 - 1) / (ticks * 1000);
            for number in first(at_ms)..first(at_ms + 40) {
                let (kind, dts) = (format.kind(), number * ticks);
                let keyframe = kind == TrackKind::Audio || number % 25 == 0;
                let data = Bytes::from(number.to_be_bytes().to_vec());
                show.packager.push(index, Frame { kind, dts, pts: dts, keyframe, data }).expect("a good frame");
            }
        }
        show.publish().await;
    }
}

fn now(seen: &Snapshots) -> Arc<Snapshot> {
    seen.borrow().clone().expect("something to see")
}

fn text(snapshot: &Snapshot) -> String {
    String::from_utf8(snapshot.renditions[0].playlist.plain.to_vec()).expect("UTF-8")
}

/// Everything of `before` that can be asked for, parts of the segment that was open included, is in `after` the same.
fn goes_on(before: &Snapshot, after: &Snapshot) {
    for (old, new) in before.renditions.iter().zip(&after.renditions) {
        for (name, file) in &old.media {
            assert_eq!(file.pieces.concat(), new.media[name].pieces.concat(), "{name}");
        }
        let [old, new] = [old, new].map(|found| String::from_utf8(found.playlist.plain.to_vec()).expect("UTF-8"));
        // Those of finished segments need not be listed any longer.
        let (finished, open) = old.rsplit_once(".m4s\n").expect("a finished segment");
        let segments = finished.lines().filter(|line| !line.starts_with('#'));
        let parts = open.lines().filter(|line| line.starts_with("#EXT-X-PART:"));
        assert!(segments.chain(parts).all(|line| new.contains(line)), "{old}{new}");
    }
}

#[tokio::test]
async fn a_killed_broadcast_goes_on_with_everything_that_was_seen() {
    let state = tempfile::tempdir().expect("folder");
    let (mut first, seen) = begun(state.path(), "session1");
    run(&mut first, WALL_MS, 0, 4600).await;
    let before = now(&seen);
    assert_eq!((before.edge.next_msn, before.edge.parts), (4, 1));
    drop(first);

    let (mut second, seen) = resumed(state.path(), "session2").expect("kept");
    second.publish().await;
    let after = now(&seen);
    goes_on(&before, &after);
    assert_eq!((after.edge.next_msn, after.edge.parts), (5, 0));
    run(&mut second, WALL_MS + 20_000, 0, 1600).await;
    let before = now(&seen);
    // Names go on too, so that a part that was hinted at before the kill comes under that name.
    assert!(text(&before).contains("#EXT-X-DISCONTINUITY\n") && text(&before).contains("session1-5.m4s"));
    let hint = after.renditions[0].hint.as_ref().expect("hinted");
    assert!(before.renditions[0].media.contains_key(hint), "{hint}");
    drop(second);

    let (mut third, seen) = resumed(state.path(), "session3").expect("kept");
    third.publish().await;
    goes_on(&before, &now(&seen));
    assert_eq!(now(&seen).edge.next_msn, 7);
}

#[tokio::test]
async fn what_was_cut_off_by_the_kill_is_written_over() {
    let state = tempfile::tempdir().expect("folder");
    let (mut first, _) = begun(state.path(), "session1");
    run(&mut first, WALL_MS, 0, 2600).await;
    drop(first);
    let last = state.path().join("event/journal-session1/2.bin");
    let whole = fs::read(&last).expect("there");
    fs::write(&last, [&whole[..], &whole[8..60]].concat()).expect("written");
    // Half of the state of a segment that nobody saw.
    fs::write(last.with_file_name("3.bin"), &whole[..50]).expect("written");
    let (second, _) = resumed(state.path(), "session2").expect("kept");
    assert_eq!((fs::read(&last).expect("there"), last.with_file_name("3.bin").exists()), (whole, false));
    drop(second);
    let (mut third, seen) = resumed(state.path(), "session3").expect("kept");
    third.publish().await;
    assert_eq!(now(&seen).edge.next_msn, 3);
}

#[tokio::test]
async fn a_machine_that_was_restarted_begins_behind_the_reservation() {
    let state = tempfile::tempdir().expect("folder");
    let (mut first, seen) = begun(state.path(), "session1");
    run(&mut first, WALL_MS, 0, 3600).await;
    assert_eq!(now(&seen).edge.next_msn, 3);
    drop(first);
    let position = state.path().join("event/position.json");
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("Linux");
    let text = fs::read_to_string(&position).expect("there");
    fs::write(&position, text.replace(boot.trim(), "another")).expect("written");
    assert!(resumed(state.path(), "session2").is_none());
    assert!(!state.path().join("event/journal-session1").exists());
    let (mut second, seen) = begun(state.path(), "session2");
    run(&mut second, WALL_MS + 20_000, 0, 2600).await;
    assert!(now(&seen).edge.next_msn > 64);
}

#[tokio::test]
async fn what_was_suspended_goes_on_exactly_even_on_a_machine_that_was_restarted() {
    let state = tempfile::tempdir().expect("folder");
    let (mut first, seen) = begun(state.path(), "session1");
    run(&mut first, WALL_MS, 0, 3600).await;
    first.suspend().await.expect("kept");
    let before = now(&seen);
    let text = fs::read_to_string(state.path().join("event/position.json")).expect("there");
    assert!(text.contains("\"boot\":null") && text.starts_with("{\"next_msn\":4,"), "{text}");
    let (mut second, seen) = resumed(state.path(), "session2").expect("kept");
    second.publish().await;
    goes_on(&before, &now(&seen));
    assert_eq!(now(&seen).edge.next_msn, before.edge.next_msn);
}

#[tokio::test]
async fn what_has_ended_is_never_gone_on_with() {
    let state = tempfile::tempdir().expect("folder");
    let (mut first, seen) = begun(state.path(), "session1");
    run(&mut first, WALL_MS, 0, 3600).await;
    first.end().await;
    assert!(now(&seen).ended);
    let folder = state.path().join("event/journal-session1");
    assert!(!folder.exists() && resumed(state.path(), "session2").is_none());
    // Nor if its files were still there.
    let (mut second, _) = begun(state.path(), "session2");
    run(&mut second, WALL_MS, 0, 3600).await;
    fs::rename(state.path().join("event/journal-session2"), &folder).expect("renamed");
    drop(second);
    assert!(resumed(state.path(), "session3").is_none() && !folder.exists());
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_is_dropped_and_the_broadcast_goes_on() {
    let state = tempfile::tempdir().expect("folder");
    let (mut first, seen) = begun(state.path(), "session1");
    run(&mut first, WALL_MS, 0, 3000).await;
    let folder = state.path().join("event/journal-session1");
    fs::create_dir(folder.join("3.bin")).expect("in the way");
    run(&mut first, WALL_MS, 3000, 5600).await;
    assert_eq!(now(&seen).edge.next_msn, 5);
    assert!(!folder.exists());
    drop(first);
    assert!(resumed(state.path(), "session2").is_none());
    let (mut second, seen) = begun(state.path(), "session2");
    run(&mut second, WALL_MS + 20_000, 0, 2600).await;
    assert!(now(&seen).edge.next_msn > 64);
}

#[tokio::test]
async fn a_journal_that_could_not_be_written_for_a_while_is_whole_again_after_it() {
    let state = tempfile::tempdir().expect("folder");
    let (mut first, seen) = begun(state.path(), "session1");
    run(&mut first, WALL_MS, 0, 3000).await;
    let folder = state.path().join("event/journal-session1");
    fs::create_dir(folder.join("3.bin")).expect("in the way");
    run(&mut first, WALL_MS, 3000, 5600).await;
    let aside = state.path().join("event/journal-session1.behind");
    assert!(aside.exists() && !folder.exists());
    fs::remove_dir(aside.join("3.bin")).expect("removed");
    run(&mut first, WALL_MS, 5600, 7600).await;
    assert!(folder.exists() && !aside.exists());
    let before = now(&seen);
    drop(first);

    let (mut second, seen) = resumed(state.path(), "session2").expect("kept");
    second.publish().await;
    goes_on(&before, &now(&seen));
}

#[tokio::test]
async fn segments_are_other_than_configured_and_playlists_begin_anew() {
    let state = tempfile::tempdir().expect("folder");
    let (mut first, _) = begun(state.path(), "session1");
    run(&mut first, WALL_MS, 0, 3600).await;
    drop(first);
    let other = Config::new(Latency::Low, 4000, 10).expect("in range");
    assert!(files(state.path()).resume(other, "session2").expect("readable").is_none());
    assert!(resumed(state.path(), "session3").is_none());
}

#[tokio::test]
async fn the_public_part_is_seen_once_there_is_enough_of_it() {
    let state = tempfile::tempdir().expect("folder");
    let (packager, ledger) = files(state.path()).begin(config(), "session1").expect("begins");
    let (mut show, seen) = show(packager.private(), ledger);
    run(&mut show, WALL_MS, 0, 3600).await;
    assert!(now(&seen).private);
    show.open_to_public().await;
    run(&mut show, WALL_MS, 3600, 5960).await;
    // Four segments are private, and one of the public is finished.
    assert_eq!((now(&seen).private, now(&seen).edge.next_msn), (true, 4));
    drop(show);

    let (mut show, seen) = resumed(state.path(), "session2").expect("kept");
    show.publish().await;
    // What was open is finished, and with it there are two.
    let public = now(&seen);
    assert_eq!((public.private, public.edge.next_msn), (false, 6));
    assert!(text(&public).contains("MEDIA-SEQUENCE:4") && !text(&public).contains("session1-3.m4s"));
}

#[tokio::test]
async fn a_restart_does_not_show_what_is_held_back() {
    let state = tempfile::tempdir().expect("folder");
    let (packager, ledger) = files(state.path()).begin(config(), "session1").expect("begins");
    let (mut show, _) = show(packager.private(), ledger);
    run(&mut show, WALL_MS, 0, 3600).await;
    show.open_to_public().await;
    drop(show);
    let (mut show, seen) = resumed(state.path(), "session2").expect("kept");
    show.publish().await;
    assert!(now(&seen).private);
    let at = Instant::now();
    show.wall = Wall::new(at, WALL_MS + 4700);
    show.fill(at).await;
    drop(show);
    let (mut show, seen) = resumed(state.path(), "session3").expect("kept");
    show.publish().await;
    run(&mut show, WALL_MS + 6000, 0, 1600).await;
    assert!(seen.borrow().is_none());
    // What there is of the public part may be seen once it is all there will be.
    show.end().await;
    let ended = now(&seen);
    assert!(ended.ended && !ended.private && text(&ended).contains("session1-5.m4s"));
    // What was sent in private: four segments in eight parts.
    let segments = (0..4).map(|msn| format!("session1-{msn}.m4s"));
    for private in segments.chain((0..8).map(|part| format!("session1-p{part}.m4s"))) {
        assert!(!text(&ended).contains(&private) && !ended.renditions[0].media.contains_key(&private), "{private}");
    }
}

#[tokio::test]
async fn nothing_remains_of_an_event_that_is_removed() {
    let state = tempfile::tempdir().expect("folder");
    let (mut show, _) = begun(state.path(), "session1");
    run(&mut show, WALL_MS, 0, 3600).await;
    show.end().await;
    files(state.path()).remove().expect("removed");
    assert_eq!(fs::read_dir(state.path()).expect("there").count(), 0);
}

#[tokio::test]
async fn gaps_go_on_in_real_time_when_the_clock_was_put_back() {
    let state = tempfile::tempdir().expect("folder");
    let (mut show, _) = begun(state.path(), "session1");
    run(&mut show, WALL_MS, 0, 4000).await;
    show.packager.end_epoch();
    let (ended, hour_ms) = (Instant::now(), 3_600_000);
    let put_back = Wall::new(ended, WALL_MS + 4000 - hour_ms);
    show.wall = put_back.going_on(ended, show.packager.dated_ms());
    let before = show.packager.edge().next_msn;
    show.fill(ended + Duration::from_millis(3100)).await;
    assert_eq!(show.packager.edge().next_msn, before + 3);
}

#[tokio::test]
async fn a_gap_behind_media_that_are_ahead_of_the_clock_is_told_in_time() {
    let state = tempfile::tempdir().expect("folder");
    let (mut show, _) = begun(state.path(), "session1");
    run(&mut show, WALL_MS, 0, 4000).await;
    show.end_epoch();
    let (ended, dated_ms) = show.media_ended.expect("media came");
    // What a stalled uplink had held back came at once, five seconds of it.
    show.wall = Wall::new(ended, dated_ms - 5000);
    let before = show.packager.edge().next_msn;
    show.fill(ended + Duration::from_millis(1300)).await;
    assert_eq!(show.packager.edge().next_msn, before + 1);
    // The clock catches up, and from there on dates are its own.
    for (after_s, told_s) in [(20, 16), (25, 20), (30, 25)] {
        show.fill(ended + Duration::from_secs(after_s)).await;
        assert_eq!(show.packager.dated_ms(), Some(dated_ms + told_s * 1000), "{after_s} s after the end");
    }
}
