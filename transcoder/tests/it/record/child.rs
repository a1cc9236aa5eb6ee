//! A recorder in a process of its own, so that it can die: this test binary again, told what to do by a file.
//!
//! It hands real media over part by part, each after the last one is in the journal, and writes down beforehand what it
//! hands over. What that witness has and the bucket has not is what a crash cost.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use kit::Stop;
use kit::failpoint;
use objects::Objects;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use transcoder::record::{Pace, RecordDeps, RecordedPart, Recorder, Recording, RecordingEnd, RecordingInfo, points};

use super::rig::{Live, Rig, rendition, until};

const CASE: &str = "RILLCAST_TEST_CHILD";
const RENDITIONS: [&str; 2] = ["source", "audio"];
pub(super) const PARTS_PER_SEGMENT: usize = 5;
const PART_US: u64 = 200_000;
/// Small, so that files are begun, filled and removed within seconds.
const ROLL_BYTES: u64 = 100_000;
/// Short, so that a part is in the journal before the next is handed over.
const BEAT: Duration = Duration::from_millis(2);
const CHILD_WAIT_MAX: Duration = Duration::from_secs(60);

/// Whole CMAF parts of real media, and the init segment they need.
#[derive(Clone)]
pub(super) struct Reel {
    pub(super) init: Bytes,
    pub(super) parts: Vec<Bytes>,
}

/// Five seconds of a test pattern with 30 frames a second, and as much of a tone, made by ffmpeg into a folder.
pub(super) fn make_media(folder: &Path) {
    let make = |name: &str, options: &[&str]| {
        let mut command = std::process::Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-f", "lavfi"]).args(options);
        command.args(["-f", "mp4", "-movflags", "empty_moov+default_base_moof", "-frag_duration", "200000"]);
        let output = command.arg(folder.join(format!("{name}.mp4"))).output().expect("ffmpeg runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let picture = "testsrc2=s=320x180:r=30:d=5";
    let codec = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "0", "-sc_threshold", "0"];
    make("source", &[&["-i", picture, "-g", "30", "-keyint_min", "30", "-b:v", "600k"][..], &codec[..]].concat());
    make("audio", &["-i", "sine=f=440:r=48000:d=6", "-c:a", "aac", "-b:a", "96k"]);
    assert_eq!(reel(folder, "source").parts.len(), 25, "six frames a part");
}

/// Takes a fragmented file apart.
pub(super) fn reel(folder: &Path, name: &str) -> Reel {
    let file = Bytes::from(std::fs::read(folder.join(format!("{name}.mp4"))).expect("media"));
    let (mut init_end, mut parts, mut at, mut moof_at) = (0, Vec::new(), 0, 0);
    while at + 8 <= file.len() {
        let size = u32::from_be_bytes(file[at..at + 4].try_into().expect("four bytes")) as usize;
        match &file[at + 4..at + 8] {
            b"moof" => moof_at = at,
            b"mdat" if !parts.is_empty() || moof_at > 0 => parts.push(file.slice(moof_at..at + size)),
            b"ftyp" | b"moov" => init_end = at + size,
            _ => {}
        }
        at += size;
    }
    parts.truncate(25);
    Reel { init: file.slice(..init_end), parts }
}

/// What a child is to do, and where.
pub(super) struct Case<'a> {
    pub(super) rig: &'a Rig,
    pub(super) live: &'a Live,
    pub(super) media: &'a Path,
    /// The node's folder.
    pub(super) data: PathBuf,
    /// Settings, witness and output.
    pub(super) desk: PathBuf,
}

/// What a child does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Goes on air, or on with what it was, and ends as it should.
    Broadcast,
    /// The same, and dies after so many parts.
    BroadcastAndDie(usize),
    /// Finishes what lies there.
    Recover,
    /// Fills its disk.
    Fill,
}

