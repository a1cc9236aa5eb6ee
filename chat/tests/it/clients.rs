//! Clients that others wrote, over both transports: the reference implementation's for JavaScript, and python-socketio.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tokio::process::Command;
use tokio::time::timeout;

use crate::site::{Site, join};

const WAIT_MAX: Duration = Duration::from_secs(60);

/// Installed by `./dev test`.
fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/socketio/bin/python")
}

async fn each_transport(program: &Path, script: &[&str]) {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let listener = node.anonymous().await;
    join(&listener, &alice).await;
    for transport in ["websocket", "polling"] {
        let text = format!("by-{transport}");
        let client = Command::new(program)
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../web"))
            .args(script)
            .args([&node.url, transport, "alice", &bob.token, &text])
            .kill_on_drop(true)
            .output();
        let output = timeout(WAIT_MAX, client).await.expect("the client ends").expect("it is installed");
        assert!(output.status.success(), "{transport}: {}", String::from_utf8_lossy(&output.stderr));
        let heard = listener.next_where("chat:message", |message| message["text"] == text).await.unwrap();
        assert_eq!(heard["id"], String::from_utf8_lossy(&output.stdout).trim());
        assert_eq!(heard["user"]["username"], json!("bob"));
    }
}

#[tokio::test]
async fn the_reference_client_chats_over_both_transports() {
    each_transport(Path::new("node"), &["e2e/chat.mjs"]).await;
}

#[tokio::test]
async fn pythons_client_chats_over_both_transports() {
    each_transport(&python(), &["../chat/tests/it/clients.py"]).await;
}
