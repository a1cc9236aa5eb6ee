//! What is owed to pictures and files in messages: a scanner's word, an end for what is in no message, and their objects' going.
//!
//! Rows say when their turn is. A node takes a few, for as long as it may take at most, does the next step, and writes down what came of
//! it; one that dies in between leaves them to others when that time is over. Each step may be done twice. A scanner that is away for days
//! costs no job its last attempt: this asks until [`domain::attachment::CHECKED_FOR`] is over.

use std::time::Duration;

use db::attachments::{self, Attachment, Owed};
use domain::attachment::Step;
use futures::future::join_all;
use kit::Stop;
use live::fanout::{Push, Target};
use objects::keys::{self, AttachmentPart};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use crate::Deps;
use crate::scan::{Scanner, Verdict};
use crate::strays::Strays;

/// How long something waits for its turn, at most, while there is nothing else to do.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// At a time, of each sort.
const BATCH: i64 = 4;
/// Nobody else takes what is being worked on: longer than a step can take.
const LEASE: Duration = Duration::from_secs(300);
/// Waits between one question to the scanner and the next: doubled from the first to the last.
const ASK_AGAIN_FIRST_S: f64 = 5.0;
const ASK_AGAIN_MAX_S: f64 = 300.0;
const JITTER: f64 = 0.1;
const STRAYS_EVERY: Duration = Duration::from_secs(6 * 3_600);
const STRAYS_LOOK_EVERY: Duration = Duration::from_secs(60);

/// A slow scanner holds up nothing else.
pub(crate) async fn run(deps: Deps, stop: Stop) -> anyhow::Result<()> {
    tokio::join!(work(&deps, true, &stop), work(&deps, false, &stop), sweep(&deps, &stop));
    Ok(())
}

async fn work(deps: &Deps, is_scan: bool, stop: &Stop) {
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        loop {
            let done = tokio::select! {
                // What was begun is taken up again when its lease is over.
                () = stop.cancelled() => return,
                done = turn(deps, is_scan) => done,
            };
            match done {
                Ok(done) if done == BATCH as usize => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::debug!(error = format!("{error:#}"), "attachments wait for the next turn");
                    break;
                }
            }
        }
    }
}

/// Does the next step of a few whose turn it is: those to be scanned, or the others. Returns how many those were.
pub async fn turn(deps: &Deps, is_scan: bool) -> anyhow::Result<usize> {
    let mut conn = deps.pool.acquire().await?;
    let owed = attachments::take_due(&mut conn, is_scan, BATCH, LEASE.as_secs_f64()).await?;
    drop(conn);
    let steps = owed.iter().map(|one| async move {
        if let Err(error) = step(deps, one).await {
            tracing::warn!(attachment.id = %one.id, error = format!("{error:#}"), "an attachment waits");
            if let Ok(mut conn) = deps.pool.acquire().await {
                let _kept_till_the_lease_ends = attachments::again(&mut conn, one.id, wait_s(one.tries)).await;
            }
        }
    });
    join_all(steps).await;
    Ok(owed.len())
}

async fn step(deps: &Deps, owed: &Owed) -> anyhow::Result<()> {
    let standing = owed.standing;
    match standing.step() {
        Step::Erase => {
            // It may have gone out with a message since it was looked at.
            let is_over = attachments::give_up(&mut *deps.pool.acquire().await?, owed.id).await?;
            if !is_over {
                return Ok(attachments::rest(&mut *deps.pool.acquire().await?, owed.id).await?);
            }
            deps.objects.delete_prefix(&keys::attachment_prefix(owed.id)).await?;
            Ok(attachments::erase(&mut *deps.pool.acquire().await?, owed.id).await?)
        }
        Step::Empty => {
            deps.objects.delete_prefix(&keys::attachment_prefix(owed.id)).await?;
            Ok(attachments::empty(&mut *deps.pool.acquire().await?, owed.id).await?)
        }
        Step::DropUpload => {
            deps.objects.delete(&keys::attachment(owed.id, &owed.lock, AttachmentPart::Upload)).await?;
            Ok(attachments::drop_upload(&mut *deps.pool.acquire().await?, owed.id).await?)
        }
        Step::Scan => scan(deps, owed).await,
        Step::Rest => Ok(attachments::rest(&mut *deps.pool.acquire().await?, owed.id).await?),
    }
}

