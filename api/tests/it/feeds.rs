//! Feeds of channels: what is in them, for whom, and that anything can be read by a real parser.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::harness::Site;

/// What an XML parser that is not ours finds at a path.
fn found(xml: &str, expression: &str) -> Vec<String> {
    let script = r#"
import sys, xml.etree.ElementTree as E
spaces = {"itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd", "podcast": "https://podcastindex.org/namespace/1.0",
          "atom": "http://www.w3.org/2005/Atom"}
path, _, attribute = sys.argv[1].partition("@")
for e in E.fromstring(sys.stdin.buffer.read()).findall(path, spaces):
    print(e.get(attribute) if attribute else e.text)
"#;
    let mut parser = Command::new("python3")
        .args(["-c", script, expression])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    parser.stdin.take().expect("a pipe").write_all(xml.as_bytes()).expect("written");
    let output = parser.wait_with_output().expect("an end");
    assert!(output.status.success(), "the feed is no XML: {xml}");
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_has_what_everybody_may_see_and_nothing_else() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    for (title, visibility, status) in [
        ("First & <best>", "public", "ready"),
        ("For followers", "followers", "ready"),
        ("With a link", "unlisted", "ready"),
        ("For me", "private", "ready"),
        ("Broken", "public", "failed"),
        ("Second", "public", "ready"),
    ] {
        let (stream, vod) = site.stream(&alice, title, "ended", status).await;
        site.sql(&format!(
            "UPDATE streams SET visibility = '{visibility}' WHERE stream_id = '{stream}';
             UPDATE vods SET visibility = '{visibility}', byte_size = 1234 WHERE vod_id = '{vod}'"
        ))
        .await;
    }
    let (_, growing) = site.stream(&alice, "On air", "live", "recording").await;
    site.sql(&format!("UPDATE vods SET visibility = 'private' WHERE vod_id = '{growing}'")).await;

    let rss = site.get("/c/alice/feed.xml").send().await.expect(200);
    assert_eq!(rss.header("content-type"), "application/rss+xml; charset=utf-8");
    let text = rss.text();
    assert_eq!(found(&text, "./channel/item/title"), ["Second", "First & <best>"], "the latest first");
    assert_eq!(found(&text, "./channel/item/enclosure@length"), ["1234", "1234"]);
    assert!(found(&text, "./channel/item/enclosure@url").iter().all(|url| url.starts_with("http://tv.test/vod/")));
    assert_eq!(found(&text, "./channel/item/itunes:duration"), ["61", "61"]);
    assert_eq!(found(&text, "./channel/podcast:liveItem/title"), ["On air"]);
    assert_eq!(found(&text, "./channel/podcast:liveItem@status"), ["live"]);
    assert_eq!(
        found(&text, "./channel/podcast:liveItem/podcast:alternateEnclosure/podcast:source@uri"),
        ["http://tv.test/live/alice/index.m3u8"]
    );
    assert_eq!(found(&text, "./channel/atom:link@href"), ["http://tv.test/c/alice/feed.xml"]);

    let json = site.get("/c/alice/feed.json").send().await.expect(200);
    assert_eq!(json.header("content-type"), "application/feed+json; charset=utf-8");
    let titles: Vec<_> = json.json["items"].as_array().expect("items").iter().map(|item| &item["title"]).collect();
    assert_eq!(titles, ["Second", "First & <best>"]);
    assert_eq!(json.json["items"][0]["attachments"][0]["duration_in_seconds"], 61);
    assert!(!json.text().contains("null"));

    site.sql("UPDATE streams SET visibility = 'followers' WHERE status = 'live'").await;
    let quiet = site.get("/c/alice/feed.xml").send().await.expect(200);
    assert!(found(&quiet.text(), "./channel/podcast:liveItem").is_empty(), "what is not for everybody is not told");
    // A reader has no account: the owner's own browser gets the same.
    let owner = site.get("/c/alice/feed.xml").bearer(&alice.token).send().await.expect(200);
    assert_eq!(owner.text(), quiet.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_is_found_kept_and_refused() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    site.sql("UPDATE users SET display_name = 'A & \"B\"', bio = E'one\\u0001two'").await;
    for feed in ["/c/alice/feed.xml", "/c/alice/feed.json"] {
        let first = site.get(feed).send().await.expect(200);
        assert_eq!(first.header("cache-control"), "public, max-age=60");
        let again = site.get(feed).header("if-none-match", first.header("etag")).send().await.expect(304);
        assert!(again.body.is_empty());
        let known = first.header("etag").to_owned();
        let (_, vod) = site.stream(&alice, "New", "ended", "ready").await;
        site.get(feed).header("if-none-match", &known).send().await.expect(200);
        site.sql(&format!("UPDATE vods SET deleted_at = now() WHERE vod_id = '{vod}'")).await;
        site.get(feed).header("if-none-match", &known).send().await.expect(304);
        let page = site.get(feed).header("origin", "https://reader.example").send().await.expect(200);
        assert_eq!(page.header("access-control-allow-origin"), "*", "readers in browsers may read it");
    }
    let text = site.get("/c/alice/feed.xml").send().await.expect(200).text();
    assert_eq!(found(&text, "./channel/title"), ["A & \"B\""]);
    assert_eq!(found(&text, "./channel/description"), ["onetwo"]);
    let page = site.get("/c/alice").send().await.expect(200).text();
    assert!(
        page.contains(r#"<link rel="alternate" type="application/rss+xml" href="http://tv.test/c/alice/feed.xml" "#)
            && page.contains(
                r#"<link rel="alternate" type="application/feed+json" href="http://tv.test/c/alice/feed.json" "#
            ),
        "{page}"
    );
    for nobody in ["/c/nobody/feed.xml", "/c/nobody/feed.json", "/c/%00/feed.xml", "/c/a%3Cb/feed.json"] {
        site.get(nobody).send().await.refused(404, "channel.not-found");
    }
    site.sql("UPDATE users SET is_barred = true").await;
    site.get("/c/alice/feed.xml").send().await.refused(404, "channel.not-found");
}
