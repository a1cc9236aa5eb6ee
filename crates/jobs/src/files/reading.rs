//! Reading a file once: for its digest, for the scanner, and for how far it is.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use db::files::pipeline::{self, Work};
use futures::{StreamExt, TryStreamExt};
use objects::ObjectBody;
use sha2::{Digest, Sha256};
use tokio::time::{MissedTickBehavior, interval};

use crate::Deps;
use crate::scan::{ScanError, Scanner, Verdict};

/// How often the owner is told how far it is, and whether it was taken away is looked at.
const REPORT_EVERY: Duration = Duration::from_secs(2);
/// What reading is of the whole, in hundredths.
const SHARE: u64 = 90;

/// What reading a file said.
pub(super) struct Reading {
    /// `None`: not all of it was read.
    pub sha256: Option<[u8; 32]>,
    /// `None`: nobody was asked.
    pub verdict: Option<Result<Verdict, ScanError>>,
}

#[derive(Default)]
struct Gauge {
    hash: Sha256,
    bytes: u64,
}

/// Reads all of it, through the scanner if there is one. `None`: it was taken away meanwhile.
pub(super) async fn read(
    deps: &Deps,
    work: &Work,
    key: &str,
    scanner: Option<Scanner>,
) -> anyhow::Result<Option<Reading>> {
    let object = deps.objects.get(key, None).await?;
    let bytes = work.bytes.cast_unsigned();
    anyhow::ensure!(object.meta.content_length == bytes, "the bucket has another length of a file than was sent");
    let gauge = Arc::new(Mutex::new(Gauge::default()));
    let seen = Arc::clone(&gauge);
    let body: ObjectBody = object
        .body
        .inspect_ok(move |piece| {
            let mut gauge = seen.lock().unwrap_or_else(PoisonError::into_inner);
            gauge.hash.update(piece);
            gauge.bytes += piece.len() as u64;
        })
        .boxed();
    let reading = async {
        match scanner {
            Some(scanner) => Ok(Some(scanner.scan(body, bytes).await)),
            None => body.try_for_each(|_| std::future::ready(Ok(()))).await.map(|()| None),
        }
    };
    tokio::pin!(reading);
    let mut tick = interval(REPORT_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.tick().await;
    let verdict = loop {
        tokio::select! {
            done = &mut reading => break done?,
            _ = tick.tick() => {
                let read = gauge.lock().unwrap_or_else(PoisonError::into_inner).bytes;
                let hundredths = i16::try_from(read * SHARE / bytes.max(1)).unwrap_or(0);
                if !pipeline::progress(&mut *deps.pool.acquire().await?, work.version, hundredths).await? {
                    return Ok(None);
                }
                super::tell(deps, work.owner, work).await;
            }
        }
    };
    let gauge = std::mem::take(&mut *gauge.lock().unwrap_or_else(PoisonError::into_inner));
    let sha256 = (gauge.bytes == bytes).then(|| gauge.hash.finalize().into());
    Ok(Some(Reading { sha256, verdict }))
}
