//! Playlists in parts, gaps between epochs, delta updates and I-frame playlists.

use std::collections::HashMap;
use std::time::Instant;

use insta::assert_snapshot;
use proptest::prelude::*;
use weir_media::FrameRate;
use weir_packager::{Config, Latency, Packager, Position, RenditionSnapshot, Snapshot};

use crate::files::Files;
use crate::support::{Feed, SESSION, WALL_MS};

fn packager(segment_ms: u32, window_s: u32) -> Packager {
    let config = Config::new(Latency::Low, segment_ms, window_s).expect("in range");
    Packager::new(config, SESSION, Position::default()).expect("a good session id")
}

fn text(playlist: &weir_packager::Playlist) -> &str {
    std::str::from_utf8(&playlist.plain).expect("UTF-8")
}

/// What is above the segments changes little, so goldens begin below it.
fn body(text: &str) -> &str {
    text.split_once("EXT-X-DISCONTINUITY-SEQUENCE:").expect("a head").1
}

fn rendition<'a>(snapshot: &'a Snapshot, name: &str) -> &'a RenditionSnapshot {
    snapshot.rendition(name).expect("there")
}

fn small() -> Feed {
    let rate = FrameRate::new(30, 1);
    Feed::new(&["360p"], rate, rate, 60)
}

#[test]
fn a_playlist_lists_the_parts_of_what_is_not_finished() {
    let mut packager = packager(2000, 60);
    let mut feed = small();
    feed.start(&mut packager, WALL_MS);
    feed.run(&mut packager, 3100, |_| ()).expect("good frames");
    let snapshot = packager.take_snapshot(Instant::now()).expect("changed");
    assert_snapshot!(text(&rendition(&snapshot, "360p").playlist));
    assert_snapshot!(body(text(&rendition(&snapshot, "audio").playlist)));
    assert_snapshot!(text(rendition(&snapshot, "360p").iframes.as_ref().expect("of video")));
    assert!(rendition(&snapshot, "audio").iframes.is_none());
    let edge = snapshot.edge;
    assert_eq!((edge.next_msn, edge.parts, edge.last_parts), (1, 2, 4));
    assert_eq!(edge.part.map(|part| (part.target_ms, part.per_segment)), Some((512, 4)));
    assert_eq!(packager.position().next_msn, 2);
}

#[test]
fn what_never_came_is_a_gap_and_then_a_discontinuity() {
    let mut packager = packager(2000, 60);
    let mut feed = small();
    feed.start(&mut packager, WALL_MS);
    feed.run(&mut packager, 2800, |_| ()).expect("good frames");
    packager.fill(WALL_MS + 60_000);
    packager.end_epoch();
    // 2.8 s of video, and of audio to 2.795 s: the gap begins where the longer ends.
    packager.fill(WALL_MS + 3299);
    assert_eq!(packager.take_snapshot(Instant::now()).expect("changed").edge.next_msn, 2);
    packager.fill(WALL_MS + 5900);
    let away = packager.take_snapshot(Instant::now()).expect("changed");
    assert_snapshot!(body(text(&rendition(&away, "360p").playlist)));
    small().start(&mut packager, WALL_MS + 6000);
    let mut feed = small();
    feed.run(&mut packager, 600, |_| ()).expect("good frames");
    let back = packager.take_snapshot(Instant::now()).expect("changed");
    assert_snapshot!(body(text(&rendition(&back, "audio").playlist)));
    assert_snapshot!(body(text(rendition(&back, "360p").iframes.as_ref().expect("of video"))));
    packager.end();
    let ended = packager.take_snapshot(Instant::now()).expect("changed");
    assert!(text(&rendition(&ended, "360p").playlist).ends_with("EXT-X-ENDLIST\n"));
    assert!(rendition(&ended, "360p").hint.is_none() && rendition(&ended, "360p").delta.is_none());
    packager.fill(WALL_MS + 90_000);
    assert!(packager.take_snapshot(Instant::now()).is_none());
}

#[test]
fn a_delta_leaves_out_what_is_behind_the_skip_boundary() {
    let mut packager = packager(2000, 60);
    let mut feed = small();
    feed.start(&mut packager, WALL_MS);
    feed.run(&mut packager, 19_600, |_| ()).expect("good frames");
    let snapshot = packager.take_snapshot(Instant::now()).expect("changed");
    let delta = text(rendition(&snapshot, "360p").delta.as_ref().expect("something to skip"));
    // 1.5 s of the open segment and six whole ones are kept.
    assert_snapshot!(delta.lines().take(12).collect::<Vec<_>>().join("\n"));
    let full = text(&rendition(&snapshot, "360p").playlist);
    let (_, kept) = delta.split_once("SKIPPED-SEGMENTS=3\n").expect("skips three");
    assert!(full.ends_with(kept));
}

