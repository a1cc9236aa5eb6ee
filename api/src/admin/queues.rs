//! The job queues: how they stand, what is in them, and what administrators do about it.

use axum::extract::State;
use chrono::{DateTime, Utc};
use db::audit::Entry;
use domain::audit::{Action, Actor};
use domain::{Classify, Kind, Permission};
use http::StatusCode;
use jobs::desk::{self, Act, Acted, Standing};
use kit::Problem;
use kit::problem::ProblemBody;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::members::{Because, because};
use crate::account::Account;
use crate::extract::{Json, Path, Query};
use crate::net::Client;
use crate::page::{self, PageQuery};
use crate::state::App;

#[derive(Debug, thiserror::Error)]
pub(crate) enum QueueError {
    #[error("there is no such queue")]
    NoQueue,
    #[error("it is paused already")]
    Paused,
    #[error("it is not paused")]
    NotPaused,
    #[error("there is no such job")]
    NoJob,
    #[error("the job is {0} now; that cannot be done")]
    NotSo(&'static str),
    #[error("the queues do not answer")]
    Away(#[source] jobs::JobError),
}

impl Classify for QueueError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoQueue | Self::NoJob => Kind::NotFound,
            Self::Paused | Self::NotPaused | Self::NotSo(_) => Kind::Conflict,
            Self::Away(_) => Kind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoQueue => "queue.not-found",
            Self::Paused => "queue.paused",
            Self::NotPaused => "queue.not-paused",
            Self::NoJob => "job.not-found",
            Self::NotSo(_) => "job.not-so",
            Self::Away(_) => "queue.unavailable",
        }
    }
}

pub(crate) fn away(error: jobs::JobError) -> Problem {
    match error {
        jobs::JobError::Database(error) => error.into(),
        error => QueueError::Away(error).into(),
    }
}

/// A queue of jobs. What moves live media is none.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum QueueName {
    /// News, mails, pushes, the operator's hooks, deletions.
    Main,
    /// Members' webhooks.
    Webhooks,
    /// Members' files.
    Files,
}

impl From<QueueName> for desk::Queue {
    fn from(name: QueueName) -> Self {
        match name {
            QueueName::Main => Self::Main,
            QueueName::Webhooks => Self::Webhooks,
            QueueName::Files => Self::Files,
        }
    }
}

impl From<desk::Queue> for QueueName {
    fn from(queue: desk::Queue) -> Self {
        match queue {
            desk::Queue::Main => Self::Main,
            desk::Queue::Webhooks => Self::Webhooks,
            desk::Queue::Files => Self::Files,
        }
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobState)]
pub(crate) enum StateName {
    /// Due.
    Waiting,
    /// Due later.
    Scheduled,
    Running,
    /// It failed and will be tried again.
    Failing,
    /// It failed for good.
    Dead,
    /// An administrator took it out of its queue.
    Cancelled,
    Done,
}

impl From<StateName> for jobs::JobState {
    fn from(name: StateName) -> Self {
        match name {
            StateName::Waiting => Self::Waiting,
            StateName::Scheduled => Self::Scheduled,
            StateName::Running => Self::Running,
            StateName::Failing => Self::Failing,
            StateName::Dead => Self::Dead,
            StateName::Cancelled => Self::Cancelled,
            StateName::Done => Self::Done,
        }
    }
}

impl From<jobs::JobState> for StateName {
    fn from(state: jobs::JobState) -> Self {
        match state {
            jobs::JobState::Waiting => Self::Waiting,
            jobs::JobState::Scheduled => Self::Scheduled,
            jobs::JobState::Running => Self::Running,
            jobs::JobState::Failing => Self::Failing,
            jobs::JobState::Dead => Self::Dead,
            jobs::JobState::Cancelled => Self::Cancelled,
            jobs::JobState::Done => Self::Done,
        }
    }
}

/// Who paused a queue, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pause {
    by: String,
    reason: String,
    at: DateTime<Utc>,
}

/// How a queue stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AdminQueue {
    name: QueueName,
    waiting: i64,
    scheduled: i64,
    running: i64,
    failing: i64,
    dead: i64,
    /// Seconds since the first of those that wait became due. Null: none waits.
    oldest_waiting_s: Option<i64>,
    /// Null: it runs.
    pause: Option<Pause>,
}

