//! All Redis of Rillcast: presence, counts, limits, revocations, who owns what, and fan-out between nodes.
//!
//! Everything here is allowed to be lost: a module says what it does when Redis is away, and never waits longer than
//! [`ANSWER_WAIT_MAX`].

pub mod audience;
mod breaker;
pub mod claims;
pub mod client;
pub mod directory;
pub mod fanout;
pub mod health;
pub mod limits;
pub mod playback;
pub mod presence;
pub mod revocations;
mod roster;
pub mod viewers;
pub mod views;

pub use client::{ANSWER_WAIT_MAX, Live, LiveError};
