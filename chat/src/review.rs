//! The operator's own review: each line is shown to their server before it is said. Asked once, for a moment, over few ways at a
//! time; a server that does not answer is left alone for a while.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use anyhow::Context;
use db::chat::Chatter;
use domain::user::Username;
use kit::config::{ReviewConfig, ReviewFailure};
use kit::webhook_key::{self, WebhookKey};
use moka::sync::Cache;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use crate::limits::{
    REVIEW_ANSWER_BYTES_MAX, REVIEW_FAILURES_MAX, REVIEW_REST, REVIEWS_AT_ONCE_MAX, REVIEWS_KEPT_FOR, REVIEWS_KEPT_MAX,
};
use crate::message::moment;

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Allow,
    Hold,
    Refuse,
}

impl From<ReviewFailure> for Verdict {
    fn from(failure: ReviewFailure) -> Self {
        match failure {
            ReviewFailure::Allow => Self::Allow,
            ReviewFailure::Hold => Self::Hold,
            ReviewFailure::Refuse => Self::Refuse,
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    verdict: Verdict,
}

/// A line to be reviewed.
pub(crate) struct Line<'a> {
    pub channel: &'a Username,
    pub author: &'a Chatter,
    pub text: &'a str,
    /// The sender's name for it, or the id of the message that is changed.
    pub name: &'a str,
    pub is_edit: bool,
}

/// Why there was no verdict.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("it failed a moment ago")]
    Rests,
    #[error("too many lines are under review")]
    Full,
    #[error("no answer in time")]
    Late,
    #[error("the answer is not one")]
    Odd,
    #[error("it could not be asked")]
    Unreachable(#[source] reqwest::Error),
}

impl Failure {
    const fn name(&self) -> &'static str {
        match self {
            Self::Rests => "rests",
            Self::Full => "full",
            Self::Late => "late",
            Self::Odd => "odd",
            Self::Unreachable(_) => "unreachable",
        }
    }
}

/// Whether the server is asked at all.
#[derive(Debug, Default)]
struct Patience {
    failures: u32,
    rests_until: Option<Instant>,
}

impl Patience {
    /// Once the rest is over one line tries; the others wait for what comes of it.
    fn may_ask(&mut self, now: Instant) -> bool {
        if self.rests_until.is_some_and(|until| now < until) {
            return false;
        }
        if self.failures >= REVIEW_FAILURES_MAX {
            self.rests_until = Some(now + REVIEW_REST);
        }
        true
    }

    fn answered(&mut self) {
        *self = Self::default();
    }

    fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= REVIEW_FAILURES_MAX {
            self.rests_until = Some(now + REVIEW_REST);
        }
    }
}

/// The way to the operator's server.
struct Way {
    client: Client,
    url: Url,
    key: WebhookKey,
    wait: Duration,
    on_failure: Verdict,
    turns: Semaphore,
    patience: Mutex<Patience>,
    /// A line that is sent again is judged as it was. By author, name and text.
    verdicts: Cache<(uuid::Uuid, String, String), Verdict>,
}

/// Asks the operator's server, if there is one.
#[derive(Default)]
pub(crate) struct Review(Option<Way>);

impl Review {
    pub(crate) fn new(config: &ReviewConfig) -> anyhow::Result<Self> {
        if config.url.is_empty() {
            return Ok(Self::default());
        }
        // A redirect would be an answer from somebody the operator did not name.
        let client = Client::builder().redirect(Policy::none()).no_proxy().build()?;
        Ok(Self(Some(Way {
            client,
            url: Url::parse(&config.url).context("chat.review.url is not an address")?,
            key: WebhookKey::parse(&config.secret).context("chat.review.secret is not a key")?,
            wait: Duration::from_millis(config.timeout_ms),
            on_failure: config.on_failure.into(),
            turns: Semaphore::new(REVIEWS_AT_ONCE_MAX),
            patience: Mutex::default(),
            verdicts: Cache::builder().max_capacity(REVIEWS_KEPT_MAX).time_to_live(REVIEWS_KEPT_FOR).build(),
        })))
    }

