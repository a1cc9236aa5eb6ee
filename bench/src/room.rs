//! A crowd in one chat room, beside a plain Node Socket.IO server that stores nothing.

mod client;

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use chat::history::{History, MongoHistory, Stored};
use chat::message::{Author, Message};
use client::Client;
use domain::chat::MessageKind;
use domain::{MessageId, UserId};
use kit::Secret;
use serde_json::{Value, json};
use testkit::mongo::MongoServer;
use testkit::stack::{Plan, Stack};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::process;

const CROWD: usize = 2_000;
const SPEAKERS: usize = 25;
const FIRST: usize = 200;
const ROOM: &str = "alice";
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(10);
/// Writers to the bare store, and senders to the site: enough to keep either busy.
const WRITERS: usize = 32;
const SENDERS: usize = 400;
/// How long what was said may take to be heard by all.
const LATE_MAX: Duration = Duration::from_secs(60);
const JOINS: usize = 10_000;
const JOIN_TIME: Duration = Duration::from_secs(10);
/// How many connect at a time while a crowd gathers.
const AT_ONCE: usize = 50;

/// A server under measurement.
enum Server {
    Node { child: Child, host: String },
    Rillcast { site: Box<Stack>, tokens: Vec<String> },
}

impl Server {
    async fn node() -> anyhow::Result<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/room/node.mjs");
        let mut child = Command::new("node")
            .arg(script)
            .env("RILLCAST_WEB", concat!(env!("CARGO_MANIFEST_DIR"), "/../web"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("node is not installed")?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let line = lines.next_line().await?.context("node ended")?;
        let host = line.strip_prefix("ready http://").context("another first line")?.to_owned();
        Ok(Self::Node { child, host })
    }

    /// With its own Postgres and Redis, which count.
    async fn rillcast() -> anyhow::Result<Self> {
        Self::of(open_to_crowds(Plan::embedded(&process::rillcast()?))).await
    }

    async fn of(plan: Plan) -> anyhow::Result<Self> {
        let site = plan.start().await;
        site.member(ROOM).await;
        let mut tokens = Vec::new();
        for number in 0..SPEAKERS {
            tokens.push(site.member(&format!("speaker{number}")).await.token);
        }
        Ok(Self::Rillcast { site: Box::new(site), tokens })
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Node { .. } => "node",
            Self::Rillcast { .. } => "rillcast",
        }
    }

    fn host(&self) -> &str {
        match self {
            Self::Node { host, .. } => host,
            Self::Rillcast { site, .. } => site.http().trim_start_matches("http://"),
        }
    }

    fn pid(&self) -> u32 {
        match self {
            Self::Node { child, .. } => child.id().expect("it runs"),
            Self::Rillcast { site, .. } => site.process.pid(),
        }
    }

    fn token(&self, speaker: usize) -> Option<&str> {
        match self {
            Self::Node { .. } => None,
            Self::Rillcast { tokens, .. } => tokens.get(speaker).map(String::as_str),
        }
    }

    /// Of the process and all it started.
    fn cpu(&self) -> anyhow::Result<Duration> {
        process::tree(self.pid())?.into_iter().map(process::cpu).sum()
    }

    async fn stop(self) {
        match self {
            Self::Node { mut child, .. } => {
                let _ended = child.kill().await;
            }
            Self::Rillcast { site, .. } => site.stop().await,
        }
    }
}

/// A site that lets one address and one member do what thousands would.
fn open_to_crowds(plan: Plan) -> Plan {
    plan.set("limits.chat_per_user_per_3s", "1000000")
        .set("limits.chat_per_room_per_s", "1000000")
        .set("limits.viewers_per_ip", "20000")
        .set("chat.connections_per_ip_max", "20000")
        .set("log.filter", "warn")
}

/// What the crowd heard while it was counted.
#[derive(Default)]
struct Heard {
    /// Deliveries by how long they took, in steps of 0.1 ms; the last for all that took longer.
    steps: Vec<AtomicU64>,
    is_counting: AtomicBool,
}

const STEPS: usize = 50_000;

impl Heard {
    fn new() -> Arc<Self> {
        Arc::new(Self { steps: (0..STEPS).map(|_| AtomicU64::new(0)).collect(), ..Self::default() })
    }

    fn note(&self, took: Duration) {
        if self.is_counting.load(Ordering::Relaxed) {
            let step = usize::try_from(took.as_micros() / 100).unwrap_or(STEPS);
            self.steps[step.min(STEPS - 1)].fetch_add(1, Ordering::Relaxed);
        }
    }

    fn count(&self) -> u64 {
        self.steps.iter().map(|step| step.load(Ordering::Relaxed)).sum()
    }

