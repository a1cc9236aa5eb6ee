//! Postgres goes away while somebody is on air, and comes back (reliability C3).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use kit::Secret;
use media::link::FrameKind;
use serde_json::json;
use testkit::rtmp::{Encoder, Pace, made_up_tags};
use testkit::services;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::{KEY, OTHER_KEY, Rig, eventually};

/// Forwards to Postgres until it is cut.
struct Proxy {
    addr: SocketAddr,
    cut: watch::Sender<bool>,
    _task: JoinSet<()>,
}

impl Proxy {
    async fn start(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let (cut, is_cut) = watch::channel(false);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut pipes = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let (target, mut is_cut) = (target.clone(), is_cut.clone());
                pipes.spawn(async move {
                    if *is_cut.borrow_and_update() {
                        return;
                    }
                    let Ok(mut server) = TcpStream::connect(target).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        _ = is_cut.changed() => {}
                    }
                });
            }
        });
        Self { addr, cut, _task: task }
    }
}

/// `host:port` of an address such as `postgres://user@host:port/name`.
fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_stream_outlives_postgres_and_its_end_is_written_when_postgres_is_back() {
    let target = host_of(&services::admin_database_url());
    let proxy = Proxy::start(target.clone()).await;
    let through = proxy.addr.to_string();
    let rig = Rig::start_with(|config| {
        config.database.url = Secret::new(config.database.url.expose().replace(&target, &through));
    })
    .await;
    let mut encoder = rig.publish(KEY).await;
    encoder.send(made_up_tags(1), Pace::AsFastAsPossible).await.expect("sends");
    rig.until("SELECT status FROM streams", json!([{"status": "live"}])).await;

    proxy.cut.send_replace(true);
    encoder.send(made_up_tags(1), Pace::AsFastAsPossible).await.expect("media does not wait for a database");
    rig.transcoder.until("all media", |all| all[0].count(FrameKind::Video) == 62).await;
    let begun = Instant::now();
    let refusal = Encoder::publish(rig.rtmp, OTHER_KEY).await.err().expect("refused").said();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(refusal.description.contains("try again"), "{refusal:?}");
    encoder.unpublish().await.expect("the server hangs up");
    let spool = rig.data_dir().join("spool").join("hooks");
    let entries = || std::fs::read_dir(&spool).map_or(0, |entries| entries.count());
    eventually("the journal", async || if entries() == 1 { Ok(()) } else { Err(entries().to_string()) }).await;
    rig.transcoder.until("the end", |all| all[0].has_ended()).await;
    rig.until("SELECT status FROM streams", json!([{"status": "live"}])).await;

    proxy.cut.send_replace(false);
    rig.until("SELECT status, end_reason FROM streams", json!([{"status": "ended", "end_reason": "unpublished"}]))
        .await;
    eventually("the journal", async || if entries() == 0 { Ok(()) } else { Err(entries().to_string()) }).await;
    assert_eq!(rig.events().await, ["stream_online", "publish_done", "stream_offline"]);
    // And somebody new is accepted again.
    rig.publish(OTHER_KEY).await.unpublish().await.expect("the server hangs up");
    rig.stop().await;
}
