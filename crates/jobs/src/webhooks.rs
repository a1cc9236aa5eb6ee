//! Members' own servers, told of what happens on their channels (Standard Webhooks 1.0).
//!
//! The relay writes a message for each endpoint that wants one, in the transaction that moves the event. An endpoint's job sends
//! what is due, one after another, while it has the turn (`db::webhooks::turns`). Each failure leaves a job for the moment at
//! which there is something to do again; should one be lost, the endpoint is found within a minute.

mod body;
mod send;

use std::time::Duration;

use db::outbox::Waiting;
use db::webhooks::deliveries::{self, Message, Written};
use db::webhooks::turns::{self, Attempt, Due, Next, Then};
use domain::webhook::{self, FAILING_MAX, OffBecause, RETRY_AFTER_MAX};
use domain::{UserId, WebhookId};
use http::StatusCode;
use kit::Stop;
use tokio::time::{Instant, sleep};

use crate::job::Job;
use crate::{Deps, queue};
use send::{Seen, Sender};

/// Messages sent in one turn, and for how long at most: then others have the worker.
const TURN_MESSAGES_MAX: usize = 20;
const TURN_MAX: Duration = Duration::from_secs(30);
/// Waits are made longer by up to this part, so that what failed together is not tried together.
const JITTER: f64 = 0.1;
/// How often it is looked for what was forgotten, and for how long something must be due to be that.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const LATE_S: f64 = 60.0;
const SWEEP_MAX: i64 = 1_000;

/// What follows from a batch of events.
pub(crate) struct Owed {
    pub jobs: Vec<Job>,
    /// Events that may not be moved yet: an earlier one of their channel is in another relay's hands.
    pub overtaking: Vec<i64>,
}

/// Writes the messages that a batch of events becomes.
pub(crate) async fn owe(
    deps: &Deps,
    conn: &mut db::Conn,
    batch: &[Waiting],
    is_owed: impl Fn(&Waiting) -> bool,
) -> anyhow::Result<Owed> {
    let mine: Vec<i64> = batch.iter().map(|item| item.outbox_id).collect();
    let mut told: Vec<_> =
        batch.iter().filter(|item| is_owed(item)).filter_map(|item| Some((item.event.happening()?, item))).collect();
    // Endpoints stay locked until the batch is moved: two relays take them in the same order.
    told.sort_by_key(|((_, channel), item)| (*channel, item.outbox_id));
    let mut owed = Owed { jobs: Vec::new(), overtaking: Vec::new() };
    let mut held: Option<UserId> = None;
    for ((happening, channel), item) in told {
        let listeners = deliveries::listeners(conn, channel, happening).await?;
        if listeners.is_empty() {
            continue;
        }
        if held == Some(channel) || db::outbox::is_overtaking(conn, channel, item.outbox_id, &mine).await? {
            held = Some(channel);
            owed.overtaking.push(item.outbox_id);
            continue;
        }
        let Some(told) = body::of(deps, conn, &item.event).await? else { continue };
        for (webhook_id, sequence) in listeners {
            let body = webhook::body(happening, body::moment(item.event_id), sequence, told.data.clone());
            if body.len() >= webhook::BODY_BYTES_MAX {
                tracing::error!(event = happening.as_str(), bytes = body.len(), "a webhook's body is too long");
                continue;
            }
            let message = Message { event_id: item.event_id, happening, subject: told.subject, sequence, body: &body };
            match deliveries::write(conn, webhook_id, message).await? {
                Written::Now(_) => owed.jobs.push(Job::DeliverWebhook { webhook_id }),
                Written::Before => {}
                Written::Overflow => count("overflowed"),
            }
        }
    }
    owed.jobs.dedup();
    Ok(owed)
}

fn count(outcome: &'static str) {
    metrics::counter!("rillcast_webhook_messages_total", "outcome" => outcome).increment(1);
}

