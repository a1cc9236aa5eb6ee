//! What members are told of their rooms: invitations, and what was said while they were away.

use db::room_tells::Away;
use domain::attachment::AttachmentKind;
use domain::notification::NotificationType;
use domain::{RoomId, UserId};

use super::{Story, owe, tell, write};
use crate::Deps;

/// Rooms looked at in one transaction.
const ROOMS_MAX: i64 = 100;

/// Only while the invitation waits: one that was answered or taken back meanwhile is no news.
pub(crate) async fn invited(deps: &Deps, room: RoomId, user: UserId) -> anyhow::Result<()> {
    let mut tx = db::begin(&deps.pool).await?;
    let Some((name, inviter)) = db::room_tells::invitation(&mut tx, room, user).await? else { return Ok(()) };
    if db::friends::are_apart(&mut tx, user, inviter).await? {
        return Ok(());
    }
    let Some(who) = db::notify::person(&mut tx, inviter).await? else { return Ok(()) };
    let mut story = Story::new(NotificationType::RoomInvite, room.as_uuid(), &name, who);
    story.new.actor = Some(inviter);
    story.new.detail = Some(name);
    write(deps, tx, &story, &[user]).await
}

/// What a member reads of something that was sent without a word.
fn sent_line(sent: AttachmentKind, who: &str, title: &str) -> String {
    let what = match sent {
        AttachmentKind::Image => "a picture",
        AttachmentKind::File => "a file",
    };
    if title.is_empty() { format!("{who} sent {what}") } else { format!("{who} sent {what} in {title}") }
}

/// Tells whoever has not read in time what was said in their rooms: one line for a room, until it is read. Returns whether there may be more.
pub(crate) async fn tell_away(deps: &Deps) -> anyhow::Result<bool> {
    let mut tx = db::begin(&deps.pool).await?;
    let rooms = db::room_tells::take_due(&mut tx, ROOMS_MAX).await?;
    if rooms.is_empty() {
        return Ok(false);
    }
    let away = db::room_tells::away(&mut tx, &rooms).await?;
    let mut told = Vec::new();
    for said in away.chunk_by(|one, next| (one.room, one.author, one.sent) == (next.room, next.author, next.sent)) {
        let Away { room, author, name, .. } = &said[0];
        let Some(who) = db::notify::person(&mut tx, *author).await? else { continue };
        let users: Vec<UserId> = said.iter().map(|away| away.user).collect();
        db::room_tells::forget_read(&mut tx, *room, &users).await?;
        let title = name.as_deref().unwrap_or_default();
        let sent = said[0].sent.map(|sent| sent_line(sent, &who.display_name, title));
        let mut story = Story::new(NotificationType::Message, room.as_uuid(), title, who);
        story.new.message = sent.unwrap_or(story.new.message);
        story.new.actor = Some(*author);
        story.new.detail.clone_from(name);
        let written = db::notify::insert(&mut tx, &story.new, &users).await?;
        owe(deps, &mut tx, story.new.kind, &written).await?;
        told.push((story, written));
    }
    db::commit(tx).await?;
    for (story, written) in &told {
        tell(deps, story, written).await;
    }
    Ok(rooms.len() == ROOMS_MAX as usize)
}
