//! The walls around the child, tried from inside.

use std::path::Path;

use transcoder::worker::{CheckStatus, doctor_of};

/// What a system can lack and the others make up for.
const REPLACEABLE: [&str; 4] =
    ["sandbox: landlock", "sandbox: seccomp", "sandbox: own network namespace", "sandbox: unprivileged user"];

#[test]
fn from_inside_the_sandbox_nothing_outside_can_be_reached() {
    let checks = doctor_of(Path::new(env!("CARGO_BIN_EXE_media-worker")));
    for check in &checks {
        println!("{:?} {}: {}", check.status, check.name, check.detail);
    }
    let status = |name: &str| checks.iter().find(|check| check.name == name).map(|check| check.status);
    let probes: Vec<_> = checks.iter().filter(|check| check.name.starts_with("sandboxed process may not")).collect();
    assert_eq!(probes.len(), 14, "every probe reports");
    if status("sandbox: seccomp") == Some(CheckStatus::Ok) {
        let escaped: Vec<_> = probes.iter().filter(|check| check.status != CheckStatus::Ok).collect();
        assert!(escaped.is_empty(), "{escaped:?}");
    } else {
        // The doctor must say so: without it, its silence would be a lie.
        assert!(checks.iter().any(|check| check.status == CheckStatus::Warn && check.hint.is_some()));
    }
    let elements: Vec<_> = checks.iter().filter(|check| check.name.starts_with("GStreamer")).collect();
    assert_eq!(elements.len(), 8, "every plugin reports, and every decoder");
    assert!(elements.iter().all(|check| check.status == CheckStatus::Ok), "{elements:?}");
    let walls = checks.iter().filter(|check| check.name.starts_with("sandbox:"));
    for wall in walls.filter(|check| !REPLACEABLE.contains(&check.name.as_str())) {
        assert_eq!(wall.status, CheckStatus::Ok, "{wall:?}");
    }
}

#[test]
fn a_program_that_is_no_child_is_reported_and_not_waited_for() {
    let started = std::time::Instant::now();
    let checks = doctor_of(Path::new("/bin/true"));
    assert_eq!(checks.iter().map(|check| check.status).collect::<Vec<_>>(), [CheckStatus::Fail]);
    assert!(checks[0].hint.as_ref().is_some_and(|hint| hint.contains("gstreamer1.0-libav")));
    assert!(started.elapsed() < std::time::Duration::from_secs(5));
}
