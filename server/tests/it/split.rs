//! The roles in processes of their own, on services an operator brings.

use std::time::Duration;

use testkit::stack::{Plan, decode};

use crate::browser::first_light;
use crate::nodes::Site;

/// The same broadcast, in the same browsers, with every role group in a process of its own, chat in MongoDB and objects in
/// another S3 server (a MinIO where the environment names one).
#[tokio::test]
async fn roles_in_four_processes_carry_a_broadcast_to_its_recording() {
    let mongo = testkit::mongo::MongoServer::start();
    let site = Site::start().await.set("chat.mongodb_url", mongo.url()).set("chat.mongodb_database", &mongo.database());
    let transcoder = site.node("transcoder", "transcoder", &[]).await;
    let jobs = site.node("jobs", "jobs", &[]).await;
    let ingest = site.node("ingest", "ingest", &[]).await;
    let api = site.node("api", "api,chat", &[]).await;

    let stack = Plan::around(api, ingest.rtmp.clone());
    let measured = first_light(&stack).await;
    println!("measured: {measured}");
    let told = measured["vod"]["duration_s"].as_f64().unwrap();
    let decoded = decode(&stack.url(&format!("/vod/{}/index.m3u8", measured["vod"]["id"].as_str().unwrap()))).await;
    assert_eq!(decoded.errors, "");
    assert!(decoded.video_frames as f64 / 30.0 > told - 1.0, "{decoded:?} for {told} s");

    for mut process in [jobs, ingest, transcoder] {
        let (status, took) = process.terminate().await;
        assert!(status.success() && took < Duration::from_secs(10), "{status} after {took:?}");
    }
    stack.stop().await;
}