    fn take(&self) -> Vec<u64> {
        self.steps.iter().map(|step| step.swap(0, Ordering::Relaxed)).collect()
    }
}

fn quantile_ms(steps: &[u64], part: f64) -> f64 {
    let wanted = (steps.iter().sum::<u64>() as f64 * part) as u64;
    let mut so_far = 0;
    let found = steps.iter().position(|count| {
        so_far += count;
        so_far > wanted
    });
    found.unwrap_or(STEPS) as f64 / 10.0
}

pub async fn run() -> anyhow::Result<Value> {
    println!(
        "{CROWD} in one chat room         a second   CPU a delivery   delivery 95, 99 of 100   a connected viewer"
    );
    let node = crowd(Server::node().await?).await.context("node")?;
    let rillcast = crowd(Server::rillcast().await?).await.context("rillcast")?;
    let ratio = |rate: &str| {
        rillcast[rate]["delivery_us"].as_f64().unwrap_or(f64::NAN)
            / node[rate]["delivery_us"].as_f64().unwrap_or(f64::NAN)
    };
    let (at_20, at_100) = (ratio("at_20"), ratio("at_100"));
    println!("  CPU a delivery: {at_20:.2} × node at 20 a second, {at_100:.2} × at 100");
    let joins = joins().await.context("joins")?;
    let stored = stored().await.context("stored")?;
    let nodes = nodes().await.context("two nodes")?;
    Ok(json!({ "node": node, "rillcast": rillcast, "ratio_at_20": at_20, "ratio_at_100": at_100, "joins": joins,
        "stored": stored, "nodes": nodes }))
}

type Audience = JoinSet<anyhow::Result<()>>;

/// `people` more in a room of the server at `host`.
async fn gather(
    audience: &mut Audience,
    people: usize,
    host: &str,
    heard: &Arc<Heard>,
    epoch: Instant,
) -> anyhow::Result<()> {
    let mut gathering = JoinSet::new();
    for number in 0..people {
        if number >= AT_ONCE {
            audience.spawn(listen(gathering.join_next().await.context("somebody")???, Arc::clone(heard), epoch));
        }
        let host = host.to_owned();
        gathering.spawn(async move {
            let mut client = Client::connect(&host, None).await?;
            client.join(ROOM).await?;
            Ok::<_, anyhow::Error>(client)
        });
    }
    while let Some(client) = gathering.join_next().await {
        audience.spawn(listen(client??, Arc::clone(heard), epoch));
    }
    Ok(())
}

async fn crowd(server: Server) -> anyhow::Result<Value> {
    let heard = Heard::new();
    let epoch = Instant::now();
    let mut audience = Audience::new();
    // What the first ones need, code and pools among it, is no viewer's.
    gather(&mut audience, FIRST, server.host(), &heard, epoch).await?;
    sleep(WARM_UP).await;
    let before_kib = process::resident_kib(server.pid())?;
    let people = CROWD - SPEAKERS - FIRST;
    gather(&mut audience, people, server.host(), &heard, epoch).await?;
    sleep(WARM_UP).await;
    let viewer_kib = (process::resident_kib(server.pid())? - before_kib) as f64 / people as f64;
    let (speakers, mut speaking) = invite(&server).await?;
    let mut told = json!({ "viewer_kib": viewer_kib });
    for rate in [20, 100] {
        let measured = speak(&server, &speakers, rate, &heard, epoch).await?;
        let (us, p95, p99) = (
            measured["delivery_us"].as_f64().unwrap_or(f64::NAN),
            measured["p95_ms"].as_f64().unwrap_or(f64::NAN),
            measured["p99_ms"].as_f64().unwrap_or(f64::NAN),
        );
        println!(
            "  {:<10} {rate:>20}      {us:>8.2} µs          {p95:>6.1}, {p99:>6.1} ms           {viewer_kib:>6.1} KiB",
            server.name()
        );
        told[format!("at_{rate}")] = measured;
    }
    drop(speakers);
    while let Some(spoken) = speaking.join_next().await {
        spoken??;
    }
    audience.shutdown().await;
    server.stop().await;
    Ok(told)
}

/// Notes how long each message took: its text says when it was sent, in microseconds since `epoch`.
async fn listen(mut client: Client, heard: Arc<Heard>, epoch: Instant) -> anyhow::Result<()> {
    loop {
        let text = client.next().await?;
        if let Some(sent) = sent_us(text) {
            let took = epoch.elapsed().saturating_sub(Duration::from_micros(sent));
            heard.note(took);
        }
    }
}

