//! What a source-only stream costs: processor time and memory, with the same publishers on both servers. Rillcast records
//! into a bucket meanwhile. Postgres, Redis and the bucket are services of their own and not counted; a second figure counts
//! the bucket that `rillcast up` brings along.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use kit::config::StorageConfig;
use media::flv::file_tags;
use serde_json::{Value, json};
use testkit::rtmp::{Encoder, Pace};
use testkit::s3::S3Server;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::nginx::Nginx;
use crate::process;

const STREAMS: usize = 10;
const WARM_UP: Duration = Duration::from_secs(12);
const MEASURED: Duration = Duration::from_secs(30);
const CLIP_S: u32 = 60;

struct Cost {
    /// Share of one core that one stream takes.
    core: f64,
    resident_mib: f64,
}

pub async fn run() -> anyhow::Result<Value> {
    let clip = crate::clip::flv(CLIP_S).await?;
    let bucket = S3Server::start().await?;
    let ours = rillcast(Some(&bucket.config()), &clip).await?;
    let embedded = rillcast(None, &clip).await?;
    let server = Nginx::start().await?;
    let names: Vec<String> = (0..STREAMS).map(|number| format!("bench{number}")).collect();
    let theirs = measure(server.pid(), server.rtmp, &names, &clip).await?;
    println!("one of {STREAMS} source-only streams            share of a core   ratio   memory");
    for (name, cost) in [
        ("rillcast (LL-HLS, recording)", &ours),
        ("  its own bucket included", &embedded),
        ("nginx-rtmp (HLS)", &theirs),
    ] {
        let (percent, ratio) = (cost.core * 100.0, cost.core / theirs.core);
        println!("  {name:<36} {percent:>8.2} %  {ratio:>6.2}   {:>6.1} MiB", cost.resident_mib);
    }
    let told = |cost: &Cost| json!({ "core": cost.core, "resident_mib": cost.resident_mib });
    Ok(json!({
        "streams": STREAMS,
        "rillcast": told(&ours),
        "rillcast_with_bucket": told(&embedded),
        "nginx_rtmp": told(&theirs),
        "core_ratio": ours.core / theirs.core,
    }))
}

/// The streams on a site that records into `bucket`, or into its own.
async fn rillcast(bucket: Option<&StorageConfig>, clip: &Bytes) -> anyhow::Result<Cost> {
    let site = process::site(bucket).await?;
    let mut keys = Vec::new();
    for number in 0..STREAMS {
        keys.push(site.member(&format!("bench{number}")).await.stream_key);
    }
    let addr = site.process.rtmp.trim_start_matches("rtmp://").trim_end_matches("/live").parse()?;
    let cost = measure(site.process.pid(), addr, &keys, clip).await?;
    site.stop().await;
    Ok(cost)
}

async fn measure(pid: u32, addr: SocketAddr, names: &[String], clip: &Bytes) -> anyhow::Result<Cost> {
    let idle_kib = process::resident_kib(pid)?;
    let mut publishers = JoinSet::new();
    for name in names {
        let mut encoder = Encoder::publish(addr, name).await.map_err(|refusal| anyhow::anyhow!("{refusal:?}"))?;
        let tags: Vec<_> = file_tags(clip)?.collect();
        publishers.spawn(async move { encoder.send(tags, Pace::RealTime).await });
    }
    sleep(WARM_UP).await;
    let before = process::cpu(pid)?;
    sleep(MEASURED).await;
    let used = process::cpu(pid)? - before;
    let resident_kib = process::resident_kib(pid)?.saturating_sub(idle_kib);
    if let Some(ended) = publishers.try_join_next() {
        ended??;
        anyhow::bail!("a publisher ended before the measurement did");
    }
    let streams = names.len() as f64;
    Ok(Cost {
        core: used.as_secs_f64() / MEASURED.as_secs_f64() / streams,
        resident_mib: resident_kib as f64 / 1_024.0 / streams,
    })
}
