//! Lets the api room ask the chat's store, whichever that is.

use std::sync::Arc;

use api::lines::{Asked, ChatLines, FoundLine, Said, SaidLine};
use chat::history::History;
use domain::{MessageId, UserId};

/// More than so many lines of one member are not counted.
const COUNTED_MAX: u32 = 10_000;

/// The chat's store.
#[derive(Debug)]
pub struct Lines {
    history: Arc<dyn History>,
}

impl Lines {
    pub fn new(history: Arc<dyn History>) -> Self {
        Self { history }
    }
}

impl ChatLines for Lines {
    fn said_by(&self, channel: UserId, member: UserId, limit: u32) -> Asked<'_, Said> {
        Box::pin(async move {
            let (count, kept) = tokio::try_join!(
                self.history.said_count(channel, member, COUNTED_MAX),
                self.history.said_by(channel, member, limit),
            )?;
            let lines = kept.into_iter().map(|kept| SaidLine {
                id: kept.message.id.as_uuid(),
                text: kept.message.text,
                sent_at: kept.message.sent_at,
                stream_id: kept.message.stream,
                is_deleted: kept.is_deleted,
            });
            Ok(Said { count, lines: lines.collect() })
        })
    }

    fn line(&self, id: MessageId) -> Asked<'_, Option<FoundLine>> {
        Box::pin(async move {
            let found = self.history.find_all(&[id]).await?.pop();
            Ok(found.map(|kept| FoundLine {
                channel: kept.message.channel,
                author: kept.message.author.id,
                author_name: kept.message.author.username,
                text: kept.message.text,
                sent_at: kept.message.sent_at,
            }))
        })
    }
}
