//! Upkeep of what is stored: recordings that were kept long enough go, deleted ones go wholly, objects nobody knows of go, and
//! the bucket is compared with the rows that speak of it.
//!
//! Every node with the jobs role runs this. A claim in the database lets one of them do each piece of work.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use db::keeping::{self, Finding, Shelved};
use domain::VodId;
use kit::Stop;
use objects::keys;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::Deps;

const ROUND_EVERY: Duration = Duration::from_secs(60);
/// A recording is compared with the bucket this often.
const CHECK_EVERY: Duration = Duration::from_secs(7 * 24 * 3600);
/// Folders without a row are looked for this often.
const STRAYS_EVERY: Duration = Duration::from_secs(6 * 3600);
/// An object younger than this may be one whose row is on its way (reliability D9).
pub const STRAY_AGE: Duration = Duration::from_secs(24 * 3600);
/// A deleted recording's job has this long before anybody looks after it.
const PURGE_GRACE: Duration = Duration::from_secs(15 * 60);
/// Recordings handled at a time.
const BATCH: i64 = 20;
/// Batches of one kind in a round; the next round does more.
const BATCHES_MAX: usize = 50;

pub(crate) async fn run(deps: Deps, stop: Stop) -> anyhow::Result<()> {
    let mut tick = interval(ROUND_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = round(&deps) => {}
        }
    }
}

async fn round(deps: &Deps) {
    if let Err(error) = round_of(deps).await {
        tracing::warn!(error = format!("{error:#}"), "the upkeep of recordings goes on in a minute");
    }
}

async fn round_of(deps: &Deps) -> anyhow::Result<()> {
    let expired = expire(deps).await?;
    let purged = purge(deps, PURGE_GRACE).await?;
    let checked = check(deps, CHECK_EVERY, BATCHES_MAX).await?;
    if expired + purged + checked.lost + checked.found > 0 {
        tracing::info!(expired, purged, lost = checked.lost, found = checked.found, "recordings were looked after");
    }
    let mut conn = deps.pool.acquire().await?;
    let is_our_turn = keeping::take_turn(&mut conn, "strays", STRAYS_EVERY.as_secs_f64()).await?;
    drop(conn);
    if is_our_turn {
        let objects = sweep_strays(deps, STRAY_AGE).await?;
        if objects > 0 {
            tracing::info!(objects, "objects nobody knows of are gone");
        }
    }
    Ok(())
}

/// Deletes recordings that were kept for as long as the site or their channel wants. Returns how many.
pub async fn expire(deps: &Deps) -> anyhow::Result<usize> {
    let mut gone = 0;
    for _ in 0..BATCHES_MAX {
        let mut tx = db::begin(&deps.pool).await?;
        let batch = keeping::expire(&mut tx, deps.config.recordings.keep_days(), BATCH).await?;
        db::commit(tx).await?;
        gone += batch.len();
        if batch.is_empty() {
            break;
        }
    }
    metrics::counter!("rillcast_recordings_expired_total").increment(gone as u64);
    Ok(gone)
}

/// Makes sure nothing is left of recordings deleted longer ago than `grace`. Returns how many.
pub async fn purge(deps: &Deps, grace: Duration) -> anyhow::Result<usize> {
    let mut done = 0;
    for _ in 0..BATCHES_MAX {
        let mut conn = deps.pool.acquire().await?;
        let batch = keeping::unpurged(&mut conn, grace.as_secs_f64(), BATCH).await?;
        drop(conn);
        if batch.is_empty() {
            break;
        }
        for (vod_id, prefix) in batch {
            delete_objects(deps, vod_id, &prefix).await?;
            let mut tx = db::begin(&deps.pool).await?;
            keeping::purge(&mut tx, vod_id).await?;
            db::commit(tx).await?;
            done += 1;
        }
    }
    Ok(done)
}

/// Deletes every object of one recording. Safe to repeat.
pub(crate) async fn delete_objects(deps: &Deps, vod_id: VodId, prefix: &str) -> anyhow::Result<()> {
    // The prefix comes from our own row; still, never delete more than one recording's folder.
    anyhow::ensure!(prefix == keys::vod_prefix(vod_id), "{prefix} is not the prefix of recording {vod_id}");
    deps.objects.delete_prefix(prefix).await?;
    // Of one that was made from an operator's file and did not become what it should.
    deps.objects.delete(&keys::import_source(vod_id)).await?;
    Ok(())
}

/// What comparing recordings with the bucket came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Checked {
    pub recordings: usize,
    /// Segments whose object is gone or cut short.
    pub lost: usize,
    /// Segments that were missing and are there again.
    pub found: usize,
    /// Objects without a row, deleted.
    pub strays: usize,
}

/// Compares recordings with the bucket that were not compared for `every`, at most so many batches of them.
pub async fn check(deps: &Deps, every: Duration, batches_max: usize) -> anyhow::Result<Checked> {
    let (started, mut seen) = (Instant::now(), HashSet::new());
    let mut sum = Checked::default();
    for _ in 0..batches_max {
        // What this call has claimed is not claimed by it again, as far as two clocks can tell.
        let every = every.max(started.elapsed());
        let mut conn = deps.pool.acquire().await?;
        let claimed = keeping::claim_checks(&mut conn, every.as_secs_f64(), BATCH).await?;
        drop(conn);
        let fresh: Vec<VodId> = claimed.into_iter().filter(|vod_id| seen.insert(*vod_id)).collect();
        if fresh.is_empty() {
            break;
        }
        for vod_id in fresh {
            let one = check_one(deps, vod_id, STRAY_AGE).await?;
            sum.recordings += 1;
            sum.lost += one.lost;
            sum.found += one.found;
            sum.strays += one.strays;
        }
    }
    metrics::counter!("rillcast_recording_segments_lost_total", "reason" => "bucket").increment(sum.lost as u64);
    Ok(sum)
}

