//! A channel's own emotes: taken in, made ours, served, called something else, taken away.

use futures::StreamExt;
use image::codecs::png::PngEncoder;
use serde_json::{Value, json};
use testkit::s3::S3Server;

use crate::harness::{Answer, Member, Setup, Site, names};

async fn site() -> (Site, S3Server) {
    let s3 = S3Server::start().await.expect("a bucket");
    let mut setup = Setup::new();
    setup.config.storage = s3.config();
    (setup.start().await, s3)
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let image = image::RgbImage::from_pixel(width, height, image::Rgb([200, 30, 30]));
    image.write_with_encoder(PngEncoder::new(&mut bytes)).expect("a picture");
    bytes
}

fn form(name: Option<&str>, file: Option<&[u8]>) -> Vec<u8> {
    let mut body = Vec::new();
    if let Some(name) = name {
        let field = format!("--b0undary\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n{name}\r\n");
        body.extend_from_slice(field.as_bytes());
    }
    if let Some(file) = file {
        body.extend_from_slice(
            b"--b0undary\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../../x.php\"\r\n\
              Content-Type: image/png\r\n\r\n",
        );
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b0undary--\r\n");
    body
}

async fn send(site: &Site, member: &Member, body: Vec<u8>) -> Answer {
    let call = site.post("/api/v1/me/emotes").bearer(&member.token);
    call.header("content-type", "multipart/form-data; boundary=b0undary").body(body).send().await
}

async fn add(site: &Site, member: &Member, name: &str) -> Answer {
    send(site, member, form(Some(name), Some(&png(200, 100)))).await
}

async fn of(site: &Site, channel: &str) -> Vec<String> {
    names(&site.get(&format!("/api/v1/channels/{channel}/emotes")).send().await.expect(200), "name")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emote_is_made_ours_served_renamed_and_taken_away() {
    let (site, s3) = site().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    assert!(of(&site, "alice").await.is_empty());
    let mut pushes = live::fanout::subscribe(&site.live).await.expect("redis");
    let made = add(&site, &alice, "my_cat").await.expect(201).json;
    let (id, url) = (made["id"].as_str().expect("an id"), made["url"].as_str().expect("a url"));
    assert_eq!((made["name"].as_str(), url), (Some("my_cat"), format!("/media/emotes/{id}/56.webp").as_str()));
    assert_eq!(s3.keys().len(), 3, "{:?}", s3.keys());
    let (order, told) = (pushes.next().await.expect("a push"), pushes.next().await.expect("a push"));
    assert_eq!((order.event.as_str(), &order.payload["channel"]), (live::fanout::ORDER, &json!(alice.id)));
    assert_eq!((told.event.as_str(), told.payload), ("chat:emotes", json!({ "username": "alice" })));

    for side in [28_u32, 56, 112] {
        let picture = site.get(&format!("/media/emotes/{id}/{side}.webp")).send().await.expect(200);
        assert_eq!(picture.header("content-type"), "image/webp");
        assert_eq!(picture.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(picture.header("x-content-type-options"), "nosniff");
        let decoded = image::load_from_memory(&picture.body).expect("a picture");
        assert_eq!((decoded.width(), decoded.height()), (side, side));
    }
    for odd in ["29.webp", "056.webp", "56.png", "56.svg", "56", "..%2f56.webp", "-56.webp"] {
        site.get(&format!("/media/emotes/{id}/{odd}")).send().await.refused(404, "not-found");
    }

    // Nobody else's, and not twice.
    let rename = async |member: &Member, name: &str| {
        let call = site.call("PATCH", &format!("/api/v1/me/emotes/{id}")).bearer(&member.token);
        call.json(json!({ "name": name })).send().await
    };
    let remove = async |member: &Member| {
        site.call("DELETE", &format!("/api/v1/me/emotes/{id}")).bearer(&member.token).send().await
    };
    rename(&bob, "his_cat").await.refused(404, "emote.not-found");
    remove(&bob).await.refused(404, "emote.not-found");
    add(&site, &alice, "my_cat").await.refused(409, "emote.name-taken");
    assert_eq!(s3.keys().len(), 3, "pictures nobody names are gone: {:?}", s3.keys());
    add(&site, &bob, "my_cat").await.expect(201);
    add(&site, &alice, "a_dog").await.expect(201);
    rename(&alice, "a_dog").await.refused(409, "emote.name-taken");
    for bad in ["gg", "Cat", "a", "12", "my cat", "../x"] {
        rename(&alice, bad).await.expect(422);
    }
    let renamed = rename(&alice, "our_cat").await.expect(200).json;
    assert_eq!((&renamed["url"], &renamed["name"]), (&json!(url), &json!("our_cat")));
    assert_eq!(of(&site, "ALICE").await, ["a_dog", "our_cat"]);

    remove(&alice).await.expect(204);
    remove(&alice).await.refused(404, "emote.not-found");
    assert_eq!(of(&site, "alice").await, ["a_dog"]);
    site.get(url).send().await.refused(404, "not-found");
    assert_eq!(s3.keys().len(), 6, "{:?}", s3.keys());
    site.get("/api/v1/channels/nobody/emotes").send().await.refused(404, "channel.not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_emote_is_refused_before_anything_is_stored() {
    let (site, s3) = site().await;
    let alice = site.register("alice").await;
    let picture = png(64, 64);
    let file = async |bytes: &[u8]| send(&site, &alice, form(Some("my_cat"), Some(bytes))).await;
    let mut bomb = png(1, 1);
    bomb[16..20].copy_from_slice(&50_000_u32.to_be_bytes());
    bomb[20..24].copy_from_slice(&50_000_u32.to_be_bytes());
    let began = std::time::Instant::now();
    assert_eq!(file(&bomb).await.status, 422);
    assert!(began.elapsed() < std::time::Duration::from_secs(2));
    file(b"<svg xmlns='http://www.w3.org/2000/svg' onload='x'/>").await.refused(422, "emote.not-a-picture");
    file(b"<!doctype html><script>x</script>").await.refused(422, "emote.not-a-picture");
    file(&png(20, 20)).await.refused(422, "emote.too-small");
    file(&png(4_097, 40)).await.refused(422, "emote.too-many-pixels");
    file(&png(2_400, 2_400)).await.refused(422, "emote.too-many-pixels");
    file(&vec![0; 512 * 1024 + 1]).await.refused(413, "emote.too-large");
    file(&vec![0; 6 * 1024 * 1024]).await.refused(413, "emote.too-large");
    send(&site, &alice, form(None, Some(&picture))).await.refused(422, "emote.no-file");
    send(&site, &alice, form(Some("my_cat"), None)).await.refused(422, "emote.no-file");
    for bad in ["", "a", "MyCat", "mèo", "gg", "12", "a_name_that_is_far_too_long"] {
        let answer = send(&site, &alice, form(Some(bad), Some(&picture))).await.expect(422);
        assert_eq!(answer.json["errors"][0]["field"], "name", "{bad}: {}", answer.json);
    }
    let plain = site.post("/api/v1/me/emotes").bearer(&alice.token).header("content-type", "image/png");
    plain.body(picture.clone()).send().await.refused(422, "emote.no-file");
    let nobody = site.post("/api/v1/me/emotes").header("content-type", "multipart/form-data; boundary=b0undary");
    nobody.body(form(Some("my_cat"), Some(&picture))).send().await.refused(401, "auth.required");
    assert!(s3.keys().is_empty());
    s3.set_down(true);
    assert_eq!(add(&site, &alice, "my_cat").await.status, 503);
    assert!(of(&site, "alice").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_has_fifty_also_when_many_come_at_once() {
    let (site, s3) = site().await;
    let alice = site.register("alice").await;
    site.sql(&format!(
        "INSERT INTO emotes (emote_id, channel_id, name) \
         SELECT gen_random_uuid(), '{}', 'emote_' || n FROM generate_series(1, 48) n",
        alice.id
    ))
    .await;
    let names: Vec<String> = (0..5).map(|n| format!("late_{n}")).collect();
    let answers = futures::future::join_all(names.iter().map(|name| add(&site, &alice, name))).await;
    let mut codes: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    codes.sort_unstable();
    assert_eq!(codes, [201, 201, 409, 409, 409]);
    assert!(answers.iter().all(|answer| answer.status == 201 || answer.json["code"] == "emote.too-many"));
    assert_eq!(of(&site, "alice").await.len(), 50);
    assert_eq!(s3.keys().len(), 6, "only what is named is kept: {:?}", s3.keys());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_staff_takes_an_emote_away_for_a_reason() {
    let (site, s3) = site().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    let (mia, tom) = (site.register_as("mia", "moderator").await, site.register_as("tom", "moderator").await);
    let id = |made: &Value| made["id"].as_str().expect("an id").to_owned();
    let hers = id(&add(&site, &alice, "my_cat").await.expect(201).json);
    let theirs = id(&add(&site, &tom, "a_dog").await.expect(201).json);
    let remove = async |by: &Member, of: &str, emote: &str, why: &str| {
        let call = site.post(&format!("/api/v1/admin/users/{of}/emotes/{emote}/remove")).bearer(&by.token);
        call.json(json!({ "reason": why })).send().await
    };
    remove(&bob, "alice", &hers, "spite").await.refused(403, "auth.forbidden");
    remove(&alice, "alice", &hers, "mine").await.refused(403, "auth.forbidden");
    remove(&mia, "alice", &hers, " ").await.expect(422);
    remove(&mia, "bob", &hers, "not there").await.refused(404, "emote.not-found");
    remove(&mia, "tom", &theirs, "a rival").await.refused(403, "member.outranked");
    remove(&mia, "alice", &hers, "a stolen cat").await.expect(204);
    remove(&mia, "alice", &hers, "again").await.refused(404, "emote.not-found");
    assert!(of(&site, "alice").await.is_empty());
    assert_eq!(s3.keys().len(), 3, "{:?}", s3.keys());
    let log = site.rows("SELECT actor, action, member, reason, entity FROM audit_log").await;
    let entry = json!({ "actor": "mia", "action": "emote.removed", "member": "alice", "reason": "a stolen cat", "entity": "my_cat" });
    assert_eq!(log, [entry]);
}
