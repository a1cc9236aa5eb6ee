//! One import from its lease to a recording that can be played.

use std::path::Path;
use std::sync::atomic::{AtomicI16, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use db::imports::{self, Held, Lease};
use domain::import::{DURATION_MAX, ImportFail};
use domain::stream::VodStatus;
use kit::Stop;
use media::codec::{AacConfig, VideoCodec, VideoConfig};
use tokio::time::{Instant, sleep, timeout};

use super::lay::Frame;
use super::lower::Lower;
use super::packager::{AUDIO, Packager, Piece, SOURCE, Seen};
use super::plan::Plan;
use super::scratch::{self, Scratch};
use super::store::{self, Store};
use super::{ImportDeps, LEASE, RENEW_EVERY};
use crate::stream::storyboard;
use crate::worker::{Coded, Coder, Contents, DemuxSource, Demuxer, Died, Event, Order, Rung, Unit};

/// Children that may die of one file before it is refused.
const DEATHS_MAX: u32 = 2;
/// Of a thousand: what the copying counts for.
const COPIED: i16 = 100;
/// The same for passing on what can be played as it is, when more follows.
const PASSED: i16 = 300;
/// Where reading the file ends; the rest is writing it down.
const READ: i16 = 990;
/// Cores that are free of live streams' children, or half of those there are for them, before a file is coded.
const FREE_CORES: f64 = 0.5;
/// How often it is looked whether they are.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Key frames from which pictures alone are made are so far apart at least, in 90 kHz.
const APART_TICKS: i64 = (storyboard::EVERY_S as i64 * 9 / 10) * 90_000;
/// A file may say that it is so much longer than what is in it, or a hundredth of it.
const MISSING_NS_MAX: u64 = 2_000_000_000;

/// Why an import did not come to its end.
#[derive(Debug)]
pub(super) enum Stopped {
    /// It never will.
    Failed(ImportFail),
    /// It can be played; what was to follow never will.
    Partly(ImportFail),
    /// Somebody else has a say in it.
    Ended(Held),
    /// It can be played, and the rest follows in another lane: with this copy of the file.
    Plays(Option<Scratch>),
    /// Not now. Too many beginnings that are counted end it.
    Waits { reason: String, is_counted: bool },
    /// This node stops.
    Leaving,
}

impl Stopped {
    pub(super) fn waits(reason: String) -> Self {
        Self::Waits { reason, is_counted: false }
    }
}

impl From<db::DbError> for Stopped {
    fn from(error: db::DbError) -> Self {
        Self::waits(error.to_string())
    }
}

impl From<ImportFail> for Stopped {
    fn from(why: ImportFail) -> Self {
        Self::Failed(why)
    }
}

/// What went wrong with a child.
enum Trouble {
    Stopped(Stopped),
    Died(Died),
}

impl From<Stopped> for Trouble {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

impl From<ImportFail> for Trouble {
    fn from(why: ImportFail) -> Self {
        Self::Stopped(Stopped::Failed(why))
    }
}

impl From<Died> for Trouble {
    fn from(died: Died) -> Self {
        Self::Died(died)
    }
}

/// See the module's words.
pub(super) struct Making<'a> {
    deps: &'a ImportDeps,
    folder: &'a Path,
    lease: &'a Lease,
    /// The file, where it was copied before.
    copy: Mutex<Option<Scratch>>,
    /// Of a thousand.
    progress: AtomicI16,
}

impl<'a> Making<'a> {
    pub(super) fn new(deps: &'a ImportDeps, folder: &'a Path, lease: &'a Lease, copy: Option<Scratch>) -> Self {
        Self { deps, folder, lease, copy: Mutex::new(copy), progress: AtomicI16::new(0) }
    }

    /// Makes the recording, for as long as the lease holds.
    pub(super) async fn run(&self, stop: &Stop) -> Result<(), Stopped> {
        let mut store = Store::new(&self.deps.objects, &self.deps.pool, self.lease);
        let end = tokio::select! {
            biased;
            () = stop.cancelled() => Err(Stopped::Leaving),
            held = self.keep() => Err(Stopped::Ended(held)),
            made = self.make(&mut store) => made,
        };
        store.settle().await;
        match end {
            // A row that could not be written says no more than that something is different: what it is, is asked.
            Err(Stopped::Ended(Held::Lost)) => match self.renew().await {
                Ok(Held::Yes) | Err(_) => Err(Stopped::waits("the database".to_owned())),
                Ok(held) => Err(Stopped::Ended(held)),
            },
            end => end,
        }
    }

    async fn renew(&self) -> Result<Held, db::DbError> {
        let mut conn = self.deps.pool.acquire().await.map_err(db::DbError::from)?;
        imports::renew(&mut conn, self.lease, LEASE.as_secs_f64(), self.progress.load(Ordering::Relaxed)).await
    }

    /// Keeps the lease; returns when it is over. A database that does not answer in time may have given it to somebody else.
    async fn keep(&self) -> Held {
        let mut until = Instant::now() + LEASE - RENEW_EVERY;
        loop {
            sleep(RENEW_EVERY).await;
            let asked = Instant::now();
            match timeout(until.saturating_duration_since(asked), self.renew()).await {
                Ok(Ok(Held::Yes)) => until = asked + LEASE - RENEW_EVERY,
                Ok(Ok(held)) => return held,
                Ok(Err(_)) | Err(_) if Instant::now() >= until => return Held::Lost,
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }

    fn progressed(&self, part: u64, whole: u64, (from, to): (i16, i16)) {
        let share = u128::from(part.min(whole)) * (to - from).unsigned_abs() as u128 / u128::from(whole.max(1));
        self.progress.fetch_max(from + i16::try_from(share).unwrap_or(0), Ordering::Relaxed);
    }

    async fn make(&self, store: &mut Store) -> Result<(), Stopped> {
        let began = Instant::now();
        store.begin().await?;
        let whole = u64::try_from(self.lease.source_bytes).unwrap_or(0);
        let told = |copied| self.progressed(copied, whole, (0, COPIED));
        let copy = self.copy.lock().unwrap_or_else(PoisonError::into_inner).take();
        let scratch = match copy {
            Some(copy) => copy,
            None => scratch::fetch(&self.deps.objects, self.folder, self.lease, told).await?,
        };
        let source = self.source(&scratch);
        let contents = self.again(store, &source, Step::Look).await?.unwrap_or_default();
        let mut plan = Plan::of(&contents, false)?;
        let ladder = self.deps.config.transcoder.rungs();
        if self.lease.vod_status != VodStatus::Ready {
            // A picture that is coded anew is made smaller on the way: nobody reads it twice.
            let has_lower = plan.has_new_picture();
            let pass = Pass { is_first: true, has_lower, ladder: &ladder };
            match self.again(store, &source, Step::Read(&plan, pass)).await {
                // Decoders follow what cannot be followed by passing on.
                Err(Stopped::Failed(ImportFail::EditList)) => {
                    plan = Plan::of(&contents, true)?;
                    store.flush().await?;
                    store.begin().await?;
                    let pass = Pass { is_first: true, has_lower: plan.has_new_picture(), ladder: &ladder };
                    self.again(store, &source, Step::Read(&plan, pass)).await?;
                }
                passed => {
                    passed?;
                }
            }
            metrics::histogram!("rillcast_import_seconds").record(began.elapsed().as_secs_f64());
            let is_all = plan.has_new_picture() || plan.video.is_none();
            return if is_all { Ok(()) } else { Err(Stopped::Plays(Some(scratch))) };
        }
        if plan.has_new_picture() || plan.video.is_none() {
            return Ok(());
        }
        let pass = Pass { is_first: false, has_lower: true, ladder: &ladder };
        match self.again(store, &source, Step::Read(&plan, pass)).await {
            Err(Stopped::Failed(why)) => Err(Stopped::Partly(why)),
            ended => ended.map(drop),
        }
    }

    /// Does what may cost a child its life, and once more if it did.
    async fn again(
        &self,
        store: &mut Store,
        source: &DemuxSource,
        step: Step<'_>,
    ) -> Result<Option<Contents>, Stopped> {
        let mut deaths = 0;
        loop {
            let done = match &step {
                Step::Look => timeout(self.patience(), self.contents(source)).await.map(|found| found.map(Some)),
                Step::Read(plan, pass) => {
                    let read = timeout(self.patience(), self.read(plan, source, store, pass)).await;
                    read.map(|read| read.map(|()| None))
                }
            };
            match done.unwrap_or(Err(Trouble::Stopped(ImportFail::TooSlow.into()))) {
                Ok(done) => return Ok(done),
                Err(Trouble::Stopped(stopped)) => return Err(stopped),
                Err(Trouble::Died(died)) => {
                    metrics::counter!("rillcast_import_readers_lost_total").increment(1);
                    deaths += 1;
                    tracing::warn!(reason = %died, deaths, "a process that reads or codes a file died");
                    if deaths >= DEATHS_MAX {
                        return Err(ImportFail::Crashed.into());
                    }
                    store.flush().await?;
                    store.begin().await?;
                }
            }
        }
    }

    /// How long reading the file may take: on a slow machine coding takes several times as long as playing.
    fn patience(&self) -> Duration {
        Duration::from_secs(60) + 4 * DURATION_MAX
    }

    fn source(&self, scratch: &Scratch) -> DemuxSource {
        DemuxSource {
            exe: self.deps.exe.clone(),
            path: scratch.path.clone(),
            container: self.lease.container,
            memory_mib: self.deps.config.transcoder.worker_memory_mib,
        }
    }

    /// What is in the file.
    async fn contents(&self, source: &DemuxSource) -> Result<Contents, Trouble> {
        let mut reader = Demuxer::start(source, Vec::new()).await?;
        loop {
            match reader.next().await? {
                Event::Contents(contents) => return Ok(contents),
                Event::Refused(why) => return Err(why.into()),
                Event::Ended => return Err(ImportFail::Empty.into()),
                Event::Unit { .. } | Event::Config { .. } => {}
            }
        }
    }

    /// Reads the file from its beginning to its end, stores what the pass is for, and shows it.
    async fn read(&self, plan: &Plan, source: &DemuxSource, store: &mut Store, pass: &Pass<'_>) -> Result<(), Trouble> {
        let segment_ms = self.deps.config.hls.segment_ms;
        let mut packager = Packager::new(plan, segment_ms);
        if pass.has_lower {
            packager.watch();
        }
        let mut below: Option<Below> = None;
        let mut reader = Demuxer::start(source, plan.takes()).await?;
        tracing::debug!(reader.pid = reader.pid(), "a file is read");
        let video = plan.video.as_ref().map(|taken| taken.number);
        let length = plan.duration_ns.unwrap_or(0);
        let mut pieces: Vec<Piece> = Vec::new();
        let mut have = [false; 2];
        let mut is_over = false;
        let is_coding = pass.has_lower || plan.takes().iter().any(|(_, recode)| recode.is_some());
        while !is_over {
            if is_coding {
                self.give_way().await;
            }
            match reader.next().await? {
                Event::Unit { track, unit } if Some(track) == video => {
                    let frame = Frame { dts: unit.dts, pts: unit.pts, is_sync: unit.is_sync, data: unit.data };
                    packager.picture(frame, &mut pieces)?;
                }
                Event::Unit { unit, .. } => packager.sound(unit.pts, unit.data, &mut pieces)?,
                Event::Config { track, codec_data } if Some(track) == video => {
                    let config = VideoConfig::parse(VideoCodec::Avc, &codec_data).map_err(|_| ImportFail::Codec)?;
                    packager.set_video(config);
                }
                Event::Config { codec_data, .. } => {
                    packager.set_audio(AacConfig::parse(&codec_data).map_err(|_| ImportFail::Codec)?);
                }
                Event::Ended => {
                    packager.finish(&mut pieces)?;
                    is_over = true;
                }
                Event::Refused(why) => return Err(why.into()),
                Event::Contents(_) => {}
            }
            let at = u64::try_from(packager.until_ns()).unwrap_or(0);
            if u128::from(at) > DURATION_MAX.as_nanos() {
                return Err(ImportFail::TooLong.into());
            }
            self.progressed(at, length, pass.share(plan));
            for piece in pieces.drain(..).filter(|_| pass.is_first) {
                have[usize::from(piece.rendition == AUDIO)] = true;
                store.add(piece).await?;
            }
            let seen = packager.seen();
            if !seen.samples.is_empty() {
                if below.is_none() {
                    let order = self.order(plan, &packager, pass.ladder);
                    below = Some(Below::start(&self.deps.exe, order, segment_ms).await?);
                }
                if let Some(below) = &mut below {
                    below.feed(seen, store).await?;
                }
            }
        }
        let at = u64::try_from(packager.until_ns()).unwrap_or(0);
        if length.saturating_sub(at) > MISSING_NS_MAX.max(length / 100) {
            return Err(ImportFail::Truncated.into());
        }
        let mut shown = Vec::new();
        if pass.is_first {
            let rate = packager.frame_rate_mhz();
            for kind in packager.kinds().into_iter().filter(|kind| have[usize::from(kind.name == AUDIO)]) {
                store.init(&kind.name, &kind.track).await?;
                shown.push(store::rendition(&kind.name, &kind.track, rate));
            }
            if shown.is_empty() || plan.video.is_some() && shown.iter().all(|rendition| rendition.name != SOURCE) {
                return Err(ImportFail::Empty.into());
            }
        }
        if let Some(below) = below {
            for (kind, rate) in below.finish(store).await? {
                store.init(&kind.name, &kind.track).await?;
                shown.push(store::rendition(&kind.name, &kind.track, rate));
            }
        }
        store.flush().await?;
        store.show(&shown).await?;
        Ok(())
    }

    /// Waits while live streams need the machine.
    async fn give_way(&self) {
        let admission = &self.deps.admission;
        while !has_room(admission.budget_cores(), admission.used_cores()) {
            sleep(LOOK_EVERY).await;
        }
    }

    fn order(&self, plan: &Plan, packager: &Packager, ladder: &[kit::config::ladder::LadderRung]) -> Option<Order> {
        let config = packager.video_config()?;
        let (width, height) = config.size();
        // The picture that was made here is H.264, which everybody plays.
        let rungs = Rung::of(config.codec(), ladder, width, height);
        Some(Order {
            codec: config.codec(),
            codec_data: config.record().clone(),
            width,
            height,
            frame_rate: plan.frame_rate,
            rungs,
            tile_every_s: storyboard::EVERY_S,
            memory_mib: self.deps.config.transcoder.worker_memory_mib,
        })
    }
}

/// Whether live streams leave enough of the cores there are for children.
fn has_room(budget: f64, used: f64) -> bool {
    budget - used >= FREE_CORES.min(budget / 2.0)
}

/// What may cost a child its life.
enum Step<'a> {
    /// To see what is in the file.
    Look,
    Read(&'a Plan, Pass<'a>),
}

/// What reading a file is for.
struct Pass<'a> {
    /// The source's rendition and the sound are stored.
    is_first: bool,
    /// The renditions below it are made, and the pictures.
    has_lower: bool,
    ladder: &'a [kit::config::ladder::LadderRung],
}

impl Pass<'_> {
    /// Of a thousand: where it begins and ends.
    fn share(&self, plan: &Plan) -> (i16, i16) {
        match (self.is_first, self.has_lower || plan.video.is_none()) {
            (true, true) => (COPIED, READ),
            (true, false) => (COPIED, PASSED),
            (false, _) => (PASSED, READ),
        }
    }
}

