//! What a caller can do about an error, in words no protocol owns.

/// The family an error belongs to. HTTP, RTMP and Socket.IO each translate it once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Invalid,
    Unauthenticated,
    Forbidden,
    NotFound,
    Conflict,
    Gone,
    TooLarge,
    Throttled,
    Unavailable,
    Internal,
}

/// One field of a request that broke a rule.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FieldError {
    pub field: &'static str,
    pub message: String,
}

impl FieldError {
    pub fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}

/// An error that knows its kind and its stable, documented code.
///
/// `Display` is for the person who asked: it says what failed and never repeats its source. The log prints the chain.
pub trait Classify: std::error::Error {
    fn kind(&self) -> Kind;

    /// Part of the public API, such as `publish.already-live`.
    fn code(&self) -> &'static str;

    /// The offending fields, for [`Kind::Invalid`].
    fn fields(&self) -> &[FieldError] {
        &[]
    }

    /// When trying again makes sense, in milliseconds, for [`Kind::Throttled`] and [`Kind::Unavailable`].
    fn retry_after_ms(&self) -> Option<u64> {
        None
    }
}

/// A value that broke a rule of this crate.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{} {}", .0.field, .0.message)]
pub struct Invalid(pub FieldError);

impl Invalid {
    pub fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self(FieldError::new(field, message))
    }
}

impl Classify for Invalid {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }

    fn code(&self) -> &'static str {
        "request.invalid"
    }

    fn fields(&self) -> &[FieldError] {
        std::slice::from_ref(&self.0)
    }
}
