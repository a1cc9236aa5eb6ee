//! Writing notifications into members' lists, once each, and telling those who are here.

pub(crate) mod payments;
pub(crate) mod rooms;

use db::mentions::Naming;
use db::notify::{NewNotification, Written};
use db::users::Person;
use domain::notification::NotificationType;
use domain::people::Bond;
use domain::{DeliveryId, FileId, MessageId, SessionId, ShareId, StreamId, UserId, VersionId, Visibility, VodId};
use live::fanout::{Push, Target};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::job::message;
use crate::{Deps, mail, push};

/// Followers handled in one transaction: small enough that the API never waits behind it.
const BATCH: i64 = 1_000;

/// What is written into lists, and the faces that go with it.
struct Story {
    new: NewNotification,
    /// Whose doing it was, unless that is not told.
    who: Option<Person>,
    /// In whose channel it happened, where that is another matter.
    channel: Option<Person>,
}

impl Story {
    fn new(kind: NotificationType, entity_id: Uuid, title: &str, who: Person) -> Self {
        let message = message(kind, &who.display_name, title);
        let new = NewNotification { kind, message, entity_id, actor: None, channel: None, detail: None };
        Self { new, who: Some(who), channel: None }
    }
}

pub(crate) async fn stream_online(deps: &Deps, job: &str, stream: StreamId, channel: UserId) -> anyhow::Result<()> {
    let mut conn = deps.pool.acquire().await?;
    let Some((title, visibility)) = db::notify::stream_title(&mut conn, stream).await? else { return Ok(()) };
    if !is_announced(visibility) {
        return Ok(());
    }
    let Some(who) = db::notify::person(&mut conn, channel).await? else { return Ok(()) };
    drop(conn);
    let story = Story::new(NotificationType::StreamOnline, stream.as_uuid(), &title, who);
    to_followers(deps, job, channel, &story).await
}

pub(crate) async fn vod_ready(deps: &Deps, job: &str, vod: VodId, channel: UserId) -> anyhow::Result<()> {
    let mut conn = deps.pool.acquire().await?;
    let Some((title, visibility)) = db::notify::vod_title(&mut conn, vod).await? else { return Ok(()) };
    let Some(who) = db::notify::person(&mut conn, channel).await? else { return Ok(()) };
    drop(conn);
    let story = Story::new(NotificationType::VodReady, vod.as_uuid(), &title, who);
    to_users(deps, &story, &[channel]).await?;
    if is_announced(visibility) { to_followers(deps, job, channel, &story).await } else { Ok(()) }
}

/// Its owner alone is told, and nobody of one that was deleted meanwhile.
pub(crate) async fn vod_failed(deps: &Deps, vod: VodId, channel: UserId) -> anyhow::Result<()> {
    let mut conn = deps.pool.acquire().await?;
    let Some((title, _)) = db::notify::vod_title(&mut conn, vod).await? else { return Ok(()) };
    let Some(who) = db::notify::person(&mut conn, channel).await? else { return Ok(()) };
    drop(conn);
    to_users(deps, &Story::new(NotificationType::VodFailed, vod.as_uuid(), &title, who), &[channel]).await
}

/// Whether followers hear of it. Whoever is told of something unlisted has its link from its owner.
fn is_announced(visibility: Visibility) -> bool {
    matches!(visibility, Visibility::Public | Visibility::Followers)
}

pub(crate) async fn recording_stopped(deps: &Deps, stream: StreamId, channel: UserId) -> anyhow::Result<()> {
    let mut conn = deps.pool.acquire().await?;
    let Some(who) = db::notify::person(&mut conn, channel).await? else { return Ok(()) };
    drop(conn);
    to_users(deps, &Story::new(NotificationType::RecordingStopped, stream.as_uuid(), "", who), &[channel]).await
}

pub(crate) async fn webhook_disabled(deps: &Deps, channel: UserId, delivery: DeliveryId) -> anyhow::Result<()> {
    let mut conn = deps.pool.acquire().await?;
    let Some(who) = db::notify::person(&mut conn, channel).await? else { return Ok(()) };
    drop(conn);
    to_users(deps, &Story::new(NotificationType::WebhookDisabled, delivery.as_uuid(), "", who), &[channel]).await
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
    to_users(deps, &Story::new(kind, actor.as_uuid(), "", who), &[user]).await
}

