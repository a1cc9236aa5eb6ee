//! What is kept, what is refused, and that nothing is kept by halves.

use std::time::Duration;

use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, MetadataDirective};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::site::{BUCKET, Site, noise, said};

/// Keys that mean something to a file system stay in their bucket, side by side.
#[tokio::test]
async fn odd_keys_are_keys() {
    let site = Site::start().await;
    let outside = site.folder.path().join("outside");
    std::fs::write(&outside, "untouched").expect("written");
    let keys =
        ["a", "a/", "a/b", "a/b/c", "/a", "a//b", "x/../../../outside", "..", "50%", "a%2Fb", "ü b+c.m4s", "a%", "%_"];
    for key in keys {
        site.put(key, key).await;
    }
    for key in keys {
        assert_eq!(site.get(key).await.as_deref(), Some(key.as_bytes()), "{key}");
    }
    let mut sorted = keys.map(str::to_owned).to_vec();
    sorted.sort();
    assert_eq!(site.keys().await, sorted);
    assert_eq!(std::fs::read_to_string(&outside).expect("there"), "untouched");

    for key in keys {
        site.delete(key).await;
        assert_eq!(site.get(key).await, None, "{key}");
    }
    assert_eq!(site.files(), Vec::<std::path::PathBuf>::new());
    assert_eq!(std::fs::read_dir(site.bucket_dir()).expect("the bucket").count(), 0, "empty folders go too");
    site.delete("never/there").await;
}

#[tokio::test]
async fn what_was_said_of_an_object_is_kept_with_it() {
    let site = Site::start().await;
    let put = site.client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"body"));
    let put = put.content_type("video/mp4").cache_control("no-cache").content_disposition("attachment");
    let put = put.content_language("vi").content_encoding("identity").metadata("who", "alice");
    let etag = put.send().await.expect("put").e_tag.expect("an ETag");
    let site = site.restart().await;
    let head = site.client.head_object().bucket(BUCKET).key("k").send().await.expect("head");
    assert_eq!(head.e_tag(), Some(etag.as_str()));
    assert_eq!(head.content_length(), Some(4));
    assert_eq!((head.content_type(), head.cache_control()), (Some("video/mp4"), Some("no-cache")));
    assert_eq!((head.content_disposition(), head.content_language()), (Some("attachment"), Some("vi")));
    assert_eq!(head.metadata().and_then(|metadata| metadata.get("who")).map(String::as_str), Some("alice"));

    let copy = site.client.copy_object().bucket(BUCKET).key("c/k").copy_source(format!("{BUCKET}/k"));
    copy.send().await.expect("copied");
    let copied = site.client.head_object().bucket(BUCKET).key("c/k").send().await.expect("head");
    assert_eq!((copied.e_tag(), copied.content_type()), (Some(etag.as_str()), Some("video/mp4")));
    let copy = site.client.copy_object().bucket(BUCKET).key("k").copy_source(format!("{BUCKET}/k"));
    let copy = copy.metadata_directive(MetadataDirective::Replace).content_type("text/plain");
    copy.send().await.expect("copied onto itself");
    let copied = site.client.get_object().bucket(BUCKET).key("k").send().await.expect("get");
    assert_eq!((copied.content_type(), copied.cache_control()), (Some("text/plain"), None));
    assert_eq!(copied.body.collect().await.expect("a body").to_vec(), b"body");
}

