use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use domain::PublishId;
use domain::event::Event;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::{OPEN_JOBS, Site};

#[derive(Clone, Default)]
struct Operator {
    calls: Arc<Mutex<Vec<String>>>,
    refuse: Arc<Mutex<usize>>,
}

async fn hear(State(operator): State<Operator>, body: String) -> StatusCode {
    let mut refuse = operator.refuse.lock().unwrap();
    if *refuse > 0 {
        *refuse -= 1;
        return StatusCode::BAD_GATEWAY;
    }
    operator.calls.lock().unwrap().push(body);
    StatusCode::NO_CONTENT
}

#[tokio::test]
async fn the_operator_hears_of_a_publishs_end_once_even_if_he_was_away() {
    let operator = Operator::default();
    *operator.refuse.lock().unwrap() = 2;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let router = Router::new().route("/done", post(hear)).with_state(operator.clone());
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, router).await });

    let site = Site::start(|config| config.hooks.on_publish_done = format!("http://{addr}/done")).await;
    let channel = site.channel("alice").await;
    let stream = site.live_stream(channel).await;
    let publish = PublishId::from_uuid(kit::ids::uuid());
    site.execute(&format!(
        "INSERT INTO publishes (publish_id, stream_id, epoch, addr, client_id, args, started_at, ended_at)
         VALUES ('{publish}', '{stream}', 1, '10.0.0.7', '42', 'token=a%20b&x=1', now(), now())"
    ))
    .await;
    site.tell(&Event::PublishDone { publish_id: publish }).await;
    site.tell(&Event::PublishDone { publish_id: publish }).await;

    let (_running, _stop) = site.run();
    site.until("SELECT count(*)::bigint AS n FROM apalis.jobs WHERE status = 'Done'", 2, Duration::from_secs(20)).await;
    assert_eq!(site.number(OPEN_JOBS).await, 0);
    let calls = operator.calls.lock().unwrap().clone();
    assert_eq!(
        calls,
        ["app=live&addr=10.0.0.7&clientid=42&call=publish_done&name=alice&token=a%20b&x=1"],
        "told once, in nginx-rtmp's words, with the publisher's own arguments"
    );
    let attempts = "SELECT attempts::bigint AS n FROM hook_deliveries WHERE delivered_at IS NOT NULL";
    assert_eq!(site.number(attempts).await, 3);
}
