//! From the outbox to the queue and to open browsers.

use std::time::Duration;

use db::outbox::Waiting;
use domain::Visibility;
use domain::event::Event;
use domain::notification::NotificationType;
use domain::payment::PaymentStatus;
use live::fanout::{Push, STREAM_ACCESS, Target};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use crate::job::Job;
use crate::{Deps, queue, search, webhooks};
use kit::Stop;

/// Who hears of each event, as they are called in `processed_events`: what becomes jobs (notifications, mail, hooks, files), members'
/// webhooks, browsers that are open, and the search's documents.
pub const CONSUMERS: [&str; 4] = [JOBS, WEBHOOKS, BROWSERS, SEARCH];
const JOBS: &str = "jobs";
const WEBHOOKS: &str = "webhooks";
const BROWSERS: &str = "browsers";
const SEARCH: &str = "search";
/// Events moved in one transaction.
const BATCH: i64 = 100;
/// How long a lost announcement can delay an event.
const POLL_EVERY: Duration = Duration::from_secs(1);
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);

pub(crate) async fn run(deps: Deps, stop: Stop) -> anyhow::Result<()> {
    let mut listener = None;
    let mut backoff = kit::retry::Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    let mut prune_at = Instant::now() + PRUNE_EVERY;
    while !stop.is_cancelled() {
        match pass(&deps).await {
            Ok(moved) => {
                backoff.reset();
                deps.health.up("jobs");
                if moved == BATCH as usize {
                    continue;
                }
            }
            Err(error) => {
                deps.health.down("jobs", "the outbox cannot be read");
                tracing::warn!(error = format!("{error:#}"), "outbox pass failed");
                listener = None;
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = sleep(backoff.next_wait()) => continue,
                }
            }
        }
        if Instant::now() >= prune_at {
            prune_at = Instant::now() + PRUNE_EVERY;
            // A database that is away just now is no reason to end the role; the next hour prunes more.
            if let Err(error) = prune(&deps).await {
                tracing::warn!(error = format!("{error:#}"), "the outbox was not pruned");
            }
        }
        if listener.is_none() {
            listener = db::notify::OutboxListener::connect(&deps.pool).await.ok();
        }
        tokio::select! {
            () = stop.cancelled() => break,
            lost = hear(&mut listener) => if lost { listener = None },
        }
    }
    Ok(())
}

async fn prune(deps: &Deps) -> anyhow::Result<()> {
    let mut conn = deps.pool.acquire().await?;
    db::outbox::prune(&mut conn).await?;
    Ok(())
}

/// Waits for an announcement or the poll interval. True when the listening connection was lost.
async fn hear(listener: &mut Option<db::notify::OutboxListener>) -> bool {
    match listener {
        Some(open) => matches!(timeout(POLL_EVERY, open.heard()).await, Ok(Err(_))),
        None => {
            sleep(POLL_EVERY).await;
            false
        }
    }
}

/// Moves one batch. What each consumer does and that it has done it commit together: each event has its effect with each exactly once.
/// Browsers are told after that, at most once. Whom the operator has hear it again (`rillcast events replay`) does it again: notices know that
/// they are there, mail about accounts and the operator's hooks do not.
async fn pass(deps: &Deps) -> anyhow::Result<usize> {
    let mut tx = db::begin(&deps.pool).await?;
    let mut waiting = db::outbox::take(&mut tx, BATCH).await?;
    if waiting.is_empty() {
        return Ok(0);
    }
    let (mut pushes, mut changes) = (Vec::new(), search::Changes::default());
    let events: Vec<_> = waiting.iter().map(|item| item.event_id).collect();
    let done = db::consumers::done(&mut tx, &events).await?;
    let owes = |consumer: &str, item: &Waiting| !done.contains(&(consumer.to_owned(), item.event_id));
    let webhooks::Owed { mut jobs, overtaking } =
        webhooks::owe(deps, &mut tx, &waiting, |item| owes(WEBHOOKS, item)).await?;
    waiting.retain(|item| !overtaking.contains(&item.outbox_id));
    for item in &waiting {
        if owes(BROWSERS, item) {
            // As it is now, not as it was when the fact was written: what has become private meanwhile is not told.
            let visibility = visibility_of(&mut tx, &item.event).await?;
            pushes.extend(push_of(&item.event, visibility));
        }
        if owes(JOBS, item) {
            jobs.extend(jobs_of(deps, &item.event));
        }
        if owes(SEARCH, item) {
            changes.note(&item.event);
        }
    }
    jobs.extend(changes.index(&mut tx).await?);
    queue::push(&mut tx, jobs).await?;
    let moved: Vec<_> = waiting.iter().map(|item| item.event_id).collect();
    db::consumers::note(&mut tx, &CONSUMERS, &moved).await?;
    let ids: Vec<i64> = waiting.iter().map(|item| item.outbox_id).collect();
    db::outbox::mark(&mut tx, &ids).await?;
    db::commit(tx).await?;
    metrics::counter!("rillcast_outbox_events_total").increment(waiting.len() as u64);
    for push in pushes {
        if let Err(error) = live::fanout::publish(&deps.live, &push).await {
            tracing::debug!(%error, event = push.event, "event not pushed");
        }
    }
    Ok(waiting.len())
}