/// In memory, in steps, and exactly at the edges.
#[tokio::test]
async fn bodies_of_all_sizes_come_back() {
    let site = Site::start().await;
    for bytes in [0, 1, 650_000, 16 * 1024 * 1024, 16 * 1024 * 1024 + 1, 40 * 1024 * 1024] {
        let body = noise(bytes);
        site.put("sized", body.clone()).await;
        assert!(site.get("sized").await.expect("there") == body, "{bytes} bytes");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing_and_what_was_there_stays() {
    let site = Site::start().await;
    site.put("kept", "as it was").await;
    for key in ["kept", "new"] {
        let expires = PresigningConfig::expires_in(Duration::from_secs(60)).expect("a minute");
        let url = site.client.put_object().bucket(BUCKET).key(key).presigned(expires).await.expect("signed");
        let (address, path) = url.uri().trim_start_matches("http://").split_once('/').expect("an address");
        for bytes in [100_000_usize, 30_000_000] {
            let mut socket = TcpStream::connect(address).await.expect("a connection");
            let head = format!("PUT /{path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {bytes}\r\n\r\n");
            socket.write_all(head.as_bytes()).await.expect("sent");
            socket.write_all(&noise(bytes * 2 / 3)).await.expect("sent");
            socket.shutdown().await.expect("half closed");
            let mut answer = Vec::new();
            let _cut = socket.read_to_end(&mut answer).await;
            assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        }
    }
    assert_eq!(site.get("kept").await.as_deref(), Some(&b"as it was"[..]));
    assert_eq!(site.get("new").await, None);
    let only_kept = async {
        while site.files().len() != 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), only_kept).await.expect("nothing else is left on disk");
}

#[tokio::test]
async fn a_reader_sees_one_version_or_the_other() {
    let site = Site::start().await;
    site.put("k", vec![b'0'; 700_000]).await;
    let write = async {
        for round in 0..20_u8 {
            site.put("k", vec![b'0' + round; 700_000 + usize::from(round)]).await;
        }
    };
    let read = async {
        for _ in 0..40 {
            let body = site.get("k").await.expect("always there");
            assert_eq!(body.len(), 700_000 + usize::from(body[0] - b'0'));
            assert!(body.iter().all(|byte| *byte == body[0]));
        }
    };
    tokio::join!(write, read);
}

#[tokio::test]
async fn what_a_crash_left_in_the_middle_goes_at_the_next_start() {
    let site = Site::start().await;
    site.put("k", "whole").await;
    std::fs::write(site.folder.path().join("v2/tmp/7"), "half").expect("written");
    let site = site.restart().await;
    assert_eq!(site.files().len(), 1);
    assert_eq!(site.get("k").await.as_deref(), Some(&b"whole"[..]));

    // A power cut's: named, but not all there. It is no object, and can be removed as one.
    let torn = site.bucket_dir().join("torn%");
    std::fs::write(&torn, "half").expect("written");
    assert_eq!(site.get("torn").await, None);
    assert_eq!(site.keys().await, ["k", "torn"]);
    site.delete("torn").await;
    assert!(!torn.exists());
}

#[tokio::test]
async fn a_body_is_what_its_digests_say() {
    let site = Site::start().await;
    let put = || site.client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"body"));
    let wrong_md5 = put().content_md5("XrY7u+Ae7tCTyyK7j1rNww==").send().await.expect_err("not its MD5");
    assert_eq!(said(&wrong_md5), (400, "BadDigest".to_owned()));
    let no_md5 = put().content_md5("nonsense").send().await.expect_err("no MD5 at all");
    assert_eq!(said(&no_md5).0, 400);
    put().content_md5("hBotaJrTa9FhFEdFPJ+4Gw==").send().await.expect_err("another body's MD5");
    let wrong_crc = put().checksum_crc32("AAAAAA==").send().await.expect_err("not its CRC");
    assert_eq!(said(&wrong_crc), (400, "BadDigest".to_owned()));
    assert_eq!(site.get("k").await, None, "nothing of these was kept");
    assert!(site.files().is_empty());
    let algorithms = [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
        ChecksumAlgorithm::Crc64Nvme,
    ];
    for algorithm in algorithms {
        put().checksum_algorithm(algorithm.clone()).send().await.unwrap_or_else(|error| {
            panic!("{algorithm:?}: {error:?}");
        });
    }
    assert_eq!(site.get("k").await.as_deref(), Some(&b"body"[..]));
}

/// What the SDK does when nobody configures it: pieces signed one by one, a checksum after the last.
#[tokio::test]
async fn a_streamed_body_with_a_trailing_checksum_is_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let site = Site::open(folder, RequestChecksumCalculation::WhenSupported).await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    let body = noise(20 * 1024 * 1024);
    std::fs::write(file.path(), &body).expect("written");
    let stream = ByteStream::from_path(file.path()).await.expect("a stream");
    let put = site.client.put_object().bucket(BUCKET).key("k").body(stream).send().await.expect("put");
    assert!(put.checksum_crc32().is_some() || put.checksum_crc64_nvme().is_some(), "{put:?}");
    assert!(site.get("k").await.expect("there") == body);
}

