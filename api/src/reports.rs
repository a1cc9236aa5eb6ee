//! Members report what breaks the site's rules: lines of chat, members, recordings, streams.

use std::time::Duration;

use axum::extract::State;
use chrono::{DateTime, Utc};
use db::moderation::reports::{Case, NewReport};
use domain::error::FieldError;
use domain::order::{REPORTS_MAX, REPORTS_WINDOW, Rank, ReportDesk, ReportKind, ReportReason, ReportState, remark};
use domain::user::Username;
use domain::{Classify, Kind, MessageId, StreamId, Timestamp, UserId, VodId};
use http::StatusCode;
use kit::Problem;
use kit::problem::ProblemBody;
use live::fanout::{DESK, Push, Target};
use live::limits::Quota;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::account::Account;
use crate::channels::ChannelError;
use crate::extract::{Fields, Json};
use crate::moderation::{OrderError, tell};
use crate::state::App;

const REPORTS: Quota = Quota::new(REPORTS_MAX, REPORTS_WINDOW);
/// How long the chat's store may take.
const LINE_WAIT_MAX: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    #[error("there is no such {0}")]
    NoThing(&'static str),
    #[error("that is your own")]
    Own,
    #[error("you have reported this already; somebody will look at it")]
    Exists,
    #[error("there is no such report")]
    NotFound,
    #[error("{0} has decided that already")]
    Decided(String),
    #[error("the chat's history does not answer")]
    LinesAway,
    #[error("too many reports; wait a while")]
    Throttled(Duration),
}

impl Classify for ReportError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoThing(_) | Self::NotFound => Kind::NotFound,
            Self::Own | Self::Exists | Self::Decided(_) => Kind::Conflict,
            Self::LinesAway => Kind::Unavailable,
            Self::Throttled(_) => Kind::Throttled,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoThing(_) => "report.no-such-thing",
            Self::Own => "report.own",
            Self::Exists => "report.exists",
            Self::NotFound => "report.not-found",
            Self::Decided(_) => "report.decided",
            Self::LinesAway => "chat.unavailable",
            Self::Throttled(_) => "report.throttled",
        }
    }

    fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::LinesAway => Some(2_000),
            Self::Throttled(wait) => Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)),
            _ => None,
        }
    }
}

/// Why something is reported.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReportReason)]
pub(crate) enum Reason {
    Spam,
    Harassment,
    Hate,
    Violence,
    Sexual,
    SelfHarm,
    Impersonation,
    Copyright,
    Other,
}

impl From<Reason> for ReportReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Spam => Self::Spam,
            Reason::Harassment => Self::Harassment,
            Reason::Hate => Self::Hate,
            Reason::Violence => Self::Violence,
            Reason::Sexual => Self::Sexual,
            Reason::SelfHarm => Self::SelfHarm,
            Reason::Impersonation => Self::Impersonation,
            Reason::Copyright => Self::Copyright,
            Reason::Other => Self::Other,
        }
    }
}

/// What kind of thing is reported.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReportKind)]
pub(crate) enum ThingKind {
    Line,
    Member,
    Recording,
    Stream,
}

/// What became of a report.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReportState)]
pub(crate) enum CaseState {
    #[default]
    Open,
    Resolved,
    Dismissed,
}

impl From<CaseState> for ReportState {
    fn from(state: CaseState) -> Self {
        match state {
            CaseState::Open => Self::Open,
            CaseState::Resolved => Self::Resolved,
            CaseState::Dismissed => Self::Dismissed,
        }
    }
}

/// One thing that members reported, by one of them or many.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReportCase)]
pub(crate) struct CaseView {
    id: Uuid,
    kind: ThingKind,
    /// The id of the line, member, recording or stream. It may be gone.
    thing_id: Uuid,
    /// The channel it is about.
    channel: Option<String>,
    /// Whose it is, as they were called when it was first reported.
    accused: String,
    /// What was said, or the title, as it was then.
    excerpt: String,
    said_at: Option<DateTime<Utc>>,
    state: CaseState,
    /// How many reported it.
    voices: i32,
    /// Each once.
    reasons: Vec<String>,
    /// The latest first; at most 10.
    notes: Vec<String>,
    /// The latest first; at most 20. Only the site's staff is told.
    reporters: Option<Vec<String>>,
    opened_at: DateTime<Utc>,
    /// Who handed it to the site's staff.
    escalated_by: Option<String>,
    decided_by: Option<String>,
    decided_at: Option<DateTime<Utc>>,
    answer: String,
}

