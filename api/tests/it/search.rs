//! Looking for channels, recordings and files: what is found, by whom, and that nothing else is.

use serde_json::{Value, json};

use crate::harness::{Answer, Member, Setup, Site};

/// What the jobs role keeps up to date, made at once.
async fn indexed(site: &Site) {
    jobs::search::rebuild(&site.pool).await.expect("documents");
}

async fn ask(site: &Site, who: Option<&Member>, query: &str) -> Answer {
    let call = site.get(&format!("/api/v1/search?{query}"));
    match who {
        Some(who) => call.bearer(&who.token).send().await,
        None => call.send().await,
    }
}

fn of(answer: &Value, group: &str, field: &str) -> Vec<String> {
    let items = answer[group].as_array().expect("a list");
    items.iter().map(|item| item[field].as_str().unwrap_or_default().to_owned()).collect()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn titles(site: &Site, who: Option<&Member>, query: &str) -> Vec<String> {
    let mut titles = of(&ask(site, who, query).await.expect(200).json, "vods", "title");
    titles.sort();
    titles
}

async fn file(site: &Site, owner: &Member, name: &str) {
    let (file, version) = (kit::ids::uuid(), kit::ids::uuid());
    site.sql(&format!(
        "INSERT INTO files (file_id, owner_id, folder, name, visibility, versions, bytes)
         VALUES ('{file}', '{}', '/', '{name}', 'public', 1, 9);
         INSERT INTO file_versions (version_id, file_id, number, state, name, mime, bytes)
         VALUES ('{version}', '{file}', 1, 'completed', '{name}', 'text/plain', 9)",
        owner.id
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_fits_is_found_however_it_is_typed() {
    let site = Site::start().await;
    let (linh, bob) = (site.register("linh_makes").await, site.register("bob").await);
    site.call("PATCH", "/api/v1/me")
        .bearer(&linh.token)
        .json(json!({"display_name": "Linh Trần", "bio": "Hàn mạch ở Đà Nẵng"}))
        .send()
        .await
        .expect(200);
    site.stream(&linh, "Đêm nhạc Đà Nẵng", "ended", "ready").await;
    site.stream(&bob, "Da Nang by night", "live", "recording").await;
    site.stream(&bob, "Something else", "ended", "ready").await;
    file(&site, &linh, "Đà Nẵng.txt").await;
    file(&site, &bob, "Da Nang too.txt").await;
    indexed(&site).await;

    for typed in ["da+nang", "%C4%90%C3%80+N%E1%BA%B4NG", "nang+da", "DA+NAN"] {
        let all = ask(&site, Some(&linh), &format!("q={typed}")).await.expect(200).json;
        assert_eq!(of(&all, "channels", "username"), ["linh_makes"], "{typed}");
        assert_eq!(all["vods"].as_array().unwrap().len(), 2, "{typed}");
        assert_eq!(of(&all, "files", "name"), ["Đà Nẵng.txt"], "{typed}");
        assert_eq!((&all["next_cursor"], &all["more"]), (&Value::Null, &json!([])));
    }
    let one = ask(&site, None, "q=linh_m").await.expect(200).json;
    let hit = &one["channels"][0];
    assert_eq!(
        (&hit["display_name"], &hit["is_live"], &hit["followers_count"]),
        (&json!("Linh Trần"), &json!(false), &json!(0))
    );
    let by_owner = ask(&site, None, "q=linh_mak").await.expect(200).json;
    assert_eq!(of(&by_owner, "vods", "title"), ["Đêm nhạc Đà Nẵng"], "a recording is found by whose it is");
    let live = ask(&site, None, "q=bob&kind=channel").await.expect(200).json;
    assert_eq!((&live["channels"][0]["is_live"], &live["vods"]), (&json!(true), &json!([])));
    // What is called just that comes before what has it among others.
    let exact = ask(&site, None, "q=something+else&kind=vod").await.expect(200).json;
    assert_eq!(of(&exact, "vods", "title"), ["Something else"]);
    assert_eq!(
        ask(&site, None, "q=ang").await.expect(200).json["vods"],
        json!([]),
        "words are found by how they begin"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_finds_what_no_list_shows_them() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    let fan = site.register("fan").await;
    let staff = site.register_as("staff", "moderator").await;
    site.call("PUT", "/api/v1/channels/alice/follow").bearer(&fan.token).send().await.expect(204);
    for visibility in ["public", "unlisted", "followers", "private"] {
        let (_, vod) = site.stream(&alice, &format!("Concert {visibility}"), "ended", "ready").await;
        site.sql(&format!("UPDATE vods SET visibility = '{visibility}' WHERE vod_id = '{vod}'")).await;
    }
    site.stream(&alice, "Concert failed", "ended", "failed").await;
    site.stream(&bob, "Concert not yet begun", "starting", "recording").await;
    let (_, gone) = site.stream(&alice, "Concert gone", "ended", "ready").await;
    indexed(&site).await;
    site.sql(&format!("UPDATE vods SET deleted_at = now() WHERE vod_id = '{gone}'")).await;

    assert_eq!(titles(&site, None, "q=concert").await, ["Concert public"]);
    assert_eq!(titles(&site, Some(&bob), "q=concert").await, ["Concert public"]);
    assert_eq!(
        titles(&site, Some(&staff), "q=concert").await,
        ["Concert public"],
        "lists show the staff what they show everybody"
    );
    assert_eq!(titles(&site, Some(&fan), "q=concert").await, ["Concert followers", "Concert public"]);
    assert_eq!(
        titles(&site, Some(&alice), "q=concert&kind=vod").await,
        ["Concert failed", "Concert followers", "Concert private", "Concert public", "Concert unlisted"]
    );

    // A document that is behind says where to look, and the row who may see.
    site.sql("UPDATE vods SET visibility = 'private' WHERE title = 'Concert public'").await;
    assert_eq!(titles(&site, None, "q=concert").await, Vec::<String>::new());
    // Nor does a limit tell of what is not shown.
    let none = ask(&site, None, "q=concert&kind=vod&limit=1").await.expect(200).json;
    assert_eq!((&none["vods"], &none["next_cursor"], &none["more"]), (&json!([]), &Value::Null, &json!([])));
    site.sql("UPDATE vods SET visibility = 'public' WHERE title = 'Concert public'").await;

    for (hide, show) in [
        ("UPDATE users SET is_barred = true WHERE username = 'alice'", "UPDATE users SET is_barred = false"),
        ("UPDATE users SET closed_at = now() WHERE username = 'alice'", "UPDATE users SET closed_at = NULL"),
    ] {
        site.sql(hide).await;
        let found = ask(&site, None, "q=alice").await.expect(200).json;
        assert_eq!((&found["channels"], &found["vods"]), (&json!([]), &json!([])));
        assert_eq!(titles(&site, None, "q=concert").await, Vec::<String>::new());
        site.sql(show).await;
        assert_eq!(titles(&site, None, "q=concert").await, ["Concert public"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_their_owners_alone() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    let admin = site.register_as("ada", "admin").await;
    for name in ["budget 2026.ods", "budget old.ods"] {
        file(&site, &alice, name).await;
    }
    indexed(&site).await;
    site.sql("UPDATE files SET trashed_at = now() WHERE name = 'budget old.ods'").await;
    let found = async |who: Option<&Member>, kind: &str| {
        of(&ask(&site, who, &format!("q=budget{kind}")).await.expect(200).json, "files", "name")
    };
    for kind in ["", "&kind=file"] {
        assert_eq!(found(Some(&alice), kind).await, ["budget 2026.ods"]);
        for who in [None, Some(&bob), Some(&admin)] {
            assert_eq!(found(who, kind).await, Vec::<String>::new());
        }
    }
    // A program that may read what its member watches may not read what they keep.
    let body = json!({"name": "bot", "scopes": ["content:read"], "password": crate::harness::PASSWORD});
    let made = site.post("/api/v1/me/api-tokens").bearer(&alice.token).json(body).send().await.expect(201);
    let program = Member { token: made.json["token"].as_str().expect("a token").to_owned(), ..alice.clone() };
    let answer = ask(&site, Some(&program), "q=budget").await.expect(200);
    assert_eq!(answer.json["files"], json!([]));
    site.get("/api/v1/search?q=budget").bearer("forged").send().await.refused(401, "auth.invalid-token");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_without_gaps_or_repeats() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    for n in 0..7 {
        // Three of them fit better.
        site.stream(
            &alice,
            &if n % 2 == 0 { format!("Episode {n}") } else { format!("Episode episode{n} {n}") },
            "ended",
            "ready",
        )
        .await;
    }
    site.sql(
        "UPDATE vods SET visibility = 'private' WHERE title = 'Episode 4';
         UPDATE vods SET tags = '{episode}' WHERE title = 'Episode 6'",
    )
    .await;
    indexed(&site).await;
    let whole = ask(&site, None, "q=episode&kind=vod").await.expect(200).json;
    let whole = of(&whole, "vods", "id");
    assert_eq!(whole.len(), 6);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = ask(&site, None, &format!("q=episode&kind=vod&limit=2{cursor}")).await.expect(200).json;
        seen.extend(of(&page, "vods", "id"));
        match page["next_cursor"].as_str() {
            Some(next) => {
                assert_eq!(page["more"], json!(["vod"]));
                cursor = format!("&cursor={next}");
            }
            None => break,
        }
    }
    assert_eq!(seen, whole);
    let best = ask(&site, None, "q=episode&limit=2").await.expect(200).json;
    assert_eq!(
        (of(&best, "vods", "id"), &best["more"], &best["next_cursor"]),
        (whole[..2].to_vec(), &json!(["vod"]), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn signs_are_only_signs() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    site.stream(&alice, "100% oil & water", "ended", "ready").await;
    indexed(&site).await;
    for typed in ["oil", "'oil", "oil':*", "oil & !water |", "water\\ <-> oil", "100%", "oil\u{0}", "(oil", "oil:ABCD"]
    {
        let q = encoded(typed);
        let answer = ask(&site, None, &format!("q={q}")).await.expect(200);
        let expected = usize::from(typed != "oil:ABCD");
        assert_eq!(answer.json["vods"].as_array().unwrap().len(), expected, "{typed}");
    }
    for typed in ["'&|!:*", "%_", "🦀", "---"] {
        let q = encoded(typed);
        let answer = ask(&site, None, &format!("q={q}")).await.expect(200);
        assert_eq!((&answer.json["channels"], &answer.json["vods"]), (&json!([]), &json!([])), "{typed}");
    }
    for bad in ["", "q=", "q=%20", &format!("q={}", "x".repeat(101)), "q=a&limit=0", "q=a&limit=101", "q=a&cursor=abc"]
    {
        let answer = ask(&site, None, bad).await;
        assert_eq!(answer.status, 422, "{bad}");
    }
    for bad in ["kind=user", "kind=vod&cursor=abc", "kind=vod&cursor=bnVsbA"] {
        let answer = ask(&site, None, &format!("q=a&{bad}")).await;
        assert!(answer.status == 422 || bad.ends_with("bnVsbA"), "{bad}: {}", answer.status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_have_a_limit() {
    let site = Setup::new().start().await;
    for _ in 0..400 {
        let answer = ask(&site, None, "q=a").await;
        if answer.status == 429 {
            answer.refused(429, "search.throttled");
            return;
        }
        answer.expect(200);
    }
    panic!("nobody is ever refused");
}
