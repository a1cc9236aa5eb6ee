//! Members' files: sent in parts beside the same bytes put by the S3 CLI, checked, made to recordings, and listed by the hundred thousand.

mod check;
mod list;
mod sender;
mod sending;
mod stores;
mod video;

use serde_json::{Map, Value};

/// What there is to measure, each by itself as `library/NAME`.
pub const PARTS: [&str; 4] = ["list", "video", "check", "sending"];

/// All of it, or one part.
pub async fn run(part: Option<&str>) -> anyhow::Result<Value> {
    let mut results = Map::new();
    for name in PARTS.into_iter().filter(|name| part.is_none_or(|part| part == *name)) {
        let result = match name {
            "list" => list::run().await?,
            "video" => video::run().await?,
            "check" => check::run().await?,
            _ => sending::run().await?,
        };
        results.insert(name.to_owned(), result);
    }
    Ok(Value::Object(results))
}

/// A file of bytes nothing can make smaller, the same in every run.
fn noise(len: usize) -> Vec<u8> {
    // xorshift64: quick, and of no pattern that a scanner or a disk would notice.
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// The middle one, and the one that 95 of 100 do not exceed.
fn spread(mut all: Vec<f64>) -> (f64, f64) {
    all.sort_by(f64::total_cmp);
    let at = |hundredths: usize| all.get(all.len() * hundredths / 100).or(all.last()).copied().unwrap_or_default();
    (at(50), at(95))
}