    /// What becomes of a line. Without a server everything is allowed; without an answer, what the operator chose.
    pub(crate) async fn of(&self, line: Line<'_>) -> Verdict {
        let Some(way) = &self.0 else { return Verdict::Allow };
        let key = (line.author.id.as_uuid(), line.name.to_owned(), line.text.to_owned());
        if let Some(known) = way.verdicts.get(&key) {
            return known;
        }
        let begun = Instant::now();
        let (verdict, outcome) = match way.ask(&line, begun).await {
            Ok(verdict) => {
                way.verdicts.insert(key, verdict);
                (verdict, "answered")
            }
            Err(failure) => {
                let cause = std::error::Error::source(&failure).map(ToString::to_string);
                tracing::debug!(%failure, cause, "a line was not reviewed");
                (way.on_failure, failure.name())
            }
        };
        let named = match verdict {
            Verdict::Allow => "allow",
            Verdict::Hold => "hold",
            Verdict::Refuse => "refuse",
        };
        metrics::counter!("rillcast_chat_reviews_total", "verdict" => named, "outcome" => outcome).increment(1);
        metrics::histogram!("rillcast_chat_review_seconds").record(begun.elapsed().as_secs_f64());
        verdict
    }
}

impl Way {
    fn patience(&self) -> MutexGuard<'_, Patience> {
        self.patience.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    async fn ask(&self, line: &Line<'_>, now: Instant) -> Result<Verdict, Failure> {
        if !self.patience().may_ask(now) {
            return Err(Failure::Rests);
        }
        let deadline = now + self.wait;
        // Our own crowd is no fault of theirs.
        let Ok(Ok(_turn)) = timeout_at(deadline, self.turns.acquire()).await else { return Err(Failure::Full) };
        let left = deadline.saturating_duration_since(Instant::now());
        let answer = timeout(left, self.post(line)).await.unwrap_or(Err(Failure::Late));
        match &answer {
            Ok(_) => self.patience().answered(),
            Err(_) => self.patience().failed(Instant::now()),
        }
        answer
    }

    async fn post(&self, line: &Line<'_>) -> Result<Verdict, Failure> {
        let (id, at) = (format!("msg_{}", kit::ids::uuid().simple()), kit::clock::unix_seconds());
        let body = json!({
            "type": "chat.review",
            "timestamp": moment(kit::clock::now()),
            "data": {
                "channel": line.channel,
                "user": {
                    "id": line.author.id,
                    "username": line.author.username,
                    "display_name": line.author.display_name,
                },
                "text": line.text,
                "is_edit": line.is_edit,
            },
        })
        .to_string();
        let sent = self
            .client
            .post(self.url.clone())
            .headers(webhook_key::headers([&self.key], &id, at, &body))
            .body(body)
            .send()
            .await
            // Its address may hold what is not for the log.
            .map_err(|error| Failure::Unreachable(error.without_url()))?;
        if sent.status() != http::StatusCode::OK {
            return Err(Failure::Odd);
        }
        read(sent).await
    }
}

async fn read(mut answer: Response) -> Result<Verdict, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| Failure::Unreachable(error.without_url()))? {
        if body.len() + chunk.len() > REVIEW_ANSWER_BYTES_MAX {
            return Err(Failure::Odd);
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice::<Answer>(&body).map(|answer| answer.verdict).map_err(|_| Failure::Odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_fails_is_left_alone_and_then_tried_by_one_line() {
        let (mut patience, begun) = (Patience::default(), Instant::now());
        for _ in 1..REVIEW_FAILURES_MAX {
            patience.failed(begun);
            assert!(patience.may_ask(begun));
        }
        patience.failed(begun);
        assert!(!patience.may_ask(begun));
        let later = begun + REVIEW_REST;
        assert!(patience.may_ask(later), "one tries");
        assert!(!patience.may_ask(later), "the others wait");
        patience.failed(later);
        assert!(!patience.may_ask(later + REVIEW_REST / 2));
        assert!(patience.may_ask(later + REVIEW_REST));
        patience.answered();
        assert!(patience.may_ask(later) && patience.may_ask(later));
    }

    #[test]
    fn one_failure_among_answers_is_forgiven() {
        let (mut patience, now) = (Patience::default(), Instant::now());
        for _ in 0..10 * REVIEW_FAILURES_MAX {
            patience.failed(now);
            patience.answered();
        }
        assert!(patience.may_ask(now));
    }
}
