//! What is live, for the staff: everything, whoever it is for, how well it arrives, and the end of it.

use axum::extract::State;
use db::audit::Entry;
use db::overview::OnAir;
use domain::audit::{Action, Actor};
use domain::ingest::IngestSample;
use domain::user::Username;
use domain::{Classify, Kind, Permission, StreamId};
use futures::StreamExt;
use http::StatusCode;
use kit::Problem;
use kit::problem::ProblemBody;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::AdminError;
use super::members::{Because, because};
use crate::access::Eyes;
use crate::account::Account;
use crate::accounts::StreamKey;
use crate::extract::{Json, Path};
use crate::net::Client;
use crate::shapes::Stream;
use crate::state::App;

/// Streams in the list.
const SHOWN_MAX: i64 = 200;
/// Questions to Redis at once.
const ASKED_AT_ONCE: usize = 16;

#[derive(Debug, thiserror::Error)]
enum CutError {
    #[error("there is no such stream")]
    NoStream,
    #[error("it is over, or is being cut already")]
    Over,
}

impl Classify for CutError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoStream => Kind::NotFound,
            Self::Over => Kind::Conflict,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoStream => "stream.not-found",
            Self::Over => "stream.over",
        }
    }
}

/// A stream on air as the staff sees it.
#[derive(Serialize, ToSchema)]
pub(crate) struct AdminStream {
    stream: Stream,
    /// Of its newest second. Null: nobody knows.
    kbps: Option<u32>,
    fps: Option<f64>,
    /// The staff is ending it.
    is_cut: bool,
    /// Whether the caller may.
    may_cut: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct AdminStreams {
    /// The most watched first; at most 200, the latest of them.
    items: Vec<AdminStream>,
    viewers: u64,
}

/// Everything on air, also what is not for everybody. For the site's moderators and administrators.
#[utoipa::path(
    get,
    path = "/api/v1/admin/streams",
    operation_id = "admin_streams",
    responses(
        (status = 200, description = "What is live", body = AdminStreams),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn admin_streams(State(app): State<App>, account: Account) -> Result<Json<AdminStreams>, Problem> {
    let (staff, rows) = {
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        let staff = account.require(&mut conn, Permission::SeeStreams).await?;
        (staff, db::overview::on_air(&mut conn, SHOWN_MAX).await?)
    };
    let names: Vec<Username> = rows.iter().filter_map(|row| Username::parse(&row.stream.owner.username).ok()).collect();
    let counts = app.viewers.of(&names).await;
    let (ids, live): (Vec<StreamId>, _) = (rows.iter().map(|row| row.stream.id).collect(), &app.live);
    let newest: Vec<Option<IngestSample>> = futures::stream::iter(ids)
        .map(|id| async move { live::health::newest(live, id).await.ok().flatten() })
        .buffered(ASKED_AT_ONCE)
        .collect()
        .await;
    let eyes = Eyes::of_standing(&app, Some(&account), staff.role.may(Permission::SeeHidden));
    let may = staff.role.may(Permission::CutStreams);
    let view = |(row, sample): (OnAir, Option<IngestSample>)| {
        let name = Username::parse(&row.stream.owner.username).ok();
        let count = name.and_then(|name| counts.get(&name).copied()).unwrap_or_default();
        let owner_role = row.owner_role;
        let stream = AdminStream {
            stream: Stream::of(row.stream, count, &eyes),
            kbps: sample.map(|sample| sample.video_kbps + sample.audio_kbps),
            fps: sample.map(|sample| sample.fps),
            is_cut: row.is_cut,
            may_cut: may && !row.is_cut && staff.role.outranks(owner_role),
        };
        (count.viewers, stream)
    };
    let mut items: Vec<(u64, AdminStream)> = rows.into_iter().zip(newest).map(view).collect();
    items.sort_by_key(|(viewers, _)| std::cmp::Reverse(*viewers));
    let viewers = items.iter().map(|(viewers, _)| viewers).sum();
    Ok(Json(AdminStreams { items: items.into_iter().map(|(_, stream)| stream).collect(), viewers }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct StreamPath {
    /// The stream's id.
    id: Uuid,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CutStream {
    /// 1 to 500 characters.
    reason: String,
    /// Take the stream key away too: encoders that have it are refused from now on, and the owner finds a new one in the studio.
    #[serde(default)]
    block_key: bool,
}

/// Ends a stream within seconds. An encoder that tries again by itself begins a new one, unless its key is taken away too or its owner is
/// suspended. For administrators, and for the site's moderators where the owner is neither.
#[utoipa::path(
    post,
    path = "/api/v1/admin/streams/{id}/cut",
    operation_id = "cut_stream",
    params(StreamPath),
    request_body = CutStream,
    responses(
        (status = 204, description = "It is being ended"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn cut_stream(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<StreamPath>,
    Json(body): Json<CutStream>,
) -> Result<StatusCode, Problem> {
    let id = StreamId::from_uuid(path.id);
    let mut tx = db::begin(&app.pool).await?;
    let staff = account.require(&mut tx, Permission::CutStreams).await?;
    let why = because(&Because { reason: body.reason })?;
    let held = db::overview::hold(&mut tx, id).await?.ok_or(CutError::NoStream)?;
    if !staff.role.outranks(held.role) {
        return Err(AdminError::Outranked.into());
    }
    if held.is_over {
        return Err(CutError::Over.into());
    }
    db::overview::cut(&mut tx, id).await?;
    let actor = Actor::Member(staff.id);
    let entry = Entry {
        member: Some(held.channel),
        reason: &why,
        addr: Some(client.addr),
        details: json!({ "started_at": held.started_at, "key_blocked": body.block_key }),
        ..Entry::new(actor, Action::StreamCut, id, &held.title)
    };
    db::audit::write(&mut tx, entry).await?;
    if body.block_key {
        let key = StreamKey::random();
        let sealed = key.seal(&app.stream_keys, held.channel);
        db::channels::set_key(&mut tx, held.channel, &key.hash(), &sealed).await?;
        let entry = Entry::of_member(actor, Action::StreamKeyBlocked, held.channel);
        db::audit::write(&mut tx, Entry { reason: &why, addr: Some(client.addr), ..entry }).await?;
    }
    db::commit(tx).await?;
    tracing::info!(stream.id = %id, by = %staff.name.as_str(), "the staff ends a stream");
    Ok(StatusCode::NO_CONTENT)
}
