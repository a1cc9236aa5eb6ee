//! The process dies at every named boundary of a recording's way. Judged from outside: database, bucket, decoder.
//!
//! The list of boundaries is the product's own. `RILLCAST_SWEEP=full` tries more moments of each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use domain::stream::PublishEnd;
use futures::StreamExt;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use transcoder::record::points;

use super::child::{Case, Reel, Task, is_death, make_media, reel};
use super::rig::{Live, RULES, Rig, until};

/// Cases at a time: each is a process that mostly waits.
const CASES_AT_ONCE: usize = 4;
/// Parts on their way when a process dies for the boundaries of its restart.
const PARTS_BEFORE_RESTART: usize = 27;

struct Ground {
    rig: Rig,
    media: TempDir,
    folder: TempDir,
}

#[tokio::test]
async fn a_death_at_any_boundary_costs_at_most_the_part_on_its_way() {
    let is_full = std::env::var_os("RILLCAST_SWEEP").is_some_and(|value| value == "full");
    let moments: &[u64] = if is_full { &[1, 2, 3, 5, 8] } else { &[1, 2] };
    let ground = Ground {
        rig: Rig::new().await,
        media: tempfile::tempdir().expect("folder"),
        folder: tempfile::tempdir().expect("folder"),
    };
    make_media(ground.media.path());
    let ground = Arc::new(ground);
    let cases = points::ALL.iter().flat_map(|point| moments.iter().map(|nth| (point.name(), *nth)));
    let outcomes: Vec<(&str, bool)> = futures::stream::iter(cases)
        .map(|(name, nth)| {
            let ground = Arc::clone(&ground);
            async move { (name, one_death(&ground, name, nth).await) }
        })
        .buffer_unordered(CASES_AT_ONCE)
        .collect()
        .await;
    let died: BTreeSet<&str> = outcomes.iter().filter(|(_, died)| *died).map(|(name, _)| *name).collect();
    let all: BTreeSet<&str> = points::ALL.iter().map(|point| point.name()).collect();
    assert_eq!(died, all, "every boundary of the list is on the way");
}

/// One process dies at the `nth` passing of a boundary, another finishes its work. False when the boundary was not passed
/// so often.
async fn one_death(ground: &Ground, point: &str, nth: u64) -> bool {
    let id = format!("{}_{nth}", point.trim_start_matches("record.").replace('-', "_"));
    let live = ground.rig.go_live(&id).await;
    let case = Case {
        rig: &ground.rig,
        live: &live,
        media: ground.media.path(),
        data: ground.folder.path().join(&id).join("data"),
        desk: ground.folder.path().join(&id).join("desk"),
    };
    let armed = format!("{point}:{nth}");
    let mut deaths = 0;
    let is_of_restart = point.starts_with("record.recovery");
    let mut status = if is_of_restart {
        let status = case.run(Task::BroadcastAndDie(PARTS_BEFORE_RESTART), None).await;
        assert!(is_death(status), "{}", case.said());
        deaths += 1;
        case.run(Task::Broadcast, Some(&armed)).await
    } else {
        case.run(Task::Broadcast, Some(&armed)).await
    };
    let has_died = is_death(status);
    if has_died {
        deaths += 1;
        // The broadcaster returns at even moments, and when nothing may have been recorded yet; else the stream is over.
        let task = if nth.is_multiple_of(2) || case.handed().len() < 2 { Task::Broadcast } else { Task::Recover };
        if task == Task::Recover {
            ground.rig.publisher_gone(&live, PublishEnd::Unpublished, RULES).await;
        }
        status = case.run(task, None).await;
    }
    assert!(status.success(), "{armed}: {status}: {}", case.said());
    judge(ground, &case, &live, deaths, &armed).await;
    has_died
}

