//! What can go wrong between us and the bucket, sorted by what the caller can do.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{BoxError, ProvideErrorMetadata, SdkError};
use domain::{Classify, Kind};

pub type Result<T, E = ObjectsError> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    #[error("there is no object {key}")]
    NotFound { key: String },
    /// The range asked for lies outside the object.
    #[error("the range is outside the object {key}")]
    RangeNotSatisfiable { key: String },
    /// The bucket is away, slow or saturated. Trying again later makes sense.
    #[error("the bucket did not answer {what} in time")]
    Unavailable {
        what: String,
        #[source]
        source: BoxError,
    },
    /// The bucket answered no: credentials, permissions, quota, or a request it does not understand.
    #[error("the bucket refused {what}: {status} {code}")]
    Refused {
        what: String,
        status: u16,
        code: String,
        #[source]
        source: BoxError,
    },
    /// The settings cannot be used.
    #[error("storage settings: {0}")]
    Settings(&'static str),
}

impl ObjectsError {
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    /// Sorts an answer that says no: its status, and the code in its text.
    pub(crate) fn sort_answer(verb: &'static str, key: &str, status: u16, text: &str) -> Self {
        let what = format!("{verb} {key}");
        let code = between(text, "<Code>", "</Code>").to_owned();
        let source = between(text, "<Message>", "</Message>").to_owned().into();
        match status {
            404 if code != "NoSuchBucket" => Self::NotFound { key: key.to_owned() },
            status if is_passing(status, &code) => Self::Unavailable { what, source },
            status => Self::Refused { what, status, code, source },
        }
    }

    /// Sorts a failed call. `what` is the verb and the key, for the log.
    pub(crate) fn sort<E>(verb: &'static str, key: &str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let what = format!("{verb} {key}");
        let status = error.raw_response().map_or(0, |response| response.status().as_u16());
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default().to_owned();
        match (&error, status) {
            (SdkError::ConstructionFailure(_), _) => {
                Self::Refused { what, status: 0, code: "construction".to_owned(), source: Box::new(error) }
            }
            (_, 404) if code != "NoSuchBucket" => Self::NotFound { key: key.to_owned() },
            (_, 416) => Self::RangeNotSatisfiable { key: key.to_owned() },
            (SdkError::ServiceError(_), status) if !is_passing(status, &code) => {
                Self::Refused { what, status, code, source: Box::new(error) }
            }
            _ => Self::Unavailable { what, source: Box::new(error) },
        }
    }
}

/// What S3 says in an error's XML.
fn between<'a>(text: &'a str, open: &str, close: &str) -> &'a str {
    let after = text.split_once(open).map_or("", |(_, after)| after);
    after.split_once(close).map_or("", |(inside, _)| inside)
}

/// Whether the same request may succeed later.
fn is_passing(status: u16, code: &str) -> bool {
    status >= 500 && status != 501
        || status == 429
        || matches!(code, "RequestTimeout" | "SlowDown" | "Throttling" | "RequestTimeTooSkewed" | "OperationAborted")
}

impl Classify for ObjectsError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::RangeNotSatisfiable { .. } => Kind::Invalid,
            Self::Unavailable { .. } | Self::Refused { .. } => Kind::Unavailable,
            Self::Settings(_) => Kind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "object.not-found",
            Self::RangeNotSatisfiable { .. } => "object.range-not-satisfiable",
            Self::Unavailable { .. } | Self::Refused { .. } => "storage.unavailable",
            Self::Settings(_) => "internal",
        }
    }
}
