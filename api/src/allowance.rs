//! How much of a limit is left, told with every answer that was counted: `RateLimit` and `RateLimit-Policy` as the HTTP working group's draft
//! (draft-ietf-httpapi-ratelimit-headers) writes them.
//!
//! Whoever counts does so through [`Limits`] and need not think of it: what was counted while a request was answered is noted, and the layer
//! writes it down. A limit over what is read beside somebody else's answer, such as one of an address, is told like a member's own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;
use http::header::HeaderName;
use live::limits::{Quota, Verdict};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");
/// Limits told with one answer.
const TOLD_MAX: usize = 4;

tokio::task_local! {
    static NOTED: Arc<Mutex<Vec<(String, Verdict)>>>;
}

/// The limits of [`live::limits`], whose verdicts on the request that is answered are told.
#[derive(Clone)]
pub struct Limits(live::limits::Limits);

impl Limits {
    pub(crate) fn new(limits: live::limits::Limits) -> Self {
        Self(limits)
    }

    /// Counts one event against `bucket`: a name, a colon, and whose it is. The name is told.
    pub(crate) async fn hit(&self, bucket: &str, quota: Quota) -> Verdict {
        let verdict = self.0.hit(bucket, quota).await;
        note(bucket, verdict);
        verdict
    }

    /// The same, told to nobody: by what is left, whoever asks could tell what others do.
    pub(crate) async fn hit_silently(&self, bucket: &str, quota: Quota) -> Verdict {
        self.0.hit(bucket, quota).await
    }

    /// Whether an event would be allowed, without counting one. Told to nobody.
    pub(crate) async fn look(&self, bucket: &str, quota: Quota) -> Verdict {
        self.0.look(bucket, quota).await
    }
}

fn note(bucket: &str, verdict: Verdict) {
    let name = bucket.split(':').next().unwrap_or_default();
    let _outside_a_request = NOTED.try_with(|noted| {
        let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.retain(|(known, _)| known != name);
        if noted.len() < TOLD_MAX {
            noted.push((name.to_owned(), verdict));
        }
    });
}

/// The layer: writes what was counted.
pub(crate) async fn tell(request: Request, next: Next) -> Response {
    let noted = Arc::default();
    let mut response = NOTED.scope(Arc::clone(&noted), next.run(request)).await;
    let noted = std::mem::take(&mut *noted.lock().unwrap_or_else(PoisonError::into_inner));
    write(&mut response, &noted);
    response
}

/// The same future, for a task of its own: what is counted there is told with the answer this task gives.
pub(crate) fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let noted = NOTED.try_with(Arc::clone).unwrap_or_default();
    NOTED.scope(noted, work)
}

/// Adds the two headers, as lists of what was counted.
pub(crate) fn write(response: &mut Response, noted: &[(String, Verdict)]) {
    let seconds = |wait: Duration| wait.as_millis().div_ceil(1_000);
    for (name, verdict) in noted {
        let policy = format!("\"{name}\";q={};w={}", verdict.quota.events, verdict.quota.per.as_secs());
        let left = format!("\"{name}\";r={};t={}", verdict.remaining, seconds(verdict.reset_after));
        for (header, value) in [(POLICY, policy), (LEFT, left)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().append(header, value);
            }
        }
    }
}
