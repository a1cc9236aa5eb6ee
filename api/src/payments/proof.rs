//! Pictures that prove payments: taken in as whatever they claim to be, kept as our own encoding, shown to their payer and to administrators.

use axum::body::Body;
use axum::extract::State;
use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::response::Response;
use db::audit::Entry;
use db::payments::Submission;
use db::payments::proofs::{self, New};
use domain::ProofId;
use domain::attachment::{HEAD_BYTES, Offer};
use domain::audit::Actor;
use domain::error::Invalid;
use domain::payment::{self, PROOF_MIB_MAX, PaymentAct, PaymentError};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use kit::Problem;
use kit::problem::ProblemBody;
use objects::keys::{self, ProofPart};
use objects::{FileUpload, NewObject};
use pictures::{Encoded, PictureError, Use};
use utoipa::ToSchema;

use super::shapes::PaymentView;
use super::{KEEP, PaymentPath, count, picture, refusal};
use crate::account::{AccessError, Account};
use crate::extract::{Fields, Json, Path};
use crate::intake::{self, IntakeError, Received};
use crate::net::Client;
use crate::state::App;

pub(crate) const UPLOAD_BYTES_MAX: usize = (PROOF_MIB_MAX as usize) << 20;
const ANY_BYTES: &str = "application/octet-stream";

/// The form, for the document. Its words stand before the file.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ProofForm {
    /// Who paid, as the bank has it; at most 100 characters.
    payer: Option<String>,
    /// How much was paid, in the currency's smallest unit.
    amount_minor: Option<i64>,
    /// The bank's own number of the transfer; at most 100 characters.
    transfer: Option<String>,
    /// A JPEG, PNG, WebP or GIF picture of at most 5 MiB.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// What is said beside a picture.
struct Said {
    payer: String,
    amount_minor: Option<i64>,
    transfer: String,
}

impl Said {
    fn read(received: &Received) -> Result<Self, Problem> {
        let word = |name: &str| received.words.get(name).map_or("", |word| word.trim());
        let mut fields = Fields::default();
        let payer = fields.take(payment::word("payer", word("payer"))).unwrap_or_default();
        let transfer = fields.take(payment::word("transfer", word("transfer"))).unwrap_or_default();
        let amount_minor = match word("amount_minor") {
            "" => None,
            text => {
                let amount = text.parse::<i64>().ok().filter(|amount| *amount >= 0);
                fields.take(amount.ok_or_else(|| Invalid::new("amount_minor", "must be a whole number")))
            }
        };
        fields.check()?;
        Ok(Self { payer, amount_minor, transfer })
    }
}

/// Sends a picture that proves a payment. It takes the place of one that was sent before, until somebody has decided.
#[utoipa::path(
    post,
    path = "/api/v1/payments/{id}/proof",
    operation_id = "submit_proof",
    params(PaymentPath),
    request_body(content = ProofForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The payment, which waits for somebody to decide", body = PaymentView),
        (status = "4XX", description = "What went wrong: `payment.settled`, `.expired`, `.not-a-picture`, `.too-large` among it", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "payments",
)]
pub(crate) async fn submit_proof(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<PaymentPath>,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Json<PaymentView>, Problem> {
    let id = path.payment();
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    account.role(&mut conn).await?.ok_or(AccessError::Suspended)?;
    let found = db::payments::find(&mut conn, Some(account.id), id).await?;
    drop(conn);
    let may = found.as_ref().is_some_and(|found| found.status.after(PaymentAct::Submit).is_some());
    if !may {
        return Err(refusal(found).into());
    }
    count(&app, "proof", account.id).await?;
    let _place = app.intake.enter(account.id).ok_or(PaymentError::Busy)?;
    let declared: Option<u64> = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|bytes| bytes > UPLOAD_BYTES_MAX as u64 + intake::FORM_BYTES_MAX) {
        return Err(PaymentError::TooLarge.into());
    }
    let form = form.map_err(|_| PaymentError::NoFile)?;
    let received = intake::receive(form, &app.config.data_dir, PROOF_MIB_MAX, HEAD_BYTES).await;
    let received = received.map_err(|error| match error {
        IntakeError::TooLarge => PaymentError::TooLarge,
        IntakeError::NoFile | IntakeError::Empty => PaymentError::NoFile,
        IntakeError::Busy => PaymentError::Busy,
    })?;
    let said = Said::read(&received)?;
    let made = develop(&app, &received).await?;
    let proof = keep(&app, &account, &path, &received, made).await?;
    let taken = submit(&app, (&account, &client), &path, &received, &said, proof).await;
    if taken.is_err() {
        proofs::abandon(&mut *app.pool.acquire().await.map_err(db::DbError::from)?, proof).await?;
    }
    taken
}

