use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use rml_rtmp::chunk_io::ChunkSerializer;
use rml_rtmp::messages::MessagePayload;
use rml_rtmp::time::RtmpTimestamp;

use super::*;

/// Reads `bytes` in pieces of `piece` bytes.
fn read_in_pieces(reader: &mut ChunkReader, bytes: &[u8], piece: usize) -> Result<Vec<Message>, ChunkError> {
    let mut input = BytesMut::new();
    let mut messages = Vec::new();
    for piece in bytes.chunks(piece) {
        input.extend_from_slice(piece);
        while let Some(message) = reader.next(&mut input)? {
            messages.push(message);
        }
        assert!(input.len() < 19, "{} bytes were left", input.len());
        check_invariants(reader);
    }
    Ok(messages)
}

fn check_invariants(reader: &ChunkReader) {
    let held: usize = reader.streams.iter().filter(|stream| stream.partial.is_some()).map(|stream| stream.length).sum();
    assert_eq!(reader.partial_bytes, held);
    assert!(held <= reader.message_bytes_max * PARTIAL_MESSAGES_MAX);
    assert!(reader.streams.len() <= STREAMS_MAX);
}

fn read(bytes: &[u8]) -> Result<Vec<Message>, ChunkError> {
    read_in_pieces(&mut ChunkReader::new(), bytes, bytes.len().max(1))
}

fn message(kind: u8, timestamp: u32, payload: &[u8]) -> Message {
    Message { kind, timestamp, payload: Bytes::copy_from_slice(payload) }
}

/// A header of type 0 on chunk stream `id`.
fn full_header(id: u8, timestamp: u32, length: usize, kind: u8) -> Vec<u8> {
    let mut bytes = vec![id];
    bytes.extend(&timestamp.min(EXTENDED).to_be_bytes()[1..]);
    bytes.extend(&(length as u32).to_be_bytes()[1..]);
    bytes.extend([kind, 1, 0, 0, 0]);
    if timestamp >= EXTENDED {
        bytes.extend(timestamp.to_be_bytes());
    }
    bytes
}

fn full(id: u8, timestamp: u32, kind: u8, payload: &[u8]) -> Vec<u8> {
    [full_header(id, timestamp, payload.len(), kind), payload.to_vec()].concat()
}

#[test]
fn a_short_message_inside_a_long_one_leaves_both_whole() {
    let long = [7; 200];
    let bytes = [
        full_header(6, 40, 200, 9),
        long[..128].to_vec(),
        full(4, 41, 8, &[1, 2, 3]),
        vec![0xc6],
        long[128..].to_vec(),
    ];
    assert_eq!(read(&bytes.concat()), Ok(vec![message(8, 41, &[1, 2, 3]), message(9, 40, &long)]));
}

#[test]
fn extended_timestamps_may_or_may_not_be_repeated() {
    let payload = [9; 200];
    for timestamp in [EXTENDED, EXTENDED + 1, u32::MAX] {
        for repeated in [&timestamp.to_be_bytes()[..], &[]] {
            let head = full_header(6, timestamp, 200, 9);
            let bytes = [&head, &payload[..128], &[0xc6], repeated, &payload[128..]].concat();
            assert_eq!(read(&bytes), Ok(vec![message(9, timestamp, &payload)]), "{timestamp:#x} {repeated:?}");
        }
    }
}

#[test]
fn a_last_chunk_shorter_than_a_timestamp_is_not_waited_for() {
    let payload = [9; 130];
    let head = full_header(6, EXTENDED, 130, 9);
    let bytes = [&head, &payload[..128], &[0xc6], &payload[128..]].concat();
    assert_eq!(read(&bytes), Ok(vec![message(9, EXTENDED, &payload)]));
}

#[test]
fn deltas_add_up_and_wrap_at_32_bits() {
    let bytes = [
        full(6, u32::MAX - 10, 9, &[1]),
        vec![0x46, 0, 0, 20, 0, 0, 1, 9, 2],
        vec![0x86, 0, 0, 30, 3],
        // Of type 3 and beginning a message: the last delta again.
        vec![0xc6, 4],
    ];
    let times = [(u32::MAX - 10, 1), (9, 2), (39, 3), (69, 4)];
    let wanted = times.map(|(time, byte)| message(9, time, &[byte])).to_vec();
    assert_eq!(read(&bytes.concat()), Ok(wanted));
}

