//! Members' files: sent whole and in parts, through this site and straight to the bucket, listed, named, thrown away; and nobody else's.

use bytes::Bytes;
use futures::future::join_all;
use kit::config::Delivery;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::s3::S3Server;

use crate::harness::{Answer, Member, Setup, Site};

const PART: usize = 5 << 20;
const INITIATE: &str = "/api/v1/files/chunked-upload/initiate";
const COMPLETE: &str = "/api/v1/files/chunked-upload/complete";

pub struct House {
    pub site: Site,
    s3: S3Server,
    pub alice: Member,
    pub bob: Member,
    _disk: TempDir,
}

/// A part that was put.
type Put = (u32, String);

impl House {
    pub async fn start(change: impl FnOnce(&mut kit::Config)) -> Self {
        let (s3, disk) = (S3Server::start().await.expect("a bucket"), tempfile::tempdir().expect("a folder"));
        let mut setup = Setup::new();
        setup.config.storage = s3.config();
        setup.config.data_dir = disk.path().to_owned();
        setup.config.files.unscanned = true;
        change(&mut setup.config);
        let site = setup.start().await;
        let (alice, bob) = (site.register("alice").await, site.register("bob").await);
        Self { site, s3, alice, bob, _disk: disk }
    }

    pub async fn post(&self, who: &Member, path: &str, body: Value) -> Answer {
        self.site.post(path).bearer(&who.token).json(body).send().await
    }

    pub async fn get(&self, who: &Member, path: &str) -> Answer {
        self.site.get(path).bearer(&who.token).send().await
    }

    async fn initiate(&self, who: &Member, name: &str, size: usize) -> Answer {
        let body = json!({ "name": name, "path": "/videos", "size": size, "mime_type": "", "visibility": "private" });
        self.post(who, INITIATE, body).await
    }

    /// Puts a part as a browser does: no token, only the link.
    async fn put(&self, url: &str, body: Vec<u8>) -> Answer {
        let path = url.strip_prefix("http://tv.test").expect("a link to the site");
        let length = body.len().to_string();
        self.site.call("PUT", path).header("content-length", &length).body(body).send().await
    }

    async fn put_all(&self, begun: &Value, body: &[u8]) -> Vec<Put> {
        let mut parts = Vec::new();
        for (url, piece) in begun["upload_urls"].as_array().expect("links").iter().zip(body.chunks(PART)) {
            let answer = self.put(url["url"].as_str().expect("a link"), piece.to_vec()).await.expect(200);
            parts.push((url["part_number"].as_u64().expect("a number") as u32, answer.header("etag").to_owned()));
        }
        parts
    }

    async fn complete(&self, who: &Member, begun: &Value, parts: &[Put]) -> Answer {
        let parts: Vec<Value> =
            parts.iter().map(|(number, etag)| json!({ "part_number": number, "etag": etag })).collect();
        let body = json!({ "file_id": begun["file_id"], "upload_id": begun["upload_id"], "parts": parts });
        self.post(who, COMPLETE, body).await
    }

    pub async fn send(&self, who: &Member, folder: &str, name: &str, mime: &str, file: &[u8]) -> Answer {
        let mut body = format!(
            "--b0undary\r\nContent-Disposition: form-data; name=\"path\"\r\n\r\n{folder}\r\n\
             --b0undary\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: {mime}\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n--b0undary--\r\n");
        let call = self.site.post("/api/v1/files/upload").bearer(&who.token);
        call.header("content-type", "multipart/form-data; boundary=b0undary").body(body).send().await
    }

    /// As the pipeline leaves what is clean.
    pub async fn pass(&self, file: &Value, kind: &str, mime: &str) {
        let id = file["id"].as_str().expect("an id");
        self.site
            .sql(&format!(
                "UPDATE file_versions SET state = 'completed', progress = 100, expires_at = NULL WHERE file_id = '{id}' AND state = 'queued';
                 UPDATE blobs SET state = 'clean', kind = '{kind}', mime = '{mime}'
                  WHERE blob_id IN (SELECT blob_id FROM file_versions WHERE file_id = '{id}');
                 UPDATE files f SET version_id = v.version_id FROM file_versions v
                  WHERE f.file_id = '{id}' AND v.file_id = f.file_id AND v.number = f.versions"
            ))
            .await;
    }

