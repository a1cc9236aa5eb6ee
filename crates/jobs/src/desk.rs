//! The queues as whoever operates the site sees and works them: at the command line and on the jobs page.

use domain::Timestamp;
use serde_json::Value;

use crate::job::Job;
use crate::queue::{FILES, JobError, QUEUE, QUEUES, WEBHOOKS};

/// Characters of an error that are shown.
const ERROR_CHARS_MAX: usize = 1_000;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Due.
    Waiting,
    /// Due later.
    Scheduled,
    Running,
    /// It failed and will be tried again.
    Failing,
    /// It failed for good.
    Dead,
    /// An administrator took it out of the queue.
    Cancelled,
    Done,
}

impl JobState {
    pub const ALL: [Self; 7] =
        [Self::Waiting, Self::Scheduled, Self::Running, Self::Failing, Self::Dead, Self::Cancelled, Self::Done];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Failing => "failing",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
            Self::Done => "done",
        }
    }

    fn of(word: &str) -> Self {
        Self::ALL.into_iter().find(|state| state.as_str() == word).unwrap_or(Self::Waiting)
    }
}

/// A queue, by the name people use. What moves live media is none of them, and cannot be paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// News, mails, pushes, the operator's hooks, deletions.
    Main,
    /// Members' webhooks.
    Webhooks,
    /// Members' files.
    Files,
}

impl Queue {
    pub const ALL: [Self; 3] = [Self::Main, Self::Webhooks, Self::Files];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Webhooks => "webhooks",
            Self::Files => "files",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.as_str() == name)
    }

    /// As its rows have it.
    const fn stored(self) -> &'static str {
        match self {
            Self::Main => QUEUE,
            Self::Webhooks => WEBHOOKS,
            Self::Files => FILES,
        }
    }

    fn of(stored: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.stored() == stored)
    }
}

/// One job as the operator sees it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct JobRow {
    pub id: String,
    pub job: String,
    pub state: JobState,
    pub attempts: i32,
    pub attempts_max: i32,
    pub run_at: Timestamp,
    pub last_error: Option<String>,
    #[serde(skip)]
    pub queue: Option<Queue>,
    /// What it is to do, without what is nobody's business. Null: this release does not know the job.
    #[serde(skip)]
    pub payload: Value,
    #[serde(skip)]
    pub taken_at: Option<Timestamp>,
    #[serde(skip)]
    pub done_at: Option<Timestamp>,
}

impl From<db::queue::QueueRow> for JobRow {
    fn from(row: db::queue::QueueRow) -> Self {
        let job = serde_json::from_slice::<Job>(&row.payload).ok();
        Self {
            job: job.as_ref().map_or("unknown", Job::name).to_owned(),
            payload: job.as_ref().map_or(Value::Null, shown),
            state: JobState::of(&row.state),
            queue: Queue::of(&row.queue),
            id: row.id,
            attempts: row.attempts,
            attempts_max: row.attempts_max,
            run_at: row.run_at,
            last_error: row.last_error.as_deref().map(scrubbed),
            taken_at: row.taken_at,
            done_at: row.done_at,
        }
    }
}

/// A job's fields, addresses of mail and whatever is called a secret left out.
fn shown(job: &Job) -> Value {
    let mut fields = serde_json::to_value(job).unwrap_or_default();
    if let Some(fields) = fields.as_object_mut() {
        fields.remove("job");
        for (name, value) in fields.iter_mut() {
            if ["email", "address", "secret", "token", "password", "key", "url"].iter().any(|word| name.contains(word))
            {
                *value = Value::from("…");
            }
        }
    }
    fields
}

/// An error's text without mail addresses and without what comes after a host: addresses of members' servers carry their secrets there.
fn scrubbed(error: &str) -> String {
    let words = error.split_inclusive(char::is_whitespace).map(|word| {
        let (text, space) = word.split_at(word.trim_end().len());
        if let Some((scheme, rest)) = text.split_once("://") {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let host = authority.rsplit('@').next().unwrap_or_default();
            let is_whole = rest.len() == authority.len();
            return format!("{scheme}://{host}{}{space}", if is_whole { "" } else { "/…" });
        }
        match text.rsplit_once('@') {
            Some((local, host)) if !local.is_empty() && host.contains('.') => format!("…@{host}{space}"),
            _ => word.to_owned(),
        }
    });
    words.collect::<String>().chars().take(ERROR_CHARS_MAX).collect()
}

/// How a queue stands.
#[derive(Debug, Clone)]
pub struct Standing {
    pub queue: Queue,
    pub waiting: i64,
    pub scheduled: i64,
    pub running: i64,
    pub failing: i64,
    pub dead: i64,
    pub oldest_s: Option<f64>,
    pub paused: Option<db::queue::PausedQueue>,
}

/// All queues.
pub async fn standings(conn: &mut db::Conn) -> Result<Vec<Standing>, JobError> {
    let sums = db::queue::sums(conn, &QUEUES).await?;
    let paused = db::queue::paused(conn).await?;
    let standing = |queue: Queue| {
        let found = sums.iter().find(|sum| sum.queue == queue.stored());
        let count = |of: fn(&db::queue::QueueSums) -> i64| found.map_or(0, of);
        Standing {
            queue,
            waiting: count(|sum| sum.waiting),
            scheduled: count(|sum| sum.scheduled),
            running: count(|sum| sum.running),
            failing: count(|sum| sum.failing),
            dead: count(|sum| sum.dead),
            oldest_s: found.and_then(|sum| sum.oldest_s),
            paused: paused.iter().find(|one| one.queue == queue.stored()).cloned(),
        }
    };
    Ok(Queue::ALL.map(standing).to_vec())
}

