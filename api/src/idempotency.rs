//! Requests that make something once however often they are sent, when their sender says which attempt is which (`Idempotency-Key`).
//!
//! The first attempt runs to its end even when its caller goes away, and what it answered is told again for a day. What failed for a
//! reason of ours, or asks to come back later, is not kept. A node that dies in the middle leaves its key taken for half a minute; the
//! attempt after that runs anew. What was made just before the death, and not written down here, is then made twice.
//!
//! Only for requests whose body is the same bytes each time: a form's boundary is another one at each sending.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::extract::{OptionalFromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use db::idempotency::{Attempt, Found};
use domain::{Classify, Kind, UserId};
use futures::FutureExt;
use hmac::{Hmac, Mac};
use http::header::{CONTENT_TYPE, ETAG, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use kit::Problem;
use live::limits::Quota;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument;
use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Required};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::account::Account;
use crate::allowance;
use crate::extract;
use crate::layers::{self, ANSWER_WAIT_MAX};
use crate::state::App;

/// What answers are sealed for; their context is the member and the key.
pub(crate) const SEAL_PURPOSE: &str = "idempotency";
/// What requests' digests are keyed for: who has the table must not be able to try passwords against one.
pub(crate) const DIGEST_PURPOSE: &str = "idempotency-digest";
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// On an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const KEY_CHARS_MAX: usize = 255;
/// Headers of an answer that are told again.
const KEPT: [HeaderName; 3] = [CONTENT_TYPE, LOCATION, ETAG];
/// A larger answer is not kept. Ours are a tenth of it.
const ANSWER_BYTES_MAX: u64 = 32 * 1024;
/// How long an attempt waits for the one that runs.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Its first look; each further one comes twice as late, up to the last.
const LOOK_AFTER: Duration = Duration::from_millis(20);
const LOOK_AFTER_MAX: Duration = Duration::from_millis(400);
/// Requests with a key a member may send. Each leaves a row for a day, mostly of a kilobyte.
const ATTEMPTS: Quota = Quota::new(240, Duration::from_secs(3_600));

#[derive(Debug, thiserror::Error)]
enum OnceError {
    #[error("something else was asked under this Idempotency-Key")]
    Reused,
    #[error("the first request with this Idempotency-Key still runs")]
    Running,
    #[error("too many requests with an Idempotency-Key; wait a while")]
    Throttled(Duration),
}

impl Classify for OnceError {
    fn kind(&self) -> Kind {
        match self {
            Self::Reused => Kind::Invalid,
            Self::Running => Kind::Conflict,
            Self::Throttled(_) => Kind::Throttled,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Reused => "idempotency.reused",
            Self::Running => "idempotency.running",
            Self::Throttled(_) => "idempotency.throttled",
        }
    }

    fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Reused => None,
            Self::Running => Some(1_000),
            Self::Throttled(wait) => Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)),
        }
    }
}

/// The layer of routes that make something. Without the header nothing changes.
pub(crate) async fn once(State(app): State<App>, request: Request, next: Next) -> Response {
    if *request.method() != Method::POST || !request.headers().contains_key(KEY) {
        return next.run(request).await;
    }
    let Some(key) = key(request.headers()) else {
        let detail = format!("Idempotency-Key must be one word of 1 to {KEY_CHARS_MAX} visible ASCII characters");
        return layers::problem(StatusCode::BAD_REQUEST, "idempotency.bad-key", detail);
    };
    keyed(app, key, request, next).await.unwrap_or_else(Problem::into_response)
}

/// Writes the header into the document of every POST of these routes.
pub(crate) fn documented(mut routes: OpenApiRouter<App>) -> OpenApiRouter<App> {
    let text = "Names this attempt. Sent again within a day, the same request under the same key is answered as the first time, with \
                `Idempotency-Replayed: true`, and makes nothing more; another request under it is refused with 422, and one that comes \
                while the first still runs waits, at last for 409. Keys are each member's own.";
    let word = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(KEY_CHARS_MAX));
    let parameter = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(text))
        .schema(Some(word))
        .build();
    let paths = routes.get_openapi_mut().paths.paths.values_mut();
    for operation in paths.filter_map(|path| path.post.as_mut()) {
        operation.parameters.get_or_insert_default().push(RefOr::T(parameter.clone()));
    }
    routes
}

/// One attempt, as the tasks that run it own it.
#[derive(Clone)]
struct Asked {
    user: UserId,
    key: String,
    digest: [u8; 32],
    claim: Uuid,
}

impl Asked {
    fn attempt(&self) -> Attempt<'_> {
        Attempt { user: self.user, key: &self.key, digest: &self.digest, claim: self.claim }
    }

    fn context(&self) -> Vec<u8> {
        [self.user.as_uuid().as_bytes().as_slice(), self.key.as_bytes()].concat()
    }
}

