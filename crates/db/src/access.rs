//! SQL for who may see what: the visibility of streams and recordings, and the standing of members. The rule itself is
//! [`domain::Visibility`] and, for lists, the functions `is_listed_for` and `is_visible_to`.

use domain::user::{Role, Username};
use domain::{Permission, StreamId, UserId, Visibility, VodId};

use crate::Conn;
use crate::error::{DbError, Result};

/// Who looks. The default is a visitor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Viewer {
    pub id: Option<UserId>,
    /// A moderator or administrator of the site.
    pub is_staff: bool,
}

impl Viewer {
    /// A member without a role.
    pub fn member(id: UserId) -> Self {
        Self { id: Some(id), is_staff: false }
    }
}

pub(crate) fn visibility(stored: &str) -> Result<Visibility> {
    Visibility::parse(stored).ok_or(DbError::Corrupt { what: "visibility" })
}

/// Whom these streams are for. Those that are gone are left out.
pub async fn of_streams(conn: &mut Conn, streams: &[StreamId]) -> Result<Vec<(StreamId, Visibility)>> {
    let ids: Vec<uuid::Uuid> = streams.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!("SELECT stream_id, visibility FROM streams WHERE stream_id = ANY($1)", &ids)
        .fetch_all(conn)
        .await?;
    rows.into_iter().map(|row| Ok((StreamId::from_uuid(row.stream_id), visibility(&row.visibility)?))).collect()
}

/// Whom a recording is for. `None` when it is gone.
pub async fn of_vod(conn: &mut Conn, vod: VodId) -> Result<Option<Visibility>> {
    let stored = sqlx::query_scalar!("SELECT visibility FROM vods WHERE vod_id = $1", vod.as_uuid());
    stored.fetch_optional(conn).await?.as_deref().map(visibility).transpose()
}

pub async fn is_follower(conn: &mut Conn, channel: UserId, user: UserId) -> Result<bool> {
    let is_so = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM follows WHERE channel_id = $1 AND follower_id = $2) AS "is_so!""#,
        channel.as_uuid(),
        user.as_uuid(),
    );
    Ok(is_so.fetch_one(conn).await?)
}

/// A stream that has not ended and is not public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    pub username: Username,
    pub channel: UserId,
    pub stream: StreamId,
    pub visibility: Visibility,
}

/// Which of these channels air something that is not for everybody. `starting` counts: nobody should be in the room when it begins.
pub async fn closed_among(conn: &mut Conn, names: &[Username]) -> Result<Vec<Closed>> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let rows = sqlx::query!(
        r#"
        SELECT u.username, s.channel_id, s.stream_id, s.visibility
          FROM streams s
          JOIN users u ON u.user_id = s.channel_id
         WHERE u.username = ANY($1)
           AND s.status <> 'ended'
           AND s.visibility <> 'public'
        "#,
        &names,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Closed {
                username: Username::parse(&row.username).map_err(|_| DbError::Corrupt { what: "username" })?,
                channel: UserId::from_uuid(row.channel_id),
                stream: StreamId::from_uuid(row.stream_id),
                visibility: visibility(&row.visibility)?,
            })
        })
        .collect()
}

/// Of these members, those who may see what is for a channel's followers (or, `for_followers` false, for nobody else): its owner, the
/// site's staff, and its followers.
pub async fn admitted(
    conn: &mut Conn,
    channel: UserId,
    members: &[UserId],
    for_followers: bool,
) -> Result<Vec<UserId>> {
    let ids: Vec<uuid::Uuid> = members.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"
        SELECT u.user_id, u.role,
               EXISTS (SELECT FROM follows f WHERE f.channel_id = $1 AND f.follower_id = u.user_id) AS "is_follower!"
          FROM users u
         WHERE u.user_id = ANY($2)
           AND NOT u.is_suspended
        "#,
        channel.as_uuid(),
        &ids,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .filter(|row| {
            let is_staff = Role::parse(&row.role).is_some_and(|role| role.may(Permission::SeeHidden));
            row.user_id == channel.as_uuid() || is_staff || (for_followers && row.is_follower)
        })
        .map(|row| UserId::from_uuid(row.user_id))
        .collect())
}
