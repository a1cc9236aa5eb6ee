//! Streams and the lists of them.

use std::time::Duration;

use domain::user::Username;
use serde_json::{Value, json};

use crate::harness::{Setup, Site, names};

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_on_air_is_live_and_what_starts_is_nobodys_business() {
    let site = Site::start().await;
    let mut ids = Vec::new();
    for status in ["starting", "live", "reconnecting", "ended"] {
        let owner = site.register(&format!("u_{status}")).await;
        let vod = if status == "ended" { "ready" } else { "recording" };
        ids.push((status, site.stream(&owner, status, status, vod).await));
    }
    let live = site.get("/api/v1/streams?live=true").send().await.expect(200);
    let mut titles = names(&live, "title");
    titles.sort();
    assert_eq!(titles, ["live", "reconnecting"]);
    let ended = site.get("/api/v1/streams?live=false").send().await.expect(200);
    assert_eq!(names(&ended, "title"), ["ended"]);
    for (status, (stream, vod)) in &ids {
        let expected = if *status == "starting" { 404 } else { 200 };
        site.get(&format!("/api/v1/streams/{stream}")).send().await.expect(expected);
        site.get(&format!("/api/v1/vods/{vod}")).send().await.expect(expected);
        let channel = site.get(&format!("/api/v1/channels/u_{status}")).send().await.expect(200);
        assert_eq!(channel.json["live"].is_null(), matches!(*status, "starting" | "ended"), "{status}");
    }
    let vods = site.get("/api/v1/vods").send().await.expect(200);
    assert_eq!(names(&vods, "title").len(), 3);
    let stream = &live.json["items"][0];
    let name = stream["channel"]["username"].as_str().expect("a name");
    assert_eq!(
        stream["playback"],
        json!({"hls": format!("/live/{name}/index.m3u8"), "dash": format!("/live/{name}/index.mpd")})
    );
    assert_eq!(stream["thumbnail_url"], format!("/live/{name}/thumbnail.jpg"));
    site.get("/api/v1/streams/nonsense").send().await.refused(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_most_watched_come_first_in_pages() {
    let site = Site::start().await;
    let viewers = live::viewers::Viewers::new(site.live.clone());
    for (n, watching) in [1_u32, 3, 0, 2].into_iter().enumerate() {
        let owner = site.register(&format!("chan{n}")).await;
        site.stream(&owner, &format!("Show {n}"), "live", "recording").await;
        let name = Username::parse(&format!("chan{n}")).expect("a name");
        let pairs: Vec<_> = (0..watching).map(|viewer| (name.clone(), format!("v{viewer}").into())).collect();
        assert!(viewers.beat(&pairs).await);
    }
    let first = site.get("/api/v1/streams?live=true&limit=3").send().await.expect(200);
    assert_eq!(names(&first, "title"), ["Show 1", "Show 3", "Show 0"]);
    assert_eq!(first.json["items"][0]["viewers"], 3);
    assert_eq!(first.json["items"][0].get("viewers_stale"), None);
    let next = first.json["next_cursor"].as_str().expect("more");
    let second = site.get(&format!("/api/v1/streams?live=true&limit=3&cursor={next}")).send().await.expect(200);
    assert_eq!(names(&second, "title"), ["Show 2"]);
    assert_eq!(second.json["next_cursor"], Value::Null);
    let page = site.get("/api/v1/channels/chan1").send().await.expect(200);
    assert_eq!(page.json["live"]["viewers"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn searching_finds_words_and_signs_as_typed() {
    let site = Site::start().await;
    let owner = site.register("painter").await;
    let other = site.register("other").await;
    site.stream(&owner, "100% oil", "live", "recording").await;
    site.stream(&other, "1000 oils", "live", "recording").await;
    let search = |q: &'static str| site.get(&format!("/api/v1/streams?q={q}")).send();
    assert_eq!(names(&search("100%25").await.expect(200), "title"), ["100% oil"]);
    assert_eq!(names(&search("PAINT").await.expect(200), "title"), ["100% oil"]);
    assert_eq!(search("_").await.expect(200).json["items"], json!([]));
    assert_eq!(search("%27%3B+DROP+TABLE+users--").await.expect(200).json["items"], json!([]));
    assert_eq!(names(&search("").await.expect(200), "title").len(), 2);
    for odd in ["category=%00", "q=%00", "live=true&category=%25", "live=false&q=%00"] {
        let none = site.get(&format!("/api/v1/streams?{odd}")).send().await.expect(200);
        assert!(none.json["items"].as_array().expect("items").len() == if odd == "q=%00" { 2 } else { 0 }, "{odd}");
    }
    site.get("/api/v1/vods?channel=%00&category=%00").send().await.expect(200);
    let none = site.get("/api/v1/streams?category=games").send().await.expect(200);
    assert_eq!(none.json["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_the_last_known_and_marked_stale_while_redis_is_away() {
    let mut setup = Setup::new();
    setup.redis_url = Some("redis://127.0.0.1:1".to_owned());
    let site = setup.start().await;
    let owner = site.register("alice").await;
    site.stream(&owner, "Show", "live", "recording").await;
    let began = std::time::Instant::now();
    let list = site.get("/api/v1/streams?live=true").send().await.expect(200);
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(list.json["items"][0]["viewers_stale"], true);
    assert_eq!(list.json["items"][0]["viewers"], 0);
}
