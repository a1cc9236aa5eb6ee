//! Pictures and files of messages: taken in under limits, made ours, served to who sits in the room, and to nobody else.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::clamd::eicar;
use testkit::s3::S3Server;

use crate::harness::{Answer, Member, Setup, Site};

/// A site with a bucket, a room of alice and bob, and carol, who sits nowhere.
struct House {
    site: Site,
    s3: S3Server,
    alice: Member,
    bob: Member,
    carol: Member,
    room: String,
    _disk: TempDir,
}

impl House {
    async fn start(change: impl FnOnce(&mut kit::Config)) -> Self {
        let (s3, disk) = (S3Server::start().await.expect("a bucket"), tempfile::tempdir().expect("a folder"));
        let mut setup = Setup::new();
        setup.config.storage = s3.config();
        setup.config.data_dir = disk.path().to_owned();
        change(&mut setup.config);
        let site = setup.start().await;
        let (alice, bob) = (site.register("alice").await, site.register("bob").await);
        let carol = site.register("carol").await;
        for (one, other) in [(&alice, &bob), (&bob, &alice)] {
            let path = format!("/api/v1/friends/{}", other.username);
            site.call("PUT", &path).bearer(&one.token).send().await.expect(200);
        }
        let opened = site.post("/api/v1/rooms").bearer(&alice.token).json(json!({ "username": "bob" })).send().await;
        let room = format!("/api/v1/rooms/{}", opened.expect(200).json["id"].as_str().expect("an id"));
        Self { site, s3, alice, bob, carol, room, _disk: disk }
    }

    /// With a scanner that is never there.
    async fn with_scanner() -> Self {
        Self::start(|config| config.scan.clamd = "tcp://127.0.0.1:9".to_owned()).await
    }

    async fn send(&self, who: &Member, name: &str, mime: &str, file: &[u8]) -> Answer {
        let mut body = format!(
            "--b0undary\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: {mime}\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n--b0undary--\r\n");
        let call = self.site.post(&format!("{}/attachments", self.room)).bearer(&who.token);
        call.header("content-type", "multipart/form-data; boundary=b0undary").body(body).send().await
    }

    async fn picture(&self, who: &Member) -> Value {
        self.send(who, "cat.png", "image/png", &png(700, 300)).await.expect(201).json
    }

    async fn get(&self, who: &Member, path: &str) -> Answer {
        self.site.get(path).bearer(&who.token).send().await
    }

    fn path(&self, made: &Value) -> String {
        format!("{}/attachments/{}", self.room, made["id"].as_str().expect("an id"))
    }

    /// As the chat does it.
    async fn say(&self, made: &Value) {
        let (room, id) = (self.room.rsplit('/').next().expect("an id"), made["id"].as_str().expect("an id"));
        let message = kit::ids::uuid();
        self.site
            .sql(&format!(
                "UPDATE attachments SET message_id = '{message}', client_id = 'c', bound_at = now() WHERE attachment_id = '{id}';
                 INSERT INTO room_lines (message_id, room_id, user_id, excerpt, sent_at)
                 SELECT '{message}', '{room}', user_id, '', now() FROM attachments WHERE attachment_id = '{id}'"
            ))
            .await;
    }
}

fn pixels(width: u32, height: u32) -> image::RgbImage {
    image::RgbImage::from_pixel(width, height, image::Rgb([200, 30, 30]))
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    pixels(width, height).write_with_encoder(PngEncoder::new(&mut bytes)).expect("a picture");
    bytes
}

