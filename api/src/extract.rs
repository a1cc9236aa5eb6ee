//! What handlers take in and give out. A request that cannot be read is answered with a problem like any other.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use domain::error::FieldError;
use domain::{Classify, Kind};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use kit::Problem;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A request that could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the request must be application/json")]
    NotJson,
    #[error("the request body is too large")]
    TooLarge,
    #[error("{0}")]
    Malformed(String),
}

impl Classify for Unreadable {
    fn kind(&self) -> Kind {
        match self {
            Self::TooLarge => Kind::TooLarge,
            Self::NotJson | Self::Malformed(_) => Kind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "request.too-large",
            Self::NotJson => "request.not-json",
            Self::Malformed(_) => "request.malformed",
        }
    }
}

/// A JSON body, in or out.
pub(crate) struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        // A form post cannot say this without asking the browser's leave, which makes cross-site forms harmless.
        if !is_json(request.headers()) {
            return Err(Unreadable::NotJson.into());
        }
        let bytes = whole(request, state).await?;
        // serde's own words name the field and the place; the client sent both, so they give nothing away.
        serde_json::from_slice(&bytes).map(Self).map_err(|error| Unreadable::Malformed(error.to_string()).into())
    }
}

/// A JSON body that may be left out.
pub(crate) struct MaybeJson<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for MaybeJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let bytes = whole(request, state).await?;
        match (bytes.is_empty(), is_json) {
            (true, _) => Ok(Self(T::default())),
            (false, false) => Err(Unreadable::NotJson.into()),
            (false, true) => serde_json::from_slice(&bytes)
                .map(Self)
                .map_err(|error| Unreadable::Malformed(error.to_string()).into()),
        }
    }
}

/// The whole body, within its route's limit.
pub(crate) async fn whole<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Unreadable> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Unreadable::TooLarge
        } else {
            Unreadable::Malformed("the request body broke off".to_owned())
        }
    })
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|mime| mime.trim().eq_ignore_ascii_case("application/json"))
}

/// Parts of the path. One that cannot be what it should names nothing: 404.
pub(crate) struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Path::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(inner)| Self(inner))
            .map_err(|_| Problem::not_found())
    }
}

/// Parameters of the query string.
pub(crate) struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Query::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Query(inner)| Self(inner))
            .map_err(|rejection| Problem::invalid(vec![FieldError::new("query", rejection.body_text())]))
    }
}

/// Tells "not mentioned" (`None`) from "null" (`Some(None)`) in a PATCH body.
pub(crate) fn mentioned<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// Text that Postgres can be asked about: it knows no NUL, and a replaced one matches nothing.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// The first of many broken fields would do; people like to hear of all at once.
#[derive(Default)]
pub(crate) struct Fields(Vec<FieldError>);

impl Fields {
    /// Keeps the value, or remembers what is wrong with it.
    pub(crate) fn take<T>(&mut self, parsed: Result<T, domain::error::Invalid>) -> Option<T> {
        parsed.map_err(|error| self.0.push(error.0)).ok()
    }

    pub(crate) fn push(&mut self, field: &'static str, message: impl Into<String>) {
        self.0.push(FieldError::new(field, message));
    }

    /// An error if anything was wrong.
    pub(crate) fn check(self) -> Result<(), Problem> {
        if self.0.is_empty() { Ok(()) } else { Err(Problem::invalid(self.0)) }
    }
}
