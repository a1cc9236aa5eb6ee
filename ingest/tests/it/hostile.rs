//! Peers that mean harm, and peers that are broken. Each is seen off in time, and somebody else's stream notices nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use media::flv::{FileTag, TagKind};
use media::link::FrameKind;
use rml_amf0::Amf0Value;
use testkit::rtmp::{Encoder, Manners, Pace, RawPeer, chunks, command, connect, header, made_up_tags};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::support::{KEY, OTHER_KEY, Rig};

const AT_ONCE: Duration = Duration::from_secs(1);

fn text(text: &str) -> Amf0Value {
    Amf0Value::Utf8String(text.to_owned())
}

fn set_chunk_size(size: u32) -> Vec<u8> {
    chunks(2, 1, 0, 0, &size.to_be_bytes())
}

/// Bytes after the handshake, for which the connection must be closed at once.
fn poison() -> Vec<(&'static str, Vec<u8>)> {
    let greeted = |rest: Vec<u8>| [connect("live"), rest].concat();
    // Declares a long message and says nothing of it.
    let open = |chunk_stream, length| [header(chunk_stream, 9, 0, length, 1), vec![0; 128]].concat();
    vec![
        ("R1: an empty command", greeted([header(3, 20, 0, 0, 0), vec![]].concat())),
        ("R1: a command that is only a name", greeted(chunks(3, 20, 0, 0, b"\x02\0\x07publish"))),
        ("R2: a bare @setDataFrame", greeted(chunks(4, 18, 0, 1, b"\x02\0\x0d@setDataFrame"))),
        ("R3: media of two messages interleaved, before any publish", {
            let (video, audio) = (chunks(4, 9, 0, 1, &[7; 300]), chunks(5, 8, 0, 1, &[9; 300]));
            greeted([&video[..140], &audio[..140], &video[140..], &audio[140..]].concat())
        }),
        ("R4: nested objects", chunks(3, 20, 0, 0, &b"\x03\0\x01a".repeat(10_000))),
        ("R5: sixteen megabytes of nulls, announced", header(3, 20, 0, 0xff_ffff, 0)),
        ("R5: as many nulls as a stranger may send", chunks(3, 20, 0, 0, &[5; 60_000])),
        ("R6: a chunk size of two to the thirty-first", greeted(set_chunk_size(1 << 31))),
        (
            "R6: a stalled message of sixteen megabytes",
            [set_chunk_size(1 << 20), header(4, 9, 0, 0xff_ffff, 1)].concat(),
        ),
        ("R7: connect in a loop", connect("live").repeat(3)),
        ("R7: createStream in a loop", { greeted(command("createStream", 2.0, vec![Amf0Value::Null]).repeat(1_000)) }),
        ("R8: type 1 with an extended delta, then media nobody asked for", {
            let first = [header(4, 8, 0xff_fffe, 1, 1), vec![1]].concat();
            greeted([&first[..], &[0x44, 0xff, 0xff, 0xff, 0, 0, 1, 8, 0, 0, 0, 0, 2]].concat())
        }),
        ("R9: a chunk size of zero", greeted(set_chunk_size(0))),
        (
            "R11: a truncated string",
            greeted(chunks(3, 20, 0, 0, b"\x02\0\x07publish\0\x40\x14\0\0\0\0\0\0\x05\x02\0\x05abc")),
        ),
        ("more chunk streams than anybody needs", {
            (0..100_u8).flat_map(|id| [&[0, id][..], &header(9, 8, 0, 200, 1)[1..], &[0; 128]].concat()).collect()
        }),
        ("a message inside another", [open(4, 1_000), open(4, 1_000)].concat()),
        ("a continuation of nothing", vec![0xc7]),
        ("more unfinished messages than a stranger may have", {
            let fill = |id: u8| chunks(id, 9, 0, 1, &vec![0; 200_000])[..150_000].to_vec();
            [open(3, 10), fill(4), fill(5), fill(6), fill(7), fill(8)].concat()
        }),
        ("a number that is none", greeted(command("publish", f64::NAN, vec![Amf0Value::Null, text("x")]))),
        ("play", greeted(command("play", 2.0, vec![Amf0Value::Null, text("x")]))),
        ("publish without connect", command("publish", 2.0, vec![Amf0Value::Null, text("x")])),
    ]
}

/// A well-behaved stream of somebody else, running meanwhile.
pub struct Bystander {
    task: JoinSet<Encoder>,
    tags: Vec<FileTag>,
}

impl Bystander {
    pub async fn start(rig: &Rig) -> Self {
        let mut encoder = rig.publish(OTHER_KEY).await;
        let tags = made_up_tags(6);
        let (sent, mut task) = (tags.clone(), JoinSet::new());
        task.spawn(async move {
            encoder.send(sent, Pace::RealTime).await.expect("the bystander stays connected");
            encoder
        });
        Self { task, tags }
    }