/// A chat line that names members.
pub(crate) struct Mentioned {
    pub message: MessageId,
    pub channel: UserId,
    pub author: UserId,
    pub stream: Option<StreamId>,
    pub users: Vec<UserId>,
}

/// Told a second time, nobody is reached who was reached the first time: the line is what the notification is about.
pub(crate) async fn mention(deps: &Deps, line: Mentioned) -> anyhow::Result<()> {
    let mut tx = db::begin(&deps.pool).await?;
    let Some(who) = db::notify::person(&mut tx, line.author).await? else { return Ok(()) };
    let Some(channel) = db::notify::person(&mut tx, line.channel).await? else { return Ok(()) };
    let naming = Naming { channel: line.channel, author: line.author, stream: line.stream, users: &line.users };
    let users = db::mentions::reached(&mut tx, &naming).await?;
    let mut story = Story::new(NotificationType::Mention, line.message.as_uuid(), &channel.display_name, who);
    story.new.actor = Some(line.author);
    story.new.channel = Some(line.channel);
    story.channel = Some(channel);
    write(deps, tx, &story, &users).await
}

/// Tells a member how their request was answered, not by whom. An answer that was taken back is none.
pub(crate) async fn unban_answer(deps: &Deps, request: Uuid) -> anyhow::Result<()> {
    let mut tx = db::begin(&deps.pool).await?;
    let Some(decided) = db::moderation::pleas::decided(&mut tx, request).await? else { return Ok(()) };
    let Some(channel) = db::notify::person(&mut tx, decided.channel).await? else { return Ok(()) };
    let detail = if decided.is_accepted { "accepted" } else { "denied" };
    let mut story = Story::new(NotificationType::UnbanAnswer, request, detail, channel);
    story.new.channel = Some(decided.channel);
    story.new.detail = Some(detail.to_owned());
    story.channel = story.who.take();
    write(deps, tx, &story, &[decided.user]).await
}

/// Tells a member what became of their file. One they have thrown away meanwhile is no news.
pub(crate) async fn file(
    deps: &Deps,
    file: FileId,
    version: VersionId,
    owner: UserId,
    is_ready: bool,
) -> anyhow::Result<()> {
    let mut conn = deps.pool.acquire().await?;
    let Some(found) = db::files::find(&mut conn, owner, file).await? else { return Ok(()) };
    if found.trashed_at.is_some() {
        return Ok(());
    }
    let Some(who) = db::notify::person(&mut conn, owner).await? else { return Ok(()) };
    drop(conn);
    let kind = if is_ready { NotificationType::FileReady } else { NotificationType::FileFailed };
    let mut story = Story::new(kind, version.as_uuid(), &found.name, who);
    story.new.detail = Some(found.name);
    story.who = None;
    to_users(deps, &story, &[owner]).await
}

/// Tells a member that one of their share links was opened. Told again, nothing is added: the visit is what it is about.
pub(crate) async fn share(deps: &Deps, link: ShareId, access: Uuid, owner: UserId) -> anyhow::Result<()> {
    let mut conn = deps.pool.acquire().await?;
    let Some(found) = db::shares::find(&mut conn, owner, link).await? else { return Ok(()) };
    let Some(who) = db::notify::person(&mut conn, owner).await? else { return Ok(()) };
    drop(conn);
    let mut story = Story::new(NotificationType::ShareAccessed, access, &found.name, who);
    story.new.detail = Some(found.name);
    story.who = None;
    to_users(deps, &story, &[owner]).await
}

/// Tells a member of a sign-in that may be somebody else's. `from` is what is known of where it came from.
pub(crate) async fn sign_in(
    deps: &Deps,
    kind: NotificationType,
    user: UserId,
    session: SessionId,
    from: &str,
) -> anyhow::Result<()> {
    let Some(who) = db::notify::person(&mut *deps.pool.acquire().await?, user).await? else { return Ok(()) };
    let mut story = Story::new(kind, session.as_uuid(), from, who);
    story.new.detail = Some(from.to_owned()).filter(|from| !from.is_empty());
    story.who = None;
    to_users(deps, &story, &[user]).await
}

