//! The task that owns one stream from its first connection to two minutes after its end.
//!
//! The only writer of the stream's renditions. Frames, the child's pictures and the answers of Postgres all arrive here,
//! in that order of importance; nothing on this path waits for anybody.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::stream::{PublishEnd, StreamStatus};
use kit::Stop;
use media::link::Frame;
use media::{VIDEO_TIMESCALE, rescale};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::gather::Gather;
use super::lower::{Came, Lower};
use super::publisher::{Publisher, Tracks};
use super::session::{Heard, Media, Session};
use super::{Shared, helpers};
use crate::origin::shelf::StreamInfo;

/// How often the stream's row is asked for while no publisher is connected.
const ASK_EVERY: Duration = Duration::from_secs(1);
const ASK_WAIT_MAX: Duration = Duration::from_secs(3);
/// Playlists of an ended stream can be fetched for this long.
const KEEP_ENDED: Duration = Duration::from_secs(120);
/// How long the end waits for the child's last pictures.
const DRAIN_MAX: Duration = Duration::from_millis(400);
/// Audio held while the period's first key frame has not come.
const EARLY_AUDIO_MAX: usize = 128;

/// What reaches a stream's task from its connections.
pub(crate) enum Command {
    Attach { connection: u64 },
    Frames { connection: u64, frames: Vec<Frame>, arrived: Instant, room: OwnedSemaphorePermit },
    End { connection: u64, reason: String, done: oneshot::Sender<()> },
    Gone { connection: u64 },
}

/// What Postgres says about a stream without publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    GoesOn,
    Ended,
}

type Asking = Pin<Box<dyn Future<Output = Verdict> + Send>>;

pub(crate) struct StreamTask {
    info: StreamInfo,
    shared: Arc<Shared>,
    publisher: Publisher,
    connection: Option<u64>,
    session: Option<Session>,
    /// Where the next connection's clock begins.
    origin_ms: i64,
    gather: Option<Gather>,
    tracks: Tracks,
    /// The next key frame begins a period.
    awaits_period: bool,
    is_new_connection: bool,
    early_audio: VecDeque<media::Sample>,
    /// The picture format the child was started with.
    child_config: Option<Bytes>,
    asking: Option<Asking>,
    heard: Vec<Heard>,
}

/// Why the task's loop was left.
enum Left {
    Ended,
    Stopped,
}

/// Something the loop woke up for.
enum Woken {
    Command(Option<Command>),
    Worker(Option<crate::worker::WorkerEvent>),
    Answer(Verdict),
    Decide,
    Stop,
}

impl StreamTask {
    pub(crate) fn new(info: StreamInfo, shared: Arc<Shared>, publisher: Publisher) -> Self {
        // A connection that dies before it has said anything must not leave a stream behind that nobody asks about.
        let asking = Some(ask(shared.pool.clone(), info.clone()));
        Self {
            info,
            shared,
            publisher,
            connection: None,
            session: None,
            origin_ms: 0,
            gather: None,
            tracks: Tracks { video: None, audio: None },
            awaits_period: true,
            is_new_connection: true,
            early_audio: VecDeque::new(),
            child_config: None,
            asking,
            heard: Vec::with_capacity(32),
        }
    }

