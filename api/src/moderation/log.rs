//! What was done in a channel, and who may not speak there.

use axum::extract::State;
use chrono::{DateTime, Utc};
use db::moderation::{Act, LogQuery, Silenced};
use domain::Timestamp;
use domain::order::{UNDO_FOR, is_undoable};
use domain::user::Username;
use kit::Problem;
use kit::problem::ProblemBody;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{DeskPath, MemberRef, desk};
use crate::account::Account;
use crate::extract::{Json, Path, Query, storable};
use crate::page::{self, PageQuery};
use crate::state::App;

/// What somebody did, as `mod:action` tells it too.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogEntry {
    act_id: Uuid,
    /// The channel.
    username: String,
    actor: String,
    /// `timeout`, `ban`, `unban`, `warn`, `delete`, `clear`, `modes`, `shield`, `undo`, `mod`, `unmod`, `filter_add`,
    /// `filter_remove`, `approve`, `deny`, `request_deny`, `report_resolve`, `report_dismiss`, `report_escalate`.
    action: String,
    target: Option<String>,
    reason: String,
    /// What it changed; its fields are the action's.
    #[schema(value_type = Object)]
    detail: Value,
    /// The act it took back.
    undoes: Option<Uuid>,
    at: DateTime<Utc>,
    /// Whoever did it may take it back until then; null where that cannot be.
    undo_until: Option<DateTime<Utc>>,
}

impl LogEntry {
    pub(crate) fn new(act: Act, channel: &Username) -> Self {
        Self {
            act_id: act.id,
            username: channel.to_string(),
            undo_until: is_undoable(&act.action).then(|| act.at + UNDO_FOR),
            actor: act.actor_name,
            action: act.action,
            target: act.target_name,
            reason: act.reason,
            detail: act.detail,
            undoes: act.undoes,
            at: act.at,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogParams {
    /// Only acts of this kind.
    action: Option<String>,
    /// Only what this member did.
    actor: Option<String>,
    /// Only what was done to this member.
    target: Option<String>,
    /// Most items in the answer: 1 to 100, 24 unless said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct LogPage {
    items: Vec<LogEntry>,
    next_cursor: Option<String>,
}

/// What was done in the channel, the latest first. For its owner and moderators. Nobody changes it.
#[utoipa::path(
    get,
    path = "/api/v1/channels/{username}/moderation/log",
    operation_id = "moderation_log",
    params(DeskPath, LogParams),
    responses(
        (status = 200, description = "A page of acts", body = LogPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "moderation",
)]
pub(crate) async fn moderation_log(
    State(app): State<App>,
    account: Account,
    Path(path): Path<DeskPath>,
    Query(params): Query<LogParams>,
) -> Result<Json<LogPage>, Problem> {
    let page = PageQuery { limit: params.limit, cursor: params.cursor };
    let limit = page.limit()?;
    let before = page.after::<Uuid>()?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let desk = desk(&mut conn, &account, &path.username).await?;
    let nobody = || Ok(Json(LogPage { items: Vec::new(), next_cursor: None }));
    // A name nobody can have did nothing.
    let (Ok(actor), Ok(target)) = (name(params.actor.as_deref()), name(params.target.as_deref())) else {
        return nobody();
    };
    let action = params.action.as_deref().filter(|action| !action.is_empty()).map(storable);
    let query = LogQuery { action: action.as_deref(), actor: actor.as_ref(), target: target.as_ref(), before };
    let mut acts = db::moderation::log_page(&mut conn, desk.channel, &query, page::rows(limit)).await?;
    let next_cursor = page::cut(&mut acts, limit, |act| act.id);
    Ok(Json(LogPage { items: acts.into_iter().map(|act| LogEntry::new(act, &desk.name)).collect(), next_cursor }))
}

fn name(text: Option<&str>) -> Result<Option<Username>, domain::error::Invalid> {
    text.filter(|text| !text.is_empty()).map(Username::parse).transpose()
}

/// Who did something.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct By {
    username: String,
}

/// What stands against a member now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SanctionEntry {
    user: MemberRef,
    /// Null: a ban.
    until: Option<DateTime<Utc>>,
    reason: String,
    /// Null when they are no member any more.
    by: Option<By>,
    at: DateTime<Utc>,
    act_id: Uuid,
}

impl From<Silenced> for SanctionEntry {
    fn from(silenced: Silenced) -> Self {
        Self {
            user: MemberRef::new(silenced.id, silenced.person),
            until: silenced.sanction.ends_at,
            reason: silenced.sanction.reason,
            by: silenced.by.map(|username| By { username }),
            at: silenced.sanction.at,
            act_id: silenced.sanction.act,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct SanctionPage {
    items: Vec<SanctionEntry>,
    next_cursor: Option<String>,
}

/// Who may not speak in the channel now, the latest first. For its owner and moderators.
#[utoipa::path(
    get,
    path = "/api/v1/channels/{username}/moderation/sanctions",
    operation_id = "sanctions",
    params(DeskPath, PageQuery),
    responses(
        (status = 200, description = "A page of members", body = SanctionPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "moderation",
)]
pub(crate) async fn sanctions(
    State(app): State<App>,
    account: Account,
    Path(path): Path<DeskPath>,
    Query(query): Query<PageQuery>,
) -> Result<Json<SanctionPage>, Problem> {
    let limit = query.limit()?;
    let before = query.after::<(Timestamp, Uuid)>()?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let desk = desk(&mut conn, &account, &path.username).await?;
    let mut rows = db::moderation::silenced(&mut conn, desk.channel, before, page::rows(limit)).await?;
    let next_cursor = page::cut(&mut rows, limit, |row| (row.sanction.at, row.sanction.act));
    Ok(Json(SanctionPage { items: rows.into_iter().map(SanctionEntry::from).collect(), next_cursor }))
}
