//! What a source-only stream without pictures, which nginx-rtmp has none of either, costs: processor time and memory, with the same publishers on both servers. Rillcast records
//! into a bucket meanwhile. Postgres, Redis and the bucket are services of their own and not counted; a second figure counts
//! the bucket that `rillcast up` brings along.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use media::flv::file_tags;
use serde_json::{Value, json};
use testkit::rtmp::{Encoder, Pace};
use testkit::s3::S3Server;
use testkit::stack::Stack;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::nginx::Nginx;
use crate::process;

const STREAMS: usize = 20;
const WARM_UP: Duration = Duration::from_secs(15);
const MEASURED: Duration = Duration::from_secs(30);
const CLIP_S: u32 = 75;

struct Cost {
    /// Share of one core that one stream takes.
    core: f64,
    resident_mib: f64,
}

pub async fn run() -> anyhow::Result<Value> {
    let clip = crate::clip::flv(CLIP_S).await?;
    let bucket = S3Server::start().await?;
    let site = process::site(Some(&bucket.config())).await?;
    let with_bucket = process::site(None).await?;
    let nginx = Nginx::start().await?;
    let names: Vec<String> = (0..STREAMS).map(|number| format!("bench{number}")).collect();
    let mut servers = vec![
        Server::new("rillcast (LL-HLS, recording)", site.process.pid(), address(&site)?)?,
        Server::new("  its own bucket included", with_bucket.process.pid(), address(&with_bucket)?)?,
        Server::new("nginx-rtmp (HLS)", nginx.pid(), nginx.rtmp)?,
    ];
    let mut publishers = JoinSet::new();
    publish(&mut publishers, &servers[0], &keys(&site).await, &clip).await?;
    publish(&mut publishers, &servers[1], &keys(&with_bucket).await, &clip).await?;
    publish(&mut publishers, &servers[2], &names, &clip).await?;
    sleep(WARM_UP).await;
    for server in &mut servers {
        server.before = process::cpu(server.pid)?;
    }
    sleep(MEASURED).await;
    let costs = servers.iter().map(Server::cost).collect::<anyhow::Result<Vec<Cost>>>()?;
    if let Some(ended) = publishers.try_join_next() {
        ended??;
        anyhow::bail!("a publisher ended before the measurement did");
    }
    publishers.shutdown().await;
    site.stop().await;
    with_bucket.stop().await;
    let [ours, embedded, theirs] = costs.as_slice() else { anyhow::bail!("three servers were measured") };
    println!("one of {STREAMS} source-only streams");
    println!("  without pictures                     share of a core   ratio   memory");
    for (server, cost) in servers.iter().zip(&costs) {
        let (percent, ratio) = (cost.core * 100.0, cost.core / theirs.core);
        println!("  {:<36} {percent:>8.3} %  {ratio:>6.3}   {:>6.1} MiB", server.name, cost.resident_mib);
    }
    let told = |cost: &Cost| json!({ "core": cost.core, "resident_mib": cost.resident_mib });
    Ok(json!({
        "streams": STREAMS,
        "rillcast": told(ours),
        "rillcast_with_bucket": told(embedded),
        "nginx_rtmp": told(theirs),
        "core_ratio": ours.core / theirs.core,
    }))
}

/// One of the servers under measurement. All are measured at the same time, so what else the machine does falls on all.
struct Server {
    name: &'static str,
    pid: u32,
    rtmp: SocketAddr,
    idle_kib: u64,
    before: Duration,
}

impl Server {
    fn new(name: &'static str, pid: u32, rtmp: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self { name, pid, rtmp, idle_kib: process::resident_kib(pid)?, before: Duration::ZERO })
    }

    fn cost(&self) -> anyhow::Result<Cost> {
        let used = process::cpu(self.pid)? - self.before;
        let resident_kib = process::resident_kib(self.pid)?.saturating_sub(self.idle_kib);
        Ok(Cost {
            core: used.as_secs_f64() / MEASURED.as_secs_f64() / STREAMS as f64,
            resident_mib: resident_kib as f64 / 1_024.0 / STREAMS as f64,
        })
    }
}

fn address(site: &Stack) -> anyhow::Result<SocketAddr> {
    Ok(site.process.rtmp.trim_start_matches("rtmp://").trim_end_matches("/live").parse()?)
}

/// The stream keys of as many members as there are streams.
async fn keys(site: &Stack) -> Vec<String> {
    let mut keys = Vec::with_capacity(STREAMS);
    for number in 0..STREAMS {
        keys.push(site.member(&format!("bench{number}")).await.stream_key);
    }
    keys
}

async fn publish(
    publishers: &mut JoinSet<anyhow::Result<()>>,
    server: &Server,
    names: &[String],
    clip: &Bytes,
) -> anyhow::Result<()> {
    for name in names {
        let mut encoder =
            Encoder::publish(server.rtmp, name).await.map_err(|refusal| anyhow::anyhow!("{refusal:?}"))?;
        let tags: Vec<_> = file_tags(clip)?.collect();
        publishers.spawn(async move { encoder.send(tags, Pace::RealTime).await });
        // Encoders do not beat in step.
        sleep(Duration::from_millis(37)).await;
    }
    Ok(())
}
