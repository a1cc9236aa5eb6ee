//! One attempt: where it goes, how it is signed, and what is seen of the answer.

use std::time::Duration;

use anyhow::Context;
use chrono::DateTime;
use db::webhooks::turns::Due;
use domain::WebhookId;
use domain::webhook::{ANSWER_BYTES_MAX, Fault, message_id};
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use kit::Secret;
use kit::outward::{Outward, Refused};
use kit::seal::Sealer;
use kit::webhook_key::{self, WebhookKey};
use reqwest::{Client, Response, Url};
use tokio::time::timeout;

use crate::{Deps, reach};

/// Longest an answer may take to begin, the name's resolution included.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(15);
/// Longest the beginning of its body is waited for.
const BODY_WAIT_MAX: Duration = Duration::from_secs(2);

/// What was seen of an attempt. Without a fault it was taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub status: Option<StatusCode>,
    pub fault: Option<Fault>,
    pub retry_after: Option<Duration>,
    pub answer: Option<String>,
}

impl From<Fault> for Seen {
    fn from(fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::default() }
    }
}

/// Sends one endpoint's messages during one turn.
pub(super) struct Sender {
    webhook: WebhookId,
    outward: Outward,
    sealer: Sealer,
    /// Its connection is used again while the endpoint takes what it is sent.
    client: Option<(String, Client)>,
}

impl Sender {
    pub(super) fn new(deps: &Deps, webhook: WebhookId) -> anyhow::Result<Self> {
        Ok(Self {
            webhook,
            outward: Outward::parse(&deps.config.outward.allow)?,
            sealer: Sealer::new(&deps.config.auth.secret, webhook_key::SEAL_PURPOSE),
            client: None,
        })
    }

    pub(super) async fn send(&mut self, due: &Due) -> Seen {
        let seen = match timeout(ANSWER_WAIT_MAX, self.attempt(due)).await {
            Ok(Ok(Ok(answer))) => read(answer).await,
            Ok(Ok(Err(fault))) => fault.into(),
            Ok(Err(error)) => {
                // Ours, not the receiver's: the site's secret has changed since the key was sealed.
                tracing::error!(webhook.id = %self.webhook, error = format!("{error:#}"), "a webhook was not signed");
                Fault::Refused.into()
            }
            Err(_) => Fault::TimedOut.into(),
        };
        if seen.fault.is_some() {
            self.client = None;
        }
        seen
    }

    /// The answer, or why there is none. Fails where the message cannot be signed.
    async fn attempt(&mut self, due: &Due) -> anyhow::Result<Result<Response, Fault>> {
        let keys = due.secrets.iter().map(|sealed| self.key(sealed)).collect::<anyhow::Result<Vec<_>>>()?;
        let client = match self.client(&due.url).await {
            Ok(client) => client,
            Err(Refused::NotPublic) => return Ok(Err(Fault::Refused)),
            Err(Refused::Unknown) => return Ok(Err(Fault::UnknownHost)),
        };
        // The attempt's own moment: receivers refuse what is old.
        let at = kit::clock::unix_seconds();
        let headers = webhook_key::headers(&keys, &message_id(due.event_id), at, &due.body);
        let sent = client.post(&due.url).headers(headers).body(due.body.clone()).send().await;
        Ok(sent.map_err(|error| if error.is_timeout() { Fault::TimedOut } else { Fault::Unreachable }))
    }

    fn key(&self, sealed: &[u8]) -> anyhow::Result<WebhookKey> {
        let opened = self.sealer.open(sealed, self.webhook.as_uuid().as_bytes()).context("the key cannot be opened")?;
        let text = String::from_utf8(opened).context("the key is not text")?;
        WebhookKey::parse(&Secret::new(text)).context("the key is not one")
    }

    async fn client(&mut self, url: &str) -> Result<Client, Refused> {
        if let Some((known, client)) = &self.client
            && known == url
        {
            return Ok(client.clone());
        }
        let parsed = Url::parse(url).map_err(|_| Refused::NotPublic)?;
        let client = reach::client(&self.outward, &parsed, ANSWER_WAIT_MAX + BODY_WAIT_MAX).await?;
        self.client = Some((url.to_owned(), client.clone()));
        Ok(client)
    }
}

async fn read(mut answer: Response) -> Seen {
    let status = answer.status();
    let fault = match status {
        status if status.is_success() => None,
        status if status.is_redirection() => Some(Fault::Redirected),
        _ => Some(Fault::Status),
    };
    let retry_after = fault.and_then(|_| asked_to_wait(answer.headers()));
    let mut begun = Vec::new();
    let reading = async {
        while begun.len() < ANSWER_BYTES_MAX {
            let Ok(Some(chunk)) = answer.chunk().await else { break };
            begun.extend_from_slice(&chunk[..chunk.len().min(ANSWER_BYTES_MAX - begun.len())]);
        }
    };
    // The status has been heard; what becomes of the body changes nothing.
    let _is_whole = timeout(BODY_WAIT_MAX, reading).await;
    let text = String::from_utf8_lossy(&begun).replace('\0', "\u{fffd}");
    Seen { status: Some(status), fault, retry_after, answer: (!text.is_empty()).then_some(text) }
}

/// `Retry-After` in seconds or as a date.
fn asked_to_wait(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTime::parse_from_rfc2822(text).ok()?;
    until.signed_duration_since(kit::clock::now()).to_std().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(value: &str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().unwrap());
        asked_to_wait(&headers).map(|wait| wait.as_secs())
    }

    #[test]
    fn a_receiver_asks_in_seconds_or_by_the_clock() {
        assert_eq!(asked("120"), Some(120));
        let later = kit::clock::now() + chrono::TimeDelta::seconds(90);
        let wait = asked(&later.format("%a, %d %b %Y %H:%M:%S GMT").to_string()).unwrap();
        assert!((88..=90).contains(&wait), "{wait}");
        assert_eq!((asked("Wed, 21 Oct 2015 07:28:00 GMT"), asked("soon"), asked("-5")), (None, None, None));
    }
}
