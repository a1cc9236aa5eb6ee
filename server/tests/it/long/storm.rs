//! G3: what a room's other people notice of clients that never read.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use testkit::socket::{ConnectOptions, SocketClient};
use testkit::stack::{Ffmpeg, Member, Plan, Stack};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use crate::EXE;
use crate::roles::follow;

const LISTENERS: usize = 20;
/// Each says a line a second: five in three seconds are allowed.
const SPEAKERS: usize = 5;
pub(super) const DELIVERY_P95_MAX: Duration = Duration::from_millis(500);
/// In a room where a flood takes what may be said, somebody is heard after this.
const CROWDED_FOR_MAX: Duration = Duration::from_secs(2);
const DEAF: usize = 1_000;
/// A client that takes nothing is gone after this.
const DEAF_FOR_MAX: Duration = Duration::from_secs(30);
/// What 64 packets of a chat come to, and the connection itself.
const DEAF_BYTES_MAX: u64 = 64 * 1024 + 32 * 1024;

/// A channel on air, with people in its chat.
pub(super) struct Room {
    pub stack: Stack,
    encoder: Ffmpeg,
    speakers: Vec<SocketClient>,
    listeners: Vec<SocketClient>,
}

pub(super) async fn members(stack: &Stack, name: &str, count: usize) -> Vec<Member> {
    let mut members = Vec::new();
    for n in 0..count {
        members.push(stack.member(&format!("{name}{n}")).await);
    }
    members
}

impl Room {
    pub async fn open() -> Self {
        let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
        let alice = stack.member("alice").await;
        let encoder = Ffmpeg::publish(&stack.publish_url(&alice), 180.0);
        stack.until_status("alice", Some("live"), Duration::from_secs(15)).await;
        let speakers = members(&stack, "speaker", SPEAKERS).await;
        let speakers = speakers.iter().map(|speaker| enter(&stack, json!({ "token": speaker.token })));
        let speakers = join_all(speakers).await;
        let listeners = join_all((0..LISTENERS).map(|_| enter(&stack, json!({})))).await;
        Self { stack, encoder, speakers, listeners }
    }

    /// Says a line five times a second for `lasting`. What the deliveries to all listeners took, sorted.
    pub async fn chat(&self, name: &str, lasting: Duration) -> Vec<Duration> {
        let lines = usize::try_from(lasting.as_millis() / 200).expect("few");
        let text = |number: usize| format!("{name}, line {number}");
        let hear = async |listener: &SocketClient| {
            let mut heard = Vec::new();
            for number in 0..lines {
                listener.next_where("chat:message", |message| message["text"] == text(number)).await.expect("heard");
                heard.push(Instant::now());
            }
            heard
        };
        let say = async {
            let mut said = Vec::new();
            for number in 0..lines {
                let body = json!({ "username": "alice", "text": text(number), "client_id": number.to_string() + "-" + &name.replace(' ', "-") });
                let began = Instant::now();
                said.push(loop {
                    let at = Instant::now();
                    let answer =
                        self.speakers[number % SPEAKERS].ask("chat:send", body.clone()).await.expect("answered");
                    if answer["ok"] == true {
                        break at;
                    }
                    // A room full of people is told so; whoever wants to be heard asks again.
                    assert_eq!(answer["code"], "chat.crowded", "{answer}");
                    assert!(began.elapsed() < CROWDED_FOR_MAX, "never heard");
                    sleep(Duration::from_millis(answer["retry_after_ms"].as_u64().expect("when"))).await;
                });
                sleep(Duration::from_millis(200).saturating_sub(began.elapsed())).await;
            }
            said
        };
        let (said, heard) = tokio::join!(say, join_all(self.listeners.iter().map(hear)));
        let mut took: Vec<Duration> =
            heard.iter().flat_map(|heard| heard.iter().zip(&said).map(|(heard, said)| *heard - *said)).collect();
        took.sort_unstable();
        took
    }

    pub async fn close(self) {
        self.encoder.stop().await;
        self.stack.stop().await;
    }
}

async fn enter(stack: &Stack, auth: Value) -> SocketClient {
    let client = SocketClient::connect(stack.http(), ConnectOptions { auth, ..ConnectOptions::default() }).await;
    let client = client.expect("let in");
    assert_eq!(client.ask("stream:join", json!({ "username": "alice" })).await.expect("answered")["ok"], true);
    client
}

pub(super) fn p95(took: &[Duration]) -> Duration {
    took[took.len() * 95 / 100]
}

fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number") * 1024
}

/// Joins the room, with as little room in the kernel as there can be, and reads only what it must for that.
async fn deaf(host: &str) -> TcpStream {
    let tcp = TcpSocket::new_v4().expect("a socket");
    tcp.set_recv_buffer_size(4_096).expect("set");
    let mut stream = tcp.connect(host.parse().expect("an address")).await.expect("connected");
    let request = format!(
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    for (text, answer) in [("40{}", r#"40{"sid""#), (r#"420["stream:join",{"username":"alice"}]"#, "430[")] {
        let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).expect("short"), 0, 0, 0, 0];
        frame.extend(text.as_bytes());
        stream.write_all(&frame).await.expect("sent");
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains(answer) {
            let mut some = [0; 512];
            let read = stream.read(&mut some).await.expect("answered");
            assert!(read > 0, "closed");
            heard.extend(&some[..read]);
        }
    }
    stream
}

#[tokio::test]
#[ignore = "a minute"]
async fn a_thousand_clients_that_never_read_are_gone_in_half_a_minute_and_hold_little() {
    let room = Room::open().await;
    let host = room.stack.http().trim_start_matches("http://").to_owned();
    let before = resident_bytes(room.stack.process.pid());
    let mut all = Vec::new();
    for _ in 0..DEAF / 50 {
        all.extend(join_all((0..50).map(|_| deaf(&host))).await);
    }
    let joined = Instant::now();
    let mut most = 0;
    let watch = async {
        while joined.elapsed() < DEAF_FOR_MAX {
            most = most.max(resident_bytes(room.stack.process.pid()));
            sleep(Duration::from_millis(200)).await;
        }
    };
    let (took, followed, ()) = tokio::join!(
        room.chat("aloud", DEAF_FOR_MAX - Duration::from_secs(2)),
        follow(room.stack.http(), "alice", DEAF_FOR_MAX - Duration::from_secs(2)),
        watch
    );
    let ends = join_all(all.into_iter().map(|mut stream| async move {
        let mut rest = Vec::new();
        timeout(Duration::from_secs(2), stream.read_to_end(&mut rest)).await.is_ok()
    }))
    .await;
    let gone = ends.iter().filter(|is_gone| **is_gone).count();
    let each = most.saturating_sub(before) / DEAF as u64;
    println!(
        "G3: {gone} of {DEAF} gone after {DEAF_FOR_MAX:?}; {} KiB each at most; 95 of 100 lines of others within {:?}; longest pause of a viewer {:?}",
        each / 1024,
        p95(&took),
        followed.longest_pause()
    );
    assert_eq!(gone, DEAF);
    assert!(each <= DEAF_BYTES_MAX, "{each}");
    assert!(p95(&took) < DELIVERY_P95_MAX, "{:?}", p95(&took));
    assert!(
        followed.failures.is_empty() && followed.longest_pause() < Duration::from_secs(1),
        "{:?}",
        followed.failures
    );
    room.close().await;
}