/// The child that makes the lower renditions, and what becomes of what it gives.
struct Below {
    coder: Coder,
    lower: Lower,
    /// Without rungs it is given a key frame now and then.
    is_pictures_only: bool,
    last_alone: Option<i64>,
    pieces: Vec<Piece>,
}

impl Below {
    async fn start(exe: &Path, order: Option<Order>, segment_ms: u32) -> Result<Self, Trouble> {
        let order = order.ok_or(ImportFail::Unreadable)?;
        let lower = Lower::new(&order.rungs, segment_ms);
        let is_pictures_only = order.rungs.is_empty();
        let coder = Coder::start(exe, &order).await?;
        Ok(Self { coder, lower, is_pictures_only, last_alone: None, pieces: Vec::new() })
    }

    async fn feed(&mut self, seen: Seen, store: &mut Store) -> Result<(), Trouble> {
        for cut in seen.cuts {
            self.lower.cut(cut, &mut self.pieces);
        }
        for sample in seen.samples {
            let pts = sample.pts();
            if self.is_pictures_only {
                let is_early = self.last_alone.is_some_and(|last| pts - last < APART_TICKS);
                if !sample.is_sync || is_early {
                    continue;
                }
                self.last_alone = Some(pts);
            }
            while self.coder.is_full() {
                self.step(store).await?;
            }
            self.coder.push(&Unit { dts: sample.dts, pts, is_sync: sample.is_sync, data: sample.data });
        }
        self.store(store).await
    }

