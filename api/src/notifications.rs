//! The caller's notifications. Jobs write them.

use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::{Classify, Kind, NotificationId};
use http::StatusCode;
use kit::Problem;
use kit::problem::ProblemBody;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::account::Account;
use crate::extract::{Json, Path, Query};
use crate::page::{self, PageQuery};
use crate::shapes::ChannelRef;
use crate::state::App;

#[derive(Debug, thiserror::Error)]
#[error("there is no such notification")]
struct NoNotification;

impl Classify for NoNotification {
    fn kind(&self) -> Kind {
        Kind::NotFound
    }

    fn code(&self) -> &'static str {
        "notification.not-found"
    }
}

/// One line in the caller's list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Notification {
    id: Uuid,
    /// `stream_online`, `vod_ready`, `new_follower`; later features add more.
    r#type: String,
    message: String,
    is_read: bool,
    /// What `entity_id` names: `stream`, `vod`, `user`.
    entity_type: String,
    entity_id: Uuid,
    created_at: DateTime<Utc>,
    /// Whose doing it was.
    actor: Option<ChannelRef>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct NotificationPage {
    items: Vec<Notification>,
    next_cursor: Option<String>,
    /// Of all, not of this page.
    unread_count: i64,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct NotificationPath {
    /// The notification's id.
    id: Uuid,
}

/// The caller's notifications, latest first.
#[utoipa::path(
    get,
    path = "/api/v1/notifications",
    operation_id = "notifications",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of notifications", body = NotificationPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "notifications",
)]
pub(crate) async fn notifications(
    State(app): State<App>,
    account: Account,
    Query(query): Query<PageQuery>,
) -> Result<Json<NotificationPage>, Problem> {
    let limit = query.limit()?;
    let after = query.after::<NotificationId>()?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let mut rows = db::notifications::list(&mut conn, account.id, after, page::rows(limit)).await?;
    let unread_count = db::notifications::unread_count(&mut conn, account.id).await?;
    let next_cursor = page::cut(&mut rows, limit, |row| row.id);
    let items = rows
        .into_iter()
        .map(|row| Notification {
            id: row.id.as_uuid(),
            r#type: row.kind,
            message: row.message,
            is_read: row.is_read,
            entity_type: row.entity_type,
            entity_id: row.entity_id,
            created_at: row.created_at,
            actor: row.actor.map(ChannelRef::from),
        })
        .collect();
    Ok(Json(NotificationPage { items, next_cursor, unread_count }))
}

/// Marks one as read.
#[utoipa::path(
    post,
    path = "/api/v1/notifications/{id}/read",
    operation_id = "read_notification",
    params(NotificationPath),
    responses(
        (status = 204, description = "Read"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "notifications",
)]
pub(crate) async fn read_notification(
    State(app): State<App>,
    account: Account,
    Path(path): Path<NotificationPath>,
) -> Result<StatusCode, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    if db::notifications::mark_read(&mut conn, account.id, NotificationId::from_uuid(path.id)).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(NoNotification.into())
    }
}

/// Marks all as read.
#[utoipa::path(
    post,
    path = "/api/v1/notifications/read-all",
    operation_id = "read_all_notifications",
    responses(
        (status = 204, description = "All read"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "notifications",
)]
pub(crate) async fn read_all_notifications(State(app): State<App>, account: Account) -> Result<StatusCode, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    db::notifications::mark_all_read(&mut conn, account.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