async fn keyed(app: App, key: String, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let account = <Account as OptionalFromRequestParts<App>>::from_request_parts(&mut parts, &app).await?;
    let account = account.ok_or_else(Problem::unauthenticated)?;
    let verdict = app.limits.hit(&format!("idempotency:{}", account.id), ATTEMPTS).await;
    if !verdict.is_allowed {
        return Err(OnceError::Throttled(verdict.retry_after).into());
    }
    let body = extract::whole(Request::from_parts(parts.clone(), body), &app).await?;
    let asked =
        Asked { user: account.id, key, digest: digest(&app.attempts_key, &parts, &body), claim: kit::ids::uuid() };
    let until = Instant::now() + WAIT_MAX;
    let mut look_after = LOOK_AFTER;
    loop {
        let found = {
            let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
            db::idempotency::claim(&mut conn, &asked.attempt()).await?
        };
        match found {
            Found::Ours => break,
            Found::Other => return Err(OnceError::Reused.into()),
            Found::Done(status, sealed) => return Ok(again(&app, &asked, status, &sealed)),
            Found::Running if Instant::now() >= until => return Err(OnceError::Running.into()),
            // No connection is held meanwhile.
            Found::Running => sleep(look_after).await,
        }
        look_after = (look_after * 2).min(LOOK_AFTER_MAX);
    }
    let request = Request::from_parts(parts, Body::from(body));
    let work = run(app.clone(), asked, request, next).instrument(tracing::Span::current());
    let work = allowance::carried(work);
    // On a task of its own: a caller who goes away comes back with the same key and finds what was made.
    match app.errands.spawn(work).await {
        Ok(answer) => Ok(answer),
        Err(_) => Err(Problem::new(Kind::Unavailable, "request.timeout", "the server is stopping; try again")),
    }
}

/// `None` when there is anything but one good key.
fn key(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(KEY).iter();
    let key = values.next()?.to_str().ok()?.trim();
    let is_good = (1..=KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    (is_good && values.next().is_none()).then(|| key.to_owned())
}

fn digest(key: &[u8; 32], parts: &Parts, body: &Bytes) -> [u8; 32] {
    let address = parts.uri.path_and_query().map_or("", |address| address.as_str());
    let mut digest = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in [parts.method.as_str().as_bytes(), address.as_bytes(), body] {
        digest.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into_bytes().into()
}

/// An answer as it is sealed.
#[derive(Serialize, Deserialize)]
struct Kept {
    headers: Vec<(String, String)>,
    /// In base64.
    body: String,
}

/// Does the work and writes down what came of it.
async fn run(app: App, asked: Asked, request: Request, next: Next) -> Response {
    // Caught here: nobody else would give the key back.
    let work = AssertUnwindSafe(next.run(request)).catch_unwind();
    let Ok(answer) = timeout(ANSWER_WAIT_MAX, work).await else {
        // What it was doing may have been done: the key stays taken until the claim is over.
        return Problem::new(Kind::Unavailable, "request.timeout", "this took too long; try again").into_response();
    };
    let answer = answer.unwrap_or_else(layers::panicked);
    let status = answer.status();
    let is_large = answer.body().size_hint().exact().is_none_or(|bytes| bytes > ANSWER_BYTES_MAX);
    if is_large || !is_final(status) {
        settle(&app, &asked, None).await;
        return answer;
    }
    let (parts, body) = answer.into_parts();
    let Ok(body) = to_bytes(body, usize::try_from(ANSWER_BYTES_MAX).unwrap_or(usize::MAX)).await else {
        return Problem::new(Kind::Internal, "internal", "try again later").into_response();
    };
    let text = |name: &HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let headers = KEPT.iter().filter_map(|name| Some((name.to_string(), text(name)?.to_owned()))).collect();
    let kept = Kept { headers, body: STANDARD.encode(&body) };
    settle(&app, &asked, Some((status, &kept))).await;
    Response::from_parts(parts, Body::from(body))
}

/// Whether another attempt would be answered alike.
fn is_final(status: StatusCode) -> bool {
    let passing = [StatusCode::UNAUTHORIZED, StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    !status.is_server_error() && !passing.contains(&status)
}

/// Keeps an answer, or gives the key back. When Postgres is away meanwhile, the claim ends by itself.
async fn settle(app: &App, asked: &Asked, answer: Option<(StatusCode, &Kept)>) {
    let settled = async {
        let mut conn = app.pool.acquire().await?;
        match answer.and_then(|(status, kept)| Some((status, serde_json::to_vec(kept).ok()?))) {
            Some((status, kept)) => {
                let sealed = app.answers.seal(&kept, &asked.context());
                let status = i16::try_from(status.as_u16()).unwrap_or(i16::MAX);
                db::idempotency::finish(&mut conn, &asked.attempt(), status, &sealed).await.map(drop)
            }
            None => db::idempotency::release(&mut conn, &asked.attempt()).await,
        }
    };
    if let Err(error) = settled.await {
        tracing::warn!(%error, "what was answered under a key was not kept");
    }
}

/// What was answered before.
fn again(app: &App, asked: &Asked, status: i16, sealed: &[u8]) -> Response {
    let opened =
        app.answers.open(sealed, &asked.context()).and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
    let body = opened.as_ref().and_then(|kept| STANDARD.decode(&kept.body).ok());
    let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    // Sealed under another secret of the site: it was done, and what was said of it nobody can read any more.
    let (Some(kept), Some(body), Some(status)) = (opened, body, status) else {
        return Problem::new(
            Kind::Conflict,
            "idempotency.unreadable",
            "this was done before the site's secret changed",
        )
        .into_response();
    };
    let mut answer = (status, body).into_response();
    answer.headers_mut().remove(CONTENT_TYPE);
    for (name, value) in kept.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::try_from(value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    answer
}