/// Whom the subject of an event is for. What is gone is nobody's.
async fn visibility_of(conn: &mut db::Conn, event: &Event) -> anyhow::Result<Visibility> {
    let found = match event {
        Event::StreamOnline { stream_id, .. }
        | Event::StreamReconnecting { stream_id, .. }
        | Event::StreamResumed { stream_id, .. }
        | Event::StreamOffline { stream_id, .. } => {
            db::access::of_streams(conn, &[*stream_id]).await?.pop().map(|(_, visibility)| visibility)
        }
        Event::VodReady { vod_id, .. } => db::access::of_vod(conn, *vod_id).await?,
        _ => Some(Visibility::Public),
    };
    Ok(found.unwrap_or(Visibility::Private))
}

/// The real-time event browsers get, if any. Of what is not for everybody only the channel's room hears, in which chat nodes keep
/// only those it is for.
fn push_of(event: &Event, visibility: Visibility) -> Option<Push> {
    let everybody = |username: &domain::user::Username| match visibility {
        Visibility::Public => Target::Site,
        _ => Target::Channel(username.clone()),
    };
    let push = |target, event: &str, payload| Some(Push { target, event: event.to_owned(), payload, origin: None });
    match event {
        Event::StreamOnline { stream_id, username, .. } => push(
            everybody(username),
            "stream:online",
            json!({ "username": username, "stream_id": stream_id, "is_resumed": false }),
        ),
        Event::StreamResumed { stream_id, username, .. } => push(
            Target::Channel(username.clone()),
            "stream:online",
            json!({ "username": username, "stream_id": stream_id, "is_resumed": true }),
        ),
        Event::StreamReconnecting { stream_id, username, until, .. } => push(
            Target::Channel(username.clone()),
            "stream:reconnecting",
            json!({ "username": username, "stream_id": stream_id, "until": until }),
        ),
        Event::StreamOffline { stream_id, username, .. } => {
            push(everybody(username), "stream:offline", json!({ "username": username, "stream_id": stream_id }))
        }
        // Chat nodes make of it what each socket is to hear.
        Event::StreamAccess { stream_id, username, was, now, .. } => push(
            Target::Site,
            STREAM_ACCESS,
            json!({ "username": username, "stream_id": stream_id, "was": was, "now": now }),
        ),
        // The room is the channel's, whoever is in it.
        Event::VodReady { .. } if visibility != Visibility::Public => None,
        Event::VodReady { vod_id, username, .. } => {
            push(Target::Channel(username.clone()), "vod:ready", json!({ "username": username, "vod_id": vod_id }))
        }
        Event::PaymentChanged { payment_id, user_id, status } => {
            push(Target::User(*user_id), "payment", json!({ "payment_id": payment_id, "status": status }))
        }
        Event::PublishDone { .. }
        | Event::PlanNotice { .. }
        | Event::VodDeleted { .. }
        | Event::Followed { .. }
        | Event::FriendAsked { .. }
        | Event::FriendAccepted { .. }
        | Event::Mentioned { .. }
        | Event::RoomInvited { .. }
        | Event::UnbanAnswered { .. }
        | Event::MailAsked { .. }
        | Event::ResetAsked { .. }
        | Event::PasswordChanged { .. }
        | Event::TwoFactorChanged { .. }
        | Event::RecordingStopped { .. }
        | Event::StreamUpdated { .. }
        | Event::VodFailed { .. }
        | Event::ChatModerated { .. }
        | Event::WebhookDue { .. }
        | Event::FileArrived { .. }
        | Event::FileReady { .. }
        | Event::FileFailed { .. }
        | Event::ShareAccessed { .. }
        | Event::SignedInAnew { .. }
        | Event::SignInStolen { .. }
        | Event::WebhookDisabled { .. }
        | Event::ChannelChanged { .. }
        | Event::VodChanged { .. }
        | Event::FilesChanged { .. } => None,
    }
}

