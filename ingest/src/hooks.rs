//! The operator's own server, asked in nginx-rtmp's dialect: form-encoded POST, the status is the answer.
//!
//! Owns `on_publish` and `on_update`, which decide about a running connection. `on_publish_done` is a job elsewhere: it must
//! survive us. The stream key never leaves: the publisher is named by its channel.

use std::time::Duration;

use anyhow::Context;
use kit::config::HooksConfig;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use tracing::warn;

/// Leaves room for the rest of the authorization.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(3);
/// How often a running publish is reported.
pub(crate) const UPDATE_EVERY: Duration = Duration::from_secs(30);
const FORM: &str = "application/x-www-form-urlencoded";

/// What the hooks are told about a publisher.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) app: String,
    pub(crate) flash_ver: String,
    pub(crate) swf_url: String,
    pub(crate) tc_url: String,
    pub(crate) page_url: String,
    pub(crate) addr: String,
    pub(crate) client_id: String,
    pub(crate) username: String,
    /// The publisher's own query arguments, verbatim, but for those that would speak in our name.
    pub(crate) args: String,
}

/// The operator's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    Refused(StatusCode),
    Unreachable,
}

/// The configured hooks.
#[derive(Debug)]
pub(crate) struct Hooks {
    client: Client,
    on_publish: Option<Url>,
    on_update: Option<Url>,
}

impl Hooks {
    pub(crate) fn new(config: &HooksConfig) -> anyhow::Result<Self> {
        // A redirect would be an answer from somebody the operator did not name.
        let client = Client::builder().timeout(ANSWER_WAIT_MAX).redirect(Policy::none()).build()?;
        let url = |key: &'static str, text: &str| -> anyhow::Result<Option<Url>> {
            (!text.is_empty()).then(|| Url::parse(text).with_context(|| format!("{key} is not an address"))).transpose()
        };
        Ok(Self {
            client,
            on_publish: url("hooks.on_publish", &config.on_publish)?,
            on_update: url("hooks.on_update", &config.on_update)?,
        })
    }

    pub(crate) fn has_update(&self) -> bool {
        self.on_update.is_some()
    }

    /// Asks whether a publisher may go on air. Without the hook everybody may.
    pub(crate) async fn publish(&self, facts: &Facts) -> Verdict {
        let Some(url) = &self.on_publish else { return Verdict::Allowed };
        let body = body(facts, &[("call", "publish"), ("name", &facts.username), ("type", "live")]);
        match self.post(url, body).await {
            Some(status) if status.is_success() => Verdict::Allowed,
            Some(status) => Verdict::Refused(status),
            None => Verdict::Unreachable,
        }
    }

    /// Reports a running publish; only an explicit error cuts it.
    pub(crate) async fn update(&self, facts: &Facts, on_air: Duration, timestamp_ms: u32) -> Verdict {
        let Some(url) = &self.on_update else { return Verdict::Allowed };
        let (time, timestamp) = (on_air.as_secs().to_string(), timestamp_ms.to_string());
        let call = [("call", "update_publish"), ("time", &time), ("timestamp", &timestamp), ("name", &facts.username)];
        match self.post(url, body(facts, &call)).await {
            Some(status) if status.is_client_error() || status.is_server_error() => Verdict::Refused(status),
            Some(_) => Verdict::Allowed,
            None => Verdict::Unreachable,
        }
    }

    async fn post(&self, url: &Url, body: String) -> Option<StatusCode> {
        let sent = self.client.post(url.clone()).header("content-type", FORM).body(body).send().await;
        match sent {
            Ok(response) => Some(response.status()),
            Err(error) => {
                warn!(error = %error.without_url(), "the operator's hook did not answer");
                None
            }
        }
    }
}

/// What we say ourselves in any of the hooks. Receivers differ in which of two fields of one name they believe.
const OURS: [&str; 15] = [
    "app",
    "flashver",
    "swfurl",
    "tcurl",
    "pageurl",
    "addr",
    "clientid",
    "call",
    "name",
    "type",
    "time",
    "timestamp",
    "recorder",
    "path",
    "vod_id",
];

