//! The one error body this platform speaks: RFC 9457 `application/problem+json`.

use std::error::Error;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::error::FieldError;
use domain::{Classify, Kind};
use serde::Serialize;
use utoipa::ToSchema;

type Cause = Box<dyn Error + Send + Sync>;

/// An answer that says what went wrong. Built from any [`Classify`] error, or from a kind and a code.
#[derive(Debug)]
pub struct Problem {
    kind: Kind,
    code: &'static str,
    detail: String,
    fields: Vec<FieldError>,
    retry_after_ms: Option<u64>,
    cause: Option<Cause>,
}

impl Problem {
    pub fn new(kind: Kind, code: &'static str, detail: impl Into<String>) -> Self {
        Self { kind, code, detail: detail.into(), fields: Vec::new(), retry_after_ms: None, cause: None }
    }

    pub fn unauthenticated() -> Self {
        Self::new(Kind::Unauthenticated, "auth.required", "sign in first")
    }

    pub fn not_found() -> Self {
        Self::new(Kind::NotFound, "not-found", "there is nothing here")
    }

    /// Several broken fields at once.
    pub fn invalid(fields: Vec<FieldError>) -> Self {
        let detail = fields.iter().map(|f| format!("{} {}", f.field, f.message)).collect::<Vec<_>>().join("; ");
        Self { fields, ..Self::new(Kind::Invalid, "request.invalid", detail) }
    }

    #[must_use]
    pub fn retry_after_ms(mut self, wait: u64) -> Self {
        self.retry_after_ms = Some(wait);
        self
    }

    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Cause>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    pub fn status(&self) -> StatusCode {
        status_of(self.kind)
    }

    pub fn code(&self) -> &'static str {
        self.code
    }
}

impl<E: Classify + Send + Sync + 'static> From<E> for Problem {
    fn from(error: E) -> Self {
        let (kind, code) = (error.kind(), error.code());
        let detail = match kind {
            // Our faults are for the log, not for the client.
            Kind::Internal | Kind::Unavailable => "try again later".to_owned(),
            _ => error.to_string(),
        };
        let retry_after_ms = error.retry_after_ms().or((kind == Kind::Unavailable).then_some(2_000));
        Self { kind, code, detail, fields: error.fields().to_vec(), retry_after_ms, cause: Some(Box::new(error)) }
    }
}

/// HTTP's word for each kind.
pub fn status_of(kind: Kind) -> StatusCode {
    match kind {
        Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Gone => StatusCode::GONE,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::Throttled => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The body as it is sent; also its OpenAPI schema.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// A stable URI reference for the code.
    pub r#type: String,
    pub title: &'static str,
    pub status: u16,
    /// Stable and documented, such as `publish.already-live`.
    pub code: &'static str,
    pub detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<ProblemField>)]
    pub errors: Vec<FieldError>,
}

/// One field of the request that broke a rule.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemField {
    pub field: String,
    pub message: String,
}

/// The whole chain of causes on one line.
struct Chain<'a>(&'a (dyn Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let chain = self.cause.as_deref().map(|cause| Chain(cause).to_string());
        // The only place a request's failure is logged.
        if status.is_server_error() {
            tracing::error!(error.code = self.code, error.chain = chain, "request failed");
        } else {
            tracing::debug!(error.code = self.code, error.chain = chain, "request refused");
        }
        let body = ProblemBody {
            r#type: format!("/problems/{}", self.code),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code: self.code,
            detail: self.detail,
            errors: self.fields,
        };
        let mut response = (status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(wait) = self.retry_after_ms {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.div_ceil(1_000).max(1)));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("disk {0} is gone")]
    struct Broken(&'static str);

    impl Classify for Broken {
        fn kind(&self) -> Kind {
            Kind::Unavailable
        }

        fn code(&self) -> &'static str {
            "store.unavailable"
        }
    }

    #[test]
    fn our_own_faults_are_not_told_to_the_client() {
        let problem = Problem::from(Broken("sda"));
        assert_eq!(problem.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(!problem.detail.contains("sda"));
        assert_eq!(problem.into_response().headers()[RETRY_AFTER], "2");
    }
}
