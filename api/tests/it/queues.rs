//! The queues as administrators see and work them.

use serde_json::{Value, json};

use crate::harness::{Answer, Member, Site, names};

async fn house() -> (Site, Member) {
    let site = Site::start().await;
    jobs::migrate(&site.pool).await.expect("the queues' tables");
    let ada = site.register_as("ada", "admin").await;
    (site, ada)
}

/// Puts a job where the queue's library would. `due_s` is from now.
async fn put(site: &Site, id: &str, queue: &str, job: Value, (status, attempts, due_s): (&str, i32, i64)) {
    site.sql(&format!(
        "INSERT INTO apalis.jobs (id, job_type, job, status, attempts, max_attempts, run_at, last_result) \
         VALUES ('{id}', '{queue}', convert_to('{job}', 'UTF8'), '{status}', {attempts}, 25, now() + interval '{due_s} seconds', \
                 CASE WHEN '{status}' = 'Failed' THEN '{{\"Err\": \"POST https://bot.test/hook?token=abc refused anna@mail.test\"}}'::jsonb END)"
    ))
    .await;
}

async fn some(site: &Site) {
    let mails = json!({"job": "send_mails", "batch_id": kit::ids::uuid()});
    let reset = json!({"job": "send_reset", "email": "anna@mail.test", "at": kit::clock::now()});
    let hook = json!({"job": "deliver_webhook", "webhook_id": kit::ids::uuid()});
    put(site, "j1", "rillcast", mails.clone(), ("Done", 1, -90)).await;
    put(site, "j2", "rillcast", reset, ("Failed", 25, -60)).await;
    put(site, "j3", "rillcast", mails.clone(), ("Failed", 3, 60)).await;
    put(site, "j4", "rillcast", mails, ("Pending", 0, -30)).await;
    put(site, "j5", "rillcast-webhooks", hook, ("Pending", 0, 600)).await;
    put(site, "j6", "rillcast-files", json!({"job": "of_tomorrow"}), ("Running", 1, -5)).await;
}

async fn list(site: &Site, ada: &Member, query: &str) -> Answer {
    site.get(&format!("/api/v1/admin/jobs?{query}")).bearer(&ada.token).send().await.expect(200)
}

async fn press(site: &Site, ada: &Member, path: &str) -> Answer {
    site.post(&format!("/api/v1/admin/{path}")).bearer(&ada.token).send().await
}

