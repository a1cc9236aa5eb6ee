//! Banned members ask to be let in again, and the channel's moderators answer.

use axum::extract::State;
use chrono::{DateTime, Utc};
use db::moderation::Sanction;
use db::moderation::pleas::{self, OwnPlea, Plea};
use domain::UserId;
use domain::event::Event;
use domain::order::{REASON_CHARS_MAX, remark};
use domain::user::Username;
use http::StatusCode;
use kit::Problem;
use kit::problem::ProblemBody;
use live::fanout::{Push, Target};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::log::LogEntry;
use super::{Bench, Deed, DeskPath, For, MemberRef, OrderError, desk, tell};
use crate::account::Account;
use crate::channels::ChannelError;
use crate::extract::{Fields, Json, Path, Query};
use crate::page::{self, PageQuery};
use crate::reports::desk_push;
use crate::state::App;

/// A request that waits, as `mod:request` tells it too.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UnbanRequest)]
pub(crate) struct PleaView {
    id: Uuid,
    user: MemberRef,
    text: String,
    asked_at: DateTime<Utc>,
    /// Why they were banned.
    ban_reason: String,
    banned_at: DateTime<Utc>,
    /// Null when they are no member any more.
    banned_by: Option<String>,
}

impl From<Plea> for PleaView {
    fn from(plea: Plea) -> Self {
        Self {
            id: plea.id,
            user: MemberRef::new(plea.user, plea.person),
            text: plea.text,
            asked_at: plea.asked_at,
            ban_reason: plea.ban_reason,
            banned_at: plea.banned_at,
            banned_by: plea.banned_by,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = UnbanRequestPage)]
pub(crate) struct PleaPage {
    /// The oldest first.
    items: Vec<PleaView>,
    next_cursor: Option<String>,
}

/// Banned members who ask to be let in again. For the channel's owner and moderators.
#[utoipa::path(
    get,
    path = "/api/v1/channels/{username}/moderation/unban-requests",
    operation_id = "unban_requests",
    params(DeskPath, PageQuery),
    responses(
        (status = 200, description = "A page of requests", body = PleaPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "moderation",
)]
pub(crate) async fn unban_requests(
    State(app): State<App>,
    account: Account,
    Path(path): Path<DeskPath>,
    Query(query): Query<PageQuery>,
) -> Result<Json<PleaPage>, Problem> {
    let limit = query.limit()?;
    let after = query.after::<Uuid>()?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let desk = desk(&mut conn, &account, &path.username).await?;
    let mut rows = pleas::waiting(&mut conn, desk.channel, after, page::rows(limit)).await?;
    let next_cursor = page::cut(&mut rows, limit, |row| row.id);
    Ok(Json(PleaPage { items: rows.into_iter().map(PleaView::from).collect(), next_cursor }))
}

/// The caller's ban, as they see it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnBan {
    reason: String,
    at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = UnbanRequestState)]
pub(crate) enum PleaState {
    Open,
    Accepted,
    Denied,
}

/// The caller's last request about their ban.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OwnUnbanRequest)]
pub(crate) struct OwnPleaView {
    id: Uuid,
    text: String,
    state: PleaState,
    asked_at: DateTime<Utc>,
    decided_at: Option<DateTime<Utc>>,
    /// What the moderators say to it.
    answer: String,
}

impl From<OwnPlea> for OwnPleaView {
    fn from(plea: OwnPlea) -> Self {
        Self {
            state: match plea.state.as_str() {
                "accepted" => PleaState::Accepted,
                "denied" => PleaState::Denied,
                _ => PleaState::Open,
            },
            id: plea.id,
            text: plea.text,
            asked_at: plea.asked_at,
            decided_at: plea.decided_at,
            answer: plea.answer,
        }
    }
}

/// Where the caller stands in a channel that may have banned them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnStanding {
    /// Null: they are not banned.
    ban: Option<OwnBan>,
    request: Option<OwnPleaView>,
    /// From when on they may ask (again). Null: they are not banned, or their request waits.
    may_ask_at: Option<DateTime<Utc>>,
}

/// A channel, and what stands against a member in it, when that is a ban.
async fn own_ban(
    conn: &mut db::Conn,
    account: &Account,
    channel: &str,
) -> Result<(UserId, Username, Option<Sanction>), Problem> {
    let name = Username::parse(channel).map_err(|_| ChannelError::NotFound)?;
    let desk = db::moderation::desk(conn, &name, account.id).await?.ok_or(ChannelError::NotFound)?;
    let standing = db::moderation::standing(conn, desk.channel, account.id).await?;
    let ban = standing.and_then(|standing| standing.sanction).filter(|sanction| sanction.ends_at.is_none());
    Ok((desk.channel, desk.name, ban))
}

/// The caller's ban from the channel's chat, and what became of their request about it.
#[utoipa::path(
    get,
    path = "/api/v1/channels/{username}/unban-request",
    operation_id = "own_unban_request",
    params(DeskPath),
    responses(
        (status = 200, description = "How it stands", body = OwnStanding),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "moderation",
)]
pub(crate) async fn own_unban_request(
    State(app): State<App>,
    account: Account,
    Path(path): Path<DeskPath>,
) -> Result<Json<OwnStanding>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let (channel, _, ban) = own_ban(&mut conn, &account, &path.username).await?;
    let Some(ban) = ban else { return Ok(Json(OwnStanding { ban: None, request: None, may_ask_at: None })) };
    let request = pleas::own(&mut conn, channel, account.id, ban.act).await?;
    let may_ask_at = request.as_ref().map_or(Some(ban.at), OwnPlea::again_at);
    Ok(Json(OwnStanding {
        ban: Some(OwnBan { reason: ban.reason, at: ban.at }),
        request: request.map(OwnPleaView::from),
        may_ask_at,
    }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewUnbanRequest)]
