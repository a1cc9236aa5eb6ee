//! Chores of the repository: `tidy` holds the code to its structure, `generated` holds generated files to their source.

mod generated;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tidy"] => tidy::run(&root),
        ["generated"] => generated::run(&root, false),
        ["generated", "--write"] => generated::run(&root, true),
        _ => Err(anyhow::anyhow!("usage: cargo xtask tidy | generated [--write]")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