impl CaseView {
    pub(crate) fn for_channel(case: Case) -> Self {
        Self { reporters: None, ..Self::for_site(case) }
    }

    pub(crate) fn for_site(case: Case) -> Self {
        Self {
            id: case.id,
            kind: match case.kind {
                ReportKind::Line => ThingKind::Line,
                ReportKind::Member => ThingKind::Member,
                ReportKind::Recording => ThingKind::Recording,
                ReportKind::Stream => ThingKind::Stream,
            },
            thing_id: case.thing,
            channel: case.channel,
            accused: case.accused_name,
            excerpt: case.excerpt,
            said_at: case.said_at,
            state: match case.state {
                ReportState::Open => CaseState::Open,
                ReportState::Resolved => CaseState::Resolved,
                ReportState::Dismissed => CaseState::Dismissed,
            },
            voices: case.voices,
            reasons: case.reasons,
            notes: case.notes,
            reporters: Some(case.reporters),
            opened_at: case.opened_at,
            escalated_by: case.escalated_by,
            decided_by: case.decided_by,
            decided_at: case.decided_at,
            answer: case.answer,
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewReportBody {
    /// A line of chat; with `channel`.
    message_id: Option<Uuid>,
    /// The name of the channel the line was said in.
    channel: Option<String>,
    /// A member, by name.
    username: Option<String>,
    /// A recording.
    vod_id: Option<Uuid>,
    /// A stream.
    stream_id: Option<Uuid>,
    reason: Reason,
    /// At most 500 characters, for who decides.
    #[serde(default)]
    note: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Reported {
    state: CaseState,
}

/// What is reported, found.
struct Thing {
    kind: ReportKind,
    id: Uuid,
    channel: Option<UserId>,
    channel_name: Option<Username>,
    accused: UserId,
    accused_name: String,
    excerpt: String,
    said_at: Option<Timestamp>,
    desk: ReportDesk,
}

/// Which thing a body names.
enum Named<'a> {
    Line(Uuid, &'a str),
    Member(&'a str),
    Recording(Uuid),
    Stream(Uuid),
}

fn named(body: &NewReportBody) -> Result<Named<'_>, Problem> {
    match (body.message_id, &body.channel, &body.username, body.vod_id, body.stream_id) {
        (Some(id), Some(channel), None, None, None) => Ok(Named::Line(id, channel)),
        (None, None, Some(name), None, None) => Ok(Named::Member(name)),
        (None, None, None, Some(id), None) => Ok(Named::Recording(id)),
        (None, None, None, None, Some(id)) => Ok(Named::Stream(id)),
        _ => {
            let message = "give message_id with channel, username, vod_id or stream_id, one of them";
            Err(Problem::invalid(vec![FieldError::new("message_id", message)]))
        }
    }
}

async fn line(app: &App, id: Uuid, channel: &str) -> Result<Thing, Problem> {
    let gone = || ReportError::NoThing("message");
    let name = Username::parse(channel).map_err(|_| ChannelError::NotFound)?;
    let found = tokio::time::timeout(LINE_WAIT_MAX, app.chat_lines.line(MessageId::from_uuid(id))).await;
    let Ok(Ok(found)) = found else { return Err(ReportError::LinesAway.into()) };
    let found = found.ok_or_else(gone)?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let (channel, name) = db::moderation::find_member(&mut conn, &name).await?.ok_or(ChannelError::NotFound)?;
    if found.channel != channel {
        return Err(gone().into());
    }
    let standing = db::moderation::standing(&mut conn, channel, found.author).await?;
    // Of somebody who is gone nobody is the equal.
    let rank = standing
        .map_or(Rank::Viewer, |standing| Rank::of(standing.role, found.author == channel, standing.is_moderator));
    Ok(Thing {
        kind: ReportKind::Line,
        id,
        channel: Some(channel),
        channel_name: Some(name),
        accused: found.author,
        accused_name: found.author_name,
        excerpt: found.text,
        said_at: Some(found.sent_at),
        desk: ReportDesk::of_line_by(rank),
    })
}

async fn find(app: &App, account: &Account, body: &NewReportBody) -> Result<Thing, Problem> {
    let named = named(body)?;
    if let Named::Line(id, channel) = named {
        return line(app, id, channel).await;
    }
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let site = |kind, id, accused, accused_name, excerpt, channel| Thing {
        kind,
        id,
        channel,
        channel_name: None,
        accused,
        accused_name,
        excerpt,
        said_at: None,
        desk: ReportDesk::Site,
    };
    Ok(match named {
        Named::Line(..) => return Err(Problem::not_found()),
        Named::Member(name) => {
            let name = Username::parse(name).map_err(|_| OrderError::NoMember)?;
            let found = db::moderation::cards::face(&mut conn, &name).await?.ok_or(OrderError::NoMember)?;
            site(
                ReportKind::Member,
                found.id.as_uuid(),
                found.id,
                found.person.username,
                found.person.display_name,
                None,
            )
        }
        Named::Recording(id) => {
            let found = db::vods::find(&mut conn, VodId::from_uuid(id), Some(account.id)).await?;
            let (vod, _) = found.ok_or(ReportError::NoThing("recording"))?;
            site(ReportKind::Recording, id, vod.channel, vod.owner.username, vod.title, Some(vod.channel))
        }
        Named::Stream(id) => {
            let found = db::streams::find(&mut conn, StreamId::from_uuid(id), Some(account.id)).await?;
            let (stream, _) = found.ok_or(ReportError::NoThing("stream"))?;
            site(ReportKind::Stream, id, stream.channel, stream.owner.username, stream.title, Some(stream.channel))
        }
    })
}

/// Reports a line of chat, a member, a recording or a stream. Lines are for the channel's moderators, unless one of them said it; the
/// rest is for the site's staff. While it is open a member reports a thing once.
#[utoipa::path(
    post,
    path = "/api/v1/reports",
    operation_id = "report",
    request_body(content = NewReportBody),
    responses(
        (status = 201, description = "Somebody will look at it", body = Reported),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "moderation",
)]
pub(crate) async fn report(
    State(app): State<App>,
    account: Account,
    Json(body): Json<NewReportBody>,
) -> Result<(StatusCode, Json<Reported>), Problem> {
    let mut fields = Fields::default();
    let note = fields.take(remark("note", &body.note));
    fields.check()?;
    let verdict = app.limits.hit(&format!("reports:{}", account.id), REPORTS).await;
    if !verdict.is_allowed {
        return Err(ReportError::Throttled(verdict.retry_after).into());
    }
    let thing = find(&app, &account, &body).await?;
    if thing.accused == account.id {
        return Err(ReportError::Own.into());
    }
    let new = NewReport {
        kind: thing.kind,
        thing: thing.id,
        channel: thing.channel,
        accused: thing.accused,
        accused_name: &thing.accused_name,
        excerpt: &thing.excerpt,
        said_at: thing.said_at,
        desk: thing.desk,
        reporter: account.id,
        reason: body.reason.into(),
        note: note.as_deref().unwrap_or_default(),
    };
    let mut tx = db::begin(&app.pool).await?;
    let id = db::moderation::reports::report(&mut tx, &new).await?.ok_or(ReportError::Exists)?;
    let case = db::moderation::reports::case(&mut tx, id).await?;
    db::commit(tx).await?;
    metrics::counter!("rillcast_reports_total", "kind" => thing.kind.as_str()).increment(1);
    // As the case is now: a line whose case is with the site already stays there.
    if let (Some(name), Some(case)) = (thing.channel_name, case.filter(|case| case.desk == ReportDesk::Channel)) {
        let case = CaseView::for_channel(case);
        tell(&app, &[desk_push(&name, "mod:report", json!({ "username": name, "report": case }))]).await;
    }
    Ok((StatusCode::CREATED, Json(Reported { state: CaseState::Open })))
}

/// Something for the moderators who sit at a channel's desk.
pub(crate) fn desk_push(name: &Username, event: &str, payload: serde_json::Value) -> Push {
    Push {
        target: Target::Channel(name.clone()),
        event: DESK.to_owned(),
        payload: json!({ "event": event, "payload": payload }),
        origin: None,
    }
}