#[tokio::test]
async fn of_many_who_would_be_first_one_is() {
    let site = Site::start().await;
    let tries = (0..12).map(|number| {
        let put = site.client.put_object().bucket(BUCKET).key("once").if_none_match("*");
        put.body(ByteStream::from(format!("by {number}").into_bytes())).send()
    });
    let (won, lost): (Vec<_>, Vec<_>) = futures::future::join_all(tries).await.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 11));
    for refused in lost {
        assert_eq!(said(&refused.expect_err("refused")), (412, "PreconditionFailed".to_owned()));
    }
    let etag = won.into_iter().next().and_then(Result::ok).and_then(|put| put.e_tag).expect("an ETag");
    let put = |etag: &str| {
        site.client.put_object().bucket(BUCKET).key("once").if_match(etag).body(ByteStream::from_static(b"n")).send()
    };
    assert_eq!(said(&put("\"other\"").await.expect_err("another version")).0, 412);
    put(&etag).await.expect("the version it knows");
    assert_eq!(said(&put(&etag).await.expect_err("not any more")).0, 412);
}

#[tokio::test]
async fn what_is_too_much_is_refused() {
    let site = Site::start().await;
    let put = |key: &str| site.client.put_object().bucket(BUCKET).key(key).body(ByteStream::from_static(b"x"));
    let refused = put("k").metadata("k", "v".repeat(2_048)).send().await.expect_err("too much metadata");
    assert_eq!(said(&refused), (400, "MetadataTooLarge".to_owned()));
    for key in ["k".repeat(1_025), format!("a/{}", "k".repeat(300))] {
        let refused = put(&key).send().await.expect_err("too long");
        assert_eq!(said(&refused), (400, "KeyTooLongError".to_owned()));
    }
    let refused = put("k").content_length(6 << 30).send().await.expect_err("more than 5 GiB");
    assert!(matches!(said(&refused).0, 400 | 413 | 0), "{refused:?}");
    let elsewhere = site.client.put_object().bucket("not-there").key("k").body(ByteStream::from_static(b"x"));
    assert_eq!(said(&elsewhere.send().await.expect_err("no bucket")), (404, "NoSuchBucket".to_owned()));
    let encrypted = put("k").ssekms_key_id("key").server_side_encryption("aws:kms".into());
    assert_eq!(said(&encrypted.send().await.expect_err("not done, so not promised")).0, 501);
    assert!(site.files().is_empty());

    let buckets = site.client.list_buckets().send().await.expect("buckets");
    assert_eq!(buckets.buckets().iter().filter_map(|bucket| bucket.name()).collect::<Vec<_>>(), [BUCKET]);
    let again = site.client.create_bucket().bucket(BUCKET).send().await.expect_err("there");
    assert_eq!(said(&again), (409, "BucketAlreadyOwnedByYou".to_owned()));
}

/// `s3s` gathers a form's file in memory before anybody asks who sent it.
#[tokio::test]
async fn a_form_is_refused_before_its_file_is_gathered() {
    let site = Site::start().await;
    let expires = PresigningConfig::expires_in(Duration::from_secs(60)).expect("a minute");
    let url = site.client.put_object().bucket(BUCKET).key("k").presigned(expires).await.expect("signed");
    let base = url.uri().split_once(BUCKET).expect("an address").0.to_owned();
    let form = format!(
        "--b\r\ncontent-disposition: form-data; name=\"key\"\r\n\r\nk\r\n--b\r\n\
         content-disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n{}\r\n--b--\r\n",
        "x".repeat(4_000_000)
    );
    let http = reqwest::Client::new();
    let sent =
        http.post(format!("{base}{BUCKET}")).header("content-type", "multipart/form-data; boundary=b").body(form);
    // Refused, or cut off while it was still sending.
    if let Ok(answer) = sent.send().await {
        assert!(!answer.status().is_success(), "{}", answer.status());
    }
    assert_eq!(site.keys().await, Vec::<String>::new());
}
