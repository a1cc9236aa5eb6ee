//! The API beside its own document: Schemathesis asks every operation what the document allows and what it forbids.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use testkit::stack::{Plan, Stack};
use tokio::process::Command;
use tokio::time::timeout;

use crate::EXE;

const RUN_WAIT_MAX: Duration = Duration::from_secs(900);
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
                      response_headers_conformance";

/// Each operation at the edges of what its parameters may be, and beyond them.
#[tokio::test]
async fn nothing_answers_otherwise_than_the_document_says() {
    judge(&["--phases", "examples,coverage"]).await;
}

/// As an administrator, who is let in everywhere.
pub async fn judge(phases: &[&str]) {
    let plan = Plan::quick(EXE).await.set("transcoder.ladder", "none").set("files.unscanned", "true");
    let stack = plan.start().await;
    let token = admin(&stack).await;
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/schemathesis/bin/python");
    assert!(python.exists(), "{} is missing: ./dev tools", python.display());
    let run = Command::new(python)
        .args(["-m", "schemathesis.cli", "run"])
        .arg(stack.url("/api/v1/openapi.json"))
        .args(["--header", &format!("Authorization: Bearer {token}"), "--checks", CHECKS])
        // The one would end the run's own sign-in, the other never ends.
        .args(["--exclude-operation-id", "logout", "--exclude-operation-id", "events"])
        .args(["--seed", "7", "--continue-on-failure", "--no-shrink", "--request-timeout", "20", "--warnings", "off"])
        .args(["--suppress-health-check", "all"])
        .args(phases)
        .current_dir(stack.data_dir())
        .kill_on_drop(true)
        .output();
    let output = timeout(RUN_WAIT_MAX, run).await.expect("it ends").expect("python runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let summary = said.rsplit_once("SUMMARY").map_or(&*said, |(_, summary)| summary);
    println!("{summary}");
    assert!(!summary.contains("Tested: 0"), "{said}");
    stack.stop().await;
}

async fn admin(stack: &Stack) -> String {
    let password = stack.process.admin_password().expect("a new site prints its first administrator's password");
    let body = json!({ "login": "admin", "password": password });
    let answer = stack.send(reqwest::Method::POST, "/api/v1/auth/login", None, Some(body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["access_token"].as_str().expect("a token").to_owned()
}
