//! Who this node is, kept in the data folder: its id and the site's secret.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, bail};
use kit::Secret;

/// Reads a small private file, or makes it from `fresh` with mode 0600.
pub fn read_or_create(path: &Path, fresh: impl FnOnce() -> String) -> anyhow::Result<String> {
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Ok(_) => bail!("{} is empty; restore it or delete it", path.display()),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
    let text = fresh();
    // Written beside and renamed, so that a crash never leaves half a secret.
    let draft = path.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .with_context(|| format!("cannot write {}", draft.display()))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    Ok(text)
}

/// This node's lasting name.
pub fn id(data_dir: &Path) -> anyhow::Result<String> {
    read_or_create(&data_dir.join("node-id"), kit::ids::random_token::<6>)
}

/// The site's secret of an all-in-one node that was given none.
pub fn site_secret(data_dir: &Path) -> anyhow::Result<Secret> {
    Ok(Secret::new(read_or_create(&data_dir.join("site-secret"), kit::ids::random_token::<32>)?))
}

/// Creates the data folder and proves that it can be written to.
pub fn prepare_data_dir(data_dir: &Path) -> anyhow::Result<std::path::PathBuf> {
    fs::create_dir_all(data_dir).with_context(|| format!("cannot create the data folder {}", data_dir.display()))?;
    let data_dir = data_dir.canonicalize()?;
    let probe = data_dir.join(".write-probe");
    fs::write(&probe, b"")
        .and_then(|()| fs::remove_file(&probe))
        .with_context(|| format!("the data folder {} is not writable", data_dir.display()))?;
    Ok(data_dir)
}

/// The exclusive claim on a data folder; gone with the process, however it ends.
pub struct DataLock(#[expect(dead_code, reason = "held, never read")] fs::File);

pub fn lock(data_dir: &Path) -> anyhow::Result<DataLock> {
    let path = data_dir.join("lock");
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            bail!(
                "the data folder {} is in use by another rillcast (process {}); stop it or use another --data",
                data_dir.display(),
                holder.trim()
            );
        }
        Err(fs::TryLockError::Error(error)) => return Err(error).context("cannot lock the data folder"),
    }
    file.set_len(0)?;
    (&file).write_all(format!("{}\n", std::process::id()).as_bytes())?;
    Ok(DataLock(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_claim_on_a_data_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let first = lock(dir.path()).unwrap();
        let error = lock(dir.path()).err().unwrap().to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        drop(first);
        assert!(lock(dir.path()).is_ok());
    }

    #[test]
    fn a_node_keeps_its_id() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(id(dir.path()).unwrap(), id(dir.path()).unwrap());
    }
}