    /// Takes one thing from the child. False when there is nothing more.
    async fn step(&mut self, store: &mut Store) -> Result<bool, Trouble> {
        match self.coder.next().await? {
            Coded::Ended => return Ok(false),
            Coded::Unable(reason) => {
                tracing::warn!(reason, "this machine cannot make renditions of a file");
                return Err(ImportFail::Codec.into());
            }
            coded => self.lower.take(coded, &mut self.pieces)?,
        }
        self.store(store).await?;
        Ok(true)
    }

    async fn store(&mut self, store: &mut Store) -> Result<(), Trouble> {
        for piece in self.pieces.drain(..) {
            store.add(piece).await?;
        }
        for still in self.lower.stills() {
            store.still(still).await?;
        }
        Ok(())
    }

    /// Waits for the last of it. What there is then.
    async fn finish(mut self, store: &mut Store) -> Result<Vec<(super::packager::Kind, Option<u64>)>, Trouble> {
        self.coder.finish();
        while self.step(store).await? {}
        self.lower.finish(&mut self.pieces);
        self.store(store).await?;
        Ok(self.lower.kinds())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_waits_while_live_streams_take_the_machine() {
        assert!(has_room(1.5, 0.0) && has_room(1.5, 1.0), "two cores, with a stream or without");
        assert!(!has_room(1.5, 1.1) && !has_room(1.5, 2.0));
        assert!(has_room(0.5, 0.25) && !has_room(0.5, 0.3), "a small machine takes one as well, when it is idle");
    }
}
