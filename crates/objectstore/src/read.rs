//! A body on its way out: read in large steps, one in flight.

use std::fs::File;
use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use s3s::{Body, StdError};

use crate::disk::Store;
use crate::error::{Result, StoreError};

/// Bytes per step. A segment is one or two.
const STEP_BYTES: u64 = 512 * 1_024;

/// A part of a file, of which a first piece was read already.
pub(crate) struct Piece {
    file: File,
    bytes: Bytes,
    left: u64,
}

/// Reads the first step of a range. The file's position moves on with each.
pub(crate) fn begin(mut file: File, range: Range<u64>) -> io::Result<Piece> {
    if range.start > 0 {
        file.seek(SeekFrom::Start(range.start))?;
    }
    step(file, range.end - range.start)
}

fn step(file: File, left: u64) -> io::Result<Piece> {
    let wanted = left.min(STEP_BYTES);
    let mut bytes = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default());
    (&file).take(wanted).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != wanted {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Piece { file, bytes: bytes.into(), left: left - wanted })
}

type Reading = Pin<Box<dyn Future<Output = Result<Piece>> + Send>>;

/// The body of an answer.
struct FileBody {
    store: Store,
    next: Next,
    /// Bytes not yet given out.
    left: u64,
}

enum Next {
    Ready(Piece),
    Reading(Reading),
    Ended,
}

/// A body of what `begin` has begun.
pub(crate) fn body(store: &Store, first: Piece) -> Body {
    let left = first.left + first.bytes.len() as u64;
    Body::http_body_unsync(FileBody { store: store.clone(), next: Next::Ready(first), left })
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let piece = match std::mem::replace(&mut self.next, Next::Ended) {
            Next::Ready(piece) => piece,
            Next::Ended => return Poll::Ready(None),
            Next::Reading(mut reading) => match reading.as_mut().poll(cx) {
                Poll::Ready(piece) => piece?,
                Poll::Pending => {
                    self.next = Next::Reading(reading);
                    return Poll::Pending;
                }
            },
        };
        let Piece { file, bytes, left } = piece;
        if bytes.is_empty() {
            return Poll::Ready(None);
        }
        self.left -= bytes.len() as u64;
        if left > 0 {
            let store = self.store.clone();
            self.next = Next::Reading(Box::pin(async move {
                let more = move |_: &_| {
                    step(file, left).map_err(|source| StoreError::Disk { what: "reading on".to_owned(), source })
                };
                store.work(more).await
            }));
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
