//! A server that speaks MongoDB's wire protocol, for tests.
//!
//! `RILLCAST_TEST_MONGODB_URL` names a real one to use instead. Otherwise a Java one is fetched once into
//! `target/test-mongo` and started per test; it keeps its data in a file, so that it can be stopped and started again.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const POM: &str = include_str!("../java/pom.xml");
const MAIN: &str = include_str!("../java/MongoServerMain.java");
const NEEDED: &str = "the MongoDB tests need Java and Maven: apt-get install default-jdk-headless maven \
                      (or set RILLCAST_TEST_MONGODB_URL to a MongoDB server)";

const STOP_WAIT_MAX: Duration = Duration::from_secs(5);
/// A Java program that has just begun loads its classes with its first request: on a busy machine that takes longer than anybody in a
/// chat waits for an answer.
const FIRST_ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
/// `OP_MSG` with `{ping: 1, $db: "admin"}`: length, request, response to, opcode, flags, section kind, BSON.
const PING: &[u8] = b"\x33\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0\x1e\0\0\0\
    \x10ping\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0\0";

/// A running server, or a real one named by the environment. Stopped when dropped.
#[derive(Debug)]
pub struct MongoServer {
    url: String,
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    child: Option<Child>,
    port: u16,
    data: tempfile::TempDir,
}

impl MongoServer {
    /// Starts a server.
    ///
    /// # Panics
    /// When Java or Maven is missing or the server cannot be fetched: a test that needs it cannot go on.
    pub fn start() -> Self {
        if let Some(url) = named_by_environment() {
            return Self { url, own: None };
        }
        let home = installed();
        let data = tempfile::tempdir().expect("a folder for the server's data");
        let (child, port) = spawn(&home, data.path(), 0);
        Self { url: format!("mongodb://127.0.0.1:{port}"), own: Some(Own { child: Some(child), port, data }) }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// A database name nobody else uses.
    pub fn database(&self) -> String {
        format!("rillcast_test_{}", kit::ids::random_token::<8>())
    }

    /// Whether [`MongoServer::stop`] can stop it: somebody else's server cannot be.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Stops the server. Its data stays: it ends by itself, since unlike MongoDB it writes to disk only then.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.own.as_mut().and_then(|own| own.child.take()) {
            drop(child.stdin.take());
            let deadline = Instant::now() + STOP_WAIT_MAX;
            while Instant::now() < deadline && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(10));
            }
            kill(&mut child);
        }
    }

    /// Starts it again on the same port with the same data.
    pub fn start_again(&mut self) {
        let own = self.own.as_mut().expect("only an own server is started again");
        assert!(own.child.is_none(), "the server still runs");
        let (child, port) = spawn(&installed(), own.data.path(), own.port);
        assert_eq!(port, own.port);
        own.child = Some(child);
    }
}

impl Drop for MongoServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.own.as_mut().and_then(|own| own.child.take()) {
            kill(&mut child);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tests are told of services by the environment")]
fn named_by_environment() -> Option<String> {
    std::env::var("RILLCAST_TEST_MONGODB_URL").ok().filter(|url| !url.is_empty())
}

fn kill(child: &mut Child) {
    let _already_gone = child.kill();
    let _status = child.wait();
}

/// The folder with the server's jars and our compiled main class; fetched and compiled by the first who needs it.
fn installed() -> PathBuf {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-mongo");
    fs::create_dir_all(&home).expect("target/test-mongo can be made");
    let lock = File::create(home.join("lock")).expect("a lock file");
    lock.lock().expect("the lock on target/test-mongo");
    let stamp = home.join("stamp");
    let wanted = format!("{POM}{MAIN}");
    if fs::read_to_string(&stamp).is_ok_and(|made_of| made_of == wanted) {
        return home;
    }
    fs::write(home.join("pom.xml"), POM).expect("pom.xml");
    fs::write(home.join("MongoServerMain.java"), MAIN).expect("MongoServerMain.java");
    run(Command::new("mvn")
        .args(["--quiet", "--batch-mode", "dependency:copy-dependencies", "-DoutputDirectory=jars"])
        .current_dir(&home));
    run(Command::new("javac").args(["-cp", "jars/*", "MongoServerMain.java"]).current_dir(&home));
    fs::write(stamp, wanted).expect("a stamp");
    home
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{:?}: {error}; {NEEDED}", command.get_program()));
    assert!(
        output.status.success(),
        "{:?} failed; {NEEDED}\n{}{}",
        command.get_program(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The process and the port it listens on.
fn spawn(home: &Path, data: &Path, port: u16) -> (Child, u16) {
    let mut child = Command::new("java")
        .args(["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", ".:jars/*", "MongoServerMain"])
        .arg(data.join("mongo.h2"))
        .arg(port.to_string())
        .current_dir(home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("java: {error}; {NEEDED}"));
    let stdout = child.stdout.take().expect("its output is piped");
    let heard = BufReader::new(stdout)
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("listening ").and_then(|port| port.parse().ok()));
    match heard {
        Some(port) => {
            first_answer(port).unwrap_or_else(|error| panic!("the MongoDB test server does not answer: {error}"));
            (child, port)
        }
        None => {
            kill(&mut child);
            panic!("the MongoDB test server ended before it listened; {NEEDED}");
        }
    }
}

/// Returns when the server has answered something.
fn first_answer(port: u16) -> std::io::Result<()> {
    let mut line = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    line.set_read_timeout(Some(FIRST_ANSWER_WAIT_MAX))?;
    line.write_all(PING)?;
    line.read_exact(&mut [0; 16])
}
