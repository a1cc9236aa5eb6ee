//! Handing one publisher's media to a transcoder, and finding another when it is lost.
//!
//! Owns the outgoing end of the media link: connecting, greeting, deadlines, reconnecting with back-off. The publisher never
//! notices: its frames wait in [`queue::Queue`]. The framing itself belongs to [`media::link`].

pub(crate) mod queue;
mod route;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kit::lanes::Lane;
use kit::retry::Backoff;
use media::link::{self, Frame, FrameKind, Hello, HelloReply};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use queue::{Queue, Role};
pub use route::Fixed;
pub(crate) use route::Route;
use transport::{Ear, Mouth, Transport};

const CONNECT_WAIT_MAX: Duration = Duration::from_secs(2);
const GREETING_WAIT_MAX: Duration = Duration::from_secs(3);
/// From the end of a publish to the last word with the transcoder.
const FINISH_WAIT_MAX: Duration = Duration::from_secs(4);
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_CAP: Duration = Duration::from_secs(2);
/// A new stream that this many transcoders in a row have no room for is refused to its broadcaster's face.
const NO_ROOM_MAX: u32 = 3;
/// Frames per write.
const BATCH_FRAMES: usize = 32;

/// How the link learns of the publish's end.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Finish {
    /// The stream is over: say so, and wait for the last segment.
    Ended { reason: &'static str },
    /// The broadcaster may come back: hand over what is there and hang up.
    HungUp,
}

/// Why no transcoder takes this session's media any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another connection delivers the stream, with a higher epoch.
    Superseded,
    /// The stream has ended, or there is no room for it: in words for the broadcaster.
    Unwanted(String),
}

/// One session's way to a transcoder.
#[derive(Debug)]
pub(crate) struct Feed {
    queue: Arc<Queue>,
    finish: watch::Sender<Option<Finish>>,
    refused: watch::Receiver<Option<Refusal>>,
    over: watch::Receiver<bool>,
}

impl Feed {
    /// Starts the link's task on `lane`. It connects when there is something to send.
    pub(crate) fn start(hello: Hello, route: Arc<Route>, tasks: &TaskTracker, lane: &Lane) -> Self {
        let queue = Arc::new(Queue::default());
        let (finish, finishing) = watch::channel(None);
        let (refuse, refused) = watch::channel(None);
        let (end, over) = watch::channel(false);
        let link = Link { hello, route, queue: Arc::clone(&queue), finishing, refuse, was_accepted: false, no_room: 0 };
        let delivery = async move {
            link.run().await;
            let _ = end.send(true);
        };
        tasks.spawn_on(delivery, lane.handle());
        Self { queue, finish, refused, over }
    }

    /// Hands a frame over. Never waits.
    pub(crate) fn push(&self, frame: Frame, role: Role) {
        self.queue.push(frame, role);
    }

    /// Media that waits, by its timestamps.
    pub(crate) fn waiting_ms(&self) -> u32 {
        self.queue.waiting_ms()
    }

    /// The reason, when the transcoder will not have this stream at all.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.refused.borrow().clone()
    }

    /// Says the last word, within a bounded time.
    pub(crate) async fn finish(mut self, ended: Option<&'static str>) {
        let word = match ended {
            Some(reason) => Finish::Ended { reason },
            None => Finish::HungUp,
        };
        self.queue.close();
        let _ = self.finish.send(Some(word));
        if timeout(FINISH_WAIT_MAX + Duration::from_millis(200), self.over.wait_for(|is_over| *is_over)).await.is_err()
        {
            warn!("the link did not end in time");
        }
    }
}

struct Link {
    hello: Hello,
    route: Arc<Route>,
    queue: Arc<Queue>,
    finishing: watch::Receiver<Option<Finish>>,
    refuse: watch::Sender<Option<Refusal>>,
    was_accepted: bool,
    no_room: u32,
}

/// How one connection to a transcoder came to its end.
enum Outcome {
    /// Everything is said.
    Finished,
    Lost(anyhow::Error),
    /// A higher epoch has the stream, or it is over; there is nobody to hear us.
    Unwanted,
}

impl Link {
    async fn run(mut self) {
        let mut finishing = self.finishing.clone();
        let deadline = async move {
            // The session went away without a word: it cannot, but the link must not outlive it.
            let _ = finishing.wait_for(Option::is_some).await;
            tokio::time::sleep(FINISH_WAIT_MAX).await;
        };
        tokio::select! {
            biased;
            () = self.deliver() => {}
            () = deadline => info!(stream = %self.hello.stream_id, "gave up on the last word with the transcoder"),
        }
    }

