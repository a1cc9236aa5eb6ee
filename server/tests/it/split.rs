//! The roles in processes of their own, on services an operator brings.

use std::time::Duration;

use testkit::s3::S3Server;
use testkit::services;
use testkit::stack::{Plan, Process, decode};

use crate::EXE;
use crate::browser::first_light;

/// The same broadcast, in the same browsers, with every role group in a process of its own, chat in MongoDB and objects in
/// another S3 server (a MinIO where the environment names one).
#[tokio::test]
async fn roles_in_four_processes_carry_a_broadcast_to_its_recording() {
    let mongo = testkit::mongo::MongoServer::start();
    let mongo_database = mongo.database();
    let s3 = S3Server::start().await.unwrap();
    let storage = services::minio().unwrap_or_else(|| s3.config());
    let (database_url, _guard) = services::database().await;
    let prefix = services::redis_prefix();
    let data = tempfile::tempdir().unwrap();
    let variables = |node: &str| -> Vec<(String, String)> {
        [
            ("DATA_DIR", data.path().join(node).display().to_string()),
            ("HTTP__LISTEN", "127.0.0.1:0".to_owned()),
            ("INGEST__LISTEN", "127.0.0.1:0".to_owned()),
            ("AUTH__SECRET", "one secret for all nodes of this site".to_owned()),
            ("DATABASE__URL", database_url.clone()),
            ("REDIS__URL", services::redis_url()),
            ("REDIS__PREFIX", prefix.clone()),
            ("STORAGE__ENDPOINT", storage.endpoint.clone()),
            ("STORAGE__BUCKET", storage.bucket.clone()),
            ("STORAGE__ACCESS_KEY", storage.access_key.expose().to_owned()),
            ("STORAGE__SECRET_KEY", storage.secret_key.expose().to_owned()),
            ("CHAT__MONGODB_URL", mongo.url().to_owned()),
            ("CHAT__MONGODB_DATABASE", mongo_database.clone()),
            ("TRANSCODER__LADDER", "none".to_owned()),
            ("LIMITS__REGISTER_PER_IP_PER_HOUR", "1000".to_owned()),
        ]
        .map(|(key, value)| (format!("RILLCAST__{key}"), value))
        .to_vec()
    };
    let serve = |roles: &'static str| {
        let arguments = ["serve", "--roles", roles].map(str::to_owned).to_vec();
        let variables = variables(&roles.replace(',', "-"));
        async move { Process::start(EXE.as_ref(), &arguments, &variables).await.expect(roles) }
    };
    let transcoder = serve("transcoder").await;
    let jobs = serve("jobs").await;
    let ingest = serve("ingest").await;
    let api = serve("api,chat").await;

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
