//! Lives that are killed in the middle of a write: what goes on is a successor of what was seen last.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Instant;

use proptest::prelude::*;
use weir_media::FrameRate;
use weir_packager::{Config, Latency, Packager, Position, Snapshot};

use crate::files::Files;
use crate::low_latency::{Listed, check};
use crate::observer::{Observer, owner, parse};
use crate::support::{Feed, WALL_MS};

const RATE: FrameRate = FrameRate { num: 30, den: 1 };
const TARGET_MS: u64 = 1000;

#[derive(Debug, Clone)]
enum Step {
    /// An epoch of that many milliseconds, in which the last rendition ends so much earlier, and which may be told to
    /// open to the public at some time.
    Epoch(u64, u64, Option<u64>),
    /// Nothing comes for so long.
    Away(i64),
    OpenToPublic,
}

/// After how many batches the process is killed, and after what share of the bytes of the next, in thousandths.
type Kill = (usize, usize);

struct Life {
    config: Config,
    packager: Packager,
    files: Files,
    /// What was stored before it was shown.
    reached: Position,
    observer: Observer,
    listed: HashMap<String, Listed>,
    kills: VecDeque<Kill>,
    runs: usize,
    /// Whether the presentation was told to open, and the names that nobody may see once it is open.
    told: bool,
    /// The segment that opens it.
    opens_with: Option<u64>,
    private_names: HashSet<String>,
    shown: Option<bool>,
}

impl Life {
    fn new(latency: Latency, private: bool, kills: Vec<Kill>) -> Self {
        let config = Config::new(latency, TARGET_MS as u32, 5).expect("in range");
        let scales =
            [("360p", RATE.timescale()), ("audio", 48_000)].map(|(name, scale)| (name.to_owned(), scale.into()));
        let packager = fresh(config, 0, Position::default(), private);
        let (files, listed, private_names) = Default::default();
        let (observer, kills) = (Observer::new(config, &scales), kills.into());
        let (reached, runs, told, opens_with, shown) = (Position::default(), 0, !private, None, None);
        Self { config, packager, files, reached, observer, listed, kills, runs, told, opens_with, private_names, shown }
    }

    fn run(&mut self, steps: &[Step]) {
        let mut wall_ms = WALL_MS;
        for step in steps {
            match *step {
                Step::Epoch(length_ms, ragged_ms, open_ms) => {
                    wall_ms += self.epoch(wall_ms, length_ms, ragged_ms, open_ms) as i64;
                }
                Step::Away(away_ms) => {
                    for until in (0..=away_ms).step_by(250) {
                        self.packager.fill(wall_ms + until);
                        self.publish();
                    }
                    wall_ms += away_ms;
                }
                Step::OpenToPublic => self.open_to_public(0),
            }
        }
        self.packager.end();
        self.publish();
    }

    /// `begun` segments have got a frame and are in no playlist.
    fn open_to_public(&mut self, begun: u64) {
        self.told = true;
        self.opens_with.get_or_insert(self.packager.position().next_msn + begun);
        self.packager.open_to_public();
        self.files.write(&mut self.packager);
    }

    /// Answers how long it lasted.
    fn epoch(&mut self, wall_ms: i64, length_ms: u64, ragged_ms: u64, open_ms: Option<u64>) -> u64 {
        let mut feed = Feed::new(&["360p"], RATE, RATE, RATE.frames_in_millis(TARGET_MS as u32));
        feed.start(&mut self.packager, wall_ms);
        for step_ms in (100..=length_ms).step_by(100) {
            if open_ms.is_some_and(|at| at <= step_ms) {
                self.open_to_public(1);
            }
            feed.push_until(&mut self.packager, 0, step_ms).expect("good frames");
            feed.push_until(&mut self.packager, 1, step_ms.min(length_ms - ragged_ms)).expect("good frames");
            if self.publish() {
                return step_ms;
            }
        }
        self.packager.end_epoch();
        self.publish();
        length_ms
    }

    /// Writes and shows, as the daemon does. Answers whether it was killed instead.
    fn publish(&mut self) -> bool {
        if let Some(batch) = self.packager.take_journal() {
            match self.kills.front_mut() {
                Some((0, share)) => {
                    let lengths = batch.records.iter().flat_map(|record| record.chunks.iter().map(bytes::Bytes::len));
                    self.files.write_until(&batch, lengths.sum::<usize>() * *share / 1000);
                    self.kills.pop_front();
                    self.restart();
                    return true;
                }
                Some((batches, _)) => *batches -= 1,
                None => {}
            }
            self.files.write_until(&batch, usize::MAX);
        }
        if let Some(snapshot) = self.packager.take_snapshot(Instant::now()) {
            self.reached = self.packager.position();
            self.see(&snapshot);
        }
        false
    }

