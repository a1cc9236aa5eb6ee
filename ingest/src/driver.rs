//! Drives one connection until it ends and nothing it claimed is left behind.
//!
//! Performing an action never fails: whatever goes wrong comes back as the next input, so no early return can skip the end of
//! a stream. Rules are the session's; bytes are the chunk reader's; the farewell is [`crate::farewell`]'s.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use domain::Classify;
use domain::stream::{PublishEnd, PublishError};
use kit::Stop;
use kit::lanes::Lane;
use media::link::{Frame, FrameKind, Hello};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::info;

use crate::beat::{self, BeatSocket};
use crate::chunk::{self, Limits, Message, kind};
use crate::delivery::{Delivery, Judgement, Rate, data_role};
use crate::desk::Grant;
use crate::feed::queue::Role;
use crate::feed::{Feed, Refusal};
use crate::handshake::{Handshake, Progress};
use crate::node::Node;
use crate::registry::Cut;
use crate::session::{Action, Input, Request, Session};
use crate::socket::Socket;
use crate::vitals::Vitals;
use crate::wire::Output;
use crate::{amf, command};

/// Read buffer of a stranger; thousands of them may be open.
const STRANGER_READ: usize = 4 * 1024;
/// Reads of a publisher per beat.
const READS_PER_BEAT: usize = 4;
/// Bytes taken from a peer who goes on before he has our yes.
const AHEAD_BYTES_MAX: usize = 256 * 1024;

/// How a connection came to its end, for the farewell.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Nothing was claimed.
    Dropped,
    Refused(PublishError),
    Finished(PublishEnd),
}

type Verdict = Result<Grant, PublishError>;

pub(crate) struct Connection {
    pub(crate) addr: SocketAddr,
    pub(crate) node: Arc<Node>,
    pub(crate) session: Session,
    pub(crate) output: Output,
    pub(crate) grant: Option<Grant>,
    pub(crate) feed: Option<Feed>,
    pub(crate) delivery: Delivery,
    /// Boxed: most connections never have any.
    pub(crate) vitals: Option<Box<Vitals>>,
    pub(crate) outcome: Outcome,
    /// Why, for the log and for the peer.
    pub(crate) reason: Option<String>,
    /// The message stream the publish came on.
    pub(crate) publish_stream: u32,
    pub(crate) media_bytes: u64,
    verdict: Option<oneshot::Receiver<Verdict>>,
    handshake: Handshake,
    reader: chunk::Reader,
    input: BytesMut,
    rate: Rate,
    /// Where its media moves once it is accepted.
    lane: Lane,
}

enum Event {
    /// Boxed: it comes once, the others all the time.
    Verdict(Option<Box<Verdict>>),
    Stop,
    Told(Cut),
    LinkRefused(Refusal),
    Timer,
    Read(std::io::Result<usize>),
    Wrote(std::io::Result<usize>),
}

impl Connection {
    pub(crate) fn new(addr: SocketAddr, node: Arc<Node>) -> Self {
        let now = Instant::now();
        let rate = Rate::new(node.config.ingest.bitrate_kbps_max, now);
        let lane = node.lanes.pick();
        Self {
            addr,
            node,
            session: Session::new(now),
            output: Output::default(),
            grant: None,
            feed: None,
            delivery: Delivery::default(),
            vitals: None,
            outcome: Outcome::Dropped,
            reason: None,
            publish_stream: 0,
            media_bytes: 0,
            verdict: None,
            handshake: Handshake::new(),
            reader: chunk::Reader::new(Limits::STRANGER),
            input: BytesMut::new(),
            rate,
            lane,
        }
    }

