//! Binding ports, and saying who has one that is taken.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, anyhow};
use tokio::net::TcpListener;

/// Binds, or explains: which port, for what, and who has it.
pub async fn bind(addr: SocketAddr, purpose: &str, key: &str) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(addr).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let who = owner_of(addr.port()).map(|who| format!(" by {who}")).unwrap_or_default();
            Err(anyhow!("port {} for {purpose} is taken{who}; free it or set {key}", addr.port()))
        }
        Err(error) => Err(error).with_context(|| format!("cannot listen on {addr} for {purpose} ({key})")),
    }
}

/// The process that listens on a TCP port, as far as this user may see.
pub fn owner_of(port: u16) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().find_map(|table| listening_inode(table, port))?;
    let wanted = format!("socket:[{inode}]");
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let pid = process.file_name().into_string().ok()?;
        if !pid.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else { continue };
        let holds =
            descriptors.flatten().any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == Path::new(&wanted)));
        if holds {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (process {pid})", name.trim()));
        }
    }
    None
}

fn listening_inode(table: &str, port: u16) -> Option<String> {
    const LISTEN: &str = "0A";
    let text = fs::read_to_string(table).ok()?;
    text.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (_, hex_port) = columns.get(1)?.rsplit_once(':')?;
        let matches = u16::from_str_radix(hex_port, 16).ok()? == port && *columns.get(3)? == LISTEN;
        matches.then(|| columns.get(9).map(|inode| (*inode).to_owned()))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_told_with_its_owner() {
        let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = first.local_addr().unwrap();
        let error = bind(addr, "RTMP", "ingest.listen").await.unwrap_err().to_string();
        assert!(error.contains(&addr.port().to_string()) && error.contains("ingest.listen"), "{error}");
        assert!(error.contains(&std::process::id().to_string()), "{error}");
    }
}
