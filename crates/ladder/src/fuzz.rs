//! What fuzzing asks of the wire between daemon and worker: a function that takes bytes as a worker could send them after a
//! decoder went wrong in it, and panics if something does not hold that must hold whatever they are.

use bytes::{Bytes, BytesMut};
use weir_media::{TrackKind, VideoParams};

use crate::wire::{self, MESSAGE_BYTES_MAX, Message, WireCounts, WireFailure, WireFormat, from_worker};

/// Messages of a worker. The first byte says into what pieces the rest is cut, which must make no difference.
pub fn worker(data: &[u8]) {
    let Some((&cut, bytes)) = data.split_first() else { return };
    let whole = messages(bytes, bytes.len().max(1));
    assert_eq!(messages(bytes, usize::from(cut) + 1), whole);
}

fn messages(bytes: &[u8], piece: usize) -> Vec<String> {
    let (mut buffer, mut found) = (BytesMut::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        buffer.extend_from_slice(piece);
        loop {
            match wire::take(&mut buffer) {
                Ok(Some(message)) => found.push(told(message)),
                Ok(None) => break,
                Err(error) => {
                    found.push(error.to_string());
                    return found;
                }
            }
        }
        assert!(buffer.len() < 4 + MESSAGE_BYTES_MAX);
    }
    found
}

fn told(message: Message) -> String {
    let name = message.name;
    match name {
        from_worker::FORMAT => {
            let format = message.json::<WireFormat>();
            if let Ok(WireFormat { avcc: Some(avcc), .. }) = &format {
                let _ = VideoParams::from_avcc(Bytes::copy_from_slice(avcc));
            }
            format!("{format:?}")
        }
        from_worker::FRAME => {
            let length = message.body.len();
            let frame = message.frame(|number| if number == 3 { TrackKind::Audio } else { TrackKind::Video });
            if let Ok((rendition, frame)) = &frame {
                assert!(frame.data.len() < length && (*rendition == 3) == (frame.kind == TrackKind::Audio));
            }
            format!("{frame:?}")
        }
        from_worker::COUNTS => {
            let counts = message.json::<WireCounts>();
            if let Ok(counts) = &counts {
                assert_eq!(again(name, counts), Some(*counts));
            }
            format!("{counts:?}")
        }
        from_worker::FAILED => format!("{:?}", message.json::<WireFailure>()),
        name => name.to_string(),
    }
}

/// Counts, written as the worker writes them and read back.
fn again(name: u8, counts: &WireCounts) -> Option<WireCounts> {
    let mut buffer = BytesMut::from(&wire::control(name, counts).ok()?[..]);
    wire::take(&mut buffer).ok()??.json().ok()
}