fn sent_us(text: &str) -> Option<u64> {
    let rest = text.strip_prefix(r#"42["chat:message""#)?;
    let (_, rest) = rest.split_once("sent at ")?;
    rest.split_once(' ')?.0.parse().ok()
}

type Speakers = (Vec<mpsc::Sender<String>>, JoinSet<anyhow::Result<()>>);

async fn invite(server: &Server) -> anyhow::Result<Speakers> {
    let (mut speakers, mut speaking) = (Vec::new(), JoinSet::new());
    for number in 0..SPEAKERS {
        let mut client = Client::connect(server.host(), server.token(number)).await?;
        client.join(ROOM).await?;
        let (lines, said) = mpsc::channel(64);
        speaking.spawn(speaker(client, said));
        speakers.push(lines);
    }
    Ok((speakers, speaking))
}

/// Says what it is given, and hears what everybody hears, until nothing more is given.
async fn speaker(mut client: Client, mut lines: mpsc::Receiver<String>) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            line = lines.recv() => match line {
                Some(line) => client.send(&line).await?,
                None => return Ok(()),
            },
            heard = client.next() => {
                let text = heard?;
                ensure!(!text.contains("\"ok\":false"), "refused: {text}");
            }
        }
    }
}

/// Lets the speakers speak in turn, `rate` messages a second together.
async fn speak(
    server: &Server,
    speakers: &[mpsc::Sender<String>],
    rate: u32,
    heard: &Arc<Heard>,
    epoch: Instant,
) -> anyhow::Result<Value> {
    let mut tick = interval(Duration::from_secs(1) / rate);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let total = usize::try_from(rate)? * usize::try_from((WARM_UP + MEASURED).as_secs())?;
    let counted_from = usize::try_from(rate)? * usize::try_from(WARM_UP.as_secs())?;
    let (mut before, mut from) = (Duration::ZERO, Instant::now());
    for number in 0..total {
        tick.tick().await;
        if number == counted_from {
            heard.take();
            heard.is_counting.store(true, Ordering::Relaxed);
            (before, from) = (server.cpu()?, Instant::now());
        }
        let turn = number % SPEAKERS;
        let text = format!("sent at {} and as long as people's lines are, more or less", epoch.elapsed().as_micros());
        let body = json!({ "username": ROOM, "text": text, "client_id": format!("{rate}-{number}") });
        speakers[turn].send(format!(r#"42{number}["chat:send",{body}]"#)).await.context("a speaker is gone")?;
    }
    // A server that cannot keep up is given the time it needs; its latencies tell.
    let wanted = ((total - counted_from) * (CROWD - SPEAKERS)) as u64;
    let until = Instant::now() + LATE_MAX;
    while heard.count() < wanted && Instant::now() < until {
        sleep(Duration::from_millis(100)).await;
    }
    let (used, took) = (server.cpu()? - before, from.elapsed());
    heard.is_counting.store(false, Ordering::Relaxed);
    let steps = heard.take();
    let deliveries: u64 = steps.iter().sum();
    ensure!(deliveries >= wanted * 999 / 1_000, "{deliveries} deliveries of {wanted}");
    Ok(json!({
            "deliveries": deliveries,
            "core": used.as_secs_f64() / took.as_secs_f64(),
            "delivery_us": used.as_secs_f64() * 1e6 / deliveries as f64,
            "p95_ms": quantile_ms(&steps, 0.95),
            "p99_ms": quantile_ms(&steps, 0.99),
    }))
}

/// Ten thousand people who come within ten seconds, to a room with a past.
async fn joins() -> anyhow::Result<Value> {
    let server = Server::rillcast().await?;
    let mut speaker = Client::connect(server.host(), server.token(0)).await?;
    for number in 0..50 {
        let body = json!({ "username": ROOM, "text": format!("line {number} of a room's past, as people write them"),
            "client_id": format!("past-{number}") });
        speaker.ask("chat:send", &body).await?;
        // No faster than one socket may.
        sleep(Duration::from_millis(60)).await;
    }
    let mut gathering = JoinSet::new();
    let mut tick = interval(JOIN_TIME / u32::try_from(JOINS)?);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let from = Instant::now();
    for _ in 0..JOINS {
        tick.tick().await;
        let host = server.host().to_owned();
        gathering.spawn(async move {
            let begun = Instant::now();
            let mut client = Client::connect(&host, None).await?;
            let joined = client.join(ROOM).await?;
            Ok::<_, anyhow::Error>((client, joined, begun.elapsed()))
        });
    }
    let (mut clients, mut times) = (Vec::new(), Vec::new());
    while let Some(joined) = gathering.join_next().await {
        let (client, joined, _) = joined??;
        clients.push(client);
        times.push(joined.as_secs_f64() * 1e3);
    }
    let took = from.elapsed();
    times.sort_by(f64::total_cmp);
    let (p95_ms, all_s) = (times[times.len() * 95 / 100], took.as_secs_f64());
    println!("  {JOINS} joins with 50 lines of history in {all_s:.1} s, 95 of 100 within {p95_ms:.1} ms, no error");
    drop(clients);
    server.stop().await;
    Ok(json!({ "joins": JOINS, "seconds": all_s, "p95_ms": p95_ms }))
}

/// Lines that are stored and acknowledged, in one room, beside what the store takes when nothing else is done.
async fn stored() -> anyhow::Result<Value> {
    let mongo = tokio::task::spawn_blocking(MongoServer::start).await?;
    let store = Arc::new(MongoHistory::new(&Secret::new(mongo.url()), &mongo.database()).await?);
    let (room, counted) = (UserId::from_uuid(kit::ids::uuid()), Arc::new(AtomicU64::new(0)));
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let (store, counted) = (Arc::clone(&store), Arc::clone(&counted));
        writers.spawn(async move {
            while let Stored::New = store.insert(&line(room)).await? {
                counted.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
    }
    let bare = per_second(&counted).await;
    writers.shutdown().await;
    let plan = open_to_crowds(Plan::embedded(&process::rillcast()?))
        .set("chat.mongodb_url", mongo.url())
        .set("chat.mongodb_database", &mongo.database());
    let server = Server::of(plan).await?;
    let counted = Arc::new(AtomicU64::new(0));
    let mut writers = JoinSet::new();
    for number in 0..SENDERS {
        let mut client = Client::connect(server.host(), server.token(number % SPEAKERS)).await?;
        let counted = Arc::clone(&counted);
        writers.spawn(async move {
            // As many as one socket may: whoever asks faster is refused.
            let mut tick = interval(Duration::from_millis(52));
            for line in 0_u64.. {
                tick.tick().await;
                let body = json!({ "username": ROOM, "client_id": format!("{number}-{line}"),
                    "text": format!("line {line} of somebody who has much to say") });
                client.ask("chat:send", &body).await?;
                counted.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
    }
    let acknowledged = per_second(&counted).await;
    if let Some(ended) = writers.try_join_next() {
        ended??;
    }
    writers.shutdown().await;
    server.stop().await;
    let ratio = acknowledged / bare;
    println!("  stored and acknowledged: {acknowledged:.0} a second; the store alone takes {bare:.0}: {ratio:.2} ×");
    Ok(json!({ "acknowledged_per_s": acknowledged, "store_per_s": bare, "ratio": ratio }))
}

fn line(channel: UserId) -> Message {
    let id = MessageId::from_uuid(kit::ids::uuid());
    Message {
        id,
        channel,
        stream: None,
        author: Author { id: channel, username: ROOM.to_owned(), display_name: ROOM.to_owned(), badges: Vec::new() },
        text: "a line of somebody who has much to say".to_owned(),
        client_id: id.to_string(),
        sent_at: kit::clock::now(),
        offset_ms: None,
        kind: MessageKind::Message,
        reply_to: None,
        thread: None,
        mentions: Vec::new(),
        emotes: BTreeMap::new(),
        edited_at: None,
        changed_at: None,
    }
}

async fn per_second(counted: &AtomicU64) -> f64 {
    sleep(WARM_UP).await;
    let (before, from) = (counted.load(Ordering::Relaxed), Instant::now());
    sleep(MEASURED).await;
    (counted.load(Ordering::Relaxed) - before) as f64 / from.elapsed().as_secs_f64()
}

/// From a speaker on one node to a crowd on the other.
async fn nodes() -> anyhow::Result<Value> {
    let exe = process::rillcast()?;
    let first = open_to_crowds(Plan::quick(&exe).await);
    let mut second = open_to_crowds(Plan::embedded(&exe));
    for key in ["database.url", "redis.url", "redis.prefix"] {
        second = second.set(key, first.value(key).context("a plan without services")?);
    }
    let first = Server::of(first).await?;
    let second = second.start().await;
    let (heard, epoch) = (Heard::new(), Instant::now());
    let mut audience = Audience::new();
    let host = second.http().trim_start_matches("http://");
    gather(&mut audience, CROWD - SPEAKERS, host, &heard, epoch).await?;
    let (speakers, mut speaking) = invite(&first).await?;
    let measured = speak(&first, &speakers, 20, &heard, epoch).await?;
    drop(speakers);
    while let Some(spoken) = speaking.join_next().await {
        spoken??;
    }
    audience.shutdown().await;
    first.stop().await;
    second.stop().await;
    println!("  to {CROWD} on another node: 95 of 100 within {} ms", measured["p95_ms"]);
    Ok(measured)
}
