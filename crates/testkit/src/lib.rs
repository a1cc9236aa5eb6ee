//! Placeholder replaced within this change.

pub mod mongo;
pub mod rtmp;
pub mod s3;
pub mod services;
pub mod socket;
pub mod stack;
pub mod viewer;
