//! Writing notifications into members' lists, once each, and telling those who are here.

use db::users::Person;
use domain::notification::NotificationType;
use domain::people::Bond;
use domain::{DeliveryId, StreamId, UserId, Visibility, VodId};
use live::fanout::{Push, Target};
use serde_json::json;
use uuid::Uuid;

use crate::job::message;
use crate::{Deps, mail, push};

/// Followers handled in one transaction: small enough that the API never waits behind it.
const BATCH: i64 = 1_000;

pub(crate) async fn stream_online(deps: &Deps, job: &str, stream: StreamId, channel: UserId) -> anyhow::Result<()> {
    let mut conn = deps.pool.acquire().await?;
    let Some((title, visibility)) = db::notify::stream_title(&mut conn, stream).await? else { return Ok(()) };
    if !is_announced(visibility) {
        return Ok(());
    }
    let Some(who) = db::notify::person(&mut conn, channel).await? else { return Ok(()) };
    drop(conn);
    let new = db::notify::NewNotification {
        kind: NotificationType::StreamOnline,
        message: message(NotificationType::StreamOnline, &who.display_name, &title),
        entity_id: stream.as_uuid(),
    };
    to_followers(deps, job, channel, &new, &who).await
}

pub(crate) async fn vod_ready(deps: &Deps, job: &str, vod: VodId, channel: UserId) -> anyhow::Result<()> {
    let mut conn = deps.pool.acquire().await?;
    let Some((title, visibility)) = db::notify::vod_title(&mut conn, vod).await? else { return Ok(()) };
    let Some(who) = db::notify::person(&mut conn, channel).await? else { return Ok(()) };
    drop(conn);
    let new = db::notify::NewNotification {
        kind: NotificationType::VodReady,
        message: message(NotificationType::VodReady, &who.display_name, &title),
        entity_id: vod.as_uuid(),
    };
    to_users(deps, &new, &who, &[channel]).await?;
    if is_announced(visibility) { to_followers(deps, job, channel, &new, &who).await } else { Ok(()) }
}

/// Whether followers hear of it. Whoever is told of something unlisted has its link from its owner.
fn is_announced(visibility: Visibility) -> bool {
    matches!(visibility, Visibility::Public | Visibility::Followers)
}

pub(crate) async fn recording_stopped(deps: &Deps, stream: StreamId, channel: UserId) -> anyhow::Result<()> {
    let mut conn = deps.pool.acquire().await?;
    let Some(who) = db::notify::person(&mut conn, channel).await? else { return Ok(()) };
    drop(conn);
    let new = db::notify::NewNotification {
        kind: NotificationType::RecordingStopped,
        message: message(NotificationType::RecordingStopped, &who.display_name, ""),
        entity_id: stream.as_uuid(),
    };
    to_users(deps, &new, &who, &[channel]).await
}

pub(crate) async fn webhook_disabled(deps: &Deps, channel: UserId, delivery: DeliveryId) -> anyhow::Result<()> {
    let mut conn = deps.pool.acquire().await?;
    let Some(who) = db::notify::person(&mut conn, channel).await? else { return Ok(()) };
    drop(conn);
    let new = db::notify::NewNotification {
        kind: NotificationType::WebhookDisabled,
        message: message(NotificationType::WebhookDisabled, &who.display_name, ""),
        entity_id: delivery.as_uuid(),
    };
    to_users(deps, &new, &who, &[channel]).await
}

pub(crate) async fn new_follower(deps: &Deps, channel: UserId, follower: UserId) -> anyhow::Result<()> {
    of_member(deps, NotificationType::NewFollower, channel, follower).await
}

/// Only while the request waits: one that was taken back meanwhile is no news.
pub(crate) async fn friend_request(deps: &Deps, user: UserId, asker: UserId) -> anyhow::Result<()> {
    let bond = db::friends::bond(&mut *deps.pool.acquire().await?, user, asker).await?;
    match bond {
        Bond::Incoming => of_member(deps, NotificationType::FriendRequest, user, asker).await,
        _ => Ok(()),
    }
}

pub(crate) async fn friend_accepted(deps: &Deps, user: UserId, asker: UserId) -> anyhow::Result<()> {
    let bond = db::friends::bond(&mut *deps.pool.acquire().await?, asker, user).await?;
    match bond {
        Bond::Accepted => of_member(deps, NotificationType::FriendAccepted, asker, user).await,
        _ => Ok(()),
    }
}

