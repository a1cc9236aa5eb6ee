//! What every page asks, asked once of a new connection for nobody: the first use of a statement on a connection costs a way
//! to Postgres and back of its own, and no request should pay for it.

use domain::{NotificationId, SessionId, StreamId, UserId, VodId};
use uuid::Uuid;

use crate::access::Viewer;
use crate::{Conn, Result, channels, follows, notifications, recordings, sessions, streams, users, vods};

/// Finds nothing, changes nothing.
pub(crate) async fn up(conn: &mut Conn) -> Result<()> {
    let nobody = UserId::from_uuid(Uuid::nil());
    let (none, visitor) = (Some(nobody), Viewer::default());
    sessions::is_active(conn, SessionId::from_uuid(Uuid::nil())).await?;
    users::current_role(conn, nobody).await?;
    users::find(conn, nobody).await?;
    users::credentials(conn, "").await?;
    channels::find(conn, "", none).await?;
    streams::live_of(conn, &[nobody], visitor).await?;
    streams::on_air(conn, streams::Filter { category: Some(""), ..Default::default() }).await?;
    streams::find(conn, StreamId::from_uuid(Uuid::nil()), None).await?;
    vods::recent(conn, vods::Filter { channel: Some(""), ..Default::default() }, None, 1).await?;
    vods::find(conn, VodId::from_uuid(Uuid::nil()), None).await?;
    recordings::playable(conn, VodId::from_uuid(Uuid::nil())).await?;
    follows::following(conn, nobody, None, 1).await?;
    notifications::list(conn, nobody, notifications::Filter::default(), None::<NotificationId>, 1).await?;
    notifications::unread_count(conn, nobody).await?;
    Ok(())
}