#[test]
fn nothing_is_filled_before_there_is_something_and_a_long_absence_costs_no_more_than_the_window() {
    let mut packager = packager(2000, 20);
    packager.fill(WALL_MS);
    assert!(packager.take_snapshot(Instant::now()).is_none());
    let mut feed = small();
    feed.start(&mut packager, WALL_MS);
    feed.run(&mut packager, 4000, |_| ()).expect("good frames");
    packager.end_epoch();
    packager.fill(WALL_MS + 3_600_000);
    let snapshot = packager.take_snapshot(Instant::now()).expect("changed");
    assert_eq!(snapshot.edge.next_msn, 2 + 10);
}

#[test]
fn a_restored_window_has_its_gaps_and_pictures() {
    let (mut before, mut files) = (packager(2000, 60).journaled(), Files::default());
    let mut feed = small();
    feed.start(&mut before, WALL_MS);
    feed.run(&mut before, 4000, |_| ()).expect("good frames");
    before.end_epoch();
    before.fill(WALL_MS + 7000);
    // A gap that is not full is closed with the rest.
    before.end_epoch();
    files.write(&mut before);
    let config = Config::new(Latency::Low, 2000, 60).expect("in range");
    let mut after = files.resume(config, "f00dfeed", before.position()).expect("what was recorded");
    let lines = |packager: &mut Packager| {
        let snapshot = packager.take_snapshot(Instant::now()).expect("changed");
        let found = rendition(&snapshot, "360p");
        // Another run makes up other names.
        let kept = |line: &&str| !line.contains("HINT");
        let whole = [text(&found.playlist), text(found.iframes.as_ref().expect("of video"))].concat();
        whole.lines().filter(kept).map(str::to_owned).collect::<Vec<_>>()
    };
    let lines_before = lines(&mut before);
    assert_eq!(lines(&mut after), lines_before);
    assert_eq!(lines_before.iter().filter(|line| *line == "#EXT-X-GAP").count(), 2 + 2);
}

/// A playlist as a list of its segments' parts: URI, duration in microseconds, whether a gap, whether independent.
#[derive(Debug, Default, Clone)]
pub struct Listed {
    msn: u64,
    segments: Vec<SegmentOf>,
    pub hint: Option<String>,
}

#[derive(Debug, Default, Clone, PartialEq)]
struct SegmentOf {
    /// Name and duration; absent while it is open.
    whole: Option<(String, u64)>,
    gap: bool,
    parts: Vec<(String, u64, bool, bool)>,
}

fn quoted(line: &str) -> String {
    line.split_once("URI=\"").expect("a URI").1.split('"').next().expect("its end").to_owned()
}

fn micros(text: &str) -> u64 {
    let (whole, part) = text.split_once('.').expect("decimals");
    whole.parse::<u64>().expect("a number") * 1_000_000 + part[..6].parse::<u64>().expect("six decimals")
}

fn listed(text: &str) -> Listed {
    let mut found = Listed::default();
    let (mut open, mut duration) = (SegmentOf::default(), 0);
    for line in text.lines() {
        if let Some(msn) = line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
            found.msn = msn.parse().expect("a number");
        } else if let Some(part) = line.strip_prefix("#EXT-X-PART:DURATION=") {
            let flags = (part.contains("GAP=YES"), part.contains("INDEPENDENT=YES"));
            open.parts.push((quoted(part), micros(part), flags.0, flags.1));
        } else if let Some(extinf) = line.strip_prefix("#EXTINF:") {
            duration = micros(extinf);
        } else if line == "#EXT-X-GAP" {
            open.gap = true;
        } else if line.starts_with("#EXT-X-PRELOAD-HINT") {
            found.hint = Some(quoted(line));
        } else if !line.starts_with('#') {
            open.whole = Some((line.to_owned(), duration));
            found.segments.push(std::mem::take(&mut open));
        }
    }
    if !open.parts.is_empty() {
        found.segments.push(open);
    }
    found
}