    pub async fn lost_nothing(mut self, rig: &Rig) {
        let encoder = self.task.join_next().await.expect("one task").expect("no panic");
        encoder.unpublish().await.expect("the server hangs up");
        let links = rig.transcoder.until("the bystander's end", |all| all.iter().any(|link| link.has_ended())).await;
        let link = links.iter().find(|link| link.hello.username == "bob").expect("the bystander's link");
        for (kind, tag_kind) in [(FrameKind::Video, TagKind::Video), (FrameKind::Audio, TagKind::Audio)] {
            let sent: Vec<_> =
                self.tags.iter().filter(|tag| tag.kind == tag_kind).map(|tag| tag.body.clone()).collect();
            assert!(link.payloads(kind) == sent, "{kind:?} differs");
        }
    }
}

/// B1: R1 to R13 and their neighbours.
#[tokio::test]
async fn poison_is_answered_by_hanging_up_at_once_and_nobody_else_notices() {
    let rig = Rig::start().await;
    let bystander = Bystander::start(&rig).await;
    for (what, bytes) in poison() {
        for slice in [bytes.len(), 1_000] {
            let mut peer = RawPeer::shaken(rig.rtmp).await.expect("a handshake");
            for part in bytes.chunks(slice) {
                peer.send(part).await;
            }
            let closed = peer.closed(AT_ONCE).await;
            assert!(closed.is_some(), "{what} was left open");
        }
    }
    bystander.lost_nothing(&rig).await;
    rig.stop().await;
}

/// R3, R8, R12 as somebody honest may send them: what is legal is read right.
#[tokio::test]
async fn bytes_split_one_by_one_are_read_like_bytes_in_one_piece() {
    let rig = Rig::start().await;
    let tag = &made_up_tags(1)[3];
    let wire = [
        connect("live"),
        command("createStream", 2.0, vec![Amf0Value::Null]),
        command("publish", 3.0, vec![Amf0Value::Null, text(KEY)]),
        // Half a message, taken back; then interleaved ones, with the longest chunk stream ids.
        chunks(6, 9, 0, 1, &[1; 300])[..140].to_vec(),
        chunks(2, 2, 0, 0, &6_u32.to_be_bytes()),
        chunks(6, 9, 40, 1, &tag.body),
    ]
    .concat();
    let mut payloads = Vec::new();
    for step in [wire.len(), 1] {
        let mut peer = RawPeer::shaken(rig.rtmp).await.expect("a handshake");
        for part in wire.chunks(step) {
            peer.send(part).await;
        }
        let links = payloads.len() + 1;
        let all =
            rig.transcoder.until("the frame", |all| all.len() == links && !all[links - 1].frames.is_empty()).await;
        payloads.push(all[links - 1].payloads(FrameKind::Video));
        peer.send(&command("FCUnpublish", 4.0, vec![Amf0Value::Null, text(KEY)])).await;
        assert!(peer.closed(Duration::from_secs(2)).await.is_some());
        rig.until("SELECT 1 FROM streams WHERE status <> 'ended'", serde_json::json!([])).await;
    }
    assert_eq!(payloads[0], std::slice::from_ref(&tag.body));
    assert_eq!(payloads[0], payloads[1]);
    rig.stop().await;
}

/// Memory of this process, in MiB.
fn resident_mib() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("pages") * 4 / 1_024
}

/// B4. Memory is that of the node and of its attackers together.
#[tokio::test]
async fn five_thousand_slow_handshakes_are_cut_after_five_seconds_while_publishers_come_and_go() {
    const SLOW: u32 = 5_000;
    let rig = Rig::start().await;
    let mut peers = JoinSet::new();
    let before = resident_mib();
    let connected = Arc::new(Semaphore::new(0));
    let queue = Arc::new(Semaphore::new(200));
    for n in 0..SLOW {
        let (addr, connected, queue) = (rig.rtmp, Arc::clone(&connected), Arc::clone(&queue));
        peers.spawn(async move {
            // Not more at once than the system lets wait for us to accept.
            let turn = queue.acquire().await.expect("open");
            let mut peer = RawPeer::connect(addr).await.expect("a connection");
            drop(turn);
            connected.add_permits(1);
            let begun = Instant::now();
            // Some say nothing, some dribble.
            if n % 2 == 0 {
                peer.send(&[3]).await;
            }
            for _ in 0..7 {
                if peer.closed(AT_ONCE).await.is_some() {
                    return begun.elapsed();
                }
                peer.send(&[0]).await;
            }
            begun.elapsed()
        });
    }
    let all = tokio::time::timeout(Duration::from_secs(4), connected.acquire_many(SLOW)).await;
    drop(all.expect("all are connected while the first is still waited for"));
    let begun = Instant::now();
    let encoder = rig.publish(KEY).await;
    let (took, more_mib) = (begun.elapsed(), resident_mib().saturating_sub(before));
    println!("B4: on air after {took:?}, {more_mib} MiB more");
    assert!(took < AT_ONCE, "{took:?}");
    assert!(more_mib <= 100, "{more_mib} MiB");
    encoder.unpublish().await.expect("the server hangs up");
    let mut longest = Duration::ZERO;
    while let Some(took) = peers.join_next().await {
        longest = longest.max(took.expect("no panic"));
    }
    println!("B4: the last one was cut after {longest:?}");
    assert!(longest < Duration::from_millis(6_000), "{longest:?}");
    rig.stop().await;
}

