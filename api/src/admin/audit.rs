//! Who did what to what, for administrators: page by page, and as a file.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use db::audit::{Record, Spot, Wanted};
use domain::audit::{Action, EntityType};
use domain::{Classify, Kind, Permission};
use futures::stream;
use kit::Problem;
use kit::problem::ProblemBody;
use live::limits::Quota;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use uuid::Uuid;

use crate::account::Account;
use crate::csv::{Csv, file, second, text};
use crate::extract::{Json, Query, storable};
use crate::page::{self, PageQuery};
use crate::state::App;

/// Rows of one file, and how many are asked for at once.
const ROWS_MAX: usize = 50_000;
const ROWS_AT_ONCE: usize = 500;
/// Files an administrator may ask for. Each reads up to fifty thousand rows.
const FILES: Quota = Quota::new(10, Duration::from_secs(60));

#[derive(Debug, thiserror::Error)]
#[error("too many files; wait a while")]
struct Throttled(Duration);

impl Classify for Throttled {
    fn kind(&self) -> Kind {
        Kind::Throttled
    }

    fn code(&self) -> &'static str {
        "audit.throttled"
    }

    fn retry_after_ms(&self) -> Option<u64> {
        Some(u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX).max(1))
    }
}

/// A word of the log, as the document lists them.
macro_rules! word {
    ($name:ident, $of:ident, $called:literal) => {
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $name($of);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = String::deserialize(deserializer)?;
                $of::parse(&word).map(Self).ok_or_else(|| serde::de::Error::custom("is not a word of the log"))
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let words = $of::ALL.iter().map(|one| one.as_str());
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                $called.into()
            }
        }
    };
}
word!(ActionName, Action, "AuditAction");
word!(EntityName, EntityType, "AuditEntityType");

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditParams {
    /// Only what this member did, by the name they had; or `system` (the operator and the site itself) or `worker`.
    actor: Option<String>,
    /// Only acts of this kind.
    action: Option<ActionName>,
    /// Only what was done to things of this kind.
    entity_type: Option<EntityName>,
    /// Only what was done to this thing.
    entity_id: Option<String>,
    /// From then on.
    since: Option<DateTime<Utc>>,
    /// Before then.
    until: Option<DateTime<Utc>>,
    /// Most items in the answer: 1 to 100, 24 unless said. Of no matter for a file.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl AuditParams {
    fn wanted(&self) -> Wanted {
        let named =
            |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(storable);
        Wanted {
            actor: named(&self.actor).map(|name| name.trim_start_matches('@').to_lowercase()),
            actions: self.action.map(|ActionName(action)| vec![action.as_str().to_owned()]),
            entity_type: self.entity_type.map(|EntityName(kind)| kind.as_str().to_owned()),
            entity_id: named(&self.entity_id),
            member: None,
            since: self.since,
            until: self.until,
        }
    }
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditEntry {
    id: Uuid,
    at: DateTime<Utc>,
    /// `user`, `system` or `worker`.
    actor_kind: String,
    /// A member's name as it was; `operator` (at the command line) or `site`; or which of its works it was.
    actor: Option<String>,
    /// Nodes of a later release may write words that are not in the list.
    #[schema(value_type = ActionName)]
    action: String,
    #[schema(value_type = EntityName)]
    entity_type: String,
    entity_id: String,
    /// The name it had. Empty: it has none.
    entity: String,
    /// The name of the member it concerns.
    member: Option<String>,
    reason: String,
    /// What changed; its fields are the action's.
    #[schema(value_type = Object)]
    details: Value,
    /// Where the actor was.
    address: Option<String>,
}

impl From<Record> for AuditEntry {
    fn from(record: Record) -> Self {
        Self {
            id: record.entry_id,
            at: record.at,
            actor_kind: record.actor_kind,
            actor: record.actor,
            action: record.action,
            entity_type: record.entity_type,
            entity_id: record.entity_id,
            entity: record.entity,
            member: record.member,
            reason: record.reason,
            details: record.details,
            address: record.addr,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct AuditPage {
    /// The latest first.
    items: Vec<AuditEntry>,
    next_cursor: Option<String>,
}

/// Who did what to what. For administrators. Nobody changes it.
#[utoipa::path(
    get,
    path = "/api/v1/admin/audit",
    operation_id = "audit_log",
    params(AuditParams),
    responses(
        (status = 200, description = "A page of entries", body = AuditPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn audit_log(
    State(app): State<App>,
    account: Account,
    Query(params): Query<AuditParams>,
) -> Result<Json<AuditPage>, Problem> {
    let wanted = params.wanted();
    let page = PageQuery { limit: params.limit, cursor: params.cursor };
    let limit = page.limit()?;
    let after = page.after::<Spot>()?;
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    account.require(&mut conn, Permission::SeeAudit).await?;
    let mut rows = db::audit::page(&mut conn, &wanted, after, page::rows(limit)).await?;
    let next_cursor = page::cut(&mut rows, limit, spot);
    Ok(Json(AuditPage { items: rows.into_iter().map(AuditEntry::from).collect(), next_cursor }))
}

fn spot(row: &Record) -> Spot {
    (row.at, row.entry_id)
}

/// The same as a file: at most 50,000 entries, the latest first. For administrators.
#[utoipa::path(
    get,
    path = "/api/v1/admin/audit.csv",
    operation_id = "audit_csv",
    params(AuditParams),
    responses(
        (status = 200, description = "The entries", body = String, content_type = "text/csv"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn audit_csv(
    State(app): State<App>,
    account: Account,
    Query(params): Query<AuditParams>,
) -> Result<Response, Problem> {
    {
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        account.require(&mut conn, Permission::SeeAudit).await?;
    }
    let verdict = app.limits.hit(&format!("audit-files:{}", account.id), FILES).await;
    if !verdict.is_allowed {
        return Err(Throttled(verdict.retry_after).into());
    }
    let name = format!("audit-{}", kit::clock::now().format("%Y-%m-%d"));
    Ok(file(&name, Body::from_stream(rows(app, params.wanted()))))
}

/// What is still to be written of a file.
struct Rest {
    app: App,
    wanted: Wanted,
    after: Option<Spot>,
    left: usize,
    csv: Csv,
}

/// The file in bites. No connection is held while a slow reader takes one; when Postgres goes away the file breaks off, which its
/// reader notices.
fn rows(app: App, wanted: Wanted) -> impl futures::Stream<Item = Result<String, db::DbError>> {
    let csv = Csv::new(&[
        "at",
        "actor_kind",
        "actor",
        "action",
        "entity_type",
        "entity_id",
        "entity",
        "member",
        "reason",
        "details",
        "address",
        "id",
    ]);
    stream::try_unfold(Rest { app, wanted, after: None, left: ROWS_MAX, csv }, async |mut rest| {
        if rest.left == 0 {
            return Ok(None);
        }
        let asked = ROWS_AT_ONCE.min(rest.left);
        let found = {
            let mut conn = rest.app.pool.acquire().await?;
            let limit = i64::try_from(asked).unwrap_or(i64::MAX);
            db::audit::page(&mut conn, &rest.wanted, rest.after, limit).await?
        };
        rest.after = found.last().map(spot);
        rest.left = if found.len() < asked { 0 } else { rest.left - found.len() };
        for record in found {
            line(&mut rest.csv, record);
        }
        Ok(Some((rest.csv.take(), rest)))
    })
}

fn line(csv: &mut Csv, record: Record) {
    csv.row([
        second(record.at),
        text(&record.actor_kind),
        text(&record.actor.unwrap_or_default()),
        text(&record.action),
        text(&record.entity_type),
        text(&record.entity_id),
        text(&record.entity),
        text(&record.member.unwrap_or_default()),
        text(&record.reason),
        text(&record.details.to_string()),
        record.addr.unwrap_or_default(),
        record.entry_id.to_string(),
    ]);
}
