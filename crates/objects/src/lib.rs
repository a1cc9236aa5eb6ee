//! The bucket: every S3 call of Rillcast, in a dialect that AWS, Backblaze B2, MinIO and the embedded store all speak.
//!
//! Owns keys ([`keys`]), limits in time, retries of interactive calls, integrity (signatures cover the SHA-256 of what is written) and the
//! sorting of failures. Does not own what an object means, nor the retry of an upload that has a spool behind it: that
//! caller uses [`Objects::put_once`] and waits on its own terms.

mod dialect;
mod error;
pub mod keys;
mod list;
mod multipart;
mod once;
mod read;
mod store;

pub use error::{ObjectsError, Result};
pub use list::{Entry, Page};
pub use multipart::{PartHere, UploadInParts};
pub use once::{FileUpload, Upload, sha256};
pub use read::{Meta, Object, ObjectBody};
pub use store::{NewObject, Objects};

/// For objects whose name is never used for other bytes.
pub const CACHE_IMMUTABLE: &str = "public, max-age=31536000, immutable";
