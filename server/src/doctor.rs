//! `rillcast doctor`: what this machine and these settings lack, in one list. `up` insists on the part it cannot do
//! without.

use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::bail;
use api::lights::{Light, LightState};
use kit::Config;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::time::timeout;
use transcoder::worker::{Check, CheckStatus as Status};

use crate::embedded::postgres;
use crate::{node, ports};

#[derive(Debug, Clone, Serialize)]
struct Line {
    check: String,
    status: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    hint: String,
}

impl Line {
    fn new(check: &str, result: Result<String, (String, String)>) -> Self {
        let (status, detail, hint) = match result {
            Ok(detail) => ("ok", detail, String::new()),
            Err((detail, hint)) => ("fail", detail, hint),
        };
        Self { check: check.to_owned(), status, detail, hint }
    }
}

impl From<Check> for Line {
    fn from(check: Check) -> Self {
        let status = match check.status {
            Status::Ok => "ok",
            Status::Warn => "warn",
            Status::Fail => "fail",
        };
        Self { check: check.name, status, detail: check.detail, hint: check.hint.unwrap_or_default() }
    }
}

pub async fn run(config: Config, as_json: bool) -> anyhow::Result<ExitCode> {
    let mut lines = vec![data_folder(&config.data_dir)];
    lines.push(port(config.http.listen, "http.listen").await);
    lines.push(port(config.ingest.listen, "ingest.listen").await);
    if let Some(addr) = config.ingest.rtmps.addr() {
        lines.push(port(addr, "ingest.rtmps.listen").await);
        lines.push(certificate(&config.ingest.rtmps));
    }
    lines.push(database(&config).await);
    lines.push(redis(&config).await);
    lines.push(bucket(&config).await);
    lines.push(chat_store(&config).await);
    lines.push(mail(&config).await);
    lines.push(scanner(&config).await);
    lines.push(places(&config));
    lines.extend(transcoder::worker::doctor().into_iter().map(Line::from));
    lines.push(transcoder::worker::doctor_encoder(&config.transcoder).into());
    let failed = lines.iter().any(|line| line.status == "fail");
    if as_json {
        println!("{}", serde_json::to_string_pretty(&lines)?);
    } else {
        for line in &lines {
            println!("{:<5} {:<28} {}", line.status, line.check, line.detail);
            if !line.hint.is_empty() {
                println!("      {:<28} {}", "", line.hint);
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The services among them, for the console. Ports are the process's own by then.
#[derive(Debug)]
pub struct Lights {
    config: Arc<Config>,
    /// What this machine has does not change while the program runs, and looking takes a child and seconds.
    media: Arc<OnceLock<Line>>,
    has_looked: AtomicBool,
}

impl Lights {
    pub fn new(config: Arc<Config>) -> Self {
        Self { config, media: Arc::default(), has_looked: AtomicBool::new(false) }
    }

    /// What was found of media; at first nothing.
    async fn media(&self) -> Line {
        if !self.has_looked.swap(true, Ordering::Relaxed) {
            let (media, settings) = (Arc::clone(&self.media), self.config.transcoder.clone());
            let looked = tokio::task::spawn_blocking(move || _ = media.set(media_line(&settings)));
            if looked.await.is_err() {
                self.has_looked.store(false, Ordering::Relaxed);
            }
        }
        let looking = || Line { status: "warn", ..Line::new("media", Ok("still being looked at".to_owned())) };
        self.media.get().cloned().unwrap_or_else(looking)
    }
}

/// Longest any of them is waited for.
const LIGHT_WAIT_MAX: Duration = Duration::from_secs(3);

impl api::lights::Lights for Lights {
    fn look(&self) -> Pin<Box<dyn Future<Output = Vec<Light>> + Send + '_>> {
        let config = &*self.config;
        Box::pin(async move {
            let (postgres, redis, bucket, chat, mail, scanner, media) = tokio::join!(
                within("postgres", database(config)),
                within("redis", redis(config)),
                within("bucket", bucket(config)),
                within("chat", chat_store(config)),
                within("mail", mail(config)),
                within("scanner", scanner(config)),
                within("media", self.media()),
            );
            [postgres, redis, bucket, chat, mail, scanner, media].map(Light::from).to_vec()
        })
    }
}

impl From<Line> for Light {
    fn from(line: Line) -> Self {
        let state = match line.status {
            "ok" => LightState::Ok,
            "warn" => LightState::Warn,
            _ => LightState::Fail,
        };
        Self { name: line.check, state, detail: line.detail, hint: line.hint }
    }
}

async fn within(check: &str, looked: impl Future<Output = Line>) -> Line {
    match timeout(LIGHT_WAIT_MAX, looked).await {
        Ok(line) => line,
        Err(_) => {
            let waited = format!("no answer within {} s", LIGHT_WAIT_MAX.as_secs());
            Line::new(check, Err((waited, String::new())))
        }
    }
}

/// What media work needs of this machine, in one line: the worst of it.
fn media_line(settings: &kit::config::TranscoderConfig) -> Line {
    let mut checks = transcoder::worker::doctor();
    checks.push(transcoder::worker::doctor_encoder(settings));
    let count = checks.len();
    let of = |wanted: fn(&Check) -> bool| checks.iter().find(|check| wanted(check)).cloned();
    let lacking =
        of(|check| matches!(check.status, Status::Fail)).or_else(|| of(|check| matches!(check.status, Status::Warn)));
    match lacking {
        None => Line::new("media", Ok(format!("{count} checks of GStreamer passed"))),
        Some(check) => {
            let detail = format!("{}: {}", check.name, check.detail);
            Line { check: "media".to_owned(), detail, ..Line::from(check) }
        }
    }
}

/// The chat's history.
async fn chat_store(config: &Config) -> Line {
    if config.chat.mongodb_url.is_empty() {
        return Line::new("chat", Ok("in Postgres".to_owned()));
    }
    let looked = async {
        let pool = db::pool::connect(&config.database)?;
        chat::history::open(config, &pool).await?.ping().await?;
        anyhow::Ok("MongoDB answers".to_owned())
    };
    let hint = "check chat.mongodb_url".to_owned();
    Line::new("chat", looked.await.map_err(|error| (format!("{error:#}"), hint)))
}

/// Whether encoders can be served under TLS.
fn certificate(rtmps: &kit::config::RtmpsConfig) -> Line {
    let outcome = match ingest::Tls::load(rtmps) {
        Ok(_) => Ok(rtmps.certificate.display().to_string()),
        Err(error) => Err((
            error.to_string(),
            "set ingest.rtmps.certificate and .key to PEM files that belong together".to_owned(),
        )),
    };
    Line::new("ingest.rtmps.certificate", outcome)
}

/// What media work cannot do without, as an error before anything starts.
pub fn require_media(config: &Config) -> anyhow::Result<()> {
    if config.transcoder.ladder == "none" {
        return Ok(());
    }
    let missing: Vec<String> = transcoder::worker::doctor()
        .into_iter()
        .filter(|check| matches!(check.status, Status::Fail))
        .map(|check| format!("  {}: {}\n    {}", check.name, check.detail, check.hint.unwrap_or_default()))
        .collect();
    if !missing.is_empty() {
        bail!(
            "transcoding cannot work on this machine:\n{}\nor set transcoder.ladder to \"none\" to deliver the source only",
            missing.join("\n")
        );
    }
    Ok(())
}

fn data_folder(data_dir: &Path) -> Line {
    let result = match node::prepare_data_dir(data_dir) {
        Ok(dir) => Ok(dir.display().to_string()),
        Err(error) => Err((format!("{error:#}"), "choose another with --data".to_owned())),
    };
    Line::new("data folder", result)
}

async fn port(addr: SocketAddr, key: &str) -> Line {
    let result = match TcpListener::bind(addr).await {
        Ok(_) => Ok(format!("{addr} is free")),
        Err(error) => {
            let who = ports::owner_of(addr.port()).map(|who| format!(" by {who}")).unwrap_or_default();
            Err((format!("{addr}: {error}{who}"), format!("free it or set {key}")))
        }
    };
    Line::new(key, result)
}

async fn database(config: &Config) -> Line {
    let result = if config.database.url.is_empty() {
        postgres::binaries(&config.data_dir.join("postgres/cluster"))
            .map(|bin| format!("embedded, {}", bin.display()))
            .map_err(|error| (format!("{error:#}"), "apt install postgresql, or set database.url".to_owned()))
    } else {
        match db::pool::connect(&config.database) {
            Ok(pool) => db::pool::ping(&pool).await.map(|()| "answers".to_owned()),
            Err(error) => Err(error),
        }
        .map_err(|error| (error.to_string(), "check database.url".to_owned()))
    };
    Line::new("postgres", result)
}

async fn redis(config: &Config) -> Line {
    let result = if config.redis.url.is_empty() {
        postgres::find_program("redis-server", &[])
            .map(|program| format!("embedded, {}", program.display()))
            .ok_or_else(|| {
                ("redis-server is not installed".to_owned(), "apt install redis-server, or set redis.url".to_owned())
            })
    } else {
        match live::Live::new(&config.redis) {
            Ok(live) => live.ping().await.map(|()| "answers".to_owned()),
            Err(error) => Err(error),
        }
        .map_err(|error| (error.to_string(), "check redis.url".to_owned()))
    };
    Line::new("redis", result)
}

async fn bucket(config: &Config) -> Line {
    let result = if config.storage.endpoint.is_empty() {
        Ok("embedded, in the data folder".to_owned())
    } else {
        match objects::Objects::new(&config.storage) {
            Ok(objects) => objects.ping().await.map(|()| format!("{} answers", config.storage.bucket)),
            Err(error) => Err(error),
        }
        .map_err(|error| (error.to_string(), "check storage.*".to_owned()))
    };
    Line::new("bucket", result)
}

async fn scanner(config: &Config) -> Line {
    let hint = "check scan.clamd; until it answers, what members send waits".to_owned();
    Line::new("scanner", jobs::scan::check(&config.scan).await.map_err(|error| (format!("{error:#}"), hint)))
}

fn places(config: &Config) -> Line {
    let hint = "check geoip.database; the site does not start with what cannot be read".to_owned();
    let result = api::places::Places::open(&config.geoip).map(|places| places.describe());
    Line::new("places", result.map_err(|error| (format!("{error:#}"), hint)))
}

async fn mail(config: &Config) -> Line {
    let hint = "check mail.* and http.public_url".to_owned();
    Line::new("mail", jobs::mail::check(config).await.map_err(|error| (format!("{error:#}"), hint)))
}
