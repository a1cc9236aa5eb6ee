//! A small Socket.IO client over WebSocket: Engine.IO 4, namespace `/`, JSON only. Also says rude things when asked to.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Longest a test waits for anything it is owed.
const WAIT_MAX: Duration = Duration::from_secs(10);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why a connection was not made.
#[derive(Debug)]
pub enum ConnectFailure {
    /// The HTTP upgrade was answered with this status instead.
    Http(u16),
    /// The server sent `CONNECT_ERROR` with this message.
    Refused(String),
    Other(anyhow::Error),
}

impl From<anyhow::Error> for ConnectFailure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

#[derive(Default)]
struct Inbox {
    events: Mutex<VecDeque<(String, Value)>>,
    acks: Mutex<HashMap<u64, oneshot::Sender<Value>>>,
    arrived: Notify,
    closed: tokio_util::sync::CancellationToken,
}

/// One connected client. Dropping it drops the TCP connection without a goodbye, as a killed tab does.
pub struct SocketClient {
    pub sid: String,
    sink: Arc<Mutex<SplitSink<Socket, Message>>>,
    inbox: Arc<Inbox>,
    next_ack: AtomicU64,
    _reader: JoinSet<()>,
}

/// How to connect.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    pub auth: Value,
    pub origin: Option<String>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self { auth: json!({}), origin: None }
    }
}

/// Opens the WebSocket and reads Engine.IO's greeting, but joins no namespace yet.
pub async fn open(base_url: &str, origin: Option<&str>) -> Result<RawSocket, ConnectFailure> {
    let url = format!("{}/socket.io/?EIO=4&transport=websocket", base_url.replacen("http", "ws", 1));
    let mut request = url.into_client_request().context("the address")?;
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().context("the origin")?);
    }
    let (socket, _) = match timeout(WAIT_MAX, connect_async(request)).await.context("no answer to the upgrade")? {
        Ok(opened) => opened,
        Err(Error::Http(response)) => return Err(ConnectFailure::Http(response.status().as_u16())),
        Err(error) => return Err(ConnectFailure::Other(error.into())),
    };
    let mut raw = RawSocket { socket };
    let greeting = raw.read().await.context("no greeting")?;
    let greeting: Value =
        serde_json::from_str(greeting.strip_prefix('0').context("not a greeting")?).map_err(anyhow::Error::from)?;
    if greeting["maxPayload"].is_null() {
        return Err(ConnectFailure::Other(anyhow::anyhow!("a greeting without maxPayload")));
    }
    Ok(raw)
}

/// A WebSocket on which a test says whatever it likes.
pub struct RawSocket {
    socket: Socket,
}

impl RawSocket {
    pub async fn send(&mut self, text: impl Into<String>) -> anyhow::Result<()> {
        Ok(self.socket.send(Message::text(text.into())).await?)
    }

    pub async fn send_binary(&mut self, bytes: Vec<u8>) -> anyhow::Result<()> {
        Ok(self.socket.send(Message::binary(bytes)).await?)
    }

    /// Queues without waiting for the network; [`RawSocket::flush`] sends.
    pub async fn feed(&mut self, text: impl Into<String>) -> anyhow::Result<()> {
        Ok(self.socket.feed(Message::text(text.into())).await?)
    }

    pub async fn flush(&mut self) -> anyhow::Result<()> {
        Ok(self.socket.flush().await?)
    }