    /// Runs until the stream has ended and nobody needs its playlists any more, or `stop`.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>, ended: Stop, stop: Stop) {
        metrics::gauge!("rillcast_live_streams").increment(1.0);
        let left = self.serve(&mut commands, &stop).await;
        metrics::gauge!("rillcast_live_streams").decrement(1.0);
        // From here on connections are turned away.
        ended.cancel();
        drop(commands);
        match left {
            Left::Ended => {
                tracing::info!("the stream has ended");
                tokio::select! {
                    () = sleep(KEEP_ENDED) => {}
                    () = stop.cancelled() => {}
                }
            }
            Left::Stopped => {
                self.publisher.interrupt();
                tracing::info!("the stream was interrupted by the stop of this node");
            }
        }
    }

    async fn serve(&mut self, commands: &mut mpsc::Receiver<Command>, stop: &Stop) -> Left {
        loop {
            let decide_at = self.gather.as_ref().and_then(Gather::deadline);
            let woken = tokio::select! {
                biased;
                command = commands.recv() => Woken::Command(command),
                () = stop.cancelled() => Woken::Stop,
                event = next_event(&mut self.publisher.lower) => Woken::Worker(event),
                () = sleep_until(decide_at.unwrap_or_else(Instant::now)), if decide_at.is_some() => Woken::Decide,
                answer = answered(&mut self.asking) => Woken::Answer(answer),
            };
            match woken {
                Woken::Command(Some(Command::Attach { connection })) => self.attach(connection),
                Woken::Command(Some(Command::Frames { connection, frames, arrived, room })) => {
                    if self.connection == Some(connection) {
                        for frame in &frames {
                            self.frame(frame, arrived);
                        }
                    }
                    drop(room);
                }
                Woken::Command(Some(Command::End { connection, reason, done }))
                    if self.connection == Some(connection) =>
                {
                    let is_over = PublishEnd::parse(&reason).is_none_or(PublishEnd::ends_stream);
                    tracing::info!(reason, is_over, "the publisher has left");
                    self.lose();
                    if is_over {
                        self.finish().await;
                    }
                    // The connection may be gone already.
                    let _ = done.send(());
                    if is_over {
                        return Left::Ended;
                    }
                }
                Woken::Command(Some(Command::Gone { connection })) if self.connection == Some(connection) => {
                    tracing::info!("the publisher's connection is lost; waiting for it or for the stream's end");
                    self.lose();
                }
                Woken::Command(Some(_)) => {}
                Woken::Worker(event) => self.worker(event),
                Woken::Decide => self.decide(Instant::now()),
                Woken::Answer(Verdict::GoesOn) => self.asking = Some(ask(self.shared.pool.clone(), self.info.clone())),
                Woken::Answer(Verdict::Ended) => {
                    self.finish().await;
                    return Left::Ended;
                }
                Woken::Command(None) | Woken::Stop => return Left::Stopped,
            }
        }
    }

    fn attach(&mut self, connection: u64) {
        if self.connection.is_some() {
            self.lose();
        }
        self.connection = Some(connection);
        self.asking = None;
        self.session = Some(Session::new(self.origin_ms));
        self.gather = Some(Gather::new());
        self.tracks = Tracks { video: None, audio: None };
        self.early_audio.clear();
        self.awaits_period = true;
        self.is_new_connection = true;
    }

    /// The connection is over: what is there goes out, and the stream waits for what comes next.
    fn lose(&mut self) {
        self.connection = None;
        if self.gather.is_some() {
            self.begin_gathered(Instant::now());
        }
        if let Some(mut session) = self.session.take() {
            let mut heard = std::mem::take(&mut self.heard);
            session.finish(&mut heard);
            for item in heard.drain(..) {
                self.hear(item, Instant::now());
            }
            self.heard = heard;
            self.origin_ms = session.end_ms();
        }
        self.publisher.close_period();
        if let Some(lower) = &mut self.publisher.lower {
            lower.finish_input();
        }
        self.asking = Some(ask(self.shared.pool.clone(), self.info.clone()));
    }

    async fn finish(&mut self) {
        self.publisher.close_period();
        let drained = timeout(DRAIN_MAX, async {
            while self.publisher.lower.as_ref().is_some_and(Lower::is_draining) {
                let event = next_event(&mut self.publisher.lower).await;
                self.worker(event);
            }
        });
        if drained.await.is_err() {
            tracing::debug!("the GStreamer process did not give its last pictures in time");
        }
        self.publisher.end();
    }

    fn frame(&mut self, frame: &Frame, arrived: Instant) {
        let Some(session) = &mut self.session else { return };
        let mut heard = std::mem::take(&mut self.heard);
        session.read(frame, &mut heard);
        if let Some(gather) = &mut self.gather {
            gather.add(frame.timestamp_ms, heard.drain(..));
            if gather.is_decided() {
                self.decide(arrived);
            }
        } else {
            for item in heard.drain(..) {
                self.hear(item, arrived);
            }
        }
        self.heard = heard;
    }

    /// The wait for tracks may be over.
    fn decide(&mut self, arrived: Instant) {
        if self.gather.as_ref().is_some_and(Gather::is_decided) {
            self.begin_gathered(arrived);
        } else if let Some(gather) = &mut self.gather {
            // Media of a codec nobody understands: there is nothing to decide about yet.
            gather.postpone();
        }
    }

    fn begin_gathered(&mut self, arrived: Instant) {
        let (Some(gather), Some(session)) = (self.gather.take(), &mut self.session) else { return };
        self.tracks = Tracks { video: session.video().cloned(), audio: session.audio().cloned() };
        if self.tracks.audio.is_none()
            && let Some(known) = self.publisher.audio_config()
            && let Some(at_ms) = gather.first_ms()
            && session.pretend_audio(&known, at_ms)
        {
            self.tracks.audio = Some(known);
        }
        tracing::info!(
            video = self.tracks.video.as_ref().map(|video| format!("{} {:?}", video.codecs(), video.size())),
            audio = self.tracks.audio.as_ref().map(media::codec::AacConfig::codecs),
            "the publisher's tracks"
        );
        for item in gather.held {
            self.hear(item, arrived);
        }
    }

    fn hear(&mut self, heard: Heard, arrived: Instant) {
        match heard {
            Heard::VideoConfig(video) => {
                self.awaits_period |= self.tracks.video.as_ref() != Some(&video);
                self.tracks.video = Some(video);
            }
            Heard::AudioConfig(aac) => {
                self.awaits_period |= self.tracks.audio.as_ref() != Some(&aac);
                self.tracks.audio = Some(aac);
            }
            Heard::Video(media) => self.video(media, arrived),
            Heard::Audio(media) => self.audio(media, arrived),
        }
    }

    fn video(&mut self, media: Media, arrived: Instant) {
        self.awaits_period |= media.is_after_gap;
        if self.awaits_period {
            if !media.sample.is_sync {
                return;
            }
            self.begin_period(media.sample.pts());
        }
        let before = self.publisher.shop.parts;
        self.publisher.push_video(media.sample);
        self.measure(before, arrived);
    }

    fn audio(&mut self, media: Media, arrived: Instant) {
        let Some(aac) = &self.tracks.audio else { return };
        if self.tracks.video.is_none() {
            self.awaits_period |= media.is_after_gap;
            if self.awaits_period {
                let pts = rescale(media.sample.dts, aac.sample_rate, VIDEO_TIMESCALE);
                self.begin_period(pts);
            }
        } else if self.awaits_period {
            // It may belong behind a key frame that has not come yet.
            if self.early_audio.len() == EARLY_AUDIO_MAX {
                self.early_audio.pop_front();
            }
            self.early_audio.push_back(media.sample);
            return;
        }
        let before = self.publisher.shop.parts;
        let goes_on = self.publisher.push_audio(media.sample);
        self.measure(before, arrived);
        if !goes_on {
            tracing::info!("the picture has stopped; the next key frame begins a new period");
            self.publisher.close_period();
            self.awaits_period = true;
        }
    }

    fn begin_period(&mut self, pts: i64) {
        self.awaits_period = false;
        self.start_child();
        let is_new = std::mem::take(&mut self.is_new_connection);
        self.publisher.begin_period(&self.tracks, pts, kit::clock::now(), is_new);
        for sample in std::mem::take(&mut self.early_audio) {
            self.publisher.push_audio(sample);
        }
    }

    /// Starts the child that makes the lower renditions and the pictures, unless there is one for this format or the machine
    /// has no room.
    fn start_child(&mut self) {
        let Some(video) = &self.tracks.video else { return };
        let is_same = self.child_config.as_ref() == Some(video.record());
        let has_child = self.publisher.lower.as_ref().is_some_and(Lower::has_child);
        if is_same && has_child {
            return;
        }
        if helpers::start_child(&self.shared, &self.info, video, &mut self.publisher) {
            self.child_config = Some(video.record().clone());
        }
    }

    fn worker(&mut self, event: Option<crate::worker::WorkerEvent>) {
        let Publisher { lower: Some(lower), shop, pace, .. } = &mut self.publisher else { return };
        let is_last = event.is_none();
        let has_rungs = lower.permit().is_some_and(|permit| !permit.rungs().is_empty());
        match lower.take(event, shop, pace) {
            Came::Nothing => {}
            Came::News => self.publisher.hang_out(),
            Came::Thumbnail(jpeg) => self.publisher.thumbnail(jpeg),
            Came::Tile { pts, jpeg } => self.publisher.tile(pts, &jpeg),
            Came::Changed(running) => {
                let rungs = lower.permit().map(|permit| permit.rungs().to_vec()).unwrap_or_default();
                self.publisher.hang_out();
                self.publisher.refresh_multivariant();
                let reason = Some("the machine is too busy for the others".to_owned());
                helpers::note(&self.shared, &self.info, helpers::described(&rungs, running, reason));
            }
            Came::Over(reason) if !has_rungs => tracing::warn!(reason, "the stream goes on without pictures"),
            Came::Over(reason) => {
                tracing::warn!(reason, "the stream goes on with its source rendition only");
                self.publisher.refresh_multivariant();
                helpers::note(&self.shared, &self.info, format!("source-only: {reason}"));
            }
        }
        if is_last && !self.publisher.is_open() {
            let Publisher { lower: Some(lower), shop, pace, .. } = &mut self.publisher else { return };
            lower.close(shop, pace);
            self.publisher.hang_out();
        }
    }

    fn measure(&self, parts_before: u64, arrived: Instant) {
        if self.publisher.shop.parts != parts_before {
            metrics::histogram!("rillcast_part_latency_seconds").record(arrived.elapsed().as_secs_f64());
        }
    }
}

