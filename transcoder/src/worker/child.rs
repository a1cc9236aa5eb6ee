//! The child process: reads access units, gives encoded ones and thumbnails, inside a sandbox.
//!
//! Order matters here. Libraries and plugins are loaded and the pipeline is built first, then the walls go up, and only
//! then does a byte of a stranger's media come in.

mod cadence;
mod demux;
mod encode;
mod hardware;
mod pictures;
mod pipeline;
mod probe;
mod rungs;
mod sandbox;
mod scale;
mod syscalls;
mod timeline;
mod trial;
mod usage;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::cost::Mask;
use super::encoder::Encoder;
use super::gstreamer_setup;
use super::wire::{self, FRAME_HEADER_LEN, FoundPlugin, INPUT_BYTES_MAX, Kind, Report, Task, Unit, Work};

/// The program behind `rillcast media-worker`. Speaks to its parent over standard input and output; of no use by hand.
pub fn child_main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("media-worker: {}", trouble.reason());
            ExitCode::FAILURE
        }
    }
}

/// Why it cannot go on.
enum Trouble {
    Failed(String),
    /// The machine lacks something: the next child would lack it too.
    Unable(String),
}

impl Trouble {
    fn reason(&self) -> &str {
        match self {
            Self::Failed(reason) | Self::Unable(reason) => reason,
        }
    }
}

impl From<String> for Trouble {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}

fn run() -> Result<(), Trouble> {
    sandbox::close_inherited_files();
    let (mut input, output) = streams().map_err(|error| format!("no standard streams: {error}"))?;
    let Some((Kind::Task, payload)) = read_frame(&mut input).map_err(|error| error.to_string())? else {
        return Err("started without a task; this program is started by rillcast itself".to_owned().into());
    };
    let task: Task = serde_json::from_slice(&payload).map_err(|error| format!("an unreadable task: {error}"))?;
    let done = match &task {
        Task::Work(work) => work_on(work, &mut input, &output),
        Task::Demux(task) => demux::run(task, &output).map_err(Trouble::Failed),
        Task::SelfCheck { memory_mib, parent_pid } => {
            self_check(*memory_mib, *parent_pid, &output).map_err(Trouble::Failed)
        }
        Task::TryEncoder { name, memory_mib, parent_pid } => {
            try_encoder(name, *memory_mib, *parent_pid, &output).map_err(Trouble::Failed)
        }
    };
    if let Err(trouble) = &done {
        let kind = match trouble {
            Trouble::Failed(_) => Kind::Failed,
            Trouble::Unable(_) => Kind::Unable,
        };
        let _ = output.send(kind, trouble.reason().as_bytes());
    }
    done
}

fn work_on(work: &Work, input: &mut File, output: &Output) -> Result<(), Trouble> {
    if work.is_patient {
        sandbox::prepare_patient(work.parent_pid)?
    } else {
        sandbox::prepare(work.parent_pid)?
    }
    gstreamer_setup::load()?;
    let (decoder, _) = gstreamer_setup::load_decoder(work.codec).map_err(|(plugin, reason)| {
        eprintln!("media-worker: {reason}");
        let (codec, element) = (work.codec.name(), plugin.elements.join(", "));
        Trouble::Unable(format!("{codec} is not decoded here: {element} of {} is missing", plugin.package))
    })?;
    let candidate = work.encoder.candidate()?;
    candidate.map_or(Ok(()), hardware::load)?;
    let pipeline = pipeline::Pipeline::build(work, decoder, candidate, output.clone())?;
    let measures = sandbox::enter(work.memory_mib, work.parent_pid, candidate)?;
    pipeline.play()?;
    let report = Report { measures, ..Report::default() };
    output.send_frame(&wire::json_frame(Kind::Ready, &report)).map_err(|error| error.to_string())?;
    while let Some((kind, payload)) = read_frame(input).map_err(|error| error.to_string())? {
        match kind {
            Kind::Unit => pipeline.push(Unit::parse(payload).map_err(|error| error.to_string())?)?,
            Kind::Rungs => pipeline.run_rungs(Mask(payload.first().copied().unwrap_or(0))),
            _ => return Err("the parent sent something that is not media".to_owned().into()),
        }
    }
    pipeline.finish();
    Ok(())
}

