//! A refused event, as its acknowledgement says it.

use domain::{Classify, Kind};
use serde::Serialize;
use std::time::Duration;

/// `{ok: false, code, detail, retry_after_ms?}`. The codes are API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Refusal {
    ok: bool,
    pub code: &'static str,
    pub detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { ok: false, code, detail: detail.into(), retry_after_ms: None }
    }

    pub(crate) fn later(mut self, wait: Duration) -> Self {
        self.retry_after_ms = Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1));
        self
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new("request.invalid", detail)
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::new("chat.unauthenticated", "sign in to write")
    }

    pub(crate) fn unavailable() -> Self {
        Self::new("chat.unavailable", "try again later").later(Duration::from_secs(2))
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new("not-found", format!("there is no such {what}"))
    }
}

impl<E: Classify> From<E> for Refusal {
    fn from(error: E) -> Self {
        let detail = match error.kind() {
            Kind::Internal | Kind::Unavailable => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(error.code = error.code(), %error, cause, "chat event failed");
                return Self::unavailable();
            }
            _ => error.to_string(),
        };
        Self { retry_after_ms: error.retry_after_ms(), ..Self::new(error.code(), detail) }
    }
}
