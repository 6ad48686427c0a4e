//! What was received and not yet delivered, with the holes in it.

use std::collections::VecDeque;

use super::clock::Micros;
use super::packet::Data;
use super::seq::Seq;

/// Places in all: more than 10 s of 25 Mbps. What lies further ahead is a stream that began anew.
pub const CAPACITY: usize = 25_600;

/// The packets of one caller from the first that was not delivered on.
#[derive(Debug)]
pub struct Buffer {
    first: Seq,
    places: VecDeque<Place>,
    missing: usize,
    /// A packet from far outside: when its neighbour comes too, the stream goes on there.
    stray: Option<Seq>,
}

#[derive(Debug)]
enum Place {
    Here {
        /// When it was sent, on the sender's clock.
        sent: Micros,
        data: Data,
    },
    Missing {
        /// When that was found.
        since: Micros,
        /// When it was asked for last.
        asked: Option<Micros>,
    },
    /// Missing, and the sender said that it will not come.
    GivenUp,
}

/// A packet that is missing, for the decision whether to ask for it.
#[derive(Debug, Clone, Copy)]
pub struct Hole {
    /// When it was found missing.
    pub since: Micros,
    /// When it was asked for last.
    pub asked: Option<Micros>,
    /// When the packet behind the hole was sent, on the sender's clock.
    pub behind: Micros,
}

/// What became of a packet.
#[derive(Debug, PartialEq, Eq)]
pub enum Insert {
    /// It is the next one.
    Next,
    /// It is ahead: these before it are missing now.
    Ahead(Seq, Seq),
    /// It had been missing for so long.
    Recovered(Micros),
    /// It is here already.
    Duplicate,
    /// Its place was delivered or given up.
    Late,
    /// It is too far from anything known.
    Stray,
}

/// What comes out.
#[derive(Debug, PartialEq, Eq)]
pub enum Release {
    /// The next packet.
    Data(Data),
    /// So many will not come.
    Hole(usize),
}

impl Buffer {
    /// An empty buffer that waits for `first`.
    pub fn new(first: Seq) -> Self {
        Self { first, places: VecDeque::new(), missing: 0, stray: None }
    }

    /// Puts a packet, sent at `sent`, into its place.
    pub fn insert(&mut self, data: Data, sent: Micros, now: Micros) -> Insert {
        let offset = data.seq.since(self.first);
        if offset < 0 {
            return if -offset > CAPACITY as i64 { self.is_stray(data.seq) } else { Insert::Late };
        }
        let offset = offset as usize;
        if offset >= CAPACITY {
            return self.is_stray(data.seq);
        }
        self.stray = None;
        match self.places.get_mut(offset) {
            Some(Place::Here { .. }) => Insert::Duplicate,
            Some(place) => {
                let since = if let Place::Missing { since, .. } = place { *since } else { now };
                *place = Place::Here { sent, data };
                self.missing -= 1;
                Insert::Recovered(now - since)
            }
            None => {
                let (from, count) = (self.first.plus(self.places.len()), offset - self.places.len());
                let until = data.seq;
                self.places.extend((0..count).map(|_| Place::Missing { since: now, asked: None }));
                self.missing += count;
                self.places.push_back(Place::Here { sent, data });
                if count == 0 { Insert::Next } else { Insert::Ahead(from, until.plus(0x7fff_ffff)) }
            }
        }
    }

    fn is_stray(&mut self, seq: Seq) -> Insert {
        self.stray = Some(seq);
        Insert::Stray
    }

    /// Whether `seq` follows a packet that was too far from anything: the stream goes on there, after
    /// [`restart`](Self::restart).
    pub fn confirms_restart(&self, seq: Seq) -> bool {
        self.stray.is_some_and(|stray| seq.since(stray) == 1)
    }

    /// Goes on at `first`. What was here should have been released.
    pub fn restart(&mut self, first: Seq) {
        *self = Self::new(first);
    }

    /// The next packet if it is due by `is_due(sent)`; or the hole before one that is.
    pub fn release(&mut self, is_due: impl Fn(Micros) -> bool) -> Option<Release> {
        let hole = self.places.iter().take_while(|place| !matches!(place, Place::Here { .. })).count();
        match self.places.get(hole)? {
            Place::Here { sent, .. } if is_due(*sent) => {}
            _ => return None,
        }
        if hole > 0 {
            self.places.drain(..hole);
            self.missing -= hole;
            self.first = self.first.plus(hole);
            return Some(Release::Hole(hole));
        }
        match self.places.pop_front() {
            Some(Place::Here { data, .. }) => {
                self.first = self.first.plus(1);
                Some(Release::Data(data))
            }
            _ => None,
        }
    }

    /// The sender will not send these any more.
    pub fn give_up(&mut self, first: Seq, last: Seq) {
        let clamp = |offset: i64| offset.clamp(0, self.places.len() as i64) as usize;
        let (from, to) = (clamp(first.since(self.first)), clamp(last.since(self.first) + 1));
        for place in self.places.range_mut(from..to.max(from)) {
            if let Place::Missing { .. } = place {
                *place = Place::GivenUp;
            }
        }
    }

