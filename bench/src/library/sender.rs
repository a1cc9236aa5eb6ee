//! Sends files as the web app does: in parts, three at a time.

use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::stack::{Member, Stack};
use tokio::time::{Instant, sleep};

/// As the web app has it.
const PARTS_AT_ONCE: usize = 3;
const POLL_EVERY: Duration = Duration::from_millis(10);
const WAIT_MAX: Duration = Duration::from_secs(120);

pub struct Sender<'a> {
    site: &'a Stack,
    member: Member,
    client: reqwest::Client,
}

impl<'a> Sender<'a> {
    pub async fn new(site: &'a Stack, name: &str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().http1_only().timeout(Duration::from_secs(60)).build()?;
        Ok(Self { site, member: site.member(name).await, client })
    }

    pub fn member(&self) -> &Member {
        &self.member
    }

    /// Sends one file and has it completed; its id. What follows on the site is not waited for.
    pub async fn send(&self, name: &str, mime: &str, bytes: &Bytes) -> anyhow::Result<String> {
        let asked =
            json!({ "name": name, "path": "/", "size": bytes.len(), "mime_type": mime, "visibility": "private" });
        let begun = self.call(Method::POST, "/api/v1/files/chunked-upload/initiate", Some(asked)).await?;
        let part_size = usize::try_from(begun["part_size"].as_u64().context("no size of parts")?)?;
        let links = begun["upload_urls"].as_array().context("no links")?;
        let parts: Vec<Value> = stream::iter(links.iter().map(|link| self.part(link, part_size, bytes)))
            .buffered(PARTS_AT_ONCE)
            .try_collect()
            .await?;
        let whole = json!({ "file_id": begun["file_id"], "upload_id": begun["upload_id"], "parts": parts });
        self.call(Method::POST, "/api/v1/files/chunked-upload/complete", Some(whole)).await?;
        Ok(begun["file_id"].as_str().context("no id")?.to_owned())
    }

    async fn part(&self, link: &Value, part_size: usize, bytes: &Bytes) -> anyhow::Result<Value> {
        let number = usize::try_from(link["part_number"].as_u64().context("no number")?)?;
        let from = (number - 1) * part_size;
        let piece = bytes.slice(from..bytes.len().min(from + part_size));
        let url = link["url"].as_str().context("no link")?;
        let url = if url.starts_with('/') { self.site.url(url) } else { url.to_owned() };
        let answer = self.client.put(url).body(piece).send().await?;
        ensure!(answer.status().is_success(), "part {number}: {} {}", answer.status(), answer.text().await?);
        let etag = answer.headers().get("etag").context("no ETag")?.to_str()?;
        Ok(json!({ "part_number": number, "etag": etag }))
    }

    /// Waits until a file is completed, and tells what the site says of it.
    pub async fn until_completed(&self, file: &str) -> anyhow::Result<Value> {
        self.until(&format!("/api/v1/files/{file}"), |file| match file["state"].as_str() {
            Some("completed") => Ok(true),
            Some("queued" | "processing") => Ok(false),
            other => anyhow::bail!("it is {other:?}: {file}"),
        })
        .await
    }

    /// Asks for `path` until `is_done`.
    pub async fn until(&self, path: &str, is_done: impl Fn(&Value) -> anyhow::Result<bool>) -> anyhow::Result<Value> {
        let until = Instant::now() + WAIT_MAX;
        loop {
            let found = self.call(Method::GET, path, None).await?;
            if is_done(&found)? {
                return Ok(found);
            }
            ensure!(Instant::now() < until, "{path} stays {found}");
            sleep(POLL_EVERY).await;
        }
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let answer = self.site.send(method, path, Some(&self.member.token), body).await;
        ensure!((200..300).contains(&answer.status), "{path}: {} {}", answer.status, answer.text);
        Ok(answer.json())
    }
}
