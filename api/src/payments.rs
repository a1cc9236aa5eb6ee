//! Payments for plans, by hand: begun and watched by members here, proven in [`proof`], decided by administrators in [`desk`].
//!
//! What a plan costs is the site's word alone. What may become of a payment is decided by the statement that moves it.

pub(crate) mod desk;
pub(crate) mod proof;
pub(crate) mod shapes;

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use db::audit::Entry;
use db::payments::{Move, New, Payment};
use domain::attachment::PictureFormat;
use domain::audit::{Action, Actor};
use domain::error::Invalid;
use domain::payment::{self, Bought, Method, PaymentAct, PaymentError, PaymentStatus, Plan};
use domain::permission::Permission;
use domain::{PaymentId, UserId};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use kit::Problem;
use kit::problem::ProblemBody;
use live::limits::Quota;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use self::shapes::{PaymentPage, PaymentView};
use crate::account::{AccessError, Account};
use crate::extract::{Fields, Json, Path, Query};
use crate::net::Client;
use crate::page::{self, PageQuery};
use crate::state::App;

/// Payments a member may begin, and proofs they may send, whatever comes of them.
const BEGUN: Quota = Quota::new(30, Duration::from_secs(3_600));
/// References that may be taken before something else is wrong.
const REFERENCES_MAX: usize = 5;
/// Of an operator's picture.
const PICTURE_BYTES_MAX: u64 = 2 << 20;
/// Payments that may have run out without anybody having looked: a member has one.
const OVERDUE_MAX: i64 = 10;
/// Nobody but who asked keeps it, and only while they look.
const KEEP: &str = "private, no-store";
/// Should something be opened as a page after all, it is one that can do nothing.
const HARMLESS: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'";
const SAME_SITE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PaymentPath {
    /// The payment's id.
    id: Uuid,
}

impl PaymentPath {
    fn payment(&self) -> PaymentId {
        PaymentId::from_uuid(self.id)
    }
}

/// What is to be bought. What it costs the site says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSubscription {
    /// `PLUS` or `PRO`.
    plan: String,
    /// One of `payment_methods` of the list of plans.
    payment_method: String,
}

/// Why nothing could be done to a payment: as it is now.
pub(super) fn refusal(payment: Option<Payment>) -> PaymentError {
    match payment {
        None => PaymentError::NotFound,
        Some(payment) if payment.status.is_open() && payment.expires_at <= kit::clock::now() => PaymentError::Expired,
        Some(payment) if payment.status == PaymentStatus::Expired => PaymentError::Expired,
        Some(payment) => PaymentError::Settled(payment.status.as_str()),
    }
}

pub(super) async fn count(app: &App, what: &str, member: UserId) -> Result<(), PaymentError> {
    let verdict = app.limits.hit(&format!("payment-{what}:{member}"), BEGUN).await;
    if verdict.is_allowed { Ok(()) } else { Err(PaymentError::Throttled(verdict.retry_after)) }
}

/// Begins to pay for a plan. One that is open already, for the same, is answered again; anything else has to wait for it.
#[utoipa::path(
    post,
    path = "/api/v1/payments/subscriptions",
    operation_id = "begin_payment",
    request_body = NewSubscription,
    responses(
        (status = 201, description = "What is to be paid, and where to", body = PaymentView),
        (status = 200, description = "The same was begun already", body = PaymentView),
        (status = "4XX", description = "What went wrong: `payment.open`, `.closed`, `.no-method` among it", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "payments",
)]
pub(crate) async fn begin_payment(
    State(app): State<App>,
    account: Account,
    client: Client,
    Json(body): Json<NewSubscription>,
) -> Result<(StatusCode, Json<PaymentView>), Problem> {
    let mut fields = Fields::default();
    let plan = fields.take(Plan::to_buy(&body.plan));
    let method = fields.take(
        Method::parse(&body.payment_method)
            .ok_or_else(|| Invalid::new("payment_method", "must be one of the site's ways of paying")),
    );
    fields.check()?;
    let (Some(plan), Some(method)) = (plan, method) else { return Err(PaymentError::NotFound.into()) };
    let (config, offer) = (&app.config, app.config.offer(plan));
    if !config.payments.is_open || offer.price_minor == 0 {
        return Err(PaymentError::Closed.into());
    }
    if !config.payments.methods().contains(&method) {
        return Err(PaymentError::NoMethod.into());
    }
    count(&app, "begin", account.id).await?;
    let amount_minor = i64::try_from(offer.price_minor).unwrap_or(i64::MAX);
    let bought = Bought { plan, days: offer.days, amount_minor };
    for _ in 0..REFERENCES_MAX {
        let reference = payment::reference(kit::ids::random_bytes());
        let new = New {
            id: PaymentId::from_uuid(kit::ids::uuid()),
            user: account.id,
            reference: &reference,
            bought,
            currency: &config.payments.currency,
            method,
            ttl_s: config.payments.request_ttl_s,
        };
        let mut tx = db::begin(&app.pool).await?;
        account.role(&mut tx).await?.ok_or(AccessError::Suspended)?;
        db::payments::expire(&mut tx, Some(account.id), OVERDUE_MAX).await?;
        if db::payments::begin(&mut tx, &new).await? {
            let found = db::payments::find(&mut tx, Some(account.id), new.id).await?.ok_or(PaymentError::NotFound)?;
            let entry = Entry {
                member: Some(account.id),
                details: db::payments::facts(&found),
                addr: Some(client.addr),
                ..Entry::new(Actor::Member(account.id), Action::PaymentRequested, found.id, &found.reference)
            };
            db::audit::write(&mut tx, entry).await?;
            db::commit(tx).await?;
            metrics::counter!("rillcast_payments_total", "outcome" => "begun").increment(1);
            return Ok((StatusCode::CREATED, Json(PaymentView::of(config, found))));
        }
        match db::payments::open(&mut tx, account.id).await? {
            Some(open) if open.status == PaymentStatus::Pending && open.plan == plan && open.method == method => {
                return Ok((StatusCode::OK, Json(PaymentView::of(config, open))));
            }
            Some(_) => return Err(PaymentError::Open.into()),
            // Another payment has the reference.
            None => {}
        }
    }
    Err(PaymentError::Busy.into())
}