async fn state_of(site: &Site, ada: &Member, id: &str) -> Value {
    let jobs = list(site, ada, "").await.json;
    let job = jobs["items"].as_array().expect("items").iter().find(|job| job["id"] == id).cloned();
    job.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_listed_by_state_with_their_errors_and_without_secrets() {
    let (site, ada) = house().await;
    some(&site).await;
    let all = list(&site, &ada, "").await;
    assert_eq!(names(&all, "id"), ["j6", "j5", "j4", "j3", "j2"], "what is done is not in the way");
    assert_eq!(names(&all, "state"), ["running", "scheduled", "waiting", "failing", "dead"]);
    assert_eq!(names(&all, "queue"), ["files", "webhooks", "main", "main", "main"]);
    let dead = &all.json["items"][4];
    assert_eq!((&dead["job"], &dead["attempts"]), (&json!("send_reset"), &json!(25)));
    assert_eq!(dead["payload"]["email"], "…");
    assert_eq!(dead["error"], "POST https://bot.test/… refused …@mail.test");
    assert!(!all.text().contains("anna") && !all.text().contains("abc"), "{}", all.text());
    let strange = &all.json["items"][0];
    assert_eq!((&strange["job"], &strange["payload"]), (&json!("unknown"), &Value::Null));

    assert_eq!(names(&list(&site, &ada, "state=done").await, "id"), ["j1"]);
    assert_eq!(names(&list(&site, &ada, "queue=main&state=dead").await, "id"), ["j2"]);
    assert_eq!(names(&list(&site, &ada, "queue=webhooks").await, "id"), ["j5"]);
    let first = list(&site, &ada, "limit=2").await;
    let cursor = first.json["next_cursor"].as_str().expect("more").to_owned();
    assert_eq!(names(&list(&site, &ada, &format!("limit=2&cursor={cursor}")).await, "id"), ["j4", "j3"]);
    site.get("/api/v1/admin/jobs?state=asleep").bearer(&ada.token).send().await.expect(422);

    let queues = site.get("/api/v1/admin/queues").bearer(&ada.token).send().await.expect(200);
    let told: Vec<Value> = ["waiting", "scheduled", "running", "failing", "dead", "pause"]
        .map(|field| queues.json["items"].as_array().expect("three").iter().map(|queue| queue[field].clone()).collect())
        .to_vec();
    let expected = json!([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0], [1, 0, 0], [null, null, null]]);
    assert_eq!(json!(told), expected);
    let oldest = queues.json["items"][0]["oldest_waiting_s"].as_i64().expect("an age");
    assert!((29..60).contains(&oldest), "{oldest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_jobs_suits_their_state_and_is_written_down() {
    let (site, ada) = house().await;
    some(&site).await;
    for (act, wrong) in
        [("retry", &["j1", "j4", "j5", "j6"][..]), ("run", &["j1", "j2", "j4", "j6"]), ("cancel", &["j1", "j2", "j6"])]
    {
        for id in wrong {
            press(&site, &ada, &format!("jobs/{id}/{act}")).await.refused(409, "job.not-so");
        }
        for id in ["none", "%00", "a%20b"] {
            press(&site, &ada, &format!("jobs/{id}/{act}")).await.refused(404, "job.not-found");
        }
    }
    press(&site, &ada, "jobs/j2/retry").await.expect(204);
    let again = state_of(&site, &ada, "j2").await;
    assert_eq!((&again["state"], &again["attempts"]), (&json!("waiting"), &json!(0)));
    press(&site, &ada, "jobs/j5/run").await.expect(204);
    assert_eq!(state_of(&site, &ada, "j5").await["state"], "waiting");
    press(&site, &ada, "jobs/j3/run").await.expect(204);
    let due = state_of(&site, &ada, "j3").await;
    assert_eq!((&due["state"], &due["attempts"]), (&json!("failing"), &json!(3)), "what was tried counts");
    press(&site, &ada, "jobs/j4/cancel").await.expect(204);
    assert_eq!(state_of(&site, &ada, "j4").await["state"], "cancelled");
    press(&site, &ada, "jobs/j4/retry").await.expect(204);
    assert_eq!(state_of(&site, &ada, "j4").await["state"], "waiting");

    let log = site.get("/api/v1/admin/audit?entity_type=job").bearer(&ada.token).send().await.expect(200);
    assert_eq!(names(&log, "action"), ["job.retried", "job.cancelled", "job.run", "job.run", "job.retried"]);
    assert_eq!(names(&log, "entity_id"), ["j4", "j4", "j3", "j5", "j2"]);
    assert_eq!(log.json["items"][4]["details"]["was"], "dead");
    assert!(!log.text().contains("anna"), "{}", log.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_file_is_told_to_have_failed() {
    let (site, ada) = house().await;
    let alice = site.register("alice").await;
    let (file, version, blob) = (kit::ids::uuid(), kit::ids::uuid(), kit::ids::uuid());
    site.sql(&format!(
        "INSERT INTO blobs (blob_id, owner_id, lock, state, stored_bytes, bytes) VALUES ('{blob}', '{0}', 'l', 'checking', 9, 9);
         INSERT INTO files (file_id, owner_id, folder, name, visibility, versions, bytes) VALUES ('{file}', '{0}', '/', 'a', 'private', 1, 9);
         INSERT INTO file_versions (version_id, file_id, number, blob_id, state, name, mime, bytes)
         VALUES ('{version}', '{file}', 1, '{blob}', 'queued', 'a', '', 9)",
        alice.id
    ))
    .await;
    put(&site, "j1", "rillcast-files", json!({"job": "process_file", "version_id": version}), ("Pending", 0, 60)).await;
    press(&site, &ada, "jobs/j1/cancel").await.expect(204);
    let rows = site.rows("SELECT state FROM file_versions").await;
    assert_eq!(rows, [json!({"state": "failed"})], "its member is not left waiting");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_paused_once_with_a_reason_and_says_by_whom() {
    let (site, ada) = house().await;
    let pause = |queue: &str, reason: &str| {
        let call = site.post(&format!("/api/v1/admin/queues/{queue}/pause")).bearer(&ada.token);
        call.json(json!({ "reason": reason })).send()
    };
    pause("main", "").await.refused(422, "request.invalid");
    pause("live", "x").await.refused(404, "queue.not-found");
    pause("main", "the mail server moves").await.expect(204);
    pause("main", "again").await.refused(409, "queue.paused");
    let queues = site.get("/api/v1/admin/queues").bearer(&ada.token).send().await.expect(200).json;
    let told = &queues["items"][0]["pause"];
    assert_eq!((&told["by"], &told["reason"]), (&json!("ada"), &json!("the mail server moves")));
    press(&site, &ada, "queues/webhooks/resume").await.refused(409, "queue.not-paused");
    press(&site, &ada, "queues/main/resume").await.expect(204);
    let log = site.get("/api/v1/admin/audit?entity_type=queue").bearer(&ada.token).send().await.expect(200);
    assert_eq!(names(&log, "action"), ["queue.resumed", "queue.paused"]);
    assert_eq!(log.json["items"][1]["reason"], "the mail server moves");
}
