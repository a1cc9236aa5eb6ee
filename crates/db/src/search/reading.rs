//! SQL for looking: the best documents by their words, and of those what their own rows let the viewer find.

use domain::search::{Mark, Question};
use domain::{FileId, UserId, VodId};
use uuid::Uuid;

use crate::Pool;
use crate::error::{DbError, Result};
use crate::users::Person;

/// Longest a search may take, in milliseconds.
const SEARCH_MS_MAX: &str = "1500";
/// Documents whose rows are looked at for one page. They are narrowed before to what the viewer should find, so only what changed within the
/// last moments falls out of them.
const NEAR_MAX: i64 = 400;

/// Where a page ends: how well the last one fits, and its id. Of those that fit as well the newest come first.
pub type Place = (f32, Uuid);

/// Something that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found<I> {
    pub id: I,
    pub rank: f32,
}

/// A channel that was found.
#[derive(Debug, Clone)]
pub struct FoundChannel {
    pub id: UserId,
    pub rank: f32,
    pub owner: Person,
    pub bio: String,
    pub followers_count: i64,
    /// On air with something the viewer's lists show.
    pub is_live: bool,
}

/// What is asked is answered in time or not at all.
async fn in_time(pool: &Pool) -> Result<crate::Tx> {
    let mut tx = crate::begin(pool).await?;
    sqlx::query_scalar!("SELECT set_config('statement_timeout', $1, true)", SEARCH_MS_MAX).fetch_one(&mut *tx).await?;
    Ok(tx)
}

/// A search that takes too long is Postgres being busy and not a fault.
fn told<T>(found: sqlx::Result<T>) -> Result<T> {
    found.map_err(|error| match error.as_database_error().and_then(|error| error.code()) {
        // 57014: query_canceled.
        Some(code) if code == "57014" => DbError::timed_out(),
        _ => error.into(),
    })
}