async fn develop(app: &App, received: &Received) -> Result<Encoded, PaymentError> {
    let offer = Offer::judge(&received.name, &received.mime, &received.head);
    let format = offer.ok().and_then(|offer| offer.picture).ok_or(PaymentError::NotAPicture)?;
    let file = received.file.try_clone().map_err(|_| PaymentError::Busy)?;
    let made = app.studio.work(move || pictures::develop(file, format, Use::Message)).await;
    // A decoder that panicked on it did not find a picture.
    let made = made.ok_or(PaymentError::Busy)?.unwrap_or(Err(PictureError::NotAPicture));
    Ok(made
        .map_err(|error| match error {
            PictureError::NotAPicture => PaymentError::NotAPicture,
            PictureError::TooManyPixels => PaymentError::TooManyPixels,
            PictureError::Failed => PaymentError::Busy,
        })?
        .picture)
}

/// Makes a row, then the objects. Whatever breaks off in between, the row has them go.
async fn keep(
    app: &App,
    account: &Account,
    path: &PaymentPath,
    received: &Received,
    made: Encoded,
) -> Result<ProofId, Problem> {
    let proof = ProofId::from_uuid(kit::ids::uuid());
    let lock = kit::ids::random_token::<16>();
    // What was sent is kept for the scanner only.
    let has_upload = app.config.scan.address().is_some();
    let new = New { proof, payment: path.payment(), owner: account.id, lock: &lock, mime: made.mime, has_upload };
    if !proofs::reserve(&mut *app.pool.acquire().await.map_err(db::DbError::from)?, new).await? {
        return Err(PaymentError::NotFound.into());
    }
    let stored = async {
        let key = keys::proof(proof, &lock, ProofPart::Picture);
        let body = made.bytes.into();
        app.objects.put(NewObject { key: &key, body, content_type: made.mime, cache_control: KEEP }).await?;
        if has_upload {
            let upload = FileUpload {
                key: &keys::proof(proof, &lock, ProofPart::Upload),
                file: &received.file,
                bytes: received.bytes,
                sha256: received.sha256,
                content_type: ANY_BYTES,
                cache_control: KEEP,
            };
            app.objects.put_file(&upload).await?;
        }
        Ok::<(), Problem>(())
    };
    let outcome = stored.await;
    if outcome.is_err() {
        proofs::abandon(&mut *app.pool.acquire().await.map_err(db::DbError::from)?, proof).await?;
    }
    outcome.map(|()| proof)
}

async fn submit(
    app: &App,
    (account, client): (&Account, &Client),
    path: &PaymentPath,
    received: &Received,
    said: &Said,
    proof: ProofId,
) -> Result<Json<PaymentView>, Problem> {
    let mut tx = db::begin(&app.pool).await?;
    let sent = Submission {
        payment: path.payment(),
        owner: account.id,
        proof,
        sha256: &received.sha256,
        payer: &said.payer,
        amount_minor: said.amount_minor,
        reference: &said.transfer,
    };
    let is_taken = db::payments::submit(&mut tx, &sent).await?;
    let found = db::payments::find(&mut tx, Some(account.id), path.payment()).await?;
    let found = match found {
        Some(found) if is_taken => found,
        found => return Err(refusal(found).into()),
    };
    let entry = db::payments::entry(Actor::Member(account.id), PaymentAct::Submit, &found);
    db::audit::write(&mut tx, Entry { addr: Some(client.addr), ..entry }).await?;
    db::commit(tx).await?;
    metrics::counter!("rillcast_payments_total", "outcome" => "submitted").increment(1);
    Ok(Json(PaymentView::of(&app.config, found)))
}

/// The picture that proves a payment, for its payer and administrators.
#[utoipa::path(
    get,
    path = "/api/v1/payments/{id}/proof",
    operation_id = "payment_proof",
    params(PaymentPath),
    responses(
        (status = 200, description = "The picture", content_type = "image/jpeg"),
        (status = "4XX", description = "What went wrong: `payment.no-proof`, `.proof-checking` among it", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "payments",
)]
pub(crate) async fn payment_proof(
    State(app): State<App>,
    account: Account,
    Path(path): Path<PaymentPath>,
) -> Result<Response, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let found = proofs::served(&mut conn, path.payment(), account.id).await?;
    drop(conn);
    let found = found.ok_or(PaymentError::NoProof)?;
    if found.is_checking {
        return Err(PaymentError::Checking.into());
    }
    let object = app.objects.get(&keys::proof(found.proof, &found.lock, ProofPart::Picture), None).await;
    let object = object.map_err(|error| match error.is_not_found() {
        true => PaymentError::NoProof.into(),
        false => Problem::from(error),
    })?;
    Ok(picture(Body::from_stream(object.body), &found.mime))
}