/// A JPEG that lies on its side, with a place it was taken at, a page in a comment, and a page after its end.
fn jpeg_with_a_past(width: u32, height: u32) -> Vec<u8> {
    let mut plain = Vec::new();
    pixels(width, height).write_with_encoder(JpegEncoder::new(&mut plain)).expect("a picture");
    let mut exif =
        b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x02\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\x01\x0e\0\x02\0\0\0\x10\0\0\0\x26\0\0\0\0"
            .to_vec();
    exif.extend_from_slice(b"a secret place!\0");
    let comment = b"<script>alert(1)</script>";
    let mut bytes = plain[..2].to_vec();
    for (marker, segment) in [(0xe1_u8, exif.as_slice()), (0xfe, comment)] {
        bytes.extend_from_slice(&[0xff, marker]);
        bytes.extend_from_slice(&u16::try_from(segment.len() + 2).expect("short").to_be_bytes());
        bytes.extend_from_slice(segment);
    }
    bytes.extend_from_slice(&plain[2..]);
    bytes.extend_from_slice(b"<html><script>alert(2)</script></html>");
    bytes
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|at| at == what)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_made_ours_and_nothing_else_of_it_survives() {
    let house = House::start(|_| {}).await;
    let limits = house.get(&house.alice, &house.room).await.expect(200).json["attachments"].clone();
    assert_eq!(limits, json!({ "bytes_max": 10 << 20, "images_only": true }));
    let sent = jpeg_with_a_past(700, 300);
    let made = house.send(&house.alice, "../../IMG 1.JPG", "image/jpeg", &sent).await.expect(201).json;
    assert_eq!((&made["name"], &made["type"], &made["state"]), (&json!("IMG 1.JPG"), &json!("image"), &json!("ready")));
    assert_eq!((&made["width"], &made["height"]), (&json!(300), &json!(700)), "it stands upright");
    let (url, small) = (made["url"].as_str().expect("a url"), made["thumbnail_url"].as_str().expect("a url"));
    assert_eq!((url, small), (house.path(&made).as_str(), format!("{}/thumbnail", house.path(&made)).as_str()));
    for (path, side) in [(url, 700), (small, 480)] {
        let answer = house.get(&house.alice, path).await.expect(200);
        assert_eq!(answer.header("content-type"), "image/jpeg");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "private, no-store");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
        assert!(answer.header("content-security-policy").starts_with("sandbox; default-src 'none'"));
        assert!(answer.header("content-disposition").starts_with("inline; filename=\"IMG_1.jpg\""));
        let back = image::load_from_memory(&answer.body).expect("a picture");
        assert_eq!(back.height(), side);
        for past in [b"Exif".as_slice(), b"secret", b"script"] {
            assert!(!contains(&answer.body, past));
        }
    }
    assert_eq!(house.s3.keys().len(), 2, "what was sent is nowhere: {:?}", house.s3.keys());
    // Clear pixels stay clear; large pictures become smaller.
    let mut clear = Vec::new();
    image::RgbaImage::from_pixel(3_000, 40, image::Rgba([9, 9, 9, 0]))
        .write_with_encoder(PngEncoder::new(&mut clear))
        .unwrap();
    let made = house.send(&house.alice, "clear.png", "image/png", &clear).await.expect(201).json;
    assert_eq!((&made["mime"], &made["width"]), (&json!("image/webp"), &json!(2_560)));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_sits_in_the_room_gets_it_and_only_once_it_was_said() {
    let house = House::start(|_| {}).await;
    let (alice, bob, carol) = (&house.alice, &house.bob, &house.carol);
    house.send(carol, "cat.png", "image/png", &png(9, 9)).await.refused(404, "room.not-found");
    let made = house.picture(alice).await;
    let (whole, small) = (house.path(&made), format!("{}/thumbnail", house.path(&made)));
    let refused = async |who: &Member| {
        for path in [&whole, &small] {
            house.get(who, path).await.refused(404, "attachment.not-found");
        }
    };
    house.get(alice, &small).await.expect(200);
    refused(bob).await;
    refused(carol).await;
    house.site.get(&small).send().await.expect(401);
    let back = async |who: &Member, path: &str| house.site.call("DELETE", path).bearer(&who.token).send().await;
    for who in [bob, carol] {
        back(who, &whole).await.refused(404, "attachment.not-found");
    }
    house.say(&made).await;
    house.get(bob, &whole).await.expect(200);
    house.get(bob, &small).await.expect(200);
    refused(carol).await;
    back(alice, &whole).await.refused(404, "attachment.not-found");

    // Under another room's name it is not there, nor for who was shown out.
    let group = house.site.post("/api/v1/rooms").bearer(&alice.token).json(json!({ "name": "Else" })).send().await;
    let other = group.expect(201).json["id"].as_str().expect("an id").to_owned();
    let elsewhere = format!("/api/v1/rooms/{other}/attachments/{}", made["id"].as_str().expect("an id"));
    house.get(alice, &elsewhere).await.refused(404, "attachment.not-found");
    house.site.sql(&format!("UPDATE room_members SET state = 'removed' WHERE user_id = '{}'", bob.id)).await;
    refused(bob).await;
    house.send(bob, "cat.png", "image/png", &png(9, 9)).await.refused(404, "room.not-found");
    house.site.sql("UPDATE room_members SET state = 'active'").await;

    // Who is blocked sends nothing more, and reads what was said, as they do in the history.
    house.site.call("PUT", "/api/v1/me/blocks/bob").bearer(&alice.token).send().await.expect(204);
    house.send(bob, "cat.png", "image/png", &png(9, 9)).await.refused(403, "room.not-accepting");
    house.get(bob, &small).await.expect(200);
    house.site.sql("UPDATE room_lines SET is_deleted = true; UPDATE attachments SET gone_at = now()").await;
    refused(bob).await;
    refused(alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_picture_is_refused_and_leaves_nothing_behind() {
    let house = House::start(|_| {}).await;
    let alice = &house.alice;
    let mut bomb = png(1, 1);
    bomb[16..20].copy_from_slice(&50_000_u32.to_be_bytes());
    bomb[20..24].copy_from_slice(&50_000_u32.to_be_bytes());
    let began = std::time::Instant::now();
    assert_eq!(house.send(alice, "a.png", "image/png", &bomb).await.status.as_u16(), 422);
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "it is judged by its header");
    let (page, drawing) =
        (b"<!DOCTYPE html><script>alert(1)</script>".as_slice(), b"<svg xmlns='http://www.w3.org/2000/svg'/>");
    let torn = &png(200, 200)[..90];
    let mut page_behind_gif = b"GIF89a\x09\0\x09\0\0\0\0".to_vec();
    page_behind_gif.extend_from_slice(page);
    for (name, mime, file) in [
        ("a.jpg", "image/jpeg", page),
        ("a.jpg", "image/jpeg", drawing),
        ("a.gif", "image/gif", &page_behind_gif),
        ("a.html", "image/png", &png(9, 9)),
        ("a.png", "text/html", &png(9, 9)),
        ("a.jpg", "image/jpeg", &png(9, 9)),
        ("a.png", "image/png", torn),
        ("a.png", "image/png", b"\x89PNG\r\n\x1a\n"),
    ] {
        house.send(alice, name, mime, file).await.refused(422, "attachment.not-a-picture");
    }
    house.send(alice, "a.png", "image/png", &png(6_000, 5_000)).await.refused(422, "attachment.too-many-pixels");
    for (name, mime) in [("a.svg", "image/svg+xml"), ("a.html", "text/html"), ("a", "application/octet-stream")] {
        house.send(alice, name, mime, drawing).await.refused(422, "attachment.images-only");
    }
    house.send(alice, "a.png", "image/png", b"").await.refused(422, "attachment.empty");
    let large = vec![0; (10 << 20) + 1];
    house.send(alice, "a.png", "image/png", &large).await.refused(413, "attachment.too-large");
    let call = house.site.post(&format!("{}/attachments", house.room)).bearer(&alice.token);
    call.header("content-type", "text/plain").body("x").send().await.refused(422, "attachment.no-file");
    assert!(house.s3.keys().is_empty(), "{:?}", house.s3.keys());
    assert!(house.site.rows("SELECT 1 AS n FROM attachments").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_kept_as_it_is_and_served_to_nobody_until_it_was_called_clean() {
    let house = House::with_scanner().await;
    let alice = &house.alice;
    let limits = house.get(alice, &house.room).await.expect(200).json["attachments"].clone();
    assert_eq!(limits["images_only"], false);
    let page = b"<html><script>alert(1)</script>";
    let made = house.send(alice, "Hóa đơn.html", "text/html", page).await.expect(201).json;
    assert_eq!(
        (&made["type"], &made["state"], &made["mime"]),
        (&json!("file"), &json!("checking"), &json!("text/html"))
    );
    assert_eq!(
        (&made["url"], &made["thumbnail_url"], &made["bytes"]),
        (&Value::Null, &Value::Null, &json!(page.len()))
    );
    house.say(&made).await;
    for who in [alice, &house.bob] {
        house.get(who, &house.path(&made)).await.refused(404, "attachment.not-found");
    }
    house.site.sql("UPDATE attachments SET state = 'ready'").await;
    let answer = house.get(&house.bob, &house.path(&made)).await.expect(200);
    assert_eq!(answer.body, page.as_slice());
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert_eq!(
        answer.header("content-disposition"),
        "attachment; filename=\"H_a___n.html\"; filename*=UTF-8''H%C3%B3a%20%C4%91%C6%A1n.html"
    );
    assert!(answer.header("content-security-policy").starts_with("sandbox"));
    house.get(&house.bob, &format!("{}/thumbnail", house.path(&made))).await.refused(404, "attachment.not-found");

    // A picture waits as well, and what was sent waits beside it for the scanner.
    let made = house.picture(alice).await;
    assert_eq!(made["state"], "checking");
    house.get(alice, &format!("{}/thumbnail", house.path(&made))).await.refused(404, "attachment.not-found");
    assert_eq!(house.s3.keys().len(), 4, "{:?}", house.s3.keys());
    for state in ["infected", "failed"] {
        house.site.sql(&format!("UPDATE attachments SET state = '{state}'")).await;
        house.get(alice, &house.path(&made)).await.refused(404, "attachment.not-found");
    }
    // What something was found in is refused by its bytes, under every name.
    let digest: String = objects::sha256(&[eicar().into()]).iter().map(|byte| format!("{byte:02x}")).collect();
    house.site.sql(&format!("INSERT INTO refused_files (sha256, signature) VALUES ('\\x{digest}', 'Eicar')")).await;
    house.send(alice, "harmless.txt", "text/plain", &eicar()).await.refused(422, "attachment.infected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_has_so_much_room_and_so_many_unsent() {
    let house = House::start(|config| {
        config.attachments.file_mib_max = 1;
        config.attachments.quota_mib = 1;
    })
    .await;
    let alice = &house.alice;
    let mut made = Vec::new();
    for _ in 0..10 {
        made.push(house.picture(alice).await);
    }
    house.send(alice, "cat.png", "image/png", &png(9, 9)).await.refused(409, "attachment.too-many-unsent");
    house.picture(&house.bob).await;
    let back = house.site.call("DELETE", &house.path(&made[0])).bearer(&alice.token).send().await;
    back.expect(204);
    house.get(alice, &house.path(&made[0])).await.refused(404, "attachment.not-found");
    house.site.sql("UPDATE attachments SET stored_bytes = 1048576 / 9 WHERE gone_at IS NULL").await;
    house.send(alice, "cat.png", "image/png", &png(700, 300)).await.refused(409, "attachment.full");
    house.send(alice, "cat.png", "image/png", &vec![0; (1 << 20) + 1]).await.refused(413, "attachment.too-large");

    // The bucket is away: the member is told, and what is left of it goes.
    house.s3.set_down(true);
    let answer = house.send(&house.bob, "cat.png", "image/png", &png(9, 9)).await;
    assert_eq!(answer.status.as_u16(), 503);
    let waiting = "SELECT count(*)::bigint AS n FROM attachments WHERE gone_at IS NOT NULL AND due_at <= now()";
    assert_eq!(house.site.rows(waiting).await[0]["n"], 2);
    house.s3.set_down(false);
    for _ in 0..60 {
        house.send(&house.carol, "a", "b", b"").await;
    }
    house.send(&house.carol, "a", "b", b"").await.refused(404, "room.not-found");
    for _ in 0..60 {
        house.send(&house.bob, "a", "b", b"").await;
    }
    house.send(&house.bob, "a", "b", b"").await.refused(429, "attachment.throttled");
}
