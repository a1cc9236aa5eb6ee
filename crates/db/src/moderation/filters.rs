//! SQL for the filters of a channel's chat.

use domain::order::{FILTERS_MAX, FilterAction, FilterKind};
use domain::{Timestamp, UserId};
use uuid::Uuid;

use crate::Conn;
use crate::error::{DbError, Result};

macro_rules! filter {
    ($row:expr) => {
        (|| {
            Ok::<_, DbError>(Filter {
                id: $row.filter_id,
                kind: FilterKind::parse(&$row.kind).ok_or(DbError::Corrupt { what: "filter" })?,
                pattern: $row.pattern.clone(),
                action: FilterAction::parse(&$row.action).ok_or(DbError::Corrupt { what: "filter" })?,
                created_at: $row.created_at,
            })
        })()
    };
}

/// One filter of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    pub id: Uuid,
    pub kind: FilterKind,
    pub pattern: String,
    pub action: FilterAction,
    pub created_at: Timestamp,
}

/// A channel's filters in the order they were made.
pub async fn filters(conn: &mut Conn, channel: UserId) -> Result<Vec<Filter>> {
    let rows = sqlx::query!(
        r#"
        SELECT filter_id, kind, pattern, action, created_at
          FROM chat_filters
         WHERE channel_id = $1
         ORDER BY filter_id
        "#,
        channel.as_uuid(),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| filter!(row)).collect()
}

/// A filter somebody wants.
#[derive(Debug, Clone, Copy)]
pub struct NewFilter<'a> {
    pub kind: FilterKind,
    pub pattern: &'a str,
    pub action: FilterAction,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    Done(Filter),
    /// The same words or expression are there.
    Before,
    /// The channel has as many as it may have.
    Full,
}

/// Adds a filter to a channel that is [`lock`](super::lock)ed.
pub async fn add_filter(conn: &mut Conn, channel: UserId, by: UserId, new: NewFilter<'_>) -> Result<Added> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM chat_filters WHERE channel_id = $1"#,
        channel.as_uuid(),
    )
    .fetch_one(&mut *conn)
    .await?;
    if usize::try_from(count).unwrap_or(usize::MAX) >= FILTERS_MAX {
        return Ok(Added::Full);
    }
    let row = sqlx::query!(
        r#"
        INSERT INTO chat_filters (filter_id, channel_id, kind, pattern, action, created_by)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT DO NOTHING
        RETURNING filter_id, kind, pattern, action, created_at
        "#,
        kit::ids::uuid(),
        channel.as_uuid(),
        new.kind.as_str(),
        new.pattern,
        new.action.as_str(),
        by.as_uuid(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(Added::Before) };
    filters_changed(conn, channel).await?;
    Ok(Added::Done(filter!(row)?))
}

/// Takes a filter away from a channel that is [`lock`](super::lock)ed. What it was, if it was there.
pub async fn remove_filter(conn: &mut Conn, channel: UserId, id: Uuid) -> Result<Option<Filter>> {
    let row = sqlx::query!(
        r#"
        DELETE FROM chat_filters
         WHERE channel_id = $1 AND filter_id = $2
        RETURNING filter_id, kind, pattern, action, created_at
        "#,
        channel.as_uuid(),
        id,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    filters_changed(conn, channel).await?;
    filter!(row).map(Some)
}

async fn filters_changed(conn: &mut Conn, channel: UserId) -> Result<()> {
    sqlx::query!(
        "UPDATE chat_modes SET filters_version = filters_version + 1 WHERE channel_id = $1",
        channel.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}