    /// The next text, answering pings on the way. An error when the server closed.
    pub async fn read(&mut self) -> anyhow::Result<String> {
        loop {
            match timeout(WAIT_MAX, self.socket.next()).await.context("nothing came")? {
                Some(Ok(Message::Text(text))) if text.as_str() == "2" => self.send("3").await?,
                Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                Some(Ok(Message::Close(_))) | None => bail!("the server closed the connection"),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }

    /// Reads until the server closes, at most for `wait`. Returns what came before. An error if it does not close.
    pub async fn read_to_end(&mut self, wait: Duration) -> anyhow::Result<Vec<String>> {
        let mut texts = Vec::new();
        let read = async {
            while let Some(Ok(message)) = self.socket.next().await {
                match message {
                    Message::Text(text) => texts.push(text.to_string()),
                    Message::Close(_) => break,
                    _ => {}
                }
            }
        };
        timeout(wait, read).await.context("the server did not close the connection")?;
        Ok(texts)
    }
}

impl SocketClient {
    /// Connects anonymously or with what `options.auth` says.
    pub async fn connect(base_url: &str, options: ConnectOptions) -> Result<Self, ConnectFailure> {
        let mut raw = open(base_url, options.origin.as_deref()).await?;
        raw.send(format!("40{}", options.auth)).await?;
        let answer = raw.read().await?;
        if let Some(error) = answer.strip_prefix("44") {
            let error: Value = serde_json::from_str(error).map_err(anyhow::Error::from)?;
            return Err(ConnectFailure::Refused(error["message"].as_str().unwrap_or_default().to_owned()));
        }
        let connected: Value = answer
            .strip_prefix("40")
            .and_then(|body| serde_json::from_str(body).ok())
            .with_context(|| format!("neither connected nor refused: {answer}"))?;
        let sid = connected["sid"].as_str().context("no sid")?.to_owned();
        let (sink, stream) = raw.socket.split();
        let sink = Arc::new(Mutex::new(sink));
        let inbox = Arc::new(Inbox::default());
        let mut reader = JoinSet::new();
        reader.spawn(read_all(stream, Arc::clone(&sink), Arc::clone(&inbox)));
        Ok(Self { sid, sink, inbox, next_ack: AtomicU64::new(0), _reader: reader })
    }

    /// Emits an event and waits for its acknowledgement.
    pub async fn ask(&self, event: &str, body: Value) -> anyhow::Result<Value> {
        self.ask_raw(&json!([event, body]).to_string()).await
    }

    /// Emits a payload as it is, such as `["chat:send",{}]`, and waits for its acknowledgement.
    pub async fn ask_raw(&self, payload: &str) -> anyhow::Result<Value> {
        let id = self.next_ack.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        self.inbox.acks.lock().await.insert(id, sender);
        self.send_raw(&format!("42{id}{payload}")).await?;
        let answer = timeout(WAIT_MAX, answer).await.with_context(|| format!("no acknowledgement of {payload:.80}"))?;
        let answer = answer.context("the connection was closed")?;
        Ok(answer.get(0).cloned().unwrap_or(Value::Null))
    }

    /// Sends one Engine.IO packet as it is.
    pub async fn send_raw(&self, packet: &str) -> anyhow::Result<()> {
        Ok(self.sink.lock().await.send(Message::text(packet)).await?)
    }

    /// The next event of that name; others stay for later.
    pub async fn next(&self, event: &str) -> anyhow::Result<Value> {
        self.next_where(event, |_| true).await
    }

    /// The next event of that name that fits; those of that name that do not fit are dropped.
    pub async fn next_where(&self, event: &str, fits: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let search = async {
            loop {
                let arrived = self.inbox.arrived.notified();
                tokio::pin!(arrived);
                arrived.as_mut().enable();
                // Looked at before the inbox: what came before the end is still found after it.
                let is_closed = self.is_closed();
                {
                    let mut events = self.inbox.events.lock().await;
                    let found = events.iter().position(|(name, body)| name == event && fits(body));
                    if let Some(at) = found {
                        let (_, body) = events.remove(at).context("it was there")?;
                        let mut index = 0;
                        events.retain(|(name, _)| {
                            index += 1;
                            index > at || name != event
                        });
                        return Ok(body);
                    }
                }
                if is_closed {
                    bail!("the connection was closed while waiting for {event}");
                }
                tokio::select! {
                    () = arrived => {}
                    () = self.inbox.closed.cancelled() => {}
                }
            }
        };
        timeout(WAIT_MAX, search).await.with_context(|| format!("no {event} came"))?
    }

    /// Every event of that name that has come so far.
    pub async fn drain(&self, event: &str) -> Vec<Value> {
        let mut events = self.inbox.events.lock().await;
        let (found, rest): (Vec<_>, Vec<_>) = events.drain(..).partition(|(name, _)| name == event);
        *events = rest.into();
        found.into_iter().map(|(_, body)| body).collect()
    }

    /// Waits until the server has closed the connection.
    pub async fn closed(&self) -> anyhow::Result<()> {
        timeout(WAIT_MAX, self.inbox.closed.cancelled()).await.context("the server did not close the connection")
    }

    pub fn is_closed(&self) -> bool {
        self.inbox.closed.is_cancelled()
    }

    /// Leaves politely.
    pub async fn disconnect(self) {
        let _gone_already = self.send_raw("41").await;
        let _gone_already = self.sink.lock().await.close().await;
    }
}

async fn read_all(mut stream: SplitStream<Socket>, sink: Arc<Mutex<SplitSink<Socket, Message>>>, inbox: Arc<Inbox>) {
    while let Some(Ok(message)) = stream.next().await {
        let Message::Text(text) = message else {
            if matches!(message, Message::Close(_)) {
                break;
            }
            continue;
        };
        match text.as_str() {
            "2" => {
                if sink.lock().await.send(Message::text("3")).await.is_err() {
                    break;
                }
            }
            "1" | "41" => break,
            text => take(text, &inbox).await,
        }
    }
    inbox.acks.lock().await.clear();
    inbox.closed.cancel();
}

async fn take(text: &str, inbox: &Inbox) {
    if let Some(rest) = text.strip_prefix("43") {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (id, body) = rest.split_at(digits);
        let waiting = inbox.acks.lock().await.remove(&id.parse().unwrap_or(u64::MAX));
        if let (Some(waiting), Ok(body)) = (waiting, serde_json::from_str(body)) {
            let _nobody_waits = waiting.send(body);
        }
    } else if let Some(body) = text.strip_prefix("42")
        && let Ok(Value::Array(mut parts)) = serde_json::from_str(body)
        && parts.len() >= 2
    {
        let body = parts.swap_remove(1);
        let name = parts[0].as_str().unwrap_or_default().to_owned();
        inbox.events.lock().await.push_back((name, body));
        inbox.arrived.notify_waiters();
    }
}