async fn scan(deps: &Deps, owed: &Owed) -> anyhow::Result<()> {
    let key = keys::attachment(owed.id, &owed.lock, AttachmentPart::Upload);
    let asked = match Scanner::of(&deps.config.scan) {
        // The site had a scanner once, and what came then waits for one.
        None => Err(anyhow::anyhow!("there is no scanner")),
        Some(scanner) => match deps.objects.get(&key, None).await {
            Ok(object) => scanner.scan(object.body, object.meta.content_length).await.map_err(anyhow::Error::from),
            Err(error) => Err(error.into()),
        },
    };
    let outcome = match &asked {
        Ok(Verdict::Clean) => "clean",
        Ok(Verdict::Infected(_)) => "infected",
        Err(_) => "none",
    };
    metrics::counter!("rillcast_attachment_scans_total", "outcome" => outcome).increment(1);
    let mut tx = db::begin(&deps.pool).await?;
    let settled = match asked {
        Ok(Verdict::Clean) => attachments::pass(&mut tx, owed.id).await?,
        Ok(Verdict::Infected(signature)) => {
            tracing::warn!(attachment.id = %owed.id, user.id = %owed.user, signature, "a scanner found something");
            attachments::refuse(&mut tx, owed.id, &signature).await?
        }
        Err(error) if owed.is_old => {
            tracing::warn!(attachment.id = %owed.id, error = format!("{error:#}"), "nobody could say what it is");
            attachments::fail(&mut tx, owed.id).await?
        }
        Err(error) => {
            tracing::warn!(attachment.id = %owed.id, tries = owed.tries, error = format!("{error:#}"), "not scanned yet");
            attachments::postpone(&mut tx, owed.id, wait_s(owed.tries)).await?;
            None
        }
    };
    let audience = match &settled {
        Some(attachment) => audience(&mut tx, attachment).await?,
        None => Vec::new(),
    };
    db::commit(tx).await?;
    if let Some(attachment) = settled {
        tell(deps, &attachment, audience).await;
    }
    Ok(())
}

/// Whom it concerns: who sits in the room once it went out with a message, else only who is about to send it.
async fn audience(conn: &mut db::Conn, attachment: &Attachment) -> anyhow::Result<Vec<domain::UserId>> {
    match attachment.message {
        Some(_) => Ok(db::rooms::audience(conn, attachment.room).await?),
        None => Ok(vec![attachment.user]),
    }
}

/// Tells those who are here. The history is the truth; what is lost here is only late.
async fn tell(deps: &Deps, attachment: &Attachment, users: Vec<domain::UserId>) {
    let payload =
        json!({ "room_id": attachment.room, "message_id": attachment.message, "attachment": attachment.shown() });
    let push = Push { target: Target::Users(users), event: "room:attachment".to_owned(), payload, origin: None };
    if let Err(error) = live::fanout::publish(&deps.live, &push).await {
        tracing::debug!(%error, "a change of an attachment was not told");
    }
}

fn wait_s(tries: i32) -> f64 {
    let step = (ASK_AGAIN_FIRST_S * 2_f64.powi(tries.clamp(0, 10))).min(ASK_AGAIN_MAX_S);
    step * (1.0 + JITTER * kit::ids::jitter())
}

async fn sweep(deps: &Deps, stop: &Stop) {
    let mut tick = interval(STRAYS_LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let swept = tokio::select! {
            () = stop.cancelled() => return,
            swept = sweep_in_turn(deps) => swept,
        };
        if let Err(error) = swept {
            tracing::debug!(error = format!("{error:#}"), "strays of attachments are looked for again");
        }
    }
}

async fn sweep_in_turn(deps: &Deps) -> anyhow::Result<()> {
    let mut conn = deps.pool.acquire().await?;
    let is_our_turn = db::keeping::take_turn(&mut conn, "attachments", STRAYS_EVERY.as_secs_f64()).await?;
    drop(conn);
    if is_our_turn {
        let objects = sweep_strays(deps, crate::storage::STRAY_AGE).await?;
        if objects > 0 {
            tracing::info!(objects, "objects of attachments nobody knows of are gone");
        }
    }
    Ok(())
}

/// Deletes objects of attachments that have no row, once all of them are older than `age`: of rooms and accounts that are no more.
/// Returns how many objects went.
pub async fn sweep_strays(deps: &Deps, age: Duration) -> anyhow::Result<u64> {
    let strays =
        Strays { folder: keys::ATTACHMENTS, of_folder: keys::attachment_of_folder, prefix: keys::attachment_prefix };
    strays.sweep(deps, age, attachments::unknown).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scanner_that_comes_back_is_asked_within_minutes() {
        assert!((5.0..=5.5).contains(&wait_s(0)) && (10.0..=11.0).contains(&wait_s(1)));
        assert!((1..1_000).all(|tries| wait_s(tries) <= ASK_AGAIN_MAX_S * 1.1));
    }
}
