//! What waits for the transcoder: a bounded queue that always begins where a decoder can.
//!
//! Never blocks the publisher. When it is full, or the link was lost in the middle, it gives up whole groups of pictures from
//! the front. Remembers the headers it has given out, so that the next transcoder can be told them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use media::link::{Frame, FrameKind};
use tokio::sync::Notify;

/// Most bytes that wait: several seconds of the highest bit rate allowed by default.
pub(crate) const BYTES_MAX: usize = 24 * 1024 * 1024;
/// Most frames that wait.
pub(crate) const FRAMES_MAX: usize = 4_096;
/// What a frame costs besides its payload.
const FRAME_OVERHEAD: usize = 96;

/// What a frame means for somebody who begins to read with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A codec's sequence header, or metadata.
    Header,
    /// A key frame of the video.
    Key,
    Other,
}

#[derive(Debug)]
struct Item {
    frame: Frame,
    role: Role,
}

/// The headers given out last.
#[derive(Debug, Default, Clone)]
struct Headers {
    metadata: Option<Bytes>,
    video: Option<Bytes>,
    audio: Option<Bytes>,
}

#[derive(Debug, Default)]
struct Inner {
    items: VecDeque<Item>,
    bytes: usize,
    headers: Headers,
    has_video: bool,
    /// Nothing but headers is taken until a key frame comes.
    needs_key: bool,
    last_timestamp_ms: u32,
    dropped: u64,
    is_closed: bool,
}

/// The queue between one session and its link.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    changed: Notify,
}