    /// Serves the peer until the session has ended, and gives the socket back for the last words. There is none when it broke
    /// on its way back to the poller, and nothing at all when the media thread is gone.
    pub(crate) async fn serve(
        mut self: Box<Self>,
        mut socket: Socket,
        stop: &Stop,
    ) -> Option<(Box<Self>, Option<Socket>)> {
        while !self.session.is_ended() {
            if !self.session.is_live() {
                self.negotiate(&mut socket, stop).await;
                continue;
            }
            let outcome = match BeatSocket::new(socket) {
                Ok(mut beating) => {
                    let (lane, stop) = (self.lane.clone(), stop.clone());
                    let delivered = lane.run(async move {
                        self.deliver(&mut beating, &stop).await;
                        (self, beating)
                    });
                    let (connection, beating) = delivered.await?;
                    self = connection;
                    beating.into_polled()
                }
                Err(error) => Err(error),
            };
            socket = match outcome {
                Ok(socket) => socket,
                Err(error) => {
                    self.broke(error, Instant::now());
                    return Some((self, None));
                }
            };
        }
        // A yes that crossed with the peer's leaving.
        if let Some(mut verdict) = self.verdict.take() {
            verdict.close();
            if let Ok(Ok(grant)) = verdict.try_recv() {
                self.grant = Some(grant);
                self.feed_session(Input::Granted, Instant::now());
            }
        }
        Some((self, Some(socket)))
    }

