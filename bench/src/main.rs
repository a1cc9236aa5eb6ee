//! Measurements beside nginx-rtmp, both sides in the same run, told as ratios.
//!
//! `./dev bench` runs all; `./dev bench latency`, `cost` or `ready` one. The last line is JSON.

mod clip;
mod cost;
mod latency;
mod nginx;
mod process;
mod ready;

use anyhow::bail;
use serde_json::{Map, Value};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let all = ["latency", "cost", "ready"];
    if let Some(unknown) = arguments.iter().find(|argument| !all.contains(&argument.as_str())) {
        bail!("no measurement {unknown}; there are {}", all.join(", "));
    }
    let wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == name);
    let mut results = Map::new();
    if wanted("latency") {
        results.insert("latency".to_owned(), latency::run().await?);
    }
    if wanted("cost") {
        results.insert("cost".to_owned(), cost::run().await?);
    }
    if wanted("ready") {
        results.insert("ready".to_owned(), ready::run().await?);
    }
    println!("{}", Value::Object(results));
    Ok(())
}
