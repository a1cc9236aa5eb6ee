//! What is not for everybody: who sees it in lists, pages and media, and what becomes of a permission.

use std::time::Duration;

use domain::visibility::Standing;
use domain::{SessionId, UserId, VodId};
use kit::Secret;
use kit::playback::{Bearer, PlaybackTokens, Subject};
use serde_json::{Value, json};

use crate::harness::{Answer, Member, SECRET, Site, names};
use crate::vod_playback::Cinema;

const ALL: [&str; 4] = ["public", "unlisted", "followers", "private"];

/// One of each kind of visitor. `None` is not signed in.
struct Crowd {
    owner: Member,
    follower: Member,
    people: Vec<(&'static str, Option<Member>)>,
}

impl Crowd {
    async fn of(site: &Site) -> Self {
        let owner = site.login("alice").await;
        let follower = site.register("fred").await;
        follow(site, &follower).await;
        let people = vec![
            ("visitor", None),
            ("other", Some(site.register("olga").await)),
            ("follower", Some(follower.clone())),
            ("owner", Some(owner.clone())),
            ("moderator", Some(site.register_as("mona", "moderator").await)),
            ("admin", Some(site.register_as("ada", "admin").await)),
        ];
        Self { owner, follower, people }
    }
}

async fn follow(site: &Site, member: &Member) {
    site.call("PUT", "/api/v1/channels/alice/follow").bearer(&member.token).send().await.expect(204);
}

fn may_see(who: &str, visibility: &str) -> bool {
    match visibility {
        "public" | "unlisted" => true,
        "followers" => !matches!(who, "visitor" | "other"),
        _ => matches!(who, "owner" | "moderator" | "admin"),
    }
}

fn is_listed(who: &str, visibility: &str) -> bool {
    match visibility {
        "public" => true,
        "followers" => matches!(who, "follower" | "owner"),
        _ => who == "owner",
    }
}

async fn ask(site: &Site, method: &str, path: &str, member: Option<&Member>) -> Answer {
    let call = site.call(method, path);
    match member {
        Some(member) => call.bearer(&member.token).send().await,
        None => call.send().await,
    }
}

/// Everything a player fetches of a recording, from its playback address.
async fn media_of(site: &Site, hls: &str) -> Vec<(String, Answer)> {
    let (path, query) = hls.split_once('?').map_or((hls, String::new()), |(path, query)| (path, format!("?{query}")));
    let base = path.trim_end_matches("index.m3u8").to_owned();
    let mut seen = Vec::new();
    for file in ["index.m3u8", "index.mpd", "source/index.m3u8", "source/init0.mp4", "source/seg0.m4s", "thumbnail.jpg"]
    {
        let url = format!("{base}{file}{query}");
        seen.push((file.to_owned(), site.get(&url).send().await));
    }
    seen
}

async fn cinema() -> Cinema {
    let cinema = Cinema::new("ready").await;
    cinema.store_all(0..3).await;
    let key = format!("vod/{}/thumbnail.jpg", cinema.vod);
    cinema.put(&key, "a picture".to_owned()).await;
    cinema.site.sql(&format!("UPDATE vods SET thumbnail_key = '{key}'")).await;
    cinema
}

async fn set(site: &Site, visibility: &str) {
    site.sql(&format!("UPDATE vods SET visibility = '{visibility}'; UPDATE streams SET visibility = '{visibility}'"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_for_whom_its_owner_says_everywhere() {
    let cinema = cinema().await;
    let (site, vod) = (&cinema.site, cinema.vod);
    let crowd = Crowd::of(site).await;
    let unknown = site.get(&format!("/vod/{}/index.m3u8", kit::ids::uuid())).send().await.expect(404);
    for visibility in ALL {
        set(site, visibility).await;
        for (who, member) in &crowd.people {
            let member = member.as_ref();
            let told = format!("{who} and {visibility}");
            for list in ["/api/v1/vods", "/api/v1/vods?channel=alice&sort=views", "/api/v1/vods?q=show"] {
                let listed = names(&ask(site, "GET", list, member).await.expect(200), "id");
                assert_eq!(listed.contains(&vod.to_string()), is_listed(who, visibility), "{told}: {list}");
            }
            let page = ask(site, "GET", &format!("/api/v1/vods/{vod}"), member).await;
            let token = ask(site, "POST", &format!("/api/v1/vods/{vod}/playback-token"), member).await;
            let view = ask(site, "POST", &format!("/api/v1/vods/{vod}/views"), member).await;
            if !may_see(who, visibility) {
                for answer in [page, token, view] {
                    answer.refused(404, "vod.not-found");
                }
                let change = site.call("PATCH", &format!("/api/v1/vods/{vod}")).json(json!({"visibility": "public"}));
                let change = match member {
                    Some(member) => change.bearer(&member.token).send().await,
                    None => change.send().await,
                };
                assert!(matches!(change.status.as_u16(), 401 | 404), "{told}: {}", change.text());
                continue;
            }
            let (page, token) = (page.expect(200), token.expect(200));
            assert_eq!(page.json["visibility"], visibility);
            view.expect(200);
            let needs_token = matches!(visibility, "followers" | "private");
            assert_eq!(token.json["token"].is_string(), needs_token, "{told}");
            let hls = page.json["playback"]["hls"].as_str().expect("an address").to_owned();
            assert_eq!(hls.contains("?token="), needs_token, "{told}: {hls}");
            for (file, answer) in media_of(site, &hls).await {
                let answer = answer.expect(200);
                if needs_token {
                    assert_eq!(answer.header("cache-control"), "private, no-store", "{told}: {file}");
                    assert_eq!(answer.header("access-control-allow-origin"), "", "{told}: {file}");
                } else {
                    assert!(answer.header("cache-control").starts_with("public"), "{told}: {file}");
                    assert_eq!(answer.header("access-control-allow-origin"), "*", "{told}: {file}");
                }
            }
            let thumbnail = page.json["thumbnail_url"].as_str().expect("a picture");
            site.get(thumbnail).send().await.expect(200);
        }
        // The same address in somebody else's hands, who has no token: as if there were nothing.
        for (file, answer) in media_of(site, &format!("/vod/{vod}/index.m3u8")).await {
            if matches!(visibility, "followers" | "private") {
                let answer = answer.refused(404, "vod.not-found");
                assert_eq!(answer.json, unknown.json, "{file}: a guesser learns nothing");
            } else {
                answer.expect(200);
            }
        }
    }
    // Last, when it is private: what links say of themselves is remembered for a moment.
    let page = site.get(&format!("/v/{vod}")).send().await.expect(200).text();
    assert!(!page.contains("og:title") && !page.contains("Show"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_is_for_one_recording_for_minutes_and_ends_when_its_reason_does() {
    let cinema = cinema().await;
    let (site, vod) = (&cinema.site, cinema.vod);
    let crowd = Crowd::of(site).await;
    set(site, "followers").await;
    let address = |member: Member| async move {
        let page = ask(site, "GET", &format!("/api/v1/vods/{vod}"), Some(&member)).await.expect(200);
        page.json["playback"]["hls"].as_str().expect("an address").to_owned()
    };
    let all = |hls: String, status: u16, code: &'static str| async move {
        for (file, answer) in media_of(site, &hls).await {
            assert_eq!(answer.status.as_u16(), status, "{file}: {}", answer.text());
            if status >= 400 {
                assert_eq!(answer.json["code"], code, "{file}");
            }
        }
    };
    let hls = address(crowd.follower.clone()).await;
    all(hls.clone(), 200, "").await;

    // Playlists hand it to what they name.
    let playlist = site.get(&hls).send().await.expect(200).text();
    let token = hls.split_once('?').expect("a token").1;
    assert!(playlist.lines().any(|line| line.ends_with(&format!("source/index.m3u8?{token}"))), "{playlist}");
    let rendition = site.get(&hls.replace("index.m3u8", "source/index.m3u8")).send().await.expect(200).text();
    assert_eq!(rendition.matches(token).count(), 4, "three segments and the init: {rendition}");

    // Another recording, another key, another time.
    let (_, other) = site.stream(&crowd.owner, "Other", "ended", "ready").await;
    site.sql(&format!("UPDATE vods SET visibility = 'followers' WHERE vod_id = '{other}'")).await;
    all(hls.replace(&vod.to_string(), &other), 404, "vod.not-found").await;
    let issue = |secret: &str, id: VodId, ago: u64| {
        let bearer = Bearer {
            user: crowd.follower.id.parse::<UserId>().expect("an id"),
            session: SessionId::from_uuid(kit::ids::uuid()),
            standing: Standing::Owner,
        };
        let (owner, at) = (crowd.owner.id.parse().expect("an id"), kit::clock::unix_seconds() - ago);
        let token = PlaybackTokens::new(&Secret::new(secret)).issue_at(Subject::Vod(id), owner, bearer, at);
        format!("/vod/{vod}/index.m3u8?token={token}")
    };
    all(issue(SECRET, vod, 0), 200, "").await;
    all(issue("another secret", vod, 0), 404, "vod.not-found").await;
    all(issue(SECRET, other.parse().expect("an id"), 0), 404, "vod.not-found").await;
    all(issue(SECRET, vod, 300), 403, "playback.over").await;
    all(format!("/vod/{vod}/index.m3u8?token={}", crowd.owner.token), 404, "vod.not-found").await;

    // The follower leaves, comes back, signs out.
    let path = "/api/v1/channels/alice/follow";
    site.call("DELETE", path).bearer(&crowd.follower.token).send().await.expect(204);
    all(hls.clone(), 403, "playback.over").await;
    ask(site, "GET", &format!("/api/v1/vods/{vod}"), Some(&crowd.follower)).await.refused(404, "vod.not-found");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    follow(site, &crowd.follower).await;
    let again = address(crowd.follower.clone()).await;
    all(again.clone(), 200, "").await;
    site.post("/api/v1/auth/logout").bearer(&crowd.follower.token).send().await.expect(204);
    all(again, 403, "playback.over").await;

    // Its owner makes it private.
    let follower = site.login("fred").await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let (before, own) = (address(follower.clone()).await, address(crowd.owner.clone()).await);
    all(before.clone(), 200, "").await;
    let change = json!({"visibility": "private"});
    site.call("PATCH", &format!("/api/v1/vods/{vod}")).bearer(&crowd.owner.token).json(change).send().await.expect(200);
    site.get(&before).send().await.refused(403, "playback.over");
    all(before, 403, "playback.over").await;
    all(own, 200, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_for_whom_its_owner_says_everywhere() {
    let site = Site::start().await;
    site.register("alice").await;
    let crowd = Crowd::of(&site).await;
    let (stream, _) = site.stream(&crowd.owner, "Secret plans", "live", "recording").await;
    for visibility in ALL {
        set(&site, visibility).await;
        for (who, member) in &crowd.people {
            let member = member.as_ref();
            let told = format!("{who} and {visibility}");
            for list in ["/api/v1/streams?live=true", "/api/v1/streams?live=true&q=secret"] {
                let listed = names(&ask(&site, "GET", list, member).await.expect(200), "id");
                assert_eq!(listed.contains(&stream), is_listed(who, visibility), "{told}: {list}");
            }
            let channel = ask(&site, "GET", "/api/v1/channels/alice", member).await.expect(200);
            let is_staff = matches!(*who, "moderator" | "admin");
            let is_shown = is_listed(who, visibility) || is_staff;
            assert_eq!(channel.json["live"].is_object(), is_shown, "{told}: the channel's page");
            assert_eq!(channel.text().contains(&stream), is_shown, "{told}: no id anywhere");
            let page = ask(&site, "GET", &format!("/api/v1/streams/{stream}"), member).await;
            let token = ask(&site, "POST", &format!("/api/v1/streams/{stream}/playback-token"), member).await;
            if !may_see(who, visibility) {
                page.refused(404, "stream.not-found");
                token.refused(404, "stream.not-found");
                continue;
            }
            let hls = page.expect(200).json["playback"]["hls"].as_str().expect("an address").to_owned();
            match visibility {
                "public" => assert_eq!(hls, "/live/alice/index.m3u8"),
                "unlisted" => assert_eq!(hls, format!("/live/alice/index.m3u8?stream={stream}")),
                _ => assert!(hls.starts_with("/live/alice/index.m3u8?token="), "{told}: {hls}"),
            }
            assert_eq!(token.expect(200).json["token"].is_string(), matches!(visibility, "followers" | "private"));
        }
        let following = ask(&site, "GET", "/api/v1/me/following", Some(&crowd.follower)).await.expect(200);
        assert_eq!(following.json["items"][0]["live"].is_object(), is_listed("follower", visibility), "{visibility}");
    }
    site.sql("UPDATE streams SET status = 'ended', ended_at = now()").await;
    for (who, member) in &crowd.people {
        let over = names(&ask(&site, "GET", "/api/v1/streams?live=false", member.as_ref()).await.expect(200), "id");
        assert_eq!(over.contains(&stream), *who == "owner", "{who}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_reaches_the_stream_on_air_its_recording_and_those_who_were_told() {
    let site = Site::start().await;
    site.register("alice").await;
    let crowd = Crowd::of(&site).await;
    let (stream, vod) = site.stream(&crowd.owner, "Secret plans", "live", "recording").await;
    let settings = ask(&site, "GET", "/api/v1/me/stream", Some(&crowd.owner)).await.expect(200);
    assert_eq!(settings.json["visibility"], "public");
    site.sql(&format!(
        "INSERT INTO notifications (notification_id, user_id, type, message, entity_type, entity_id) \
         VALUES (gen_random_uuid(), '{}', 'stream_online', 'alice is live: Secret plans', 'stream', '{stream}')",
        crowd.follower.id
    ))
    .await;
    let told = || async {
        let list = ask(&site, "GET", "/api/v1/notifications", Some(&crowd.follower)).await.expect(200);
        (list.json["unread_count"].clone(), list.json["items"].as_array().map_or(0, Vec::len))
    };
    assert_eq!(told().await, (json!(1), 1));
    let change = |visibility: &str| {
        let call = site.call("PATCH", "/api/v1/me/stream").bearer(&crowd.owner.token);
        call.json(json!({"visibility": visibility}))
    };
    let answer = change("private").send().await.expect(200);
    assert_eq!(
        (&answer.json["visibility"], &answer.json["current"]["visibility"]),
        (&json!("private"), &json!("private"))
    );
    assert_eq!(told().await, (json!(0), 0), "what is not theirs any more is in no list and no count");
    let rows = site.rows(&format!("SELECT visibility FROM vods WHERE vod_id = '{vod}'")).await;
    assert_eq!(rows[0]["visibility"], "private");
    change("private").send().await.expect(200);
    let events = site.rows("SELECT payload FROM outbox WHERE kind = 'stream_access'").await;
    assert_eq!(events.len(), 1, "no change is no news: {events:?}");
    let payload: &Value = &events[0]["payload"];
    assert_eq!((&payload["was"], &payload["now"]), (&json!("public"), &json!("private")));
    change("secret").send().await.expect(422);
}
