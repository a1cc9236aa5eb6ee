//! Mail against a mail server of our own; what it took is read by another's parser (reliability C8).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::UserId;
use domain::event::{Event, TwoFactorChange};
use domain::notification::NotificationType;
use domain::user::Email;
use jobs::JobState;
use kit::Secret;
use kit::mail_links::MailLinks;
use mail_parser::MessageParser;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::{OPEN_JOBS, Site, online};

const OWED: &str = "SELECT count(*)::bigint AS n FROM mail_deliveries";
const DONE: &str = "SELECT count(*)::bigint AS n FROM apalis.jobs WHERE status = 'Done'";

#[derive(Default)]
struct State {
    /// Recipient and message, in order.
    taken: Vec<(String, Vec<u8>)>,
    /// What every sender is told, instead of yes.
    refusal: Option<&'static str>,
    /// No answer to the end of a message once so many were taken.
    silent_after: Option<usize>,
}

/// A mail server.
#[derive(Clone, Default)]
pub struct MailServer(Arc<Mutex<State>>);

impl MailServer {
    pub async fn start(&self) -> (SocketAddr, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (server, mut tasks) = (self.clone(), JoinSet::new());
        tasks.spawn(async move {
            let mut talks = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let server = server.clone();
                talks.spawn(async move {
                    let _gone = server.talk(socket).await;
                });
            }
        });
        (addr, tasks)
    }

    async fn talk(self, socket: TcpStream) -> std::io::Result<()> {
        let (read, mut write) = socket.into_split();
        let mut lines = BufReader::new(read);
        let mut recipient = String::new();
        write.write_all(b"220 test ESMTP\r\n").await?;
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let word: String = line.chars().take_while(char::is_ascii_alphabetic).collect();
            let answer = match word.to_ascii_uppercase().as_str() {
                "EHLO" => "250-test\r\n250 8BITMIME",
                "MAIL" => self.0.lock().unwrap().refusal.unwrap_or("250 go on"),
                "RCPT" if line.contains("nobody") => "550 5.1.1 no such user",
                "RCPT" => {
                    recipient = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                    "250 go on"
                }
                "DATA" => {
                    write.write_all(b"354 go on\r\n").await?;
                    let mut message = Vec::new();
                    while !message.ends_with(b"\r\n.\r\n") {
                        lines.read_until(b'\n', &mut message).await?;
                    }
                    let is_silent = {
                        let mut state = self.0.lock().unwrap();
                        let is_silent = state.silent_after.is_some_and(|max| state.taken.len() >= max);
                        if !is_silent {
                            state.taken.push((recipient.clone(), message));
                        }
                        is_silent
                    };
                    if is_silent {
                        std::future::pending::<()>().await;
                    }
                    "250 taken"
                }
                "QUIT" => return write.write_all(b"221 bye\r\n").await,
                _ => "250 as you like",
            };
            write.write_all(answer.as_bytes()).await?;
            write.write_all(b"\r\n").await?;
        }
    }

    fn refuses(&self, refusal: Option<&'static str>) {
        self.0.lock().unwrap().refusal = refusal;
    }

    /// Who was written to, sorted.
    pub fn recipients(&self) -> Vec<String> {
        let mut all: Vec<_> = self.0.lock().unwrap().taken.iter().map(|(recipient, _)| recipient.clone()).collect();
        all.sort();
        all
    }

    pub fn mail_to(&self, recipient: &str) -> Vec<u8> {
        let state = self.0.lock().unwrap();
        state.taken.iter().find(|(to, _)| to == recipient).map(|(_, message)| message.clone()).unwrap()
    }
}

pub async fn site(addr: SocketAddr) -> Site {
    Site::start(|config| {
        config.auth.secret = Secret::new("a site secret");
        config.http.public_url = "https://tv.example/".to_owned();
        config.mail.url = Secret::new(format!("smtp://{addr}"));
        config.mail.from = "Rillcast <noreply@tv.example>".to_owned();
    })
    .await
}

/// A follower of the channel whose address is confirmed.
pub async fn follower(site: &Site, channel: UserId, name: &str, language: &str) -> UserId {
    let user = site.channel(name).await;
    site.execute(&format!(
        "INSERT INTO follows (channel_id, follower_id) VALUES ('{channel}', '{user}');
         INSERT INTO mail_settings (user_id, confirmed_address, language)
         SELECT user_id, email, '{language}' FROM users WHERE user_id = '{user}'"
    ))
    .await;
    user
}

