//! A whole Rillcast as a process of its own: started as an operator starts it, judged from outside, killed at will.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::services::{self, DatabaseGuard};

/// A first start makes a database cluster; on a busy machine that takes a while.
const READY_WAIT_MAX: Duration = Duration::from_secs(90);
const POLL_EVERY: Duration = Duration::from_millis(50);

/// How to start one.
pub struct Plan {
    exe: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    data: TempDir,
    database: Option<DatabaseGuard>,
}

impl Plan {
    /// `rillcast up` with every service embedded.
    pub fn embedded(exe: &str) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        let arguments = ["up", "--http", "127.0.0.1:0", "--rtmp", "127.0.0.1:0", "--data"].map(str::to_owned);
        let mut arguments = arguments.to_vec();
        arguments.push(data.path().join("data").display().to_string());
        let plan = Self { exe: exe.into(), arguments, variables: Vec::new(), data, database: None };
        plan.set("limits.register_per_ip_per_hour", "100000").set("limits.login_per_ip_per_minute", "100000")
    }

    /// `rillcast up` on the tests' Postgres and Redis: starts in a blink.
    pub async fn quick(exe: &str) -> Self {
        let (url, guard) = services::database().await;
        let mut plan = Self::embedded(exe)
            .set("database.url", &url)
            .set("redis.url", &services::redis_url())
            .set("redis.prefix", &services::redis_prefix());
        plan.database = Some(guard);
        plan
    }

    /// Sets a configuration key, as `section.key`.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        let name = format!("RILLCAST__{}", key.to_uppercase().replace('.', "__"));
        self.variables.retain(|(known, _)| *known != name);
        self.variables.push((name, value.to_owned()));
        self
    }

    /// The value a key was set to.
    pub fn value(&self, key: &str) -> Option<&str> {
        let name = format!("RILLCAST__{}", key.to_uppercase().replace('.', "__"));
        self.variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// Sets a variable of the process's environment that is not Rillcast's.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The folder everything of this stack lives in.
    pub fn data_dir(&self) -> PathBuf {
        self.data.path().join("data")
    }

    /// A client for a site whose processes the test started itself: `api` answers, `rtmp` takes publishers.
    pub fn around(mut api: Process, rtmp: String) -> Stack {
        api.rtmp = rtmp;
        let data = tempfile::tempdir().expect("a temporary folder");
        let plan = Self { exe: PathBuf::new(), arguments: Vec::new(), variables: Vec::new(), data, database: None };
        Stack { plan, process: api, client: client() }
    }

    pub async fn start(self) -> Stack {
        let process = Process::start(&self.exe, &self.arguments, &self.variables).await.expect("rillcast starts");
        Stack { plan: self, process, client: client() }
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().expect("a client")
}

/// One running process and what its ready line said.
pub struct Process {
    child: Child,
    pub http: String,
    pub rtmp: String,
    /// Everything printed before and shortly after the ready line.
    pub printed: String,
}

impl Process {
    /// Starts the binary and waits for its ready line.
    pub async fn start(exe: &Path, arguments: &[String], variables: &[(String, String)]) -> anyhow::Result<Self> {
        let mut child = Command::new(exe)
            .args(arguments)
            .envs(variables.iter().map(|(key, value)| (key, value)))
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        let mut printed = String::new();
        let ready = async {
            while let Some(line) = lines.next_line().await? {
                printed.push_str(&line);
                printed.push('\n');
                if let Some(rest) = line.strip_prefix("rillcast ready http=") {
                    let (http, rtmp) = rest.split_once(" rtmp=").context("a ready line of another form")?;
                    return Ok((http.to_owned(), rtmp.to_owned()));
                }
            }
            bail!("it ended before it was ready, having printed: {printed}")
        };
        let (http, rtmp) = timeout(READY_WAIT_MAX, ready).await.context("no ready line")??;
        // What follows (the first admin's login) comes in one write with the ready line.
        while let Ok(Ok(Some(line))) = timeout(Duration::from_millis(300), lines.next_line()).await {
            printed.push_str(&line);
            printed.push('\n');
        }
        Ok(Self { child, http, rtmp, printed })
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// The first admin's password, when this start printed one.
    pub fn admin_password(&self) -> Option<String> {
        let (_, rest) = self.printed.split_once("First admin")?;
        Some(rest.split_once("/ ")?.1.split_whitespace().next()?.to_owned())
    }

    pub async fn kill(&mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Whether it was killed or has ended, and was waited for.
    pub fn is_dead(&self) -> bool {
        self.child.id().is_none()
    }

    /// SIGTERM, and how it ended after how long.
    pub async fn terminate(&mut self) -> (ExitStatus, Duration) {
        let started = Instant::now();
        signal(self.pid(), libc::SIGTERM);
        let status =
            timeout(Duration::from_secs(30), self.child.wait()).await.expect("it ends").expect("it is waited for");
        (status, started.elapsed())
    }
}

/// Sends a signal to a process of this test's.
pub fn signal(pid: u32, signal: i32) {
    let status = std::process::Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "no process {pid}");
}

/// The children of a process whose command line contains `needle`.
pub fn children_of(pid: u32, needle: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<u32>().ok());
        let command = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default().replace('\0', " ");
        if parent == Some(pid) && command.contains(needle) {
            found.push(child);
        }
    }
    found
}