/// Sends what is due to an endpoint, as the queue's job `job`.
pub(crate) async fn deliver(deps: &Deps, job: &str, webhook: WebhookId) -> anyhow::Result<()> {
    let mut sender = Sender::new(deps, webhook)?;
    let until = Instant::now() + TURN_MAX;
    for _ in 0..TURN_MESSAGES_MAX {
        let mut tx = db::begin(&deps.pool).await?;
        let next = turns::next(&mut tx, webhook, job).await?;
        db::commit(tx).await?;
        let Next::Send(due) = next else { return Ok(()) };
        let at = kit::clock::now();
        let begun = Instant::now();
        let seen = sender.send(&due).await;
        let latency = begun.elapsed();
        metrics::histogram!("rillcast_webhook_seconds").record(latency.as_secs_f64());
        let attempt = Attempt {
            at,
            status: seen.status.map(|status| status.as_u16()),
            fault: seen.fault,
            latency_ms: i32::try_from(latency.as_millis()).unwrap_or(i32::MAX),
            answer: seen.answer.clone(),
        };
        settle(deps, webhook, &due, &attempt, &seen).await?;
        if Instant::now() >= until {
            break;
        }
    }
    let mut tx = db::begin(&deps.pool).await?;
    turns::end(&mut tx, webhook, job).await?;
    queue::push(&mut tx, vec![Job::DeliverWebhook { webhook_id: webhook }]).await?;
    Ok(db::commit(tx).await?)
}

/// Writes down what came of an attempt, with the jobs that follow from it.
async fn settle(deps: &Deps, webhook: WebhookId, due: &Due, attempt: &Attempt, seen: &Seen) -> anyhow::Result<()> {
    let mut tx = db::begin(&deps.pool).await?;
    let (failures, failing_s) = turns::record(&mut tx, webhook).await?;
    let then = then(due, seen, failures, failing_s, kit::ids::jitter());
    if !turns::settle(&mut tx, webhook, due, attempt, then).await? {
        return Ok(());
    }
    let (rest_s, wait_s) = match then {
        Then::Again { wait_s, rest_s } => (Some(rest_s), Some(wait_s)),
        Then::Failed { rest_s } => (Some(rest_s), None),
        Then::Delivered | Then::Off(_) => (None, None),
    };
    // For the others that wait, when the endpoint has rested; and for this one.
    for wait_s in rest_s.into_iter().chain(wait_s.filter(|wait_s| Some(*wait_s) != rest_s)) {
        let wait_s = u32::try_from(wait_s).unwrap_or(0);
        queue::push_in(&mut tx, Job::DeliverWebhook { webhook_id: webhook }, wait_s).await?;
    }
    db::commit(tx).await?;
    count(match then {
        Then::Delivered => "delivered",
        Then::Again { .. } => "again",
        Then::Failed { .. } => "failed",
        Then::Off(_) => "switched_off",
    });
    if let Then::Off(because) = then {
        tracing::info!(webhook.id = %webhook, because = because.as_str(), "a webhook was switched off");
    }
    Ok(())
}

/// What follows from an attempt, with `failures` in a row before it, the first `failing_s` seconds ago. `luck` is in `0.0..1.0`.
fn then(due: &Due, seen: &Seen, failures: u32, failing_s: f64, luck: f64) -> Then {
    if seen.fault.is_none() {
        return Then::Delivered;
    }
    if seen.status == Some(StatusCode::GONE) {
        return Then::Off(OffBecause::Gone);
    }
    if failing_s >= FAILING_MAX.as_secs_f64() {
        return Then::Off(OffBecause::Failing);
    }
    let seconds = |wait: Duration| i32::try_from(wait.as_secs()).unwrap_or(i32::MAX);
    let asked_s = seen.retry_after.map_or(0, |wait| seconds(wait.min(RETRY_AFTER_MAX)));
    let rest_s = seconds(webhook::rest_after(failures.saturating_add(1))).max(asked_s);
    let attempts = u32::try_from(due.attempts).unwrap_or(0).saturating_add(1);
    match webhook::wait_after(attempts) {
        Some(wait) => {
            let wait_s = seconds(wait.mul_f64(1.0 + JITTER * luck)).max(asked_s);
            Then::Again { wait_s, rest_s }
        }
        None => Then::Failed { rest_s },
    }
}

