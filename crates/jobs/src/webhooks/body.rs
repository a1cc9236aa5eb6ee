//! What messages say. `docs/webhooks.md` shows each.

use chrono::DateTime;
use db::streams::Stream;
use db::users::Person;
use db::vods::Vod;
use domain::event::Event;
use domain::{StreamId, Timestamp, UserId, VodId};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::Deps;

/// What there is to say of an event.
pub(super) struct Told {
    /// The stream it is about: messages about one are sent in order.
    pub subject: Option<Uuid>,
    pub data: Map<String, Value>,
}

/// When an event happened: ids say it.
pub(super) fn moment(event_id: Uuid) -> Timestamp {
    event_id
        .get_timestamp()
        .and_then(|at| {
            let (seconds, nanos) = at.to_unix();
            DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
        })
        .unwrap_or_else(kit::clock::now)
}

/// As things are now. `None` when what it is about is gone, or not to be told any more.
pub(super) async fn of(deps: &Deps, conn: &mut db::Conn, event: &Event) -> anyhow::Result<Option<Told>> {
    let site = deps.config.http.public_url.trim_end_matches('/');
    match event {
        Event::StreamOnline { stream_id, channel_id, .. }
        | Event::StreamUpdated { stream_id, channel_id, .. }
        | Event::StreamOffline { stream_id, channel_id, .. } => stream(conn, site, *stream_id, *channel_id).await,
        Event::VodReady { vod_id, channel_id, .. } | Event::VodFailed { vod_id, channel_id, .. } => {
            vod(conn, site, *vod_id, *channel_id).await
        }
        Event::Followed { channel_id, follower_id } => follower(conn, site, *channel_id, *follower_id).await,
        Event::ChatModerated { channel_id, act_id } => act(conn, site, *channel_id, *act_id).await,
        _ => Ok(None),
    }
}

fn told(subject: Option<Uuid>, fields: impl IntoIterator<Item = (&'static str, Value)>) -> Option<Told> {
    Some(Told { subject, data: fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect() })
}

fn channel(site: &str, id: UserId, owner: &Person) -> Value {
    json!({
        "id": id,
        "username": owner.username,
        "display_name": owner.display_name,
        "url": format!("{site}/c/{}", owner.username),
    })
}

async fn stream(conn: &mut db::Conn, site: &str, id: StreamId, owner: UserId) -> anyhow::Result<Option<Told>> {
    let Some((found, _)) = db::streams::find(conn, id, Some(owner)).await? else { return Ok(None) };
    let Stream { title, category, tags, status, started_at, ended_at, peak_viewers, visibility, .. } = found;
    let said = json!({
        "id": id,
        "title": title,
        "category": category.map(|(slug, name)| json!({ "slug": slug, "name": name })),
        "tags": tags,
        "visibility": visibility.as_str(),
        "status": status.as_str(),
        "started_at": started_at,
        "ended_at": ended_at,
        "peak_viewers": peak_viewers,
    });
    Ok(told(Some(id.as_uuid()), [("channel", channel(site, owner, &found.owner)), ("stream", said)]))
}

async fn vod(conn: &mut db::Conn, site: &str, id: VodId, owner: UserId) -> anyhow::Result<Option<Told>> {
    let Some((found, _)) = db::vods::find(conn, id, Some(owner)).await? else { return Ok(None) };
    let Vod { stream, title, category, tags, status, fail_reason, duration_ms, byte_size, visibility, .. } = found;
    let said = json!({
        "id": id,
        "stream_id": stream,
        "title": title,
        "category": category.map(|(slug, name)| json!({ "slug": slug, "name": name })),
        "tags": tags,
        "visibility": visibility.as_str(),
        "status": status.as_str(),
        "fail_reason": fail_reason,
        "duration_ms": duration_ms,
        "byte_size": byte_size,
        "created_at": found.created_at,
        "ready_at": found.ready_at,
        "url": format!("{site}/v/{id}"),
    });
    let subject = stream.map_or(id.as_uuid(), StreamId::as_uuid);
    Ok(told(Some(subject), [("channel", channel(site, owner, &found.owner)), ("vod", said)]))
}

/// Of somebody the owner has blocked, or who has blocked them, nothing is told, as with notifications.
async fn follower(conn: &mut db::Conn, site: &str, owner: UserId, id: UserId) -> anyhow::Result<Option<Told>> {
    if db::friends::are_apart(conn, owner, id).await? {
        return Ok(None);
    }
    let Some(who) = db::notify::person(conn, owner).await? else { return Ok(None) };
    let Some(follower) = db::notify::person(conn, id).await? else { return Ok(None) };
    Ok(told(None, [("channel", channel(site, owner, &who)), ("follower", channel(site, id, &follower))]))
}

async fn act(conn: &mut db::Conn, site: &str, owner: UserId, id: Uuid) -> anyhow::Result<Option<Told>> {
    let Some(who) = db::notify::person(conn, owner).await? else { return Ok(None) };
    let Some(act) = db::moderation::act(conn, id).await? else { return Ok(None) };
    let member = |id: UserId, name: &str| json!({ "id": id, "username": name });
    let said = json!({
        "id": act.id,
        "action": act.action,
        "moderator": member(act.actor, &act.actor_name),
        "target": act.target.zip(act.target_name.as_deref()).map(|(id, name)| member(id, name)),
        "reason": act.reason,
        "undoes": act.undoes,
        "at": act.at,
    });
    Ok(told(None, [("channel", channel(site, owner, &who)), ("act", said)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_events_id_says_when_it_happened() {
        let (before, id) = (kit::clock::now(), kit::ids::uuid());
        let apart = (moment(id) - before).num_milliseconds();
        assert!((-1..1_000).contains(&apart), "{apart}");
    }
}
