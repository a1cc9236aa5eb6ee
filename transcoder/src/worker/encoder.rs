//! What makes the ladder's H.264: x264, or a hardware encoder that has shown on this machine that it can.
//!
//! Owns the candidates (`table`) and the choice between them. A candidate is believed after a child of its own has used it
//! as a stream would, within the same walls; how it is set up and judged is the child's part.

pub(super) mod table;

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kit::config::{EncoderWish, TranscoderConfig};
use serde::{Deserialize, Serialize};

use super::doctor::{Check, CheckStatus, ask};
use super::gstreamer_setup::plugin_dir;
use super::wire::Task;
use table::{Candidate, Family};

/// How long one candidate may take from its process's start to its last picture.
const TRIAL_MAX: Duration = Duration::from_secs(4);
/// No other candidate is tried after so long.
const CHOICE_MAX: Duration = Duration::from_secs(6);

/// What encodes a stream's rungs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Encoder {
    /// x264, on the processor.
    #[default]
    Software,
    /// The hardware encoder of that name.
    Hardware(String),
}

impl Encoder {
    pub fn is_hardware(&self) -> bool {
        matches!(self, Self::Hardware(_))
    }

    /// The candidate, for whoever sets it up.
    pub(super) fn candidate(&self) -> Result<Option<&'static Candidate>, String> {
        match self {
            Self::Software => Ok(None),
            Self::Hardware(name) => table::known(name).map(Some).ok_or_else(|| format!("no encoder is called {name}")),
        }
    }
}

/// Which encoder is used, and why no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub encoder: Encoder,
    /// What the encoder showed; of x264, why no other was taken.
    pub reason: String,
    /// What a child with the hardware encoder could do although its walls should forbid it.
    pub escapes: Vec<String>,
}

impl Choice {
    fn software(reason: String) -> Self {
        Self { encoder: Encoder::Software, reason, escapes: Vec::new() }
    }
}

/// Chooses as the settings say. Takes microseconds where there is no device and at most ten seconds where one hangs.
pub fn choose(exe: &Path, config: &TranscoderConfig) -> Choice {
    choose_among(exe, &table::wished_for(config.encoder), config.worker_memory_mib)
}

/// Chooses the first of the named candidates that works. `exe` is a program whose `media-worker` argument runs
/// [`super::child_main`].
pub fn choose_among(exe: &Path, names: &[&str], memory_mib: u64) -> Choice {
    let started = Instant::now();
    let mut refused: Vec<String> = Vec::new();
    for name in names {
        if started.elapsed() > CHOICE_MAX {
            refused.push("no time was left for others".to_owned());
            break;
        }
        match table::known(name).ok_or_else(|| format!("{name}: unknown")).and_then(|it| tried(exe, it, memory_mib)) {
            Ok((reason, escapes)) => {
                return Choice { encoder: Encoder::Hardware((*name).to_owned()), reason, escapes };
            }
            Err(reason) if refused.contains(&reason) => {}
            Err(reason) => refused.push(reason),
        }
    }
    Choice::software(refused.join("; "))
}

/// The doctor's line about the encoder.
pub fn doctor_encoder(config: &TranscoderConfig) -> Check {
    match std::env::current_exe() {
        Ok(exe) => check(config.encoder, choose(&exe, config)),
        Err(error) => check(config.encoder, Choice::software(error.to_string())),
    }
}

fn check(wish: EncoderWish, choice: Choice) -> Check {
    let is_denied = matches!(wish, EncoderWish::Vaapi | EncoderWish::Nvenc) && !choice.encoder.is_hardware();
    let mut why = if choice.reason.is_empty() { String::new() } else { format!(" ({})", choice.reason) };
    if !choice.escapes.is_empty() {
        why.push_str(&format!("; its sandboxed process may {}", choice.escapes.join(", ")));
    }
    let detail = match choice.encoder {
        Encoder::Software => format!("x264{why}"),
        Encoder::Hardware(name) => format!("{name}{why}"),
    };
    let hint = match wish {
        EncoderWish::Vaapi if is_denied => Some(
            "apt-get install gstreamer1.0-plugins-bad gstreamer1.0-vaapi and the card's VA driver; let the service's user open \
             /dev/dri/renderD* (group render)",
        ),
        EncoderWish::Nvenc if is_denied => Some(
            "apt-get install gstreamer1.0-plugins-bad and NVIDIA's driver with libnvidia-encode; let the service's user open \
             /dev/nvidia*",
        ),
        _ => None,
    };
    let status = if is_denied || !choice.escapes.is_empty() { CheckStatus::Warn } else { CheckStatus::Ok };
    Check { name: "encoder".to_owned(), status, detail, hint: hint.map(str::to_owned) }
}