#[test]
fn a_message_of_type_3_after_type_0_adds_the_timestamp_of_that() {
    let bytes = [full(6, 40, 9, &[1]), vec![0xc6, 2]].concat();
    assert_eq!(read(&bytes), Ok(vec![message(9, 40, &[1]), message(9, 80, &[2])]));
}

#[test]
fn a_stream_may_begin_with_type_1_but_not_with_2_or_3() {
    assert_eq!(read(&[0x46, 0, 0, 5, 0, 0, 1, 9, 7]), Ok(vec![message(9, 5, &[7])]));
    assert_eq!(read(&[0x86, 0, 0, 5, 7]), Err(ChunkError::NoPredecessor { id: 6, format: 2 }));
    assert_eq!(read(&[0xc6, 7]), Err(ChunkError::NoPredecessor { id: 6, format: 3 }));
}

#[test]
fn ids_of_two_and_three_bytes_are_read() {
    let tail = &full(0, 5, 9, &[7])[1..];
    let wanted = Ok(vec![message(9, 5, &[7]); 2]);
    assert_eq!(read(&[&[0x00, 10], tail, &[0x40, 10], &[0, 0, 0, 0, 0, 1, 9, 7]].concat()), wanted);
    assert_eq!(read(&[&[0x01, 10, 2], tail, &[0xc1, 10, 2, 7]].concat()).map(|messages| messages.len()), Ok(2));
}

#[test]
fn messages_without_payload_are_whole_at_once() {
    let bytes = [full(6, 5, 9, &[]), full(4, 6, 8, &[1])].concat();
    assert_eq!(read(&bytes), Ok(vec![message(9, 5, &[]), message(8, 6, &[1])]));
}

#[test]
fn abort_forgets_the_unfinished_message() {
    let bytes =
        [full_header(6, 40, 200, 9), vec![7; 128], full(2, 0, ABORT, &[0, 0, 0, 6]), full(6, 41, 9, &[1])].concat();
    assert_eq!(read(&bytes), Ok(vec![message(9, 41, &[1])]));
    // One that is not there is forgotten easily.
    assert_eq!(read(&full(2, 0, ABORT, &[0, 0, 0, 6])), Ok(vec![]));
}

#[test]
fn the_chunk_size_can_be_set_within_its_range() {
    let set = |size: u32| full(2, 0, SET_CHUNK_SIZE, &size.to_be_bytes());
    let payload = [7; 300];
    for size in [300, i32::MAX as u32] {
        let bytes = [set(size), full(6, 5, 9, &payload)].concat();
        assert_eq!(read(&bytes), Ok(vec![message(9, 5, &payload)]));
    }
    for size in [0, 1 << 31, u32::MAX] {
        assert_eq!(read(&set(size)), Err(ChunkError::ChunkSize(size)));
    }
    let short = full(2, 0, SET_CHUNK_SIZE, &[0, 0]);
    assert_eq!(read(&short), Err(ChunkError::ShortControl { kind: 1, bytes: 2 }));
}

#[test]
fn a_header_that_interrupts_its_own_message_is_refused() {
    let bytes = [full_header(6, 40, 200, 9), vec![7; 128], full(6, 41, 9, &[1])].concat();
    assert_eq!(read(&bytes), Err(ChunkError::Interrupted { id: 6, format: 0, missing: 72 }));
}

