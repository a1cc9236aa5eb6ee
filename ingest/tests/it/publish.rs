//! Who gets on air, what arrives, and what is said to those who do not.

use std::time::{Duration, Instant};

use media::flv::{FileTag, TagKind};
use media::link::FrameKind;
use serde_json::json;
use testkit::rtmp::{Encoder, Manners, Pace, made_up_tags};

use crate::support::{KEY, OTHER_KEY, Rig};

#[tokio::test]
async fn what_is_sent_arrives_whole_and_the_rows_tell_the_story() {
    let rig = Rig::start().await;
    let mut encoder = rig.publish(KEY).await;
    rig.until("SELECT status, epoch FROM streams", json!([{"status": "starting", "epoch": 1}])).await;
    assert!(rig.events().await.is_empty(), "nobody is told before the first picture");

    let tags = made_up_tags(2);
    encoder.send(tags.clone(), Pace::AsFastAsPossible).await.expect("sends");
    rig.until("SELECT status FROM streams", json!([{"status": "live"}])).await;
    encoder.unpublish().await.expect("the server hangs up");

    let received = rig.transcoder.until("the end", |all| all.first().is_some_and(|link| link.has_ended())).await;
    assert_eq!(received.len(), 1);
    for (kind, tag_kind) in
        [(FrameKind::Video, TagKind::Video), (FrameKind::Audio, TagKind::Audio), (FrameKind::Data, TagKind::Script)]
    {
        let sent: Vec<_> = tags.iter().filter(|tag| tag.kind == tag_kind).map(|tag| tag.body.clone()).collect();
        assert!(received[0].payloads(kind) == sent, "{kind:?} differs");
    }
    let times: Vec<_> =
        received[0].frames.iter().filter(|f| f.kind == FrameKind::Video).map(|f| f.timestamp_ms).collect();
    let sent: Vec<_> = tags.iter().filter(|t| t.kind == TagKind::Video).map(|t| t.timestamp_ms).collect();
    assert_eq!(times, sent);

    rig.until("SELECT status, end_reason FROM streams", json!([{"status": "ended", "end_reason": "unpublished"}]))
        .await;
    rig.until("SELECT status, title FROM vods", json!([{"status": "recording", "title": "alice live"}])).await;
    rig.until(
        "SELECT end_reason, app, addr FROM publishes",
        json!([{"end_reason": "unpublished", "app": "live", "addr": "127.0.0.1"}]),
    )
    .await;
    assert_eq!(rig.events().await, ["stream_online", "publish_done", "stream_offline"]);
    let rows = rig.rows("SELECT stream_id::text AS s, vod_id::text AS v FROM vods").await;
    assert_eq!(
        (rows[0]["s"].as_str(), rows[0]["v"].as_str()),
        (Some(&*received[0].hello.stream_id), Some(&*received[0].hello.vod_id))
    );
    rig.stop().await;
}