pub(crate) struct NewPlea {
    /// 1 to 500 characters.
    text: String,
}

/// Asks the channel's moderators to be let in again: once at a time for each ban, and a week after they said no.
#[utoipa::path(
    post,
    path = "/api/v1/channels/{username}/unban-request",
    operation_id = "ask_unban",
    params(DeskPath),
    request_body = NewPlea,
    responses(
        (status = 201, description = "It waits", body = OwnPleaView),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "moderation",
)]
pub(crate) async fn ask_unban(
    State(app): State<App>,
    account: Account,
    Path(path): Path<DeskPath>,
    Json(body): Json<NewPlea>,
) -> Result<(StatusCode, Json<OwnPleaView>), Problem> {
    let mut fields = Fields::default();
    let text = fields.take(remark("text", &body.text)).unwrap_or_default();
    if text.is_empty() {
        fields.push("text", format!("must be 1 to {REASON_CHARS_MAX} characters"));
    }
    fields.check()?;
    let mut tx = db::begin(&app.pool).await?;
    let (channel, name, ban) = own_ban(&mut tx, &account, &path.username).await?;
    let ban = ban.ok_or(OrderError::NotBanned)?;
    if let Some(again_at) = pleas::own(&mut tx, channel, account.id, ban.act).await?.and_then(|last| last.again_at()) {
        let left = (again_at - kit::clock::now()).to_std().unwrap_or_default();
        if !left.is_zero() {
            return Err(OrderError::AskedTooSoon(left).into());
        }
    }
    // The key decides when two ask at once.
    let id = pleas::ask(&mut tx, channel, account.id, ban.act, &text).await?.ok_or(OrderError::Asked)?;
    let own = pleas::own(&mut tx, channel, account.id, ban.act).await?.ok_or(OrderError::Asked)?;
    let plea = pleas::plea(&mut tx, id).await?;
    db::commit(tx).await?;
    if let Some(plea) = plea {
        let request = PleaView::from(plea);
        tell(&app, &[desk_push(&name, "mod:request", json!({ "username": name, "request": request }))]).await;
    }
    Ok((StatusCode::CREATED, Json(own.into())))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PleaPath {
    /// The channel's name.
    username: String,
    id: Uuid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PleaAction {
    /// The ban is lifted.
    Accept,
    Deny,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AnswerUnbanRequest)]
pub(crate) struct AnswerPlea {
    action: PleaAction,
    /// What the member is told; at most 500 characters.
    #[serde(default)]
    note: String,
}

/// Answers a request. Accepting it lifts the ban, and is taken back as any lifting is, by `mod:undo`. For the channel's owner and
/// moderators.
#[utoipa::path(
    post,
    path = "/api/v1/channels/{username}/moderation/unban-requests/{id}",
    operation_id = "answer_unban_request",
    params(PleaPath),
    request_body = AnswerPlea,
    responses(
        (status = 200, description = "What the log says of it", body = LogEntry),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "moderation",
)]
pub(crate) async fn answer_unban_request(
    State(app): State<App>,
    account: Account,
    Path(path): Path<PleaPath>,
    Json(body): Json<AnswerPlea>,
) -> Result<Json<LogEntry>, Problem> {
    let mut fields = Fields::default();
    let note = fields.take(remark("note", &body.note)).unwrap_or_default();
    fields.check()?;
    let is_accepted = body.action == PleaAction::Accept;
    let mut bench = Bench::open(&app, &account, &path.username, For::Moderators).await?;
    let (channel, by) = (bench.desk.channel, bench.desk.actor_name.clone());
    let answer = (by.as_str(), note.as_str());
    let answered = pleas::answer(&mut bench.tx, (channel, path.id), is_accepted, bench.act, answer).await?;
    let Some(answered) = answered else {
        let by = pleas::answered_by(&mut bench.tx, channel, path.id).await?;
        return Err(by.map_or(OrderError::NoPlea, OrderError::Answered).into());
    };
    let standing = db::moderation::standing(&mut bench.tx, channel, answered.user).await?;
    let before = standing.and_then(|standing| standing.sanction).filter(|sanction| sanction.act == answered.ban);
    // Lifted otherwise: there is nothing to answer.
    let before = before.ok_or(OrderError::NoPlea)?;
    db::outbox::push(&mut bench.tx, &Event::UnbanAnswered { request_id: path.id }).await?;
    if is_accepted {
        db::moderation::lift(&mut bench.tx, channel, answered.user).await?;
    }
    let member = db::chat::username_of(&mut bench.tx, answered.user).await?.ok_or(OrderError::NoMember)?;
    let name = bench.desk.name.clone();
    let detail = json!({
        "request_id": path.id,
        // As the chat keeps it, to be put back.
        "before": { "act": before.act, "ends_at": before.ends_at, "reason": before.reason, "by": before.by, "at": before.at },
    });
    let action = if is_accepted { "unban" } else { "request_deny" };
    let entry =
        bench.close(&app, Deed { action, target: Some((answered.user, &member)), reason: &note, detail }).await?;
    let to_member = |event: &str, payload| Push {
        target: Target::User(answered.user),
        event: event.to_owned(),
        payload,
        origin: None,
    };
    let told = json!({ "username": name, "is_accepted": is_accepted, "answer": note });
    let mut pushes = vec![
        desk_push(&name, "mod:request-gone", json!({ "id": path.id, "username": name, "by": by })),
        to_member("chat:request-answered", told),
    ];
    if is_accepted {
        pushes.push(to_member("chat:pardoned", json!({ "username": name })));
    }
    tell(&app, &pushes).await;
    Ok(Json(entry))
}