/// What was handed over is in the bucket once and whole, but for the last part before each death, and it decodes.
async fn judge(ground: &Ground, case: &Case<'_>, live: &Live, deaths: usize, what: &str) {
    let rig = &ground.rig;
    until(what, || async { rig.vod(live).await.is_some_and(|vod| vod["status"] == "ready") }).await;
    let told = format!(
        "SELECT outbox_id FROM outbox WHERE kind = 'vod_ready' AND payload ->> 'vod_id' = '{}'",
        live.info.vod_id
    );
    assert_eq!(rig.rows(&told).await.len(), 1, "{what}: told of once");
    let query = format!(
        "SELECT rendition, seq, object_key, init_key, byte_size, encode(sha256, 'hex') AS sha256
           FROM vod_segments WHERE vod_id = '{}' ORDER BY rendition, seq",
        live.info.vod_id
    );
    let rows = rig.rows(&query).await;
    let mut keys: BTreeSet<String> = rows.iter().map(|row| text(row, "object_key")).collect();
    assert_eq!(keys.len(), rows.len(), "{what}: an object for each row");
    keys.extend(rows.iter().map(|row| text(row, "init_key")));
    let prefix = objects::keys::vod_prefix(live.info.vod_id);
    let is_init = |key: &String| key.ends_with(".mp4");
    let stored: BTreeSet<String> = rig.s3.keys().into_iter().filter(|key| key.starts_with(&prefix)).collect();
    let strays: Vec<_> = stored.difference(&keys).filter(|key| !is_init(key)).collect();
    assert!(strays.is_empty() && stored.is_superset(&keys), "{what}: {strays:?} of {stored:?}");

    let mut lost = 0;
    for name in ["source", "audio"] {
        let media = reel(ground.media.path(), name);
        let (kept, bytes) = kept_of(rig, case, &rows, name, &media, what);
        let handed = case.handed().iter().filter(|(rendition, ..)| rendition == name).count();
        lost += handed - kept;
        if name == "source" {
            let file = case.desk.join("stored.mp4");
            std::fs::write(&file, [&media.init[..], &bytes].concat()).expect("file");
            let frames = frames_of(&file, what).await;
            assert_eq!(frames, kept as u64 * 6, "{what}: six frames a part");
        }
    }
    assert!(lost <= deaths, "{what}: {lost} parts lost in {deaths} deaths: {}", case.said());
}

/// How many of a rendition's parts are stored, each whole and in its place, and their bytes.
fn kept_of(
    rig: &Rig,
    case: &Case<'_>,
    rows: &[serde_json::Value],
    name: &str,
    media: &Reel,
    what: &str,
) -> (usize, Vec<u8>) {
    let mut handed: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (_, msn, part) in case.handed().iter().filter(|(rendition, ..)| rendition == name) {
        handed.entry(*msn).or_default().push(*part);
    }
    let (mut kept, mut all) = (0, Vec::new());
    for row in rows.iter().filter(|row| row["rendition"] == name) {
        let msn = row["seq"].as_u64().expect("a number");
        let object = rig.s3.read(&text(row, "object_key")).expect("the object");
        assert_eq!(text(row, "sha256"), hex::encode(Sha256::digest(&object)), "{what}: {name} {msn}");
        assert_eq!(rig.s3.read(&text(row, "init_key")).expect("the init"), media.init, "{what}");
        let mut rest = &object[..];
        for part in &handed[&msn] {
            // A number that was handed over and never reached the journal is given again: those parts are lost.
            if let Some(after) = rest.strip_prefix(&media.parts[*part][..]) {
                (rest, kept) = (after, kept + 1);
            }
        }
        assert!(rest.is_empty(), "{what}: {name} {msn} is not what was handed over");
        all.extend_from_slice(&object);
    }
    (kept, all)
}

async fn frames_of(file: &Path, what: &str) -> u64 {
    let probe = tokio::process::Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-count_frames", "-show_entries", "stream=nb_read_frames"])
        .args(["-of", "csv=p=0"])
        .arg(file)
        .output()
        .await
        .expect("ffprobe is installed");
    let complaints = String::from_utf8_lossy(&probe.stderr);
    assert!(complaints.trim().is_empty(), "{what}: {complaints}");
    String::from_utf8_lossy(&probe.stdout).trim().parse().unwrap_or(0)
}

fn text(row: &serde_json::Value, field: &str) -> String {
    row[field].as_str().expect("text").to_owned()
}
