//! A member as a channel's moderators see them: since when, what they said, what was done about them, and notes.

use std::time::Duration;

use axum::extract::State;
use chrono::{DateTime, Utc};
use db::moderation::cards::{self, Face, Note};
use db::moderation::{LogQuery, Standing};
use domain::Permission;
use domain::order::NOTE_CHARS_MAX;
use domain::user::Username;
use http::StatusCode;
use kit::Problem;
use kit::problem::ProblemBody;
use live::limits::Quota;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::log::LogEntry;
use super::{Bench, For, MemberRef, OrderError, desk};
use crate::account::Account;
use crate::extract::{Fields, Json, Path};
use crate::lines::SaidLine;
use crate::state::App;

/// Cards one moderator may look at: each is a question to the chat's store.
const CARDS: Quota = Quota::new(60, Duration::from_secs(60));
const LINES: u32 = 20;
const ENTRIES: i64 = 50;
/// How long the chat's store may take. Without its answer the card shows the rest.
const LINES_WAIT_MAX: Duration = Duration::from_secs(2);

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct CardPath {
    /// The channel's name.
    username: String,
    /// The member's name.
    member: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct NotePath {
    /// The channel's name.
    username: String,
    /// The member's name.
    member: String,
    id: Uuid,
}

/// What a moderator wrote about a member. Only moderators see it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoteEntry {
    id: Uuid,
    by: String,
    text: String,
    at: DateTime<Utc>,
}

impl From<Note> for NoteEntry {
    fn from(note: Note) -> Self {
        Self { id: note.id, by: note.by, text: note.text, at: note.at }
    }
}

/// One line the member said in the channel.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecentLine {
    id: Uuid,
    text: String,
    sent_at: DateTime<Utc>,
    stream_id: Option<Uuid>,
    is_deleted: bool,
}

impl From<SaidLine> for RecentLine {
    fn from(line: SaidLine) -> Self {
        Self {
            id: line.id,
            text: line.text,
            sent_at: line.sent_at,
            stream_id: line.stream_id.map(|id| id.as_uuid()),
            is_deleted: line.is_deleted,
        }
    }
}

/// What stands against the member now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StandingSanction {
    /// Null: a ban.
    until: Option<DateTime<Utc>>,
    reason: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StandingWarning {
    reason: String,
}

/// The member's place in the channel now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StandingEntry {
    is_moderator: bool,
    sanction: Option<StandingSanction>,
    /// One they have not read.
    warning: Option<StandingWarning>,
}

/// A member as moderators see them.
#[derive(Serialize, ToSchema)]
pub(crate) struct Chatter {
    user: MemberRef,
    created_at: DateTime<Utc>,
    follows_since: Option<DateTime<Utc>>,
    /// Lines they said in the channel, counted up to 10,000. Null while the chat's store is away.
    messages: Option<u64>,
    /// What was done about them in the channel, the latest first; at most 50.
    sanctions: Vec<LogEntry>,
    /// The latest first; at most 50.
    notes: Vec<NoteEntry>,
    /// The last 20 lines they said in the channel, in order.
    recent: Vec<RecentLine>,
    standing: StandingEntry,
}

async fn member(conn: &mut db::Conn, name: &str) -> Result<Face, Problem> {
    let name = Username::parse(name).map_err(|_| OrderError::NoMember)?;
    Ok(cards::face(conn, &name).await?.ok_or(OrderError::NoMember)?)
}

fn standing_entry(standing: Standing, is_owner: bool) -> StandingEntry {
    StandingEntry {
        is_moderator: standing.is_moderator || is_owner || standing.role.may(Permission::KeepChats),
        sanction: standing
            .sanction
            .map(|sanction| StandingSanction { until: sanction.ends_at, reason: sanction.reason }),
        warning: standing.warning.map(|reason| StandingWarning { reason }),
    }
}

