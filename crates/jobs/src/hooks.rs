//! Calling the operator's own server, in nginx-rtmp's dialect, until it has heard.
//!
//! The delivery's row decides: delivered once, never again. A failed attempt fails the job, which the queue runs again
//! after a growing wait.

use std::time::Duration;

use anyhow::{Context, bail};
use domain::{PublishId, VodId};

use crate::Deps;

/// Longest an operator's server may take.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(8);

pub(crate) async fn publish_done(deps: &Deps, publish: PublishId) -> anyhow::Result<()> {
    let url = &deps.config.hooks.on_publish_done;
    if url.is_empty() {
        return Ok(());
    }
    let mut conn = deps.pool.acquire().await?;
    let Some(facts) = db::notify::publish_facts(&mut conn, publish).await? else { return Ok(()) };
    drop(conn);
    let fields = vec![
        ("app".to_owned(), facts.app),
        ("addr".to_owned(), facts.addr),
        ("clientid".to_owned(), facts.client_id),
        ("call".to_owned(), "publish_done".to_owned()),
        ("name".to_owned(), facts.username),
    ];
    deliver(deps, publish, "on_publish_done", url, fields, &facts.args).await
}

pub(crate) async fn record_done(deps: &Deps, vod: VodId) -> anyhow::Result<()> {
    let url = &deps.config.hooks.on_record_done;
    if url.is_empty() {
        return Ok(());
    }
    let mut conn = deps.pool.acquire().await?;
    let Some(record) = db::notify::record_facts(&mut conn, vod).await? else { return Ok(()) };
    let Some(facts) = db::notify::publish_facts(&mut conn, record.publish_id).await? else { return Ok(()) };
    drop(conn);
    let fields = vec![
        ("app".to_owned(), facts.app),
        ("addr".to_owned(), facts.addr),
        ("clientid".to_owned(), facts.client_id),
        ("call".to_owned(), "record_done".to_owned()),
        ("name".to_owned(), record.username),
        ("recorder".to_owned(), "rillcast".to_owned()),
        ("path".to_owned(), format!("{}index.m3u8", record.object_prefix)),
        ("vod_id".to_owned(), vod.to_string()),
    ];
    deliver(deps, record.publish_id, "on_record_done", url, fields, &facts.args).await
}

async fn deliver(
    deps: &Deps,
    publish: PublishId,
    hook: &'static str,
    url: &str,
    fields: Vec<(String, String)>,
    args: &str,
) -> anyhow::Result<()> {
    // The row stays locked during the call, so that of two workers with the same job only one calls. The call is shorter
    // than the time Postgres lets a transaction idle; a worker that dies gives the lock back with its connection.
    let mut tx = db::begin(&deps.pool).await?;
    if db::notify::open_delivery(&mut tx, publish, hook).await?.is_delivered {
        return Ok(());
    }
    let outcome = post(url, &fields, args).await;
    let error = outcome.as_ref().err().map(|error| format!("{error:#}"));
    db::notify::close_attempt(&mut tx, publish, hook, error.as_deref()).await?;
    db::commit(tx).await?;
    metrics::counter!("rillcast_hook_calls_total", "hook" => hook, "ok" => outcome.is_ok().to_string()).increment(1);
    outcome.with_context(|| format!("{hook} was not delivered"))
}

/// One form-encoded POST; the publisher's own arguments follow verbatim, as nginx-rtmp sends them.
async fn post(url: &str, fields: &[(String, String)], args: &str) -> anyhow::Result<()> {
    let client = reqwest::Client::builder()
        .timeout(ANSWER_WAIT_MAX)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()?;
    let mut body = serde_urlencoded::to_string(fields)?;
    if !args.is_empty() {
        body.push('&');
        body.push_str(args);
    }
    let answer = client.post(url).header("content-type", "application/x-www-form-urlencoded").body(body).send().await?;
    if !answer.status().is_success() {
        bail!("the operator's server answered {}", answer.status());
    }
    Ok(())
}