#[test]
fn limits_hold_for_one_message_for_all_unfinished_ones_and_for_streams() {
    let max = UNAUTHORISED_MESSAGE_BYTES_MAX;
    let one_more = full_header(6, 0, max + 1, 9);
    assert_eq!(read(&one_more), Err(ChunkError::MessageTooLong { kind: 9, bytes: max + 1, max }));

    let begun = |id| [full_header(id, 0, max, 9), vec![0; 128]].concat();
    assert_eq!(read(&[begun(5), begun(6)].concat()), Ok(vec![]));
    let bytes = 3 * max;
    let too_much = ChunkError::PartialTooMuch { bytes, max: 2 * max };
    assert_eq!(read(&[begun(5), begun(6), begun(7)].concat()), Err(too_much));

    let tail = &full(0, 5, 9, &[7])[1..];
    let streams = |count: u8| (0..count).flat_map(|id| [&[0, id], tail].concat()).collect::<Vec<_>>();
    assert_eq!(read(&streams(64)).map(|messages| messages.len()), Ok(64));
    assert_eq!(read(&streams(65)), Err(ChunkError::TooManyStreams));
}

/// Writes messages as the specification has it: a second opinion on everything the reader does.
struct Chunker {
    chunk_bytes: usize,
    repeats_extended: bool,
    last: [Option<(Message, u32)>; 64],
}

impl Chunker {
    /// The chunks of one message, with the most compact header that the last one on `id` allows.
    fn chunks(&mut self, id: u8, message: &Message, may_compress: bool) -> Vec<Vec<u8>> {
        let last = self.last[usize::from(id)].as_ref().filter(|_| may_compress);
        let (format, field) = match last {
            None => (0, message.timestamp),
            Some((last, last_field)) => {
                let delta = message.timestamp.wrapping_sub(last.timestamp);
                let same = (last.kind, last.payload.len()) == (message.kind, message.payload.len());
                (
                    if !same {
                        1
                    } else if delta != *last_field {
                        2
                    } else {
                        3
                    },
                    delta,
                )
            }
        };
        let mut header = vec![format << 6 | id];
        let extended = if field >= EXTENDED { field.to_be_bytes().to_vec() } else { vec![] };
        if format < 3 {
            header.extend(&field.min(EXTENDED).to_be_bytes()[1..]);
        }
        if format < 2 {
            header.extend(&(message.payload.len() as u32).to_be_bytes()[1..]);
            header.push(message.kind);
        }
        if format == 0 {
            header.extend([1, 0, 0, 0]);
        }
        if format < 3 || self.repeats_extended {
            header.extend(&extended);
        }
        let mut parts = message.payload.chunks(self.chunk_bytes);
        let mut chunks = vec![[&header, parts.next().unwrap_or_default()].concat()];
        let repeated = if self.repeats_extended { &extended[..] } else { &[] };
        chunks.extend(parts.map(|part| [&[0xc0 | id], repeated, part].concat()));
        self.last[usize::from(id)] = Some((message.clone(), field));
        chunks
    }
}

fn some_message() -> impl Strategy<Value = Message> {
    let kind = prop_oneof![Just(8_u8), Just(9), Just(18), Just(20)];
    // Few lengths and times, so that all header types occur; large ones, so that they are extended.
    let time = prop_oneof![0_u32..100, Just(40), any::<u32>()];
    let length = prop_oneof![Just(10_usize), 0_usize..700];
    (kind, time, length, any::<u8>()).prop_map(|(kind, timestamp, length, seed)| {
        let payload: Vec<u8> = (0..length).map(|at| seed.wrapping_add((at * 7) as u8) | 1).collect();
        message(kind, timestamp, &payload)
    })
}

