//! The structure, checked: who may depend on whom, which vendor lives where, how long files may get.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use toml::Table;

/// Our own crates each crate may use; tests may also use `testkit`.
const MAY_USE: &[(&str, &[&str])] = &[
    ("crates/domain", &[]),
    ("crates/media", &[]),
    ("crates/scale", &[]),
    ("crates/pictures", &["domain"]),
    ("crates/kit", &["domain"]),
    ("crates/db", &["domain", "kit"]),
    ("crates/live", &["domain", "kit"]),
    ("crates/objects", &["domain", "kit"]),
    ("crates/objectstore", &["kit"]),
    ("crates/jobs", &["domain", "kit", "db", "live", "objects", "pictures"]),
    ("ingest", &["domain", "media", "kit", "db", "live", "objects", "jobs"]),
    ("api", &["domain", "media", "kit", "db", "live", "objects", "jobs", "pictures"]),
    ("transcoder", &["scale", "domain", "media", "kit", "db", "live", "objects", "jobs"]),
    ("chat", &["domain", "kit", "db", "live", "jobs"]),
    (
        "server",
        &[
            "ingest",
            "api",
            "transcoder",
            "chat",
            "domain",
            "media",
            "kit",
            "db",
            "live",
            "objects",
            "objectstore",
            "jobs",
            "hlscheck",
        ],
    ),
    ("crates/testkit", &["domain", "media", "kit", "db", "live", "objects"]),
    ("crates/hlscheck", &[]),
    ("bench", &["testkit", "chat", "transcoder", "domain", "media", "kit"]),
    ("xtask", &[]),
];

/// One vendor, one home. Tests and testkit talk to the outside in their own ways.
const HOMES: &[(&str, &[&str])] = &[
    ("sqlx", &["crates/db"]),
    ("redis", &["crates/live"]),
    ("aws-runtime", &["crates/objects"]),
    ("aws-sdk-s3", &["crates/objects"]),
    ("s3s", &["crates/objectstore"]),
    ("s3s-fs", &[]),
    ("apalis", &["crates/jobs"]),
    ("apalis-core", &["crates/jobs"]),
    ("apalis-postgres", &["crates/jobs"]),
    ("lettre", &["crates/jobs"]),
    ("minijinja", &["crates/jobs"]),
    ("clamav-client", &["crates/jobs"]),
    ("mongodb", &["chat"]),
    ("socketioxide", &["chat"]),
    ("gstreamer", &["transcoder"]),
    ("gstreamer-app", &["transcoder"]),
    ("gstreamer-video", &["transcoder"]),
    ("rml_rtmp", &["ingest"]),
    ("rml_amf0", &["ingest"]),
    ("jsonwebtoken", &["crates/kit"]),
    ("totp-rs", &["api"]),
    ("qrcode", &["api"]),
    ("clap", &["server"]),
];

/// What the two pure crates must stay free of.
const PURE: &[&str] = &["crates/domain", "crates/media"];
const IMPURE: &[&str] = &["tokio", "tokio-util", "axum", "sqlx", "redis", "gstreamer", "reqwest", "hyper", "futures"];

const LINES_MAX: usize = 640;
/// Folders with sources of ours.
const SOURCES: &[&str] =
    &["ingest", "api", "transcoder", "chat", "server", "crates", "bench", "xtask", "web/src", "web/e2e"];

pub fn run(root: &Path) -> anyhow::Result<()> {
    let mut faults = Vec::new();
    for (path, may_use) in MAY_USE {
        check_crate(root, path, may_use, &mut faults)?;
    }
    check_members(root, &mut faults)?;
    let mut files = Vec::new();
    for folder in SOURCES {
        collect(&root.join(folder), &mut files)?;
    }
    for file in &files {
        check_file(root, file, &mut faults)?;
    }
    if !faults.is_empty() {
        bail!("{} faults:\n{}", faults.len(), faults.join("\n"));
    }
    println!("tidy: {} crates, {} files", MAY_USE.len(), files.len());
    Ok(())
}

