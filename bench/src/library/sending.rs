//! A gibibyte through the site into a store, beside the same gibibyte put into the same store by the S3 CLI alone.

use bytes::Bytes;
use serde_json::{Value, json};
use testkit::minio::Minio;
use testkit::stack::Stack;
use tokio::time::Instant;

use super::sender::Sender;
use super::stores;
use crate::process;

const LEN: usize = 1 << 30;
const ROUNDS: usize = 3;

pub async fn run() -> anyhow::Result<Value> {
    let bytes = Bytes::from(super::noise(LEN));
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), &bytes)?;
    let site = plan(None).await?;
    let store = stores::embedded(&site).await?;
    let embedded = beside("embedded store", site, &store, &bytes, file.path()).await?;
    let minio = Minio::start().await;
    let site = plan(Some(&minio.config)).await?;
    let minio = beside("MinIO", site, &minio.config, &bytes, file.path()).await?;
    Ok(json!({ "mib": LEN >> 20, "embedded": embedded, "minio": minio }))
}

async fn plan(bucket: Option<&kit::config::StorageConfig>) -> anyhow::Result<Stack> {
    process::site_with(bucket, &[("files.unscanned", "true"), ("files.quota_mib", "0")]).await
}

async fn beside(
    name: &str,
    site: Stack,
    store: &kit::config::StorageConfig,
    bytes: &Bytes,
    file: &std::path::Path,
) -> anyhow::Result<Value> {
    let sender = Sender::new(&site, "sender").await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let started = Instant::now();
        let id = sender.send(&format!("noise{round}.bin"), "application/octet-stream", bytes).await?;
        ours.push(started.elapsed().as_secs_f64());
        // What the site does with it must not run beside the CLI's round; and the room is given back.
        sender.until_completed(&id).await?;
        for action in ["trash", "erase"] {
            let asked = json!({ "action": action, "ids": [id] });
            sender.call(reqwest::Method::POST, "/api/v1/files/bulk", Some(asked)).await?;
        }
        theirs.push(stores::put(store, file).await?.as_secs_f64());
    }
    site.stop().await;
    let (ours, theirs) = (super::spread(ours).0, super::spread(theirs).0);
    let ratio = theirs / ours;
    println!(
        "1 GiB to the {name}: {ours:.2} s through the site, {theirs:.2} s by the S3 CLI alone: {ratio:.2} times its speed"
    );
    Ok(json!({ "ours_s": ours, "s3_cli_s": theirs, "speed_ratio": ratio }))
}