/// Walks the followers in the order of their ids, and keeps the place: a run that was cut short goes on where it broke off. What
/// decides that each hears once is the notifications' unique key.
async fn to_followers(deps: &Deps, job: &str, channel: UserId, story: &Story) -> anyhow::Result<()> {
    let new = &story.new;
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
        tell(deps, story, &written).await;
        after = Some(last);
    }
}

async fn to_users(deps: &Deps, story: &Story, users: &[UserId]) -> anyhow::Result<()> {
    write(deps, db::begin(&deps.pool).await?, story, users).await
}

/// Writes to these members, commits, and tells those who are here.
async fn write(deps: &Deps, mut tx: db::Tx, story: &Story, users: &[UserId]) -> anyhow::Result<()> {
    let written = db::notify::insert(&mut tx, &story.new, users).await?;
    owe(deps, &mut tx, story.new.kind, &written).await?;
    db::commit(tx).await?;
    tell(deps, story, &written).await;
    Ok(())
}

/// Where on the site a notification leads.
pub(crate) fn place(kind: &str, entity: Uuid, actor: Option<&str>, channel: Option<&str>) -> String {
    let name = channel.or(actor);
    match (NotificationType::parse(kind), name) {
        (Some(NotificationType::VodReady | NotificationType::VodFailed), _) => format!("/v/{entity}"),
        (Some(NotificationType::StreamOnline | NotificationType::NewFollower), Some(name)) => format!("/c/{name}"),
        (Some(NotificationType::Message), _) => format!("/messages/{entity}"),
        (Some(NotificationType::RoomInvite), _) => "/messages".to_owned(),
        (Some(NotificationType::Mention | NotificationType::UnbanAnswer), Some(name)) => format!("/c/{name}#chat"),
        (Some(NotificationType::FriendRequest | NotificationType::FriendAccepted), _) => "/friends".to_owned(),
        (Some(NotificationType::FileReady | NotificationType::FileFailed), _) => "/files".to_owned(),
        (Some(NotificationType::ShareAccessed), _) => "/files/shared".to_owned(),
        (Some(NotificationType::NewSignIn | NotificationType::SignInStolen), _) => "/settings#devices".to_owned(),
        (Some(NotificationType::RecordingStopped), _) => "/studio".to_owned(),
        (Some(NotificationType::PaymentSubmitted), _) => "/admin/payments".to_owned(),
        (
            Some(
                NotificationType::PaymentApproved
                | NotificationType::PaymentRejected
                | NotificationType::PaymentAskedAgain,
            ),
            _,
        ) => format!("/payments/{entity}"),
        (Some(NotificationType::PlanEnding | NotificationType::PlanEnded), _) => "/plans".to_owned(),
        (Some(NotificationType::WebhookDisabled), _) => "/studio/webhooks".to_owned(),
        _ => "/notifications".to_owned(),
    }
}

/// Writes down, in the notifications' own transaction, what is owed because of them, and enqueues its jobs.
async fn owe(deps: &Deps, conn: &mut db::Conn, kind: NotificationType, written: &[Written]) -> anyhow::Result<()> {
    let ids: Vec<_> = written.iter().map(|row| row.notification_id).collect();
    if !ids.is_empty() {
        push::owe(conn, kind, &ids).await?;
        mail::owe(deps, conn, kind, &ids).await?;
    }
    Ok(())
}

/// Tells those who are here. The list is the truth; a push that finds no Redis is only late.
async fn tell(deps: &Deps, story: &Story, written: &[Written]) {
    let new = &story.new;
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
                "actor": story.who.as_ref().map(face),
                "channel": story.channel.as_ref().map(face),
                "detail": new.detail,
            }),
            origin: None,
        })
        .collect();
    if let Err(error) = live::fanout::publish_all(&deps.live, &pushes).await {
        tracing::debug!(%error, "notifications not pushed");
    }
}

/// A member as the API shows one.
fn face(person: &Person) -> Value {
    json!({
        "username": person.username,
        "display_name": person.display_name,
        "avatar_url": person.avatar_key.as_deref().map(objects::keys::avatar_url),
    })
}
