//! Every page of a list of a hundred thousand files, in every order there is.

use reqwest::Method;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::sender::Sender;
use crate::process;

const FILES: i32 = 100_000;
const PAGE: usize = 100;

pub async fn run() -> anyhow::Result<Value> {
    let site = process::site_with(None, &[]).await?;
    let sender = Sender::new(&site, "owner").await?;
    site.add_files(sender.member(), FILES).await;
    let mut results = Map::new();
    for (name, narrowed) in [("anywhere", ""), ("in one folder", "&path=/"), ("in the trash", "&trash=true")] {
        for sort in ["name", "recent", "size"] {
            let (pages, took) = walk(&sender, sort, narrowed).await?;
            let (middle_ms, p95_ms) = super::spread(took);
            println!("{pages} pages {name} by {sort}: {middle_ms:.1} ms, 95 of 100 within {p95_ms:.1} ms");
            let told = json!({ "pages": pages, "median_ms": middle_ms, "p95_ms": p95_ms });
            results.insert(format!("{sort} {name}"), told);
        }
    }
    site.stop().await;
    Ok(Value::Object(results))
}

/// Follows the cursor from the first page to the last; milliseconds of each.
async fn walk(sender: &Sender<'_>, sort: &str, narrowed: &str) -> anyhow::Result<(usize, Vec<f64>)> {
    let mut took = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/files?limit={PAGE}&sort={sort}{narrowed}{cursor}");
        let asked = Instant::now();
        let page = sender.call(Method::GET, &path, None).await?;
        took.push(asked.elapsed().as_secs_f64() * 1_000.0);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok((took.len(), took)),
        }
    }
}
