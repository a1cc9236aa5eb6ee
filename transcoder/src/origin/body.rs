//! Bodies of media answers: slices of what is in memory, one after another, without copying.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use kit::negotiation::ByteRange;

/// The bytes of `range` of the concatenation of `chunks`, still as slices.
pub(crate) fn cut(chunks: &[Bytes], range: ByteRange) -> Vec<Bytes> {
    let mut at = 0_u64;
    let mut out = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        let (start, end) = (at, at + chunk.len() as u64);
        at = end;
        let (from, to) = (range.first.max(start), (range.last + 1).min(end));
        if from < to {
            out.push(chunk.slice((from - start) as usize..(to - start) as usize));
        }
    }
    out
}

/// A body of several slices whose length is known.
pub(crate) fn chunks(chunks: Vec<Bytes>) -> Body {
    let left = chunks.iter().map(|chunk| chunk.len() as u64).sum();
    Body::new(Chunks { chunks: chunks.into_iter(), left })
}

struct Chunks {
    chunks: std::vec::IntoIter<Bytes>,
    left: u64,
}

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let next = self.chunks.next();
        if let Some(chunk) = &next {
            self.left -= chunk.len() as u64;
        }
        Poll::Ready(next.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_across_chunks_is_sliced_not_copied() {
        let all = [Bytes::from_static(b"abc"), Bytes::from_static(b"defg"), Bytes::from_static(b"hi")];
        let some = cut(&all, ByteRange { first: 2, last: 7 });
        assert_eq!(some.concat(), b"cdefgh");
        assert_eq!(some[1].as_ptr(), all[1].as_ptr());
        assert_eq!(cut(&all, ByteRange { first: 3, last: 3 }).concat(), b"d");
    }
}