impl From<Standing> for AdminQueue {
    fn from(standing: Standing) -> Self {
        Self {
            name: standing.queue.into(),
            waiting: standing.waiting,
            scheduled: standing.scheduled,
            running: standing.running,
            failing: standing.failing,
            dead: standing.dead,
            oldest_waiting_s: standing.oldest_s.map(|seconds| seconds as i64),
            pause: standing.paused.map(|one| Pause { by: one.by, reason: one.reason, at: one.at }),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct AdminQueues {
    items: Vec<AdminQueue>,
}

/// How the job queues stand. For administrators.
#[utoipa::path(
    get,
    path = "/api/v1/admin/queues",
    operation_id = "queues",
    responses(
        (status = 200, description = "All queues", body = AdminQueues),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn queues(State(app): State<App>, account: Account) -> Result<Json<AdminQueues>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    account.require(&mut conn, Permission::SeeSite).await?;
    let standings = desk::standings(&mut conn).await.map_err(away)?;
    Ok(Json(AdminQueues { items: standings.into_iter().map(AdminQueue::from).collect() }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct QueuePath {
    /// `main`, `webhooks` or `files`.
    name: String,
}

impl QueuePath {
    fn queue(&self) -> Result<desk::Queue, QueueError> {
        desk::Queue::parse(&self.name).ok_or(QueueError::NoQueue)
    }
}

/// Stops a queue on every node, within seconds and until it is resumed: what runs is brought to its end, what waits goes on waiting. For
/// administrators.
#[utoipa::path(
    post,
    path = "/api/v1/admin/queues/{name}/pause",
    operation_id = "pause_queue",
    params(QueuePath),
    request_body = Because,
    responses(
        (status = 204, description = "Paused"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn pause_queue(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<QueuePath>,
    Json(body): Json<Because>,
) -> Result<StatusCode, Problem> {
    let mut tx = db::begin(&app.pool).await?;
    let staff = account.require(&mut tx, Permission::RunJobs).await?;
    let (why, queue) = (because(&body)?, path.queue()?);
    if !desk::pause(&mut tx, queue, staff.name.as_str(), &why).await.map_err(away)? {
        return Err(QueueError::Paused.into());
    }
    let entry = Entry::new(Actor::Member(staff.id), Action::QueuePaused, queue.as_str(), queue.as_str());
    db::audit::write(&mut tx, Entry { reason: &why, addr: Some(client.addr), ..entry }).await?;
    db::commit(tx).await?;
    tracing::info!(queue = queue.as_str(), by = %staff.name.as_str(), "queue paused");
    Ok(StatusCode::NO_CONTENT)
}

/// Lets a paused queue go on. For administrators.
#[utoipa::path(
    post,
    path = "/api/v1/admin/queues/{name}/resume",
    operation_id = "resume_queue",
    params(QueuePath),
    responses(
        (status = 204, description = "It goes on"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn resume_queue(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<QueuePath>,
) -> Result<StatusCode, Problem> {
    let mut tx = db::begin(&app.pool).await?;
    let staff = account.require(&mut tx, Permission::RunJobs).await?;
    let queue = path.queue()?;
    if !desk::resume(&mut tx, queue).await.map_err(away)? {
        return Err(QueueError::NotPaused.into());
    }
    let entry = Entry::new(Actor::Member(staff.id), Action::QueueResumed, queue.as_str(), queue.as_str());
    db::audit::write(&mut tx, Entry { addr: Some(client.addr), ..entry }).await?;
    db::commit(tx).await?;
    tracing::info!(queue = queue.as_str(), by = %staff.name.as_str(), "queue resumed");
    Ok(StatusCode::NO_CONTENT)
}

/// A job as administrators see it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AdminJob {
    id: String,
    /// Null: a queue of a later release.
    queue: Option<QueueName>,
    /// What it does, such as `send_mails`.
    job: String,
    state: StateName,
    /// How often it was tried.
    attempts: i32,
    attempts_max: i32,
    /// When it is, or was, due.
    run_at: DateTime<Utc>,
    /// When a worker took it last.
    taken_at: Option<DateTime<Utc>>,
    /// When it was last brought to an end, whatever the end.
    done_at: Option<DateTime<Utc>>,
    /// What went wrong the last time. Addresses are cut short: they carry secrets.
    error: Option<String>,
    /// What it is about. Mail addresses and secrets are left out; null for a job of a later release.
    #[schema(value_type = Object)]
    payload: Value,
}

impl From<jobs::JobRow> for AdminJob {
    fn from(row: jobs::JobRow) -> Self {
        Self {
            id: row.id,
            queue: row.queue.map(QueueName::from),
            job: row.job,
            state: row.state.into(),
            attempts: row.attempts,
            attempts_max: row.attempts_max,
            run_at: row.run_at,
            taken_at: row.taken_at,
            done_at: row.done_at,
            error: row.last_error,
            payload: row.payload,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct JobParams {
    /// Only jobs of this queue.
    queue: Option<QueueName>,
    /// Only jobs that stand there. Those that are done are listed only when asked for; they are kept for a day.
    state: Option<StateName>,
    /// Most items in the answer: 1 to 100, 24 unless said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct AdminJobPage {
    /// The newest first.
    items: Vec<AdminJob>,
    next_cursor: Option<String>,
}

/// Jobs that are not done, or those in one state. For administrators.
#[utoipa::path(
    get,
    path = "/api/v1/admin/jobs",
    operation_id = "jobs",
    params(JobParams),
    responses(
        (status = 200, description = "A page of jobs", body = AdminJobPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn jobs(
    State(app): State<App>,
    account: Account,
    Query(params): Query<JobParams>,
) -> Result<Json<AdminJobPage>, Problem> {
    let page = PageQuery { limit: params.limit, cursor: params.cursor };
    let limit = page.limit()?;
    let before = page.after::<String>()?.filter(|id| is_id(id));
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    account.require(&mut conn, Permission::SeeSite).await?;
    let (queue, state) = (params.queue.map(Into::into), params.state.map(Into::into));
    let mut rows = desk::page(&mut conn, queue, state, before.as_deref(), page::rows(limit)).await.map_err(away)?;
    let next_cursor = page::cut(&mut rows, limit, |row| row.id.clone());
    Ok(Json(AdminJobPage { items: rows.into_iter().map(AdminJob::from).collect(), next_cursor }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct JobPath {
    /// The job's id.
    id: String,
}

/// Whether it may be one of the queue's own ids: letters and digits, and dashes where somebody made it by hand.
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

async fn act(
    app: &App,
    (account, client): (&Account, &Client),
    path: &JobPath,
    act: Act,
) -> Result<StatusCode, Problem> {
    let action = match act {
        Act::Retry => Action::JobRetried,
        Act::Run => Action::JobRun,
        Act::Cancel => Action::JobCancelled,
    };
    let mut tx = db::begin(&app.pool).await?;
    let staff = account.require(&mut tx, Permission::RunJobs).await?;
    if !is_id(&path.id) {
        return Err(QueueError::NoJob.into());
    }
    let job = match desk::act(&mut tx, &path.id, act).await.map_err(away)? {
        Acted::Done(job) => job,
        Acted::NoJob => return Err(QueueError::NoJob.into()),
        Acted::NotSo(state) => return Err(QueueError::NotSo(state.as_str()).into()),
    };
    let entry = Entry {
        addr: Some(client.addr),
        details: json!({ "was": job.state.as_str(), "payload": job.payload }),
        ..Entry::new(Actor::Member(staff.id), action, &job.id, &job.job)
    };
    db::audit::write(&mut tx, entry).await?;
    db::commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a job that failed or was cancelled a fresh set of attempts, now. For administrators.
#[utoipa::path(
    post,
    path = "/api/v1/admin/jobs/{id}/retry",
    operation_id = "retry_job",
    params(JobPath),
    responses(
        (status = 204, description = "It waits again"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn retry_job(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<JobPath>,
) -> Result<StatusCode, Problem> {
    act(&app, (&account, &client), &path, Act::Retry).await
}

/// Makes a job due at once that waits until later. What it has tried counts. For administrators.
#[utoipa::path(
    post,
    path = "/api/v1/admin/jobs/{id}/run",
    operation_id = "run_job",
    params(JobPath),
    responses(
        (status = 204, description = "It is due"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn run_job(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<JobPath>,
) -> Result<StatusCode, Problem> {
    act(&app, (&account, &client), &path, Act::Run).await
}

/// Takes a job that does not run out of its queue. What it began is undone; it stays in the list and can be tried again. For
/// administrators.
#[utoipa::path(
    post,
    path = "/api/v1/admin/jobs/{id}/cancel",
    operation_id = "cancel_job",
    params(JobPath),
    responses(
        (status = 204, description = "It is not done"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn cancel_job(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<JobPath>,
) -> Result<StatusCode, Problem> {
    act(&app, (&account, &client), &path, Act::Cancel).await
}