impl Case<'_> {
    /// Runs a child to its end, whatever that is. `armed` is the boundary it dies at.
    pub(super) async fn run(&self, task: Task, armed: Option<&str>) -> ExitStatus {
        let mut command = self.command(task);
        if let Some(armed) = armed {
            command.env(failpoint::VARIABLE, armed);
        }
        self.finish(command).await
    }

    pub(super) async fn finish(&self, mut command: Command) -> ExitStatus {
        std::fs::create_dir_all(&self.desk).expect("folder");
        let said = OpenOptions::new().create(true).append(true).open(self.desk.join("said")).expect("file");
        command.stdin(Stdio::null()).stdout(said.try_clone().expect("handle")).stderr(said).kill_on_drop(true);
        let mut child = command.spawn().expect("the child starts");
        let ended = timeout(CHILD_WAIT_MAX, child.wait()).await;
        ended.unwrap_or_else(|_| panic!("the child hangs: {}", self.said())).expect("it is waited for")
    }

    /// This test binary, as a child with a task.
    pub(super) fn command(&self, task: Task) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("a path"));
        command.args(["record::child::child", "--exact", "--ignored", "--nocapture"]);
        command.env(CASE, self.write_task(task));
        command
    }

    fn write_task(&self, task: Task) -> PathBuf {
        let storage = self.rig.s3.config();
        let (verb, die_after) = match task {
            Task::Broadcast => ("broadcast", None),
            Task::BroadcastAndDie(parts) => ("broadcast", Some(parts)),
            Task::Recover => ("recover", None),
            Task::Fill => ("fill", None),
        };
        let case = json!({
            "task": verb, "die_after": die_after, "database": self.rig.database_url, "data": self.data,
            "desk": self.desk, "media": self.media, "info": self.live.info,
            "storage": {
                "endpoint": storage.endpoint, "bucket": storage.bucket, "region": storage.region,
                "access_key": storage.access_key.expose(), "secret_key": storage.secret_key.expose(),
                "path_style": storage.path_style,
            },
        });
        std::fs::create_dir_all(&self.desk).expect("folder");
        let path = self.desk.join(format!("{verb}.json"));
        std::fs::write(&path, case.to_string()).expect("file");
        path
    }

    /// What the children printed, for a failure's message.
    pub(super) fn said(&self) -> String {
        std::fs::read_to_string(self.desk.join("said")).unwrap_or_default()
    }

    /// Every part handed over so far: rendition, sequence number, and which part of the media it was.
    pub(super) fn handed(&self) -> Vec<(String, u64, usize)> {
        let text = std::fs::read_to_string(self.desk.join("witness")).unwrap_or_default();
        let parse = |line: &str| {
            let mut words = line.split(' ');
            Some((words.next()?.to_owned(), words.next()?.parse().ok()?, words.next()?.parse().ok()?))
        };
        text.lines().filter_map(parse).collect()
    }
}

/// Whether a process ended itself at a failpoint.
pub(super) fn is_death(status: ExitStatus) -> bool {
    status.signal() == Some(libc::SIGABRT)
}

#[tokio::test]
#[ignore = "a child of the tests that kill it"]
async fn child() {
    let Some(path) = std::env::var_os(CASE) else { return };
    let case: Value = serde_json::from_slice(&std::fs::read(path).expect("a case")).expect("JSON");
    let data = PathBuf::from(case["data"].as_str().expect("text"));
    let storage = serde_json::from_value(case["storage"].clone()).expect("settings");
    let (recorder, task) = Recorder::new(RecordDeps {
        pool: db::testing::pool(case["database"].as_str().expect("text")).expect("pool"),
        objects: Objects::new(&storage).expect("settings"),
        data_dir: data.clone(),
        spool_bytes_max: 1 << 30,
        rooms: [0; 3],
        pace: Pace { roll_bytes: ROLL_BYTES, beat: BEAT, ..Pace::default() },
    });
    let stop = Stop::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(task.run(stop.clone()));
    let mut hand = Hand::new(&case);
    match case["task"].as_str() {
        Some("broadcast") => hand.broadcast(&recorder).await,
        Some("fill") => super::disk::fill(&mut hand, &recorder).await,
        _ => {}
    }
    let spool = data.join("spool");
    until("nothing is left in the spool", || async {
        std::fs::read_dir(&spool).is_ok_and(|mut entries| entries.next().is_none())
    })
    .await;
    stop.cancel();
    while let Some(ended) = tasks.join_next().await {
        ended.expect("no panic").expect("a clean end");
    }
}

