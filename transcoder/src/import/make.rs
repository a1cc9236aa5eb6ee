//! One import from its lease to a recording that can be played.

use std::path::Path;
use std::sync::atomic::{AtomicI16, Ordering};

use db::imports::{self, Held, Lease};
use domain::import::{DURATION_MAX, ImportFail};
use kit::Stop;
use tokio::time::{Instant, sleep, timeout};

use super::lay::Frame;
use super::packager::{AUDIO, Packager, Piece, SOURCE};
use super::plan::Plan;
use super::scratch::{self, Scratch};
use super::store::{self, Store};
use super::{ImportDeps, LEASE, RENEW_EVERY};
use crate::worker::{Contents, DemuxSource, Demuxer, Died, Event};

/// Children that may die of one file before it is refused.
const DEATHS_MAX: u32 = 2;
/// Of a thousand: what the copying counts for.
const COPIED: i16 = 100;
/// The same for passing on what can be played as it is.
const PASSED: i16 = 990;
/// A file may say that it is so much longer than what is in it, or a hundredth of it.
const MISSING_NS_MAX: u64 = 2_000_000_000;

/// Why an import did not come to its end.
#[derive(Debug)]
pub(super) enum Stopped {
    /// It never will.
    Failed(ImportFail),
    /// Somebody else has a say in it.
    Ended(Held),
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
    /// Of a thousand.
    progress: AtomicI16,
}

impl<'a> Making<'a> {
    pub(super) fn new(deps: &'a ImportDeps, folder: &'a Path, lease: &'a Lease) -> Self {
        Self { deps, folder, lease, progress: AtomicI16::new(0) }
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
        let scratch = scratch::fetch(&self.deps.objects, self.folder, self.lease, told).await?;
        let mut deaths = 0;
        loop {
            let passed = timeout(self.patience(), self.pass_on(&scratch, store)).await;
            match passed.unwrap_or(Err(Trouble::Stopped(ImportFail::TooSlow.into()))) {
                Ok(()) => break,
                Err(Trouble::Stopped(stopped)) => return Err(stopped),
                Err(Trouble::Died(died)) => {
                    metrics::counter!("rillcast_import_readers_lost_total").increment(1);
                    deaths += 1;
                    tracing::warn!(reason = %died, deaths, "the process that reads a file died");
                    if deaths >= DEATHS_MAX {
                        return Err(ImportFail::Crashed.into());
                    }
                    store.flush().await?;
                    store.begin().await?;
                }
            }
        }
        metrics::histogram!("rillcast_import_seconds").record(began.elapsed().as_secs_f64());
        Ok(())
    }

    /// How long reading the file may take: a minute, and as long as it would take to play the longest there may be.
    fn patience(&self) -> std::time::Duration {
        std::time::Duration::from_secs(60) + DURATION_MAX
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
                Event::Unit { .. } => {}
            }
        }
    }

    /// Passes picture and sound on as they are, and shows them.
    async fn pass_on(&self, scratch: &Scratch, store: &mut Store) -> Result<(), Trouble> {
        let source = self.source(scratch);
        let plan = Plan::of(&self.contents(&source).await?)?;
        let mut packager = Packager::new(&plan, self.deps.config.hls.segment_ms);
        for kind in packager.kinds() {
            store.init(kind.name, &kind.track).await?;
        }
        let mut reader = Demuxer::start(&source, plan.takes()).await?;
        tracing::debug!(reader.pid = reader.pid(), "a file is read");
        let video = plan.video.as_ref().map(|taken| taken.number);
        let length = plan.duration_ns.unwrap_or(0);
        let mut pieces: Vec<Piece> = Vec::new();
        let mut have = [false; 2];
        let mut is_over = false;
        while !is_over {
            match reader.next().await? {
                Event::Unit { track, unit } if Some(track) == video => {
                    let frame = Frame { dts: unit.dts, pts: unit.pts, is_sync: unit.is_sync, data: unit.data };
                    packager.picture(frame, &mut pieces)?;
                }
                Event::Unit { unit, .. } => packager.sound(unit.pts, unit.data, &mut pieces)?,
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
            self.progressed(at, length, (COPIED, PASSED));
            for piece in pieces.drain(..) {
                have[usize::from(piece.rendition == AUDIO)] = true;
                store.add(piece).await?;
            }
        }
        let at = u64::try_from(packager.until_ns()).unwrap_or(0);
        if length.saturating_sub(at) > MISSING_NS_MAX.max(length / 100) {
            return Err(ImportFail::Truncated.into());
        }
        store.flush().await?;
        let has = |name: &str| have[usize::from(name == AUDIO)];
        let rate = packager.frame_rate_mhz();
        let shown = packager.kinds().into_iter().filter(|kind| has(kind.name));
        let shown: Vec<_> = shown.map(|kind| store::rendition(kind.name, &kind.track, rate)).collect();
        if shown.is_empty() || plan.video.is_some() && !has(SOURCE) {
            return Err(ImportFail::Empty.into());
        }
        store.show(&shown).await?;
        Ok(())
    }
}
