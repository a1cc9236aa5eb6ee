//! Placeholder replaced within this change.

pub mod worker;
