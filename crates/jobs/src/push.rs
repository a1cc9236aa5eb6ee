//! Web push: telling browsers whose pages are closed.
//!
//! What is owed is written with the notification; a batch's job sends it and strikes it off. What a push service did not take
//! stays owed, and the job fails and is run again. Sent twice at worst, it replaces itself: topic and tag are the subject's.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use db::push::Owed;
use domain::NotificationId;
use domain::notification::NotificationType;
use futures::StreamExt;
use kit::outward::{Outward, Refused};
use kit::vapid::{self, Vapid};
use reqwest::{Client, StatusCode, Url};
use serde_json::json;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::job::Job;
use crate::{Deps, notify, queue, reach};

/// Deliveries taken at a time. With the two below, all are tried well before others may take them (90 s, `db::push::claim`).
const CLAIM: i64 = 64;
const CONCURRENCY: usize = 16;
/// Longest a push service may take.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long a push service keeps a message for a browser that is not there.
const TTL_S: u32 = 4 * 3_600;
const TEXT_CHARS_MAX: usize = 300;

/// Writes down what is owed to browsers because of notifications of one kind, and enqueues its job.
pub(crate) async fn owe(
    conn: &mut db::Conn,
    kind: NotificationType,
    notifications: &[NotificationId],
) -> anyhow::Result<()> {
    let batch_id = kit::ids::uuid();
    if db::push::owe(conn, batch_id, kind, notifications).await? > 0 {
        queue::push(conn, vec![Job::SendPushes { batch_id }]).await?;
    }
    Ok(())
}

/// How one delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Sent,
    /// Nobody needs it any more.
    Moot,
    /// The browser is gone, or its address leads where we do not go.
    Gone,
    /// The push service will not take this message, however often it is sent.
    Refused,
    /// The push service is busy or away.
    Later,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Moot => "moot",
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::Later => "later",
        }
    }
}

pub(crate) async fn send_batch(deps: &Deps, batch: Uuid) -> anyhow::Result<()> {
    let sender = Sender::new(deps)?;
    loop {
        let mut conn = deps.pool.acquire().await?;
        let owed = db::push::claim(&mut conn, batch, CLAIM).await?;
        if owed.is_empty() {
            let left = db::push::left(&mut conn, batch).await?;
            anyhow::ensure!(left == 0, "{left} pushes were not taken by their services");
            return Ok(());
        }
        drop(conn);
        let sender = &sender;
        let outcomes: Vec<(Owed, Outcome)> = futures::stream::iter(owed)
            .map(|owed| async move {
                let outcome = sender.send(&owed).await;
                (owed, outcome)
            })
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await;
        let (mut done, mut gone) = (Vec::new(), Vec::new());
        for (owed, outcome) in &outcomes {
            metrics::counter!("rillcast_pushes_total", "outcome" => outcome.as_str()).increment(1);
            match outcome {
                Outcome::Later => {}
                Outcome::Gone => gone.push(owed.subscription_id),
                _ => done.push((owed.notification_id, owed.subscription_id)),
            }
        }
        let mut tx = db::begin(&deps.pool).await?;
        db::push::settle(&mut tx, &done).await?;
        db::push::forget(&mut tx, &gone).await?;
        db::commit(tx).await?;
    }
}

struct Sender {
    vapid: Vapid,
    outward: Outward,
    contact: Option<String>,
    /// By scheme, host and port. Most browsers share a few push services.
    clients: Mutex<HashMap<String, Client>>,
}

impl Sender {
    fn new(deps: &Deps) -> anyhow::Result<Self> {
        let config = &deps.config;
        let contact = match config.outward.contact.as_str() {
            "" => Some(config.http.public_url.clone()).filter(|url| url.starts_with("https://")),
            contact => Some(contact.to_owned()),
        };
        Ok(Self {
            vapid: Vapid::new(&config.auth.secret),
            outward: Outward::parse(&config.outward.allow)?,
            contact,
            clients: Mutex::default(),
        })
    }

    async fn send(&self, owed: &Owed) -> Outcome {
        if owed.is_moot {
            return Outcome::Moot;
        }
        let Ok(url) = Url::parse(&owed.endpoint) else { return Outcome::Gone };
        let Some(body) = vapid::seal(payload(owed).as_bytes(), &owed.public_key, &owed.auth) else {
            return Outcome::Gone;
        };
        let client = match self.client(&url).await {
            Ok(client) => client,
            Err(outcome) => return outcome,
        };
        let origin = url.origin().ascii_serialization();
        let sent = client
            .post(url)
            .header("authorization", self.vapid.authorization(&origin, self.contact.as_deref()))
            .header("content-encoding", "aes128gcm")
            .header("content-type", "application/octet-stream")
            .header("ttl", TTL_S)
            .header("urgency", if owed.kind == NotificationType::StreamOnline.as_str() { "high" } else { "normal" })
            .header("topic", URL_SAFE_NO_PAD.encode(owed.entity_id.as_bytes()))
            .body(body)
            .send()
            .await;
        match sent.map(|answer| answer.status()) {
            Ok(status) if status.is_success() => Outcome::Sent,
            Ok(StatusCode::NOT_FOUND | StatusCode::GONE) => Outcome::Gone,
            Ok(StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) => Outcome::Later,
            Ok(status) if status.is_server_error() => Outcome::Later,
            Ok(status) => {
                tracing::warn!(%status, service = origin, "a push service refuses our message");
                Outcome::Refused
            }
            Err(error) => {
                tracing::debug!(error = %error.without_url(), service = origin, "a push service does not answer");
                Outcome::Later
            }
        }
    }

    /// A client that goes to the addresses the host has now, and nowhere else.
    async fn client(&self, url: &Url) -> Result<Client, Outcome> {
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return Err(Outcome::Gone) };
        let key = format!("{}://{host}:{port}", url.scheme());
        let mut clients = self.clients.lock().await;
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = match reach::client(&self.outward, url, ANSWER_WAIT_MAX).await {
            Ok(client) => client,
            Err(Refused::NotPublic) => return Err(Outcome::Gone),
            Err(Refused::Unknown) => return Err(Outcome::Later),
        };
        clients.insert(key, client.clone());
        Ok(client)
    }
}

/// What the service worker shows. It has words of its own for kinds it knows, in the browser's language.
fn payload(owed: &Owed) -> String {
    json!({
        "id": owed.notification_id,
        "type": owed.kind,
        "name": owed.display_name,
        "channel": owed.channel_name,
        "detail": owed.detail,
        "title": owed.message.chars().take(TEXT_CHARS_MAX).collect::<String>(),
        "url": notify::place(
            &owed.kind,
            owed.entity_id,
            owed.username.as_deref(),
            owed.channel_username.as_deref(),
        ),
        "tag": owed.entity_id,
    })
    .to_string()
}
