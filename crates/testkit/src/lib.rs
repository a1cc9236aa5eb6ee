//! Placeholder replaced within this change.

pub mod s3;
pub mod services;
