use std::time::Instant;

use bytes::Bytes;
use weir_packager::{Config, Latency, Packager, Position, RestoreError, SavedWindow, Snapshot};

use crate::observer::parse;
use crate::support::{Feed, SESSION, WALL_MS, packager};

/// FNV-1a over all but the last eight bytes, into them.
pub fn fix_checksum(file: &mut [u8]) {
    let Some(at) = file.len().checked_sub(8) else { return };
    let hash = |state: u64, &byte: &u8| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let sum = file[..at].iter().fold(0xcbf2_9ce4_8422_2325, hash);
    file[at..].copy_from_slice(&sum.to_be_bytes());
}

fn config() -> Config {
    Config::new(Latency::Standard, 2000, 10).expect("in range")
}

/// A packager that ran for 31 s, and its file.
fn saved() -> (Packager, Vec<u8>) {
    let mut packager = packager(2000, 10);
    let mut feed = Feed::plain();
    feed.start(&mut packager, WALL_MS);
    feed.run(&mut packager, 31_000, |_| ()).expect("good frames");
    packager.end_epoch();
    let mut file = Vec::new();
    packager.save().write_to(&mut file).expect("memory");
    (packager, file)
}

fn restore(file: &[u8], position: Position) -> Result<Packager, RestoreError> {
    Packager::restore(config(), "f00dfeed", position, SavedWindow::from_bytes(Bytes::copy_from_slice(file)))
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
    let (mut before, file) = saved();
    let mut after = restore(&file, before.position()).expect("what was saved");
    let (a, b) = (
        before.take_snapshot(Instant::now()).expect("changed"),
        after.take_snapshot(Instant::now()).expect("restored"),
    );
    assert_eq!(a.renditions.len(), 4);
    same(&a, &b);
    assert_eq!(before.position(), after.position());
}

#[test]
fn a_restored_window_goes_on_with_one_discontinuity() {
    let (before, file) = saved();
    let mut after = restore(&file, before.position()).expect("what was saved");
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
fn a_window_older_than_the_position_is_refused() {
    let (before, file) = saved();
    let found = before.position();
    let wanted = Position { next_msn: found.next_msn + 1, ..found };
    assert_eq!(restore(&file, wanted).expect_err("stale"), RestoreError::Stale { wanted, found });
}

#[test]
fn a_window_of_another_target_duration_is_refused() {
    let (before, file) = saved();
    let other = Config::new(Latency::Standard, 4000, 10).expect("in range");
    let window = SavedWindow::from_bytes(file.into());
    let error = Packager::restore(other, "f00dfeed", before.position(), window).expect_err("another");
    assert_eq!(error, RestoreError::TargetDuration { wanted: 4, found: 2 });
}

#[test]
fn a_damaged_window_is_refused() {
    let (before, file) = saved();
    let refused = |file: &[u8]| restore(file, before.position()).expect_err("damaged");
    assert_eq!(refused(b""), RestoreError::Magic);
    assert_eq!(refused(b"weirwin\x01 and more"), RestoreError::Magic);
    assert_eq!(refused(&file[..12]), RestoreError::Short);
    assert!(matches!(refused(&file[..file.len() - 1]), RestoreError::Checksum { .. }));
    let mut flipped = file.clone();
    flipped[file.len() / 2] ^= 1;
    assert!(matches!(refused(&flipped), RestoreError::Checksum { .. }));
    // With the checksum made right it is still not what could have been saved.
    let mut cut = file[..file.len() / 2].to_vec();
    fix_checksum(&mut cut);
    assert_eq!(refused(&cut), RestoreError::Short);
    let mut longer = file.clone();
    longer.extend_from_slice(&[0; 4]);
    fix_checksum(&mut longer);
    assert_eq!(refused(&longer), RestoreError::Field("rest"));
}

#[test]
fn an_ended_presentation_is_restored_ended() {
    let (mut before, _) = saved();
    before.end();
    let mut file = Vec::new();
    before.save().write_to(&mut file).expect("memory");
    let mut after = restore(&file, before.position()).expect("what was saved");
    assert!(after.take_snapshot(Instant::now()).expect("restored").ended);
    assert!(after.start_epoch(Feed::plain().epoch(WALL_MS)).is_err());
}