    /// The holes for which `wanted` says so, at most `most`; they count as asked for at `now`.
    pub fn ask(&mut self, now: Micros, most: usize, wanted: impl Fn(Hole) -> bool) -> Vec<(Seq, Seq)> {
        let mut ranges: Vec<(Seq, Seq)> = Vec::new();
        if self.missing == 0 {
            return ranges;
        }
        let mut behind = None;
        // From the end, as a hole is as urgent as the packet behind it.
        for (offset, place) in self.places.iter_mut().enumerate().rev() {
            match place {
                Place::Here { sent, .. } => behind = Some(*sent),
                Place::Missing { since, asked } => {
                    let hole = behind.map(|behind| Hole { since: *since, asked: *asked, behind });
                    if !hole.is_some_and(&wanted) {
                        continue;
                    }
                    *asked = Some(now);
                    let seq = self.first.plus(offset);
                    match ranges.last_mut() {
                        Some((first, _)) if first.since(seq) == 1 => *first = seq,
                        _ => ranges.push((seq, seq)),
                    }
                }
                Place::GivenUp => {}
            }
        }
        ranges.reverse();
        // The most urgent come first.
        ranges.truncate(most);
        ranges
    }

    /// All before this has come or will never come.
    pub fn acknowledged(&self) -> Seq {
        let whole = |place: &&Place| !matches!(place, Place::Missing { .. });
        let count = if self.missing == 0 { self.places.len() } else { self.places.iter().take_while(whole).count() };
        self.first.plus(count)
    }

    /// Places that are taken, holes included.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Packets that are missing.
    pub fn missing(&self) -> usize {
        self.missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn packet(number: u32) -> Data {
        let payload = Bytes::copy_from_slice(&number.to_be_bytes());
        Data { seq: Seq::new(number), key: None, retransmitted: false, payload }
    }

    fn put(buffer: &mut Buffer, number: u32) -> Insert {
        buffer.insert(packet(number), Micros::from(number), 1000)
    }

    fn out(buffer: &mut Buffer, until: Micros) -> Vec<String> {
        std::iter::from_fn(|| buffer.release(|sent| sent <= until))
            .map(|release| match release {
                Release::Data(data) => data.seq.raw().to_string(),
                Release::Hole(count) => format!("-{count}"),
            })
            .collect()
    }

    #[test]
    fn packets_come_out_in_order_and_a_hole_costs_only_itself() {
        let mut buffer = Buffer::new(Seq::new(10));
        assert_eq!(put(&mut buffer, 10), Insert::Next);
        assert_eq!(put(&mut buffer, 13), Insert::Ahead(Seq::new(11), Seq::new(12)));
        assert_eq!(put(&mut buffer, 14), Insert::Next);
        assert_eq!(put(&mut buffer, 12), Insert::Recovered(0));
        assert_eq!(put(&mut buffer, 12), Insert::Duplicate);
        assert_eq!(buffer.acknowledged(), Seq::new(11));
        assert_eq!(out(&mut buffer, 11), ["10"]);
        assert_eq!(out(&mut buffer, 13), ["-1", "12", "13"]);
        assert_eq!(put(&mut buffer, 11), Insert::Late);
        assert_eq!(buffer.missing(), 0);
        assert_eq!(buffer.acknowledged(), Seq::new(15));
    }

    #[test]
    fn holes_are_asked_for_again_as_ranges() {
        let mut buffer = Buffer::new(Seq::new(0));
        for number in [0, 3, 5] {
            put(&mut buffer, number);
        }
        let expected = [(Seq::new(1), Seq::new(2)), (Seq::new(4), Seq::new(4))];
        assert_eq!(buffer.ask(2000, 9, |hole| hole.asked.is_none() && hole.behind <= 5), expected);
        assert_eq!(buffer.ask(2000, 9, |hole| hole.asked < Some(2000)), []);
        assert_eq!(buffer.ask(3000, 1, |_| true), expected[..1]);
        buffer.give_up(Seq::new(0), Seq::new(2));
        assert_eq!(buffer.ask(4000, 9, |_| true), expected[1..]);
        assert_eq!(buffer.acknowledged(), Seq::new(4));
    }

    #[test]
    fn a_stream_that_begins_anew_far_away_is_believed_at_the_second_packet() {
        let mut buffer = Buffer::new(Seq::new(10));
        assert_eq!(put(&mut buffer, 500_000), Insert::Stray);
        assert!(!buffer.confirms_restart(Seq::new(500_002)));
        assert!(buffer.confirms_restart(Seq::new(500_001)));
        buffer.restart(Seq::new(500_001));
        assert_eq!(put(&mut buffer, 500_001), Insert::Next);
        assert_eq!(put(&mut buffer, 10), Insert::Stray);
    }

    proptest! {
        #[test]
        fn whatever_the_order_each_packet_comes_out_once_and_in_order(
            start in prop_oneof![Just(0_u32), Just(0x7fff_fff0), any::<u32>()],
            mut order in Just((0..40_u32).collect::<Vec<_>>()).prop_shuffle(),
            lost in prop::collection::btree_set(0..40_u32, 0..20),
        ) {
            order.retain(|number| !lost.contains(number));
            let mut buffer = Buffer::new(Seq::new(start));
            for &number in &order {
                let data = Data { seq: Seq::new(start).plus(number as usize), ..packet(0) };
                buffer.insert(data, Micros::from(number), 0);
            }
            prop_assert_eq!(
                buffer.missing(),
                lost.iter().filter(|&&number| order.iter().any(|&other| other > number)).count()
            );
            let (mut next, mut came) = (0, 0);
            while let Some(release) = buffer.release(|_| true) {
                match release {
                    Release::Data(data) => {
                        prop_assert_eq!(data.seq, Seq::new(start).plus(next));
                        next += 1;
                        came += 1;
                    }
                    Release::Hole(count) => next += count,
                }
            }
            prop_assert_eq!(came, order.len());
            prop_assert_eq!((buffer.len(), buffer.missing()), (0, 0));
        }
    }
}
