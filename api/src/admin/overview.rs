//! The site at a glance: what is live, what waits, what is stored, and whether everything it needs is there.

use std::time::Duration;

use axum::extract::State;
use db::overview::Sums;
use domain::Permission;
use jobs::desk;
use kit::Problem;
use kit::problem::ProblemBody;
use serde::Serialize;
use utoipa::ToSchema;

use super::kept::Kept;
use super::queues::away;
use crate::account::Account;
use crate::extract::Json;
use crate::lights::Light;
use crate::state::App;

/// Sums go over whole tables.
const SUMS_GOOD_FOR: Duration = Duration::from_secs(60);
/// Services are asked for a sign of life.
const LIGHTS_GOOD_FOR: Duration = Duration::from_secs(15);

/// What the overview keeps between two looks.
pub(crate) struct Glance {
    sums: Kept<Sums>,
    lights: Kept<Vec<Light>>,
}

impl Glance {
    pub(crate) fn new() -> Self {
        Self { sums: Kept::new(SUMS_GOOD_FOR), lights: Kept::new(LIGHTS_GOOD_FOR) }
    }
}

/// How much there is. Up to a minute old.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SiteSums {
    members: i64,
    suspended: i64,
    recordings: i64,
    clips: i64,
    files: i64,
    open_reports: i64,
    /// Payments whose proof waits to be decided on.
    waiting_payments: i64,
}

/// Bytes in the bucket, by what they are. Up to a minute old.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SiteStorage {
    /// What is being recorded.
    live_bytes: i64,
    recording_bytes: i64,
    /// Video files on their way to becoming recordings.
    import_bytes: i64,
    file_bytes: i64,
    /// Of conversations.
    attachment_bytes: i64,
}

/// Jobs of all queues.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct SiteJobs {
    waiting: i64,
    running: i64,
    failing: i64,
    dead: i64,
    paused_queues: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Overview {
    /// Of the program that answered.
    version: &'static str,
    /// The node that answered.
    node: String,
    sums: SiteSums,
    storage: SiteStorage,
    /// Null: the queues do not answer.
    jobs: Option<SiteJobs>,
    /// What `rillcast doctor` looks at, as this node sees it. Up to fifteen seconds old.
    lights: Vec<Light>,
}

/// The site at a glance. For administrators.
#[utoipa::path(
    get,
    path = "/api/v1/admin/overview",
    operation_id = "overview",
    responses(
        (status = 200, description = "How the site does", body = Overview),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn overview(State(app): State<App>, account: Account) -> Result<Json<Overview>, Problem> {
    let (sums, jobs) = {
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        account.require(&mut conn, Permission::SeeSite).await?;
        let sums = app.glance.sums.get(async || db::overview::sums(&mut conn).await).await?;
        (sums, standing(&mut conn).await?)
    };
    let lights = app.glance.lights.get(async || Ok::<_, Problem>(app.lights.look().await)).await?;
    Ok(Json(Overview {
        version: env!("CARGO_PKG_VERSION"),
        node: app.node.clone(),
        sums: SiteSums {
            members: sums.members,
            suspended: sums.suspended,
            recordings: sums.recordings,
            clips: sums.clips,
            files: sums.files,
            open_reports: sums.open_reports,
            waiting_payments: sums.waiting_payments,
        },
        storage: SiteStorage {
            live_bytes: sums.live_bytes,
            recording_bytes: sums.recording_bytes,
            import_bytes: sums.import_bytes,
            file_bytes: sums.file_bytes,
            attachment_bytes: sums.attachment_bytes,
        },
        jobs,
        lights,
    }))
}

async fn standing(conn: &mut db::Conn) -> Result<Option<SiteJobs>, Problem> {
    let standings = match desk::standings(conn).await {
        Ok(standings) => standings,
        Err(jobs::JobError::Database(error)) if error.is_unavailable() => return Ok(None),
        Err(error) => return Err(away(error)),
    };
    Ok(Some(standings.iter().fold(SiteJobs::default(), |sum, queue| SiteJobs {
        waiting: sum.waiting + queue.waiting,
        running: sum.running + queue.running,
        failing: sum.failing + queue.failing,
        dead: sum.dead + queue.dead,
        paused_queues: sum.paused_queues + i64::from(queue.paused.is_some()),
    })))
}
