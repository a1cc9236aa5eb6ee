//! Limits on how often an address may sign up or in, or have forgotten its password. How much is left is told by `crate::allowance`.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::Kind;
use kit::Problem;
use live::limits::Quota;

use crate::net::{Client, limit_key};
use crate::state::App;

const PER_HOUR: Duration = Duration::from_secs(3_600);
const PER_MINUTE: Duration = Duration::from_secs(60);
/// Refreshes per address and minute: a household of many tabs needs far fewer.
const REFRESH: Quota = Quota::new(120, PER_MINUTE);
/// Mails for forgotten passwords that one address may ask for.
const FORGOT: Quota = Quota::new(10, PER_HOUR);
/// Attempts at setting a new password with a link, per address.
const RESET: Quota = Quota::new(20, PER_MINUTE);

pub(crate) async fn register(State(app): State<App>, request: Request, next: Next) -> Response {
    let quota = Quota::new(app.config.limits.register_per_ip_per_hour, PER_HOUR);
    limit(&app, "register", quota, request, next).await
}

pub(crate) async fn login(State(app): State<App>, request: Request, next: Next) -> Response {
    let quota = Quota::new(app.config.limits.login_per_ip_per_minute, PER_MINUTE);
    limit(&app, "login", quota, request, next).await
}

pub(crate) async fn second_step(State(app): State<App>, request: Request, next: Next) -> Response {
    let quota = Quota::new(app.config.limits.login_per_ip_per_minute, PER_MINUTE);
    limit(&app, "second-step", quota, request, next).await
}

pub(crate) async fn refresh(State(app): State<App>, request: Request, next: Next) -> Response {
    limit(&app, "refresh", REFRESH, request, next).await
}

pub(crate) async fn forgot(State(app): State<App>, request: Request, next: Next) -> Response {
    limit(&app, "forgot", FORGOT, request, next).await
}

pub(crate) async fn reset(State(app): State<App>, request: Request, next: Next) -> Response {
    limit(&app, "reset", RESET, request, next).await
}

async fn limit(app: &App, name: &'static str, quota: Quota, request: Request, next: Next) -> Response {
    let client = Client::of(&app.proxies, request.extensions(), request.headers());
    let verdict = app.limits.hit(&format!("{name}:{}", limit_key(client.addr)), quota).await;
    if verdict.is_allowed {
        next.run(request).await
    } else {
        metrics::counter!("rillcast_throttled_total", "limit" => name).increment(1);
        let wait = u64::try_from(verdict.retry_after.as_millis()).unwrap_or(u64::MAX);
        Problem::new(Kind::Throttled, "auth.throttled", "too many attempts; wait a while")
            .retry_after_ms(wait)
            .into_response()
    }
}