/// Tells a member what another did, unless one of them has blocked the other.
async fn of_member(deps: &Deps, kind: NotificationType, user: UserId, actor: UserId) -> anyhow::Result<()> {
    let mut conn = deps.pool.acquire().await?;
    if db::friends::are_apart(&mut conn, user, actor).await? {
        return Ok(());
    }
    let Some(who) = db::notify::person(&mut conn, actor).await? else { return Ok(()) };
    drop(conn);
    let new =
        db::notify::NewNotification { kind, message: message(kind, &who.display_name, ""), entity_id: actor.as_uuid() };
    to_users(deps, &new, &who, &[user]).await
}

/// Walks the followers in the order of their ids, and keeps the place: a run that was cut short goes on where it broke off. What
/// decides that each hears once is the notifications' unique key.
async fn to_followers(
    deps: &Deps,
    job: &str,
    channel: UserId,
    new: &db::notify::NewNotification,
    who: &Person,
) -> anyhow::Result<()> {
    let mut conn = deps.pool.acquire().await?;
    let mut after = db::notify::place(&mut conn, job).await?;
    drop(conn);
    loop {
        // Given back between batches: the API waits for a connection behind one batch at most.
        let mut tx = db::begin(&deps.pool).await?;
        let batch = db::notify::followers_after(&mut tx, channel, new.kind, after, BATCH).await?;
        let Some(last) = batch.last().copied() else {
            db::notify::drop_place(&mut tx, job).await?;
            db::commit(tx).await?;
            return Ok(());
        };
        let written = db::notify::insert(&mut tx, new, &batch).await?;
        owe(deps, &mut tx, new.kind, &written).await?;
        db::notify::keep_place(&mut tx, job, last).await?;
        db::commit(tx).await?;
        tell(deps, new, who, &written).await;
        after = Some(last);
    }
}

async fn to_users(
    deps: &Deps,
    new: &db::notify::NewNotification,
    who: &Person,
    users: &[UserId],
) -> anyhow::Result<()> {
    let mut tx = db::begin(&deps.pool).await?;
    let written = db::notify::insert(&mut tx, new, users).await?;
    owe(deps, &mut tx, new.kind, &written).await?;
    db::commit(tx).await?;
    tell(deps, new, who, &written).await;
    Ok(())
}

/// Where on the site a notification leads.
pub(crate) fn place(kind: &str, entity: Uuid, actor: Option<&str>) -> String {
    match (NotificationType::parse(kind), actor) {
        (Some(NotificationType::VodReady), _) => format!("/v/{entity}"),
        (Some(NotificationType::StreamOnline | NotificationType::NewFollower), Some(name)) => format!("/c/{name}"),
        (Some(NotificationType::FriendRequest | NotificationType::FriendAccepted), _) => "/friends".to_owned(),
        (Some(NotificationType::RecordingStopped), _) => "/studio".to_owned(),
        (Some(NotificationType::WebhookDisabled), _) => "/studio/webhooks".to_owned(),
        _ => "/notifications".to_owned(),
    }
}

/// Writes down, in the notifications' own transaction, what is owed because of them, and enqueues its jobs.
async fn owe(
    deps: &Deps,
    conn: &mut db::Conn,
    kind: NotificationType,
    written: &[db::notify::Written],
) -> anyhow::Result<()> {
    let ids: Vec<_> = written.iter().map(|row| row.notification_id).collect();
    if !ids.is_empty() {
        push::owe(conn, kind, &ids).await?;
        mail::owe(deps, conn, kind, &ids).await?;
    }
    Ok(())
}

/// Tells those who are here. The list is the truth; a push that finds no Redis is only late.
async fn tell(deps: &Deps, new: &db::notify::NewNotification, who: &Person, written: &[db::notify::Written]) {
    metrics::counter!("rillcast_notifications_total", "type" => new.kind.as_str()).increment(written.len() as u64);
    let pushes: Vec<Push> = written
        .iter()
        .map(|row| Push {
            target: Target::User(row.user_id),
            event: "notification".to_owned(),
            payload: json!({
                "id": row.notification_id,
                "type": new.kind,
                "message": new.message,
                "is_read": false,
                "entity_type": new.kind.entity_type(),
                "entity_id": new.entity_id,
                "created_at": row.created_at,
                "actor": {
                    "username": who.username,
                    "display_name": who.display_name,
                    "avatar_url": who.avatar_key.as_deref().map(objects::keys::avatar_url),
                },
            }),
            origin: None,
        })
        .collect();
    if let Err(error) = live::fanout::publish_all(&deps.live, &pushes).await {
        tracing::debug!(%error, "notifications not pushed");
    }
}