    async fn deliver(&mut self) {
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_CAP);
        // A stream without a frame is nobody's business.
        while self.queue.wait().await || self.was_accepted {
            let begun = Instant::now();
            match self.connection().await {
                Outcome::Finished | Outcome::Unwanted => return,
                Outcome::Lost(error) => {
                    let error = format!("{error:#}");
                    warn!(stream = %self.hello.stream_id, error, "no link to the transcoder");
                    metrics::counter!("rillcast_ingest_link_lost_total").increment(1);
                }
            }
            if begun.elapsed() > RETRY_CAP {
                backoff.reset();
            }
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    async fn connection(&mut self) -> Outcome {
        let socket = match self.open().await {
            Ok(Some(socket)) => socket,
            Ok(None) => return Outcome::Unwanted,
            Err(error) => return Outcome::Lost(error),
        };
        self.was_accepted = true;
        let (ear, mouth) = socket.split();
        match self.pump(ear, mouth).await {
            Ok(()) => Outcome::Finished,
            Err(error) => {
                // Only here frames were on the way: an attempt that never got through loses none.
                self.queue.broke();
                Outcome::Lost(error)
            }
        }
    }

    /// Connects and greets. `None` when nobody wants this connection's media any more.
    async fn open(&mut self) -> anyhow::Result<Option<Transport>> {
        let way = self.route.pick(&self.hello.stream_id).await?;
        let mut socket = match timeout(CONNECT_WAIT_MAX, Transport::connect(&way)).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => {
                self.route.failed(&way);
                return Err(anyhow::Error::from(error).context(format!("transcoder {way}")));
            }
            Err(_) => {
                self.route.failed(&way);
                anyhow::bail!("transcoder {way} did not answer");
            }
        };
        self.hello.is_moved = self.was_accepted;
        let reply = timeout(GREETING_WAIT_MAX, socket.greet(&self.hello)).await??;
        match reply {
            HelloReply::Accepted => {
                debug!(stream = %self.hello.stream_id, %way, "linked");
                Ok(Some(socket))
            }
            HelloReply::Refused { code, reason } => {
                self.route.failed(&way);
                if self.is_final(&code, &reason) {
                    return Ok(None);
                }
                anyhow::bail!("transcoder {way} refused: {code}: {reason}");
            }
        }
    }

    /// Whether a refusal is the last word, told to the session where the session does not know yet.
    fn is_final(&mut self, code: &str, reason: &str) -> bool {
        match code {
            // From another node: this one hears of it here first.
            "link.stale-epoch" => {
                let _ = self.refuse.send(Some(Refusal::Superseded));
                true
            }
            "link.stream-ended" => {
                let _ = self.refuse.send(Some(Refusal::Unwanted(reason.to_owned())));
                true
            }
            // A stream that once ran is worth another try, here or elsewhere.
            "link.full" | "link.spool-full" if !self.was_accepted => {
                self.no_room += 1;
                if self.no_room < NO_ROOM_MAX {
                    return false;
                }
                let _ = self.refuse.send(Some(Refusal::Unwanted(reason.to_owned())));
                true
            }
            _ => false,
        }
    }

    async fn pump(&mut self, mut ear: Ear, mut mouth: Mouth) -> anyhow::Result<()> {
        let headers = self.queue.headers();
        if !headers.is_empty() {
            mouth.send(headers).await?;
        }
        loop {
            let batch = tokio::select! {
                biased;
                batch = self.queue.take(BATCH_FRAMES) => batch,
                heard = ear.any() => {
                    heard?;
                    anyhow::bail!("the transcoder hung up");
                }
            };
            let Some(batch) = batch else { break };
            mouth.send(batch).await?;
            let dropped = self.queue.take_dropped();
            if dropped > 0 {
                warn!(stream = %self.hello.stream_id, frames = dropped, "frames were given up for a slow or absent transcoder");
                metrics::counter!("rillcast_ingest_dropped_frames_total").increment(dropped);
            }
        }
        // The queue closes a moment before the word is given.
        let finish = self.finishing.wait_for(Option::is_some).await.map(|finish| finish.clone())?;
        let Some(Finish::Ended { reason }) = finish else {
            mouth.close().await?;
            return Ok(());
        };
        let payload = Bytes::from(serde_json::to_vec(&link::End { reason: reason.to_owned() })?);
        mouth.send(vec![Frame { kind: FrameKind::End, timestamp_ms: 0, payload }]).await?;
        ear.ended().await
    }
}
