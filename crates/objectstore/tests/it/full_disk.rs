//! A disk without room: the answer says so, and nothing is kept by halves.

use aws_sdk_s3::primitives::ByteStream;
use std::process::Command;

use crate::site::{BUCKET, Site, noise, said};

/// A shell limits the files of a process to 2 MiB, and has it told instead of killed; the process is this test's other half.
#[test]
fn a_body_that_finds_no_room_is_answered_507_and_leaves_nothing() {
    let this = std::env::current_exe().expect("this program");
    let script = "trap '' XFSZ; ulimit -f 4096; exec \"$0\" --ignored --exact full_disk::the_half_without_room";
    let output = Command::new("sh").args(["-c", script]).arg(this).output().expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
#[ignore = "run by the test above, within its limit"]
async fn the_half_without_room() {
    let site = Site::start().await;
    site.put("k", "what was there").await;
    // Written in one step, and in several.
    for bytes in [6_000_000, 20_000_000] {
        let put = site.client.put_object().bucket(BUCKET).key("k").body(ByteStream::from(noise(bytes)));
        let refused = put.send().await.expect_err("no room");
        assert_eq!(said(&refused), (507, "InsufficientStorage".to_owned()), "{refused:?}");
    }
    assert_eq!(site.get("k").await.as_deref(), Some(&b"what was there"[..]));
    assert_eq!(site.files().len(), 1);
    site.put("small", "there is room for this").await;
}
