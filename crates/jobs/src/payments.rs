//! Payments and plans in time: requests run out, ends are told before they come and when they are there, and pictures that prove payments are
//! scanned and go.
//!
//! Each thing is one transaction whose statement names the state it starts from and leaves its event behind with it: a worker that dies in the
//! middle has done nothing, and two at once do it once. Which plan counts does not wait for any of this.

use std::time::Duration;

use db::payments::proofs::{self, Owed, Step};
use db::{payments, plans};
use kit::Stop;
use live::fanout::{Push, Target};
use objects::keys::{self, ProofPart};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use crate::Deps;
use crate::scan::{Scanner, Verdict};
use crate::strays::Strays;

/// How late a thing may be done or told.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const BATCH: i64 = 100;
const PROOFS_BATCH: i64 = 4;
/// Nobody else takes what is being worked on: longer than a scan of five MiB takes.
const LEASE_S: f64 = 300.0;
/// Waits between one question to the scanner and the next: doubled from the first to the last.
const ASK_AGAIN_FIRST_S: f64 = 5.0;
const ASK_AGAIN_MAX_S: f64 = 300.0;
const JITTER: f64 = 0.1;
const STRAYS_EVERY: Duration = Duration::from_secs(6 * 3_600);
/// What whoever sent a picture reads when a scanner found something in it, or nobody could say.
const INFECTED: &str = "A virus scanner found something in the picture. Please send another.";
const UNCHECKED: &str = "The picture could not be checked. Please send another.";

kit::failpoints! {
    /// Requests have run out, and it is not committed.
    EXPIRED = "payments.expired";
    /// Members are told of an end to come, and it is not committed.
    REMINDED = "plans.reminded";
    /// Plans are over, and it is not committed.
    ENDED = "plans.ended";
    /// That is committed, and nobody was told.
    WRITTEN = "plans.written";
}

pub(crate) async fn run(deps: Deps, stop: Stop) -> anyhow::Result<()> {
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        let done = tokio::select! {
            // What was begun is taken up again when its lease is over.
            () = stop.cancelled() => return Ok(()),
            done = look(&deps) => done,
        };
        if let Err(error) = done {
            tracing::debug!(error = format!("{error:#}"), "payments are looked after later");
        }
    }
}

async fn look(deps: &Deps) -> anyhow::Result<()> {
    while expire(deps).await? == BATCH as usize {}
    while remind(deps).await? == BATCH as usize {}
    while end(deps).await? == BATCH as usize {}
    while tidy_proofs(deps).await? == PROOFS_BATCH as usize {}
    let mut conn = deps.pool.acquire().await?;
    if db::keeping::take_turn(&mut conn, "payments", STRAYS_EVERY.as_secs_f64()).await? {
        plans::forget_notices(&mut conn).await?;
        let days = i32::try_from(deps.config.payments.proof_days).unwrap_or(i32::MAX);
        while proofs::let_go(&mut conn, days, BATCH).await? == BATCH.cast_unsigned() {}
        drop(conn);
        let objects = sweep_strays(deps, crate::storage::STRAY_AGE).await?;
        if objects > 0 {
            tracing::info!(objects, "pictures of payments nobody knows of are gone");
        }
    }
    Ok(())
}

/// Lets requests run out whose time is up, a batch of them. Returns how many.
pub async fn expire(deps: &Deps) -> anyhow::Result<usize> {
    let mut tx = db::begin(&deps.pool).await?;
    let count = payments::expire(&mut tx, None, BATCH).await?;
    if count > 0 {
        EXPIRED.pass();
    }
    db::commit(tx).await?;
    if count > 0 {
        WRITTEN.pass();
    }
    metrics::counter!("rillcast_payments_total", "outcome" => "expired").increment(count as u64);
    Ok(count)
}

/// Tells members of ends to come, a batch of each reminder. Returns how many of the larger.
pub async fn remind(deps: &Deps) -> anyhow::Result<usize> {
    let mut most = 0;
    // The last reminder first: whoever is due for both hears the one.
    for days in deps.config.payments.reminders().into_iter().rev() {
        let mut tx = db::begin(&deps.pool).await?;
        let count = plans::remind(&mut tx, days, BATCH).await?;
        if count > 0 {
            REMINDED.pass();
        }
        db::commit(tx).await?;
        if count > 0 {
            WRITTEN.pass();
        }
        most = most.max(count);
    }
    Ok(most)
}

