//! What this machine can do for a child and what it lacks, for `rillcast doctor`.
//!
//! Nothing is concluded from a kernel's version: a child is started, puts up its walls and tries what they forbid.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use serde::Serialize;

use super::spawn;
use super::wire::{self, FoundPlugin, Kind, Measure, OUTPUT_BYTES_MAX, Probe, Report, Task};

/// How long the child may take for its self-check.
const SELF_CHECK_MAX: Duration = Duration::from_secs(10);
const SELF_CHECK_MEMORY_MIB: u64 = 256;
/// Everything the child uses, for when it does not even start.
const PACKAGES: &str = "apt-get install gstreamer1.0-plugins-base gstreamer1.0-plugins-good \
                        gstreamer1.0-plugins-ugly gstreamer1.0-libav";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    Ok,
    /// It works, with less protection, or not for every stream.
    Warn,
    /// Streams run without lower renditions and thumbnails.
    Fail,
}

/// One line of the doctor's report.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    pub name: String,
    pub status: CheckStatus,
    pub detail: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Checks GStreamer's elements and the sandbox, with this program as the child. Takes up to ten seconds.
pub fn doctor() -> Vec<Check> {
    match std::env::current_exe() {
        Ok(exe) => doctor_of(&exe),
        Err(error) => vec![failed(format!("this program's own file is unknown: {error}"))],
    }
}

/// The same with another program as the child: one whose `media-worker` argument runs `child_main`.
pub fn doctor_of(exe: &Path) -> Vec<Check> {
    match self_check(exe) {
        Ok(report) => {
            let plugins = report.plugins.into_iter().map(found);
            plugins
                .chain(report.measures.into_iter().map(measured))
                .chain(report.probes.into_iter().map(probed))
                .collect()
        }
        Err(reason) => vec![failed(reason)],
    }
}

fn found(plugin: FoundPlugin) -> Check {
    let name = format!("GStreamer {}", plugin.elements);
    match plugin.failure {
        None => Check { name, status: CheckStatus::Ok, detail: plugin.path, hint: None },
        Some(failure) => {
            let status = if plugin.is_optional { CheckStatus::Warn } else { CheckStatus::Fail };
            Check { name, status, detail: failure, hint: Some(plugin.hint) }
        }
    }
}

/// No child, no answer about anything else.
fn failed(detail: String) -> Check {
    Check { name: "GStreamer process".to_owned(), status: CheckStatus::Fail, detail, hint: Some(PACKAGES.to_owned()) }
}

fn measured(measure: Measure) -> Check {
    let name = format!("sandbox: {}", measure.name);
    match measure.failure {
        None => Check { name, status: CheckStatus::Ok, detail: measure.detail, hint: None },
        Some(failure) => Check { name, status: CheckStatus::Warn, detail: failure, hint: hint(&measure.name) },
    }
}

fn hint(measure: &str) -> Option<String> {
    let hint = match measure {
        "landlock" => "use a kernel with Landlock (5.13 or newer) and `landlock` in its list of security modules",
        "seccomp" => "use a kernel with seccomp filters; in a container, allow the system call",
        "own network namespace" => "allow unprivileged user namespaces; without them seccomp and Landlock stand alone",
        "unprivileged user" => "run as an unprivileged user, or allow the program to change its user",
        "low priority" => "allow the program to lower its own priority",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn probed(probe: Probe) -> Check {
    let status = if probe.is_denied { CheckStatus::Ok } else { CheckStatus::Warn };
    let hint = (!probe.is_denied).then(|| "see the sandbox measures above that could not be taken".to_owned());
    Check { name: format!("sandboxed process may not {}", probe.name), status, detail: probe.detail, hint }
}

/// Starts a child that puts up its walls, tries to get out and says what happened.
fn self_check(exe: &Path) -> Result<Report, String> {
    let task = Task::SelfCheck { memory_mib: SELF_CHECK_MEMORY_MIB, parent_pid: nix::unistd::getpid().as_raw() };
    ask(exe, &task, SELF_CHECK_MAX)
}

/// Starts a child for one question and gives its answer, or why there is none after `max`.
pub(super) fn ask(exe: &Path, task: &Task, max: Duration) -> Result<Report, String> {
    let mut child = spawn::command(exe).spawn().map_err(|error| format!("{}: {error}", exe.display()))?;
    let report = converse(&mut child, task, max);
    let _ = child.kill();
    let _ = child.wait();
    report
}

fn converse(child: &mut Child, task: &Task, max: Duration) -> Result<Report, String> {
    let gone = || "the process has no standard streams".to_owned();
    let mut stdin = child.stdin.take().ok_or_else(gone)?;
    let stdout = child.stdout.take().ok_or_else(gone)?;
    stdin.write_all(&wire::json_frame(Kind::Task, task)).map_err(|error| format!("it does not listen: {error}"))?;
    let started = Instant::now();
    let mut received = BytesMut::new();
    // A reader that stays behind ends with the child, which is killed in any case.
    let (answer, answered) = std::sync::mpsc::sync_channel(1);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let _ = answer.send(read_report(stdout, &mut received));
        });
        let wait = max.saturating_sub(started.elapsed());
        let report = answered.recv_timeout(wait);
        // Ends the reader, too.
        let _ = child.kill();
        report.unwrap_or_else(|_| Err(format!("it did not answer within {max:?}")))
    })
}

fn read_report(mut stdout: impl Read, received: &mut BytesMut) -> Result<Report, String> {
    let mut chunk = [0; 4_096];
    loop {
        match wire::decode(received, OUTPUT_BYTES_MAX) {
            Ok(Some((Kind::Ready, payload))) => {
                return serde_json::from_slice(&payload).map_err(|error| format!("an unreadable report: {error}"));
            }
            Ok(Some((_, payload))) => return Err(String::from_utf8_lossy(&payload).into_owned()),
            Ok(None) => {}
            Err(error) => return Err(format!("it is no media-worker: {error}")),
        }
        match stdout.read(&mut chunk) {
            Ok(0) | Err(_) => return Err("it ended without an answer".to_owned()),
            Ok(len) => received.extend_from_slice(&chunk[..len]),
        }
    }
}
