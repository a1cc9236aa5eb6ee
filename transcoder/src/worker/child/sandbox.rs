//! The walls around a child, put up by the child itself once it has loaded what it needs.
//!
//! Each wall stands alone, and the kernel or the user may not allow all of them: what failed is reported, never hidden.
//! Two are not optional, because without them a dead parent or a bomb in a bitstream would hurt the machine: the memory
//! limit and dying with the parent.

use std::fmt::Display;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, Scope,
};
use nix::sched::CloneFlags;
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Gid, Uid};

use super::super::encoder::table::Candidate;
use super::super::wire::Measure;
use super::syscalls::{self, Door};

/// Open files a child may have: its streams, and what the C library and GLib need to wake threads.
const FILES_MAX: u64 = 64;
/// The same with a hardware encoder, whose driver opens its devices again and again.
const DRIVER_FILES_MAX: u64 = 256;
/// The user that root's children become: nobody.
const NOBODY: u32 = 65_534;
/// How much later than other processes a child gets the processor, and one nobody waits for at the screen.
const NICE: i32 = 5;
const NICE_PATIENT: i32 = 15;
/// Sooner than anything else, a child is what the kernel kills when memory runs out.
const OOM_SCORE_ADJ: &str = "500";
/// The newest Landlock this was checked with; older kernels give what they have.
const LANDLOCK: ABI = ABI::V6;

/// Closes every file but the standard streams, whoever left them open.
pub(super) fn close_inherited_files() {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else { return };
    let open: Vec<i32> = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    for fd in open.into_iter().filter(|fd| *fd > 2) {
        // The folder's own handle is among them and closed already.
        let _ = nix::unistd::close(fd);
    }
}

/// What has to come before the libraries: priorities are inherited by threads, and nothing may outlive the parent.
pub(super) fn prepare(parent_pid: i32) -> Result<(), String> {
    prepare_with(parent_pid, NICE)
}

/// The same for a child that gives way to those of live streams.
pub(super) fn prepare_patient(parent_pid: i32) -> Result<(), String> {
    prepare_with(parent_pid, NICE_PATIENT)
}

fn prepare_with(parent_pid: i32, nice: i32) -> Result<(), String> {
    die_with_parent(parent_pid)?;
    // By as much as it takes: a service that stands above the others does not lift its children with it.
    let here = rustix::process::nice(0).unwrap_or(0);
    let _ = rustix::process::nice(nice - here.min(0));
    let _ = fs::write("/proc/self/oom_score_adj", OOM_SCORE_ADJ);
    Ok(())
}

/// Puts up the walls, with a door to its devices for a hardware encoder. The error means that one which is not optional does
/// not stand.
pub(super) fn enter(memory_mib: u64, parent_pid: i32, hardware: Option<&Candidate>) -> Result<Vec<Measure>, String> {
    let devices = hardware.map_or(Ok(Vec::new()), |candidate| candidate.family.devices())?;
    limit_memory(memory_mib)?;
    let mut measures = vec![
        measure("memory limit", Ok::<_, String>(format!("{memory_mib} MiB"))),
        measure(
            "limits on files and core dumps",
            limit_files(if devices.is_empty() { FILES_MAX } else { DRIVER_FILES_MAX }),
        ),
        measure("low priority", priority()),
        measure("own network namespace", leave_network()),
        measure("unprivileged user", drop_user(&devices)),
    ];
    // Becoming somebody else cleared it.
    die_with_parent(parent_pid)?;
    measures.push(measure("dies with its parent", Ok::<_, String>(String::new())));
    measures.push(measure("no new privileges", prctl::set_no_new_privs().map(|()| String::new())));
    measures.push(measure("not inspectable", prctl::set_dumpable(false).map(|()| String::new())));
    let landlock = landlock(&devices);
    // Where no path can be opened but the devices', the call that opens them does no harm.
    let door = Door::of(hardware, landlock.is_ok());
    measures.push(measure("landlock", landlock));
    // Last: it forbids the calls that put up the others.
    measures.push(measure("seccomp", seccomp(door)));
    Ok(measures)
}