/// Writes down which plans are over and tells whose they were, a batch of them. Returns how many.
pub async fn end(deps: &Deps) -> anyhow::Result<usize> {
    let mut tx = db::begin(&deps.pool).await?;
    let count = plans::end(&mut tx, BATCH).await?;
    if count > 0 {
        ENDED.pass();
    }
    db::commit(tx).await?;
    if count > 0 {
        WRITTEN.pass();
    }
    Ok(count)
}

/// Does what is owed to a few pictures. Returns how many those were.
pub async fn tidy_proofs(deps: &Deps) -> anyhow::Result<usize> {
    let owed = proofs::take_due(&mut *deps.pool.acquire().await?, PROOFS_BATCH, LEASE_S).await?;
    for one in &owed {
        if let Err(error) = step(deps, one).await {
            tracing::warn!(proof.id = %one.proof, error = format!("{error:#}"), "a picture of a payment waits");
            proofs::postpone(&mut *deps.pool.acquire().await?, one.proof, wait_s(one.tries)).await?;
        }
    }
    Ok(owed.len())
}

async fn step(deps: &Deps, owed: &Owed) -> anyhow::Result<()> {
    match owed.step {
        Step::Scan => scan(deps, owed).await,
        Step::DropUpload => {
            deps.objects.delete(&keys::proof(owed.proof, &owed.lock, ProofPart::Upload)).await?;
            Ok(proofs::dropped(&mut *deps.pool.acquire().await?, owed.proof).await?)
        }
        Step::Erase => {
            deps.objects.delete_prefix(&keys::proof_prefix(owed.proof)).await?;
            Ok(proofs::erased(&mut *deps.pool.acquire().await?, owed.proof).await?)
        }
    }
}

async fn scan(deps: &Deps, owed: &Owed) -> anyhow::Result<()> {
    let asked = match Scanner::of(&deps.config.scan) {
        // The site had a scanner once, and what came then waits for one.
        None => Err(anyhow::anyhow!("there is no scanner")),
        Some(scanner) => {
            let key = keys::proof(owed.proof, &owed.lock, ProofPart::Upload);
            match deps.objects.get(&key, None).await {
                Ok(object) => scanner.scan(object.body, object.meta.content_length).await.map_err(anyhow::Error::from),
                Err(error) => Err(error.into()),
            }
        }
    };
    let mut tx = db::begin(&deps.pool).await?;
    let ttl_s = deps.config.payments.request_ttl_s;
    let mut payer = None;
    match asked {
        Ok(Verdict::Clean) => payer = proofs::pass(&mut tx, owed.proof).await?,
        Ok(Verdict::Infected(signature)) => {
            tracing::warn!(proof.id = %owed.proof, signature, "a scanner found something in a picture of a payment");
            proofs::refuse(&mut tx, owed, INFECTED, ttl_s).await?;
        }
        Err(error) if owed.is_old => {
            tracing::warn!(proof.id = %owed.proof, error = format!("{error:#}"), "nobody could say what it is");
            proofs::refuse(&mut tx, owed, UNCHECKED, ttl_s).await?;
        }
        Err(error) => return Err(error),
    }
    let deciders = payments::deciders(&mut tx).await?;
    db::commit(tx).await?;
    if let Some(payer) = payer {
        let users = deciders.into_iter().chain([payer]).collect();
        let payload = json!({ "payment_id": owed.payment, "status": "submitted" });
        let push = Push { target: Target::Users(users), event: "payment".to_owned(), payload, origin: None };
        if let Err(error) = live::fanout::publish(&deps.live, &push).await {
            tracing::debug!(%error, "a picture that may be looked at was not told of");
        }
    }
    Ok(())
}

fn wait_s(tries: i32) -> f64 {
    let step = (ASK_AGAIN_FIRST_S * 2_f64.powi(tries.clamp(0, 10))).min(ASK_AGAIN_MAX_S);
    step * (1.0 + JITTER * kit::ids::jitter())
}

/// Deletes objects of pictures that have no row, once all of them are older than `age`. Returns how many objects went.
pub async fn sweep_strays(deps: &Deps, age: Duration) -> anyhow::Result<u64> {
    let strays = Strays { folder: keys::PROOFS, of_folder: keys::proof_of_folder, prefix: keys::proof_prefix };
    strays.sweep(deps, age, proofs::unknown).await
}
