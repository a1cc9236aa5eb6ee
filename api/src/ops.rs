//! Signs of life for whoever operates this: alive, ready, and numbers.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{Extensions, HeaderMap, StatusCode};
use kit::Problem;
use kit::health::{Condition, Health};
use kit::problem::ProblemBody;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use utoipa::ToSchema;

use crate::net::{Client, TrustedProxies, is_private};
use crate::state::App;

/// The process runs.
#[derive(Serialize, ToSchema)]
pub(crate) struct Alive {
    status: &'static str,
}

/// Whether the process can do its work, part by part.
#[derive(Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// `ready` or `not-ready`.
    status: &'static str,
    /// The parts that are not up.
    missing: Vec<&'static str>,
    /// Each part: `state` is `starting`, `up` or `down`; `reason` says why it is down.
    #[schema(value_type = Object)]
    parts: BTreeMap<&'static str, Condition>,
}

fn alive() -> Response {
    ([(CACHE_CONTROL, "no-store")], axum::Json(Alive { status: "ok" })).into_response()
}

fn ready(health: &Health) -> Response {
    let parts = health.snapshot();
    let missing: Vec<_> =
        parts.iter().filter(|(_, condition)| **condition != Condition::Up).map(|(part, _)| *part).collect();
    let (code, status) =
        if missing.is_empty() { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not-ready") };
    (code, [(CACHE_CONTROL, "no-store")], axum::Json(Readiness { status, missing, parts })).into_response()
}

/// Numbers are for the operator's own network.
fn numbers(metrics: &PrometheusHandle, client: Client) -> Response {
    if !is_private(client.addr) {
        return Problem::not_found().into_response();
    }
    let mime = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, mime), (CACHE_CONTROL, "no-store")], metrics.render()).into_response()
}

/// Whether the process runs.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "healthz",
    responses((status = 200, description = "It runs", body = Alive)),
    tag = "operations",
)]
pub(crate) async fn healthz() -> Response {
    alive()
}

/// Whether everything the process needs is there; names what is not.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    responses(
        (status = 200, description = "Everything is there", body = Readiness),
        (status = 503, description = "Something is missing", body = Readiness),
    ),
    tag = "operations",
)]
pub(crate) async fn readyz(State(app): State<App>) -> Response {
    ready(&app.health)
}

/// Prometheus metrics. For loopback and private addresses only; not here at all when they have their own address.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    responses(
        (status = 200, description = "Prometheus text format", content_type = "text/plain", body = String),
        (status = "4XX", description = "Not for you", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "operations",
)]
pub(crate) async fn metrics(State(app): State<App>, client: Client) -> Response {
    if !app.config.http.metrics_listen.is_empty() {
        return Problem::not_found().into_response();
    }
    numbers(&app.metrics, client)
}

/// The three for processes without the api role, and for `http.metrics_listen`.
///
/// Serve it with connection info (`into_make_service_with_connect_info::<SocketAddr>()`): an unknown peer gets no
/// metrics.
pub(crate) fn router(health: Health, metrics: PrometheusHandle) -> Router {
    let numbers_for = move |extensions: Extensions, headers: HeaderMap| {
        let client = Client::of(&TrustedProxies::default(), &extensions, &headers);
        let answer = numbers(&metrics, client);
        async move { answer }
    };
    Router::new()
        .route("/healthz", get(|| async { alive() }))
        .route("/readyz", get(move || async move { ready(&health) }))
        .route("/metrics", get(numbers_for))
        .fallback(|| async { Problem::not_found() })
}
