//! One address that holds a thousand requests (G5). How many it may hold at most is tested where it is counted (`origin::wait`).

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::join_all;
use kit::telemetry;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::rig::{ClipPlan, PATIENCE, Pace, Rig, until};

const HELD: usize = 1_000;

/// A request on a connection of its own, sent and not answered yet.
async fn ask(addr: SocketAddr, path: &str) -> BufReader<TcpStream> {
    let mut socket = TcpStream::connect(addr).await.expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nHost: origin\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("sends");
    BufReader::new(socket)
}

async fn status(socket: &mut BufReader<TcpStream>) -> u16 {
    let mut line = String::new();
    timeout(PATIENCE, socket.read_line(&mut line)).await.expect("in time").expect("an answer");
    line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}

/// How many requests wait in this process, by its own gauge.
fn blocked() -> usize {
    let text = telemetry::metrics().render();
    let value = text.lines().find_map(|line| line.strip_prefix("rillcast_origin_blocked ")).unwrap_or("0");
    value.trim().parse::<f64>().unwrap_or(-1.0) as usize
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_held_by_one_address_leave_nothing_parked_however_they_end() {
    telemetry::metrics();
    let rig = Rig::with(|config| config.hls.segment_ms = 4_000).await;
    let node = rig.node();
    let clip = ClipPlan { seconds: 8, gop: 120, bframes: 0, ..ClipPlan::default() }.make();
    let cast = rig.cast("alice").await;
    let mut feed = node.connect(&cast.hello).await.expect("accepted");
    let mut rest = clip.clone();
    rest.tags = rest.tags.split_off(rest.tags.partition_point(|tag| tag.1 < 5_000));
    let mut front = clip;
    front.tags.truncate(front.tags.len() - rest.tags.len());
    feed.send(&front, Pace::Fast, 0).await;
    let path = node.viewer.rendition("alice", "source", PATIENCE).await.expect("it appears");
    until("segment 1 has begun", || async {
        node.viewer.text(&path).await.is_ok_and(|(_, text)| text.contains("part1.0.m4s"))
    })
    .await;
    let (tasks, path) = (node.alive_tasks(), format!("{path}?_HLS_msn=1"));
    let addr: SocketAddr = node.base.trim_start_matches("http://").parse().expect("an address");

    let began = Instant::now();
    let mut held = Vec::with_capacity(HELD);
    for _ in 0..HELD / 100 {
        held.extend(join_all((0..100).map(|_| ask(addr, &path))).await);
    }
    until("all of them wait", || async { blocked() == HELD }).await;
    println!("G5: {HELD} held after {:?}", began.elapsed());
    // Somebody else is not concerned, and nonsense is answered at once.
    let asked = Instant::now();
    let bare = path.split('?').next().expect("a path");
    let (other, _) = node.viewer.text(bare).await.expect("an answer");
    assert!(other.is_success());
    let (nonsense, _) = node.viewer.text(&format!("{bare}?_HLS_msn=18446744073709551615")).await.expect("an answer");
    assert_eq!(nonsense, 400);
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());

    // Half of them go without a word.
    held.truncate(HELD / 2);
    until("who has gone waits no more", || async { blocked() == HELD / 2 }).await;
    // What they wait for comes.
    feed.send(&rest, Pace::Fast, 0).await;
    feed.end("unpublished").await;
    let answers = join_all(held.iter_mut().map(status)).await;
    assert!(answers.iter().all(|status| *status == 200), "{:?}", answers.iter().find(|status| **status != 200));
    drop(held);
    assert_eq!(blocked(), 0);
    until("no task is left of them", || async { node.alive_tasks() <= tasks + 8 }).await;
    node.stop().await;
}