proptest! {
    #[test]
    fn whatever_the_split_and_the_interleaving_the_messages_are_the_same(
        messages in prop::collection::vec((3_u8..7, some_message(), any::<bool>()), 0..30),
        order in prop::collection::vec(0_usize..4, 0..400),
        chunk_bytes in prop_oneof![Just(128_usize), 1_usize..300],
        repeats_extended in any::<bool>(),
        piece in prop_oneof![Just(1_usize), 1_usize..600],
    ) {
        let mut chunker = Chunker { chunk_bytes, repeats_extended, last: [const { None }; 64] };
        // Per chunk stream, the chunks in their order, the last of a message together with it.
        let mut queues: Vec<std::collections::VecDeque<(Vec<u8>, Option<Message>)>> = vec![Default::default(); 4];
        for (id, message, may_compress) in messages {
            let chunks = chunker.chunks(id, &message, may_compress);
            let count = chunks.len();
            let queue = &mut queues[usize::from(id) - 3];
            queue.extend(chunks.into_iter().enumerate().map(|(at, chunk)| {
                (chunk, (at + 1 == count).then(|| message.clone()))
            }));
        }
        let mut bytes = full(2, 0, SET_CHUNK_SIZE, &(chunk_bytes as u32).to_be_bytes());
        let mut wanted = Vec::new();
        for queue in order.into_iter().chain((0..4).cycle().take(20_000)) {
            if let Some((chunk, done)) = queues[queue].pop_front() {
                bytes.extend(chunk);
                wanted.extend(done);
            }
        }
        prop_assert!(queues.iter().all(|queue| queue.is_empty()), "not all was written");
        let mut reader = ChunkReader::new();
        prop_assert_eq!(read_in_pieces(&mut reader, &bytes, piece), Ok(wanted));
    }

    #[test]
    fn what_rml_rtmp_writes_is_read_back(
        messages in prop::collection::vec(some_message(), 0..20),
        piece in 1_usize..600,
    ) {
        // It writes nothing at all for messages without payload.
        let wanted: Vec<_> = messages.into_iter().filter(|message| !message.payload.is_empty()).collect();
        let mut serializer = ChunkSerializer::new();
        let mut bytes = serializer.set_max_chunk_size(200, RtmpTimestamp::new(0)).expect("written").bytes;
        for message in &wanted {
            let payload = MessagePayload {
                timestamp: RtmpTimestamp::new(message.timestamp),
                type_id: message.kind,
                message_stream_id: 1,
                data: message.payload.clone(),
            };
            bytes.extend(serializer.serialize(&payload, false, false).expect("written").bytes);
        }
        prop_assert_eq!(read_in_pieces(&mut ChunkReader::new(), &bytes, piece), Ok(wanted));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..3000), piece in 1_usize..600) {
        let _ = read_in_pieces(&mut ChunkReader::new(), &bytes, piece);
    }
}

/// Run by hand, optimised: `cargo test -p weir-ingest -- --ignored --nocapture faster`.
#[test]
#[ignore = "a measurement"]
fn reading_is_faster_than_with_rml_rtmp() {
    use rml_rtmp::chunk_io::ChunkDeserializer;
    use std::time::Instant;
    const MESSAGES: u32 = 20_000;
    const BYTES: usize = 25_000;
    let mut serializer = ChunkSerializer::new();
    let mut bytes = serializer.set_max_chunk_size(4096, RtmpTimestamp::new(0)).expect("written").bytes;
    let data = Bytes::from(vec![7; BYTES]);
    for at in 0..MESSAGES / 20 {
        let timestamp = RtmpTimestamp::new(at * 33);
        let payload = MessagePayload { timestamp, type_id: 9, message_stream_id: 1, data: data.clone() };
        bytes.extend(serializer.serialize(&payload, false, false).expect("written").bytes);
    }

    let started = Instant::now();
    for _ in 0..20 {
        let mut reader = ChunkReader::new();
        let mut input = BytesMut::new();
        let mut count = 0;
        for piece in bytes.chunks(READ) {
            input.extend_from_slice(piece);
            while reader.next(&mut input).expect("valid").is_some() {
                count += 1;
            }
        }
        assert_eq!(count, MESSAGES / 20);
    }
    let ours = started.elapsed();

    let started = Instant::now();
    for _ in 0..20 {
        let mut reader = ChunkDeserializer::new();
        let mut count = 0;
        for piece in bytes.chunks(READ) {
            let mut piece = piece;
            while let Some(message) = reader.get_next_message(piece).expect("valid") {
                piece = &[];
                if message.type_id == 1 {
                    reader.set_max_chunk_size(4096).expect("valid");
                } else {
                    count += 1;
                }
            }
        }
        assert_eq!(count, MESSAGES / 20);
    }
    let theirs = started.elapsed();
    eprintln!("{} MB: ours {ours:?}, rml_rtmp {theirs:?}", bytes.len() * 20 / 1_000_000);
    assert!(ours < theirs);
    const READ: usize = 16 << 10;
}
