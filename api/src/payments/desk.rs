//! Payments that wait for an administrator, and what they decide.
//!
//! Of two who decide at once one has decided; the other hears that there is nothing to decide any more.

use axum::extract::State;
use db::audit::Entry;
use db::payments::{Move, Payment};
use domain::audit::Actor;
use domain::order::reason;
use domain::payment::{PaymentAct, PaymentError, PaymentStatus, Term};
use domain::permission::Permission;
use kit::Problem;
use kit::problem::ProblemBody;
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::shapes::{PaymentView, PendingPage, PendingView, StatusWord};
use super::{PaymentPath, refusal};
use crate::account::Account;
use crate::extract::{Fields, Json, MaybeJson, Path, Query};
use crate::net::Client;
use crate::page::{self, PageQuery};
use crate::state::App;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PendingQuery {
    /// Only those that are `pending`, `submitted` or `asked_again`. Without it: all of them.
    #[param(inline)]
    status: Option<StatusWord>,
    /// Most items in the answer: 1 to 100, 24 unless said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Payments nobody has decided about, the oldest first. For administrators.
#[utoipa::path(
    get,
    path = "/api/v1/payments/pending",
    operation_id = "pending_payments",
    params(PendingQuery),
    responses(
        (status = 200, description = "A page of open payments", body = PendingPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "payments",
)]
pub(crate) async fn pending_payments(
    State(app): State<App>,
    account: Account,
    Query(query): Query<PendingQuery>,
) -> Result<Json<PendingPage>, Problem> {
    let status = query.status.map(|status| match status {
        StatusWord::Pending => PaymentStatus::Pending,
        StatusWord::Submitted => PaymentStatus::Submitted,
        StatusWord::AskedAgain => PaymentStatus::AskedAgain,
        StatusWord::Approved => PaymentStatus::Approved,
        StatusWord::Rejected => PaymentStatus::Rejected,
        StatusWord::Expired => PaymentStatus::Expired,
        StatusWord::Cancelled => PaymentStatus::Cancelled,
    });
    let paging = PageQuery { limit: query.limit, cursor: query.cursor };
    let (limit, after) = (paging.limit()?, paging.after()?);
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    account.require(&mut conn, Permission::DecidePayments).await?;
    let mut rows = db::payments::waiting(&mut conn, status, after, page::rows(limit)).await?;
    let next_cursor = page::cut(&mut rows, limit, |row| row.payment.id);
    let items = rows.into_iter().map(|row| PendingView::of(&app.config, row)).collect();
    Ok(Json(PendingPage { items, next_cursor }))
}

/// That the money is there.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApprovePayment {
    /// What was found on the account, in the currency's smallest unit. Anything but what was to be paid is refused.
    amount_minor: Option<i64>,
}

/// Why not, or what else is needed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PaymentReason {
    /// 1 to 500 characters, which its payer reads.
    reason: String,
}

/// Who decides, and from where.
struct Decider<'a> {
    app: &'a App,
    account: &'a Account,
    client: &'a Client,
}

