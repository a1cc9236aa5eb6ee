//! Looking for what was said in one's own rooms.

use domain::words::Sought;
use domain::{MessageId, RoomId};
use serde::Deserialize;
use serde_json::json;

use crate::events::{Answered, done};
use crate::gateway::Gateway;
use crate::limits::{SEARCH_DEFAULT, SEARCH_PAGE_MAX, SEARCHED_ROOMS_MAX, SEARCHES};
use crate::refusal::Refusal;
use crate::registry::Member;

#[derive(Debug, Deserialize)]
pub(super) struct Search {
    q: String,
    /// One room instead of all.
    room_id: Option<RoomId>,
    /// `next` of the page before.
    before: Option<MessageId>,
    limit: Option<u32>,
}

impl Gateway {
    /// What a member could read there now, and nothing else: who sits in a room is asked first.
    pub(super) async fn room_search(&self, member: &Member, search: Search) -> Answered {
        let me = self.current(member).await?.user;
        let sought = Sought::parse(&search.q)?;
        let verdict = self.limits.hit(&format!("room-search:{me}"), SEARCHES).await;
        if !verdict.is_allowed {
            return Err(Refusal::new("chat.throttled", "you are searching too fast").later(verdict.retry_after));
        }
        let rooms = self.ledger.readable(me, search.room_id, SEARCHED_ROOMS_MAX).await?;
        let limit = search.limit.unwrap_or(SEARCH_DEFAULT).clamp(1, SEARCH_PAGE_MAX);
        let mut found = match rooms.is_empty() {
            true => Vec::new(),
            false => self.rooms.search(&rooms, &sought, search.before, limit + 1).await?,
        };
        let has_more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next = found.last().filter(|_| has_more).map(|last| last.id);
        done(json!({ "ok": true, "items": self.room_views(&found).await?, "next": next }))
    }
}