/// Channels, the best first. Those of suspended members, and of those who closed their account, are not there.
pub async fn channels(
    pool: &Pool,
    question: &Question,
    viewer: Option<UserId>,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<FoundChannel>> {
    let (rank, id) = after.unzip();
    let mut tx = in_time(pool).await?;
    let rows = told(
        sqlx::query!(
            r#"
            WITH ranked AS MATERIALIZED (
            SELECT d.subject_id,
                   (ts_rank(d.words, ($1::text)::tsquery) + CASE WHEN $2 = ANY(d.titles) THEN 1 ELSE 0 END)::real AS rank
              FROM search_documents d
             WHERE d.words @@ ($1::text)::tsquery AND d.kind = 'channel' AND NOT d.is_hidden
            ), near AS MATERIALIZED (
            SELECT subject_id, rank
              FROM ranked
             WHERE $4::real IS NULL OR (rank, subject_id) < ($4, $5::uuid)
             ORDER BY rank DESC, subject_id DESC
             LIMIT $6
            )
            SELECT u.user_id, near.rank AS "rank!", u.username, u.display_name, u.avatar_key, u.bio, c.followers_count,
                   EXISTS (SELECT FROM streams s
                            WHERE s.channel_id = u.user_id AND s.status IN ('live', 'reconnecting')
                              AND is_listed_for(s.visibility, s.channel_id, $3)) AS "is_live!"
              FROM near
              JOIN users u ON u.user_id = near.subject_id AND NOT u.is_suspended
              JOIN channels c ON c.channel_id = u.user_id
             ORDER BY near.rank DESC, near.subject_id DESC
             LIMIT $7
            "#,
            question.asked(&Mark::channels()),
            question.exactly(),
            viewer.map(UserId::as_uuid),
            rank,
            id,
            NEAR_MAX,
            limit,
        )
        .fetch_all(&mut *tx)
        .await,
    )?;
    crate::commit(tx).await?;
    Ok(rows
        .into_iter()
        .map(|row| FoundChannel {
            id: UserId::from_uuid(row.user_id),
            rank: row.rank,
            owner: Person { username: row.username, display_name: row.display_name, avatar_key: row.avatar_key },
            bio: row.bio,
            followers_count: row.followers_count,
            is_live: row.is_live,
        })
        .collect())
}

/// Recordings that lists show this viewer, the best first: what is for everybody, for followers of the channel, or theirs.
pub async fn vods(
    pool: &Pool,
    question: &Question,
    viewer: Option<UserId>,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<Found<VodId>>> {
    let (rank, id) = after.unzip();
    let mut tx = in_time(pool).await?;
    let rows = told(
        sqlx::query!(
            r#"
            WITH ranked AS MATERIALIZED (
            SELECT d.subject_id,
                   (ts_rank(d.words, ($1::text)::tsquery) + CASE WHEN $2 = ANY(d.titles) THEN 1 ELSE 0 END)::real AS rank
              FROM search_documents d
             WHERE d.words @@ ($1::text)::tsquery AND d.kind = 'vod' AND NOT d.is_hidden
               AND (d.visibility = 'public' OR d.owner_id = $3
                    OR (d.visibility = 'followers'
                        AND d.owner_id IN (SELECT f.channel_id FROM follows f WHERE f.follower_id = $3)))
            ), near AS MATERIALIZED (
            SELECT subject_id, rank
              FROM ranked
             WHERE $4::real IS NULL OR (rank, subject_id) < ($4, $5::uuid)
             ORDER BY rank DESC, subject_id DESC
             LIMIT $6
            )
            SELECT v.vod_id, near.rank AS "rank!"
              FROM near
              JOIN vods v ON v.vod_id = near.subject_id AND v.deleted_at IS NULL
              JOIN users u ON u.user_id = v.channel_id AND NOT u.is_suspended
              LEFT JOIN streams s ON s.stream_id = v.stream_id
             WHERE s.status IS DISTINCT FROM 'starting'
               AND (v.status NOT IN ('failed', 'processing') OR v.channel_id = $3)
               AND is_listed_for(v.visibility, v.channel_id, $3)
             ORDER BY near.rank DESC, near.subject_id DESC
             LIMIT $7
            "#,
            question.asked(&Mark::vods()),
            question.exactly(),
            viewer.map(UserId::as_uuid),
            rank,
            id,
            NEAR_MAX,
            limit,
        )
        .fetch_all(&mut *tx)
        .await,
    )?;
    crate::commit(tx).await?;
    Ok(rows.into_iter().map(|row| Found { id: VodId::from_uuid(row.vod_id), rank: row.rank }).collect())
}

/// A member's files that are not in the trash, the best first.
pub async fn files(
    pool: &Pool,
    question: &Question,
    owner: UserId,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<Found<FileId>>> {
    let (rank, id) = after.unzip();
    let mut tx = in_time(pool).await?;
    let rows = told(
        sqlx::query!(
            r#"
            WITH ranked AS MATERIALIZED (
            SELECT d.subject_id,
                   (ts_rank(d.words, ($1::text)::tsquery) + CASE WHEN $2 = ANY(d.titles) THEN 1 ELSE 0 END)::real AS rank
              FROM search_documents d
             WHERE d.words @@ ($1::text)::tsquery AND d.kind = 'file' AND d.owner_id = $3
            ), near AS MATERIALIZED (
            SELECT subject_id, rank
              FROM ranked
             WHERE $4::real IS NULL OR (rank, subject_id) < ($4, $5::uuid)
             ORDER BY rank DESC, subject_id DESC
             LIMIT $6
            )
            SELECT f.file_id, near.rank AS "rank!"
              FROM near
              JOIN files f ON f.file_id = near.subject_id AND f.owner_id = $3 AND f.trashed_at IS NULL
             ORDER BY near.rank DESC, near.subject_id DESC
             LIMIT $7
            "#,
            question.asked(&Mark::files_of(owner)),
            question.exactly(),
            owner.as_uuid(),
            rank,
            id,
            NEAR_MAX,
            limit,
        )
        .fetch_all(&mut *tx)
        .await,
    )?;
    crate::commit(tx).await?;
    Ok(rows.into_iter().map(|row| Found { id: FileId::from_uuid(row.file_id), rank: row.rank }).collect())
}
