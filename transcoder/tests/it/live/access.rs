//! Streams that are not for everybody: every kind of file, every kind of permission, and what a change does to both.

use domain::visibility::Standing;
use domain::{SessionId, StreamId, UserId, Visibility};
use kit::playback::{Bearer, Subject};
use media::playlist::{parse_media, parse_multivariant};

use super::rig::{Cast, ClipPlan, Node, Pace, Rig, until};

/// One of each kind of what a player fetches, without its query.
async fn files(node: &Node, query: &str) -> Vec<String> {
    until("a segment is finished", || async {
        let (status, _) = node.viewer.text(&format!("/live/alice/index.mpd?{query}")).await.expect("an answer");
        status.is_success()
    })
    .await;
    let (_, text) = node.viewer.text(&format!("/live/alice/index.m3u8?{query}")).await.expect("an answer");
    let multivariant = parse_multivariant(&text).expect("a playlist");
    let uri = &multivariant.variants[0].uri;
    let folder = uri.split('?').next().expect("a path").trim_end_matches("/index.m3u8").to_owned();
    let (_, text) = node.viewer.text(&format!("/live/alice/{folder}/index.m3u8?{query}")).await.expect("an answer");
    let playlist = parse_media(&text).expect("a playlist");
    assert!(!playlist.segments.is_empty());
    let mut files = vec!["index.m3u8".to_owned(), "index.mpd".to_owned()];
    for name in ["index.m3u8", "iframes.m3u8", "init0.mp4", "seg0.m4s", "part0.0.m4s"] {
        files.push(format!("{folder}/{name}"));
    }
    files
}

async fn statuses(node: &Node, files: &[String], query: &str) -> Vec<u16> {
    let mut seen = Vec::new();
    for file in files {
        for extra in ["", "&dvr=1"] {
            let answer = node.viewer.get(&format!("/live/alice/{file}?{query}{extra}")).await.expect("an answer");
            if answer.status().is_success() && query.contains("token=") {
                assert_eq!(answer.headers()["cache-control"], "private, no-store", "{file}");
                assert!(!answer.headers().contains_key("access-control-allow-origin"), "{file}");
            }
            seen.push(answer.status().as_u16());
        }
    }
    seen
}

fn who(standing: Standing) -> Bearer {
    Bearer { user: UserId::from_uuid(kit::ids::uuid()), session: SessionId::from_uuid(kit::ids::uuid()), standing }
}

fn token(rig: &Rig, cast: &Cast, bearer: Bearer) -> String {
    let subject = Subject::Stream(cast.claim.stream_id);
    format!("token={}", rig.gate().tokens().issue(subject, cast.claim.channel_id, bearer))
}

/// Whether everything is answered alike.
async fn all(node: &Node, files: &[String], query: &str, status: u16) {
    let seen = statuses(node, files, query).await;
    assert!(seen.iter().all(|one| *one == status), "{query}: {seen:?} instead of {status}");
}

