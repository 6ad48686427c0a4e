use std::time::Instant;

use weir_packager::{Config, Latency, Packager, Position, RestoreError, Snapshot};

use crate::files::{Files, fix_checksums};
use crate::observer::parse;
use crate::support::{Feed, SESSION, WALL_MS, packager};

fn config() -> Config {
    Config::new(Latency::Standard, 2000, 10).expect("in range")
}

/// A packager that ran for 31 s, and its files.
fn saved() -> (Packager, Files) {
    let (mut packager, mut files) = (packager(2000, 10).journaled(), Files::default());
    let mut feed = Feed::plain();
    feed.start(&mut packager, WALL_MS);
    feed.run(&mut packager, 31_000, |packager| files.write(packager)).expect("good frames");
    packager.end_epoch();
    files.write(&mut packager);
    (packager, files)
}

fn restore(files: &Files, position: Position) -> Result<Packager, RestoreError> {
    files.read(config(), "f00dfeed", position).map(|restored| restored.packager)
}

fn same(a: &Snapshot, b: &Snapshot) {
    assert_eq!(a.multivariant.plain, b.multivariant.plain);
    for (a, b) in a.renditions.iter().zip(&b.renditions) {
        assert_eq!((&a.name, &a.playlist.plain, &a.playlist.etag), (&b.name, &b.playlist.plain, &b.playlist.etag));
        assert_eq!(a.media.len(), b.media.len());
        for (name, file) in &a.media {
            let other = &b.media[name];
            assert_eq!(
                (file.pieces.concat(), &file.etag, file.content_type),
                (other.pieces.concat(), &other.etag, other.content_type)
            );
        }
    }
}

#[test]
fn a_restored_window_answers_as_before() {
    let (mut before, files) = saved();
    let mut after = restore(&files, before.position()).expect("what was recorded");
    let (a, b) = (
        before.take_snapshot(Instant::now()).expect("changed"),
        after.take_snapshot(Instant::now()).expect("restored"),
    );
    assert_eq!(a.renditions.len(), 4);
    same(&a, &b);
    assert_eq!((before.position(), before.counters().segments), (after.position(), after.counters().segments));
    // A file for every segment that is still to be had, one of whose names is that of the initialisation section.
    assert_eq!(files.by_msn.len(), a.renditions[0].media.len() - 1);
}

#[test]
fn a_restored_window_goes_on_with_one_discontinuity() {
    let (before, files) = saved();
    let mut after = restore(&files, before.position()).expect("what was recorded");
    let mut feed = Feed::plain();
    feed.start(&mut after, WALL_MS + 90_000);
    feed.run(&mut after, 5000, |_| ()).expect("good frames");
    let snapshot = after.take_snapshot(Instant::now()).expect("changed");
    let parsed = parse(&snapshot.rendition("720p").expect("there").playlist.plain);
    let joints: Vec<_> = parsed.entries.iter().filter(|entry| entry.discontinuity).collect();
    assert_eq!(joints.len(), 1);
    // 15 whole segments and a partial one came before.
    assert_eq!(joints[0].uri, "f00dfeed-16.m4s");
    assert_eq!(joints[0].wall_ms, WALL_MS + 90_000);
    assert_eq!(parsed.msn + parsed.entries.len() as u64, 18);
    assert!(parsed.entries.iter().any(|entry| entry.uri == format!("{SESSION}-15.m4s")));
}

#[test]
fn a_position_alone_goes_on_where_it_stood() {
    let (before, _) = saved();
    let position = before.position();
    // The last AAC frame ends 31.019 s in, later than any video.
    assert_eq!(position, Position { next_msn: 16, next_discontinuity: 1, next_base_ms: 31_019 });
    let mut after = Packager::new(config(), "f00dfeed", position).expect("a good session id");
    let mut feed = Feed::plain();
    feed.start(&mut after, WALL_MS);
    feed.run(&mut after, 5000, |_| ()).expect("good frames");
    let snapshot = after.take_snapshot(Instant::now()).expect("changed");
    let first = &snapshot.renditions[0];
    let parsed = parse(&first.playlist.plain);
    assert_eq!((parsed.msn, parsed.dseq, parsed.entries[0].discontinuity), (16, Some(0), true));
    let (start, ..) = crate::observer::timing(&first.media["f00dfeed-16.m4s"].pieces.concat());
    assert_eq!(start, 31_019 * 30);
}

