//! A child that is killed, hangs, is fed rubbish or cannot be started.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use nix::sys::signal::{Signal, kill};
use tokio::time::Instant;
use transcoder::worker::WorkerSpec;

use super::clip::{Clip, pattern};
use super::rig::{Rig, Yield, spec};

/// What reliability asks for: other renditions are back within this time.
const BACK_MAX: Duration = Duration::from_secs(5);

/// Feeds at the clip's own pace, does `harm` to the child in the middle, and gives the time from the harm to the next
/// unit.
async fn harmed(clip: &Clip, signal: Signal) -> (Yield, Duration) {
    let mut taken = Yield::default();
    let mut rig = Rig::start(spec(clip));
    let middle = 45;
    rig.feed(&clip.units[..middle], 1, &mut taken).await;
    assert!(!taken.units.is_empty(), "the child works before it is harmed");
    let harmed_at = Instant::now();
    rig.signal(signal);
    rig.feed(&clip.units[middle..], 1, &mut taken).await;
    rig.finish(&mut taken).await;
    // Events in the queue at the time of harm do not count: only what a later child made.
    let lost_after =
        taken.units.iter().filter(|unit| unit.at > harmed_at).max_by_key(|unit| gap_before(&taken, unit.at));
    let back = lost_after.map_or(Duration::MAX, |unit| unit.at - harmed_at);
    (taken, back)
}

fn gap_before(taken: &Yield, at: Instant) -> Duration {
    taken.units.iter().filter(|unit| unit.at < at).map(|unit| at - unit.at).min().unwrap_or_default()
}

fn assert_nothing_is_missing(clip: &Clip, taken: &Yield) {
    let times: Vec<_> = taken.units.iter().map(|unit| unit.pts).collect();
    let sent: Vec<_> = clip.pictures().into_iter().map(|(pts, _)| pts).collect();
    assert_eq!(times, sent, "no picture is missing, none comes twice, time never goes back");
    let keys: Vec<_> = taken.units.iter().filter(|unit| unit.is_sync).map(|unit| unit.pts).collect();
    assert!(clip.keys().iter().all(|key| keys.contains(key)), "the source's key frames are key frames");
    assert_eq!(taken.codec_data.len(), 1, "the new child's codec data is the old one's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_child_is_replaced_without_losing_a_picture() {
    let clip = pattern("1280x720", 5, 2);
    let (taken, back) = harmed(&clip, Signal::SIGKILL).await;
    println!("killed: back after {back:?}");
    // A reason would end in the child's complaints; a sandbox that is too tight makes it complain at each picture.
    assert_eq!(taken.lost, ["signal: 9 (SIGKILL)"]);
    assert!(back < BACK_MAX, "{back:?}");
    assert_nothing_is_missing(&clip, &taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_hangs_is_killed_and_replaced() {
    let clip = pattern("1280x720", 6, 0);
    let (taken, back) = harmed(&clip, Signal::SIGSTOP).await;
    println!("stopped: back after {back:?}");
    assert_eq!(taken.lost.len(), 1, "{:?}", taken.lost);
    assert!(taken.lost[0].contains("hung"), "{:?}", taken.lost);
    assert!(back < BACK_MAX, "{back:?}");
    assert_nothing_is_missing(&clip, &taken);
}

fn rubbish(len: usize) -> Bytes {
    let mut noise = 1_u32;
    let byte = |_| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise.to_be_bytes()[0]
    };
    (0..len).map(byte).collect()
}

/// Whatever the bytes do to the decoder, the parent lives, and good media afterwards comes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_stretch_of_rubbish_costs_a_child_and_not_the_rendition() {
    let clip = pattern("1280x720", 7, 0);
    let mut poisoned = clip.units.clone();
    for unit in &mut poisoned[30..120] {
        unit.data = rubbish(unit.data.len());
    }
    let mut taken = Yield::default();
    let mut rig = Rig::start(spec(&clip));
    rig.feed(&poisoned, 1, &mut taken).await;
    rig.finish(&mut taken).await;
    println!("rubbish: lost {:?}", taken.lost);
    assert_eq!(taken.gave_up, None);
    assert!(taken.units.is_sorted_by(|a, b| a.pts < b.pts));
    let after = clip.keys().into_iter().filter(|key| *key >= clip.units[150].pts);
    for key in after {
        assert!(taken.units.iter().any(|unit| unit.pts == key && unit.is_sync), "the key frame at {key} came back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_cannot_be_started_ends_in_giving_up() {
    let clip = pattern("320x240", 1, 0);
    let mut rig = Rig::start(WorkerSpec { exe: PathBuf::from("/nonexistent/rillcast"), ..spec(&clip) });
    rig.offer(&clip.units[0]);
    let mut taken = Yield::default();
    while let Some(event) = rig.next().await {
        taken.take(event);
    }
    assert!(taken.gave_up.is_some_and(|reason| reason.contains("cannot be started")));
    assert_eq!(taken.lost.len(), 5);
}

/// A bomb in a bitstream must not become the machine's: the limit is each child's death, and after five replacements
/// nobody tries any more.
#[tokio::test(flavor = "multi_thread")]
async fn children_that_burst_their_memory_limit_end_in_giving_up_and_not_in_a_crash_loop() {
    let clip = pattern("1920x1080", 1, 0);
    let mut rig = Rig::start(WorkerSpec { memory_mib: 24, ..spec(&clip) });
    for unit in &clip.units {
        rig.offer(unit);
    }
    let mut taken = Yield::default();
    while let Some(event) = rig.next().await {
        taken.take(event);
    }
    println!("without memory: {:?}", taken.lost);
    let reason = taken.gave_up.expect("it gave up");
    assert!(reason.starts_with("6 GStreamer processes died within a minute"), "{reason}");
    assert_eq!(taken.lost.len(), 5);
    assert!(taken.units.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_child_dies_with_whoever_wanted_it() {
    let clip = pattern("1280x720", 2, 0);
    let mut taken = Yield::default();
    let mut rig = Rig::start(spec(&clip));
    rig.feed(&clip.units[..30], 2, &mut taken).await;
    let pid = rig.pid();
    rig.events.close();
    rig.tasks.close();
    tokio::time::timeout(Duration::from_secs(5), rig.tasks.wait()).await.expect("the supervisor ends");
    assert_eq!(kill(pid, None), Err(nix::errno::Errno::ESRCH), "the process is gone and reaped");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stop_lets_the_last_pictures_out() {
    let clip = pattern("1280x720", 2, 3);
    let mut taken = Yield::default();
    let mut rig = Rig::start(spec(&clip));
    rig.feed(&clip.units, 2, &mut taken).await;
    rig.stop.cancel();
    while let Some(event) = rig.next().await {
        taken.take(event);
    }
    assert_eq!(taken.pictures(), clip.pictures());
    // Whoever has not heard of the stop yet may go on offering.
    rig.offer(&clip.units[0]);
}
