//! Share links: made, opened, counted, taken back; and nothing beside them (reliability E8, E12).

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::files::House;
use crate::harness::{Answer, Member, Site, names};
use crate::vod_playback::Cinema;

const LINKS: &str = "/api/v1/share-links";

struct Desk<'a> {
    site: &'a Site,
    owner: Member,
}

impl<'a> Desk<'a> {
    fn of(house: &'a House) -> Self {
        Self { site: &house.site, owner: house.alice.clone() }
    }

    async fn make(&self, body: Value) -> Answer {
        self.site.post(LINKS).bearer(&self.owner.token).json(body).send().await
    }

    async fn link(&self, body: Value) -> Value {
        self.make(body).await.expect(201).json
    }

    async fn open(&self, link: &Value, body: Value) -> Answer {
        self.visit(link, "access", body).await
    }

    async fn visit(&self, link: &Value, what: &str, body: Value) -> Answer {
        let token = link["token"].as_str().expect("a token");
        self.site.post(&format!("{LINKS}/token/{token}/{what}")).json(body).send().await
    }

    async fn own(&self, method: &str, link: &Value, rest: &str, body: Option<Value>) -> Answer {
        let path = format!("{LINKS}/{}{rest}", link["id"].as_str().expect("an id"));
        let call = self.site.call(method, &path).bearer(&self.owner.token);
        match body {
            Some(body) => call.json(body).send().await,
            None => call.send().await,
        }
    }

    async fn fetch(&self, url: &Value) -> Answer {
        self.site.get(url.as_str().expect("an address")).send().await
    }