#[tokio::test]
async fn a_server_that_refuses_for_a_while_is_sent_everything_once() {
    let server = MailServer::default();
    let (addr, _tasks) = server.start().await;
    let site = site(addr).await;
    let channel = site.channel("alice").await;
    let bob = follower(&site, channel, "bob", "en").await;
    follower(&site, channel, "carol", "vi").await;
    server.refuses(Some("500 5.0.0 out of order"));
    let stream = site.live_stream(channel).await;
    site.tell(&online(stream, channel, "alice")).await;
    site.tell(&online(stream, channel, "alice")).await;
    let (_running, _stop) = site.run();
    let failed = "SELECT count(*)::bigint AS n FROM apalis.jobs WHERE attempts >= 2 AND status = 'Failed'";
    site.until(failed, 1, Duration::from_secs(30)).await;
    assert_eq!((site.number(OWED).await, server.recipients().len()), (2, 0), "owed, and not sent");
    let listed = jobs::list(&site.deps.pool, false, 10).await.unwrap();
    assert_eq!((listed.len(), listed[0].job.as_str(), listed[0].state), (1, "send_mails", JobState::Failing));
    assert!(listed[0].last_error.as_ref().unwrap().contains("500"), "{listed:?}");

    server.refuses(None);
    site.until(OWED, 0, Duration::from_secs(40)).await;
    site.until(OPEN_JOBS, 0, Duration::from_secs(10)).await;
    assert_eq!(server.recipients(), ["bob@test.example", "carol@test.example"]);

    let raw = server.mail_to("bob@test.example");
    let mail = MessageParser::default().parse(&raw).unwrap();
    assert_eq!(mail.subject(), Some("alice is live: Hello"));
    assert_eq!(mail.from().unwrap().first().unwrap().address(), Some("noreply@tv.example"));
    assert!(mail.body_text(0).unwrap().contains("https://tv.example/c/alice"));
    assert!(mail.body_html(0).unwrap().contains("alice is live: Hello"));
    let header = |name: &str| mail.header_raw(name).unwrap_or_default().trim().to_owned();
    assert_eq!(header("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    assert_eq!(header("Auto-Submitted"), "auto-generated");
    let link = header("List-Unsubscribe");
    let token =
        link.strip_prefix("<https://tv.example/api/v1/mail/unsubscribe?token=").and_then(|l| l.strip_suffix('>'));
    let said = MailLinks::new(&Secret::new("a site secret")).read_unsubscribe(token.unwrap()).unwrap();
    assert_eq!((said.user, said.kind), (bob, Some(NotificationType::StreamOnline)));
    let ids =
        "SELECT notification_id::text AS n FROM notifications n JOIN users USING (user_id) WHERE username = 'bob'";
    let ids = db::testing::rows(&site.deps.pool, ids).await.unwrap();
    assert_eq!(mail.message_id().unwrap(), format!("{}@tv.example", ids[0]["n"].as_str().unwrap()));

    let raw = server.mail_to("carol@test.example");
    let mail = MessageParser::default().parse(&raw).unwrap();
    assert_eq!(mail.subject(), Some("alice đang phát trực tiếp: Hello"));
}

#[tokio::test]
async fn a_mail_given_up_is_seen_and_can_be_tried_again() {
    let server = MailServer::default();
    let (addr, _tasks) = server.start().await;
    let site = site(addr).await;
    let channel = site.channel("alice").await;
    follower(&site, channel, "bob", "en").await;
    server.refuses(Some("554 5.7.1 not from you"));
    let stream = site.live_stream(channel).await;
    site.tell(&online(stream, channel, "alice")).await;
    let (_running, _stop) = site.run();
    let failed = "SELECT count(*)::bigint AS n FROM apalis.jobs WHERE status IN ('Failed', 'Killed') AND attempts >= ";
    site.until(&format!("{failed} 1"), 1, Duration::from_secs(20)).await;
    // A day and a half later.
    site.execute("UPDATE apalis.jobs SET attempts = max_attempts - 1, run_at = now() WHERE status = 'Failed'").await;
    site.until(&format!("{failed} max_attempts"), 1, Duration::from_secs(20)).await;
    let listed = jobs::list(&site.deps.pool, false, 10).await.unwrap();
    assert_eq!((listed.len(), listed[0].state), (1, JobState::Dead));
    assert!(listed[0].last_error.as_ref().unwrap().contains("not from you"), "{listed:?}");
    assert_eq!(site.number(OWED).await, 1, "given up, and not lost");

    server.refuses(None);
    assert!(jobs::retry(&site.deps.pool, &listed[0].id).await.unwrap());
    site.until(OWED, 0, Duration::from_secs(20)).await;
    assert_eq!(server.recipients(), ["bob@test.example"]);
}

#[tokio::test]
async fn a_killed_worker_loses_no_mail_and_none_is_sent_twice() {
    const FOLLOWERS: usize = 12;
    let server = MailServer::default();
    let (addr, _tasks) = server.start().await;
    let site = site(addr).await;
    let channel = site.channel("alice").await;
    for n in 0..FOLLOWERS {
        follower(&site, channel, &format!("fan{n}"), "en").await;
    }
    server.0.lock().unwrap().silent_after = Some(5);
    let stream = site.live_stream(channel).await;
    site.tell(&online(stream, channel, "alice")).await;
    let (running, _stop) = site.run();
    site.until(DONE, 1, Duration::from_secs(10)).await;
    site.until(OWED, 7, Duration::from_secs(10)).await;
    drop(running);

    server.0.lock().unwrap().silent_after = None;
    // Two minutes later.
    site.execute("UPDATE mail_deliveries SET claimed_at = claimed_at - interval '3 minutes'").await;
    let (_running, _stop) = site.run();
    site.until(OPEN_JOBS, 0, Duration::from_secs(40)).await;
    let mut recipients = server.recipients();
    assert_eq!((site.number(OWED).await, recipients.len()), (0, FOLLOWERS));
    recipients.dedup();
    assert_eq!(recipients.len(), FOLLOWERS, "each once");
}

#[tokio::test]
async fn mail_goes_where_it_is_wanted_and_to_addresses_that_are_there() {
    let server = MailServer::default();
    let (addr, _tasks) = server.start().await;
    let site = site(addr).await;
    let channel = site.channel("alice").await;
    follower(&site, channel, "bob", "en").await;
    let picky = follower(&site, channel, "picky", "en").await;
    let moved = follower(&site, channel, "moved", "en").await;
    let nobody = follower(&site, channel, "nobody", "en").await;
    let quiet = site.channel("quiet").await;
    site.execute(&format!(
        "INSERT INTO notification_reaches VALUES ('{picky}', 'stream_online', 'mail', false);
         UPDATE users SET email = 'elsewhere@test.example' WHERE user_id = '{moved}';
         INSERT INTO follows (channel_id, follower_id) VALUES ('{channel}', '{quiet}')"
    ))
    .await;
    let stream = site.live_stream(channel).await;
    site.tell(&online(stream, channel, "alice")).await;
    // Bob would have to ask for mail about followers.
    site.tell(&Event::Followed { channel_id: channel, follower_id: picky }).await;
    let (_running, _stop) = site.run();
    site.until(DONE, 3, Duration::from_secs(20)).await;
    assert_eq!(server.recipients(), ["bob@test.example"]);
    assert_eq!(site.number(OWED).await, 0);
    let confirmed = format!(
        "SELECT count(*)::bigint AS n FROM mail_settings WHERE user_id = '{nobody}' AND confirmed_address IS NOT NULL"
    );
    assert_eq!(site.number(&confirmed).await, 0, "a mailbox that is not there is not written to again");

    // Whoever asks for mail is asked back, once the address is confirmed no more.
    site.execute(&format!("INSERT INTO mail_settings (user_id, language) VALUES ('{quiet}', 'vi')")).await;
    site.tell(&Event::MailAsked { user_id: quiet }).await;
    site.until(DONE, 4, Duration::from_secs(20)).await;
    let raw = server.mail_to("quiet@test.example");
    let mail = MessageParser::default().parse(&raw).unwrap();
    assert!(mail.subject().unwrap().contains("tv.example có thể gửi thư"), "{:?}", mail.subject());
    assert!(mail.header_raw("List-Unsubscribe").is_none());
    let text = mail.body_text(0).unwrap().into_owned();
    let token = text.split_once("/confirm-mail?token=").unwrap().1.split_whitespace().next().unwrap();
    let said = MailLinks::new(&Secret::new("a site secret")).read_confirm(token).unwrap();
    assert_eq!((said.user, said.address.as_str()), (quiet, "quiet@test.example"));
    let mut conn = site.deps.pool.acquire().await.unwrap();
    assert!(db::mail::confirm(&mut conn, quiet, &said.address).await.unwrap());
    site.tell(&Event::MailAsked { user_id: quiet }).await;
    site.until(DONE, 5, Duration::from_secs(20)).await;
    assert_eq!(server.recipients(), ["bob@test.example", "quiet@test.example"]);
}

#[tokio::test]
async fn the_operator_is_told_whether_mail_can_be_sent() {
    let server = MailServer::default();
    let (addr, tasks) = server.start().await;
    let site = site(addr).await;
    assert!(jobs::mail::check(&site.deps.config).await.unwrap().contains("answers"));
    drop(tasks);
    assert!(jobs::mail::check(&site.deps.config).await.is_err());
    assert!(jobs::mail::check(&kit::Config::default()).await.unwrap().contains("off"));
}

#[tokio::test]
async fn a_forgotten_password_is_helped_at_the_address_alone() {
    let server = MailServer::default();
    let (addr, _tasks) = server.start().await;
    let site = site(addr).await;
    // Nobody asked for mail, and one of them has closed the account.
    let (alice, closed, barred) =
        (site.channel("alice").await, site.channel("closed").await, site.channel("barred").await);
    site.execute(&format!(
        "UPDATE users SET closed_at = now() WHERE user_id = '{closed}';
         UPDATE users SET is_barred = true WHERE user_id = '{barred}';
         INSERT INTO mail_settings (user_id, language) VALUES ('{closed}', 'vi')"
    ))
    .await;
    let now = kit::clock::now();
    let asked =
        |name: &str, at| Event::ResetAsked { email: Email::parse(&format!("{name}@test.example")).unwrap(), at };
    for name in ["alice", "closed", "barred", "stranger"] {
        site.tell(&asked(name, now)).await;
    }
    site.tell(&asked("alice", now - Duration::from_secs(3_601))).await;
    site.tell(&Event::PasswordChanged { user_id: barred }).await;
    let (_running, _stop) = site.run();
    site.until(DONE, 6, Duration::from_secs(20)).await;
    assert_eq!(server.recipients(), ["alice@test.example", "closed@test.example"]);

    let raw = server.mail_to("alice@test.example");
    let mail = MessageParser::default().parse(&raw).unwrap();
    assert_eq!(mail.subject().unwrap(), "A new password on tv.example");
    assert!(mail.header_raw("List-Unsubscribe").is_none());
    let text = mail.body_text(0).unwrap().into_owned();
    let token = text.split_once("https://tv.example/reset?token=").unwrap().1.split_whitespace().next().unwrap();
    let links = MailLinks::new(&Secret::new("a site secret"));
    let said = links.read_reset(token).unwrap();
    assert_eq!(said.user, alice);
    let mut conn = site.deps.pool.acquire().await.unwrap();
    let hash = db::users::password_hash(&mut conn, alice).await.unwrap().unwrap();
    assert!(links.fits(&said, "alice@test.example", &hash));
    let raw = server.mail_to("closed@test.example");
    assert_eq!(MessageParser::default().parse(&raw).unwrap().subject().unwrap(), "Mật khẩu mới trên tv.example");
}

#[tokio::test]
async fn a_member_hears_that_their_password_has_changed() {
    let server = MailServer::default();
    let (addr, _tasks) = server.start().await;
    let site = site(addr).await;
    let alice = site.channel("alice").await;
    server.refuses(Some("451 later"));
    site.tell(&Event::PasswordChanged { user_id: alice }).await;
    let (_running, _stop) = site.run();
    let tried = "SELECT count(*)::bigint AS n FROM apalis.jobs WHERE attempts >= 1 AND status = 'Failed'";
    site.until(tried, 1, Duration::from_secs(20)).await;
    server.refuses(None);
    site.until(DONE, 1, Duration::from_secs(40)).await;
    assert_eq!(server.recipients(), ["alice@test.example"]);
    let raw = server.mail_to("alice@test.example");
    let mail = MessageParser::default().parse(&raw).unwrap();
    assert!(mail.body_text(0).unwrap().contains("https://tv.example/forgot"));
    assert!(mail.message_id().unwrap().ends_with("@tv.example"));
}

#[tokio::test]
async fn a_member_hears_what_became_of_their_two_factor_sign_in() {
    let server = MailServer::default();
    let (addr, _tasks) = server.start().await;
    let site = site(addr).await;
    let alice = site.channel("alice").await;
    // Nobody asked for mail; who was shown the door hears nothing.
    let barred = site.channel("barred").await;
    site.execute(&format!("UPDATE users SET is_barred = true WHERE user_id = '{barred}'")).await;
    site.tell(&Event::TwoFactorChanged { user_id: barred, change: TwoFactorChange::Off }).await;
    site.tell(&Event::TwoFactorChanged { user_id: alice, change: TwoFactorChange::RecoveryUsed }).await;
    let (_running, _stop) = site.run();
    site.until(DONE, 2, Duration::from_secs(20)).await;
    assert_eq!(server.recipients(), ["alice@test.example"]);
    let raw = server.mail_to("alice@test.example");
    let mail = MessageParser::default().parse(&raw).unwrap();
    assert_eq!(mail.subject().unwrap(), "Signing in to tv.example was changed");
    let text = mail.body_text(0).unwrap();
    assert!(text.contains("with a recovery code") && text.contains("https://tv.example/settings#security"), "{text}");
}
