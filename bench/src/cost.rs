//! What a source-only stream costs: processor time and memory, with the same publishers on both servers. Rillcast records
//! into its bucket meanwhile; Postgres and Redis are processes of their own and not counted.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use media::flv::file_tags;
use serde_json::{Value, json};
use testkit::rtmp::{Encoder, Pace};
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
    let site = process::site().await?;
    let mut keys = Vec::new();
    for number in 0..STREAMS {
        keys.push(site.member(&format!("bench{number}")).await.stream_key);
    }
    let addr = site.process.rtmp.trim_start_matches("rtmp://").trim_end_matches("/live").parse()?;
    let ours = measure(site.process.pid(), addr, &keys, &clip).await?;
    site.stop().await;
    let server = Nginx::start().await?;
    let names: Vec<String> = (0..STREAMS).map(|number| format!("bench{number}")).collect();
    let theirs = measure(server.pid(), server.rtmp, &names, &clip).await?;
    let ratio = ours.core / theirs.core;
    println!("one of {STREAMS} source-only streams   rillcast (LL-HLS, recording)   nginx-rtmp (HLS)   ratio");
    println!(
        "  share of a core              {:>8.2} %                     {:>8.2} %         {ratio:.2}",
        ours.core * 100.0,
        theirs.core * 100.0
    );
    println!(
        "  memory                       {:>8.1} MiB                   {:>8.1} MiB",
        ours.resident_mib, theirs.resident_mib
    );
    Ok(json!({
        "streams": STREAMS,
        "rillcast": { "core": ours.core, "resident_mib": ours.resident_mib },
        "nginx_rtmp": { "core": theirs.core, "resident_mib": theirs.resident_mib },
        "core_ratio": ratio,
    }))
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
