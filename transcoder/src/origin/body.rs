//! Bodies of media answers: slices of what is in memory, one after another, without copying.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

/// A byte range of a whole, both ends included (RFC 9110 14.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByteRange {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl ByteRange {
    pub(crate) fn len(self) -> u64 {
        self.last - self.first + 1
    }
}

/// What a `Range` header asks for of `length` bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Nothing, something malformed, or several ranges at once: the whole is a correct answer to each.
    Whole,
    Part(ByteRange),
    Unsatisfiable,
}

/// Reads a `Range` header.
pub(crate) fn asked(header: Option<&str>, length: u64) -> Asked {
    let Some(spec) = header.and_then(|value| value.trim().strip_prefix("bytes=")) else { return Asked::Whole };
    if spec.contains(',') {
        return Asked::Whole;
    }
    let Some((first, last)) = spec.trim().split_once('-') else { return Asked::Whole };
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    match (first, last) {
        ("", suffix) => match number(suffix) {
            Some(0) => Asked::Unsatisfiable,
            Some(_) if length == 0 => Asked::Unsatisfiable,
            Some(suffix) => Asked::Part(ByteRange { first: length.saturating_sub(suffix), last: length - 1 }),
            None => Asked::Whole,
        },
        (first, last) => {
            let Some(first) = number(first) else { return Asked::Whole };
            let last = if last.is_empty() { Some(u64::MAX) } else { number(last) };
            match last {
                Some(last) if last < first => Asked::Whole,
                Some(_) if first >= length => Asked::Unsatisfiable,
                Some(last) => Asked::Part(ByteRange { first, last: last.min(length - 1) }),
                None => Asked::Whole,
            }
        }
    }
}

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

    fn part(first: u64, last: u64) -> Asked {
        Asked::Part(ByteRange { first, last })
    }

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        assert_eq!(asked(Some("bytes=0-3"), 10), part(0, 3));
        assert_eq!(asked(Some("bytes=4-"), 10), part(4, 9));
        assert_eq!(asked(Some("bytes=-3"), 10), part(7, 9));
        assert_eq!(asked(Some("bytes=-30"), 10), part(0, 9));
        assert_eq!(asked(Some("bytes=8-99"), 10), part(8, 9));
        assert_eq!(asked(Some("bytes=10-"), 10), Asked::Unsatisfiable);
        assert_eq!(asked(Some("bytes=-0"), 10), Asked::Unsatisfiable);
        for whole in
            [None, Some("items=0-3"), Some("bytes=3-1"), Some("bytes=a-b"), Some("bytes=0-1,3-4"), Some("bytes=+1-2")]
        {
            assert_eq!(asked(whole, 10), Asked::Whole, "{whole:?}");
        }
    }

    #[test]
    fn a_range_across_chunks_is_sliced_not_copied() {
        let all = [Bytes::from_static(b"abc"), Bytes::from_static(b"defg"), Bytes::from_static(b"hi")];
        let some = cut(&all, ByteRange { first: 2, last: 7 });
        assert_eq!(some.concat(), b"cdefgh");
        assert_eq!(some[1].as_ptr(), all[1].as_ptr());
        assert_eq!(cut(&all, ByteRange { first: 3, last: 3 }).concat(), b"d");
    }
}
