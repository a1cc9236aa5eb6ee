//! SQL for when members were seen last, and who may know it. Who is connected now is not here: see `live::presence`.

use domain::people::Sight;
use domain::{Timestamp, UserId};

use crate::Conn;
use crate::error::{DbError, Result};

/// Somebody who may know when a member is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub viewer: UserId,
    pub member: UserId,
    /// To the minute. `None`: not since it is written down.
    pub seen_at: Option<Timestamp>,
}

/// Which of these pairs of viewer and member may stand: whoever is left out does not learn why.
pub async fn seen(conn: &mut Conn, pairs: &[(UserId, UserId)]) -> Result<Vec<Seen>> {
    let (viewers, members): (Vec<_>, Vec<_>) =
        pairs.iter().map(|(viewer, member)| (viewer.as_uuid(), member.as_uuid())).unzip();
    let rows = sqlx::query!(
        r#"
        SELECT pair.viewer AS "viewer!", pair.member AS "member!", s.seen_at AS "seen_at?"
          FROM unnest($1::uuid[], $2::uuid[]) AS pair (viewer, member)
          LEFT JOIN last_seen s ON s.user_id = pair.member
         WHERE sees_presence(pair.viewer, pair.member)
        "#,
        &viewers,
        &members,
    )
    .fetch_all(conn)
    .await?;
    let seen = rows.into_iter().map(|row| Seen {
        viewer: UserId::from_uuid(row.viewer),
        member: UserId::from_uuid(row.member),
        seen_at: row.seen_at,
    });
    Ok(seen.collect())
}

/// Notes when members were there, at most once a minute for each, whoever notes it; of those who hide it nothing. How many were written.
pub async fn note(conn: &mut Conn, seen: &[(UserId, Timestamp)]) -> Result<u64> {
    let (users, moments): (Vec<_>, Vec<_>) = seen.iter().map(|(user, at)| (user.as_uuid(), *at)).unzip();
    // In one order: two nodes that note the same members do not wait for each other.
    let done = sqlx::query!(
        r#"
        INSERT INTO last_seen (user_id, seen_at)
        SELECT seen.user_id, max(seen.at)
          FROM unnest($1::uuid[], $2::timestamptz[]) AS seen (user_id, at)
          JOIN users u ON u.user_id = seen.user_id
         WHERE NOT EXISTS (SELECT FROM privacy p WHERE p.user_id = seen.user_id AND p.presence = 'nobody')
         GROUP BY seen.user_id
         ORDER BY seen.user_id
        ON CONFLICT (user_id) DO UPDATE SET seen_at = EXCLUDED.seen_at
         WHERE last_seen.seen_at <= EXCLUDED.seen_at - interval '1 minute'
        "#,
        &users,
        &moments,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Who may know when this member is there.
pub async fn sight(conn: &mut Conn, user: UserId) -> Result<Sight> {
    let kept = sqlx::query_scalar!("SELECT presence FROM privacy WHERE user_id = $1", user.as_uuid())
        .fetch_optional(conn)
        .await?;
    kept.map_or(Ok(Sight::default()), |text| Sight::parse(&text).ok_or(DbError::Corrupt { what: "sight" }))
}

/// Says who may know it. Of who hides it nothing stays. To be called in a transaction.
pub async fn set_sight(conn: &mut Conn, user: UserId, sight: Sight) -> Result<()> {
    sqlx::query!(
        r#"
        INSERT INTO privacy (user_id, presence) VALUES ($1, $2)
        ON CONFLICT (user_id) DO UPDATE SET presence = EXCLUDED.presence
        "#,
        user.as_uuid(),
        sight.as_str(),
    )
    .execute(&mut *conn)
    .await?;
    if sight == Sight::Nobody {
        sqlx::query!("DELETE FROM last_seen WHERE user_id = $1", user.as_uuid()).execute(conn).await?;
    }
    Ok(())
}