/// Hands media to a recorder and remembers what.
pub(super) struct Hand {
    info: RecordingInfo,
    media: [Reel; 2],
    witness: std::fs::File,
    pub(super) desk: PathBuf,
    die_after: Option<u64>,
    /// Parts of earlier processes: this one goes on with the next segment.
    before: usize,
    handed: u64,
}

impl Hand {
    fn new(case: &Value) -> Self {
        let media = Path::new(case["media"].as_str().expect("text"));
        let desk = PathBuf::from(case["desk"].as_str().expect("text"));
        let witness = desk.join("witness");
        let before = std::fs::read_to_string(&witness).map_or(0, |text| text.lines().count());
        Self {
            info: serde_json::from_value(case["info"].clone()).expect("a recording"),
            media: RENDITIONS.map(|name| reel(media, name)),
            witness: OpenOptions::new().create(true).append(true).open(witness).expect("a witness"),
            desk,
            die_after: case["die_after"].as_u64(),
            before,
            handed: 0,
        }
    }

    /// Opens the recording and announces both renditions.
    pub(super) async fn open(&self, recorder: &Recorder) -> Option<(Recording, u64, u32)> {
        let (recording, resume) = recorder.open(self.info.clone()).await.ok()?;
        for (name, reel) in RENDITIONS.iter().zip(&self.media) {
            recording.rendition(rendition(name));
            recording.init(name, resume.next_init, reel.init.clone());
        }
        Some((recording, resume.next_msn, resume.next_init))
    }

    async fn broadcast(&mut self, recorder: &Recorder) {
        // None: what an earlier process did was the whole of it.
        let Some((recording, first_msn, init_no)) = self.open(recorder).await else { return };
        let per_segment = PARTS_PER_SEGMENT * RENDITIONS.len();
        let is_resumed = self.before > 0;
        for (msn, segment) in (first_msn..).zip(self.before.div_ceil(per_segment)..5) {
            for index in 0..PARTS_PER_SEGMENT {
                let is_first = index == 0 && msn == first_msn;
                self.parts(&recording, msn, segment * PARTS_PER_SEGMENT + index, init_no, is_resumed && is_first).await;
            }
            for name in RENDITIONS {
                recording.segment_end(name, msn, PART_US * PARTS_PER_SEGMENT as u64);
            }
        }
        recording.close(RecordingEnd::Ended);
    }

    /// One part in each rendition, each in the journal before this goes on.
    async fn parts(&mut self, recording: &Recording, msn: u64, part: usize, init_no: u32, is_discontinuity: bool) {
        for (name, reel) in RENDITIONS.iter().zip(&self.media) {
            writeln!(self.witness, "{name} {msn} {part}").expect("the witness writes");
            self.handed += 1;
            recording.part(RecordedPart {
                rendition: name,
                msn,
                bytes: reel.parts[part].clone(),
                duration_us: PART_US,
                program_at: kit::clock::now(),
                init_no,
                is_discontinuity,
                is_independent: true,
                starts_at_us: None,
                iframe_len: None,
            });
            while points::PART_LOGGED.hits() < self.handed {
                sleep(Duration::from_millis(1)).await;
            }
            if self.die_after == Some(self.handed) {
                std::process::abort();
            }
        }
    }

    /// One whole segment of the source rendition, whether or not the disk takes it. Returns how long the caller was held.
    pub(super) fn segment(&mut self, recording: &Recording, msn: u64, init_no: u32) -> Duration {
        let segment = usize::try_from(msn).expect("small") % 5;
        let started = std::time::Instant::now();
        for index in 0..PARTS_PER_SEGMENT {
            let part = segment * PARTS_PER_SEGMENT + index;
            writeln!(self.witness, "source {msn} {part}").expect("the witness writes");
            recording.part(RecordedPart {
                rendition: "source",
                msn,
                bytes: self.media[0].parts[part].clone(),
                duration_us: PART_US,
                program_at: kit::clock::now(),
                init_no,
                is_discontinuity: false,
                is_independent: true,
                starts_at_us: None,
                iframe_len: None,
            });
        }
        recording.segment_end("source", msn, PART_US * PARTS_PER_SEGMENT as u64);
        started.elapsed()
    }
}
