//! The API's own documentation: the OpenAPI document and a page that draws it. Nothing is fetched from elsewhere.

use std::sync::OnceLock;

use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, OpenApiBuilder};

use crate::auth::tokens;
use crate::{deprecation, scopes};

const PAGE: &str = include_str!("docs/page.html");
const SCRIPT: &str = include_str!("docs/page.js");
const STYLE: &str = include_str!("docs/page.css");
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

static DOCUMENT: OnceLock<String> = OnceLock::new();

/// What the document says besides the routes.
pub(crate) fn base() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Rillcast")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Live streaming and recordings, self-hosted. Errors are RFC 9457 problems with a stable `code`; lists are \
             pages with an opaque `next_cursor`; times are RFC 3339 in UTC.",
        ))
        .build();
    let mut components = Components::new();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("The `access_token` of register, login or refresh."))
        .build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let cookie = ApiKeyValue::with_description(tokens::COOKIE, "Set by register, login and refresh.");
    components.add_security_scheme("refresh_cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A token of a member's program (`POST /api/v1/me/api-tokens`), good for the scopes named at each operation."))
        .build();
    components.add_security_scheme("api_token", SecurityScheme::Http(token));
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

/// The document as text. Routes that catch a whole path are written as OpenAPI can say it.
pub(crate) fn text(mut document: OpenApi) -> String {
    scopes::documented(&mut document);
    deprecation::documented(&mut document, deprecation::TABLE);
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

fn document() -> &'static str {
    DOCUMENT.get_or_init(crate::openapi_json)
}

fn answer(mime: &'static str, body: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(mime)),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, body).into_response()
}

/// This document.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    operation_id = "openapi",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)),
    tag = "operations",
)]
pub(crate) async fn openapi() -> Response {
    answer("application/json", document())
}

/// The API, for reading.
#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "docs",
    responses((status = 200, description = "A page", content_type = "text/html")),
    tag = "operations",
)]
pub(crate) async fn page() -> Response {
    answer("text/html; charset=utf-8", PAGE)
}

pub(crate) async fn script() -> Response {
    answer("text/javascript; charset=utf-8", SCRIPT)
}

pub(crate) async fn style() -> Response {
    answer("text/css; charset=utf-8", STYLE)
}
