//! The bucket that `rillcast up` brings along: S3's protocol over a folder, each object one file.
//!
//! Owns how objects lie on disk ([`names`], [`object`]), when they are on the platter ([`commit`]), and what S3's
//! operations mean for them ([`api`]). Signatures and XML are `s3s`'s. Does not know what an object holds.
//!
//! ```text
//! <folder>/v2/<bucket>%/vod/1/seg0.m4s%   an object: body, trailer (see `object`)
//! <folder>/v2/uploads/<id>/00001.part     a part of a multipart upload, in the same form
//! <folder>/v2/tmp/                        what is being written; emptied at the start
//! <folder>/<bucket>/vod/1/seg0.m4s        left by the store before this one (s3s-fs): read, listed, deleted, never written
//! ```

mod api;
mod commit;
mod convert;
mod disk;
mod endpoint;
mod error;
mod intake;
mod list;
mod multipart;
mod names;
mod object;
mod read;

pub use disk::{Options, Store};
pub use endpoint::{Endpoint, KeyPair};