/// A member as the channel's moderators see them. For its owner and moderators.
#[utoipa::path(
    get,
    path = "/api/v1/channels/{username}/chatters/{member}",
    operation_id = "chatter",
    params(CardPath),
    responses(
        (status = 200, description = "What is known", body = Chatter),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "moderation",
)]
pub(crate) async fn chatter(
    State(app): State<App>,
    account: Account,
    Path(path): Path<CardPath>,
) -> Result<Json<Chatter>, Problem> {
    let verdict = app.limits.hit(&format!("cards:{}", account.id), CARDS).await;
    if !verdict.is_allowed {
        return Err(OrderError::Throttled(verdict.retry_after).into());
    }
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let desk = desk(&mut conn, &account, &path.username).await?;
    let face = member(&mut conn, &path.member).await?;
    let said = tokio::time::timeout(LINES_WAIT_MAX, app.chat_lines.said_by(desk.channel, face.id, LINES));
    let rows = async {
        let standing = db::moderation::standing(&mut conn, desk.channel, face.id).await?;
        let standing = standing.ok_or(OrderError::NoMember)?;
        let name = Username::parse(&face.person.username).map_err(|_| OrderError::NoMember)?;
        let query = LogQuery { target: Some(&name), ..LogQuery::default() };
        let acts = db::moderation::log_page(&mut conn, desk.channel, &query, ENTRIES).await?;
        let notes = cards::notes(&mut conn, desk.channel, face.id).await?;
        Ok::<_, Problem>((standing, acts, notes))
    };
    let (said, rows) = tokio::join!(said, rows);
    let (standing, acts, notes) = rows?;
    let said = match said {
        Ok(Ok(said)) => Some(said),
        Ok(Err(_)) | Err(_) => {
            tracing::debug!("a card is shown without what its member said");
            None
        }
    };
    Ok(Json(Chatter {
        created_at: face.created_at,
        follows_since: standing.follows_since,
        messages: said.as_ref().map(|said| said.count),
        sanctions: acts.into_iter().map(|act| LogEntry::new(act, &desk.name)).collect(),
        notes: notes.into_iter().map(NoteEntry::from).collect(),
        recent: said.unwrap_or_default().lines.into_iter().map(RecentLine::from).collect(),
        standing: standing_entry(standing, face.id == desk.channel),
        user: MemberRef::new(face.id, face.person),
    }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewNote {
    /// 1 to 1,000 characters.
    text: String,
}

/// Leaves a note about a member for the channel's other moderators.
#[utoipa::path(
    post,
    path = "/api/v1/channels/{username}/chatters/{member}/notes",
    operation_id = "add_note",
    params(CardPath),
    request_body = NewNote,
    responses(
        (status = 201, description = "The note", body = NoteEntry),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "moderation",
)]
pub(crate) async fn add_note(
    State(app): State<App>,
    account: Account,
    Path(path): Path<CardPath>,
    Json(body): Json<NewNote>,
) -> Result<(StatusCode, Json<NoteEntry>), Problem> {
    let text = body.text.trim();
    if text.is_empty() || text.chars().count() > NOTE_CHARS_MAX || text.contains('\0') {
        let mut fields = Fields::default();
        fields.push("text", "must be 1 to 1000 characters");
        fields.check()?;
    }
    let mut bench = Bench::open(&app, &account, &path.username, For::Moderators).await?;
    let face = member(&mut bench.tx, &path.member).await?;
    let writer = (bench.desk.actor, &bench.desk.actor_name);
    let note = cards::add_note(&mut bench.tx, (bench.desk.channel, face.id), writer, text).await?;
    let note = note.ok_or(OrderError::TooManyNotes)?;
    db::commit(bench.tx).await?;
    Ok((StatusCode::CREATED, Json(note.into())))
}

/// Takes a note away.
#[utoipa::path(
    delete,
    path = "/api/v1/channels/{username}/chatters/{member}/notes/{id}",
    operation_id = "remove_note",
    params(NotePath),
    responses(
        (status = 204, description = "It is gone"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "moderation",
)]
pub(crate) async fn remove_note(
    State(app): State<App>,
    account: Account,
    Path(path): Path<NotePath>,
) -> Result<StatusCode, Problem> {
    let mut bench = Bench::open(&app, &account, &path.username, For::Moderators).await?;
    let face = member(&mut bench.tx, &path.member).await?;
    if !cards::remove_note(&mut bench.tx, bench.desk.channel, face.id, path.id).await? {
        return Err(OrderError::NoNote.into());
    }
    db::commit(bench.tx).await?;
    Ok(StatusCode::NO_CONTENT)
}