async fn settles(node: &Node, files: &[String], query: &str, status: u16) {
    let began = tokio::time::Instant::now();
    until("the change is felt", || async { statuses(node, files, query).await.iter().all(|one| *one == status) }).await;
    println!("measured: {status} after {} ms", began.elapsed().as_millis());
    assert!(began.elapsed().as_millis() < 2_500, "within a segment: {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_for_everybody_is_given_for_its_own_token_only() {
    let rig = Rig::new().await;
    let node = rig.node();
    let clip = ClipPlan { seconds: 4, ..ClipPlan::default() }.make();
    let cast = rig.cast_for("alice", Visibility::Private).await;
    let mut feed = node.connect(&cast.hello).await.expect("accepted");
    feed.send(&clip, Pace::Fast, 0).await;
    let (owner, follower) = (who(Standing::Owner), who(Standing::Follower));
    let (own, followers) = (token(&rig, &cast, owner), token(&rig, &cast, follower));
    let files = files(&node, &own).await;
    all(&node, &files, &own, 200).await;

    // Private: nobody else, and a guesser is told what is told of a channel that is not there.
    all(&node, &files, "", 404).await;
    all(&node, &files, &format!("stream={}", cast.claim.stream_id), 404).await;
    all(&node, &files, &followers, 403).await;
    let (_, nothing) = node.viewer.text("/live/nobody/index.m3u8").await.expect("an answer");
    let (_, hidden) = node.viewer.text("/live/alice/index.m3u8").await.expect("an answer");
    assert_eq!(nothing, hidden);
    let other = Subject::Stream(StreamId::from_uuid(kit::ids::uuid()));
    let elsewhere = format!("token={}", rig.gate().tokens().issue(other, cast.claim.channel_id, owner));
    all(&node, &files, &elsewhere, 404).await;
    let subject = Subject::Stream(cast.claim.stream_id);
    let now = kit::clock::unix_seconds();
    let old = rig.gate().tokens().issue_at(subject, cast.claim.channel_id, owner, now - 300);
    all(&node, &files, &format!("token={old}"), 403).await;
    let picture = node.viewer.get("/live/alice/thumbnail.jpg").await.expect("an answer");
    assert_eq!(picture.status(), 404);

    // The owner opens it up by degrees, and closes it again.
    let set = |visibility: Visibility| {
        rig.sql(match visibility {
            Visibility::Public => "UPDATE streams SET visibility = 'public'",
            Visibility::Unlisted => "UPDATE streams SET visibility = 'unlisted'",
            Visibility::Followers => "UPDATE streams SET visibility = 'followers'",
            Visibility::Private => "UPDATE streams SET visibility = 'private'",
        })
    };
    set(Visibility::Followers).await;
    settles(&node, &files, &followers, 200).await;
    all(&node, &files, "", 404).await;
    set(Visibility::Unlisted).await;
    settles(&node, &files, &format!("stream={}", cast.claim.stream_id), 200).await;
    let named = &files[2..];
    all(&node, named, "", 200).await;
    all(&node, &files[..2], "", 404).await;
    set(Visibility::Public).await;
    settles(&node, &files, "", 200).await;
    set(Visibility::Followers).await;
    settles(&node, &files, "", 404).await;
    all(&node, &files, &followers, 200).await;

    // A follower leaves; the same token is over, another follower's is not.
    let another = token(&rig, &cast, who(Standing::Follower));
    rig.gate().end_follow(cast.claim.channel_id, follower.user).await;
    settles(&node, &files, &followers, 403).await;
    all(&node, &files, &another, 200).await;
    rig.gate().end_session(owner.session).await;
    settles(&node, &files, &own, 403).await;
    feed.end("unpublished").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playlists_hand_the_token_to_whatever_they_name() {
    let rig = Rig::new().await;
    let node = rig.node();
    let clip = ClipPlan { seconds: 4, ..ClipPlan::default() }.make();
    let cast = rig.cast_for("alice", Visibility::Followers).await;
    let mut feed = node.connect(&cast.hello).await.expect("accepted");
    feed.send(&clip, Pace::Fast, 0).await;
    let own = token(&rig, &cast, who(Standing::Owner));
    let files = files(&node, &own).await;
    for playlist in files.iter().filter(|file| file.ends_with(".m3u8") || file.ends_with(".mpd")) {
        for extra in ["", "&dvr=1"] {
            let path = format!("/live/alice/{playlist}?vs=tab-1&{own}{extra}");
            let (status, text) = node.viewer.text(&path).await.expect("an answer");
            assert!(status.is_success(), "{path}");
            let names: Vec<&str> = text
                .split(['"', '\n'])
                .filter(|word| [".m4s", ".mp4", ".m3u8"].iter().any(|end| word.contains(end)))
                .filter(|word| !word.starts_with('#'))
                .collect();
            assert!(!names.is_empty(), "{text}");
            for name in names {
                assert!(name.contains(&own), "{name} of {playlist}");
            }
        }
    }
    feed.end("unpublished").await;
    node.stop().await;
}