/// Checks one snapshot by itself, and against the one before it.
pub fn check(snapshot: &Snapshot, before: &mut HashMap<String, Listed>) {
    let target_us = u64::from(snapshot.edge.part.expect("parts").target_ms) * 1000;
    for found in &snapshot.renditions {
        let name = &found.name;
        let now = listed(text(&found.playlist));
        let last = now.segments.last().expect("a segment");
        let open = last.whole.is_none();
        // The edge says what the text lists.
        let next_msn = now.msn + now.segments.len() as u64 - u64::from(open);
        assert_eq!(snapshot.edge.next_msn, next_msn, "{name}");
        assert_eq!(snapshot.edge.parts as usize, if open { last.parts.len() } else { 0 }, "{name}");
        for segment in &now.segments {
            let total = segment.parts.len();
            for (at, (uri, micros, gap, independent)) in segment.parts.iter().enumerate() {
                assert!(*micros > 0 && *micros <= target_us, "{name}: {uri} lasts {micros}");
                let whole = segment.whole.is_none() || at + 1 == total || *gap || *independent;
                assert!(whole || *micros * 100 >= target_us * 85, "{name}: {uri} lasts {micros}");
                assert_eq!(found.media.contains_key(uri), !gap, "{name}: {uri}");
                assert!(name == "audio" || *independent == (at == 0 && !gap), "{name}: {uri}");
            }
            let Some((uri, duration)) = &segment.whole else { continue };
            assert_eq!(found.media.contains_key(uri), !segment.gap, "{name}: {uri}");
            if total > 0 {
                assert_eq!(segment.parts.iter().map(|part| part.1).sum::<u64>(), *duration, "{name}: {uri}");
            }
            if total > 0 && !segment.gap {
                let parts: Vec<u8> =
                    segment.parts.iter().flat_map(|part| found.media[&part.0].pieces.concat()).collect();
                assert_eq!(parts, found.media[uri].pieces.concat(), "{name}: {uri}");
            }
        }
        if let Some(delta) = &found.delta {
            let (full, delta) = (text(&found.playlist), text(delta));
            let (skip, kept) = delta.split_once("SKIPPED-SEGMENTS=").expect("skips").1.split_once('\n').expect("lines");
            let skipped = full.strip_suffix(kept).expect("the same end");
            assert_eq!(skipped.matches("#EXTINF").count().to_string(), skip);
        }
        follows(before.get(name), &now, name);
        before.insert(name.clone(), now);
    }
}

/// The part that was hinted at came next, nothing else than old parts and old segments went.
fn follows(before: Option<&Listed>, now: &Listed, name: &str) {
    let Some(before) = before else { return };
    let at = |listed: &Listed, msn: u64| listed.segments.get(msn.checked_sub(listed.msn)? as usize).cloned();
    let parts_of = |listed: &Listed| -> Vec<String> {
        listed.segments.iter().flat_map(|segment| segment.parts.iter().map(|part| part.0.clone())).collect()
    };
    let known = parts_of(before);
    if let (Some(hint), Some(new)) = (&before.hint, parts_of(now).iter().find(|part| !known.contains(part))) {
        assert_eq!(new, hint, "{name}");
    }
    for msn in before.msn.max(now.msn)..before.msn + before.segments.len() as u64 {
        let (was, is) = (at(before, msn).expect("listed"), at(now, msn).expect("still listed"));
        assert!(was.whole.is_none() || was.whole == is.whole, "{name}: {msn}");
        assert!(is.parts.is_empty() || is.parts.starts_with(&was.parts), "{name}: {msn}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn parts_keep_their_promises(
        rate in prop::sample::select(&FrameRate::STANDARD[..]),
        segment_ms in prop::sample::select(vec![500_u32, 1000, 2000, 3000]),
        epochs in prop::collection::vec((100_u64..9000, prop::collection::vec(0_u64..400, 2), 0_i64..9000), 1..5),
    ) {
        let mut packager = packager(segment_ms, 10);
        let frames = rate.frames_in_millis(segment_ms).next_multiple_of(2);
        let (mut wall_ms, mut before, mut shown) = (WALL_MS, HashMap::new(), 0);
        for (length_ms, ragged, away_ms) in epochs {
            let mut feed = Feed::new(&["360p"], rate, rate, frames);
            feed.start(&mut packager, wall_ms);
            feed.run(&mut packager, length_ms.saturating_sub(400), |packager| {
                packager.take_snapshot(Instant::now()).into_iter().for_each(|snapshot| check(&snapshot, &mut before));
            }).expect("good frames");
            for (index, short) in ragged.iter().enumerate() {
                feed.push_until(&mut packager, index, length_ms.saturating_sub(*short)).expect("good frames");
            }
            packager.end_epoch();
            wall_ms += length_ms as i64;
            for until in (0..away_ms).step_by(250) {
                packager.fill(wall_ms + until);
                packager.take_snapshot(Instant::now()).into_iter().for_each(|snapshot| {
                    check(&snapshot, &mut before);
                    shown += 1;
                });
            }
            wall_ms += away_ms;
        }
        packager.end();
        packager.take_snapshot(Instant::now()).into_iter().for_each(|snapshot| check(&snapshot, &mut before));
        prop_assert!(packager.position().next_msn == 0 || !before.is_empty() || shown == 0);
    }
}