async fn next_event(lower: &mut Option<Lower>) -> Option<crate::worker::WorkerEvent> {
    match lower {
        Some(lower) => lower.next().await,
        None => std::future::pending().await,
    }
}

async fn answered(asking: &mut Option<Asking>) -> Verdict {
    match asking {
        Some(answer) => answer.as_mut().await,
        None => std::future::pending().await,
    }
}

/// Asks after a while whether the stream is over. Postgres being away means it is not.
fn ask(pool: db::Pool, info: StreamInfo) -> Asking {
    Box::pin(async move {
        sleep(ASK_EVERY).await;
        let question = async {
            let mut conn = pool.acquire().await.map_err(db::DbError::from)?;
            let Some(state) = db::recordings::stream_state(&mut conn, info.stream_id).await? else {
                return Ok(Verdict::Ended);
            };
            if state.status != StreamStatus::Ended && state.is_window_over {
                db::recordings::end_if_expired(&mut conn, info.stream_id).await?;
                return Ok(Verdict::GoesOn);
            }
            Ok::<_, db::DbError>(if state.status == StreamStatus::Ended { Verdict::Ended } else { Verdict::GoesOn })
        };
        match timeout(ASK_WAIT_MAX, question).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(error)) => {
                tracing::debug!(%error, "the stream's row could not be read");
                Verdict::GoesOn
            }
            Err(_) => Verdict::GoesOn,
        }
    })
}
