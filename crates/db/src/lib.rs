//! All SQL of Rillcast: plain functions over a connection, one file per group of tables.
//!
//! Transactions begin in handlers and jobs; constraints decide races. Nothing here knows HTTP, jobs or media.

pub mod access;
pub mod admin;
pub mod analytics;
pub mod api_tokens;
pub mod attachments;
pub mod audit;
pub mod categories;
pub mod channels;
pub mod chat;
pub mod clips;
pub mod consumers;
pub mod emotes;
pub mod error;
pub mod files;
pub mod follows;
pub mod friends;
pub mod health;
pub mod idempotency;
pub mod imports;
pub mod keeping;
pub mod mail;
pub mod mentions;
pub mod moderation;
pub mod notification_choices;
pub mod notification_times;
pub mod notifications;
pub mod notify;
pub mod outbox;
pub mod overview;
pub mod payments;
pub mod plans;
pub mod pool;
pub mod presence;
pub mod publish;
mod pulse;
pub mod push;
pub mod queue;
pub mod recordings;
pub mod room_tells;
pub mod rooms;
pub mod search;
pub mod sessions;
pub mod shares;
pub mod site;
pub mod storyboards;
pub mod streams;
#[cfg(feature = "testing")]
pub mod testing;
pub mod two_factor;
pub mod users;
pub mod vods;
mod warm;
pub mod webhooks;

pub use error::{DbError, Result};
pub use pool::{Conn, Pool, Tx, begin, commit};

/// The schema, compiled in. Each file opens with why.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations");
