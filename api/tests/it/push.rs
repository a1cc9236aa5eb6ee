//! Members' browsers: who may add and remove them, and which addresses are taken (reliability F9).

use serde_json::{Value, json};

use crate::harness::{Setup, Site};

const DEVICES: &str = "/api/v1/me/push/devices";
/// The receiver's key of RFC 8291, appendix A.
const P256DH: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

fn device(endpoint: &str) -> Value {
    json!({"endpoint": endpoint, "keys": {"p256dh": P256DH, "auth": AUTH}, "label": "Firefox on Linux"})
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_belong_to_one_member_and_are_bounded() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    let list = |token: &str| site.get("/api/v1/me/push").bearer(token).send();
    let add = |token: &str, endpoint: &str| site.post(DEVICES).bearer(token).json(device(endpoint)).send();
    let count = |answer: crate::harness::Answer| answer.json["devices"].as_array().expect("a list").len();

    let before = list(&alice.token).await.expect(200);
    assert_eq!(before.json["public_key"].as_str().expect("a key").len(), 87);
    assert_eq!(before.json["devices"], json!([]));
    let first = add(&alice.token, "https://1.1.1.1/push/a").await.expect(201);
    let again = add(&alice.token, "https://1.1.1.1/push/a").await.expect(201);
    assert_eq!(first.json["id"], again.json["id"], "one browser, added twice");
    let path = format!("{DEVICES}/{}", first.json["id"].as_str().expect("an id"));
    site.call("DELETE", &path).bearer(&bob.token).send().await.refused(404, "push.no-device");
    // Bob signs in on alice's browser: it is his now.
    add(&bob.token, "https://1.1.1.1/push/a").await.expect(201);
    assert_eq!((count(list(&alice.token).await), count(list(&bob.token).await)), (0, 1));
    site.call("DELETE", &path).bearer(&bob.token).send().await.expect(204);
    site.call("DELETE", &path).bearer(&bob.token).send().await.refused(404, "push.no-device");
    for n in 0..23 {
        add(&alice.token, &format!("https://1.1.1.1/push/{n}")).await.expect(201);
    }
    assert_eq!(count(list(&alice.token).await), 20);
    site.get("/api/v1/me/push").send().await.refused(401, "auth.required");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_addresses_of_the_public_internet_are_taken() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    for endpoint in [
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://[::1]/x",
        "https://0x7f.1/x",
        "https://2130706433/x",
        "https://127.1/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://[::127.0.0.1]/x",
        "https://169.254.169.254/latest",
        "https://10.0.0.1/x",
        "https://192.168.1.1:8443/x",
        "https://[fd00::1]/x",
        "https://[64:ff9b::7f00:1]/x",
        "https://0.0.0.0/x",
        "http://1.1.1.1/x",
        "ftp://1.1.1.1/x",
        "file:///etc/passwd",
        "https://a@1.1.1.1/x",
        "https://1.1.1.1/\u{0}",
        "/relative",
        "",
        "javascript:alert(1)",
    ] {
        site.post(DEVICES).bearer(&alice.token).json(device(endpoint)).send().await.refused(422, "request.invalid");
    }
    let long = format!("https://1.1.1.1/{}", "x".repeat(1_024));
    site.post(DEVICES).bearer(&alice.token).json(device(&long)).send().await.refused(422, "request.invalid");
    for (field, value) in [("p256dh", "BCVx"), ("p256dh", "!!"), ("auth", "short"), ("auth", "")] {
        let mut body = device("https://1.1.1.1/x");
        body["keys"][field] = json!(value);
        site.post(DEVICES).bearer(&alice.token).json(body).send().await.refused(422, "request.invalid");
    }

    let mut setup = Setup::new();
    setup.config.outward.allow = vec!["127.0.0.0/8".to_owned()];
    let home = setup.start().await;
    let bob = home.register("bob").await;
    home.post(DEVICES).bearer(&bob.token).json(device("http://127.0.0.1:9/x")).send().await.expect(201);
    home.post(DEVICES).bearer(&bob.token).json(device("http://1.1.1.1/x")).send().await.refused(422, "request.invalid");
    home.post(DEVICES)
        .bearer(&bob.token)
        .json(device("https://10.0.0.1/x"))
        .send()
        .await
        .refused(422, "request.invalid");
}
