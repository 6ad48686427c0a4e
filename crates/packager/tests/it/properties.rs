use std::time::Instant;

use proptest::prelude::*;
use weir_media::FrameRate;
use weir_packager::{Config, Latency, Packager, Position};

use crate::files::{Files, fix_checksums};
use crate::observer::Observer;
use crate::support::{Feed, SESSION, WALL_MS};

/// Sets of video renditions between which an encoder may change.
const SETS: [&[&str]; 4] = [&["1080p", "720p", "360p"], &["720p", "360p"], &["360p"], &["1080p", "360p"]];

#[derive(Debug, Clone)]
struct EpochPlan {
    set: usize,
    /// Length in hundredths of a segment.
    length: u64,
    /// Milliseconds that each rendition's end is short of the length.
    ragged: Vec<u64>,
    /// Pause of the wall clock before the epoch; negative when the clock was set back.
    pause_ms: i64,
    restart: Restart,
}

#[derive(Debug, Clone, Copy)]
enum Restart {
    None,
    Window,
    PositionOnly,
}

fn epochs() -> impl Strategy<Value = Vec<EpochPlan>> {
    let restart = prop_oneof![6 => Just(Restart::None), 2 => Just(Restart::Window), 1 => Just(Restart::PositionOnly)];
    let ragged = prop::collection::vec(0_u64..400, 4);
    let one = (0..SETS.len(), 5_u64..1400, ragged, -5000_i64..60_000, restart)
        .prop_map(|(set, length, ragged, pause_ms, restart)| EpochPlan { set, length, ragged, pause_ms, restart });
    prop::collection::vec(one, 1..5)
}

fn restarted(
    packager: Packager,
    config: Config,
    run: usize,
    restart: Restart,
    observer: &mut Observer,
    files: &mut Files,
) -> Packager {
    let (session, position) = (format!("session{run}"), packager.position());
    match restart {
        Restart::Window if !files.by_msn.is_empty() => {
            files.resume(config, &session, position).expect("what was recorded")
        }
        Restart::None | Restart::Window => packager,
        Restart::PositionOnly => {
            observer.forget_playlists();
            *files = Files::default();
            Packager::new(config, &session, position).expect("a good session id").journaled()
        }
    }
}

fn never_back(before: &mut Position, packager: &Packager) {
    let now = packager.position();
    assert!(now.next_msn >= before.next_msn, "{now:?} after {before:?}");
    assert!(now.next_discontinuity >= before.next_discontinuity, "{now:?} after {before:?}");
    assert!(now.next_base_ms >= before.next_base_ms, "{now:?} after {before:?}");
    *before = now;
}

fn look(packager: &mut Packager, observer: &mut Observer, position: &mut Position, files: &mut Files) {
    // Stored before it is shown, as the daemon does it.
    files.write(packager);
    never_back(position, packager);
    if let Some(snapshot) = packager.take_snapshot(Instant::now()) {
        observer.see(&snapshot);
        let first = &snapshot.renditions[0];
        let parsed = crate::observer::parse(&first.playlist.plain);
        assert_eq!(position.next_msn, parsed.msn + parsed.entries.len() as u64);
    }
    assert!(packager.take_snapshot(Instant::now()).is_none(), "nothing changed");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn playlists_keep_their_promises_over_any_life(
        segment_ms in prop::sample::select(vec![500_u32, 1000, 1900, 2000, 4000]),
        window_s in 1_u32..30,
        rate in prop::sample::select(&FrameRate::STANDARD[..]),
        halved in any::<bool>(),
        epochs in epochs(),
    ) {
        let config = Config::new(Latency::Standard, segment_ms, window_s).expect("in range");
        let mut packager = Packager::new(config, SESSION, Position::default()).expect("a good session id").journaled();
        let mut files = Files::default();
        let last_rate = if halved { rate.halved() } else { rate };
        let frames = rate.frames_in_millis(segment_ms).next_multiple_of(if halved { 2 } else { 1 });
        let scales: Vec<_> = ["1080p", "720p", "360p", "audio"].iter().map(|&name| {
            let scale = match name { "audio" => 48_000, "360p" => last_rate.timescale(), _ => rate.timescale() };
            (name.to_owned(), u64::from(scale))
        }).collect();
        let mut observer = Observer::new(config, &scales);
        let (mut wall_ms, mut position) = (WALL_MS, Position::default());
        for (run, plan) in epochs.iter().enumerate() {
            packager = restarted(packager, config, run, plan.restart, &mut observer, &mut files);
            let mut feed = Feed::new(SETS[plan.set], rate, last_rate, frames);
            wall_ms += plan.pause_ms;
            feed.start(&mut packager, wall_ms);
            let length_ms = plan.length * u64::from(segment_ms) / 100;
            let whole_ms = length_ms.saturating_sub(400);
            feed.run(&mut packager, whole_ms, |packager| look(packager, &mut observer, &mut position, &mut files)).expect("good frames");
            for index in 0..feed.renditions.len() {
                feed.push_until(&mut packager, index, length_ms.saturating_sub(plan.ragged[index])).expect("good frames");
                look(&mut packager, &mut observer, &mut position, &mut files);
            }
            packager.end_epoch();
            look(&mut packager, &mut observer, &mut position, &mut files);
            wall_ms += length_ms as i64;
        }
        packager.end();
        look(&mut packager, &mut observer, &mut position, &mut files);
        prop_assert!(packager.position().next_msn == 0 || observer.snapshots > 0);
    }

    #[test]
    fn no_bytes_make_the_reader_of_journals_panic(
        age in 0_usize..3, at in 0_usize..3000, value in any::<u8>(), cut in 0_usize..3000, fix in any::<bool>(),
    ) {
        let (mut packager, mut files) = (crate::support::packager(500, 1).journaled(), Files::default());
        let rate = FrameRate::new(10, 1);
        let mut feed = Feed::new(&["360p"], rate, rate, 5);
        feed.start(&mut packager, WALL_MS);
        feed.run(&mut packager, 2100, |_| ()).expect("good frames");
        files.write(&mut packager);
        let whole = files.by_msn.clone();
        let file = files.by_msn.values_mut().rev().nth(age).expect("four files");
        file.truncate(file.len().saturating_sub(cut % 64));
        let at = at % file.len();
        file[at] = value;
        if fix {
            fix_checksums(file);
        }
        let config = Config::new(Latency::Standard, 500, 1).expect("in range");
        match files.resume(config, "session1", Position::default()) {
            // Some fields may hold anything: a length in microseconds, a byte of media. Whatever it is must work on.
            Ok(mut packager) => {
                // Half a record at the end was cut off; all else is as it was written.
                prop_assert!(fix || files.by_msn.iter().all(|(msn, file)| whole[msn].starts_with(file)));
                feed = Feed::new(&["360p"], rate, rate, 5);
                if packager.start_epoch(feed.epoch(WALL_MS)).is_ok() {
                    feed.renditions.iter().enumerate().for_each(|(index, (_, format))| {
                        packager.set_format(index, format.clone()).expect("a good format");
                    });
                    feed.run(&mut packager, 2100, |packager| { packager.take_snapshot(Instant::now()); }).expect("good frames");
                }
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
