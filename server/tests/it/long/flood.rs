//! G2: what a room's other people notice of a flood of ten thousand lines a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use testkit::socket::{RawSocket, open};
use testkit::stack::{Member, Stack};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout};

use super::storm::{DELIVERY_P95_MAX, Room, members, p95};
use crate::roles::follow;

/// Of all flooders together.
const LINES_PER_S: usize = 10_000;
const FLOODED_FOR: Duration = Duration::from_secs(10);
/// A flooder is told so, or cut, after this.
const LIMITED_WITHIN: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);
/// Whoever was cut comes back after this.
const BACK_AFTER: Duration = Duration::from_millis(500);
/// The bars are a release build's. One without optimisation, beside its attackers on two cores, is given more.
const PATIENCE: u32 = if cfg!(debug_assertions) { 4 } else { 1 };
/// `limits.chat_per_user_per_3s` and `limits.chat_per_room_per_s`, unless an operator says otherwise.
const PER_MEMBER: u64 = 5;
const PER_ROOM_AND_S: u64 = 100;
const WINDOW_S: u64 = 3;

/// What became of the flood's lines.
#[derive(Default)]
struct Fate {
    offered: AtomicU64,
    stored: AtomicU64,
    refused: AtomicU64,
    cuts: AtomicU64,
}

async fn enter(base: &str, token: &str) -> Option<RawSocket> {
    let mut socket = open(base, None).await.ok()?;
    socket.send(format!("40{}", json!({ "token": token }))).await.ok()?;
    socket.read().await.is_ok_and(|answer| answer.starts_with("40")).then_some(socket)
}

/// One who sends `per_tick` lines each [`TICK`] and comes back when cut. After how long it was first refused or cut.
async fn flooder(
    mut socket: RawSocket,
    base: String,
    token: String,
    per_tick: usize,
    fate: Arc<Fate>,
) -> Option<Duration> {
    let began = Instant::now();
    let until = began + FLOODED_FOR;
    let (mut limited, mut number) = (None, 0_u64);
    loop {
        let mut note = || limited = limited.or(Some(began.elapsed()));
        if flood(&mut socket, per_tick, &mut number, until, &fate, &mut note).await {
            return limited;
        }
        note();
        fate.cuts.fetch_add(1, Ordering::Relaxed);
        // Who flooded a moment ago stays outside for a while.
        socket = loop {
            sleep(BACK_AFTER).await;
            if Instant::now() >= until {
                return limited;
            }
            if let Some(socket) = enter(&base, &token).await {
                break socket;
            }
        };
    }
}

/// Sends until the time is over. False: it was cut.
async fn flood(
    socket: &mut RawSocket,
    per_tick: usize,
    number: &mut u64,
    until: Instant,
    fate: &Fate,
    limited: &mut impl FnMut(),
) -> bool {
    let mut tick = interval(TICK);
    loop {
        tokio::select! {
            at = tick.tick() => {
                if at >= until {
                    return true;
                }
                for _ in 0..per_tick {
                    let line = json!({ "username": "alice", "text": format!("flood {number}"), "client_id": number.to_string() });
                    let id = *number % 1_000_000;
                    *number += 1;
                    if socket.feed(format!(r#"42{id}["chat:send",{line}]"#)).await.is_err() {
                        return false;
                    }
                }
                fate.offered.fetch_add(per_tick as u64, Ordering::Relaxed);
                if !matches!(timeout(LIMITED_WITHIN, socket.flush()).await, Ok(Ok(()))) {
                    return false;
                }
            }
            answer = socket.read() => match answer {
                Ok(answer) if answer.contains(r#""ok":true"#) => { fate.stored.fetch_add(1, Ordering::Relaxed); }
                Ok(answer) if answer.starts_with("43") => { fate.refused.fetch_add(1, Ordering::Relaxed); limited(); }
                Ok(_) => {}
                Err(_) => return false,
            },
        }
    }
}

/// Floods from `sockets` of these members, while the room chats and a viewer watches.
async fn under_flood(room: &Room, stack: &Stack, flooders: &[Member], sockets: usize) {
    let fate = Arc::new(Fate::default());
    let per_tick = (LINES_PER_S * TICK.as_millis() as usize / 1_000).div_ceil(sockets);
    let token = |n: usize| flooders[n % flooders.len()].token.clone();
    let mut inside = Vec::new();
    for chunk in (0..sockets).collect::<Vec<_>>().chunks(50) {
        inside
            .extend(join_all(chunk.iter().map(async |n| enter(stack.http(), &token(*n)).await.expect("let in"))).await);
    }
    let flood = async {
        let mut flood = JoinSet::new();
        for (n, socket) in inside.into_iter().enumerate() {
            flood.spawn(flooder(socket, stack.http().to_owned(), token(n), per_tick, Arc::clone(&fate)));
        }
        flood.join_all().await
    };
    let name = format!("beside {sockets}");
    let (limited, took, followed) = tokio::join!(
        flood,
        room.chat(&name, FLOODED_FOR - Duration::from_secs(1)),
        follow(stack.http(), "alice", FLOODED_FOR)
    );
    let [offered, stored, refused, cuts] =
        [&fate.offered, &fate.stored, &fate.refused, &fate.cuts].map(|count| count.load(Ordering::Relaxed));
    let slowest = limited.iter().map(|limited| limited.unwrap_or(Duration::MAX)).max();
    println!(
        "G2: {sockets} sockets of {} members offered {offered} lines in {FLOODED_FOR:?}: {stored} stored, {refused} refused, {cuts} cuts; the last was \
         limited after {slowest:?}; 95 of 100 lines of others within {:?}; longest pause of a viewer {:?}",
        flooders.len(),
        p95(&took),
        followed.longest_pause()
    );
    let members = flooders.len() as u64;
    let seconds = FLOODED_FOR.as_secs();
    let allowed =
        (members * (PER_MEMBER + PER_MEMBER * seconds / WINDOW_S)).min(PER_ROOM_AND_S + PER_ROOM_AND_S * seconds);
    assert!(stored <= allowed + members, "{stored} of {allowed}");
    assert!(slowest.is_some_and(|slowest| slowest <= LIMITED_WITHIN), "{slowest:?}");
    assert!(p95(&took) < DELIVERY_P95_MAX * PATIENCE, "{:?}", p95(&took));
    assert!(
        followed.failures.is_empty() && followed.longest_pause() < Duration::from_secs(1) * PATIENCE,
        "{:?}",
        followed.failures
    );
}

#[tokio::test]
#[ignore = "a minute"]
async fn ten_thousand_lines_a_second_are_not_noticed_by_others() {
    let room = Room::open().await;
    let flooders = members(&room.stack, "flooder", 100).await;
    for (members, sockets) in [(1, 1), (10, 100), (100, 1_000)] {
        under_flood(&room, &room.stack, &flooders[..members], sockets).await;
        // What each may say comes back.
        sleep(Duration::from_secs(WINDOW_S)).await;
    }
    room.close().await;
}