/// A running site and a client for it.
pub struct Stack {
    plan: Plan,
    pub process: Process,
    client: reqwest::Client,
}

/// A member as tests use one.
#[derive(Debug, Clone)]
pub struct Member {
    pub id: String,
    pub username: String,
    pub password: String,
    pub token: String,
    pub stream_key: String,
}

/// An answer, taken apart.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }
}

impl Stack {
    pub fn http(&self) -> &str {
        &self.process.http
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.process.http)
    }

    /// Where `member` publishes: address and key in one URL.
    pub fn publish_url(&self, member: &Member) -> String {
        format!("{}/{}", self.process.rtmp, member.stream_key)
    }

    pub fn data_dir(&self) -> PathBuf {
        self.plan.data_dir()
    }

    /// Gives a member so many files at once, past the site: see [`db::testing::add_files`].
    ///
    /// # Panics
    /// When the site has a database of its own.
    pub async fn add_files(&self, owner: &Member, count: i32) {
        let url = self.plan.value("database.url").expect("a database of the tests");
        let pool = db::testing::pool(url).expect("a pool");
        db::testing::add_files(&pool, &owner.id, count).await.expect("the files are added");
    }

    /// Starts the process again on the same data, as after a crash or an upgrade.
    pub async fn restart(&mut self) {
        let process = Process::start(&self.plan.exe, &self.plan.arguments, &self.plan.variables).await;
        self.process = process.expect("rillcast starts again");
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(reqwest::Method::GET, path, None, None).await
    }

    /// One API call.
    pub async fn send(&self, method: reqwest::Method, path: &str, token: Option<&str>, body: Option<Value>) -> Answer {
        let mut request = self.client.request(method, self.url(path));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.expect("the site answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap_or_default() }
    }

    /// Registers a member and fetches their stream key.
    pub async fn member(&self, username: &str) -> Member {
        let password = format!("correct horse {username} battery");
        let body = json!({ "username": username, "email": format!("{username}@test.example"), "password": password });
        let answer = self.send(reqwest::Method::POST, "/api/v1/auth/register", None, Some(body)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let answer = answer.json();
        let token = answer["access_token"].as_str().expect("a token").to_owned();
        let key = self.send(reqwest::Method::GET, "/api/v1/me/stream-key", Some(&token), None).await;
        assert_eq!(key.status, 200, "{}", key.text);
        Member {
            id: answer["user"]["id"].as_str().expect("an id").to_owned(),
            username: username.to_owned(),
            password,
            token,
            stream_key: key.json()["stream_key"].as_str().expect("a key").to_owned(),
        }
    }

    pub async fn follow(&self, follower: &Member, channel: &Member) {
        let path = format!("/api/v1/channels/{}/follow", channel.username);
        let answer = self.send(reqwest::Method::PUT, &path, Some(&follower.token), None).await;
        assert_eq!(answer.status, 204, "{}", answer.text);
    }

    /// Polls a path until its JSON satisfies `wanted`; the last answer tells what was there instead.
    pub async fn until(
        &self,
        path: &str,
        token: Option<&str>,
        within: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let until = Instant::now() + within;
        loop {
            let answer = self.send(reqwest::Method::GET, path, token, None).await;
            let json = answer.json();
            if wanted(&json) {
                return json;
            }
            assert!(Instant::now() < until, "{path} stays {} {}", answer.status, answer.text);
            sleep(POLL_EVERY).await;
        }
    }

    /// Polls a path until its text satisfies `wanted`.
    pub async fn until_text(&self, path: &str, within: Duration, wanted: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + within;
        loop {
            let answer = self.get(path).await;
            if wanted(&answer.text) {
                return answer.text;
            }
            assert!(Instant::now() < until, "{path} stays {} {}", answer.status, answer.text);
            sleep(POLL_EVERY).await;
        }
    }

    /// Waits until a channel's stream has the given status; `null` means it is over.
    pub async fn until_status(&self, username: &str, status: Option<&str>, within: Duration) -> Value {
        let path = format!("/api/v1/channels/{username}");
        self.until(&path, None, within, |channel| channel["live"]["status"].as_str() == status).await
    }

    /// Ends the site and insists that it ended in order.
    pub async fn stop(mut self) {
        let (status, took) = self.process.terminate().await;
        assert!(status.success(), "it ended with {status}");
        assert!(took < Duration::from_secs(10), "it took {took:?} to end");
    }
}

/// ffmpeg as a broadcaster.
pub struct Ffmpeg {
    child: Child,
}

impl Ffmpeg {
    /// Publishes a test picture and tone in real time: 640×360 at 30 frames, a key frame a second, AAC at 48 kHz.
    pub fn publish(url: &str, seconds: f64) -> Self {
        Self::publish_with(url, seconds, &["-g", "30", "-bf", "2"], "testsrc2=size=640x360:rate=30")
    }

    /// The same with other encoder options or another picture.
    pub fn publish_with(url: &str, seconds: f64, options: &[&str], picture: &str) -> Self {
        let h264 = ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "800k"];
        Self::spawn("ffmpeg".into(), url, seconds, &[&h264, options].concat(), picture)
    }

    /// Publishes HEVC or AV1 over Enhanced RTMP, whatever encoder the options name.
    pub fn publish_enhanced(url: &str, seconds: f64, options: &[&str]) -> Self {
        Self::spawn(modern_ffmpeg(), url, seconds, options, "testsrc2=size=640x360:rate=30")
    }

    fn spawn(program: PathBuf, url: &str, seconds: f64, encoder: &[&str], picture: &str) -> Self {
        let child = Command::new(program)
            .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-re", "-f", "lavfi", "-i", picture])
            .args(["-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", &seconds.to_string()])
            .args(encoder)
            .args(["-pix_fmt", "yuv420p"])
            .args(["-c:a", "aac", "-b:a", "128k", "-f", "flv", url])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("ffmpeg is installed");
        Self { child }
    }

    /// Waits for its own end; what it complained of is in the error.
    pub async fn finish(self) -> anyhow::Result<()> {
        let output =
            timeout(Duration::from_secs(300), self.child.wait_with_output()).await.context("ffmpeg hangs")??;
        if !output.status.success() {
            bail!("ffmpeg: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// Dies without a word: no FCUnpublish, the connection is just gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("ffmpeg can be killed");
    }

    /// Ends as its user would end it: FCUnpublish and deleteStream are sent.
    pub async fn stop(mut self) {
        signal(self.child.id().expect("ffmpeg runs"), libc::SIGINT);
        timeout(Duration::from_secs(20), self.child.wait()).await.expect("ffmpeg ends").expect("it is waited for");
    }
}

/// An ffmpeg that speaks Enhanced RTMP, which Debian's does not yet. `./dev tools` puts it there.
pub fn modern_ffmpeg() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/ffmpeg/bin/ffmpeg");
    assert!(path.exists(), "{} is missing: ./dev tools", path.display());
    path
}

/// What ffprobe finds when it decodes every frame of a playlist or file.
#[derive(Debug, Clone)]
pub struct Decoded {
    pub video_frames: u64,
    pub video_duration_s: f64,
    pub audio_duration_s: f64,
    pub errors: String,
}

/// Decodes the whole of `url` and counts what comes out.
pub async fn decode(url: &str) -> Decoded {
    let errors = Command::new("ffmpeg")
        .args([
            "-hide_banner",
            "-nostdin",
            "-v",
            "error",
            "-i",
            url,
            "-map",
            "0:v:0?",
            "-map",
            "0:a:0?",
            "-f",
            "null",
            "-",
        ])
        .output();
    let errors = timeout(Duration::from_secs(120), errors).await.expect("ffmpeg ends").expect("ffmpeg is installed");
    let packets = |stream: &'static str| async move {
        let probe = Command::new("ffprobe")
            .args([
                "-v",
                "error",
                "-select_streams",
                stream,
                "-show_entries",
                "packet=pts_time,duration_time",
                "-of",
                "json",
                url,
            ])
            .output();
        let output =
            timeout(Duration::from_secs(120), probe).await.expect("ffprobe ends").expect("ffprobe is installed");
        let json: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let number = |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok());
        let spans: Vec<(f64, f64)> = json["packets"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|packet| Some((number(&packet["pts_time"])?, number(&packet["duration_time"]).unwrap_or(0.0))))
            .collect();
        let first = spans.iter().map(|(pts, _)| *pts).fold(f64::INFINITY, f64::min);
        let last = spans.iter().map(|(pts, duration)| pts + duration).fold(0.0, f64::max);
        (spans.len() as u64, if spans.is_empty() { 0.0 } else { last - first })
    };
    let (video_frames, video_duration_s) = packets("v:0").await;
    let (_, audio_duration_s) = packets("a:0").await;
    Decoded {
        video_frames,
        video_duration_s,
        audio_duration_s,
        errors: String::from_utf8_lossy(&errors.stderr).trim().to_owned(),
    }
}
