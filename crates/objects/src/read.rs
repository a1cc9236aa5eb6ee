//! Reading objects: what is known of one, and its bytes as they come.

use std::io;
use std::time::Duration;

use aws_sdk_s3::primitives::{ByteStream, DateTime};
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use http_body_util::BodyExt;
use tokio::time::timeout;

/// A store that sends nothing for this long in the middle of an object is taken for dead.
const CHUNK_WAIT_MAX: Duration = Duration::from_secs(20);

/// The bytes of an object, in the order and size they arrive. Never more than a chunk is held.
pub type ObjectBody = BoxStream<'static, io::Result<Bytes>>;

/// What the bucket says of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// Length of this answer in bytes: of the range, when one was asked for.
    pub content_length: u64,
    pub content_type: Option<String>,
    pub cache_control: Option<String>,
    /// Quoted, as HTTP wants it.
    pub etag: Option<String>,
    /// Seconds since 1970.
    pub last_modified_s: Option<i64>,
}

/// An object, or the part of it that was asked for.
pub struct Object {
    pub meta: Meta,
    /// Present when the answer is a part: `bytes 0-9/100`.
    pub content_range: Option<String>,
    pub body: ObjectBody,
}

impl Object {
    /// The whole body in memory, if it has at most `bytes_max` bytes.
    pub async fn collect(self, bytes_max: usize) -> io::Result<Bytes> {
        let mut parts = self.body;
        let mut whole = Vec::with_capacity(usize::try_from(self.meta.content_length).unwrap_or(0).min(bytes_max));
        while let Some(part) = parts.next().await {
            let part = part?;
            if whole.len() + part.len() > bytes_max {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the object is larger than asked for"));
            }
            whole.extend_from_slice(&part);
        }
        Ok(whole.into())
    }
}

pub(crate) fn length(value: Option<i64>) -> u64 {
    value.and_then(|length| u64::try_from(length).ok()).unwrap_or(0)
}

pub(crate) fn seconds(time: Option<&DateTime>) -> Option<i64> {
    time.map(DateTime::secs)
}

pub(crate) fn body_of(stream: ByteStream) -> ObjectBody {
    stream::try_unfold(stream.into_inner(), |mut body| async move {
        loop {
            let frame = timeout(CHUNK_WAIT_MAX, body.frame())
                .await
                .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the bucket stopped sending"))?;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(io::Error::other(error)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some((data, body)));
                    }
                }
            }
        }
    })
    .boxed()
}
