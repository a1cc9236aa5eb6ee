//! What members are told of their payments and plans, and administrators of payments that wait for them.

use db::payments;
use domain::notification::NotificationType;
use domain::payment::{PaymentStatus, Plan};
use domain::{PaymentId, Timestamp, UserId};
use uuid::Uuid;

use super::{Story, to_users};
use crate::Deps;

/// Tells of where a payment is now. One that has moved on meanwhile is told of by what moved it.
pub(crate) async fn changed(deps: &Deps, id: PaymentId, status: PaymentStatus) -> anyhow::Result<()> {
    let mut conn = deps.pool.acquire().await?;
    let Some(payment) = payments::find(&mut conn, None, id).await?.filter(|payment| payment.status == status) else {
        return Ok(());
    };
    let Some(payer) = db::notify::person(&mut conn, payment.user).await? else { return Ok(()) };
    let plan = deps.config.offer(payment.plan).name.to_owned();
    let (kind, detail, users) = match status {
        PaymentStatus::Submitted => {
            let told = format!("{plan}, {}", payment.reference);
            (NotificationType::PaymentSubmitted, told, payments::deciders(&mut conn).await?)
        }
        PaymentStatus::Approved => (NotificationType::PaymentApproved, plan, vec![payment.user]),
        PaymentStatus::Rejected => (NotificationType::PaymentRejected, payment.reason, vec![payment.user]),
        PaymentStatus::AskedAgain => (NotificationType::PaymentAskedAgain, payment.reason, vec![payment.user]),
        PaymentStatus::Pending | PaymentStatus::Expired | PaymentStatus::Cancelled => return Ok(()),
    };
    drop(conn);
    let mut story = Story::new(kind, id.as_uuid(), &detail, payer);
    story.new.detail = Some(detail);
    match status {
        PaymentStatus::Submitted => story.new.actor = Some(payment.user),
        // By whom is not told.
        _ => story.who = None,
    }
    to_users(deps, &story, &users).await
}

/// Tells a member that their plan ends soon, or is over. One that was gone on with meanwhile does neither.
pub(crate) async fn plan(
    deps: &Deps,
    user: UserId,
    notice: Uuid,
    (plan, ends_at): (Plan, Timestamp),
    is_over: bool,
) -> anyhow::Result<()> {
    let mut conn = deps.pool.acquire().await?;
    let running = db::plans::subscription(&mut conn, user).await?;
    if running.is_none_or(|running| running.plan != plan || running.ends_at != ends_at) {
        return Ok(());
    }
    let Some(who) = db::notify::person(&mut conn, user).await? else { return Ok(()) };
    drop(conn);
    let name = deps.config.offer(plan).name;
    let (kind, detail) = match is_over {
        true => (NotificationType::PlanEnded, name.to_owned()),
        false => (NotificationType::PlanEnding, format!("{name}, {}", ends_at.date_naive())),
    };
    let mut story = Story::new(kind, notice, &detail, who);
    story.new.detail = Some(detail);
    story.who = None;
    to_users(deps, &story, &[user]).await
}
