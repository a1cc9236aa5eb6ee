//! The first moments of a connection: which tracks will there be?
//!
//! Encoders send both sequence headers at once, but nothing says that a second track will come at all. Media is held until
//! both headers are there or enough of one track has passed.

use std::time::Duration;

use tokio::time::Instant;

use super::session::Heard;

/// Media of one track after which no other is expected.
const ALONE_MS: i64 = 1_000;
/// The same in real time, for senders that stall.
const ALONE_WAIT_MAX: Duration = Duration::from_millis(1_500);
/// What is held meanwhile.
const HELD_MAX: usize = 512;

/// Media held back until the tracks are known.
#[derive(Debug)]
pub(crate) struct Gather {
    pub(crate) held: Vec<Heard>,
    has_video: bool,
    has_audio: bool,
    first_ms: Option<u32>,
    span_ms: i64,
    deadline: Option<Instant>,
}

impl Gather {
    pub(crate) fn new() -> Self {
        Self { held: Vec::new(), has_video: false, has_audio: false, first_ms: None, span_ms: 0, deadline: None }
    }

    /// When the wait is over whatever has come; set by the first media.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Timestamp of the first media.
    pub(crate) fn first_ms(&self) -> Option<u32> {
        self.first_ms
    }

    /// Nothing was decided at the deadline: another will be set by what comes.
    pub(crate) fn postpone(&mut self) {
        self.deadline = None;
    }

    /// Takes what a frame with `timestamp_ms` said.
    pub(crate) fn add(&mut self, timestamp_ms: u32, heard: impl Iterator<Item = Heard>) {
        for item in heard {
            match &item {
                Heard::VideoConfig(_) => self.has_video = true,
                Heard::AudioConfig(_) => self.has_audio = true,
                Heard::Video(_) | Heard::Audio(_) => {
                    self.deadline.get_or_insert_with(|| Instant::now() + ALONE_WAIT_MAX);
                    let first = *self.first_ms.get_or_insert(timestamp_ms);
                    self.span_ms = self.span_ms.max(i64::from(timestamp_ms.wrapping_sub(first) as i32));
                }
            }
            self.held.push(item);
        }
    }

    /// Whether the tracks are known well enough to begin.
    pub(crate) fn is_decided(&self) -> bool {
        let is_any = self.has_video || self.has_audio;
        let is_late = self.deadline.is_some_and(|deadline| deadline <= Instant::now());
        let is_both = self.has_video && self.has_audio;
        is_both || is_any && (self.span_ms >= ALONE_MS || is_late || self.held.len() >= HELD_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::super::session::Media;
    use super::*;
    use media::Sample;
    use media::codec::AacConfig;

    fn audio(dts: i64) -> Heard {
        let sample = Sample { dts, cts: 0, duration: 1_024, is_sync: true, data: bytes::Bytes::from_static(b"x") };
        Heard::Audio(Media { sample, is_after_gap: false })
    }

    #[tokio::test(start_paused = true)]
    async fn one_track_alone_is_believed_after_a_second_of_it_or_a_moment_of_waiting() {
        let config = || Heard::AudioConfig(AacConfig::parse(&[0x11, 0x90]).unwrap());
        let mut gather = Gather::new();
        gather.add(u32::MAX - 10, [config(), audio(0)].into_iter());
        assert!(!gather.is_decided());
        gather.add(989, [audio(1)].into_iter());
        assert!(gather.is_decided(), "a second has passed across the wrap");

        let mut gather = Gather::new();
        gather.add(0, [config(), audio(0)].into_iter());
        tokio::time::advance(ALONE_WAIT_MAX).await;
        assert!(gather.is_decided());
    }
}