/// The caller's payments, the latest first.
#[utoipa::path(
    get,
    path = "/api/v1/payments",
    operation_id = "payments",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of payments", body = PaymentPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "payments",
)]
pub(crate) async fn payments(
    State(app): State<App>,
    account: Account,
    Query(query): Query<PageQuery>,
) -> Result<Json<PaymentPage>, Problem> {
    let (limit, before) = (query.limit()?, query.after()?);
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let mut rows = db::payments::list(&mut conn, account.id, before, page::rows(limit)).await?;
    let next_cursor = page::cut(&mut rows, limit, |row| row.id);
    let items = rows.into_iter().map(|row| PaymentView::of(&app.config, row)).collect();
    Ok(Json(PaymentPage { items, next_cursor }))
}

/// A payment of the caller's, or anybody's for an administrator.
async fn visible(conn: &mut db::Conn, account: &Account, id: PaymentId) -> Result<Payment, Problem> {
    let role = account.role(conn).await?.ok_or(AccessError::Suspended)?;
    let owner = (!role.may(Permission::DecidePayments)).then_some(account.id);
    Ok(db::payments::find(conn, owner, id).await?.ok_or(PaymentError::NotFound)?)
}

/// One payment, for its payer and administrators.
#[utoipa::path(
    get,
    path = "/api/v1/payments/{id}",
    operation_id = "payment",
    params(PaymentPath),
    responses(
        (status = 200, description = "The payment", body = PaymentView),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "payments",
)]
pub(crate) async fn payment(
    State(app): State<App>,
    account: Account,
    Path(path): Path<PaymentPath>,
) -> Result<Json<PaymentView>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let found = visible(&mut conn, &account, path.payment()).await?;
    Ok(Json(PaymentView::of(&app.config, found)))
}

/// The code by which a payment is paid, for its payer and administrators: an SVG of the transfer, or the operator's picture.
#[utoipa::path(
    get,
    path = "/api/v1/payments/{id}/qr",
    operation_id = "payment_code",
    params(PaymentPath),
    responses(
        (status = 200, description = "The picture", content_type = "image/svg+xml"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "payments",
)]
pub(crate) async fn payment_code(
    State(app): State<App>,
    account: Account,
    Path(path): Path<PaymentPath>,
) -> Result<Response, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let found = visible(&mut conn, &account, path.payment()).await?;
    drop(conn);
    if let Some(text) = shapes::code(&app.config, &found) {
        let svg = crate::qr::picture(&text).ok_or(PaymentError::NoCode)?;
        return Ok(picture(svg.into(), "image/svg+xml"));
    }
    let file = &app.config.payments.picture;
    if found.method != Method::QrPicture || file.as_os_str().is_empty() {
        return Err(PaymentError::NoCode.into());
    }
    let told = |error: std::io::Error| {
        tracing::warn!(%error, "payments.picture cannot be read");
        PaymentError::Busy
    };
    if tokio::fs::metadata(file).await.map_err(told)?.len() > PICTURE_BYTES_MAX {
        tracing::warn!("payments.picture is larger than 2 MiB");
        return Err(PaymentError::NoCode.into());
    }
    let bytes = tokio::fs::read(file).await.map_err(told)?;
    let mime = match PictureFormat::of_head(&bytes) {
        Some(PictureFormat::Png) => "image/png",
        Some(PictureFormat::Jpeg) => "image/jpeg",
        Some(PictureFormat::WebP) => "image/webp",
        Some(PictureFormat::Gif) | None => return Err(PaymentError::NoCode.into()),
    };
    Ok(picture(bytes.into(), mime))
}

/// A picture for whoever asked and nobody else.
fn picture(body: Body, mime: &str) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(mime).unwrap_or(HeaderValue::from_static("image/png")));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(KEEP));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(HARMLESS));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(SAME_SITE, HeaderValue::from_static("same-origin"));
    response
}

/// Does not want to pay any more.
#[utoipa::path(
    post,
    path = "/api/v1/payments/{id}/cancel",
    operation_id = "cancel_payment",
    params(PaymentPath),
    responses(
        (status = 200, description = "The payment", body = PaymentView),
        (status = "4XX", description = "What went wrong: `payment.settled` among it", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "payments",
)]
pub(crate) async fn cancel_payment(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<PaymentPath>,
) -> Result<Json<PaymentView>, Problem> {
    let mut tx = db::begin(&app.pool).await?;
    account.role(&mut tx).await?.ok_or(AccessError::Suspended)?;
    let step = Move {
        payment: path.payment(),
        act: PaymentAct::Cancel,
        owner: Some(account.id),
        by: None,
        reason: "",
        term: None,
        ttl_s: None,
    };
    let is_done = db::payments::act(&mut tx, &step).await?;
    let found = db::payments::find(&mut tx, Some(account.id), path.payment()).await?;
    let found = match found {
        Some(found) if is_done => found,
        found => return Err(refusal(found).into()),
    };
    let entry = db::payments::entry(Actor::Member(account.id), PaymentAct::Cancel, &found);
    db::audit::write(&mut tx, Entry { addr: Some(client.addr), ..entry }).await?;
    db::commit(tx).await?;
    Ok(Json(PaymentView::of(&app.config, found)))
}
