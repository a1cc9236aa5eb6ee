//! Ranges, conditions, and objects of the store before.

use aws_sdk_s3::primitives::{ByteStream, DateTime};

use crate::site::{BUCKET, Site, noise, said};

#[tokio::test]
async fn a_range_is_the_bytes_asked_for() {
    let site = Site::start().await;
    let body = noise(3 * 1024 * 1024 + 17);
    let size = body.len();
    site.put("k", body.clone()).await;
    let ranges = [
        ("bytes=0-0".to_owned(), 0..1),
        ("bytes=5-1000004".to_owned(), 5..1_000_005),
        ("bytes=524287-524288".to_owned(), 524_287..524_289),
        (format!("bytes={}-", size - 3), size - 3..size),
        ("bytes=-700000".to_owned(), size - 700_000..size),
        (format!("bytes=-{}", size * 2), 0..size),
        (format!("bytes=10-{}", size * 2), 10..size),
    ];
    for (asked, expected) in ranges {
        let got = site.client.get_object().bucket(BUCKET).key("k").range(&asked).send().await.expect(&asked);
        let said = format!("bytes {}-{}/{size}", expected.start, expected.end - 1);
        assert_eq!(got.content_range(), Some(said.as_str()));
        assert_eq!(got.content_length(), i64::try_from(expected.len()).ok());
        assert!(got.body.collect().await.expect("a body").to_vec() == body[expected], "{asked}");
    }
    for (key, asked) in
        [("k", format!("bytes={size}-")), ("k", "bytes=-0".to_owned()), ("empty", "bytes=0-".to_owned())]
    {
        site.put("empty", "").await;
        let refused = site.client.get_object().bucket(BUCKET).key(key).range(&asked).send().await.expect_err(&asked);
        assert_eq!(said(&refused), (416, "InvalidRange".to_owned()), "{asked}");
    }
}

#[tokio::test]
async fn a_reader_that_knows_it_is_told_so() {
    let site = Site::start().await;
    site.put("k", "body").await;
    let get = || site.client.get_object().bucket(BUCKET).key("k");
    let got = get().send().await.expect("get");
    let etag = got.e_tag().expect("an ETag").to_owned();
    let modified = *got.last_modified().expect("a time");
    assert_eq!(said(&get().if_none_match(&etag).send().await.expect_err("known")).0, 304);
    assert_eq!(said(&get().if_modified_since(modified).send().await.expect_err("known")).0, 304);
    assert_eq!(said(&get().if_match("\"other\"").send().await.expect_err("another")).0, 412);
    let long_ago = DateTime::from_secs(1_000_000_000);
    assert_eq!(said(&get().if_unmodified_since(long_ago).send().await.expect_err("newer")).0, 412);
    get().if_match(&etag).if_unmodified_since(long_ago).send().await.expect("the ETag decides");
    get().if_none_match("\"other\"").if_modified_since(modified).send().await.expect("the ETag decides");
    let head = site.client.head_object().bucket(BUCKET).key("k").if_none_match(&etag).send().await;
    assert_eq!(said(&head.expect_err("known")).0, 304);
}

/// A folder that the store before (s3s-fs) filled: plain files, two more beside each, all in the root.
#[tokio::test]
async fn what_the_store_before_left_is_served_listed_written_over_and_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = folder.path().join(BUCKET);
    std::fs::create_dir_all(old.join("vod/1")).expect("made");
    for (key, body) in
        [("vod/1/seg0.m4s", "zero"), ("vod/1/seg1.m4s", "one"), ("vod/poster.jpg", "jpeg"), ("a", "file")]
    {
        std::fs::write(old.join(key), body).expect("written");
    }
    // Of "films" and "vod/1/seg0.m4s".
    let sidecar = folder.path().join(".bucket-ZmlsbXM.object-dm9kLzEvc2VnMC5tNHM.metadata.json");
    std::fs::write(&sidecar, "{}").expect("written");

    let site = Site::open(folder, aws_sdk_s3::config::RequestChecksumCalculation::WhenRequired).await;
    assert_eq!(site.get("vod/1/seg0.m4s").await.as_deref(), Some(&b"zero"[..]));
    let head = site.client.head_object().bucket(BUCKET).key("vod/poster.jpg").send().await.expect("head");
    assert_eq!((head.content_type(), head.content_length()), (Some("image/jpeg"), Some(4)));
    let part =
        site.client.get_object().bucket(BUCKET).key("vod/poster.jpg").range("bytes=1-2").send().await.expect("get");
    assert_eq!(part.body.collect().await.expect("a body").to_vec(), b"pe");
    assert_eq!(site.get("vod").await, None, "a folder is no object");

    site.put("vod/1/seg1.m4s", "one, again").await;
    site.put("vod/1/seg2.m4s", "two").await;
    site.put("a/b", "below what was a file").await;
    assert_eq!(site.get("vod/1/seg1.m4s").await.as_deref(), Some(&b"one, again"[..]));
    assert_eq!(site.get("a/b").await.as_deref(), Some(&b"below what was a file"[..]));
    assert_eq!(site.keys().await, ["a", "a/b", "vod/1/seg0.m4s", "vod/1/seg1.m4s", "vod/1/seg2.m4s", "vod/poster.jpg"]);
    for key in site.keys().await {
        site.delete(&key).await;
        assert_eq!(site.get(&key).await, None, "{key}: no older one comes back");
    }
    assert!(site.keys().await.is_empty());
    assert!(!sidecar.exists());
    assert_eq!(std::fs::read_dir(site.folder.path().join(BUCKET)).expect("the old bucket").count(), 0);
    let copy = site.client.put_object().bucket(BUCKET).key("vod").body(ByteStream::from_static(b"x"));
    copy.send().await.expect("a new key");
}
