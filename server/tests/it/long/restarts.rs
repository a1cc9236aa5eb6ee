//! Nodes of a running site that are killed or restarted one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use testkit::stack::{Plan, Process};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::nodes::Site;
use crate::roles::{follow, publish};

/// An address nobody listens on, for a node that is to come back to it.
async fn address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address").to_string()
}

/// A4.
#[tokio::test]
#[ignore = "half a minute"]
async fn a_killed_ingest_node_takes_its_own_streams_only_and_has_them_back_when_it_is() {
    let site = Site::start().await;
    let listen = address().await;
    let mut killed = site.node("i1", "ingest", &[("ingest.listen", &listen)]).await;
    let other = site.node("i2", "ingest", &[]).await;
    let rest = site.node("rest", "transcoder,jobs,api,chat", &[]).await;
    let stack = Plan::around(rest, other.rtmp.clone());
    let (alice, bob) = (stack.member("alice").await, stack.member("bob").await);
    let (alices, _bobs) = (publish(&killed.rtmp, &alice, 300.0), publish(&other.rtmp, &bob, 300.0));
    let first = stack.until_status("alice", Some("live"), Duration::from_secs(15)).await;
    stack.until_status("bob", Some("live"), Duration::from_secs(15)).await;

    let outage = async {
        sleep(Duration::from_secs(3)).await;
        killed.kill().await;
        let at = Instant::now();
        alices.kill().await;
        stack.until_status("alice", Some("reconnecting"), Duration::from_secs(25)).await;
        at.elapsed()
    };
    let (followed, noticed) = tokio::join!(follow(stack.http(), "bob", Duration::from_secs(25)), outage);
    println!(
        "A4: not called live any more after {noticed:?}; the other's longest pause {:?}",
        followed.longest_pause()
    );
    assert!(noticed < Duration::from_secs(20), "{noticed:?}");
    assert!(followed.failures.is_empty() && followed.longest_pause() < Duration::from_millis(900));

    let back = site.node("i1", "ingest", &[("ingest.listen", &listen)]).await;
    let at = Instant::now();
    let again = publish(&back.rtmp, &alice, 300.0);
    let second = stack.until_status("alice", Some("live"), Duration::from_secs(5)).await;
    println!("A4: live again {:?} after the restart", at.elapsed());
    assert!(at.elapsed() < Duration::from_secs(3), "{:?}", at.elapsed());
    assert_eq!(first["live"]["id"], second["live"]["id"], "the same stream");
    again.stop().await;
    stack.stop().await;
}

/// A viewer's requests: each part's playlist by blocking reload, at whatever node takes connections. Counts the answers that
/// broke off or said no.
async fn reload(nodes: [String; 2], path: String, stop: Arc<AtomicBool>) -> (u32, Vec<String>) {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().expect("a client");
    let (mut answered, mut failed, mut next, mut at) = (0, Vec::new(), String::new(), 0);
    while !stop.load(Ordering::Relaxed) {
        let answer = client.get(format!("{}{path}{next}", nodes[at])).send().await;
        let answer = match answer {
            Ok(answer) => answer,
            // Refused, not broken off: the balancer's next node.
            Err(error) if error.is_connect() => {
                at = 1 - at;
                sleep(Duration::from_millis(20)).await;
                continue;
            }
            Err(error) => {
                failed.push(format!("{error:?}"));
                continue;
            }
        };
        let status = answer.status();
        match answer.text().await {
            Ok(text) if status.is_success() => {
                answered += 1;
                let (msn, part) = crate::outages::next_of(&text);
                next = format!("?_HLS_msn={msn}&_HLS_part={part}");
            }
            Ok(text) => failed.push(format!("{status}: {text}")),
            Err(error) => failed.push(format!("{error:?}")),
        }
    }
    (answered, failed)
}

/// A5. A rolling restart: the node says goodbye to connections between answers, not in the middle of one.
#[tokio::test]
#[ignore = "half a minute"]
async fn a_rolling_restart_fails_no_request_and_a_killed_node_is_back_in_three_seconds() {
    let site = Site::start().await;
    let listen = [address().await, address().await];
    let node = |n: usize| {
        let name = ["a1", "a2"][n];
        let listen = &listen[n];
        let site = &site;
        async move { site.node(name, "api,chat", &[("http.listen", listen)]).await }
    };
    let rest = site.node("rest", "transcoder,ingest,jobs", &[]).await;
    let mut nodes: Vec<Process> = vec![node(0).await, node(1).await];
    let urls = [nodes[0].http.clone(), nodes[1].http.clone()];
    let rtmp = rest.rtmp.clone();
    // A third node for the questions of this test.
    let stack = Plan::around(site.node("a3", "api,chat", &[]).await, rtmp.clone());
    let alice = stack.member("alice").await;
    let _encoder = publish(&rtmp, &alice, 300.0);
    stack.until_status("alice", Some("live"), Duration::from_secs(15)).await;
    let viewer = testkit::viewer::Viewer::new(&urls[0]);
    let path = viewer.rendition("alice", "source", Duration::from_secs(10)).await.expect("it appears");

    let stop = Arc::new(AtomicBool::new(false));
    let mut viewers = JoinSet::new();
    for n in 0..60 {
        let mut urls = urls.clone();
        urls.rotate_left(n % 2);
        viewers.spawn(reload(urls, path.clone(), Arc::clone(&stop)));
    }
    for (n, process) in nodes.iter_mut().enumerate() {
        sleep(Duration::from_secs(2)).await;
        let (status, took) = process.terminate().await;
        println!("A5: node {n} ended after {took:?}");
        assert!(status.success() && took < Duration::from_secs(10), "{status} after {took:?}");
        *process = node(n).await;
    }
    sleep(Duration::from_secs(2)).await;
    stop.store(true, Ordering::Relaxed);
    let (mut answered, mut failed) = (0, Vec::new());
    while let Some(done) = viewers.join_next().await {
        let (ok, bad) = done.expect("no panic");
        answered += ok;
        failed.extend(bad);
    }
    println!("A5: {answered} playlists, {} failures", failed.len());
    assert!(answered > 60 * 20 && failed.is_empty(), "{answered}: {:?}", &failed[..failed.len().min(5)]);

    // Without a word: back within three seconds of its start, numbers never go back.
    let before =
        crate::outages::next_of(&testkit::viewer::Viewer::new(&urls[0]).text(&path).await.expect("an answer").1);
    nodes[0].kill().await;
    let at = Instant::now();
    nodes[0] = node(0).await;
    let after =
        crate::outages::next_of(&testkit::viewer::Viewer::new(&urls[0]).text(&path).await.expect("an answer").1);
    println!("A5: killed, and serving again after {:?}", at.elapsed());
    assert!(at.elapsed() < Duration::from_secs(3), "{:?}", at.elapsed());
    assert!(after >= before, "{after:?} after {before:?}");
    stack.stop().await;
}
