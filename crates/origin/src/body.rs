use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use crate::guarded_io::Phase;
use crate::meters::{Kind, Meters};

/// Bytes handed to the connection at a time. Small enough that the count of sent bytes is right to within a
/// fraction of a second of video when a viewer leaves, large enough to cost few system calls.
const CHUNK_BYTES: usize = 256 * 1024;

/// A body of shared bytes, which counts what the connection takes of it and says when it is done with.
pub(crate) struct Body {
    rest: Bytes,
    kind: Kind,
    meters: Arc<Meters>,
    phase: Arc<Phase>,
}

impl Body {
    pub(crate) fn new(bytes: Bytes, kind: Kind, meters: Arc<Meters>, phase: Arc<Phase>) -> Self {
        Self { rest: bytes, kind, meters, phase }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            return Poll::Ready(None);
        }
        let chunk = this.rest.split_to(this.rest.len().min(CHUNK_BYTES));
        this.meters.sent(this.kind, chunk.len());
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.phase.answered();
    }
}
