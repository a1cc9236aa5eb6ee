//! What can go wrong here, and how S3 says it.

use std::io;
use std::path::Path;

use s3s::{S3Error, S3ErrorCode, StdError};

pub(crate) type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The file system has no room, in the numbers of Linux: ENOSPC, EDQUOT, EFBIG.
const NO_ROOM: [i32; 3] = [28, 122, 27];
const NAME_TOO_LONG: i32 = 36;
/// Of codes that `s3s` does not know (RFC 9110 15.5.1, RFC 4918 11.5).
const BAD_REQUEST: u16 = 400;
const INSUFFICIENT_STORAGE: u16 = 507;

#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("there is no such bucket")]
    NoSuchBucket,
    #[error("there is no such object")]
    NoSuchKey,
    #[error("there is no such upload")]
    NoSuchUpload,
    #[error("the key is empty or is not one")]
    BadKey,
    #[error("the key or one of its parts between slashes is too long")]
    KeyTooLong,
    #[error("the metadata is too large")]
    MetadataTooLarge,
    #[error("a condition of the request does not hold")]
    PreconditionFailed,
    #[error("not modified")]
    NotModified,
    #[error("the range lies outside the object")]
    InvalidRange,
    #[error("the body is not what {0} says")]
    BadDigest(&'static str),
    #[error("the body ended too early or is longer than announced")]
    IncompleteBody,
    #[error("the body stalled")]
    Stalled,
    #[error("the body broke off")]
    Body(#[source] StdError),
    #[error("the object is larger than one request may carry")]
    TooLarge,
    #[error("a part before the last is smaller than 5 MiB")]
    PartTooSmall,
    #[error("a part is missing or is another one")]
    InvalidPart,
    #[error("the parts are not in ascending order")]
    InvalidPartOrder,
    #[error("the upload is being completed")]
    UploadBusy,
    #[error("{0}")]
    InvalidArgument(&'static str),
    #[error("{0} is not implemented")]
    NotImplemented(&'static str),
    #[error("the store is saturated")]
    Saturated,
    #[error("the disk is full")]
    Full(#[source] io::Error),
    #[error("the disk failed at {what}")]
    Disk {
        what: String,
        #[source]
        source: io::Error,
    },
}

impl StoreError {
    /// Sorts a failure of the file system. `what` is for the log.
    pub(crate) fn disk(what: &str, path: &Path, source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(code) if NO_ROOM.contains(&code) => Self::Full(source),
            Some(NAME_TOO_LONG) => Self::KeyTooLong,
            _ => Self::Disk { what: format!("{what} {}", path.display()), source },
        }
    }

    /// Sorts a failure of a body. `s3s` checks the signed digest and keeps the type of its error to itself.
    pub(crate) fn body(source: StdError) -> Self {
        let said = source.to_string();
        match () {
            () if said.contains("Sha256Mismatch") => Self::BadDigest("x-amz-content-sha256"),
            () if said.contains("Incomplete") || said.contains("LengthMismatch") => Self::IncompleteBody,
            () => Self::Body(source),
        }
    }
}

impl From<StoreError> for S3Error {
    fn from(error: StoreError) -> Self {
        use S3ErrorCode as Code;
        use StoreError as E;

        let code = match &error {
            E::NoSuchBucket => Code::NoSuchBucket,
            E::NoSuchKey => Code::NoSuchKey,
            E::NoSuchUpload => Code::NoSuchUpload,
            E::BadKey | E::InvalidArgument(_) => Code::InvalidArgument,
            E::KeyTooLong => Code::KeyTooLongError,
            E::MetadataTooLarge => Code::MetadataTooLarge,
            E::PreconditionFailed => Code::PreconditionFailed,
            E::NotModified => Code::NotModified,
            E::InvalidRange => Code::InvalidRange,
            E::BadDigest("x-amz-content-sha256") => Code::Custom("XAmzContentSHA256Mismatch".into()),
            E::BadDigest(_) => Code::BadDigest,
            E::IncompleteBody | E::Body(_) => Code::IncompleteBody,
            E::Stalled => Code::RequestTimeout,
            E::TooLarge => Code::EntityTooLarge,
            E::PartTooSmall => Code::EntityTooSmall,
            E::InvalidPart => Code::InvalidPart,
            E::InvalidPartOrder => Code::InvalidPartOrder,
            E::UploadBusy => Code::OperationAborted,
            E::NotImplemented(_) => Code::NotImplemented,
            E::Saturated => Code::SlowDown,
            E::Full(_) => Code::Custom("InsufficientStorage".into()),
            E::Disk { .. } => Code::InternalError,
        };
        let mut answer = S3Error::with_message(code, error.to_string());
        let status = match &error {
            E::Full(_) => Some(INSUFFICIENT_STORAGE),
            E::BadDigest("x-amz-content-sha256") => Some(BAD_REQUEST),
            _ => None,
        };
        if let Some(Ok(status)) = status.map(TryInto::try_into) {
            answer.set_status_code(status);
        }
        answer.set_source(Box::new(error));
        answer
    }
}
