//! The last lines of rooms, which everybody who joins is shown: read once for all who come before something is said.

use std::sync::Arc;
use std::time::Duration;

use domain::UserId;
use domain::user::Username;
use moka::sync::Cache;
use tokio::sync::OnceCell;

use crate::history::{History, Result, Span};
use crate::limits::JOIN_HISTORY;
use crate::message::Message;

const ROOMS_MAX: u64 = 2_000;
/// How long lines are kept at most: what was said elsewhere while the news of it was lost is then shown too.
pub(crate) const KEPT: Duration = Duration::from_secs(1);

type Lines = Arc<OnceCell<Arc<Vec<Message>>>>;

pub(crate) struct Tails {
    rooms: Cache<Username, Lines>,
}

impl Default for Tails {
    fn default() -> Self {
        Self { rooms: Cache::builder().max_capacity(ROOMS_MAX).time_to_live(KEPT).build() }
    }
}

impl Tails {
    /// The last lines of a channel. Whoever asks sits in the room already, so that what is said from now on reaches them.
    pub(crate) async fn of(
        &self,
        name: &Username,
        channel: UserId,
        history: &dyn History,
    ) -> Result<Arc<Vec<Message>>> {
        let lines = self.rooms.get_with_by_ref(name, Lines::default);
        let read = async || Ok(Arc::new(history.channel_page(channel, Span::Latest, JOIN_HISTORY).await?));
        lines.get_or_try_init(read).await.cloned()
    }

    /// Something changed in a room. To be called before the room hears of it: who joins afterwards reads anew.
    pub(crate) fn forget(&self, name: &Username) {
        self.rooms.invalidate(name);
    }
}