/// Finds what was forgotten and drops what the logs keep no longer, until the stop.
pub(crate) async fn run(deps: Deps, stop: Stop) -> anyhow::Result<()> {
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => break,
            () = sleep(SWEEP_EVERY) => {}
        }
        // A database that is away just now is no reason to end the role; in a minute there is another turn.
        if let Err(error) = sweep(&deps).await {
            tracing::warn!(error = format!("{error:#}"), "webhooks were not looked after");
        }
    }
    Ok(())
}

async fn sweep(deps: &Deps) -> anyhow::Result<()> {
    let mut tx = db::begin(&deps.pool).await?;
    if !db::keeping::take_turn(&mut tx, "webhooks", SWEEP_EVERY.as_secs_f64() / 2.0).await? {
        return Ok(());
    }
    let found = turns::forgotten(&mut tx, LATE_S, SWEEP_MAX).await?;
    let jobs = found.into_iter().map(|webhook_id| Job::DeliverWebhook { webhook_id }).collect();
    queue::push(&mut tx, jobs).await?;
    deliveries::prune(&mut tx).await?;
    queue::prune(&mut tx).await?;
    Ok(db::commit(tx).await?)
}

#[cfg(test)]
mod tests {
    use domain::DeliveryId;
    use domain::webhook::Fault;

    use super::*;

    fn due(attempts: i32) -> Due {
        Due {
            delivery: DeliveryId::from_uuid(kit::ids::uuid()),
            event_id: kit::ids::uuid(),
            happening: "ping".to_owned(),
            body: "{}".to_owned(),
            attempts,
            url: String::new(),
            secrets: Vec::new(),
        }
    }

    fn answered(status: u16) -> Seen {
        let fault = (!(200..300).contains(&status)).then_some(Fault::Status);
        Seen { status: StatusCode::from_u16(status).ok(), fault, ..Seen::default() }
    }

    #[test]
    fn failures_are_tried_again_later_and_later_and_then_no_more() {
        assert_eq!(then(&due(0), &answered(204), 7, 0.0, 0.0), Then::Delivered);
        assert_eq!(then(&due(0), &answered(500), 0, 0.0, 0.0), Then::Again { wait_s: 5, rest_s: 2 });
        assert_eq!(then(&due(1), &answered(404), 1, 5.0, 1.0), Then::Again { wait_s: 330, rest_s: 4 });
        assert_eq!(then(&due(9), &answered(500), 99, 60.0, 0.5), Then::Failed { rest_s: 300 });
    }

    #[test]
    fn a_receiver_says_when_to_come_again_or_not_at_all() {
        let mut busy = answered(503);
        busy.retry_after = Some(Duration::from_secs(120));
        assert_eq!(then(&due(0), &busy, 0, 0.0, 0.0), Then::Again { wait_s: 120, rest_s: 120 });
        busy.retry_after = Some(Duration::from_secs(u64::MAX));
        assert_eq!(then(&due(0), &busy, 0, 0.0, 0.0), Then::Again { wait_s: 86_400, rest_s: 86_400 });
        assert_eq!(then(&due(0), &answered(410), 0, 0.0, 0.0), Then::Off(OffBecause::Gone));
        let days = FAILING_MAX.as_secs_f64();
        assert_eq!(then(&due(3), &answered(500), 9, days, 0.0), Then::Off(OffBecause::Failing));
        assert_eq!(then(&due(3), &answered(200), 9, days, 0.0), Then::Delivered);
    }
}
