//! Recordings as players fetch them: playlists while they grow and afterwards, and media from the bucket.

use std::io::Read;
use std::time::{Duration, Instant};

use bytes::Bytes;
use db::recordings::{NewSegment, Rendition, RenditionKind};
use domain::VodId;
use kit::config::Delivery;
use media::playlist::{ParsedMedia, parse_media, parse_multivariant};
use objects::{NewObject, Objects, keys};
use testkit::s3::S3Server;

use crate::harness::{Answer, Setup, Site};

pub struct Cinema {
    pub site: Site,
    s3: S3Server,
    objects: Objects,
    pub vod: VodId,
}

impl Cinema {
    pub async fn new(status: &str) -> Self {
        Self::with(status, |_| {}).await
    }

    pub async fn with(vod_status: &str, change: impl FnOnce(&mut Setup)) -> Self {
        let s3 = S3Server::start_like_b2().await.expect("bucket");
        let mut setup = Setup::new();
        setup.config.storage = s3.config();
        change(&mut setup);
        let objects = Objects::new(&s3.config()).expect("settings");
        let site = setup.start().await;
        let owner = site.register("alice").await;
        let status = if vod_status == "ready" { "ended" } else { "live" };
        let (_, vod) = site.stream(&owner, "Show", status, vod_status).await;
        let vod = vod.parse().expect("an id");
        let cinema = Self { site, s3, objects, vod };
        let mut conn = cinema.site.pool.acquire().await.expect("connection");
        for rendition in renditions() {
            db::recordings::upsert_rendition(&mut conn, vod, &rendition).await.expect("rendition");
            for no in 0..2 {
                cinema.put(&keys::vod_init(vod, &rendition.name, no), format!("init {no}")).await;
            }
        }
        cinema
    }

    pub async fn put(&self, key: &str, body: String) {
        self.put_bytes(key, Bytes::from(body)).await;
    }

    pub async fn put_bytes(&self, key: &str, body: Bytes) {
        let object = NewObject { key, body, content_type: "video/mp4", cache_control: "no-cache" };
        self.objects.put(object).await.expect("put");
    }

    async fn store(&self, rendition: &str, seq: u64) {
        let (init, disc) = if seq < 4 { (0, false) } else { (1, seq == 4) };
        let body = format!("{rendition} {seq} 0123456789");
        let segment = NewSegment {
            vod_id: self.vod,
            rendition: rendition.to_owned(),
            seq: i64::try_from(seq).expect("small"),
            is_discontinuity: disc,
            is_independent: true,
            init_key: keys::vod_init(self.vod, rendition, init),
            object_key: keys::vod_segment(self.vod, rendition, seq),
            byte_size: 250_000,
            duration_us: 2_000_000,
            program_at: domain::Timestamp::from_timestamp(1_790_000_000 + 2 * i64::try_from(seq).expect("small"), 0)
                .expect("a time"),
            starts_at_us: Some(i64::try_from(seq).expect("small") * 2_000_000),
            iframe_bytes: (rendition != "audio").then_some(9),
            sha256: [0; 32],
        };
        self.put(&segment.object_key, body).await;
        let mut conn = self.site.pool.acquire().await.expect("connection");
        db::recordings::insert_segments(&mut conn, &[segment]).await.expect("row");
    }

    pub async fn store_all(&self, seqs: std::ops::Range<u64>) {
        for seq in seqs {
            self.store("source", seq).await;
            self.store("audio", seq).await;
        }
    }

    pub fn path(&self, rest: &str) -> String {
        format!("/vod/{}/{rest}", self.vod)
    }

    async fn get(&self, rest: &str) -> Answer {
        self.site.get(&self.path(rest)).send().await
    }

