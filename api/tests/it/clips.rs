//! Clips: who makes, sees, renames and deletes them, how many there may be, and what players get.

use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use media::playlist::{ParsedMedia, parse_media, parse_multivariant};
use objects::keys;
use serde_json::{Value, json};

use crate::harness::{Answer, Member, Site, names};
use crate::vod_playback::Cinema;

/// A finished recording of 24 seconds by alice, in segments of two.
async fn cinema() -> (Cinema, Member) {
    let cinema = Cinema::new("ready").await;
    cinema.store_all(0..12).await;
    cinema.site.sql("UPDATE vods SET duration_ms = 24000").await;
    let alice = cinema.site.login("alice").await;
    (cinema, alice)
}

async fn make(cinema: &Cinema, member: &Member, start_ms: i64, end_ms: i64) -> Answer {
    let body = json!({"title": "that drop", "start_ms": start_ms, "end_ms": end_ms});
    let path = format!("/api/v1/vods/{}/clips", cinema.vod);
    cinema.site.post(&path).bearer(&member.token).json(body).send().await
}

async fn made(cinema: &Cinema, member: &Member, start_ms: i64, end_ms: i64) -> String {
    make(cinema, member, start_ms, end_ms).await.expect(201).json["id"].as_str().expect("an id").to_owned()
}

async fn media(site: &Site, path: &str) -> ParsedMedia {
    parse_media(&site.get(path).send().await.expect(200).text()).expect("a playlist")
}