/// What is owed because of an event.
fn jobs_of(deps: &Deps, event: &Event) -> Vec<Job> {
    let hooks = &deps.config.hooks;
    match event.clone() {
        Event::StreamOnline { stream_id, channel_id, username } => {
            vec![Job::NotifyStreamOnline { stream_id, channel_id, username }]
        }
        Event::VodReady { vod_id, channel_id, username } => {
            let mut jobs = vec![Job::NotifyVodReady { vod_id, channel_id, username }];
            if !hooks.on_record_done.is_empty() {
                jobs.push(Job::RecordDoneHook { vod_id });
            }
            jobs
        }
        Event::VodFailed { vod_id, channel_id, .. } => vec![Job::NotifyVodFailed { vod_id, channel_id }],
        Event::RecordingStopped { stream_id, channel_id, .. } => {
            vec![Job::NotifyRecordingStopped { stream_id, channel_id }]
        }
        // Each follower is told once however often a stream becomes theirs.
        Event::StreamAccess { stream_id, channel_id, username, .. } => {
            vec![Job::NotifyStreamOnline { stream_id, channel_id, username }]
        }
        Event::Followed { channel_id, follower_id } => vec![Job::NotifyNewFollower { channel_id, follower_id }],
        Event::FriendAsked { user_id, asker_id } => vec![Job::NotifyFriendRequest { user_id, asker_id }],
        Event::FriendAccepted { user_id, asker_id } => vec![Job::NotifyFriendAccepted { user_id, asker_id }],
        Event::Mentioned { message_id, channel_id, author_id, stream_id, user_ids } => {
            vec![Job::NotifyMention { message_id, channel_id, author_id, stream_id, user_ids }]
        }
        Event::RoomInvited { room_id, user_id } => vec![Job::NotifyRoomInvite { room_id, user_id }],
        Event::UnbanAnswered { request_id } => vec![Job::NotifyUnbanAnswer { request_id }],
        Event::MailAsked { user_id } => vec![Job::AskMailAddress { user_id }],
        Event::ResetAsked { email, at } => vec![Job::SendReset { email, at }],
        Event::PasswordChanged { user_id } => vec![Job::TellPasswordChanged { user_id }],
        Event::TwoFactorChanged { user_id, change } => vec![Job::TellTwoFactorChanged { user_id, change }],
        Event::VodDeleted { vod_id, object_prefix } => vec![Job::DeleteVodObjects { vod_id, object_prefix }],
        Event::PublishDone { publish_id } if !hooks.on_publish_done.is_empty() => {
            vec![Job::PublishDoneHook { publish_id }]
        }
        Event::FileArrived { version_id } => vec![Job::ProcessFile { version_id }],
        Event::FileReady { file_id, version_id, owner_id } => {
            vec![Job::NotifyFile { file_id, version_id, owner_id, is_ready: true }]
        }
        Event::FileFailed { file_id, version_id, owner_id } => {
            vec![Job::NotifyFile { file_id, version_id, owner_id, is_ready: false }]
        }
        Event::PaymentChanged { payment_id, status, .. } => match status {
            PaymentStatus::Pending | PaymentStatus::Expired | PaymentStatus::Cancelled => Vec::new(),
            _ => vec![Job::NotifyPayment { payment_id, status }],
        },
        Event::PlanNotice { user_id, notice_id, plan, ends_at, is_over } => {
            vec![Job::NotifyPlan { user_id, notice_id, plan, ends_at, is_over }]
        }
        Event::ShareAccessed { link_id, access_id, owner_id } => {
            vec![Job::NotifyShare { link_id, access_id, owner_id }]
        }
        Event::SignedInAnew { user_id, session_id, from } => {
            vec![Job::NotifySignIn { user_id, session_id, kind: NotificationType::NewSignIn, from }]
        }
        Event::SignInStolen { user_id, session_id } => {
            let (kind, from) = (NotificationType::SignInStolen, String::new());
            vec![Job::NotifySignIn { user_id, session_id, kind, from }]
        }
        Event::WebhookDue { webhook_id } => vec![Job::DeliverWebhook { webhook_id }],
        Event::WebhookDisabled { channel_id, delivery_id, .. } => {
            vec![Job::NotifyWebhookDisabled { channel_id, delivery_id }]
        }
        Event::PublishDone { .. }
        | Event::StreamReconnecting { .. }
        | Event::StreamResumed { .. }
        | Event::StreamOffline { .. }
        | Event::StreamUpdated { .. }
        | Event::ChatModerated { .. }
        | Event::ChannelChanged { .. }
        | Event::VodChanged { .. }
        | Event::FilesChanged { .. } => Vec::new(),
    }
}