fn measure<E: Display>(name: &str, done: Result<String, E>) -> Measure {
    let (detail, failure) = match done {
        Ok(detail) => (detail, None),
        Err(error) => (String::new(), Some(error.to_string())),
    };
    Measure { name: name.to_owned(), failure, detail }
}

fn die_with_parent(parent_pid: i32) -> Result<(), String> {
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(|error| format!("cannot ask to die with the parent: {error}"))?;
    // It may have died before we asked.
    if nix::unistd::getppid().as_raw() == parent_pid { Ok(()) } else { Err("the parent is gone".to_owned()) }
}

fn limit_memory(mib: u64) -> Result<(), String> {
    let bytes = mib.saturating_mul(1024 * 1024);
    setrlimit(Resource::RLIMIT_DATA, bytes, bytes).map_err(|error| format!("cannot limit the memory: {error}"))
}

fn limit_files(max: u64) -> nix::Result<String> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    // A write to a file fails instead of killing: standard error may be one.
    SigSet::from(Signal::SIGXFSZ).thread_block()?;
    setrlimit(Resource::RLIMIT_FSIZE, 0, 0)?;
    setrlimit(Resource::RLIMIT_MEMLOCK, 0, 0)?;
    setrlimit(Resource::RLIMIT_NOFILE, max, max)?;
    Ok(format!("{max} open files, none grows"))
}

fn priority() -> Result<String, String> {
    let nice = rustix::process::nice(0).map_err(|error| error.to_string())?;
    if nice >= NICE { Ok(format!("nice {nice}")) } else { Err(format!("nice is {nice}")) }
}

/// An empty network of its own. Without root this needs user namespaces, which some systems switch off.
fn leave_network() -> nix::Result<String> {
    let network = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC;
    if Uid::effective().is_root() {
        nix::sched::unshare(network)?;
        Ok("own network, own shared memory".to_owned())
    } else {
        nix::sched::unshare(network | CloneFlags::CLONE_NEWUSER)?;
        Ok("own network, own shared memory, own user namespace".to_owned())
    }
}

/// Keeps the groups that may use the devices, if they are not root's.
fn drop_user(devices: &[PathBuf]) -> Result<String, String> {
    if !Uid::effective().is_root() {
        return Ok(format!("already user {}", Uid::effective()));
    }
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    let of_devices = devices.iter().filter_map(|device| fs::metadata(device).ok()).map(|it| Gid::from_raw(it.gid()));
    let mut groups: Vec<Gid> = of_devices.filter(|gid| gid.as_raw() != 0).chain([group]).collect();
    groups.sort_unstable_by_key(|gid| gid.as_raw());
    groups.dedup();
    nix::unistd::setgroups(&groups)
        .and_then(|()| nix::unistd::setresgid(group, group, group))
        .and_then(|()| nix::unistd::setresuid(user, user, user))
        .map_err(|error| error.to_string())?;
    Ok(format!("user {NOBODY}"))
}

/// No path can be opened but the devices', no port bound or connected, no outside process signalled.
fn landlock(devices: &[PathBuf]) -> Result<String, String> {
    let door = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
    let open = |device: &PathBuf| PathFd::new(device).ok().map(|fd| Ok::<_, RulesetError>(PathBeneath::new(fd, door)));
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(LANDLOCK)))
        .and_then(|rules| rules.scope(Scope::from_all(LANDLOCK)))
        .and_then(Ruleset::create)
        .and_then(|rules| rules.add_rules(devices.iter().filter_map(open)))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(|error| error.to_string())?;
    match status.ruleset {
        RulesetStatus::FullyEnforced => Ok("files, TCP, signals".to_owned()),
        RulesetStatus::PartiallyEnforced => Ok("files; this kernel cannot do all the rest".to_owned()),
        RulesetStatus::NotEnforced => Err("this kernel has no Landlock, or it is not enabled".to_owned()),
    }
}

fn seccomp(door: Door) -> Result<String, String> {
    for filter in syscalls::filters(nix::unistd::getpid().as_raw(), door)? {
        seccompiler::apply_filter_all_threads(&filter).map_err(|error| error.to_string())?;
    }
    Ok(door.described().to_owned())
}
