//! Checks an HLS presentation from outside: follows its playlists as a player would and names the rules they break.
//!
//! [`rules`] are pure functions over what was read; [`follow`] reads it; [`report`] counts and prints. Playlists are parsed by
//! a tolerant reader of its own ([`playlist`]), because a checker must see what a strict one refuses.

pub mod answer;
pub mod follow;
pub mod mp4;
pub mod playlist;
pub mod report;
pub mod rules;

pub use follow::{CheckError, Options, check};
pub use report::Report;