fn check_crate(root: &Path, path: &str, may_use: &[&str], faults: &mut Vec<String>) -> anyhow::Result<()> {
    let manifest = read_manifest(&root.join(path).join("Cargo.toml"))?;
    let ours: BTreeMap<&str, &str> =
        MAY_USE.iter().map(|(path, _)| (path.rsplit('/').next().unwrap_or(path), *path)).collect();
    for name in dependencies(&manifest, "dependencies") {
        if ours.contains_key(name.as_str()) && !may_use.contains(&name.as_str()) {
            faults.push(format!("{path} must not depend on {name}"));
        }
        if PURE.contains(&path) && IMPURE.contains(&name.as_str()) {
            faults.push(format!("{path} does no I/O and must not depend on {name}"));
        }
        let home = HOMES.iter().find(|(vendor, _)| *vendor == name);
        if let Some((vendor, homes)) = home
            && path != "crates/testkit"
            && !homes.contains(&path)
        {
            faults.push(format!("{vendor} lives in {}, not in {path}", homes.join(", ")));
        }
    }
    Ok(())
}

/// A crate nobody gave a place in the table is a fault.
fn check_members(root: &Path, faults: &mut Vec<String>) -> anyhow::Result<()> {
    let manifest = read_manifest(&root.join("Cargo.toml"))?;
    let members = manifest["workspace"]["members"].as_array().context("no members")?;
    for member in members.iter().filter_map(toml::Value::as_str) {
        if !MAY_USE.iter().any(|(path, _)| *path == member) {
            faults.push(format!("{member} has no place in the dependency rule"));
        }
    }
    Ok(())
}

fn read_manifest(path: &Path) -> anyhow::Result<Table> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(text.parse()?)
}

fn dependencies(manifest: &Table, section: &str) -> Vec<String> {
    manifest
        .get(section)
        .and_then(toml::Value::as_table)
        .map(|table| table.keys().cloned().collect())
        .unwrap_or_default()
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !matches!(name, "node_modules" | "dist" | "target") {
                collect(&path, files)?;
            }
        } else if matches!(path.extension().and_then(|e| e.to_str()), Some("rs" | "ts" | "tsx")) {
            files.push(path);
        }
    }
    Ok(())
}

fn check_file(root: &Path, file: &Path, faults: &mut Vec<String>) -> anyhow::Result<()> {
    let shown = file.strip_prefix(root).unwrap_or(file).display().to_string();
    let text = fs::read_to_string(file)?;
    let lines = text.lines().count();
    let is_generated = shown.ends_with("schema.d.ts") || shown.ends_with("routeTree.gen.ts");
    if lines > LINES_MAX && !is_generated {
        faults.push(format!("{shown} has {lines} lines; about 600 is the limit: split it"));
    }
    if shown.ends_with(".rs") {
        if file.file_name().is_some_and(|name| name == "mod.rs") {
            faults.push(format!("{shown}: modules are named files, not mod.rs"));
        }
        let is_test = shown.contains("/tests/");
        if !is_test && !text.starts_with("//!") && !text.starts_with("#![") {
            faults.push(format!("{shown} does not say what it owns (//!)"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(path: &str, manifest: &str) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join(path);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("Cargo.toml"), manifest).unwrap();
        let may_use = MAY_USE.iter().find(|(name, _)| *name == path).unwrap().1;
        let mut faults = Vec::new();
        check_crate(root.path(), path, may_use, &mut faults).unwrap();
        faults
    }

    #[test]
    fn roles_must_not_import_each_other() {
        assert_eq!(
            faults_of("api", "[dependencies]\ntranscoder.workspace = true"),
            ["api must not depend on transcoder"]
        );
        assert!(faults_of("server", "[dependencies]\ntranscoder.workspace = true").is_empty());
    }

    #[test]
    fn a_vendor_outside_its_home_is_a_fault() {
        assert_eq!(faults_of("api", "[dependencies]\nsqlx = \"1\"").len(), 1);
        assert!(faults_of("crates/db", "[dependencies]\nsqlx = \"1\"").is_empty());
    }

    #[test]
    fn pure_crates_stay_pure() {
        assert_eq!(faults_of("crates/media", "[dependencies]\ntokio = \"1\"").len(), 1);
    }
}