/// A publisher's arguments without those that have the name of a field of ours, however they are written.
pub(crate) fn publishers_own(args: &str) -> String {
    let is_own = |argument: &&str| {
        let name = Url::parse(&format!("http://form?{argument}"))
            .ok()
            .and_then(|form| form.query_pairs().next().map(|(name, _)| name.trim().to_ascii_lowercase()));
        // PHP and its kin read `name[]` as `name`.
        name.is_some_and(|name| !OURS.contains(&name.split('[').next().unwrap_or_default()))
    };
    args.split('&').filter(is_own).collect::<Vec<_>>().join("&")
}

/// The form: nginx-rtmp's fields, then the call's own, then the publisher's arguments as they came.
fn body(facts: &Facts, call: &[(&str, &str)]) -> String {
    let about = [
        ("app", facts.app.as_str()),
        ("flashver", &facts.flash_ver),
        ("swfurl", &facts.swf_url),
        ("tcurl", &facts.tc_url),
        ("pageurl", &facts.page_url),
        ("addr", &facts.addr),
        ("clientid", &facts.client_id),
    ];
    let mut body = match Url::parse("http://form") {
        Ok(mut form) => {
            form.query_pairs_mut().extend_pairs(about.iter().chain(call));
            form.query().unwrap_or_default().to_owned()
        }
        Err(_) => String::new(),
    };
    if !facts.args.is_empty() {
        body.push('&');
        body.push_str(&facts.args);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            app: "live".to_owned(),
            flash_ver: "FMLE/3.0 (x)".to_owned(),
            swf_url: String::new(),
            tc_url: "rtmp://h/live".to_owned(),
            page_url: String::new(),
            addr: "192.0.2.1".to_owned(),
            client_id: "7".to_owned(),
            username: "alice".to_owned(),
            args: "token=a%20b&x=1".to_owned(),
        }
    }

    fn hooks(on_update: String) -> Hooks {
        Hooks::new(&HooksConfig { on_update, ..HooksConfig::default() }).expect("valid")
    }

    #[tokio::test]
    async fn only_an_explicit_error_cuts_a_running_publish() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        for (status, verdict) in [
            ("204 No Content", Verdict::Allowed),
            ("302 Found", Verdict::Allowed),
            ("403 Forbidden", Verdict::Refused(StatusCode::FORBIDDEN)),
            ("500 Oops", Verdict::Refused(StatusCode::INTERNAL_SERVER_ERROR)),
        ] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let hooks = hooks(format!("http://{}/", listener.local_addr().expect("an address")));
            let answer = async {
                let (mut socket, _) = listener.accept().await.expect("a call");
                let mut request = vec![0; 4_096];
                let length = socket.read(&mut request).await.expect("a request");
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                socket.write_all(answer.as_bytes()).await.expect("the caller listens");
                String::from_utf8_lossy(&request[..length]).into_owned()
            };
            let facts = facts();
            let (said, request) = tokio::join!(hooks.update(&facts, Duration::from_secs(61), 60_500), answer);
            assert_eq!(said, verdict, "{status}");
            assert!(request.contains("&call=update_publish&time=61&timestamp=60500&name=alice"), "{request}");
        }
        assert_eq!(
            hooks("http://127.0.0.1:1/".to_owned()).update(&facts(), Duration::ZERO, 0).await,
            Verdict::Unreachable
        );
    }

    #[test]
    fn a_publisher_does_not_speak_in_our_name() {
        assert_eq!(publishers_own("token=a%20b&x=1&token=2"), "token=a%20b&x=1&token=2");
        assert_eq!(publishers_own("name=bob&n%61me=bob&NAME=bob&name[]=bob&+call=publish&a=1&clientid"), "a=1");
        assert_eq!(publishers_own(""), "");
    }

    #[test]
    fn the_form_is_what_nginx_rtmp_sends() {
        assert_eq!(
            body(&facts(), &[("call", "publish"), ("name", "alice"), ("type", "live")]),
            "app=live&flashver=FMLE%2F3.0+%28x%29&swfurl=&tcurl=rtmp%3A%2F%2Fh%2Flive&pageurl=&addr=192.0.2.1&clientid=7\
             &call=publish&name=alice&type=live&token=a%20b&x=1"
        );
    }
}