#[test]
fn a_journal_older_than_the_position_is_refused() {
    let (before, files) = saved();
    let found = before.position();
    let wanted = Position { next_msn: found.next_msn + 1, ..found };
    assert_eq!(restore(&files, wanted).expect_err("stale"), RestoreError::Stale { wanted, found });
}

#[test]
fn a_journal_of_another_target_duration_is_refused() {
    let (before, files) = saved();
    let other = Config::new(Latency::Standard, 4000, 10).expect("in range");
    let error = files.read(other, "f00dfeed", before.position()).expect_err("another");
    assert_eq!(error, RestoreError::TargetDuration { wanted: 4, found: 2 });
}

#[test]
fn segments_that_were_published_whole_have_no_parts_when_others_do() {
    let (mut before, mut files) = saved();
    before.fill(WALL_MS + 36_000);
    files.write(&mut before);
    let low = Config::new(Latency::Low, 2000, 10).expect("in range");
    let mut after = files.resume(low, "f00dfeed", before.position()).expect("what was recorded");
    let snapshot = after.take_snapshot(Instant::now()).expect("restored");
    let text = std::str::from_utf8(&snapshot.renditions[0].playlist.plain).expect("UTF-8");
    assert!(text.contains("EXT-X-PART-INF") && text.contains("EXT-X-GAP") && !text.contains("EXT-X-PART:"), "{text}");
}

#[test]
fn a_damaged_journal_is_refused() {
    let (before, files) = saved();
    let refused = |change: &dyn Fn(&mut Files)| {
        let mut files = files.clone();
        change(&mut files);
        restore(&files, before.position()).expect_err("damaged")
    };
    assert_eq!(refused(&|files| files.by_msn.clear()), RestoreError::Missing { msn: 0 });
    assert_eq!(refused(&|files| *files.last() = b"weirjnl\x02".to_vec()), RestoreError::Magic { msn: 15 });
    let flipped = |at: usize| refused(&|files: &mut Files| files.last()[at] ^= 1);
    assert_eq!(flipped(8 + 7), RestoreError::Field("length of a record"));
    assert!(matches!(flipped(8 + 20 + 5), RestoreError::Checksum { msn: 15, .. }));
    // With the checksum made right it is still not what could have been recorded.
    let fixed = |at: usize, value: u8| {
        refused(&|files: &mut Files| {
            files.last()[at] = value;
            fix_checksums(files.last());
        })
    };
    assert_eq!(fixed(8 + 20, 7), RestoreError::Field("record"));
    assert_eq!(fixed(8 + 20 + 5 + 7, 14), RestoreError::Field("name of a segment"));
    assert_eq!(fixed(8 + 20 + 5, 0x40), RestoreError::Field("number"));
    // A segment in the middle is not left out: its number would be another one's.
    let without = |msn: u64| refused(&|files: &mut Files| drop(files.by_msn.remove(&msn)));
    assert_eq!(without(12), RestoreError::Missing { msn: 12 });
    let cut = |msn: u64| refused(&|files: &mut Files| files.by_msn.get_mut(&msn).expect("there").truncate(4000));
    assert_eq!(cut(12), RestoreError::Short);
}

#[test]
fn a_file_that_left_the_playlists_for_good_need_not_be_there() {
    let (before, mut files) = saved();
    let oldest = *files.by_msn.keys().next().expect("files");
    files.by_msn.remove(&oldest);
    let restored = files.read(config(), "f00dfeed", before.position()).expect("all that is listed");
    assert_eq!(restored.files, oldest + 1..=15);
}

#[test]
fn what_was_cut_off_was_never_seen_and_is_left_out() {
    let (mut packager, mut files) = (packager(2000, 10).journaled(), Files::default());
    let mut feed = Feed::plain();
    feed.start(&mut packager, WALL_MS);
    feed.run(&mut packager, 6000, |packager| files.write(packager)).expect("good frames");
    let whole = files.by_msn[&2].len();
    let position = Position { next_msn: 2, ..Position::default() };
    for length in (0..whole).step_by(97) {
        let mut files = files.clone();
        files.last().truncate(length);
        let mut after = files.resume(config(), "f00dfeed", position).expect("two segments");
        assert_eq!((after.position().next_msn, files.by_msn.len()), (2, 2));
        assert_eq!(after.take_snapshot(Instant::now()).expect("restored").edge.next_msn, 2);
    }
}

#[test]
fn an_ended_presentation_records_nothing() {
    let (mut before, _) = saved();
    before.end();
    assert!(before.has_ended() && before.take_journal().is_none());
}