#[tokio::test]
async fn every_way_encoders_name_a_key_is_understood() {
    let rig = Rig::start().await;
    let manners = |app: &str, name: &str, publish_type: Option<&str>| Manners {
        app: app.to_owned(),
        stream_name: name.to_owned(),
        publish_type: publish_type.map(str::to_owned),
    };
    for manners in [
        manners("app", KEY, Some("live")),
        manners("live", &format!("{KEY}?token=1&x=y"), Some("live")),
        manners("live/", &format!("/{KEY}/"), Some("LIVE")),
        manners(&format!("live/{KEY}"), "", None),
        manners(&format!("live/{KEY}/"), "?a=b", Some("record")),
    ] {
        let encoder =
            Encoder::publish_as(rig.rtmp, manners.clone()).await.unwrap_or_else(|e| panic!("{manners:?}: {e}"));
        encoder.unpublish().await.expect("the server hangs up");
    }
    // Streams without a picture leave nothing behind.
    rig.until("SELECT stream_id FROM streams", json!([])).await;
    rig.until("SELECT vod_id FROM vods", json!([])).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_publishers_arguments_are_kept_for_the_hooks() {
    let rig = Rig::start().await;
    let name = format!("{KEY}?token=a%20b&x=1");
    let mut encoder = Encoder::publish_as(rig.rtmp, Manners::obs(&name)).await.expect("on air");
    encoder.send(made_up_tags(1).into_iter().take(5), Pace::AsFastAsPossible).await.expect("sends");
    rig.until("SELECT args FROM publishes", json!([{"args": "token=a%20b&x=1"}])).await;
    encoder.unpublish().await.expect("the server hangs up");
    rig.stop().await;
}

/// B7: all wrong keys are alike, in words and in the order of their times; none is repeated to whoever sent it.
#[tokio::test]
async fn wrong_keys_are_refused_late_in_the_same_words_and_never_echoed() {
    let rig = Rig::start().await;
    let long = "k".repeat(60_000);
    let padded = format!("{KEY}\0\0");
    let prefix = &KEY[..KEY.len() - 1];
    let wrong = ["nonsense", "", prefix, &padded, &long, "../../etc/passwd", "ключ-🔑", "' OR 1=1 --"];
    let addr = rig.rtmp;
    let attempts = wrong.map(|key| {
        let manners = Manners::obs(key);
        async move {
            let begun = Instant::now();
            let mut encoder = Encoder::connect(addr, manners).await.expect("connects");
            encoder.say_publish().await.expect("sends");
            (encoder.closed().await.expect("closed"), begun.elapsed())
        }
    });
    for (key, (statuses, took)) in wrong.iter().zip(futures::future::join_all(attempts).await) {
        let [status] = &statuses[..] else { panic!("{} words for a key of {} bytes", statuses.len(), key.len()) };
        assert_eq!(status.code, "NetStream.Publish.BadName");
        assert_eq!(status.description, "no channel answers to this stream key");
        assert!(took >= Duration::from_millis(200) && took < Duration::from_secs(4), "{took:?}");
    }
    assert!(rig.rows("SELECT * FROM streams").await.is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn a_guesser_is_locked_out_and_even_the_right_key_does_not_tell() {
    let rig = Rig::start_with(|config| config.limits.publish_failures_per_ip_per_minute = 3).await;
    for expected in ["no channel", "no channel", "no channel", "too many"] {
        let refusal = Encoder::publish(rig.rtmp, "guess").await.err().expect("refused").said();
        assert!(refusal.description.starts_with(expected), "{refusal:?}");
    }
    let refusal = Encoder::publish(rig.rtmp, KEY).await.err().expect("refused").said();
    assert_eq!(refusal.code, "NetStream.Publish.BadName");
    assert!(refusal.description.starts_with("too many"), "{refusal:?}");
    rig.stop().await;
}

#[tokio::test]
async fn a_suspended_member_is_refused_and_one_on_air_is_cut_within_five_seconds() {
    let rig = Rig::start().await;
    rig.execute("UPDATE users SET is_barred = true WHERE username = 'bob'").await;
    let refusal = Encoder::publish(rig.rtmp, OTHER_KEY).await.err().expect("refused").said();
    assert_eq!(refusal.description, "this account may not stream");

    let mut encoder = rig.publish(KEY).await;
    encoder.send(made_up_tags(1), Pace::AsFastAsPossible).await.expect("sends");
    rig.until("SELECT status FROM streams", json!([{"status": "live"}])).await;
    rig.execute("UPDATE users SET is_barred = true WHERE username = 'alice'").await;
    let begun = Instant::now();
    let statuses = encoder.closed().await.expect("closed");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(statuses.last().map(|status| status.code.as_str()), Some("NetStream.Publish.Failed"));
    rig.until("SELECT status, end_reason FROM streams", json!([{"status": "ended", "end_reason": "cut"}])).await;
    rig.stop().await;
}

/// A9, and the newcomer of A8.
#[tokio::test]
async fn a_second_publisher_is_refused_while_the_first_delivers_and_takes_over_when_it_is_silent() {
    let rig = Rig::start().await;
    let mut first = rig.publish(KEY).await;
    first.send(made_up_tags(1), Pace::AsFastAsPossible).await.expect("sends");
    let refusal = Encoder::publish(rig.rtmp, KEY).await.err().expect("refused").said();
    assert_eq!(refusal.code, "NetStream.Publish.BadName");
    assert_eq!(refusal.description, "this channel is already live from another encoder");

    // The first stays connected and sends nothing more.
    let begun = Instant::now();
    let mut second = loop {
        match Encoder::publish(rig.rtmp, KEY).await {
            Ok(encoder) => break encoder,
            Err(refusal) => assert!(refusal.said().description.contains("already live")),
        }
        assert!(begun.elapsed() < Duration::from_secs(8));
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert!(begun.elapsed() > Duration::from_secs(3), "{:?}", begun.elapsed());
    first.closed().await.expect("the first is told to go");
    second.send(made_up_tags(1), Pace::AsFastAsPossible).await.expect("sends");
    second.unpublish().await.expect("the server hangs up");
    rig.until("SELECT status, epoch FROM streams", json!([{"status": "ended", "epoch": 2}])).await;
    let links = rig.transcoder.until("two links", |all| all.len() == 2 && all[1].has_ended()).await;
    assert_eq!(links[0].hello.stream_id, links[1].hello.stream_id);
    assert!(!links[0].has_ended(), "the superseded connection does not end the stream");
    assert_eq!(rig.rows("SELECT epoch FROM publishes WHERE ended_at IS NULL").await.len(), 0);
    rig.stop().await;
}

#[tokio::test]
async fn a_codec_we_do_not_take_is_named_to_the_broadcaster() {
    let rig = Rig::start().await;
    let mut encoder = rig.publish(KEY).await;
    let mut tag = made_up_tags(1).remove(1);
    for (body, name) in [
        (&b"\x90vvc1\x01\x02\x03"[..], "VVC"),
        (b"\x14\0\0\0\0", "VP6"),
        (b"\x22\0\0\0\0", "Sorenson H.263"),
        (b"\x95av01\x01\x02\x03", "AV1 in the form of MPEG-2 TS"),
    ] {
        tag.body = bytes::Bytes::from_static(body);
        encoder.tag(&tag).await.expect("sends");
        let statuses = encoder.closed().await.expect("closed");
        let last = statuses.last().expect("a word");
        assert_eq!(last.code, "NetStream.Publish.Rejected");
        let advice = format!("{name} is not supported; choose H.264, HEVC or AV1, and AAC");
        assert_eq!(last.description, advice);
        rig.until("SELECT status FROM streams WHERE status <> 'ended'", json!([])).await;
        encoder = rig.publish(KEY).await;
    }
    for (body, name) in [(&b"\x2f\x01"[..], "MP3"), (b"\xb2\x01", "Speex"), (b"\x90Opus\x01", "Opus")] {
        let sound = FileTag { kind: TagKind::Audio, timestamp_ms: 0, body: bytes::Bytes::from_static(body) };
        encoder.tag(&sound).await.expect("sends");
        let statuses = encoder.closed().await.expect("closed");
        assert!(statuses.last().is_some_and(|last| last.description.starts_with(name)), "{statuses:?}");
        rig.until("SELECT status FROM streams WHERE status <> 'ended'", json!([])).await;
        encoder = rig.publish(KEY).await;
    }
    encoder.hang_up();
    rig.stop().await;
}
