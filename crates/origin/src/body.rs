use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use weir_packager::MediaFile;

use crate::files::FileInMemory;
use crate::guarded_io::OpenRequest;
use crate::meters::{Kind, Meters};

/// Bytes handed to the connection at a time. Small enough that the count of sent bytes is right to within a
/// fraction of a second of video when a viewer leaves, and that little is left in the queues of a reader who takes
/// nothing; large enough to cost few system calls.
const CHUNK_BYTES: usize = 128 * 1024;

/// What an answer is to send.
#[derive(Default)]
pub(crate) struct Content {
    pub(crate) pieces: Vec<Bytes>,
    /// The media that these bytes are of, and where in them they begin.
    pub(crate) media: Option<(Arc<MediaFile>, usize)>,
}

/// A body of shared bytes, which counts what the connection takes of it and says when it is done with.
pub(crate) struct Body {
    pieces: VecDeque<Bytes>,
    rest: usize,
    /// A file that has the same bytes, and where in it the rest begins.
    file: Option<(Arc<FileInMemory>, u64)>,
    kind: Kind,
    /// For an answer that was held: when what it waited for was published.
    published_at: Option<Instant>,
    meters: Arc<Meters>,
    request: OpenRequest,
}

impl Content {
    /// The length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }
}

impl From<Vec<Bytes>> for Content {
    fn from(pieces: Vec<Bytes>) -> Self {
        Self { pieces, media: None }
    }
}

impl Body {
    pub(crate) fn new(
        content: Content,
        kind: Kind,
        published_at: Option<Instant>,
        meters: Arc<Meters>,
        request: OpenRequest,
    ) -> Self {
        let rest = content.len();
        request.phase().body_opened();
        let Content { mut pieces, media } = content;
        pieces.retain(|piece| !piece.is_empty());
        let file = media.filter(|_| rest > 0).and_then(|(media, begin)| {
            let file = request.phase().outgoing()?.file(&media)?;
            Some((file, begin as u64))
        });
        Self { pieces: pieces.into(), rest, file, kind, published_at, meters, request }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        let Some(piece) = this.pieces.front_mut() else { return Poll::Ready(None) };
        let chunk = piece.split_to(piece.len().min(CHUNK_BYTES));
        while this.pieces.front().is_some_and(Bytes::is_empty) {
            this.pieces.pop_front();
        }
        if let (Some((file, offset)), Some(outgoing)) = (&mut this.file, this.request.phase().outgoing()) {
            outgoing.push(chunk.clone(), Arc::clone(file), *offset);
            *offset += chunk.len() as u64;
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
