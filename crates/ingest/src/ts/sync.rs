//! Bytes to packets of 188: found behind garbage, and in the longer packets of other media (192 bytes with a time code
//! before, 204 with a check sum behind).

/// The length of a packet.
pub const PACKET_BYTES: usize = 188;
const SYNC: u8 = 0x47;
/// Distances between packets that are known.
const STRIDES: [usize; 3] = [188, 192, 204];
/// Packets in a row that are believed.
const RUN: usize = 3;
/// Bytes that are looked through at once for a beginning.
const SEARCH_BYTES_MAX: usize = 64 << 10;

/// Cuts bytes into packets.
#[derive(Debug, Default)]
pub struct Sync {
    /// The distance between packets, once known.
    stride: Option<usize>,
    /// What did not make a whole packet yet.
    rest: Vec<u8>,
    /// Bytes behind the last packet that are still to come and belong to none.
    ahead: usize,
    /// Bytes passed over.
    skipped: u64,
}

impl Sync {
    /// Hands every whole packet of `bytes`, and of what was left before, to `take`.
    pub fn push<E>(&mut self, bytes: &[u8], mut take: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let (between, bytes) = bytes.split_at(self.ahead.min(bytes.len()));
        self.ahead -= between.len();
        // SRT carries whole packets, as a rule: they are not copied.
        if self.rest.is_empty() && self.stride == Some(PACKET_BYTES) && is_aligned(bytes) {
            return bytes.chunks_exact(PACKET_BYTES).try_for_each(take);
        }
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(bytes);
        let mut at = 0;
        loop {
            let Some(stride) = self.stride else {
                match search(&all[at..]) {
                    Some((skip, stride)) => {
                        self.skip(skip);
                        at += skip;
                        self.stride = Some(stride);
                        continue;
                    }
                    None => break,
                }
            };
            let Some(packet) = all.get(at..at + PACKET_BYTES) else { break };
            if packet[0] != SYNC {
                self.stride = None;
                self.skip(1);
                at += 1;
                continue;
            }
            take(packet)?;
            // What stands between two packets may end short at the end of all.
            at += stride;
            if at > all.len() {
                break;
            }
        }
        self.keep(&all, at);
        Ok(())
    }

    /// Something is missing here: the rest of a packet belongs to nothing.
    pub fn lost(&mut self) {
        self.skip(self.rest.len());
        self.rest.clear();
        self.ahead = 0;
    }

    /// The end: what looks like packets is taken for some, however few they are.
    pub fn finish<E>(&mut self, mut take: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let rest = std::mem::take(&mut self.rest);
        let stride = self.stride.unwrap_or(PACKET_BYTES);
        rest.chunks(stride)
            .filter_map(|chunk| chunk.get(..PACKET_BYTES))
            .filter(|packet| packet[0] == SYNC)
            .try_for_each(&mut take)
    }

    /// Bytes passed over because they were no packets.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    fn keep(&mut self, all: &[u8], at: usize) {
        self.ahead += at.saturating_sub(all.len());
        let rest = all.get(at..).unwrap_or_default();
        let garbage = rest.len().saturating_sub(SEARCH_BYTES_MAX);
        self.skip(garbage);
        self.rest = rest[garbage..].to_vec();
    }

    fn skip(&mut self, bytes: usize) {
        self.skipped += bytes as u64;
    }
}

fn is_aligned(bytes: &[u8]) -> bool {
    bytes.len().is_multiple_of(PACKET_BYTES) && bytes.chunks_exact(PACKET_BYTES).all(|packet| packet[0] == SYNC)
}

/// The first place from which packets follow each other, and how far apart they are.
fn search(bytes: &[u8]) -> Option<(usize, usize)> {
    let is_sync = |at: usize| bytes.get(at) == Some(&SYNC);
    (0..bytes.len()).filter(|&at| is_sync(at)).find_map(|at| {
        let stride = STRIDES.into_iter().find(|stride| (0..RUN).all(|count| is_sync(at + count * stride)))?;
        Some((at, stride))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packets(count: u8, before: usize, behind: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for number in 0..count {
            out.extend(vec![0; before]);
            out.push(SYNC);
            out.extend([number; 187]);
            out.extend(vec![0; behind]);
        }
        out
    }

    fn cut(bytes: &[u8], pieces: &[usize]) -> Vec<u8> {
        let mut sync = Sync::default();
        let mut found = Vec::new();
        let mut take = |packet: &[u8]| {
            assert_eq!(packet.len(), PACKET_BYTES);
            found.push(packet[1]);
            Ok::<(), ()>(())
        };
        let mut rest = bytes;
        for &piece in pieces {
            let (head, tail) = rest.split_at(piece.min(rest.len()));
            sync.push(head, &mut take).expect("never fails");
            rest = tail;
        }
        sync.push(rest, &mut take).expect("never fails");
        sync.finish(&mut take).expect("never fails");
        found
    }

    #[test]
    fn packets_of_all_lengths_are_found_behind_garbage() {
        for (before, behind) in [(0, 0), (4, 0), (0, 16)] {
            let mut bytes = vec![0x47, 1, 2, 0x47, 0x47];
            bytes.extend(packets(9, before, behind));
            assert_eq!(cut(&bytes, &[100, 1, 1000]), (0..9).collect::<Vec<_>>(), "{before}+188+{behind}");
        }
    }

    #[test]
    fn garbage_in_the_middle_costs_at_most_the_packets_it_touches() {
        let mut bytes = packets(5, 0, 0);
        bytes.extend([0; 77]);
        bytes.extend(packets(5, 0, 0));
        assert_eq!(cut(&bytes, &[500]), [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
    }

    #[test]
    fn garbage_without_end_is_not_kept() {
        let mut sync = Sync::default();
        for _ in 0..100 {
            sync.push(&[0; 10_000], |_| Ok::<(), ()>(())).expect("never fails");
        }
        assert!(sync.rest.len() <= SEARCH_BYTES_MAX);
        assert!(sync.skipped() > 900_000);
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_every_packet_comes_once(
            count in 3..20_u8,
            shape in prop::sample::select(vec![(0, 0), (4, 0), (0, 16)]),
            pieces in prop::collection::vec(0..700_usize, 0..20),
        ) {
            prop_assert_eq!(cut(&packets(count, shape.0, shape.1), &pieces), (0..count).collect::<Vec<_>>());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000), pieces in prop::collection::vec(0..300_usize, 0..9)) {
            cut(&bytes, &pieces);
        }
    }
}