/// Compares one recording's rows with its objects, marks what is missing, and deletes old objects of media without a row.
pub async fn check_one(deps: &Deps, vod_id: VodId, stray_age: Duration) -> anyhow::Result<Checked> {
    let mut conn = deps.pool.acquire().await?;
    // Rows first: an object is there before its row is.
    let rows = keeping::shelved(&mut conn, vod_id).await?;
    drop(conn);
    let prefix = keys::vod_prefix(vod_id);
    let (mut there, mut old, mut next) = (HashMap::new(), Vec::new(), None);
    let now_s = i64::try_from(kit::clock::unix_seconds()).unwrap_or(i64::MAX);
    loop {
        let page = deps.objects.list(&prefix, next).await?;
        for entry in page.entries {
            if is_older(entry.modified_s, now_s, stray_age) {
                old.push(entry.key.clone());
            }
            there.insert(entry.key, entry.bytes);
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    let is_whole = |row: &Shelved| {
        let has_object = there.get(&row.object_key).is_some_and(|bytes| i64::try_from(*bytes) == Ok(row.byte_size));
        has_object && there.contains_key(&row.init_key)
    };
    let keys_of = |is_missing: bool| -> Vec<String> {
        let those = rows.iter().filter(|row| row.is_missing == is_missing && is_whole(row) == is_missing);
        those.map(|row| row.object_key.clone()).collect()
    };
    let (lost, found) = (keys_of(false), keys_of(true));
    if !lost.is_empty() || !found.is_empty() {
        tracing::warn!(vod.id = %vod_id, lost = lost.len(), found = found.len(), "a recording and the bucket differ");
        let mut tx = db::begin(&deps.pool).await?;
        keeping::mark_missing(&mut tx, vod_id, &lost, &found).await?;
        db::commit(tx).await?;
    }
    let known: BTreeSet<&str> = rows.iter().flat_map(|row| [row.object_key.as_str(), row.init_key.as_str()]).collect();
    let strays: Vec<&String> =
        old.iter().filter(|key| keys::is_media_of(vod_id, key) && !known.contains(key.as_str())).collect();
    for key in &strays {
        deps.objects.delete(key).await?;
    }
    Ok(Checked { recordings: 1, lost: lost.len(), found: found.len(), strays: strays.len() })
}

/// Deletes the objects of recordings that have no row at all, once all of them are older than `age`. Returns how many objects
/// went.
pub async fn sweep_strays(deps: &Deps, age: Duration) -> anyhow::Result<u64> {
    let (mut gone, mut next) = (0, None);
    loop {
        let page = deps.objects.folders(keys::VODS, next).await?;
        let vods: Vec<VodId> = page.folders.iter().filter_map(|folder| keys::vod_of_folder(folder)).collect();
        let mut conn = deps.pool.acquire().await?;
        let unknown = keeping::unknown(&mut conn, &vods).await?;
        drop(conn);
        for vod_id in unknown {
            gone += sweep_one(deps, vod_id, age).await?;
        }
        next = page.next;
        if next.is_none() {
            return Ok(gone);
        }
    }
}

async fn sweep_one(deps: &Deps, vod_id: VodId, age: Duration) -> anyhow::Result<u64> {
    let prefix = keys::vod_prefix(vod_id);
    let now_s = i64::try_from(kit::clock::unix_seconds()).unwrap_or(i64::MAX);
    let mut next = None;
    loop {
        let page = deps.objects.list(&prefix, next).await?;
        // Something may still be writing here.
        if page.entries.iter().any(|entry| !is_older(entry.modified_s, now_s, age)) {
            return Ok(0);
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    tracing::info!(vod.id = %vod_id, "a folder of the bucket belongs to no recording");
    Ok(deps.objects.delete_prefix(&prefix).await?)
}

pub(crate) fn is_older(modified_s: Option<i64>, now_s: i64, age: Duration) -> bool {
    let age_s = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
    modified_s.is_some_and(|modified_s| modified_s.saturating_add(age_s) <= now_s)
}

/// What an operator should know of, newest first.
pub async fn findings(pool: &db::Pool, limit: i64) -> anyhow::Result<Vec<Finding>> {
    let mut conn = pool.acquire().await?;
    Ok(keeping::findings(&mut conn, limit).await?)
}

/// Does at once what upkeep does in its own time: closes recordings nobody closed, compares all with the bucket, and finishes
/// deletions. Returns how many were closed, what the comparison came to, and how many deletions were finished.
pub async fn repair(deps: &Deps) -> anyhow::Result<(usize, Checked, usize)> {
    let mut conn = deps.pool.acquire().await?;
    let orphans = db::recordings::orphans(&mut conn).await?;
    drop(conn);
    for (vod_id, _) in &orphans {
        let mut tx = db::begin(&deps.pool).await?;
        db::recordings::close_orphan(&mut tx, *vod_id).await?;
        db::commit(tx).await?;
    }
    let checked = check(deps, Duration::ZERO, usize::MAX).await?;
    let purged = purge(deps, PURGE_GRACE).await?;
    Ok((orphans.len(), checked, purged))
}