async fn silent_after(addr: SocketAddr, key: Option<&str>, tags: usize) -> Duration {
    let manners = Manners::obs(key.unwrap_or("none"));
    let mut encoder = match key {
        Some(_) => Encoder::publish_as(addr, manners).await.unwrap_or_else(|e| panic!("{e}")),
        None => Encoder::connect(addr, manners).await.expect("connects"),
    };
    encoder.send(made_up_tags(1).into_iter().take(tags), Pace::AsFastAsPossible).await.expect("sends");
    let begun = Instant::now();
    tokio::time::timeout(Duration::from_secs(11), encoder.closed()).await.expect("closed in time").expect("closed");
    begun.elapsed()
}

/// B5.
#[tokio::test]
async fn peers_that_never_publish_or_never_deliver_are_gone_within_ten_seconds() {
    let rig = Rig::start().await;
    let silences = join_all([
        Box::pin(silent_after(rig.rtmp, None, 0)),
        Box::pin(silent_after(rig.rtmp, Some(KEY), 0)),
        Box::pin(silent_after(rig.rtmp, Some(OTHER_KEY), 10)),
    ]);
    for (n, silence) in silences.await.into_iter().enumerate() {
        assert!((Duration::from_secs(8)..Duration::from_millis(10_700)).contains(&silence), "{n}: {silence:?}");
    }
    // Who never delivered leaves nothing; who fell silent may come back.
    rig.until("SELECT status FROM streams", serde_json::json!([{"status": "reconnecting"}])).await;
    rig.until("SELECT end_reason FROM publishes", serde_json::json!([{"end_reason": "went_silent"}])).await;
    rig.stop().await;
}

/// R10.
#[tokio::test]
async fn a_peer_that_never_reads_our_answers_is_cut_and_its_pings_do_not_pile_up() {
    let rig = Rig::start().await;
    let greeting = [connect("live"), chunks(2, 5, 0, 0, &[0; 4])].concat();
    let ping = chunks(2, 4, 0, 0, &[0, 6, 0, 0, 0, 1]);
    let courtesy = command("_checkbw", 9.0, vec![]);

    // Pings beyond a few a second get no answer, so they may go on until the deadline for publishing.
    let mut pinger = RawPeer::shaken(rig.rtmp).await.expect("a handshake");
    pinger.send(&greeting).await;
    let mut asker = RawPeer::shaken(rig.rtmp).await.expect("a handshake");
    asker.send(&greeting).await;
    let begun = Instant::now();
    let flood = async {
        while begun.elapsed() < Duration::from_secs(2) {
            pinger.send(&ping.repeat(1_000)).await;
        }
        pinger.read(Duration::from_millis(200)).await.len()
    };
    // Commands are counted.
    let asked = async {
        asker.flood(&courtesy.repeat(200), Duration::from_secs(2)).await;
        asker.closed(Duration::from_secs(2)).await
    };
    let (answers, closed) = tokio::join!(flood, asked);
    assert!(answers < 4_000, "{answers} bytes of answers");
    assert!(closed.is_some());
    rig.stop().await;
}

/// B8.
#[tokio::test]
async fn other_protocols_are_cut_at_their_first_byte() {
    let rig = Rig::start().await;
    for hello in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\x02\x00\x01", b"\x06encrypted"] {
        let mut peer = RawPeer::connect(rig.rtmp).await.expect("a connection");
        peer.send(hello).await;
        assert!(peer.closed(AT_ONCE).await.is_some());
    }
    rig.stop().await;
}

/// A11.
#[tokio::test]
async fn a_bit_rate_beyond_the_limit_is_cut_with_its_reason() {
    // Made-up tags are 1.3 Mbit/s: the bystander is within the limit, ten times as much is not.
    let rig = Rig::start_with(|config| config.ingest.bitrate_kbps_max = 2_000).await;
    let bystander = Bystander::start(&rig).await;
    let mut encoder = rig.publish(KEY).await;
    let begun = Instant::now();
    let _ = encoder.send(made_up_tags(60), Pace::AsFastAsPossible).await;
    let _ = encoder.closed().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    rig.until(
        "SELECT end_reason FROM streams JOIN users ON user_id = channel_id WHERE username = 'alice'",
        serde_json::json!([{"end_reason": "cut"}]),
    )
    .await;
    bystander.lost_nothing(&rig).await;
    rig.stop().await;
}
