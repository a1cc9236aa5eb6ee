//! Measurements beside nginx-rtmp, nginx, ffmpeg and the S3 CLI, both sides in the same run, told as ratios.
//!
//! `./dev bench` runs all; `./dev bench media` what concerns the media engine; or any of them by name. The last line is JSON,
//! which is also written to `target/bench.json`.

mod clip;
mod cost;
mod crowd;
mod egress;
mod ladder;
mod latency;
mod library;
mod nginx;
mod process;
mod ready;
mod room;

use std::path::Path;

use anyhow::bail;
use serde_json::{Map, Value};

/// What concerns the media engine, in the order it runs.
const MEDIA: [&str; 6] = ["cost", "latency", "egress", "crowd", "ladder", "ready"];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_all = wanted.is_empty();
    if is_all || wanted.iter().any(|name| name == "media") {
        wanted = MEDIA.map(str::to_owned).to_vec();
    }
    if is_all {
        wanted.extend(["chat", "library"].map(str::to_owned));
    }
    let mut results = Map::new();
    for name in wanted {
        let result = match name.as_str() {
            "cost" => cost::run().await?,
            "latency" => latency::run().await?,
            "egress" => egress::run().await?,
            "crowd" => crowd::run().await?,
            "ladder" => ladder::run().await?,
            "ready" => ready::run().await?,
            "chat" => room::run().await?,
            "library" => library::run(None).await?,
            name => match name.strip_prefix("library/").filter(|part| library::PARTS.contains(part)) {
                Some(part) => library::run(Some(part)).await?,
                None => bail!("no measurement {name}; there are media, chat, library, {}", MEDIA.join(", ")),
            },
        };
        results.insert(name, result);
    }
    let results = Value::Object(results).to_string();
    std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench.json"), &results)?;
    println!("{results}");
    Ok(())
}