    /// A clean text file of somebody's.
    pub async fn text(&self, who: &Member, folder: &str, name: &str) -> Value {
        let file = self.send(who, folder, name, "text/plain", b"some words").await.expect(201).json;
        self.pass(&file, "text", "text/plain").await;
        file
    }

    async fn used(&self, who: &Member) -> i64 {
        self.get(who, "/api/v1/me/files").await.expect(200).json["used_bytes"].as_i64().expect("a number")
    }
}

fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 31 + at / 251) as u8).collect()
}

fn path(file: &Value) -> String {
    format!("/api/v1/files/{}", file["id"].as_str().expect("an id"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_comes_in_parts_and_goes_on_after_a_break() {
    let house = House::start(|_| {}).await;
    let body = noise(2 * PART + 1_000);
    let begun = house.initiate(&house.alice, "film.bin", body.len()).await.expect(201).json;
    assert_eq!((&begun["part_size"], begun["upload_urls"].as_array().map(Vec::len)), (&json!(PART), Some(3)));
    assert_eq!(house.used(&house.alice).await, body.len() as i64, "its room is reserved");
    let urls: Vec<&str> = (0..3).map(|n| begun["upload_urls"][n]["url"].as_str().expect("a link")).collect();
    let second = house.put(urls[1], body[PART..2 * PART].to_vec()).await.expect(200);

    // Whoever comes back asks what is there, and gets links for the rest.
    let place = format!("/api/v1/files/chunked-upload/{}", begun["upload_id"].as_str().expect("an id"));
    let seen = house.get(&house.alice, &place).await.expect(200).json;
    // This store does not tell the ETags of what is there: all of it is sent again. The one that comes with the program does.
    assert_eq!(seen["parts"], json!([]));
    let left: Vec<u64> =
        seen["upload_urls"].as_array().expect("links").iter().filter_map(|url| url["part_number"].as_u64()).collect();
    assert_eq!(left, [1, 2, 3]);
    house.get(&house.bob, &place).await.refused(404, "file.no-upload");
    house
        .complete(&house.alice, &begun, &[(2, second.header("etag").to_owned())])
        .await
        .refused(409, "file.incomplete");

    let mut parts = vec![(2, second.header("etag").to_owned())];
    for (url, number, piece) in
        [(&seen["upload_urls"][2], 3, &body[2 * PART..]), (&seen["upload_urls"][0], 1, &body[..PART])]
    {
        let answer = house.put(url["url"].as_str().expect("a link"), piece.to_vec()).await.expect(200);
        parts.push((number, answer.header("etag").to_owned()));
    }
    house.complete(&house.bob, &begun, &parts).await.refused(404, "file.no-upload");
    let file = house.complete(&house.alice, &begun, &parts).await.expect(202).json;
    assert_eq!((&file["state"], &file["path"], &file["url"]), (&json!("queued"), &json!("/videos/"), &Value::Null));
    let waiting = house.site.rows("SELECT kind FROM outbox WHERE kind = 'file_arrived'").await;
    assert_eq!(waiting.len(), 1, "the pipeline hears of it once");
    // Done again, sent again, given up: it is over.
    house.complete(&house.alice, &begun, &parts).await.refused(404, "file.no-upload");
    house.put(urls[0], body[..PART].to_vec()).await.refused(404, "file.no-upload");
    house.site.call("DELETE", &place).bearer(&house.alice.token).send().await.refused(404, "file.no-upload");
    // Nothing is served before it was looked into.
    house.get(&house.alice, &format!("{}/content", path(&file))).await.refused(404, "file.not-found");

    house.pass(&file, "file", "application/octet-stream").await;
    let back = house.get(&house.alice, &format!("{}/content", path(&file))).await.expect(200);
    assert_eq!(back.body, Bytes::from(body.clone()));
    assert_eq!(back.header("content-disposition"), "attachment; filename=\"film.bin\"; filename*=UTF-8''film.bin");
    let call = house.site.get(&format!("{}/content", path(&file))).bearer(&house.alice.token);
    let part = call.header("range", "bytes=5242870-5242889").send().await.expect(206);
    assert_eq!(part.body, &body[5_242_870..5_242_890]);
    let call = house.site.get(&format!("{}/content", path(&file))).bearer(&house.alice.token);
    call.header("if-none-match", back.header("etag")).send().await.expect(304);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_good_for_its_own_part_and_nothing_else() {
    let house = House::start(|_| {}).await;
    let begun = house.initiate(&house.alice, "film.bin", PART + 10).await.expect(201).json;
    let other = house.initiate(&house.bob, "film.bin", PART + 10).await.expect(201).json;
    let url = |begun: &Value, n: usize| begun["upload_urls"][n]["url"].as_str().expect("a link").to_owned();
    let (first, second) = (url(&begun, 0), url(&begun, 1));
    let swap = |from: &str, to: &str| second.replacen(from, to, 1);
    let mine = begun["upload_id"].as_str().expect("an id");
    let theirs = other["upload_id"].as_str().expect("an id");
    for forged in [
        swap("/parts/2?", "/parts/1?"),
        swap("/parts/2?", "/parts/3?"),
        swap("bytes=10", "bytes=11"),
        swap("expires=", "expires=9"),
        swap("signature=", "signature=A"),
        swap(mine, theirs),
    ] {
        let bytes = if forged.contains("bytes=11") { 11 } else { 10 };
        house.put(&forged, noise(bytes)).await.refused(404, "file.no-upload");
    }
    // Longer, shorter, or of no length that was said.
    for bytes in [0, 9, 11, PART] {
        house.put(&second, noise(bytes)).await.refused(409, "file.incomplete");
    }
    let path = second.strip_prefix("http://tv.test").expect("a link to the site");
    house.site.call("PUT", path).body(noise(10)).send().await.refused(409, "file.incomplete");
    house.site.call("POST", path).body(noise(10)).send().await.expect(405);

    // A part twice, one too many, none.
    let parts = house.put_all(&begun, &noise(PART + 10)).await;
    let odd = |number: u32, etag: &str| (number, etag.to_owned());
    for wrong in
        [vec![parts[0].clone(), parts[0].clone()], vec![parts[0].clone(), parts[1].clone(), odd(3, "x")], vec![]]
    {
        house.complete(&house.alice, &begun, &wrong).await.refused(409, "file.incomplete");
    }
    assert_eq!(house.used(&house.alice).await, (PART + 10) as i64);

    // Given up: its room is free, its links are dead.
    let place = format!("/api/v1/files/chunked-upload/{mine}");
    house.site.call("DELETE", &place).bearer(&house.bob.token).send().await.refused(404, "file.no-upload");
    house.site.call("DELETE", &place).bearer(&house.alice.token).send().await.expect(204);
    assert_eq!(house.used(&house.alice).await, 0);
    house.put(&first, noise(PART)).await.refused(404, "file.no-upload");
    house.complete(&house.alice, &begun, &parts).await.refused(404, "file.no-upload");
    let listed = house.get(&house.alice, "/api/v1/files").await.expect(200).json;
    assert_eq!(listed["items"], json!([]), "what never was anything is nowhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_go_straight_to_the_bucket_where_the_operator_says_so() {
    let house = House::start(|config| config.storage.delivery = Delivery::Presigned).await;
    let body = noise(PART + 10);
    let begun = house.initiate(&house.alice, "film.bin", body.len()).await.expect(201).json;
    let client = reqwest::Client::new();
    let url = |n: usize| begun["upload_urls"][n]["url"].as_str().expect("a link").to_owned();
    assert!(url(0).starts_with(&format!("http://{}", house.s3.addr())), "{}", url(0));
    let put = |url: String, body: Vec<u8>| {
        let request = client.put(url).body(body);
        async move { request.send().await.expect("an answer") }
    };
    assert!(!put(url(1), noise(11)).await.status().is_success(), "the length is signed");
    assert!(!put(url(1).replace("partNumber=2", "partNumber=1"), noise(10)).await.status().is_success());
    let mut parts = Vec::new();
    for (n, piece) in body.chunks(PART).enumerate() {
        let answer = put(url(n), piece.to_vec()).await;
        assert!(answer.status().is_success(), "{answer:?}");
        parts.push((n as u32 + 1, answer.headers()["etag"].to_str().expect("text").to_owned()));
    }
    house.complete(&house.alice, &begun, &parts).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn room_is_never_given_twice() {
    let house = House::start(|config| config.files.quota_mib = 20).await;
    let all = join_all(
        (0..20).map(|n| house.initiate(&house.alice, Box::leak(format!("{n}.bin").into_boxed_str()), 3 << 20)),
    );
    let statuses: Vec<u16> = all.await.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 6, "{statuses:?}");
    assert!(statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
    assert_eq!(house.used(&house.alice).await, 18 << 20);
    house.initiate(&house.alice, "more.bin", 3 << 20).await.refused(409, "file.full");
    house.initiate(&house.alice, "fits.bin", 2 << 20).await.expect(201);
    house.initiate(&house.alice, "byte.bin", 1).await.refused(409, "file.full");
    house.initiate(&house.bob, "mine.bin", 3 << 20).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_is_refused_before_a_byte_of_it() {
    let house = House::start(|config| config.files.file_mib_max = 10).await;
    let ask = |body: Value| house.post(&house.alice, INITIATE, body);
    ask(json!({ "name": "a", "size": (10 << 20) + 1 })).await.refused(413, "file.too-large");
    ask(json!({ "name": "a", "size": 0 })).await.refused(422, "file.empty");
    for (name, path) in
        [("../a", "/"), ("a/b", "/"), ("..", "/"), ("", "/"), ("a", "/../etc"), ("a\0", "/"), ("a", "/x\\y")]
    {
        ask(json!({ "name": name, "path": path, "size": 5 })).await.refused(422, "request.invalid");
    }
    ask(json!({ "name": "a", "size": 5, "visibility": "followers" })).await.refused(422, "request.invalid");
    ask(json!({ "name": "a", "size": 5, "owner_id": house.bob.id })).await.refused(422, "request.malformed");
    house.send(&house.alice, "/", "a.jpg", "image/jpeg", b"<svg onload=x>").await.refused(422, "file.not-what-it-says");
    house.send(&house.alice, "/", "a.txt", "text/plain", b"").await.refused(422, "file.empty");
    assert_eq!(house.used(&house.alice).await, 0);

    let careful = House::start(|config| config.files.unscanned = false).await;
    let limits = careful.get(&careful.alice, "/api/v1/me/files").await.expect(200).json;
    assert_eq!((&limits["media_only"], &limits["trash_days"]), (&json!(true), &json!(30)));
    careful.initiate(&careful.alice, "a.zip", 5).await.refused(422, "file.media-only");
    careful.initiate(&careful.alice, "a.mp4", 5).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_listed_named_moved_thrown_away_and_had_back() {
    let house = House::start(|_| {}).await;
    let alice = &house.alice;
    let a = house.text(alice, "/docs", "b.txt").await;
    let _b = house.text(alice, "/docs/deep", "A.txt").await;
    let c = house.text(alice, "/", "c_100%.txt").await;
    house.text(&house.bob, "/docs", "theirs.txt").await;
    let names = |list: &Value| -> Vec<String> {
        list["items"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|item| item["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    let list = async |query: &str| house.get(alice, &format!("/api/v1/files{query}")).await.expect(200).json;
    assert_eq!(names(&list("").await), ["A.txt", "b.txt", "c_100%.txt"]);
    let root = list("?path=/").await;
    assert_eq!(names(&root), ["c_100%.txt"]);
    assert_eq!(root["folders"], json!([{ "name": "docs", "path": "/docs/", "files": 2, "bytes": 20 }]));
    assert_eq!(names(&list("?path=docs").await), ["b.txt"]);
    assert_eq!(names(&list("?q=_100%25").await), ["c_100%.txt"], "a pattern's letters are letters");
    assert_eq!(names(&list("?q=_1%25%25").await), [""; 0]);
    assert_eq!(names(&list("?sort=recent&limit=1").await), ["c_100%.txt"]);
    for sort in ["name", "recent", "size"] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = list(&format!("?sort={sort}&limit=1&cursor={cursor}")).await;
            seen.extend(names(&page));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = next.to_owned();
        }
        seen.sort();
        assert_eq!(seen, ["A.txt", "b.txt", "c_100%.txt"], "{sort}");
    }

    let patch = async |file: &Value, body: Value| {
        house.site.call("PATCH", &path(file)).bearer(&alice.token).json(body).send().await
    };
    patch(&c, json!({ "name": "B.TXT", "path": "/docs" })).await.refused(409, "file.name-taken");
    let moved =
        patch(&c, json!({ "name": "c.txt", "path": "/docs", "tags": ["Work", "work"], "visibility": "unlisted" }))
            .await;
    let moved = moved.expect(200).json;
    assert_eq!(
        (&moved["path"], &moved["tags"], &moved["visibility"]),
        (&json!("/docs/"), &json!(["work"]), &json!("unlisted"))
    );
    assert_eq!(names(&list("?tag=WORK").await), ["c.txt"]);
    let entries = house.site.rows("SELECT details FROM audit_log WHERE action = 'file.visibility_changed'").await;
    assert_eq!(entries[0]["details"], json!({ "from": "private", "to": "unlisted" }));

    // A folder has another name, and is not moved into itself.
    let rename = async |from: &str, to: &str| {
        house.post(alice, "/api/v1/files/rename-folder", json!({ "from": from, "to": to })).await
    };
    rename("/docs", "/docs/deep/er").await.refused(409, "file.into-itself");
    rename("/nowhere", "/x").await.refused(404, "file.not-found");
    rename("/docs", "/papers").await.expect(204);
    assert_eq!(names(&list("?path=/papers/deep").await), ["A.txt"]);

    // Into the trash and back, where the name was given away meanwhile.
    let bulk = async |body: Value| house.post(alice, "/api/v1/files/bulk", body).await;
    let done =
        bulk(json!({ "action": "trash", "ids": [a["id"], a["id"]], "folders": ["/papers/deep"] })).await.expect(200);
    assert_eq!(done.json["done"], 2);
    assert_eq!(names(&list("").await), ["c.txt"]);
    assert_eq!(names(&list("?trash=true").await), ["A.txt", "b.txt"]);
    house.text(alice, "/papers", "b.txt").await;
    bulk(json!({ "action": "restore", "ids": [a["id"]] })).await.expect(200);
    let back = house.get(alice, &path(&a)).await.expect(200).json;
    assert!(back["name"].as_str().expect("a name").ends_with(" b.txt"), "{back}");
    // Only what lies in the trash is deleted for good.
    assert_eq!(bulk(json!({ "action": "erase", "ids": [a["id"]] })).await.expect(200).json["done"], 0);
    house.site.call("DELETE", &path(&a)).bearer(&alice.token).send().await.expect(204);
    assert_eq!(bulk(json!({ "action": "erase", "ids": [a["id"]] })).await.expect(200).json["done"], 1);
    house.get(alice, &path(&a)).await.refused(404, "file.not-found");
    bulk(json!({ "action": "trash", "folders": ["/"] })).await.refused(422, "request.invalid");
    bulk(json!({ "action": "move", "folders": ["/papers"], "path": "/papers/x" }))
        .await
        .refused(409, "file.into-itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_there_makes_a_version_and_the_one_before_can_be_had_back() {
    let house = House::start(|_| {}).await;
    let alice = &house.alice;
    let file = house.text(alice, "/", "a.txt").await;
    let second = house.send(alice, "/", "A.txt", "text/plain", b"other words").await.expect(201).json;
    assert_eq!((&second["id"], &second["version"], &second["served_version"]), (&file["id"], &json!(2), &json!(1)));
    house.pass(&file, "text", "text/plain").await;
    let content =
        async |query: &str| house.get(alice, &format!("{}/content{query}", path(&file))).await.expect(200).body;
    assert_eq!(content("").await, "other words");
    assert_eq!(content("?version=1").await, "some words");
    let versions = house.get(alice, &format!("{}/versions", path(&file))).await.expect(200).json;
    assert_eq!((&versions["items"][0]["is_served"], &versions["items"][1]["is_kept"]), (&json!(true), &json!(true)));
    let back = house.post(alice, &format!("{}/versions/1/restore", path(&file)), json!({})).await.expect(200).json;
    assert_eq!((&back["served_version"], &back["version"]), (&json!(1), &json!(2)));
    assert_eq!(content("").await, "some words");
    house.post(alice, &format!("{}/versions/3/restore", path(&file)), json!({})).await.refused(404, "file.not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_its_owners_and_whoever_it_is_shown_to() {
    let house = House::start(|_| {}).await;
    let file = house.text(&house.alice, "/", "a.txt").await;
    let content = format!("{}/content", path(&file));
    let routes = [
        ("GET", path(&file)),
        ("PATCH", path(&file)),
        ("DELETE", path(&file)),
        ("GET", content.clone()),
        ("GET", format!("{}/thumbnail", path(&file))),
        ("GET", format!("{}/versions", path(&file))),
        ("POST", format!("{}/restore", path(&file))),
        ("POST", format!("{}/cancel", path(&file))),
        ("POST", format!("{}/versions/1/restore", path(&file))),
    ];
    for (method, route) in &routes {
        let call = house.site.call(method, route).bearer(&house.bob.token);
        let call = if *method == "GET" { call } else { call.json(json!({})) };
        call.send().await.refused(404, "file.not-found");
    }
    house.site.get(&content).send().await.refused(404, "file.not-found");
    let ids = json!({ "action": "trash", "ids": [file["id"]] });
    assert_eq!(house.post(&house.bob, "/api/v1/files/bulk", ids).await.expect(200).json["done"], 0);

    // Whoever has the link, once it is not private; not what it was before, and not from the trash.
    house.site.sql("UPDATE files SET visibility = 'unlisted'").await;
    let shown = house.site.get(&content).send().await.expect(200);
    assert_eq!(shown.body, "some words");
    assert_eq!((shown.header("content-type"), shown.header("x-content-type-options")), ("text/plain", "nosniff"));
    assert!(shown.header("content-security-policy").starts_with("sandbox"));
    assert!(shown.header("content-disposition").starts_with("inline"));
    house.get(&house.bob, &format!("{content}?version=1")).await.refused(404, "file.not-found");
    house.get(&house.bob, &path(&file)).await.refused(404, "file.not-found");
    house.site.call("DELETE", &path(&file)).bearer(&house.alice.token).send().await.expect(204);
    house.site.get(&content).send().await.refused(404, "file.not-found");
    house.get(&house.alice, &content).await.expect(200);

    // An administrator sees it, and may throw it away.
    house.site.sql("UPDATE users SET role = 'admin' WHERE username = 'bob'").await;
    house.get(&house.bob, &path(&file)).await.expect(200);
}