/// What it showed and what its walls let through, or why it is not taken. What is plainly missing starts no process.
fn tried(exe: &Path, candidate: &Candidate, memory_mib: u64) -> Result<(String, Vec<String>), String> {
    candidate.family.devices().map(drop)?;
    let file = candidate.plugin.file;
    if plugin_dir().is_some_and(|dir| !dir.join(file).is_file()) {
        return Err(format!("{file} is missing ({})", candidate.plugin.package));
    }
    let task =
        Task::TryEncoder { name: candidate.name.to_owned(), memory_mib, parent_pid: nix::unistd::getpid().as_raw() };
    let refused = |reason: String| format!("{}: {reason}", candidate.name);
    let report = ask(exe, &task, TRIAL_MAX).map_err(refused)?;
    let trial = report.trial.ok_or_else(|| refused("it said nothing".to_owned()))?;
    let escapes = report.probes.into_iter().filter(|probe| !probe.is_denied).map(|probe| probe.name).collect();
    Ok((format!("{} pictures of {} in {} ms", trial.pictures, trial.codecs, trial.took_ms), escapes))
}

impl Family {
    /// The device files its encoders open.
    pub(super) fn devices(self) -> Result<Vec<PathBuf>, String> {
        match self {
            Self::Vaapi => some(nodes("/dev/dri", "renderD"), "VA-API: there is no /dev/dri/renderD*"),
            Self::Nvenc => some(nodes("/dev", "nvidia"), "NVENC: there is no /dev/nvidia*"),
            #[cfg(debug_assertions)]
            Self::StandIn => Ok(vec![PathBuf::from("/dev/zero")]),
        }
    }
}

fn some(nodes: Vec<PathBuf>, reason: &str) -> Result<Vec<PathBuf>, String> {
    if nodes.is_empty() { Err(reason.to_owned()) } else { Ok(nodes) }
}

/// The character devices of a folder whose names begin so.
fn nodes(dir: &str, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let is_node = |entry: &fs::DirEntry| {
        entry.file_name().to_string_lossy().starts_with(prefix)
            && entry.file_type().is_ok_and(|kind| kind.is_char_device())
    };
    let mut nodes: Vec<_> = entries.filter_map(Result::ok).filter(is_node).map(|entry| entry.path()).collect();
    nodes.sort();
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn software(reason: &str) -> Choice {
        Choice::software(reason.to_owned())
    }

    #[test]
    fn the_doctor_warns_only_when_hardware_was_asked_for() {
        let line = check(EncoderWish::Auto, software("VA-API: there is no /dev/dri/renderD*"));
        assert_eq!((line.status, line.hint), (CheckStatus::Ok, None));
        assert_eq!(line.detail, "x264 (VA-API: there is no /dev/dri/renderD*)");
        assert_eq!(check(EncoderWish::Software, software("")).detail, "x264");
        for wish in [EncoderWish::Vaapi, EncoderWish::Nvenc] {
            let line = check(wish, software("no"));
            assert_eq!(line.status, CheckStatus::Warn);
            assert!(line.hint.is_some_and(|hint| hint.contains("gstreamer1.0-plugins-bad")));
        }
        let encoder = Encoder::Hardware("nvh264enc".to_owned());
        let chosen = Choice { encoder, reason: "it works".to_owned(), escapes: Vec::new() };
        let line = check(EncoderWish::Nvenc, chosen.clone());
        assert_eq!((line.status, line.detail.as_str()), (CheckStatus::Ok, "nvh264enc (it works)"));
        let line = check(EncoderWish::Auto, Choice { escapes: vec!["read a file".to_owned()], ..chosen });
        assert_eq!(line.status, CheckStatus::Warn);
        assert!(line.detail.ends_with("its sandboxed process may read a file"), "{}", line.detail);
    }

    #[test]
    fn where_nothing_is_installed_no_process_is_started() {
        // A program that does not exist would be named in the reason.
        let choice = choose_among(Path::new("/nonexistent"), &["nobodysh264enc", "nobodysh264enc", "nonsense"], 256);
        let missing = "libgstnobody.so is missing (gstreamer1.0-plugins-ugly)";
        assert_eq!(choice, software(&format!("{missing}; nonsense: unknown")));
    }

    #[test]
    fn only_devices_are_nodes() {
        assert_eq!(nodes("/dev", "zero"), [PathBuf::from("/dev/zero")]);
        assert_eq!(nodes("/proc", "self"), [] as [PathBuf; 0]);
        assert_eq!(nodes("/nonexistent", ""), [] as [PathBuf; 0]);
    }
}
