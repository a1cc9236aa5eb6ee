//! Files that are generated and committed: the OpenAPI document and the configuration template.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, bail};

/// File, and the command of the binary that prints it.
const FILES: &[(&str, &[&str])] =
    &[("web/openapi.json", &["openapi"]), ("docs/rillcast.toml", &["config", "template"])];

/// The binary named by `RILLCAST_EXE`, such as the one that the tests were just built with; else it is built.
fn binary() -> Command {
    if let Some(exe) = env::var_os("RILLCAST_EXE") {
        return Command::new(exe);
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--bin", "rillcast", "--"]);
    cargo
}

/// Compares, or writes.
pub fn run(root: &Path, write: bool) -> anyhow::Result<()> {
    for (file, arguments) in FILES {
        let output = binary().args(*arguments).current_dir(root).output().context("cannot run the binary")?;
        if !output.status.success() {
            bail!("rillcast {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        let path = root.join(file);
        if write {
            fs::create_dir_all(path.parent().context("no folder")?)?;
            fs::write(&path, &output.stdout)?;
        } else if fs::read(&path).unwrap_or_default() != output.stdout {
            bail!("{file} is out of step with its source; run ./dev fix");
        }
    }
    if write {
        let done = Command::new("npm").args(["run", "--silent", "gen:api"]).current_dir(root.join("web")).status()?;
        if !done.success() {
            bail!("the web app's types could not be generated");
        }
    }
    println!("generated: {} files in step", FILES.len());
    Ok(())
}
