//! Placeholder replaced within this change.

pub mod record;
pub mod worker;