    /// What was written down, once there are so many: refusals are noted beside their answers.
    async fn log(&self, link: &Value, count: usize) -> Vec<String> {
        let patience = Instant::now() + Duration::from_secs(5);
        loop {
            let noted = names(&self.own("GET", link, "/accesses?limit=100", None).await.expect(200), "outcome");
            if noted.len() >= count {
                return noted;
            }
            assert!(Instant::now() < patience, "only {noted:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_given_to_whoever_has_the_link_and_its_password() {
    let house = House::start(|_| {}).await;
    let desk = Desk::of(&house);
    let file = house.text(&house.alice, "/papers", "notes.txt").await;
    let body = json!({
        "resource_id": file["id"], "permission": "download", "password": "open sesame",
        "expires_at": "2030-01-01T00:00:00Z", "max_accesses": 5, "notify_on_access": true,
    });
    let link = desk.link(body).await;
    let token = link["token"].as_str().expect("a token");
    assert_eq!(link["url"], format!("http://tv.test/share/{token}"));
    assert_eq!(token.len(), 40, "160 bits");
    assert_eq!(
        (&link["resource_type"], &link["name"], &link["state"]),
        (&json!("file"), &json!("notes.txt"), &json!("active"))
    );

    // Neither the token nor the password lies in the database as it is.
    let row = house.site.rows("SELECT password_hash, encode(token_hash, 'hex') AS hash, encode(token_sealed, 'hex') AS sealed FROM share_links").await;
    assert!(row[0]["password_hash"].as_str().is_some_and(|hash| hash.starts_with("$argon2id$")), "{row:?}");
    assert!(!row[0].to_string().contains(token) && !row[0].to_string().contains(&hex::encode(token)));

    // Nobody there, no password and a wrong one are one answer.
    let nobody = json!({ "token": "0".repeat(40) });
    let mut answers = Vec::new();
    for (link, body) in [
        (&link, json!({})),
        (&link, json!({ "password": "open barley" })),
        (&nobody, json!({})),
        (&nobody, json!({ "password": "open sesame" })),
    ] {
        let answer = desk.open(link, body).await;
        let headers: Vec<_> =
            ["content-type", "cache-control", "retry-after"].map(|name| answer.header(name).to_owned()).into();
        answers.push((answer.status, headers, answer.refused(404, "share.not-found").text()));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");

    let shown = desk.open(&link, json!({ "password": "open sesame" })).await.expect(200).json;
    assert_eq!(
        (&shown["name"], &shown["permission"], &shown["folder"]),
        (&json!("notes.txt"), &json!("download"), &Value::Null)
    );
    assert!(shown["expires_in"].as_u64().is_some_and(|left| left <= 300));
    let inline = desk.fetch(&shown["file"]["url"]).await.expect(200);
    assert_eq!(inline.body, "some words");
    assert_eq!((inline.header("x-content-type-options"), inline.header("referrer-policy")), ("nosniff", "no-referrer"));
    assert!(inline.header("content-security-policy").starts_with("sandbox;"), "{:?}", inline.headers);
    assert!(inline.header("cache-control").starts_with("private"));
    let saved = desk.fetch(&shown["file"]["download_url"]).await.expect(200);
    assert!(saved.header("content-disposition").starts_with("attachment;"));
    let part =
        desk.site.get(shown["file"]["url"].as_str().expect("an address")).header("range", "bytes=5-9").send().await;
    assert_eq!(part.expect(206).body, "words");

    // Its owner sees who came by, and is told.
    assert_eq!(desk.log(&link, 2).await, ["granted", "wrong_password"]);
    let log = desk.own("GET", &link, "/accesses", None).await.expect(200).json;
    assert_eq!(log["items"][0]["network"], "203.0.113.0/24");
    let seen = desk.own("GET", &link, "", None).await.expect(200).json;
    assert_eq!((&seen["accesses"], &seen["token"]), (&json!(1), &link["token"]));
    desk.open(&link, json!({ "password": "open sesame" })).await.expect(200);
    let told = house.site.rows("SELECT kind FROM outbox WHERE kind = 'share_accessed'").await;
    assert_eq!(told.len(), 1, "once, not for each visit");
    let qr = desk.own("GET", &link, "/qr", None).await.expect(200);
    assert_eq!(qr.header("content-type"), "image/svg+xml");
    assert!(qr.text().contains("<svg"));
    let acts = house.site.rows("SELECT action, details::text FROM audit_log WHERE action LIKE 'share.%'").await;
    assert_eq!(acts.len(), 1);
    assert!(!acts[0].to_string().contains("sesame") && !acts[0].to_string().contains(token), "{acts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_wrong_passwords_end_in_429_whether_there_is_a_link_or_not() {
    let house = House::start(|_| {}).await;
    let desk = Desk::of(&house);
    let file = house.text(&house.alice, "/", "notes.txt").await;
    let link = desk.link(json!({ "resource_id": file["id"], "password": "open sesame" })).await;
    let nobody = json!({ "token": "f".repeat(40) });
    for link in [&link, &nobody] {
        let token = link["token"].as_str().expect("a token");
        let mut seen = Vec::new();
        // From a thousand places: it is the link that is guarded.
        for n in 0..1_000_u32 {
            let peer = format!("10.{}.{}.9", n / 200, n % 200);
            let call = desk.site.post(&format!("{LINKS}/token/{token}/access")).from(&peer);
            let answer = call.json(json!({ "password": format!("guess {n}") })).send().await;
            assert!([404, 429].contains(&answer.status.as_u16()), "{answer:?}");
            seen.push(answer);
        }
        let let_through = seen.iter().filter(|answer| answer.status == 404).count();
        assert!((20..=25).contains(&let_through), "{let_through}");
        let last = seen.pop().expect("an answer").refused(429, "share.throttled");
        assert!(last.header("retry-after").parse::<u64>().is_ok_and(|wait| wait > 0));
    }
    // The right one is not heard either until then.
    desk.open(&link, json!({ "password": "open sesame" })).await.refused(429, "share.throttled");
    let seen = desk.own("GET", &link, "", None).await.expect(200).json;
    assert_eq!(seen["accesses"], 0);

    // And one address opens only so many.
    let other = desk.link(json!({ "resource_id": file["id"] })).await;
    let token = other["token"].as_str().expect("a token");
    let calls =
        join_all((0..130).map(|_| {
            desk.site.post(&format!("{LINKS}/token/{token}/access")).from("198.51.100.1").json(json!({})).send()
        }));
    let refused = calls.await.into_iter().filter(|answer| answer.status == 429).count();
    assert!((5..=10).contains(&refused), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_visit_is_given_once() {
    let house = House::start(|_| {}).await;
    let desk = Desk::of(&house);
    let file = house.text(&house.alice, "/", "notes.txt").await;
    let link = desk.link(json!({ "resource_id": file["id"], "max_accesses": 3 })).await;
    for _ in 0..2 {
        desk.open(&link, json!({})).await.expect(200);
    }
    let all = join_all((0..20).map(|_| desk.open(&link, json!({})))).await;
    let mut granted: Vec<_> = all.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(granted.len(), 1, "{all:?}");
    assert_eq!(all.iter().filter(|answer| answer.json["code"] == "share.exhausted").count(), 19, "{all:?}");
    // Whoever is in stays in, and is not counted again.
    let visit = granted.pop().expect("one").json["visit"].clone();
    let again = desk.visit(&link, "renew", json!({ "visit": visit })).await.expect(200).json;
    desk.fetch(&again["file"]["url"]).await.expect(200);
    let seen = desk.own("GET", &link, "", None).await.expect(200).json;
    assert_eq!((&seen["accesses"], &seen["state"]), (&json!(3), &json!("exhausted")));
    let log = desk.log(&link, 22).await;
    assert_eq!(log.iter().filter(|outcome| *outcome == "granted").count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_told_to_those_who_know_the_password_and_holds_for_those_inside() {
    let house = House::start(|_| {}).await;
    let desk = Desk::of(&house);
    let file = house.text(&house.alice, "/", "notes.txt").await;
    let ends = [
        ("share.expired", "UPDATE share_links SET expires_at = now() - interval '1 second'", ""),
        ("share.revoked", "UPDATE share_links SET revoked_at = now()", ""),
        ("share.gone", "UPDATE files SET trashed_at = now()", "UPDATE files SET trashed_at = NULL"),
        ("share.gone", "UPDATE blobs SET is_withheld = true", "UPDATE blobs SET is_withheld = false"),
        ("share.gone", "UPDATE users SET is_barred = true", "UPDATE users SET is_barred = false"),
    ];
    for (code, statement, undo) in ends {
        let open = desk.link(json!({ "resource_id": file["id"] })).await;
        let locked = desk.link(json!({ "resource_id": file["id"], "password": "1234" })).await;
        let inside = desk.open(&locked, json!({ "password": "1234" })).await.expect(200).json;
        house.site.sql(statement).await;
        // Without the password it is like any other.
        desk.open(&locked, json!({ "password": "4321" })).await.refused(404, "share.not-found");
        desk.open(&locked, json!({})).await.refused(404, "share.not-found");
        desk.open(&locked, json!({ "password": "1234" })).await.refused(410, code);
        desk.open(&open, json!({})).await.refused(410, code);
        // What was given before is good for nothing.
        desk.fetch(&inside["file"]["url"]).await.refused(410, "share.gone");
        desk.visit(&locked, "renew", json!({ "visit": inside["visit"] })).await.refused(410, code);
        house.site.sql(&format!("DELETE FROM share_links; {undo}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_its_own_file_of_its_own_link() {
    let house = House::start(|_| {}).await;
    let desk = Desk::of(&house);
    let (mine, other) =
        (house.text(&house.alice, "/a", "mine.txt").await, house.text(&house.alice, "/b", "other.txt").await);
    let looked = desk.link(json!({ "resource_id": mine["id"] })).await;
    let second = desk.link(json!({ "resource_id": other["id"], "permission": "download" })).await;
    let (a, b) =
        (desk.open(&looked, json!({})).await.expect(200).json, desk.open(&second, json!({})).await.expect(200).json);
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let url = text(&a["file"]["url"]);
    let swap = |from: &Value, to: &Value| url.replace(&text(from), &text(to));
    for wrong in [
        swap(&mine["id"], &other["id"]),
        swap(&looked["id"], &second["id"]),
        swap(&looked["id"], &second["id"]).replace(&text(&mine["id"]), &text(&other["id"])),
        url.replace("token=", "token=x"),
        url.split('?').next().expect("a path").to_owned(),
        format!("{}?token={}", url.split('?').next().expect("a path"), text(&a["visit"])),
        format!("{}?token={}", url.split('?').next().expect("a path"), house.alice.token),
    ] {
        desk.fetch(&json!(wrong)).await.refused(404, "share.not-found");
    }
    // For looking only.
    assert_eq!(a["file"]["download_url"], Value::Null);
    desk.fetch(&json!(format!("{url}&download=true"))).await.refused(403, "share.view-only");
    // A visit is its link's.
    desk.visit(&second, "renew", json!({ "visit": a["visit"] })).await.refused(404, "share.not-found");
    let file_token = text(&b["file"]["url"]).split("token=").nth(1).expect("a token").to_owned();
    desk.visit(&second, "renew", json!({ "visit": file_token })).await.refused(404, "share.not-found");
    // Nor does any of it sign anybody in.
    desk.site.get("/api/v1/me").bearer(&text(&a["visit"])).send().await.expect(401);

    // Bob has none of it.
    for (method, rest) in [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/accesses"), ("GET", "/qr")] {
        let path = format!("{LINKS}/{}{rest}", text(&looked["id"]));
        let call = desk.site.call(method, &path).bearer(&house.bob.token);
        let call = if method == "PATCH" { call.json(json!({ "permission": "download" })) } else { call };
        call.send().await.refused(404, "share.not-found");
    }
    let listed = desk.site.get(LINKS).bearer(&house.bob.token).send().await.expect(200).json;
    assert_eq!(listed["items"], json!([]));
    let theirs = json!({ "resource_id": mine["id"], "permission": "view" });
    desk.site.post(LINKS).bearer(&house.bob.token).json(theirs).send().await.refused(404, "share.no-resource");
    desk.site.post(LINKS).json(json!({ "resource_id": mine["id"] })).send().await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_shows_what_lies_below_it_and_nothing_beside_it() {
    let house = House::start(|_| {}).await;
    let desk = Desk::of(&house);
    for (who, folder, name) in [
        (&house.alice, "/trip", "a.txt"),
        (&house.alice, "/trip", "b.txt"),
        (&house.alice, "/trip/day one", "c.txt"),
        (&house.alice, "/trip/day one/deep", "d.txt"),
        (&house.alice, "/trip2", "beside.txt"),
        (&house.alice, "/", "above.txt"),
        (&house.bob, "/trip", "bobs.txt"),
    ] {
        house.text(who, folder, name).await;
    }
    // On its way, thrown away, withheld: not shown, and not counted.
    let queued = house.send(&house.alice, "/trip", "queued.txt", "text/plain", b"more words").await.expect(201).json;
    let trashed = house.text(&house.alice, "/trip/day one", "trashed.txt").await;
    house
        .site
        .call("DELETE", &format!("/api/v1/files/{}", trashed["id"].as_str().expect("an id")))
        .bearer(&house.alice.token)
        .send()
        .await
        .expect(204);

    let link = desk.link(json!({ "path": "/trip/", "permission": "view" })).await;
    assert_eq!(
        (&link["resource_type"], &link["name"], &link["path"]),
        (&json!("folder"), &json!("trip"), &json!("/trip/"))
    );
    let shown = desk.open(&link, json!({})).await.expect(200).json;
    let page = &shown["folder"];
    let listed = |page: &Value| -> Vec<String> {
        page["items"]
            .as_array()
            .expect("items")
            .iter()
            .map(|item| item["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    assert_eq!(listed(page), ["a.txt", "b.txt"]);
    assert_eq!(page["folders"], json!([{ "name": "day one", "path": "/day one/", "files": 2 }]));
    assert_eq!((&shown["name"], &page["path"]), (&json!("trip"), &json!("/")));
    assert!(!shown.to_string().contains("beside") && !shown.to_string().contains("above"));

    let visit = &shown["visit"];
    let items = |path: &'static str| desk.visit(&link, "items", json!({ "visit": visit, "path": path }));
    let below = items("/day one/").await.expect(200).json;
    assert_eq!(listed(&below), ["c.txt"]);
    assert_eq!(below["folders"][0]["path"], "/day one/deep/");
    let deep = items("/day one/deep/").await.expect(200).json;
    assert_eq!(listed(&deep), ["d.txt"]);
    desk.fetch(&deep["items"][0]["url"]).await.expect(200);
    for beside in ["/..", "/../trip2", "/day one/../..", "..\\trip2", "/day one/%2e%2e/%2e%2e/", "///", "/trip2/"] {
        let answer = items(beside).await;
        let names = answer.json["items"].as_array().map_or(0, Vec::len);
        assert!(answer.status == 422 || names == 0, "{beside}: {}", answer.json);
    }
    // Page by page.
    let first = desk.visit(&link, "items", json!({ "visit": visit, "limit": 1 })).await.expect(200).json;
    assert_eq!(listed(&first), ["a.txt"]);
    let next = json!({ "visit": visit, "limit": 1, "cursor": first["next_cursor"] });
    let second = desk.visit(&link, "items", next).await.expect(200).json;
    assert_eq!(
        (listed(&second), &second["next_cursor"], &second["folders"]),
        (vec!["b.txt".to_owned()], &Value::Null, &json!([]))
    );
    // What leaves the folder is out of reach, with whatever token.
    let url = page["items"][0]["url"].clone();
    desk.fetch(&url).await.expect(200);
    let id = page["items"][0]["id"].as_str().expect("an id");
    let moved = json!({ "path": "/elsewhere" });
    house
        .site
        .call("PATCH", &format!("/api/v1/files/{id}"))
        .bearer(&house.alice.token)
        .json(moved)
        .send()
        .await
        .expect(200);
    desk.fetch(&url).await.refused(410, "share.gone");
    // A link goes where its folder goes.
    let renamed = json!({ "from": "/trip/", "to": "/journey/" });
    house.post(&house.alice, "/api/v1/files/rename-folder", renamed).await;
    let again = desk.visit(&link, "renew", json!({ "visit": visit })).await.expect(200).json;
    assert_eq!((&again["name"], listed(&again["folder"])), (&json!("journey"), vec!["b.txt".to_owned()]));
    // Not everything at once, nothing that is not there, nothing that is not whole.
    desk.make(json!({ "path": "/" })).await.refused(422, "request.invalid");
    desk.make(json!({ "path": "/nowhere/" })).await.refused(404, "share.no-resource");
    desk.make(json!({ "resource_id": queued["id"] })).await.refused(404, "share.no-resource");
    desk.make(json!({ "resource_id": id, "resource_type": "vod" })).await.refused(404, "share.no-resource");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_recording_is_played_through_its_link_only() {
    let cinema = Cinema::new("ready").await;
    cinema.store_all(0..3).await;
    let site = &cinema.site;
    let desk = Desk { site, owner: site.login("alice").await };
    let (_, other) = site.stream(&desk.owner, "Other", "ended", "ready").await;
    site.sql("UPDATE vods SET visibility = 'private'").await;
    site.get(&cinema.path("index.m3u8")).send().await.refused(404, "vod.not-found");

    let link = desk.link(json!({ "resource_id": cinema.vod, "permission": "view" })).await;
    let beside = desk.link(json!({ "resource_id": other })).await;
    let shown = desk.open(&link, json!({})).await.expect(200).json;
    assert_eq!((&shown["resource_type"], &shown["vod"]["title"]), (&json!("vod"), &json!("Show")));
    let playlist = desk.fetch(&shown["vod"]["playback"]["hls"]).await.expect(200);
    assert!(playlist.text().contains("source/index.m3u8?token="), "{}", playlist.text());
    assert_eq!(playlist.header("cache-control"), "private, no-store");
    let token = shown["vod"]["token"].as_str().expect("a token");
    site.get(&cinema.path(&format!("source/seg0.m4s?token={token}"))).send().await.expect(200);
    site.get(&cinema.path("source/seg0.m4s")).send().await.refused(404, "vod.not-found");
    // The token of link A on recording B, and the other way round.
    site.get(&format!("/vod/{other}/index.m3u8?token={token}")).send().await.refused(404, "vod.not-found");
    let foreign =
        desk.open(&beside, json!({})).await.expect(200).json["vod"]["token"].as_str().expect("a token").to_owned();
    site.get(&cinema.path(&format!("index.m3u8?token={foreign}"))).send().await.refused(404, "vod.not-found");
    // Nor does it open anything else of the recording's.
    site.get(&format!("/api/v1/vods/{}", cinema.vod)).send().await.expect(404);

    // Taken back, it ends for those who watch, too; the other link stands.
    desk.own("DELETE", &link, "", None).await.expect(204);
    desk.own("DELETE", &link, "", None).await.expect(204);
    site.get(&cinema.path(&format!("source/seg0.m4s?token={token}"))).send().await.refused(403, "playback.over");
    desk.open(&link, json!({})).await.refused(410, "share.revoked");
    desk.visit(&link, "renew", json!({ "visit": shown["visit"] })).await.refused(410, "share.revoked");
    desk.own("PATCH", &link, "", Some(json!({ "permission": "download" }))).await.refused(410, "share.revoked");
    desk.open(&beside, json!({})).await.expect(200);
    // A link of a deleted recording.
    site.call("DELETE", &format!("/api/v1/vods/{other}")).bearer(&desk.owner.token).send().await.expect(204);
    desk.open(&beside, json!({})).await.refused(410, "share.gone");
    let seen = desk.own("GET", &beside, "", None).await.expect(200).json;
    assert_eq!((&seen["state"], &seen["name"]), (&json!("gone"), &json!("Other")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_changed_and_visits_of_another_password_end() {
    let house = House::start(|_| {}).await;
    let desk = Desk::of(&house);
    let file = house.text(&house.alice, "/", "notes.txt").await;
    let link = desk.link(json!({ "resource_id": file["id"] })).await;
    let inside = desk.open(&link, json!({})).await.expect(200).json;
    let change = |body: Value| desk.own("PATCH", &link, "", Some(body));
    let changed = change(json!({ "permission": "download", "max_accesses": 9 })).await.expect(200).json;
    assert_eq!(
        (&changed["permission"], &changed["max_accesses"], &changed["has_password"]),
        (&json!("download"), &json!(9), &json!(false))
    );
    let again = desk.visit(&link, "renew", json!({ "visit": inside["visit"] })).await.expect(200).json;
    desk.fetch(&again["file"]["download_url"]).await.expect(200);

    change(json!({ "password": "2468" })).await.expect(200);
    desk.fetch(&again["file"]["url"]).await.refused(410, "share.gone");
    desk.visit(&link, "renew", json!({ "visit": inside["visit"] })).await.refused(403, "share.over");
    desk.open(&link, json!({})).await.refused(404, "share.not-found");
    desk.open(&link, json!({ "password": "2468" })).await.expect(200);
    let back = change(json!({ "password": null, "max_accesses": null })).await.expect(200).json;
    assert_eq!((&back["has_password"], &back["max_accesses"]), (&json!(false), &Value::Null));
    desk.open(&link, json!({})).await.expect(200);

    // Rules, and what nobody may set.
    for wrong in [
        json!({ "expires_at": "2001-01-01T00:00:00Z" }),
        json!({ "expires_at": "2999-01-01T00:00:00Z" }),
        json!({ "max_accesses": 0 }),
        json!({ "password": "123" }),
        json!({ "accesses": 0 }),
        json!({ "owner_id": house.bob.id }),
    ] {
        change(wrong.clone()).await.expect(422);
        let mut new = wrong;
        new["resource_id"] = file["id"].clone();
        desk.make(new).await.expect(422);
    }
    desk.make(json!({ "resource_id": file["id"], "path": "/a/" })).await.refused(422, "request.invalid");
    desk.make(json!({})).await.refused(422, "request.invalid");
    let acts = house.site.rows("SELECT action FROM audit_log WHERE action LIKE 'share.%' ORDER BY at").await;
    let acts: Vec<_> = acts.iter().filter_map(|row| row["action"].as_str()).collect();
    assert_eq!(acts, ["share.created", "share.changed", "share.changed", "share.changed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_of_a_member_are_listed_bounded_and_made_once() {
    let house = House::start(|_| {}).await;
    let desk = Desk::of(&house);
    let (one, two) =
        (house.text(&house.alice, "/", "one.txt").await, house.text(&house.alice, "/box", "two.txt").await);
    let body = json!({ "resource_id": one["id"] });
    let attempt =
        || desk.site.post(LINKS).bearer(&desk.owner.token).header("idempotency-key", "once").json(body.clone()).send();
    let (first, second) = (attempt().await.expect(201).json, attempt().await.expect(201).json);
    assert_eq!(first, second, "asked twice, made once");
    desk.link(json!({ "resource_id": two["id"] })).await;
    desk.link(json!({ "path": "/box" })).await;
    let list = |query: String| desk.site.get(&format!("{LINKS}{query}")).bearer(&desk.owner.token).send();
    assert_eq!(names(&list(String::new()).await.expect(200), "name"), ["box", "two.txt", "one.txt"]);
    assert_eq!(
        names(&list(format!("?resource_id={}", one["id"].as_str().expect("an id"))).await.expect(200), "name"),
        ["one.txt"]
    );
    assert_eq!(names(&list("?path=/box/".to_owned()).await.expect(200), "resource_type"), ["folder"]);
    let page = list("?limit=2".to_owned()).await.expect(200).json;
    let rest = list(format!("?limit=2&cursor={}", page["next_cursor"].as_str().expect("more"))).await.expect(200);
    assert_eq!(names(&rest, "name"), ["one.txt"]);

    // As many as one may have, and not one more; what is over does not count.
    house
        .site
        .sql(
            "INSERT INTO share_links (link_id, owner_id, token_hash, token_sealed, kind, folder, name, permission)
             SELECT gen_random_uuid(), owner_id, sha256(n::text::bytea), token_sealed, 'folder', '/box/', 'box', 'view'
               FROM share_links, generate_series(1, 497) n WHERE kind = 'folder'",
        )
        .await;
    desk.make(body.clone()).await.refused(409, "share.too-many");
    house.site.sql("UPDATE share_links SET revoked_at = now() - interval '100 days' WHERE name = 'box'").await;
    desk.make(body).await.expect(201);
    let mut conn = house.site.pool.acquire().await.expect("a connection");
    while db::shares::prune(&mut conn).await.expect("pruned") > 0 {}
    assert_eq!(names(&list(String::new()).await.expect(200), "name"), ["one.txt", "two.txt", "one.txt"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_link_is_told_to_nobody() {
    let site = Site::start().await;
    let page = site.get(&format!("/share/{}", "0".repeat(40))).send().await.expect(200);
    assert_eq!((page.header("referrer-policy"), page.header("x-robots-tag")), ("no-referrer", "noindex, nofollow"));
    assert_eq!(site.get("/files/shared").send().await.expect(200).header("x-robots-tag"), "");
}
