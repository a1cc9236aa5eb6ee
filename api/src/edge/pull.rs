//! One request to a stream's owner, and on to the next owner when that one is lost.
//!
//! Owns how a handover looks from here: a dead owner's requests fail at once and wait, within [`HANDOVER_MAX`], for whoever takes
//! the stream; a new owner that has nothing yet is asked again until it has.
//!
//! [`HANDOVER_MAX`]: crate::directory::HANDOVER_MAX

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::time::{Instant, sleep_until};

use super::ask::{Ask, File};
use super::entry::{ENTRY_BYTES_MAX, Entry, Store};
use crate::directory::{Directory, Owner};
use crate::origin_proxy::{OriginProxy, ProxyError, Question};

/// An owner that is asked for what it has, or has not, says so within this.
const PLAIN_WAIT_MAX: Duration = Duration::from_secs(3);
/// Between two questions to an owner that did not answer, or had nothing.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// An uncompressed playlist: a day of a stream from its beginning has 5 MiB.
const TEXT_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Failed {
    /// It is announced no more, and nobody answers for it.
    #[error("nobody has this stream")]
    Gone,
    #[error(transparent)]
    Owner(#[from] ProxyError),
    #[error("the edge has no memory left for this")]
    Full,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(super) enum Landed {
    Whole(Arc<Entry>),
    /// It is there, and too large to be kept in memory: each viewer asks for it.
    TooLarge,
}

/// What a request to the owner is made with.
#[derive(Clone)]
pub(super) struct Puller {
    pub directory: Directory,
    pub proxy: OriginProxy,
    pub store: Store,
}

/// A question on its way from owner to owner.
pub(super) struct Pull {
    pub username: String,
    pub owner: Owner,
    pub file: File,
    pub ask: Ask,
}

impl Puller {
    /// Asks until somebody answers, or the waiting has no point any more.
    pub(super) async fn pull(&self, pull: Pull) -> Result<Landed, Failed> {
        let deadline = Instant::now() + self.proxy.answer_wait_max;
        let mut moves = self.directory.moves();
        let stream = pull.owner.stream;
        loop {
            moves.borrow_and_update();
            let owner = self.directory.owner(&pull.username, Some(stream)).filter(|owner| owner.stream == stream);
            let owner = owner.ok_or(Failed::Gone)?;
            let answer = tokio::select! {
                answer = self.ask(&owner, &pull) => answer,
                // Whoever lost the stream may hold our question for ever.
                () = gone(&self.directory, &owner, &mut moves) => continue,
                () = sleep_until(deadline) => return Err(ProxyError::TooSlow.into()),
            };
            let (until, told) = match answer {
                Err(Failed::Owner(_)) if !owner.is_current => return Err(Failed::Gone),
                Err(Failed::Owner(error)) => (self.directory.miss(&owner), Err(Failed::Owner(error))),
                Ok(Landed::Whole(entry)) if entry.status == StatusCode::NOT_FOUND && pull.file.is_text() => {
                    match self.directory.patience(&owner) {
                        Some(until) => (until, Ok(Landed::Whole(entry))),
                        None => return Ok(Landed::Whole(entry)),
                    }
                }
                Ok(landed) => {
                    let is_there = matches!(&landed, Landed::Whole(entry) if entry.status == StatusCode::OK);
                    if is_there || pull.file.is_text() {
                        self.directory.settle(&owner, pull.file.is_text());
                    }
                    return Ok(landed);
                }
                Err(error) => return Err(error),
            };
            if Instant::now() >= until.min(deadline) {
                return told;
            }
            tokio::select! {
                () = sleep_until(Instant::now() + RETRY_PAUSE) => {}
                _ = moves.changed() => {}
            }
        }
    }

    async fn ask(&self, owner: &Owner, pull: &Pull) -> Result<Landed, Failed> {
        // Old segments come to the owner from the bucket, which may take its time.
        let is_at_hand = pull.file == File::Thumbnail || (pull.file.is_text() && pull.file != File::IFrames);
        let is_waiting = pull.ask.target.is_some() || !is_at_hand;
        let question = Question {
            method: Method::GET,
            origin_url: &owner.origin_url,
            path_and_query: &pull.ask.path_and_query(),
            stream: stream_header(owner),
            wait_max: if is_waiting { self.proxy.answer_wait_max } else { PLAIN_WAIT_MAX },
        };
        let mut headers = HeaderMap::new();
        if pull.file.is_text() {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let opened = self.proxy.ask(question, &headers).await?;
        let (status, headers) = (opened.status, opened.headers.clone());
        metrics::counter!("rillcast_edge_pulls_total", "kind" => pull.file.as_str(), "status" => class(status))
            .increment(1);
        let length = opened.length.unwrap_or(ENTRY_BYTES_MAX);
        if length > ENTRY_BYTES_MAX {
            return Ok(Landed::TooLarge);
        }
        let Some(mut room) = self.store.room(length) else {
            return if pull.file.is_text() { Err(Failed::Full) } else { Ok(Landed::TooLarge) };
        };
        let max = usize::try_from(length).unwrap_or(usize::MAX);
        let bytes = opened.whole(max).await?;
        let is_packed = headers.get(CONTENT_ENCODING).is_some_and(|coding| coding.as_bytes() == b"gzip");
        let entry = if is_packed {
            let text = unpack(&bytes).ok_or_else(|| ProxyError::Unreachable("a broken playlist".to_owned()))?;
            let space = self.store.room(text.len() as u64).ok_or(Failed::Full)?;
            Entry::new(status, &headers, space.hold(text), Some(room.hold(bytes)))
        } else {
            // Where the owner did not say how much comes, more was set aside than it took.
            let body = match room.split(bytes.len() as u64) {
                Some(space) => space.hold(bytes),
                None => room.hold(bytes),
            };
            Entry::new(status, &headers, body, None)
        };
        Ok(Landed::Whole(Arc::new(entry)))
    }
}

pub(super) fn stream_header(owner: &Owner) -> HeaderValue {
    HeaderValue::try_from(owner.stream.to_string()).unwrap_or(HeaderValue::from_static(""))
}

async fn gone(directory: &Directory, owner: &Owner, moves: &mut tokio::sync::watch::Receiver<u64>) {
    while directory.is_still(owner) {
        if moves.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

fn unpack(bytes: &[u8]) -> Option<Bytes> {
    let mut text = Vec::with_capacity(bytes.len() * 6);
    let size = GzDecoder::new(bytes).take(TEXT_BYTES_MAX + 1).read_to_end(&mut text).ok()?;
    (size as u64 <= TEXT_BYTES_MAX).then(|| text.into())
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}
