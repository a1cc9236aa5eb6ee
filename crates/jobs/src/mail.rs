//! Mail to members who asked for it.
//!
//! What is owed is written with the notification; a batch's job sends it and strikes off each mail as soon as the server has
//! taken it. What it did not take stays owed, and the job fails and is run again. A worker that dies between the server's yes and
//! our row sends that one mail again, under the same Message-ID.

pub(crate) mod account;
mod letter;
mod post;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use db::mail::Owed;
use domain::notification::NotificationType;
use domain::{NotificationId, UserId};
use futures::StreamExt;
use kit::Config;
use kit::mail_links::MailLinks;
use kit::retry::Backoff;
use reqwest::Url;
use tokio::time::sleep;
use uuid::Uuid;

use crate::job::Job;
use crate::{Deps, queue};
use letter::Desk;
use post::{CONNECTIONS_MAX, Handed, Post};

/// Members written to at a time. With a mail's time and the connections, all are tried well before others may take them (two
/// minutes, `db::mail::claim`).
const CLAIM: i64 = 16;
/// Times a mail that was sent is tried to be struck off. With the waits between them: half a minute.
const STRIKE_TRIES: usize = 12;

/// Writes down what is owed by mail because of notifications of one kind, and enqueues its job.
pub(crate) async fn owe(
    deps: &Deps,
    conn: &mut db::Conn,
    kind: NotificationType,
    notifications: &[NotificationId],
) -> anyhow::Result<()> {
    let batch_id = kit::ids::uuid();
    if !deps.config.mail.url.is_empty() && db::mail::owe(conn, batch_id, kind, notifications).await? > 0 {
        queue::push(conn, vec![Job::SendMails { batch_id }]).await?;
    }
    Ok(())
}

/// Whether mail can be sent, for the operator. An error says what to change.
pub async fn check(config: &Config) -> anyhow::Result<String> {
    match Office::open(config)? {
        None => Ok("off: mail.url is not set".to_owned()),
        Some(office) => office.post.knock().await.map(|()| format!("answers; mail comes from {}", config.mail.from)),
    }
}

/// A site's desk and its mail server.
struct Office {
    desk: Desk,
    post: Post,
    /// The server has stopped answering: the rest waits for the next run.
    is_closed: AtomicBool,
}

impl Office {
    /// `None` where no mail is sent.
    fn open(config: &Config) -> anyhow::Result<Option<Self>> {
        if config.mail.url.is_empty() {
            return Ok(None);
        }
        let site_url = config.http.public_url.trim_end_matches('/');
        let host = Url::parse(site_url)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned))
            .context("http.public_url must be set for mail: its links lead there")?;
        Ok(Some(Self {
            desk: Desk::new(site_url, &host, MailLinks::new(&config.auth.secret))?,
            post: Post::new(config, site_url, &host)?,
            is_closed: AtomicBool::new(false),
        }))
    }

    /// Writes to one member about all that is owed to them here. Returns why it is still owed, if it is.
    async fn serve(&self, deps: &Deps, owed: &[Owed]) -> anyhow::Result<Option<String>> {
        let wanted: Vec<&Owed> = owed.iter().filter(|owed| !owed.is_moot).collect();
        let ids: Vec<Uuid> = owed.iter().map(|owed| owed.notification_id).collect();
        let (outcome, user) = match wanted.first() {
            None => ("moot", None),
            Some(_) if self.is_closed.load(Ordering::Relaxed) => {
                return Ok(Some("the mail server does not answer".to_owned()));
            }
            Some(first) => match self.post.hand(self.desk.notice(&wanted)?).await {
                Handed::Taken => ("sent", None),
                Handed::NoMailbox => ("gone", Some(UserId::from_uuid(first.user_id))),
                Handed::Refused(why) => {
                    count("refused");
                    return Ok(Some(why));
                }
                Handed::Away(why) => {
                    count("away");
                    self.is_closed.store(true, Ordering::Relaxed);
                    return Ok(Some(why));
                }
            },
        };
        count(outcome);
        strike(deps, &ids, user).await?;
        Ok(None)
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("rillcast_mails_total", "outcome" => outcome).increment(1);
}

/// Strikes off what was sent, and ends mail to a member whose mailbox is not there. A database that is away for a moment is no
/// reason to send a mail twice.
async fn strike(deps: &Deps, ids: &[Uuid], gone: Option<UserId>) -> anyhow::Result<()> {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    let mut tries = 1;
    loop {
        let struck = async {
            let mut tx = db::begin(&deps.pool).await?;
            db::mail::settle(&mut tx, ids).await?;
            db::mail::stop(&mut tx, gone.as_slice()).await?;
            db::commit(tx).await
        };
        match struck.await {
            Ok(()) => return Ok(()),
            Err(error) if tries == STRIKE_TRIES => return Err(error.into()),
            Err(_) => tries += 1,
        }
        sleep(backoff.next_wait()).await;
    }
}

pub(crate) async fn send_batch(deps: &Deps, batch: Uuid) -> anyhow::Result<()> {
    let Some(office) = Office::open(&deps.config)? else {
        db::mail::give_up(&mut *deps.pool.acquire().await?, batch).await?;
        return Ok(());
    };
    let (mut unsent, mut why) = (Vec::new(), None);
    while !office.is_closed.load(Ordering::Relaxed) {
        let owed = db::mail::claim(&mut *deps.pool.acquire().await?, batch, CLAIM).await?;
        if owed.is_empty() {
            break;
        }
        let members: Vec<Vec<Owed>> = owed.chunk_by(|a, b| a.user_id == b.user_id).map(<[Owed]>::to_vec).collect();
        let office = &office;
        let outcomes: Vec<(Vec<Owed>, anyhow::Result<Option<String>>)> = futures::stream::iter(members)
            .map(|owed| async move {
                let outcome = office.serve(deps, &owed).await;
                (owed, outcome)
            })
            .buffer_unordered(CONNECTIONS_MAX)
            .collect()
            .await;
        for (owed, outcome) in outcomes {
            if let Some(reason) = outcome? {
                unsent.extend(owed.iter().map(|owed| owed.notification_id));
                why = Some(reason);
            }
        }
    }
    let mut conn = deps.pool.acquire().await?;
    db::mail::release(&mut conn, &unsent).await?;
    let left = db::mail::left(&mut conn, batch).await?;
    let why = why.as_deref().unwrap_or("another worker has them");
    anyhow::ensure!(left == 0, "{left} mails are still owed: {why}");
    Ok(())
}

/// Asks a member by mail whether their address is theirs.
pub(crate) async fn ask_address(deps: &Deps, user: UserId) -> anyhow::Result<()> {
    let Some(office) = Office::open(&deps.config)? else { return Ok(()) };
    let settings = db::mail::settings(&mut *deps.pool.acquire().await?, user).await?;
    let Some(settings) = settings.filter(|settings| !settings.is_confirmed) else { return Ok(()) };
    match office.post.hand(office.desk.question(user, &settings)?).await {
        Handed::Taken => count("asked"),
        Handed::NoMailbox => count("gone"),
        Handed::Refused(why) | Handed::Away(why) => anyhow::bail!("the question was not taken: {why}"),
    }
    Ok(())
}
