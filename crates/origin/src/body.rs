use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use crate::files::Place;
use crate::guarded_io::OpenRequest;
use crate::meters::{Kind, Meters};

/// Bytes handed to the connection at a time. Small enough that the count of sent bytes is right to within a
/// fraction of a second of video when a viewer leaves, and that little is left in the queues of a reader who takes
/// nothing; large enough to cost few system calls.
const CHUNK_BYTES: usize = 128 * 1024;

/// A body of shared bytes, which counts what the connection takes of it and says when it is done with.
pub(crate) struct Body {
    pieces: VecDeque<Piece>,
    rest: usize,
    kind: Kind,
    /// For an answer that was held: when what it waited for was published.
    published_at: Option<Instant>,
    meters: Arc<Meters>,
    request: OpenRequest,
}

/// What is left of one of the buffers that a body is made of, never nothing, and where the same bytes lie in a file.
struct Piece {
    bytes: Bytes,
    place: Option<Place>,
}

impl Body {
    pub(crate) fn new(
        pieces: Vec<Bytes>,
        kind: Kind,
        published_at: Option<Instant>,
        meters: Arc<Meters>,
        request: OpenRequest,
    ) -> Self {
        let rest = pieces.iter().map(Bytes::len).sum();
        request.phase().body_opened();
        // Nothing but media is asked for by many and never changes.
        let outgoing = request.phase().outgoing().filter(|_| kind == Kind::Media);
        let pieces = pieces.into_iter().filter(|bytes| !bytes.is_empty());
        let pieces =
            pieces.map(|bytes| Piece { place: outgoing.and_then(|files| files.place(&bytes)), bytes }).collect();
        Self { pieces, rest, kind, published_at, meters, request }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        let Some(piece) = this.pieces.front_mut() else { return Poll::Ready(None) };
        let chunk = piece.bytes.split_to(piece.bytes.len().min(CHUNK_BYTES));
        if let (Some(place), Some(outgoing)) = (&mut piece.place, this.request.phase().outgoing()) {
            outgoing.push(chunk.clone(), place.clone());
            place.offset += chunk.len() as u64;
        }
        if piece.bytes.is_empty() {
            this.pieces.pop_front();
        }
        this.rest -= chunk.len();
        this.request.phase().taken(chunk.len());
        this.meters.sent(this.kind, chunk.len());
        if let Some(published_at) = this.published_at.take() {
            this.meters.first_byte(this.kind, published_at.elapsed());
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest as u64)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.request.phase().body_closed();
    }
}
