//! Uploads in parts.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use crate::site::{BUCKET, Site, noise, said};

const PART: usize = 5 * 1024 * 1024;

async fn begin(site: &Site, key: &str) -> String {
    let begun = site.client.create_multipart_upload().bucket(BUCKET).key(key).content_type("video/mp4").send().await;
    begun.expect("begun").upload_id.expect("an id")
}

async fn send(site: &Site, key: &str, id: &str, number: i32, body: Vec<u8>) -> CompletedPart {
    let part = site.client.upload_part().bucket(BUCKET).key(key).upload_id(id).part_number(number);
    let sent = part.body(ByteStream::from(body)).send().await.expect("a part");
    CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).build()
}

async fn complete(site: &Site, key: &str, id: &str, parts: &[CompletedPart]) -> Result<String, (u16, String)> {
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build();
    let complete =
        site.client.complete_multipart_upload().bucket(BUCKET).key(key).upload_id(id).multipart_upload(parts);
    match complete.send().await {
        Ok(done) => Ok(done.e_tag.expect("an ETag")),
        Err(error) => Err(said(&error)),
    }
}

#[tokio::test]
async fn parts_become_an_object() {
    let site = Site::start().await;
    let body = noise(2 * PART + 100);
    let id = begin(&site, "up/film.mp4").await;
    // In any order, over a restart, one of them twice.
    let third = send(&site, "up/film.mp4", &id, 30, body[2 * PART..].to_vec()).await;
    send(&site, "up/film.mp4", &id, 1, vec![0; PART]).await;
    let first = send(&site, "up/film.mp4", &id, 1, body[..PART].to_vec()).await;
    let site = site.restart().await;
    let second = send(&site, "up/film.mp4", &id, 2, body[PART..2 * PART].to_vec()).await;
    assert!(site.keys().await.is_empty(), "an upload is no object yet");

    let listed = site.client.list_parts().bucket(BUCKET).key("up/film.mp4").upload_id(&id).max_parts(2).send().await;
    let listed = listed.expect("parts");
    assert_eq!(listed.parts().iter().filter_map(|part| part.part_number()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(listed.parts()[0].size(), Some(i64::try_from(PART).expect("small")));
    assert_eq!((listed.is_truncated(), listed.next_part_number_marker()), (Some(true), Some("2")));
    let uploads = site.client.list_multipart_uploads().bucket(BUCKET).prefix("up/").send().await.expect("uploads");
    assert_eq!(uploads.uploads().iter().filter_map(|upload| upload.upload_id()).collect::<Vec<_>>(), [id.as_str()]);

    let etag = complete(&site, "up/film.mp4", &id, &[first, second, third]).await.expect("whole");
    assert!(etag.ends_with("-3\""), "{etag}");
    assert!(site.get("up/film.mp4").await.expect("there") == body);
    let head = site.client.head_object().bucket(BUCKET).key("up/film.mp4").send().await.expect("head");
    assert_eq!((head.content_type(), head.e_tag()), (Some("video/mp4"), Some(etag.as_str())));
    assert_eq!(site.files().len(), 1, "nothing of the upload is left");
    assert_eq!(complete(&site, "up/film.mp4", &id, &[]).await.expect_err("it is done").0 / 100, 4);
}

#[tokio::test]
async fn what_is_no_whole_is_refused_and_can_be_mended() {
    let site = Site::start().await;
    let id = begin(&site, "k").await;
    let small = send(&site, "k", &id, 1, vec![1; 100]).await;
    let last = send(&site, "k", &id, 2, vec![2; 100]).await;
    let code = |result: Result<String, (u16, String)>| result.expect_err("refused").1;
    assert_eq!(code(complete(&site, "k", &id, &[small.clone(), last.clone()]).await), "EntityTooSmall");
    assert_eq!(code(complete(&site, "k", &id, &[last.clone(), small.clone()]).await), "InvalidPartOrder");
    let missing = CompletedPart::builder().part_number(3).set_e_tag(last.e_tag.clone()).build();
    assert_eq!(code(complete(&site, "k", &id, &[last.clone(), missing]).await), "InvalidPart");
    let other = CompletedPart::builder().part_number(2).set_e_tag(small.e_tag.clone()).build();
    assert_eq!(code(complete(&site, "k", &id, &[other]).await), "InvalidPart");
    assert_eq!(code(complete(&site, "other", &id, std::slice::from_ref(&last)).await), "NoSuchUpload");
    assert_eq!(code(complete(&site, "k", "../../etc", std::slice::from_ref(&last)).await), "NoSuchUpload");
    let large = send(&site, "k", &id, 1, vec![1; PART]).await;
    complete(&site, "k", &id, &[large, last]).await.expect("mended");
    assert_eq!(site.get("k").await.expect("there").len(), PART + 100);
    for number in [0, 10_001] {
        let part = site.client.upload_part().bucket(BUCKET).key("k").upload_id(&id).part_number(number);
        let refused = part.body(ByteStream::from_static(b"x")).send().await.expect_err("no such number");
        assert_eq!(said(&refused).0, 400);
    }
}

/// The process dies while parts are being joined: asked again, it goes on where it stopped.
#[tokio::test]
async fn a_completion_cut_off_goes_on() {
    let site = Site::start().await;
    let body = noise(3 * PART);
    let id = begin(&site, "k").await;
    let mut parts = Vec::new();
    for number in 0..3 {
        let piece = body[number * PART..(number + 1) * PART].to_vec();
        parts.push(send(&site, "k", &id, i32::try_from(number).expect("small") + 1, piece).await);
    }
    let folder = site.folder.path().join("v2/uploads").join(&id);
    // As it looks when the second part was half copied: the first is in, the plan is written.
    let planned: Vec<String> = parts
        .iter()
        .map(|part| {
            let etag = part.e_tag().expect("an ETag").trim_matches('"');
            format!("{{\"number\":{},\"etag\":\"{etag}\",\"size\":{PART}}}", part.part_number().expect("a number"))
        })
        .collect();
    std::fs::write(folder.join("plan.json"), format!("{{\"parts\":[{}]}}", planned.join(","))).expect("written");
    std::fs::remove_file(folder.join("00001.part")).expect("joined");
    std::fs::write(folder.join("assembled"), &body[..PART + PART / 2]).expect("written");

    let site = site.restart().await;
    let part = site.client.upload_part().bucket(BUCKET).key("k").upload_id(&id).part_number(2);
    let late = part.body(ByteStream::from_static(b"x")).send().await.expect_err("too late for another part");
    assert_eq!(said(&late), (409, "OperationAborted".to_owned()));
    assert_eq!(complete(&site, "k", &id, &parts[..2]).await.expect_err("another plan").1, "InvalidPart");
    complete(&site, "k", &id, &parts).await.expect("whole");
    assert!(site.get("k").await.expect("there") == body);
    assert_eq!(site.files().len(), 1);
}

#[tokio::test]
async fn an_upload_given_up_leaves_nothing() {
    let site = Site::start().await;
    let (given_up, old, young) = (begin(&site, "a").await, begin(&site, "b").await, begin(&site, "c").await);
    for (key, id) in [("a", &given_up), ("b", &old), ("c", &young)] {
        send(&site, key, id, 1, vec![0; 1_000]).await;
    }
    let abort = || site.client.abort_multipart_upload().bucket(BUCKET).key("a").upload_id(&given_up).send();
    abort().await.expect("given up");
    assert_eq!(said(&abort().await.expect_err("gone")), (404, "NoSuchUpload".to_owned()));
    // Eight days pass for one of them; the store looks when it starts.
    let about = site.folder.path().join("v2/uploads").join(&old).join("upload.json");
    let text = std::fs::read_to_string(&about).expect("there");
    let (head, tail) = text.split_once("\"began_ms\":").expect("a time");
    let (began, tail) = tail.split_once(',').unwrap_or_else(|| tail.split_at(tail.len() - 1));
    let earlier = began.trim_end_matches('}').parse::<i64>().expect("a number") - 8 * 24 * 3_600 * 1_000;
    let comma = if tail == "}" { "" } else { "," };
    std::fs::write(&about, format!("{head}\"began_ms\":{earlier}{comma}{tail}")).expect("written");
    let site = site.restart().await;
    let swept = async {
        while about.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), swept).await.expect("it goes");
    let uploads = site.client.list_multipart_uploads().bucket(BUCKET).send().await.expect("uploads");
    assert_eq!(uploads.uploads().iter().filter_map(|upload| upload.key()).collect::<Vec<_>>(), ["c"]);
}