    fn restart(&mut self) {
        self.runs += 1;
        let session = format!("session{}", self.runs);
        match self.files.resume(self.config, &session, self.reached) {
            Ok(packager) => self.packager = packager,
            Err(error) => {
                assert!(self.shown.is_none(), "what was seen is lost: {error}");
                self.files = Files::default();
                self.packager = fresh(self.config, self.runs, self.reached, !self.told);
            }
        }
        // Another run makes up other names, so that nothing is hinted at any more.
        self.listed.values_mut().for_each(|listed| listed.hint = None);
        self.publish();
    }

    fn see(&mut self, snapshot: &Snapshot) {
        assert!(self.told || snapshot.private, "seen by everybody before it was told to open");
        assert!(!snapshot.private || self.opens_with.is_none_or(|msn| self.reached.next_msn <= msn), "it did not open");
        if self.shown == Some(true) && !snapshot.private {
            self.observer.cut();
            self.listed.clear();
            let first = parse(&snapshot.renditions[0].playlist.plain).entries;
            assert!(first.first().is_none_or(|entry| !entry.discontinuity), "a discontinuity to nothing");
        }
        self.shown = Some(snapshot.private);
        self.observer.see(snapshot);
        if self.config.part_target_ms().is_some() {
            check(snapshot, &mut self.listed);
        }
        for rendition in &snapshot.renditions {
            let text = std::str::from_utf8(&rendition.playlist.plain).expect("UTF-8");
            let listed = text.lines().filter(|line| !line.starts_with('#')).map(|uri| owner("", uri).1.to_owned());
            let names = listed.chain(rendition.media.keys().cloned()).filter(|name| !name.contains("-init"));
            if snapshot.private {
                self.private_names.extend(names);
            } else {
                let seen: Vec<_> = names.filter(|name| self.private_names.contains(name)).collect();
                assert!(seen.is_empty(), "sent in private: {seen:?}");
            }
        }
    }
}

fn fresh(config: Config, run: usize, position: Position, private: bool) -> Packager {
    let packager = Packager::new(config, &format!("session{run}"), position).expect("a good session id").journaled();
    if private { packager.private() } else { packager }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (300_u64..9000, 0_u64..300, prop::option::weighted(0.2, 0_u64..9000))
            .prop_map(|(length, ragged, open)| Step::Epoch(length, ragged, open)),
        2 => (0_i64..4000).prop_map(Step::Away),
        1 => Just(Step::OpenToPublic),
    ];
    prop::collection::vec(step, 1..7)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_kill_after_any_byte_leaves_a_successor_of_what_was_seen(
        low in any::<bool>(),
        private in any::<bool>(),
        steps in steps(),
        kills in prop::collection::vec((0_usize..25, 0_usize..=1000), 0..4),
    ) {
        let latency = if low { Latency::Low } else { Latency::Standard };
        Life::new(latency, private, kills).run(&steps);
    }
}

/// Parts of a segment that was killed are its segment, with the same names and bytes.
#[test]
fn the_open_segment_ends_with_the_parts_that_were_seen() {
    let mut life = Life::new(Latency::Low, false, vec![(7, 999)]);
    life.epoch(WALL_MS, 9000, 0, None);
    let snapshot = {
        life.packager.fill(WALL_MS + 4100);
        life.publish();
        life.packager.end();
        life.packager.take_snapshot(Instant::now()).expect("ended")
    };
    // Seven parts were written and shown, the eighth was not: three segments and the first half of the fourth.
    let parsed = parse(&snapshot.rendition("360p").expect("there").playlist.plain);
    let lengths: Vec<_> = parsed.entries.iter().take_while(|entry| !entry.gap).map(|entry| entry.duration_us).collect();
    assert_eq!(lengths, [1_000_000, 1_000_000, 1_000_000, 500_000]);
    assert!(parsed.entries[4].gap && parsed.entries[3].uri == "session0-3.m4s");
    assert_eq!(parsed.entries[4].uri, "session1-4.m4s");
}
