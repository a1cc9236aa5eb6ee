//! The mail server: how mails are handed to it, and what its answers mean for us.

use std::time::Duration;

use anyhow::{Context, bail};
use kit::Config;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use reqwest::Url;

use super::letter::Letter;

/// Longest the server may take for one step of the exchange.
const STEP_WAIT_MAX: Duration = Duration::from_secs(10);
/// Longest one mail may take, and the doctor's question.
const SEND_WAIT_MAX: Duration = Duration::from_secs(20);
/// Connections of one job. They close with it.
pub(super) const CONNECTIONS_MAX: usize = 4;

/// How handing one mail over ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Handed {
    Taken,
    /// There is no such mailbox.
    NoMailbox,
    /// The server will not have it now. A 5xx is no different: servers say that of themselves, too, and are repaired.
    Refused(String),
    /// The server does not answer.
    Away(String),
}

pub(super) struct Post {
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    site_url: String,
    /// What comes after the `@` of our ids.
    host: String,
}

impl Post {
    pub(super) fn new(config: &Config, site_url: &str, host: &str) -> anyhow::Result<Self> {
        let url = config.mail.url.expose();
        // The address holds a password: what is wrong with it is not repeated.
        let Ok(parsed) = Url::parse(url) else { bail!("mail.url is not an address") };
        let is_plain = parsed.scheme() == "smtp" && !parsed.query().is_some_and(|query| query.contains("tls=required"));
        if is_plain && parsed.password().is_some() && !is_loopback(&parsed) {
            bail!("mail.url would send the password in the clear: add ?tls=required, or use smtps://");
        }
        let Ok(server) = AsyncSmtpTransport::<Tokio1Executor>::from_url(url) else { bail!("mail.url cannot be used") };
        Ok(Self {
            server: server
                .hello_name(ClientId::Domain(host.to_owned()))
                .timeout(Some(STEP_WAIT_MAX))
                .pool_config(PoolConfig::new().max_size(CONNECTIONS_MAX as u32))
                .build(),
            from: config.mail.from.parse().context("mail.from is not an address")?,
            site_url: site_url.to_owned(),
            host: host.to_owned(),
        })
    }

    /// Whether the server answers and takes our name and password.
    pub(super) async fn knock(&self) -> anyhow::Result<()> {
        let answered = tokio::time::timeout(SEND_WAIT_MAX, self.server.test_connection()).await;
        match answered.context("the mail server does not answer")?? {
            true => Ok(()),
            false => bail!("the mail server does not take commands"),
        }
    }

    pub(super) async fn hand(&self, letter: Letter) -> Handed {
        // An address that no mail can be written to.
        let Ok(message) = self.message(letter) else { return Handed::NoMailbox };
        let error = match tokio::time::timeout(SEND_WAIT_MAX, self.server.send(message)).await {
            Ok(Ok(_)) => return Handed::Taken,
            Ok(Err(error)) => error,
            Err(_) => return Handed::Away(format!("no answer within {} s", SEND_WAIT_MAX.as_secs())),
        };
        let text = error.to_string();
        match error.status() {
            Some(code) if is_no_mailbox(u16::from(code), &text) => Handed::NoMailbox,
            Some(_) => Handed::Refused(text),
            None => Handed::Away(text),
        }
    }

    fn message(&self, letter: Letter) -> anyhow::Result<Message> {
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, letter.address.parse()?))
            .subject(letter.subject)
            .message_id(Some(format!("<{}@{}>", letter.id, self.host)))
            .multipart(MultiPart::alternative_plain_html(letter.text, letter.html))?;
        // RFC 3834: holiday notes are not answered to us.
        let mut headers = vec![("Auto-Submitted", "auto-generated".to_owned())];
        if let Some(token) = letter.stop {
            headers.push(("List-Unsubscribe", format!("<{}/api/v1/mail/unsubscribe?token={token}>", self.site_url)));
            // RFC 8058.
            headers.push(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()));
            headers.push(("List-Id", format!("<notifications.{}>", self.host)));
        }
        for (name, value) in headers {
            let name = HeaderName::new_from_ascii_str(name);
            message.headers_mut().insert_raw(HeaderValue::new(name, value));
        }
        Ok(message)
    }
}

/// RFC 3463 3.2: the address is what is wrong.
fn is_no_mailbox(code: u16, text: &str) -> bool {
    matches!(code, 550 | 551 | 553) && text.contains("5.1.")
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|addr| addr.is_loopback())
}

#[cfg(test)]
mod tests {
    use kit::Secret;

    use super::*;

    #[tokio::test]
    async fn a_password_does_not_travel_in_the_clear() {
        let of = |url: &str| {
            let mut config = Config::default();
            config.mail.url = Secret::new(url);
            config.mail.from = "Rillcast <noreply@tv.example>".to_owned();
            Post::new(&config, "https://tv.example", "tv.example").map(drop)
        };
        assert!(of("smtps://u:p@mail.example:465").is_ok());
        assert!(of("smtp://u:p@mail.example:587?tls=required").is_ok());
        assert!(of("smtp://u:p@127.0.0.1:25").is_ok());
        assert!(of("smtp://mail.example:25").is_ok());
        for bad in ["smtp://u:hunter2@mail.example:587", "smtp://", "smtp://u:hunter2@mail.example:x"] {
            let error = format!("{:#}", of(bad).unwrap_err());
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn only_a_mailbox_that_is_not_there_ends_mail_to_it() {
        assert!(is_no_mailbox(550, "permanent error (550): 5.1.1 no such user"));
        assert!(!is_no_mailbox(550, "permanent error (550): 5.7.1 we do not like you"));
        assert!(!is_no_mailbox(500, "permanent error (500): 5.1.1"));
        assert!(!is_no_mailbox(452, "transient error (452): 4.2.2 full"));
    }
}
