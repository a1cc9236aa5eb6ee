//! Services `rillcast up` runs itself when none are configured: Postgres, Redis, an S3 endpoint.
//!
//! Each keeps its files below the data folder, is reachable from this process only, dies with it, and is started again
//! when it dies alone.

pub mod child;
pub mod postgres;
pub mod redis;
pub mod s3;
mod service;