/// Jobs of one queue or all, the newest first, after the one with the id `before`. Done ones only when asked for.
pub async fn page(
    conn: &mut db::Conn,
    queue: Option<Queue>,
    state: Option<JobState>,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<JobRow>, JobError> {
    let one = queue.map(|queue| [queue.stored()]);
    let queues: &[&str] = one.as_ref().map_or(&QUEUES, |one| one);
    let rows = db::queue::page(conn, queues, state.map(JobState::as_str), before, limit).await?;
    Ok(rows.into_iter().map(JobRow::from).collect())
}

/// Stops a queue on every node, until it is resumed: what runs is brought to its end. False when it is paused already.
pub async fn pause(conn: &mut db::Conn, queue: Queue, by: &str, reason: &str) -> Result<bool, JobError> {
    Ok(db::queue::pause(conn, queue.stored(), by, reason).await?)
}

/// False when it is not paused.
pub async fn resume(conn: &mut db::Conn, queue: Queue) -> Result<bool, JobError> {
    Ok(db::queue::resume(conn, queue.stored()).await?)
}

/// What an administrator may do to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A fresh set of attempts, for what failed for good, waits to be tried again, or was cancelled.
    Retry,
    /// Due at once, for what waits until later. What it has tried counts.
    Run,
    /// Out of the queue, for what does not run. What it began is undone.
    Cancel,
}

impl Act {
    const fn suits(self, state: JobState) -> bool {
        match self {
            Self::Retry => matches!(state, JobState::Dead | JobState::Failing | JobState::Cancelled),
            Self::Run => matches!(state, JobState::Scheduled | JobState::Failing),
            Self::Cancel => matches!(state, JobState::Waiting | JobState::Scheduled | JobState::Failing),
        }
    }
}

/// What became of an act.
#[derive(Debug)]
pub enum Acted {
    Done(JobRow),
    NoJob,
    /// It is in a state that does not allow it.
    NotSo(JobState),
}

/// Does something to a job, in the caller's transaction. Returns the job as it was.
pub async fn act(conn: &mut db::Conn, id: &str, act: Act) -> Result<Acted, JobError> {
    let Some(row) = db::queue::hold(conn, &QUEUES, id).await? else { return Ok(Acted::NoJob) };
    let payload = row.payload.clone();
    let row = JobRow::from(row);
    if !act.suits(row.state) {
        return Ok(Acted::NotSo(row.state));
    }
    match act {
        Act::Retry => _ = db::queue::retry(conn, &QUEUES, id).await?,
        Act::Run => db::queue::run_now(conn, id).await?,
        Act::Cancel => {
            db::queue::cancel(conn, id).await?;
            if let Ok(job) = serde_json::from_slice::<Job>(&payload) {
                job.undo(conn).await.map_err(JobError::Undo)?;
            }
        }
    }
    Ok(Acted::Done(row))
}

/// The newest jobs that are not done, or all when `with_done`.
pub async fn list(pool: &db::Pool, with_done: bool, limit: i64) -> Result<Vec<JobRow>, JobError> {
    let mut conn = pool.acquire().await.map_err(db::DbError::from)?;
    let rows = db::queue::list(&mut conn, &QUEUES, with_done, limit).await?;
    Ok(rows.into_iter().map(JobRow::from).collect())
}

/// Gives a failed, dead or cancelled job a fresh set of attempts, now. False when there is no such job.
pub async fn retry(pool: &db::Pool, id: &str) -> Result<bool, JobError> {
    let mut conn = pool.acquire().await.map_err(db::DbError::from)?;
    Ok(db::queue::retry(&mut conn, &QUEUES, id).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_shown_without_the_secrets_of_addresses() {
        for (told, shown) in [
            ("POST https://bot.test/hook?token=abc refused", "POST https://bot.test/… refused"),
            ("smtp://joe:pw@mail.test: 550", "smtp://mail.test: 550"),
            ("no mailbox anna@mail.test here", "no mailbox …@mail.test here"),
            ("3 @ 4 is\nfine", "3 @ 4 is\nfine"),
        ] {
            assert_eq!(scrubbed(told), shown);
        }
        assert_eq!(scrubbed(&"x".repeat(5_000)).len(), ERROR_CHARS_MAX);
    }

    #[test]
    fn a_payload_keeps_its_ids_and_loses_addresses() {
        let email = domain::user::Email::parse("anna@mail.test").expect("an address");
        let job = Job::SendReset { email, at: Timestamp::UNIX_EPOCH };
        let shown = shown(&job);
        assert_eq!(shown["email"], "…");
        assert!(shown["at"].is_string() && shown.get("job").is_none(), "{shown}");
    }

    #[test]
    fn every_queue_of_the_workers_has_a_name() {
        assert_eq!(Queue::ALL.map(Queue::stored), QUEUES);
        for queue in Queue::ALL {
            assert_eq!(Queue::parse(queue.as_str()), Some(queue));
        }
    }
}