    /// Up to the yes, and for who never gets one: every byte is answered as it comes.
    async fn negotiate(&mut self, socket: &mut Socket, stop: &Stop) {
        let (mut from_peer, mut to_peer) = tokio::io::split(socket);
        let timer = tokio::time::sleep_until(self.session.deadline());
        tokio::pin!(timer);
        while !self.session.is_ended() && !self.session.is_live() {
            let deadline = self.deadline();
            // Deadlines mostly move away: the timer is set anew when it fires, not at every message.
            if deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
            }
            let may_read = !self.session.is_authorizing() || self.input.len() < AHEAD_BYTES_MAX;
            if self.input.capacity() - self.input.len() < STRANGER_READ / 4 {
                self.input.reserve(STRANGER_READ);
            }
            let has_pending = self.output.has_pending();
            let Self { verdict, input, output, .. } = self;
            let event = tokio::select! {
                biased;
                verdict = heard(verdict) => Event::Verdict(verdict),
                () = stop.cancelled() => Event::Stop,
                () = timer.as_mut() => Event::Timer,
                wrote = to_peer.write_buf(output.pending()), if has_pending => Event::Wrote(wrote),
                read = from_peer.read_buf(input), if may_read => Event::Read(read),
            };
            let now = Instant::now();
            if let Some(learned) = self.learn(event, now) {
                self.feed_session(learned, now);
            }
            if timer.is_elapsed() {
                timer.as_mut().reset(self.deadline());
            }
            self.read_input(now);
        }
    }

    /// A publisher's media, looked at on the common beat.
    async fn deliver(&mut self, socket: &mut BeatSocket, stop: &Stop) {
        while self.session.is_live() {
            beat::next(Instant::now()).await;
            let now = Instant::now();
            if let Some(vitals) = &mut self.vitals {
                vitals.beat(now, || self.feed.as_ref().map_or(0, Feed::waiting_ms));
            }
            for event in self.events(stop, now) {
                if let Some(learned) = self.learn(event, now) {
                    self.feed_session(learned, now);
                }
            }
            if self.output.has_pending() {
                let wrote = socket.write(self.output.pending());
                self.take(Event::Wrote(wrote), now);
            }
            // What is more than this waits in the kernel, and slows its sender down.
            for _read in 0..READS_PER_BEAT {
                if !self.session.is_live() {
                    break;
                }
                let read = socket.read(&mut self.input);
                // A read that brought less than it could has emptied the socket: no need to ask again.
                let is_drained = !matches!(read, Ok(beat::READ_BYTES..));
                self.take(Event::Read(read), now);
                self.read_input(now);
                if is_drained {
                    break;
                }
            }
        }
    }

    /// What came up besides bytes since the last beat.
    fn events(&self, stop: &Stop, now: Instant) -> impl Iterator<Item = Event> + use<> {
        let stopped = stop.is_cancelled().then_some(Event::Stop);
        let told = self.grant.as_ref().and_then(|grant| grant.presence.told_to_go()).map(Event::Told);
        let refused = self.feed.as_ref().and_then(Feed::refusal).map(Event::LinkRefused);
        let timer = (self.deadline() <= now).then_some(Event::Timer);
        [stopped, told, refused, timer].into_iter().flatten()
    }

    /// Takes the outcome of a read or write outside the poller; one that would have had to wait is none.
    fn take(&mut self, event: Event, now: Instant) {
        if let Event::Read(Err(error)) | Event::Wrote(Err(error)) = &event
            && error.kind() == ErrorKind::WouldBlock
        {
            return;
        }
        if let Some(learned) = self.learn(event, now) {
            self.feed_session(learned, now);
        }
    }

    fn deadline(&self) -> Instant {
        let session = self.session.deadline();
        self.output.deadline().map_or(session, |output| output.min(session))
    }

    /// Turns what happened outside into the session's words.
    fn learn(&mut self, event: Event, now: Instant) -> Option<Input> {
        match event {
            Event::Verdict(verdict) => {
                self.verdict = None;
                match verdict.map(|verdict| *verdict) {
                    Some(Ok(grant)) => {
                        self.grant = Some(grant);
                        Some(Input::Granted)
                    }
                    Some(Err(error)) => Some(Input::Denied(error)),
                    None => Some(Input::Denied(PublishError::Unavailable("the question was lost".into()))),
                }
            }
            Event::Stop => Some(self.because("the server is stopping", Input::Shutdown)),
            Event::Told(Cut::Superseded) | Event::LinkRefused(Refusal::Superseded) => {
                Some(self.because("another encoder has taken over", Input::Superseded))
            }
            Event::Told(Cut::Revoked) => {
                Some(self.because("the stream was ended or its owner may not stream", Input::Cut))
            }
            Event::Told(Cut::Hook) => Some(self.because("the operator's update hook refused", Input::Cut)),
            Event::LinkRefused(Refusal::Unwanted(reason)) => Some(self.because(reason, Input::Cut)),
            Event::Timer if self.output.deadline().is_some_and(|deadline| deadline <= now) => {
                Some(self.because("the peer does not read our answers", Input::Broken))
            }
            Event::Timer if self.session.deadline() <= now => Some(Input::Deadline),
            Event::Timer => None,
            Event::Wrote(Ok(0)) | Event::Wrote(Err(_)) | Event::Read(Ok(0)) | Event::Read(Err(_)) => {
                Some(Input::PeerGone)
            }
            Event::Wrote(Ok(_)) => {
                self.output.wrote(now);
                None
            }
            Event::Read(Ok(bytes)) => self.count(bytes, now),
        }
    }

    fn count(&mut self, bytes: usize, now: Instant) -> Option<Input> {
        self.node.meters.bytes.increment(bytes as u64);
        if !self.session.is_live() {
            return None;
        }
        self.media_bytes += bytes as u64;
        if !self.rate.is_legal(bytes, now) {
            let max = self.node.config.ingest.bitrate_kbps_max;
            return Some(self.because(format!("more than {max} kbit/s"), Input::Cut));
        }
        match self.output.received(bytes, now) {
            Ok(()) => None,
            Err(error) => Some(self.because(error, Input::Broken)),
        }
    }

    /// Takes everything out of the input that may be taken now.
    fn read_input(&mut self, now: Instant) {
        while !self.session.is_ended() && !self.session.is_authorizing() {
            if self.session.is_handshaking() {
                match self.handshake.step(&mut self.input) {
                    Ok(Progress::NeedsMore) => return,
                    Ok(Progress::Answer(answer)) => {
                        if let Err(error) = self.output.raw(&answer, now) {
                            self.broke(error, now);
                        }
                    }
                    Ok(Progress::Done) => self.feed_session(Input::Handshaken, now),
                    Err(error) => self.broke(error, now),
                }
                continue;
            }
            match self.reader.next(&mut self.input) {
                Ok(Some(message)) => self.message(message, now),
                Ok(None) => return,
                Err(error) => self.broke(error, now),
            }
        }
    }

    fn message(&mut self, message: Message, now: Instant) {
        let Message { kind, timestamp_ms, payload, .. } = message;
        match kind {
            kind::VIDEO => self.media(FrameKind::Video, timestamp_ms, payload, now),
            kind::AUDIO => self.media(FrameKind::Audio, timestamp_ms, payload, now),
            kind::DATA_AMF0 => self.data(timestamp_ms, &payload, now),
            // A zero byte, then the same as AMF 0.
            kind::DATA_AMF3 => self.data(timestamp_ms, &payload.slice(payload.len().min(1)..), now),
            kind::COMMAND_AMF0 => self.command(message.message_stream, &payload, now),
            kind::COMMAND_AMF3 => self.command(message.message_stream, &payload[payload.len().min(1)..], now),
            kind::WINDOW_ACK_SIZE => self.output.set_ack_window(&payload),
            kind::USER_CONTROL => {
                if let Err(error) = self.output.user_control(&payload, now) {
                    self.broke(error, now);
                }
            }
            _ => {}
        }
    }

    fn media(&mut self, kind: FrameKind, timestamp_ms: u32, payload: Bytes, now: Instant) {
        let told = self.delivery.tracks_left_out();
        let judgement = match kind {
            FrameKind::Video => self.delivery.video(&payload),
            _ => self.delivery.audio(&payload),
        };
        if self.delivery.tracks_left_out() > told {
            info!(addr = %self.addr, left_out = self.delivery.tracks_left_out(), ?kind,
                  "the publisher sends more than one track of a kind; only the first is taken");
        }
        if self.delivery.has_other_tracks()
            && let Some(vitals) = &mut self.vitals
        {
            vitals.extra_track(kind);
        }
        let role = match judgement {
            Judgement::Forward(role) => role,
            // Before the yes, even nothing is too much.
            Judgement::Skip if self.session.is_live() => return,
            Judgement::Skip => Role::Other,
            Judgement::Unsupported(codec) => {
                let advice = format!("{codec} is not supported; choose H.264, HEVC or AV1, and AAC");
                let refused = self.because(advice, Input::CodecRefused);
                return self.feed_session(refused, now);
            }
        };
        let frame = Frame { kind, timestamp_ms, payload };
        match self.session.step(Input::Media, now) {
            Action::Forward => self.forward(frame, role, now),
            action => self.follow(action, now),
        }
    }

    fn forward(&mut self, frame: Frame, role: Role, now: Instant) {
        let (Some(grant), Some(feed)) = (&self.grant, &self.feed) else { return };
        grant.presence.media_arrived(now);
        grant.timestamp_ms.store(frame.timestamp_ms, Ordering::Relaxed);
        if self.delivery.goes_on_air(&frame, role, now) {
            self.node.desk.online(&grant.presence);
        }
        if let Some(vitals) = &mut self.vitals {
            vitals.arrived(&frame, role, self.delivery.reorder_ms());
        }
        feed.push(frame, role);
    }

    fn data(&mut self, timestamp_ms: u32, payload: &Bytes, now: Instant) {
        let body = match amf::script_data(payload) {
            Ok(Some(body)) => body,
            Ok(None) => return self.broke("script data without data", now),
            // Odd metadata is no reason to lose a broadcaster; bombs are.
            Err(error) if self.session.is_live() && !error.is_hostile() => return,
            Err(error) => return self.broke(error, now),
        };
        let role = data_role(&body);
        match self.session.step(Input::Data, now) {
            Action::Forward => {
                if let Some(feed) = &self.feed {
                    feed.push(Frame { kind: FrameKind::Data, timestamp_ms, payload: body }, role);
                }
            }
            action => self.follow(action, now),
        }
    }

    fn command(&mut self, message_stream: u32, payload: &[u8], now: Instant) {
        match command::parse(payload) {
            Ok(command) => {
                if matches!(command, command::Command::Publish { .. }) {
                    self.publish_stream = message_stream;
                }
                self.feed_session(Input::Command(command), now);
            }
            Err(error) => self.broke(error, now),
        }
    }

    fn broke(&mut self, why: impl ToString, now: Instant) {
        let input = self.because(why, Input::Broken);
        self.feed_session(input, now);
    }

    /// Keeps the first reason.
    fn because(&mut self, why: impl ToString, input: Input) -> Input {
        self.reason.get_or_insert_with(|| why.to_string());
        input
    }

    fn feed_session(&mut self, input: Input, now: Instant) {
        let action = self.session.step(input, now);
        self.follow(action, now);
    }

    /// Performs an action, and whatever follows from it.
    fn follow(&mut self, action: Action, now: Instant) {
        let mut next = Some(action);
        while let Some(action) = next.take() {
            if let Some(learned) = self.perform(action, now) {
                next = Some(self.session.step(learned, now));
            }
        }
    }

    fn perform(&mut self, action: Action, now: Instant) -> Option<Input> {
        match action {
            // Media goes its own way, with the message at hand.
            Action::Wait | Action::Forward => None,
            Action::Answer(answer) => match self.output.answer(&answer, now) {
                Ok(()) => None,
                Err(error) => Some(self.because(error, Input::Broken)),
            },
            Action::Authorize(request) => {
                self.authorize(request);
                None
            }
            Action::Accept => self.accept(now),
            Action::Refuse(error) => {
                self.node.meters.refused(error.code());
                self.outcome = Outcome::Refused(error);
                None
            }
            Action::Finish(end) => {
                self.outcome = Outcome::Finished(end);
                None
            }
            Action::Release => {
                self.outcome = Outcome::Finished(PublishEnd::ConnectionLost);
                None
            }
            Action::Drop(why) => {
                self.reason.get_or_insert_with(|| why.to_owned());
                self.outcome = Outcome::Dropped;
                None
            }
        }
    }

    fn authorize(&mut self, request: Request) {
        let (answer, verdict) = oneshot::channel();
        let (desk, addr) = (Arc::clone(&self.node.desk), self.addr);
        self.verdict = Some(verdict);
        self.node.desk.tasks.spawn(async move {
            let verdict = desk.authorize(request, addr).await;
            // Nobody waits any more: give back what was claimed.
            if let Err(Ok(grant)) = answer.send(verdict) {
                desk.finish(&grant.presence, PublishEnd::ConnectionLost, false).await;
            }
        });
    }

    fn accept(&mut self, now: Instant) -> Option<Input> {
        let grant = self.grant.as_ref()?;
        let (claim, config) = (grant.claim(), &self.node.config);
        info!(channel = %claim.username, stream = %claim.stream_id, epoch = claim.epoch, addr = %self.addr,
              is_resumed = claim.is_resumed, "publisher accepted");
        let hello = Hello {
            is_moved: false,
            token: config.cluster.secret.expose().to_owned(),
            stream_id: claim.stream_id.to_string(),
            vod_id: claim.vod_id.to_string(),
            username: claim.username.as_str().to_owned(),
            title: Some(claim.title.clone()),
            publish_id: claim.publish_id.to_string(),
            epoch: claim.epoch.unsigned_abs(),
            started_at: claim.started_at.to_rfc3339(),
            remote_addr: self.addr.to_string(),
            visibility: Some(claim.visibility.as_str().to_owned()),
        };
        self.node.desk.report(grant);
        self.feed = Some(Feed::start(hello, Arc::clone(&self.node.route), &self.node.desk.tasks, &self.lane));
        self.vitals = Some(Box::new(Vitals::new(claim, config.ingest.bitrate_kbps_max, self.node.pen.clone(), now)));
        self.reader.set_limits(Limits::PUBLISHER);
        self.node.meters.streams.increment(1.0);
        match self.output.publish_started(self.publish_stream, now) {
            Ok(()) => None,
            Err(error) => Some(self.because(error, Input::Broken)),
        }
    }
}

async fn heard(verdict: &mut Option<oneshot::Receiver<Verdict>>) -> Option<Box<Verdict>> {
    match verdict {
        Some(verdict) => verdict.await.ok().map(Box::new),
        None => std::future::pending().await,
    }
}