/// Everything a working child does before media, then what must not work any more.
fn self_check(memory_mib: u64, parent_pid: i32, output: &Output) -> Result<(), String> {
    sandbox::prepare(parent_pid)?;
    let plugins = gstreamer_setup::load_each()?.into_iter().map(|(plugin, loaded)| {
        let (path, failure) = match loaded {
            Ok(path) => (path.display().to_string(), None),
            Err(reason) => (String::new(), Some(reason)),
        };
        let elements = plugin.elements.join(", ");
        FoundPlugin { elements, path, failure, hint: plugin.hint(), is_optional: false }
    });
    let decoders = gstreamer_setup::OPTIONAL.map(|codec| {
        let (path, failure, hint) = match gstreamer_setup::load_decoder(codec) {
            Ok((element, path)) => (format!("{element} of {}", path.display()), None, String::new()),
            Err((plugin, reason)) => (
                String::new(),
                Some(reason),
                format!("for other renditions of {} streams: {}", codec.name(), plugin.hint()),
            ),
        };
        FoundPlugin { elements: format!("decoder for {}", codec.name()), path, failure, hint, is_optional: true }
    });
    let plugins = plugins.chain(decoders).collect();
    let measures = sandbox::enter(memory_mib, parent_pid, None)?;
    let report = Report { plugins, measures, probes: probe::all(parent_pid), trial: None };
    output.send_frame(&wire::json_frame(Kind::Ready, &report)).map_err(|error| error.to_string())
}

/// What a working child does with a hardware encoder, with pictures of our own.
fn try_encoder(name: &str, memory_mib: u64, parent_pid: i32, output: &Output) -> Result<(), String> {
    sandbox::prepare(parent_pid)?;
    gstreamer_setup::load()?;
    let candidate = Encoder::Hardware(name.to_owned()).candidate()?.ok_or("x264 needs no trial")?;
    hardware::load(candidate)?;
    let bench = trial::Bench::build(candidate)?;
    let measures = sandbox::enter(memory_mib, parent_pid, Some(candidate))?;
    let probes = probe::all(parent_pid);
    // An encoder that hangs is put away after the answer, if at all.
    let frame = match bench.run() {
        Ok(trial) => {
            wire::json_frame(Kind::Ready, &Report { measures, probes, trial: Some(trial), ..Report::default() })
        }
        Err(reason) => wire::frame(Kind::Failed, reason.as_bytes()),
    };
    output.send_frame(&frame).map_err(|error| error.to_string())
}

/// Our own copies of the standard streams. What a library prints goes to standard error from here on.
fn streams() -> io::Result<(File, Output)> {
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    nix::unistd::dup2_stdout(io::stderr())?;
    Ok((input, Output { file: Arc::new(Mutex::new(output)) }))
}

/// The way to the parent, shared by the threads of the pipeline.
#[derive(Debug, Clone)]
struct Output {
    file: Arc<Mutex<File>>,
}

impl Output {
    fn send(&self, kind: Kind, payload: &[u8]) -> io::Result<()> {
        self.send_frame(&wire::frame(kind, payload))
    }

    fn send_frame(&self, frame: &[u8]) -> io::Result<()> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(frame)
    }

    fn send_picture(&self, rung: u8, unit: &Unit) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&unit.picture_header(rung))?;
        file.write_all(&unit.data)
    }
}

/// The next frame from the parent, or `None` at the end of its input.
fn read_frame(input: &mut File) -> io::Result<Option<(Kind, Bytes)>> {
    let mut header = [0; FRAME_HEADER_LEN];
    if input.read(&mut header[..1])? == 0 {
        return Ok(None);
    }
    input.read_exact(&mut header[1..])?;
    let (kind, len) = wire::parse_header(&header, INPUT_BYTES_MAX).map_err(io::Error::other)?;
    let mut payload = vec![0; len];
    input.read_exact(&mut payload)?;
    Ok(Some((kind, Bytes::from(payload))))
}
