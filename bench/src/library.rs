//! Members' files: sent in parts beside the same bytes put by the S3 CLI, checked, made to recordings, and listed by the hundred thousand.

mod check;
mod list;
mod sender;
mod sending;
mod stores;
mod video;

use serde_json::{Value, json};

pub async fn run() -> anyhow::Result<Value> {
    let list = list::run().await?;
    let video = video::run().await?;
    let check = check::run().await?;
    let sending = sending::run().await?;
    Ok(json!({ "list": list, "video": video, "check": check, "sending": sending }))
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
