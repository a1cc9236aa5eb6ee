//! Plans: what each gives and costs, and which one runs for the caller.

use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::payment::transfer::exponent;
use domain::payment::{Method, Plan};
use kit::Problem;
use kit::config::{Config, Offer};
use kit::problem::ProblemBody;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::account::Account;
use crate::extract::Json;
use crate::state::App;

/// A plan's name in the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = PlanName)]
pub(crate) enum PlanWord {
    Free,
    Plus,
    Pro,
}

impl From<Plan> for PlanWord {
    fn from(plan: Plan) -> Self {
        match plan {
            Plan::Free => Self::Free,
            Plan::Plus => Self::Plus,
            Plan::Pro => Self::Pro,
        }
    }
}

/// A way of paying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PaymentMethod)]
pub(crate) enum MethodWord {
    /// To the operator's account, by the code of it where there is one.
    BankTransfer,
    /// By the picture of a code.
    QrPicture,
}

impl From<Method> for MethodWord {
    fn from(method: Method) -> Self {
        match method {
            Method::BankTransfer => Self::BankTransfer,
            Method::QrPicture => Self::QrPicture,
        }
    }
}

/// What a plan gives and costs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Plan)]
pub(crate) struct PlanView {
    plan: PlanWord,
    /// As the operator calls it.
    name: String,
    /// Room for files. Null: no limit.
    storage_bytes: Option<i64>,
    /// Most bytes of one file.
    upload_bytes_max: u64,
    /// Room for recordings. Null: no limit. When it is full a stream goes on and is recorded no further.
    recordings_bytes: Option<i64>,
    /// In the currency's smallest unit. 0 of what costs nothing, or is not sold.
    price_minor: u64,
    /// Days it lasts. 0: for ever.
    days: u32,
    /// It can be bought now.
    is_sold: bool,
}

impl PlanView {
    fn of(config: &Config, offer: Offer<'_>) -> Self {
        Self {
            plan: offer.plan.into(),
            name: offer.name.to_owned(),
            storage_bytes: Some(offer.storage_bytes()).filter(|bytes| *bytes > 0),
            upload_bytes_max: offer.upload_bytes(),
            recordings_bytes: Some(offer.recordings_bytes()).filter(|bytes| *bytes > 0),
            price_minor: offer.price_minor,
            days: offer.days,
            is_sold: config.payments.is_open && offer.price_minor > 0,
        }
    }
}

/// The plans there are.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlanPage {
    /// FREE, PLUS, PRO.
    items: Vec<PlanView>,
    next_cursor: Option<String>,
    /// Of all prices (ISO 4217).
    currency: String,
    /// Digits of a price that stand behind the point.
    exponent: u32,
    /// The ways in which a plan can be paid for. None while nothing is sold.
    payment_methods: Vec<MethodWord>,
}

/// Digits behind the point of the site's prices.
pub(crate) fn digits(currency: &str) -> u32 {
    exponent(currency).unwrap_or(2)
}

/// The plans there are, and what they cost.
#[utoipa::path(
    get,
    path = "/api/v1/plans",
    operation_id = "plans",
    responses(
        (status = 200, description = "All of them", body = PlanPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "payments",
)]
pub(crate) async fn plans(State(app): State<App>) -> Json<PlanPage> {
    let config = &app.config;
    let methods = if config.payments.is_open { config.payments.methods() } else { Vec::new() };
    Json(PlanPage {
        items: Plan::ALL.into_iter().map(|plan| PlanView::of(config, config.offer(plan))).collect(),
        next_cursor: None,
        currency: config.payments.currency.clone(),
        exponent: digits(&config.payments.currency),
        payment_methods: methods.into_iter().map(MethodWord::from).collect(),
    })
}

/// The plan that runs for the caller.
#[derive(Serialize, ToSchema)]
#[schema(as = Subscription)]
pub(crate) struct SubscriptionView {
    /// What counts now.
    plan: PlanWord,
    name: String,
    /// Null of FREE.
    since: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
    /// Until then it still counts.
    grace_until: Option<DateTime<Utc>>,
    /// It has ended, and counts for those who are late.
    is_in_grace: bool,
    /// A payment of which something may still become.
    open_payment_id: Option<Uuid>,
}

/// Which plan runs for the caller, and until when.
#[utoipa::path(
    get,
    path = "/api/v1/me/subscription",
    operation_id = "subscription",
    responses(
        (status = 200, description = "The plan", body = SubscriptionView),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "payments",
)]
pub(crate) async fn subscription(State(app): State<App>, account: Account) -> Result<Json<SubscriptionView>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let running = db::plans::subscription(&mut conn, account.id).await?.filter(|running| running.is_running);
    let open = db::payments::open(&mut conn, account.id).await?;
    let plan = running.as_ref().map_or(Plan::Free, |running| running.plan);
    Ok(Json(SubscriptionView {
        plan: plan.into(),
        name: app.config.offer(plan).name.to_owned(),
        since: running.as_ref().map(|running| running.since),
        ends_at: running.as_ref().map(|running| running.ends_at),
        grace_until: running.as_ref().map(|running| running.grace_until),
        is_in_grace: running.is_some_and(|running| running.ends_at <= kit::clock::now()),
        open_payment_id: open.map(|payment| payment.id.as_uuid()),
    }))
}
