//! The caller's notifications. Jobs write them.

use std::time::Duration;

use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::error::FieldError;
use domain::notification::NotificationType;
use domain::{Classify, Kind, NotificationId, UserId};
use http::StatusCode;
use kit::Problem;
use kit::problem::ProblemBody;
use live::fanout::{Push, Target};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::account::Account;
use crate::extract::{Json, Path, Query};
use crate::page::{self, PageQuery};
use crate::shapes::ChannelRef;
use crate::state::App;

/// How long an answer waits for Redis to pass on what was read.
const TELL_WAIT_MAX: Duration = Duration::from_millis(300);

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
    /// `stream_online`, `vod_ready`, `new_follower`, `mention`, …; later features add more.
    r#type: String,
    message: String,
    is_read: bool,
    /// What `entity_id` names: `stream`, `vod`, `user`, `message`, `room`, `unban_request`.
    entity_type: String,
    entity_id: Uuid,
    created_at: DateTime<Utc>,
    /// Whose doing it was.
    actor: Option<ChannelRef>,
    /// In whose channel it happened, where the rest does not say it: a mention in a chat.
    channel: Option<ChannelRef>,
    /// A group's name; of an answer, `accepted` or `denied`.
    detail: Option<String>,
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

/// Which notifications.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct NotificationFilter {
    /// Only of this kind.
    r#type: Option<String>,
    /// Only those that were not read yet.
    unread: Option<bool>,
}

impl NotificationFilter {
    fn parse(&self) -> Result<db::notifications::Filter, Problem> {
        let kind = self.r#type.as_deref().filter(|text| !text.is_empty()).map(|text| {
            NotificationType::parse(text)
                .ok_or_else(|| Problem::invalid(vec![FieldError::new("type", "is not a kind of notification")]))
        });
        Ok(db::notifications::Filter { kind: kind.transpose()?, is_unread_only: self.unread.unwrap_or(false) })
    }
}

/// The caller's notifications, latest first.
#[utoipa::path(
    get,
    path = "/api/v1/notifications",
    operation_id = "notifications",
    params(PageQuery, NotificationFilter),
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
    Query(filter): Query<NotificationFilter>,
) -> Result<Json<NotificationPage>, Problem> {
    let limit = query.limit()?;
    let after = query.after::<NotificationId>()?;
    let filter = filter.parse()?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let mut rows = db::notifications::list(&mut conn, account.id, filter, after, page::rows(limit)).await?;
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
            channel: row.channel.map(ChannelRef::from),
            detail: row.detail,
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
    let id = NotificationId::from_uuid(path.id);
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    if db::notifications::mark_read(&mut conn, account.id, &[id]).await? == 0 {
        return Err(NoNotification.into());
    }
    let unread_count = db::notifications::unread_count(&mut conn, account.id).await?;
    drop(conn);
    tell_read(&app, account.id, json!({ "ids": [id] }), unread_count).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Several notifications, such as those shown as one line.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadNotifications {
    /// 1 to 100 of them. Those that are not the caller's are passed over.
    #[schema(min_items = 1, max_items = 100)]
    ids: Vec<Uuid>,
}

/// Marks several as read.
#[utoipa::path(
    post,
    path = "/api/v1/notifications/read",
    operation_id = "read_notifications",
    request_body = ReadNotifications,
    responses(
        (status = 204, description = "Read"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "notifications",
)]
pub(crate) async fn read_notifications(
    State(app): State<App>,
    account: Account,
    Json(body): Json<ReadNotifications>,
) -> Result<StatusCode, Problem> {
    if body.ids.is_empty() || body.ids.len() > page::LIMIT_MAX as usize {
        return Err(Problem::invalid(vec![FieldError::new("ids", "must be 1 to 100")]));
    }
    let ids: Vec<NotificationId> = body.ids.into_iter().map(NotificationId::from_uuid).collect();
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    db::notifications::mark_read(&mut conn, account.id, &ids).await?;
    let unread_count = db::notifications::unread_count(&mut conn, account.id).await?;
    drop(conn);
    tell_read(&app, account.id, json!({ "ids": ids }), unread_count).await;
    Ok(StatusCode::NO_CONTENT)
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
    let unread_count = db::notifications::unread_count(&mut conn, account.id).await?;
    drop(conn);
    tell_read(&app, account.id, json!({ "all": true }), unread_count).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Tells all of the member's tabs what was read. A tab that misses it finds out when it asks the next time.
async fn tell_read(app: &App, user: UserId, mut what: Value, unread_count: i64) {
    what["unread_count"] = json!(unread_count);
    let push = Push { target: Target::User(user), event: "notification:read".to_owned(), payload: what, origin: None };
    let told = tokio::time::timeout(TELL_WAIT_MAX, live::fanout::publish(&app.live, &push)).await;
    if !matches!(told, Ok(Ok(()))) {
        tracing::debug!("what was read was not told to other tabs");
    }
}
