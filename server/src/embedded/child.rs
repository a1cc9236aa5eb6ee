//! The first step of an embedded service's process: ties its life to ours, becomes its user, then becomes the service.
//!
//! A process of its own does this before `exec`, so that no code runs between fork and exec in the threaded parent.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, getppid, setgid, setgroups, setuid};

use crate::cli::ServiceChildArgs;

/// Returns only when something failed.
pub fn run(args: &ServiceChildArgs) -> ExitCode {
    match become_service(args) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("rillcast: cannot start {}: {error:#}", args.command[0]);
            ExitCode::FAILURE
        }
    }
}

fn become_service(args: &ServiceChildArgs) -> anyhow::Result<std::convert::Infallible> {
    if args.uid != 0 && Uid::effective().is_root() {
        setgroups(&[])?;
        setgid(Gid::from_raw(args.gid))?;
        setuid(Uid::from_raw(args.uid))?;
    }
    // After the change of user, which clears it.
    prctl::set_pdeathsig(Signal::try_from(args.death_signal)?)?;
    // The parent may have died before the line above took effect.
    anyhow::ensure!(getppid().as_raw() != 1 || std::process::id() == 1, "the parent is gone");
    Err(Command::new(&args.command[0]).args(&args.command[1..]).exec().into())
}