fn msns(playlist: &ParsedMedia) -> Vec<u64> {
    playlist.segments.iter().map(|segment| segment.msn).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_is_made_found_renamed_and_deleted_by_who_made_it() {
    let (cinema, alice) = cinema().await;
    let site = &cinema.site;
    let bob = site.register("bob").await;
    let path = format!("/api/v1/vods/{}/clips", cinema.vod);
    let body = json!({"title": "  that\n drop ", "start_ms": 5_000, "end_ms": 11_000});
    let clip = site.post(&path).bearer(&bob.token).json(body).send().await.expect(201).json;
    let id = clip["id"].as_str().expect("an id").to_owned();
    let told = ["title", "start_ms", "duration_ms", "views", "may_rename", "may_delete", "visibility", "vod_title"];
    let told: Vec<&Value> = told.iter().map(|field| &clip[*field]).collect();
    assert_eq!(json!(told), json!(["that drop", 5_000, 6_000, 0, true, true, "public", "Show"]));
    assert_eq!((&clip["channel"]["username"], &clip["creator"]["username"]), (&json!("alice"), &json!("bob")));
    assert_eq!(clip["playback"], json!({"hls": format!("/clip/{id}/index.m3u8"), "dash": null}));
    let later = made(&cinema, &alice, 0, 24_500).await;

    let list = site.get(&path).bearer(&bob.token).send().await.expect(200);
    assert_eq!(names(&list, "id"), [later.clone(), id.clone()]);
    assert_eq!((&list.json["total"], &list.json["clips_for"]), (&json!(2), &json!("everybody")));
    assert_eq!(list.json["may_create"], true);
    assert_eq!(list.json["items"][0]["duration_ms"], 24_000, "an end past the last picture is that picture");
    assert_eq!(list.json["items"][0]["may_rename"], false, "somebody else's");
    assert_eq!(site.get(&path).send().await.expect(200).json["may_create"], false, "not signed in");

    site.sql(&format!("UPDATE clips SET views = 7 WHERE clip_id = '{id}'")).await;
    let all = |query: &'static str| async move {
        names(&site.get(&format!("/api/v1/clips?{query}")).send().await.expect(200), "id")
    };
    assert_eq!(all("channel=ALICE").await, [later.clone(), id.clone()]);
    assert_eq!(all("channel=alice&sort=views").await, [id.clone(), later.clone()]);
    assert!(all("channel=bob").await.is_empty());
    let first = site.get("/api/v1/clips?limit=1").send().await.expect(200);
    let cursor = first.json["next_cursor"].as_str().expect("more");
    let second = site.get(&format!("/api/v1/clips?limit=1&cursor={cursor}")).send().await.expect(200);
    assert_eq!((names(&second, "id"), &second.json["next_cursor"]), (vec![id.clone()], &Value::Null));

    let path = format!("/api/v1/clips/{id}");
    let patch = |title: String| site.call("PATCH", &path).bearer(&bob.token).json(json!({"title": title})).send();
    assert_eq!(patch("The drop".to_owned()).await.expect(200).json["title"], "The drop");
    for title in [String::new(), "x".repeat(101)] {
        patch(title).await.refused(422, "request.invalid");
    }
    site.call("DELETE", &path).bearer(&bob.token).send().await.expect(204);
    site.call("DELETE", &path).bearer(&bob.token).send().await.refused(404, "clip.not-found");
    site.get(&path).send().await.refused(404, "clip.not-found");
    site.get(&format!("/clip/{id}/index.m3u8")).send().await.refused(404, "vod.not-found");
    assert_eq!(
        site.rows("SELECT action FROM mod_log").await.len(),
        0,
        "what one does to one's own is nobody's business"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_sensible_spans_of_what_is_there_become_clips() {
    let (cinema, alice) = cinema().await;
    for (start, end, field) in [
        (0, 4_999, "end_ms"),
        (10_000, 5_000, "end_ms"),
        (-1, 6_000, "start_ms"),
        (24_000, 30_000, "start_ms"),
        (5_000, 25_001, "end_ms"),
        (20_000, 24_900, "end_ms"),
        (i64::MIN, i64::MAX, "start_ms"),
    ] {
        let answer = make(&cinema, &alice, start, end).await.refused(422, "request.invalid");
        assert_eq!(answer.json["errors"][0]["field"], field, "{start} to {end}");
    }
    let path = format!("/api/v1/vods/{}/clips", cinema.vod);
    for body in
        [json!({"title": "x", "start_ms": 0}), json!({"title": "x", "start_ms": 0, "end_ms": 6_000, "views": 9})]
    {
        cinema.site.post(&path).bearer(&alice.token).json(body).send().await.refused(422, "request.malformed");
    }
    // One that is being made: a little ahead of what is stored.
    cinema.site.sql("UPDATE vods SET status = 'recording'; UPDATE streams SET status = 'live', ended_at = NULL").await;
    made(&cinema, &alice, 20_000, 44_000).await;
    make(&cinema, &alice, 20_000, 44_001).await.refused(422, "request.invalid");
    cinema.site.sql("UPDATE vods SET status = 'failed'").await;
    make(&cinema, &alice, 0, 6_000).await.refused(409, "clip.nothing-there");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_make_clips_is_the_owners_choice_and_not_of_who_was_shown_out() {
    let (cinema, alice) = cinema().await;
    let site = &cinema.site;
    let stranger = site.register("stranger").await;
    let follower = site.register("follower").await;
    let helper = site.register("helper").await;
    let staff = site.register_as("staff", "moderator").await;
    site.call("PUT", "/api/v1/channels/alice/follow").bearer(&follower.token).send().await.expect(204);
    let appoint = "INSERT INTO channel_moderators (channel_id, user_id)";
    site.sql(&format!("{appoint} VALUES ('{}', '{}')", alice.id, helper.id)).await;
    let path = format!("/api/v1/vods/{}/clips", cinema.vod);
    site.post(&path)
        .json(json!({"title": "x", "start_ms": 0, "end_ms": 6_000}))
        .send()
        .await
        .refused(401, "auth.required");
    let settings = |who: &'static str| {
        site.call("PATCH", "/api/v1/me/clips").bearer(&alice.token).json(json!({"clips_for": who})).send()
    };
    assert_eq!(
        site.get("/api/v1/me/clips").bearer(&alice.token).send().await.expect(200).json["clips_for"],
        "everybody"
    );
    settings("friends").await.refused(422, "request.malformed");
    for (who, expected) in [
        ("nobody", [false, false, false, false, true]),
        ("moderators", [false, false, true, true, true]),
        ("followers", [false, true, true, true, true]),
        ("everybody", [true; 5]),
    ] {
        assert_eq!(settings(who).await.expect(200).json["clips_for"], who);
        for (member, may) in [&stranger, &follower, &helper, &staff, &alice].into_iter().zip(expected) {
            let list = site.get(&path).bearer(&member.token).send().await.expect(200);
            assert_eq!((&list.json["may_create"], &list.json["clips_for"]), (&json!(may), &json!(who)));
            let answer = make(&cinema, member, 0, 6_000).await;
            if may {
                answer.expect(201);
            } else {
                answer.refused(403, "clip.not-allowed");
            }
        }
    }
    let sanction = |ends: &str| {
        format!(
            "DELETE FROM chat_sanctions; INSERT INTO chat_sanctions (channel_id, user_id, act_id, imposed_by, ends_at) \
             VALUES ('{}', '{}', gen_random_uuid(), '{}', {ends})",
            alice.id, stranger.id, alice.id
        )
    };
    for (ends, may) in [("NULL", false), ("now() + interval '1 hour'", false), ("now() - interval '1 second'", true)] {
        site.sql(&sanction(ends)).await;
        let answer = make(&cinema, &stranger, 0, 6_000).await;
        if may {
            answer.expect(201);
        } else {
            answer.refused(403, "clip.silenced");
            assert_eq!(site.get(&path).bearer(&stranger.token).send().await.expect(200).json["may_create"], false);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_is_seen_by_who_may_see_its_recording_and_by_nobody_else() {
    let (cinema, alice) = cinema().await;
    let site = &cinema.site;
    let fred = site.register("fred").await;
    let olga = site.register("olga").await;
    let staff = site.register_as("mona", "moderator").await;
    site.call("PUT", "/api/v1/channels/alice/follow").bearer(&fred.token).send().await.expect(204);
    let id = made(&cinema, &fred, 4_000, 10_000).await;
    let call = |method: &str, path: &str, member: Option<&Member>| {
        let call = site.call(method, path);
        member.map_or(call.from("198.51.100.1"), |member| site.call(method, path).bearer(&member.token)).send()
    };
    let people = [
        ("visitor", None),
        ("other", Some(&olga)),
        ("follower", Some(&fred)),
        ("owner", Some(&alice)),
        ("staff", Some(&staff)),
    ];
    for (visibility, seen, listed) in [
        ("public", [true; 5], [true; 5]),
        ("unlisted", [true; 5], [false, false, false, true, false]),
        ("followers", [false, false, true, true, true], [false, false, true, true, false]),
        ("private", [false, false, false, true, true], [false, false, false, true, false]),
    ] {
        site.sql(&format!("UPDATE vods SET visibility = '{visibility}'")).await;
        for (((who, member), may_see), is_listed) in people.into_iter().zip(seen).zip(listed) {
            let told = format!("{who} and {visibility}");
            let list = call("GET", "/api/v1/clips?channel=alice", member).await.expect(200);
            assert_eq!(!names(&list, "id").is_empty(), is_listed, "{told}");
            let one = call("GET", &format!("/api/v1/clips/{id}"), member).await;
            let of_vod = call("GET", &format!("/api/v1/vods/{}/clips", cinema.vod), member).await;
            let view = call("POST", &format!("/api/v1/clips/{id}/views"), member).await;
            if !may_see {
                one.refused(404, "clip.not-found");
                view.refused(404, "clip.not-found");
                of_vod.refused(404, "vod.not-found");
                if let Some(member) = member {
                    make(&cinema, member, 0, 6_000).await.refused(404, "vod.not-found");
                    call("DELETE", &format!("/api/v1/clips/{id}"), Some(member)).await.refused(404, "clip.not-found");
                }
                continue;
            }
            assert_eq!(names(&of_vod.expect(200), "id"), std::slice::from_ref(&id), "{told}");
            let hls = one.expect(200).json["playback"]["hls"].as_str().expect("an address").to_owned();
            let query = hls.split_once('?').map_or(String::new(), |(_, query)| format!("?{query}"));
            assert_eq!(query.starts_with("?token="), matches!(visibility, "followers" | "private"), "{told}: {hls}");
            // The token is the recording's: it opens the playlists and the segments they name.
            site.get(&hls).send().await.expect(200);
            let playlist = media(site, &format!("/clip/{id}/source/index.m3u8{query}")).await;
            let segment = &playlist.segments[0].uri;
            assert_eq!(*segment, format!("/vod/{}/source/seg2.m4s{query}", cinema.vod), "{told}");
            assert_eq!(site.get(segment).send().await.expect(200).text(), "source 2 0123456789");
        }
        if matches!(visibility, "followers" | "private") {
            for file in ["index.m3u8", "source/index.m3u8", "thumbnail.jpg"] {
                let path = format!("/clip/{id}/{file}");
                site.get(&path).send().await.refused(404, "vod.not-found");
                site.get(&format!("{path}?token=made.up")).send().await.refused(404, "vod.not-found");
            }
        }
    }
    site.sql("UPDATE vods SET visibility = 'public'").await;
    // Whoever made it is suspended, then whose recording it is; then the recording goes.
    for suspended in [&fred, &alice] {
        site.sql(&format!("UPDATE users SET is_barred = (user_id = '{}')", suspended.id)).await;
        call("GET", &format!("/api/v1/clips/{id}"), None).await.refused(404, "clip.not-found");
        assert!(names(&call("GET", "/api/v1/clips", None).await.expect(200), "id").is_empty());
        call("GET", &format!("/api/v1/clips/{id}"), Some(&staff)).await.expect(200);
    }
    site.sql("UPDATE users SET is_barred = false").await;
    site.call("DELETE", &format!("/api/v1/vods/{}", cinema.vod)).bearer(&alice.token).send().await.expect(204);
    for member in [None, Some(&fred), Some(&alice), Some(&staff)] {
        call("GET", &format!("/api/v1/clips/{id}"), member).await.refused(404, "clip.not-found");
    }
    make(&cinema, &fred, 0, 6_000).await.refused(404, "vod.not-found");
    site.get(&format!("/clip/{id}/source/index.m3u8")).send().await.refused(404, "vod.not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn moderators_take_clips_away_and_the_log_says_so() {
    let (cinema, alice) = cinema().await;
    let site = &cinema.site;
    let [bob, helper, olga] = [site.register("bob").await, site.register("helper").await, site.register("olga").await];
    let staff = site.register_as("mona", "moderator").await;
    let appoint = "INSERT INTO channel_moderators (channel_id, user_id)";
    site.sql(&format!("{appoint} VALUES ('{}', '{}')", alice.id, helper.id)).await;
    for (member, may_rename, may_delete) in
        [(&olga, false, false), (&helper, false, true), (&alice, true, true), (&staff, true, true)]
    {
        let path = format!("/api/v1/clips/{}", made(&cinema, &bob, 0, 6_000).await);
        let clip = site.get(&path).bearer(&member.token).send().await.expect(200).json;
        assert_eq!((&clip["may_rename"], &clip["may_delete"]), (&json!(may_rename), &json!(may_delete)));
        let rename = site.call("PATCH", &path).bearer(&member.token).json(json!({"title": "Hm"})).send().await;
        let delete = site.call("DELETE", &path).bearer(&member.token).send().await;
        if may_rename {
            rename.expect(200);
        } else {
            rename.refused(403, "clip.not-yours");
        }
        if may_delete {
            delete.expect(204);
        } else {
            delete.refused(403, "clip.not-yours");
        }
    }
    let log = site.rows("SELECT action, actor, target, detail->>'text' AS title FROM mod_log ORDER BY act_id").await;
    let told: Vec<_> = log.iter().map(|row| [&row["action"], &row["actor"], &row["target"], &row["title"]]).collect();
    assert_eq!(
        json!(told),
        json!([
            ["clip_remove", "helper", "bob", "that drop"],
            ["clip_remove", "alice", "bob", "Hm"],
            ["clip_remove", "mona", "bob", "Hm"]
        ])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_member_makes_so_many_clips_an_hour_and_of_a_recording() {
    let (cinema, alice) = cinema().await;
    let site = &cinema.site;
    let bob = site.register("bob").await;
    site.sql(&format!(
        "INSERT INTO clips (clip_id, vod_id, channel_id, creator_id, title, start_ms, end_ms) \
         SELECT gen_random_uuid(), '{}', '{}', '{}', 'x', 0, 6000 FROM generate_series(1, 29)",
        cinema.vod, alice.id, bob.id
    ))
    .await;
    let several = futures::future::join_all((0..4).map(|_| make(&cinema, &bob, 0, 6_000))).await;
    let made = several.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 1, "the thirtieth, once: {several:?}");
    make(&cinema, &bob, 0, 6_000).await.refused(409, "clip.too-many");
    // A deleted one makes room.
    let delete =
        "UPDATE clips SET deleted_at = now() WHERE clip_id = (SELECT clip_id FROM clips WHERE title = 'x' LIMIT 1)";
    site.sql(delete).await;
    make(&cinema, &bob, 0, 6_000).await.expect(201);

    let carol = site.register("carol").await;
    for _ in 0..20 {
        make(&cinema, &carol, 0, 6_000).await.expect(201);
    }
    let refused = make(&cinema, &carol, 0, 6_000).await.refused(429, "clip.throttled");
    assert!(!refused.header("retry-after").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn views_of_a_clip_count_once_and_reach_its_row_and_no_other() {
    let (cinema, alice) = cinema().await;
    let site = &cinema.site;
    let id = made(&cinema, &alice, 0, 6_000).await;
    let view = || site.post(&format!("/api/v1/clips/{id}/views"));
    let counted = |answer: Answer| (answer.json["counted"].as_bool(), answer.json["views"].as_i64());
    assert_eq!(counted(view().bearer(&alice.token).send().await.expect(200)), (Some(true), Some(1)));
    assert_eq!(counted(view().bearer(&alice.token).send().await.expect(200)), (Some(false), Some(1)));
    assert_eq!(counted(view().from("198.51.100.7").send().await.expect(200)), (Some(true), Some(2)));
    let of_vod = site.post(&format!("/api/v1/vods/{}/views", cinema.vod)).bearer(&alice.token).send().await;
    assert_eq!(counted(of_vod.expect(200)), (Some(true), Some(1)), "the recording's are apart");
    let batch = live::views::take_batches(&site.live).await.expect("redis").remove(0);
    assert_eq!((batch.counts.len(), batch.clips.clone()), (1, vec![(id.parse().expect("an id"), 2)]));
    let mut tx = db::begin(&site.pool).await.expect("a transaction");
    assert!(db::notify::apply_view_batch(&mut tx, batch.id, &batch.counts).await.expect("applied"));
    db::clips::add_views(&mut tx, &batch.clips).await.expect("added");
    db::commit(tx).await.expect("committed");
    live::views::drop_batch(&site.live, batch.id).await.expect("dropped");
    assert_eq!(site.get(&format!("/api/v1/clips/{id}")).send().await.expect(200).json["views"], 2);
    assert_eq!(site.get(&format!("/api/v1/vods/{}", cinema.vod)).send().await.expect(200).json["views"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_is_played_from_the_recordings_own_segments() {
    let (cinema, alice) = cinema().await;
    let site = &cinema.site;
    // The recording breaks before its fifth segment, with another init segment from there on.
    let id = made(&cinema, &alice, 5_500, 11_500).await;
    let listed = site.get(&format!("/clip/{id}/index.m3u8?vs=7")).send().await.expect(200);
    assert_eq!(listed.header("content-type"), "application/vnd.apple.mpegurl");
    let parsed = parse_multivariant(&listed.text()).expect("a playlist");
    assert_eq!(parsed.variants[0].uri, "source/index.m3u8?vs=7");
    for rendition in ["source", "audio"] {
        let answer = site.get(&format!("/clip/{id}/{rendition}/index.m3u8?vs=7")).send().await.expect(200);
        let text = answer.text();
        assert!(text.contains("#EXT-X-START:TIME-OFFSET=1.500,PRECISE=YES\n"), "{text}");
        let playlist = parse_media(&text).expect("a playlist");
        assert_eq!((playlist.playlist_type.as_deref(), playlist.is_ended), (Some("VOD"), true));
        assert_eq!(msns(&playlist), [2, 3, 4, 5]);
        let folder = format!("/vod/{}/{rendition}", cinema.vod);
        let shown: Vec<_> = playlist.segments.iter().map(|one| (one.is_discontinuity, one.map.clone())).collect();
        let map = |number: u32| Some(format!("{folder}/init{number}.mp4?vs=7"));
        assert_eq!(shown, [(false, map(0)), (false, map(0)), (true, map(1)), (false, map(1))]);
        assert_eq!(playlist.segments[0].uri, format!("{folder}/seg2.m4s?vs=7"));
        assert_eq!(playlist.segments[0].program_date_time.as_deref(), Some("2026-09-21T14:13:24.000Z"));
        for segment in &playlist.segments {
            site.get(&segment.uri).send().await.expect(200);
        }
        let etag = answer.header("etag").to_owned();
        let again = site.get(&format!("/clip/{id}/{rendition}/index.m3u8?vs=7")).header("if-none-match", &etag);
        again.send().await.expect(304);
    }
    // One that begins at the break begins without one.
    let at_break = made(&cinema, &alice, 8_000, 14_000).await;
    let playlist = media(site, &format!("/clip/{at_break}/source/index.m3u8")).await;
    assert_eq!((msns(&playlist), playlist.segments[0].is_discontinuity), (vec![4, 5, 6], false));
    assert!(playlist.segments[0].map.as_deref().is_some_and(|map| map.ends_with("init1.mp4")));
    let iframes = site.get(&format!("/clip/{id}/source/iframes.m3u8")).send().await.expect(200).text();
    assert!(iframes.contains(&format!("\n/vod/{}/source/seg2.m4s\n", cinema.vod)), "{iframes}");
    site.get(&format!("/clip/{id}/audio/iframes.m3u8")).send().await.refused(404, "vod.no-file");
    site.get(&format!("/clip/{id}/1080p/index.m3u8")).send().await.refused(404, "vod.no-rendition");
    site.get(&format!("/clip/{id}/source/seg2.m4s")).send().await.refused(404, "vod.no-file");
    site.get(&format!("/clip/{}/index.m3u8", kit::ids::uuid())).send().await.refused(404, "vod.not-found");
    site.get("/clip/nonsense/index.m3u8").send().await.expect(404);
    let page = site.get(&format!("/clip/{id}")).send().await.expect(200).text();
    assert!(page.contains("<meta property=\"og:title\" content=\"that drop\" />"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_of_a_running_recording_grows_until_all_of_it_is_stored() {
    let cinema = Cinema::new("recording").await;
    cinema.store_all(0..4).await;
    cinema.site.sql("UPDATE vods SET duration_ms = 8000").await;
    let alice = cinema.site.login("alice").await;
    let id = made(&cinema, &alice, 5_000, 13_000).await;
    let path = format!("/clip/{id}/source/index.m3u8");
    let until = |segments: usize| {
        let (site, path) = (&cinema.site, &path);
        async move {
            let patience = std::time::Instant::now() + std::time::Duration::from_secs(5);
            loop {
                let playlist = media(site, path).await;
                if playlist.segments.len() >= segments {
                    return playlist;
                }
                assert!(std::time::Instant::now() < patience, "only {:?}", msns(&playlist));
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    };
    let early = until(2).await;
    assert_eq!((msns(&early), early.playlist_type.as_deref()), (vec![2, 3], Some("EVENT")));
    assert!(!early.is_ended);
    cinema.store_all(4..9).await;
    let whole = until(5).await;
    assert_eq!((msns(&whole), whole.playlist_type.as_deref()), (vec![2, 3, 4, 5, 6], Some("VOD")));
    assert!(whole.is_ended, "the stream goes on, the clip is whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clips_picture_is_the_storyboards_nearest_or_the_recordings() {
    let (cinema, alice) = cinema().await;
    let site = &cinema.site;
    let key = keys::vod_thumbnail(cinema.vod);
    cinema.put(&key, "the recording's picture".to_owned()).await;
    site.sql(&format!("UPDATE vods SET thumbnail_key = '{key}'")).await;
    let before = made(&cinema, &alice, 0, 6_000).await;
    let shown = site.get(&format!("/clip/{before}/thumbnail.jpg")).send().await.expect(200);
    assert_eq!(shown.text(), "the recording's picture");

    // Four pictures, five seconds apart, each of another grey.
    let sheet = RgbImage::from_fn(32, 18 * 4, |_, y| Rgb([40 + 50 * u8::try_from(y / 18).expect("small"); 3]));
    let mut bytes = Vec::new();
    sheet.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 95)).expect("encodes");
    cinema.put_bytes(&keys::vod_sheet(cinema.vod, 0), bytes.into()).await;
    let mut conn = site.pool.acquire().await.expect("a connection");
    let row = db::storyboards::Sheet {
        seq: 0,
        tile_width: 32,
        tile_height: 18,
        tile_step: 18,
        seqs: vec![0, 2, 5, 7],
        offsets_ms: vec![0, 1_000, 0, 1_000],
        byte_size: 1_000,
    };
    db::storyboards::insert(&mut conn, cinema.vod, &row).await.expect("a row");
    drop(conn);
    for (start_ms, grey) in [(1_000, 40), (4_000, 90), (9_000, 140), (18_000, 190)] {
        let id = made(&cinema, &alice, start_ms, start_ms + 5_000).await;
        let path = format!("/clip/{id}/thumbnail.jpg");
        let answer = site.get(&path).send().await.expect(200);
        assert_eq!(answer.header("content-type"), "image/jpeg");
        let picture = image::load_from_memory(&answer.body).expect("a picture").to_rgb8();
        let found = i32::from(picture.get_pixel(16, 9).0[0]);
        assert!(picture.dimensions() == (32, 18) && (found - grey).abs() < 8, "{start_ms}: {found}");
        let etag = answer.header("etag").to_owned();
        site.get(&path).header("if-none-match", &etag).send().await.expect(304);
        let head = site.call("HEAD", &path).send().await.expect(200);
        assert_eq!((head.body.len(), head.header("content-length")), (0, answer.body.len().to_string().as_str()));
    }
}
