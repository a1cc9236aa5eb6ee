use std::time::Duration;

use serde_json::json;
use testkit::stack::{Plan, children_of};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::EXE;

#[tokio::test]
async fn the_first_start_gives_an_admin_who_can_sign_in_and_later_starts_do_not() {
    let mut stack = Plan::embedded(EXE).start().await;
    let password = stack.process.admin_password().expect("a password on the first start");
    let login = json!({ "login": "admin", "password": password });
    let answer = stack.send(reqwest::Method::POST, "/api/v1/auth/login", None, Some(login)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["user"]["role"], "admin");
    stack
        .until("/readyz", None, Duration::from_secs(10), |ready| ready["status"] == "ready" || ready["ready"] == true)
        .await;

    let (status, took) = stack.process.terminate().await;
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    stack.restart().await;
    assert_eq!(stack.process.admin_password(), None);
    stack.stop().await;
}

#[tokio::test]
async fn a_second_up_on_the_same_data_folder_refuses() {
    let stack = Plan::quick(EXE).await.start().await;
    let second = Command::new(EXE)
        .args(["up", "--http", "127.0.0.1:0", "--rtmp", "127.0.0.1:0", "--data"])
        .arg(stack.data_dir())
        .output()
        .await
        .unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains("in use by another rillcast") && said.contains(&stack.process.pid().to_string()), "{said}");
    stack.stop().await;
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_owner() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = taken.local_addr().unwrap();
    let data = tempfile::tempdir().unwrap();
    let refused = Command::new(EXE)
        .args(["up", "--http", "127.0.0.1:0", "--rtmp", &addr.to_string(), "--data"])
        .arg(data.path())
        .output()
        .await
        .unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains(&format!("port {}", addr.port())) && said.contains("RTMP"), "{said}");
    assert!(said.contains(&format!("process {}", std::process::id())), "{said}");
}

#[tokio::test]
async fn an_unknown_setting_stops_the_start_and_names_its_neighbour() {
    let refused =
        Command::new(EXE).args(["config", "check"]).env("RILLCAST__HLS__PARTMS", "200").output().await.unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("did you mean hls.part_ms"));
}

#[tokio::test]
async fn after_a_kill_everything_is_still_there_and_no_service_is_left_behind() {
    let mut stack = Plan::embedded(EXE).start().await;
    let alice = stack.member("alice").await;
    let services: Vec<u32> =
        [children_of(stack.process.pid(), "postgres"), children_of(stack.process.pid(), "redis")].concat();
    assert_eq!(services.len(), 2, "postgres and redis are its children");
    stack.process.kill().await;
    let gone = tokio::time::timeout(Duration::from_secs(10), async {
        while services.iter().any(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    gone.await.expect("embedded services die with the process");

    stack.restart().await;
    let login = json!({ "login": "alice", "password": alice.password });
    let answer = stack.send(reqwest::Method::POST, "/api/v1/auth/login", None, Some(login)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    stack.stop().await;
}

#[tokio::test]
async fn the_operator_creates_and_promotes_members_beside_a_running_site() {
    let stack = Plan::embedded(EXE).start().await;
    let run = |arguments: &'static [&'static str]| {
        let data = stack.data_dir();
        async move {
            let output = Command::new(EXE).args(arguments).env("RILLCAST__DATA_DIR", data).output().await.unwrap();
            (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
        }
    };
    let (ok, said) = run(&[
        "user",
        "create",
        "--username",
        "mia",
        "--email",
        "mia@x.example",
        "--password",
        "a long enough pass phrase",
    ])
    .await;
    assert!(ok, "{said}");
    let (ok, said) = run(&["user", "promote", "--username", "mia", "--role", "moderator"]).await;
    assert!(ok, "{said}");
    let (ok, said) = run(&["user", "list"]).await;
    assert!(ok && said.contains("mia@x.example\tmoderator"), "{said}");
    let (ok, said) = run(&["job", "list", "--all"]).await;
    assert!(ok, "{said}");
    stack.stop().await;
}
