//! A child that cannot keep up drops a rung, and gets it back when it can again.

use std::sync::Arc;
use std::time::Duration;

use media::codec::VideoCodec;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::sleep;
use transcoder::worker::{Admission, Mask, Source, WorkerSpec};

use super::clip::pattern;
use super::rig::{Rig, Yield, rung, spec};

/// Lets a process run for an eightieth of the time: a quick machine makes both rungs in a fifteenth of it. The stops are
/// shorter than the silence for which a child is taken for hung.
async fn throttle(pid: Pid) {
    loop {
        if kill(pid, Signal::SIGSTOP).is_err() {
            return;
        }
        sleep(Duration::from_millis(790)).await;
        if kill(pid, Signal::SIGCONT).is_err() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_is_too_slow_loses_its_costliest_rung_and_gets_it_back() {
    let clip = pattern("640x360", 36, 0);
    let admission = Admission::new(4.0);
    let rungs = vec![rung(240, 400), rung(160, 250)];
    let source = Source { codec: VideoCodec::Avc, width: 640, height: 360, fps: 30.0 };
    let share = Arc::new(admission.try_admit(source, rungs.clone()).expect("room"));
    assert_eq!(share.mask(), Mask::all(2));
    let full = admission.used_cores();
    let restore_after = Duration::from_secs(3);
    let mut taken = Yield::default();
    let mut rig = Rig::start(WorkerSpec { rungs, share: Some(share.clone()), restore_after, ..spec(&clip) });
    let mut units = clip.units.chunks(15);
    let mut feed_half_a_second = async |rig: &mut Rig, taken: &mut Yield| {
        let next = units.next().expect("the clip is long enough");
        rig.feed(next, 1, taken).await;
    };
    for _ in 0..8 {
        feed_half_a_second(&mut rig, &mut taken).await;
    }
    let pid = rig.pid();
    let slow = tokio::task::JoinSet::from_iter([throttle(pid)]);
    while taken.running.is_empty() {
        feed_half_a_second(&mut rig, &mut taken).await;
    }
    drop(slow);
    kill(pid, Signal::SIGCONT).expect("it lives");
    assert_eq!(taken.running[0].0, Mask::all(2).without(0), "the costliest went");
    assert!(admission.used_cores() < full, "and gave back its room");
    while taken.running.len() < 2 {
        feed_half_a_second(&mut rig, &mut taken).await;
    }
    assert_eq!(taken.running[1].0, Mask::all(2), "it came back");
    for _ in 0..6 {
        feed_half_a_second(&mut rig, &mut taken).await;
    }
    rig.finish(&mut taken).await;
    assert_eq!(taken.lost, Vec::<String>::new(), "the child itself was never lost");
    let back = taken.units.iter().filter(|unit| unit.at > taken.running[1].1).collect::<Vec<_>>();
    assert!(back.first().is_some_and(|unit| unit.is_sync), "it begins with a key frame");
    let keys = clip.keys();
    assert!(back.iter().filter(|unit| unit.is_sync).all(|unit| keys.contains(&unit.pts)), "of the source");
    assert!(back.len() > 30, "{}", back.len());
    let small = taken.only(1);
    let last = small.units.last().expect("pictures").pts;
    assert_eq!(Some(last), taken.units.last().map(|unit| unit.pts), "both go on to the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rung_there_was_no_room_for_comes_when_another_stream_has_ended() {
    let clip = pattern("640x360", 20, 0);
    let source = Source { codec: VideoCodec::Avc, width: 640, height: 360, fps: 30.0 };
    let rungs = vec![rung(240, 400), rung(160, 250)];
    let probe = Admission::new(4.0);
    let alone = probe.try_admit(source, rungs.clone()).expect("room").cores();
    let admission = Admission::new(alone * 1.5);
    let other = admission.try_admit(source, rungs.clone()).expect("room");
    let share = Arc::new(admission.try_admit(source, rungs.clone()).expect("room for some"));
    let mask = share.mask();
    assert!(mask != Mask::all(2) && share.refusal().is_some());
    let mut taken = Yield::default();
    let restore_after = Duration::from_secs(1);
    let mut rig = Rig::start(WorkerSpec { rungs, share: Some(share), restore_after, ..spec(&clip) });
    let mut units = clip.units.chunks(15);
    for _ in 0..4 {
        rig.feed(units.next().expect("more"), 1, &mut taken).await;
    }
    assert!(taken.running.is_empty());
    drop(other);
    while taken.running.last().is_none_or(|(running, _)| *running != Mask::all(2)) {
        rig.feed(units.next().expect("it comes back in time"), 1, &mut taken).await;
    }
    for _ in 0..4 {
        rig.feed(units.next().expect("more"), 1, &mut taken).await;
    }
    rig.finish(&mut taken).await;
    assert!(!taken.units.is_empty() && taken.units[0].is_sync);
    assert_eq!(taken.lost, Vec::<String>::new());
}