    /// The source's playlist once it lists that many segments: a running one is kept for a second.
    async fn until_shown(&self, segments: usize) -> Answer {
        let patience = Instant::now() + Duration::from_secs(5);
        loop {
            let answer = self.get("source/index.m3u8").await;
            let shown = parse_media(&answer.text()).map_or(0, |playlist| playlist.segments.len());
            if shown >= segments {
                return answer.expect(200);
            }
            assert!(Instant::now() < patience, "only {shown} of {segments} segments: {}", answer.text());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn playlist(&self, rest: &str) -> ParsedMedia {
        parse_media(&self.get(rest).await.expect(200).text()).expect("a playlist")
    }
}

fn renditions() -> [Rendition; 2] {
    let source = Rendition {
        name: "source".to_owned(),
        kind: RenditionKind::Video,
        codecs: "avc1.64001f".to_owned(),
        width: Some(1_280),
        height: Some(720),
        frame_rate_mhz: Some(29_970),
        channels: None,
        sample_rate: None,
    };
    let audio = Rendition {
        name: "audio".to_owned(),
        kind: RenditionKind::Audio,
        codecs: "mp4a.40.2".to_owned(),
        width: None,
        height: None,
        frame_rate_mhz: None,
        channels: Some(2),
        sample_rate: Some(48_000),
    };
    [source, audio]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_recording_plays_from_its_first_to_its_last_segment() {
    let cinema = Cinema::new("ready").await;
    cinema.store_all(0..6).await;

    let multivariant = cinema.get("index.m3u8?vs=7&_HLS_skip=YES").await.expect(200);
    assert_eq!(multivariant.header("content-type"), "application/vnd.apple.mpegurl");
    let parsed = parse_multivariant(&multivariant.text()).expect("a playlist");
    assert!(parsed.independent_segments);
    assert_eq!(parsed.variants[0].uri, "source/index.m3u8?vs=7");
    assert_eq!(parsed.variants[0].codecs.as_deref(), Some("avc1.64001f,mp4a.40.2"));
    assert_eq!(parsed.variants[0].resolution, Some((1_280, 720)));
    assert_eq!(parsed.renditions[0].uri.as_deref(), Some("audio/index.m3u8?vs=7"));

    let source = cinema.playlist("source/index.m3u8").await;
    assert!(source.is_ended);
    assert_eq!(source.playlist_type.as_deref(), Some("VOD"));
    let numbers: Vec<u64> = source.segments.iter().map(|segment| segment.msn).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
    let breaks: Vec<bool> = source.segments.iter().map(|segment| segment.is_discontinuity).collect();
    assert_eq!(breaks, [false, false, false, false, true, false]);
    assert_eq!(source.segments[3].map.as_deref(), Some("init0.mp4"));
    assert_eq!(source.segments[4].map.as_deref(), Some("init1.mp4"));

    let segment = cinema.get("source/seg3.m4s").await.expect(200);
    assert_eq!(segment.text(), "source 3 0123456789");
    assert_eq!(segment.header("content-type"), "video/mp4");
    assert!(segment.header("cache-control").contains("immutable"));
    assert_eq!(cinema.get("audio/init1.mp4").await.expect(200).text(), "init 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn key_frames_of_a_recording_are_listed_for_scrubbing() {
    let cinema = Cinema::new("ready").await;
    cinema.store_all(0..6).await;
    let multivariant = cinema.get("index.m3u8?a=1").await.expect(200).text();
    assert!(multivariant.contains("LANGUAGE=\"und\""), "{multivariant}");
    let parsed = parse_multivariant(&multivariant).expect("a playlist");
    assert_eq!(parsed.iframes.len(), 1, "the sound has none");
    assert_eq!(parsed.iframes[0].uri, "source/iframes.m3u8?a=1");
    let iframes = cinema.playlist("source/iframes.m3u8").await;
    assert!(iframes.is_iframes_only && iframes.is_ended);
    assert!(iframes.segments.iter().all(|segment| segment.byte_range == Some((9, Some(0)))));
    assert_eq!(iframes.segments.iter().filter(|segment| segment.is_discontinuity).count(), 1);
    cinema.get("audio/iframes.m3u8").await.refused(404, "vod.no-file");

    // A recording made before key frames were noted down is played without.
    let old = Cinema::new("ready").await;
    old.store_all(0..2).await;
    old.site.sql("UPDATE vod_segments SET iframe_bytes = NULL").await;
    let multivariant = old.get("index.m3u8").await.expect(200).text();
    assert!(!multivariant.contains("I-FRAME"), "{multivariant}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_dash_of_the_same_segments() {
    let cinema = Cinema::new("ready").await;
    cinema.store_all(0..6).await;
    let manifest = cinema.get("index.mpd?a=1").await.expect(200);
    assert_eq!(manifest.header("content-type"), "application/dash+xml");
    let text = manifest.text();
    assert!(text.contains("type=\"static\" mediaPresentationDuration=\"PT12S\""), "{text}");
    assert_eq!(text.matches("<Period ").count(), 2, "a discontinuity parts them: {text}");
    assert!(text.contains("media=\"source/seg$Number$.m4s?a=1\" startNumber=\"4\""), "{text}");
    assert!(text.contains("initialization=\"audio/init1.mp4?a=1\""), "{text}");
    let etag = manifest.header("etag").to_owned();
    let again = cinema.site.get(&cinema.path("index.mpd?a=1")).header("if-none-match", &etag).send().await;
    assert!(again.expect(304).text().is_empty());

    // Made before it was known when segments begin.
    let old = Cinema::new("ready").await;
    old.store_all(0..2).await;
    old.site.sql("UPDATE vod_segments SET starts_at_us = NULL").await;
    old.get("index.mpd").await.refused(404, "vod.no-file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_is_made_is_dash_that_grows() {
    let cinema = Cinema::new("recording").await;
    cinema.store_all(0..3).await;
    cinema.until_shown(3).await;
    let text = cinema.get("index.mpd").await.expect(200).text();
    assert!(text.contains("type=\"dynamic\"") && text.contains("minimumUpdatePeriod=\"PT2S\""), "{text}");
    assert!(text.contains("value=\"/api/v1/time\""), "{text}");
    let now = cinema.site.get("/api/v1/time").send().await.expect(200).text();
    assert!(now.ends_with('Z') && now.len() == 24, "{now}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_recording_grows_and_never_takes_a_line_back() {
    let cinema = Cinema::new("recording").await;
    cinema.get("index.m3u8").await.refused(404, "vod.empty");
    cinema.store_all(0..3).await;
    cinema.store("source", 3).await;
    let first = cinema.until_shown(3).await;
    assert_eq!(first.header("cache-control"), "public, max-age=1");
    let first = first.text();
    let parsed = parse_media(&first).expect("a playlist");
    assert_eq!((parsed.playlist_type.as_deref(), parsed.is_ended), (Some("EVENT"), false));
    assert_eq!(parsed.segments.len(), 3, "what the audio does not have yet is held back");

    cinema.store("audio", 3).await;
    cinema.store_all(4..6).await;
    let second = cinema.until_shown(6).await.text();
    assert!(second.starts_with(&first), "lines are only added:\n{first}\n{second}");
    assert_eq!(parse_media(&second).expect("a playlist").segments.len(), 6);
    cinema.site.sql("UPDATE vods SET status = 'ready'").await;
    assert!(cinema.playlist("source/index.m3u8").await.is_ended, "ready shows at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_answer_ranges_validators_and_head() {
    let cinema = Cinema::new("ready").await;
    cinema.store_all(0..1).await;
    let path = cinema.path("source/seg0.m4s");
    let range = |value: &'static str| cinema.site.get(&path).header("range", value).send();

    let part = range("bytes=9-11").await.expect(206);
    assert_eq!((part.text().as_str(), part.header("content-range")), ("012", "bytes 9-11/19"));
    assert_eq!(part.header("content-length"), "3");
    assert_eq!(range("bytes=-3").await.expect(206).text(), "789");
    assert_eq!(range("bytes=1-2,4-5").await.expect(200).text().len(), 19, "several ranges: the whole file");
    let outside = range("bytes=100-").await.expect(416);
    assert_eq!(outside.header("content-range"), "bytes */19");

    let whole = cinema.site.get(&path).header("origin", "https://elsewhere.example").send().await.expect(200);
    assert_eq!(whole.header("access-control-allow-origin"), "*");
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let etag = whole.header("etag").to_owned();
    let again = cinema.site.get(&path).header("if-none-match", &etag).send().await.expect(304);
    assert!(again.body.is_empty());
    let head = cinema.site.call("HEAD", &path).send().await.expect(200);
    assert_eq!((head.header("content-length"), head.body.len()), ("19", 0));
    let gets = cinema.s3.requests().iter().filter(|line| line.starts_with("GET")).count();
    assert_eq!(gets, 5, "neither 304 nor HEAD opened the object: {:?}", cinema.s3.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn playlists_are_compressed_and_validated() {
    let cinema = Cinema::new("ready").await;
    cinema.store_all(0..50).await;
    let path = cinema.path("source/index.m3u8");
    let plain = cinema.site.get(&path).send().await.expect(200);
    let packed = cinema.site.get(&path).header("accept-encoding", "br, gzip").send().await.expect(200);
    assert_eq!((packed.header("content-encoding"), packed.header("vary")), ("gzip", "accept-encoding"));
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(&*packed.body).read_to_string(&mut unpacked).expect("gzip");
    assert_eq!(unpacked, plain.text());
    assert!(packed.body.len() * 3 < plain.body.len());
    let etag = packed.header("etag").to_owned();
    assert_ne!(etag, plain.header("etag"));
    let call = cinema.site.get(&path).header("accept-encoding", "gzip").header("if-none-match", &etag);
    assert!(call.send().await.expect(304).body.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_a_problem_that_says_so() {
    let cinema = Cinema::new("ready").await;
    cinema.store_all(0..2).await;
    let unknown = format!("/vod/{}/index.m3u8", kit::ids::uuid());
    cinema.site.get(&unknown).send().await.refused(404, "vod.not-found");
    cinema.site.get("/vod/nonsense/index.m3u8").send().await.expect(404);
    cinema.get("1080p/index.m3u8").await.refused(404, "vod.no-rendition");
    cinema.get("So%2Furce/index.m3u8").await.refused(404, "vod.no-rendition");
    for file in ["seg99.m4s", "part1.0.m4s", "seg01.m4s", "init.mp4", "x", "..%2F..%2Fsecret"] {
        cinema.get(&format!("source/{file}")).await.refused(404, "vod.no-file");
    }
    cinema.get("thumbnail.jpg").await.refused(404, "vod.no-file");

    cinema.site.sql("UPDATE vods SET deleted_at = now()").await;
    cinema.get("source/index.m3u8").await.refused(404, "vod.not-found");
    cinema.get("source/seg0.m4s").await.refused(404, "vod.not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_picture_is_renewed_under_its_name() {
    let cinema = Cinema::new("recording").await;
    let key = keys::vod_thumbnail(cinema.vod);
    cinema.put(&key, "first picture".to_owned()).await;
    cinema.site.sql(&format!("UPDATE vods SET thumbnail_key = '{key}'")).await;
    let first = cinema.get("thumbnail.jpg").await.expect(200);
    assert_eq!((first.text().as_str(), first.header("content-type")), ("first picture", "image/jpeg"));
    let etag = first.header("etag").to_owned();
    let path = cinema.path("thumbnail.jpg");
    cinema.site.get(&path).header("if-none-match", &etag).send().await.expect(304);
    cinema.put(&key, "second picture".to_owned()).await;
    let second = cinema.site.get(&path).header("if-none-match", &etag).send().await.expect(200);
    assert_eq!(second.text(), "second picture");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_storyboard_follows_what_is_stored_and_names_parts_of_sheets() {
    let cinema = Cinema::new("ready").await;
    cinema.store_all(0..3).await;
    // The fourth segment was lost, so that all after it is earlier.
    cinema.store_all(4..8).await;
    cinema.get("storyboard.vtt").await.refused(404, "vod.no-file");
    let resource = format!("/api/v1/vods/{}", cinema.vod);
    assert!(cinema.site.get(&resource).send().await.expect(200).json["storyboard_url"].is_null());

    let sheet = |seq: i64, places: &[(i64, i32)]| db::storyboards::Sheet {
        seq,
        tile_width: 160,
        tile_height: 90,
        tile_step: 96,
        seqs: places.iter().map(|(seq, _)| *seq).collect(),
        offsets_ms: places.iter().map(|(_, offset)| *offset).collect(),
        byte_size: 12,
    };
    let mut conn = cinema.site.pool.acquire().await.expect("connection");
    for sheet in [sheet(0, &[(0, 40), (2, 1_000), (3, 500)]), sheet(5, &[(5, 0), (7, 900_000)])] {
        db::storyboards::insert(&mut conn, cinema.vod, &sheet).await.expect("a row");
        db::storyboards::insert(&mut conn, cinema.vod, &sheet).await.expect("once more does no harm");
    }
    drop(conn);
    cinema.put(&keys::vod_sheet(cinema.vod, 5), "five and on".to_owned()).await;
    let url = cinema.site.get(&resource).send().await.expect(200).json["storyboard_url"].clone();
    assert_eq!(url, format!("/vod/{}/storyboard.vtt", cinema.vod));
    let answer = cinema.site.get(url.as_str().expect("an address")).header("origin", "https://else.where").send().await;
    let answer = answer.expect(200);
    assert_eq!(answer.header("content-type"), "text/vtt; charset=utf-8");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    // The third picture shows what is lost; the last one's offset lies outside of its segment.
    assert_eq!(
        answer.text(),
        "WEBVTT\n\n00:00:00.000 --> 00:00:05.000\nstoryboard/sheet0.jpg#xywh=0,0,160,90\n\n\
         00:00:05.000 --> 00:00:08.000\nstoryboard/sheet0.jpg#xywh=0,96,160,90\n\n\
         00:00:08.000 --> 00:00:14.000\nstoryboard/sheet5.jpg#xywh=0,0,160,90\n"
    );

    let path = cinema.path("storyboard/sheet5.jpg");
    let picture = cinema.site.get(&path).header("origin", "https://else.where").send().await.expect(200);
    assert_eq!((picture.text().as_str(), picture.header("content-type")), ("five and on", "image/jpeg"));
    assert!(picture.header("cache-control").contains("immutable"));
    assert_eq!(picture.header("access-control-allow-origin"), "*");
    for file in ["sheet6.jpg", "sheet05.jpg", "sheet5.png", "..%2Fthumbnail.jpg"] {
        cinema.get(&format!("storyboard/{file}")).await.refused(404, "vod.no-file");
    }
    cinema.site.sql("UPDATE vods SET visibility = 'private'").await;
    cinema.get("storyboard.vtt").await.refused(404, "vod.not-found");
    cinema.get("storyboard/sheet5.jpg").await.refused(404, "vod.not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn presigned_links_outlive_the_playlist_that_has_them() {
    let cinema = Cinema::with("ready", |setup| {
        setup.config.storage.delivery = Delivery::Presigned;
        setup.config.storage.presign_ttl_s = 60;
    })
    .await;
    cinema.store_all(0..2).await;
    let answer = cinema.get("source/index.m3u8?vs=1").await.expect(200);
    assert_eq!(answer.header("cache-control"), "public, max-age=15");
    let playlist = parse_media(&answer.text()).expect("a playlist");
    let http = reqwest::Client::new();
    let link = &playlist.segments[1].uri;
    let media = http.get(link).header("range", "bytes=0-7").send().await.expect("the bucket answers");
    assert_eq!((media.status().as_u16(), media.text().await.expect("body").as_str()), (206, "source 1"));
    let init = playlist.segments[1].map.as_deref().expect("a map");
    assert_eq!(http.get(init).send().await.expect("answer").text().await.expect("body"), "init 0");
    assert!(link.contains("X-Amz-Expires=3608"), "long enough to play to the end, whatever the setting: {link}");
    assert!(!answer.text().contains("vs=1"), "a signed address takes no more arguments");
}

#[tokio::test(flavor = "multi_thread")]
async fn public_links_lead_to_the_operators_address() {
    let cinema = Cinema::with("ready", |setup| {
        setup.config.storage.delivery = Delivery::Public;
        setup.config.storage.public_url = "https://cdn.example/b/".to_owned();
    })
    .await;
    cinema.store_all(0..1).await;
    let playlist = cinema.playlist("audio/index.m3u8").await;
    let folder = format!("https://cdn.example/b/vod/{}/audio", cinema.vod);
    assert_eq!(playlist.segments[0].uri, format!("{folder}/seg0.m4s"));
    assert_eq!(playlist.segments[0].map.as_deref(), Some(format!("{folder}/init0.mp4").as_str()));
    let multivariant = parse_multivariant(&cinema.get("index.m3u8").await.expect(200).text()).expect("a playlist");
    assert_eq!(multivariant.variants[0].uri, "source/index.m3u8", "playlists stay ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_away_is_told_as_such() {
    let cinema = Cinema::new("ready").await;
    cinema.store_all(0..1).await;
    cinema.s3.set_down(true);
    cinema.get("source/index.m3u8").await.expect(200);
    let answer = cinema.get("source/seg0.m4s").await.refused(503, "storage.unavailable");
    assert!(!answer.header("retry-after").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_plays_on_while_the_database_is_away() {
    let cinema = Cinema::new("ready").await;
    cinema.store_all(0..2).await;
    let before = cinema.get("source/index.m3u8").await.expect(200).text();

    let name =
        cinema.site.rows("SELECT current_database() AS name").await[0]["name"].as_str().expect("text").to_owned();
    let admin = db::testing::pool(&testkit::services::admin_database_url()).expect("pool");
    let away = format!(r#"ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false"#);
    db::testing::execute(&admin, &away).await.expect("closed");
    let cut = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    db::testing::execute(&admin, &cut).await.expect("cut");

    assert_eq!(cinema.get("source/index.m3u8").await.expect(200).text(), before);
    assert_eq!(cinema.get("source/seg1.m4s").await.expect(200).text(), "source 1 0123456789");
}