impl Queue {
    /// Appends a frame. Never waits.
    pub(crate) fn push(&self, frame: Frame, role: Role) {
        let mut inner = self.lock();
        if inner.is_closed {
            return;
        }
        inner.last_timestamp_ms = frame.timestamp_ms;
        inner.has_video |= frame.kind == FrameKind::Video;
        if inner.begins(&frame, role) {
            inner.needs_key = false;
        } else if inner.needs_key && role != Role::Header {
            inner.dropped += 1;
            return;
        }
        inner.bytes += frame.payload.len() + FRAME_OVERHEAD;
        inner.items.push_back(Item { frame, role });
        if inner.bytes > BYTES_MAX || inner.items.len() > FRAMES_MAX {
            inner.drop_group();
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Nothing more will come.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// Takes up to `max` frames as soon as there is one; `None` when the queue is closed and empty. Cancel safe.
    pub(crate) async fn take(&self, max: usize) -> Option<Vec<Frame>> {
        loop {
            if let Some(taken) = self.try_take(max) {
                return taken;
            }
            self.changed.notified().await;
        }
    }

    fn try_take(&self, max: usize) -> Option<Option<Vec<Frame>>> {
        let mut inner = self.lock();
        if inner.items.is_empty() {
            return inner.is_closed.then_some(None);
        }
        let mut taken = Vec::with_capacity(max.min(inner.items.len()));
        while taken.len() < max {
            let Some(frame) = inner.pop() else { break };
            taken.push(frame);
        }
        Some(Some(taken))
    }

    /// Resolves when there is something to send, or nothing will ever come (`false`). Cancel safe.
    pub(crate) async fn wait(&self) -> bool {
        loop {
            {
                let inner = self.lock();
                if !inner.items.is_empty() || inner.is_closed {
                    return !inner.items.is_empty();
                }
            }
            self.changed.notified().await;
        }
    }

    /// The link is lost with frames on the way: go on with the next key frame.
    pub(crate) fn broke(&self) {
        self.lock().drop_group();
    }

    /// What a new link must hear before the queue's frames.
    pub(crate) fn headers(&self) -> Vec<Frame> {
        let inner = self.lock();
        let timestamp_ms = inner.items.front().map_or(inner.last_timestamp_ms, |item| item.frame.timestamp_ms);
        let Headers { metadata, video, audio } = inner.headers.clone();
        [(FrameKind::Data, metadata), (FrameKind::Video, video), (FrameKind::Audio, audio)]
            .into_iter()
            .filter_map(|(kind, payload)| Some(Frame { kind, timestamp_ms, payload: payload? }))
            .collect()
    }

    /// From the oldest frame that waits to the newest, by their timestamps.
    pub(crate) fn waiting_ms(&self) -> u32 {
        let inner = self.lock();
        inner.items.front().map_or(0, |item| {
            // A clock that was set back in between makes it negative.
            inner.last_timestamp_ms.wrapping_sub(item.frame.timestamp_ms).cast_signed().max(0).cast_unsigned()
        })
    }

    /// Frames given up since the last call.
    pub(crate) fn take_dropped(&self) -> u64 {
        std::mem::take(&mut self.lock().dropped)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Whether a decoder can begin with this frame.
    fn begins(&self, frame: &Frame, role: Role) -> bool {
        match role {
            Role::Key => true,
            Role::Header => false,
            Role::Other => !self.has_video && frame.kind == FrameKind::Audio,
        }
    }

    fn pop(&mut self) -> Option<Frame> {
        let Item { frame, role } = self.items.pop_front()?;
        self.bytes -= frame.payload.len() + FRAME_OVERHEAD;
        if role == Role::Header {
            // A copy: the payload is a slice of a much larger read buffer.
            let copy = Some(Bytes::copy_from_slice(&frame.payload));
            match frame.kind {
                FrameKind::Video => self.headers.video = copy,
                FrameKind::Audio => self.headers.audio = copy,
                _ => self.headers.metadata = copy,
            }
        }
        Some(frame)
    }

    /// Gives up frames from the front until the queue begins where a decoder can.
    fn drop_group(&mut self) {
        while self.pop().is_some() {
            self.dropped += 1;
            if self.items.front().is_some_and(|item| self.begins(&item.frame, item.role)) {
                return;
            }
        }
        self.needs_key = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: FrameKind, timestamp_ms: u32, bytes: usize) -> Frame {
        Frame { kind, timestamp_ms, payload: vec![0; bytes].into() }
    }

    fn video(timestamp_ms: u32, role: Role) -> (Frame, Role) {
        (frame(FrameKind::Video, timestamp_ms, 1_000), role)
    }

    fn push_all(queue: &Queue, frames: impl IntoIterator<Item = (Frame, Role)>) {
        for (frame, role) in frames {
            queue.push(frame, role);
        }
    }

    async fn times(queue: &Queue) -> Vec<u32> {
        queue.close();
        queue.take(usize::MAX >> 8).await.unwrap_or_default().iter().map(|frame| frame.timestamp_ms).collect()
    }

    #[tokio::test]
    async fn after_a_break_frames_go_on_with_the_next_key_frame() {
        let queue = Queue::default();
        push_all(&queue, [video(0, Role::Header), video(0, Role::Key), video(33, Role::Other), video(66, Role::Other)]);
        assert_eq!(queue.take(3).await.map(|taken| taken.len()), Some(3));
        queue.broke();
        push_all(&queue, [video(100, Role::Other), video(133, Role::Key), video(166, Role::Other)]);
        let headers = queue.headers();
        assert_eq!(headers.len(), 1);
        assert_eq!(headers[0].timestamp_ms, 133, "headers are told as of now");
        assert_eq!(times(&queue).await, [133, 166]);
        assert_eq!(queue.take_dropped(), 2);
    }

    #[tokio::test]
    async fn a_break_keeps_the_groups_of_pictures_that_wait_behind_it() {
        let queue = Queue::default();
        push_all(&queue, [video(0, Role::Other), video(33, Role::Key), video(66, Role::Other)]);
        queue.broke();
        assert_eq!(times(&queue).await, [33, 66]);
    }

    #[tokio::test]
    async fn a_full_queue_gives_up_its_oldest_group_and_stays_bounded() {
        let queue = Queue::default();
        for at in 0..3 * FRAMES_MAX as u32 {
            queue.push(frame(FrameKind::Video, at, 10), if at % 100 == 0 { Role::Key } else { Role::Other });
        }
        let times = times(&queue).await;
        assert!(times.len() <= FRAMES_MAX);
        assert_eq!(times[0] % 100, 0, "begins with a key frame");
        assert_eq!(times.last(), Some(&(3 * FRAMES_MAX as u32 - 1)));
    }

    #[tokio::test]
    async fn how_much_waits_is_told_by_timestamps() {
        let queue = Queue::default();
        assert_eq!(queue.waiting_ms(), 0);
        push_all(&queue, [video(u32::MAX - 99, Role::Key), video(400, Role::Other)]);
        assert_eq!(queue.waiting_ms(), 500);
        queue.push(frame(FrameKind::Video, u32::MAX - 5_000, 1), Role::Other);
        assert_eq!(queue.waiting_ms(), 0);
    }

    #[tokio::test]
    async fn bytes_are_bounded_too() {
        let queue = Queue::default();
        for at in 0..100 {
            queue.push(frame(FrameKind::Video, at, 1024 * 1024), Role::Key);
        }
        assert!(queue.lock().bytes <= BYTES_MAX);
    }

    #[tokio::test]
    async fn without_video_sound_may_begin_anywhere() {
        let queue = Queue::default();
        queue.broke();
        queue.push(frame(FrameKind::Audio, 5, 10), Role::Other);
        assert_eq!(times(&queue).await, [5]);
    }

    #[tokio::test]
    async fn a_header_change_in_the_queue_stays_in_its_place() {
        let queue = Queue::default();
        let header =
            |at, byte| (Frame { kind: FrameKind::Video, timestamp_ms: at, payload: vec![byte].into() }, Role::Header);
        push_all(&queue, [header(0, 1), video(0, Role::Key)]);
        assert_eq!(queue.take(2).await.map(|taken| taken.len()), Some(2));
        push_all(&queue, [video(33, Role::Key), header(66, 2), video(66, Role::Key)]);
        assert_eq!(queue.headers()[0].payload[0], 1, "what waits was made with the old header");
        queue.broke();
        assert_eq!(queue.headers()[0].payload[0], 2);
        assert_eq!(times(&queue).await, [66]);
    }
}
