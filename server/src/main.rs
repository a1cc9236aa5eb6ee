//! The binary `rillcast`: command line, roles, embedded services, doctor. Composes the rooms; holds no rule of theirs.

mod cli;
mod commands;
mod compose;
mod doctor;
mod embedded;
mod events;
mod http;
mod import;
mod lines;
mod node;
mod ports;
mod recordings;
mod up;

use std::process::ExitCode;

use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    // The media worker is single-minded: no runtime, no configuration, no environment.
    if let cli::Command::MediaWorker = cli.command {
        return transcoder::worker::child_main();
    }
    if let cli::Command::ServiceChild(child) = &cli.command {
        return embedded::child::run(child);
    }
    // Every viewer is a descriptor; systems give 1,024 and allow more to who asks.
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _kept = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("rillcast: cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(cli.run()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("rillcast: {error:#}");
            ExitCode::FAILURE
        }
    }
}