impl Decider<'_> {
    /// Moves a payment, writes it down, and answers with it as it is then.
    async fn decide(
        &self,
        mut tx: db::Tx,
        payment: &Payment,
        act: PaymentAct,
        why: &str,
        term: Option<Term>,
    ) -> Result<Json<PaymentView>, Problem> {
        let config = &self.app.config;
        let step = Move {
            payment: payment.id,
            act,
            owner: None,
            by: Some(self.account.id),
            reason: why,
            term,
            ttl_s: (act == PaymentAct::AskAgain).then_some(config.payments.request_ttl_s),
        };
        if !db::payments::act(&mut tx, &step).await? {
            let found = db::payments::find(&mut tx, None, payment.id).await?;
            return Err(refusal(found).into());
        }
        if let Some(term) = term {
            let terms = (payment.currency.as_str(), config.payments.grace_days);
            db::plans::begin(&mut tx, payment.user, term, payment.bought(), terms).await?;
        }
        let mut entry = Entry {
            reason: why,
            addr: Some(self.client.addr),
            ..db::payments::entry(Actor::Member(self.account.id), act, payment)
        };
        if let Some(term) = term {
            entry.details["ends_at"] = json!(term.ends_at);
        }
        db::audit::write(&mut tx, entry).await?;
        let found = db::payments::find(&mut tx, None, payment.id).await?.ok_or(PaymentError::NotFound)?;
        db::commit(tx).await?;
        metrics::counter!("rillcast_payments_total", "outcome" => act.to().as_str()).increment(1);
        Ok(Json(PaymentView::of(config, found)))
    }

    async fn refuse(
        &self,
        path: &PaymentPath,
        act: PaymentAct,
        body: &PaymentReason,
    ) -> Result<Json<PaymentView>, Problem> {
        let mut fields = Fields::default();
        let why = fields.take(reason(&body.reason));
        if why.as_ref().is_some_and(String::is_empty) {
            fields.push("reason", "must be 1 to 500 characters");
        }
        fields.check()?;
        let mut tx = db::begin(&self.app.pool).await?;
        self.account.require(&mut tx, Permission::DecidePayments).await?;
        let payment = db::payments::find(&mut tx, None, path.payment()).await?.ok_or(PaymentError::NotFound)?;
        self.decide(tx, &payment, act, &why.unwrap_or_default(), None).await
    }
}

/// Finds that a payment is there: what was bought runs from now on, or from the end of what runs. For administrators.
#[utoipa::path(
    post,
    path = "/api/v1/payments/{id}/approve",
    operation_id = "approve_payment",
    params(PaymentPath),
    request_body = ApprovePayment,
    responses(
        (status = 200, description = "The payment, and what it bought", body = PaymentView),
        (status = "4XX", description = "What went wrong: `payment.settled`, `.expired`, `.other-amount` among it", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "payments",
)]
pub(crate) async fn approve_payment(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<PaymentPath>,
    MaybeJson(body): MaybeJson<ApprovePayment>,
) -> Result<Json<PaymentView>, Problem> {
    let mut tx = db::begin(&app.pool).await?;
    account.require(&mut tx, Permission::DecidePayments).await?;
    let payment = db::payments::find(&mut tx, None, path.payment()).await?.ok_or(PaymentError::NotFound)?;
    if body.amount_minor.is_some_and(|found| found != payment.amount_minor) {
        return Err(PaymentError::OtherAmount.into());
    }
    let term = db::plans::after(&mut tx, payment.user, payment.bought(), &payment.currency).await?;
    let decider = Decider { app: &app, account: &account, client: &client };
    decider.decide(tx, &payment, PaymentAct::Approve, "", Some(term)).await
}

/// Finds that a payment is not there. For administrators.
#[utoipa::path(
    post,
    path = "/api/v1/payments/{id}/reject",
    operation_id = "reject_payment",
    params(PaymentPath),
    request_body = PaymentReason,
    responses(
        (status = 200, description = "The payment", body = PaymentView),
        (status = "4XX", description = "What went wrong: `payment.settled`, `.expired` among it", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "payments",
)]
pub(crate) async fn reject_payment(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<PaymentPath>,
    Json(body): Json<PaymentReason>,
) -> Result<Json<PaymentView>, Problem> {
    Decider { app: &app, account: &account, client: &client }.refuse(&path, PaymentAct::Reject, &body).await
}

/// Asks for another proof, for which there is as much time again. For administrators.
#[utoipa::path(
    post,
    path = "/api/v1/payments/{id}/ask-again",
    operation_id = "ask_payment_again",
    params(PaymentPath),
    request_body = PaymentReason,
    responses(
        (status = 200, description = "The payment", body = PaymentView),
        (status = "4XX", description = "What went wrong: `payment.settled`, `.expired` among it", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "payments",
)]
pub(crate) async fn ask_payment_again(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<PaymentPath>,
    Json(body): Json<PaymentReason>,
) -> Result<Json<PaymentView>, Problem> {
    Decider { app: &app, account: &account, client: &client }.refuse(&path, PaymentAct::AskAgain, &body).await
}
