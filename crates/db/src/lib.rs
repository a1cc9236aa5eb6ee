//! All SQL of Rillcast: plain functions over a connection, one file per group of tables.
//!
//! Transactions begin in handlers and jobs; constraints decide races. Nothing here knows HTTP, jobs or media.

pub mod error;
pub mod notify;
pub mod outbox;
pub mod pool;
pub mod queue;

pub use error::{DbError, Result};
pub use pool::{Conn, Pool, Tx, begin, commit};

/// The schema, compiled in. Each file opens with why.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations");
