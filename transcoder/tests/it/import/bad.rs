//! What is no video, or a trap: refused by a plain code, and nothing is left of it.

use bytes::Bytes;
use domain::VodId;
use domain::import::Container;

use super::rig::Desk;

const CLIP: &str = "-f lavfi -i testsrc2=s=320x180:r=30:d=6 -f lavfi -i sine=f=440:r=48000:d=6 -c:v libx264 -preset ultrafast \
                    -pix_fmt yuv420p -g 30 -c:a aac";

async fn refused(desk: &Desk, vod: VodId, code: &str) {
    desk.until(vod, "failed").await;
    let row = desk.vod(vod).await;
    assert_eq!((row["status"].as_str(), row["fail_reason"].as_str()), (Some("failed"), Some(code)));
    assert_eq!((desk.told("vod_failed", vod).await, desk.told("vod_ready", vod).await), (1, 0));
    crate::live::rig::until("what it stored is gone", || async {
        desk.import(vod).await["owes_cleanup"] == false && desk.objects_of(vod) == 0
    })
    .await;
    assert_eq!(desk.copies(), 0);
    assert!(desk.segments(vod, "source").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_looks_like_a_video_is_refused() {
    let desk = Desk::new().await;
    let node = desk.node();
    let canary = desk.path("canary");
    std::fs::write(&canary, "nobody reads this").expect("written");
    let list = format!("ffconcat version 1.0\nfile {}\n", canary.display());
    let random: Vec<u8> = (0..200_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let ftyp = [&b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2"[..], &random].concat();
    let ebml = [&b"\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\xf7\x81\x01\x42\x82\x88matroska"[..], &random].concat();
    let cases = [
        (Bytes::from(list), Container::Mp4),
        (Bytes::from_static(b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n"), Container::Mp4),
        (Bytes::from_static(b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n"), Container::Matroska),
        (Bytes::from(random.clone()), Container::Mov),
        (Bytes::from(ftyp), Container::Mp4),
        (Bytes::from(ebml), Container::Matroska),
        (Bytes::from_static(b"x"), Container::WebM),
    ];
    for (number, (body, container)) in cases.into_iter().enumerate() {
        let vod = desk.queue_bytes(body, container).await;
        desk.until(vod, "failed").await;
        let code = desk.vod(vod).await["fail_reason"].as_str().unwrap_or_default().to_owned();
        assert!(["import.unreadable", "import.empty"].contains(&code.as_str()), "case {number}: {code}");
        refused(&desk, vod, &code).await;
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_breaks_off_is_no_recording() {
    let desk = Desk::new().await;
    let node = desk.node();
    let whole = std::fs::read(desk.make("first.mp4", &format!("{CLIP} -movflags +faststart"))).expect("the file");
    let cut = desk.queue_bytes(Bytes::from(whole[..whole.len() / 2].to_vec()), Container::Mp4).await;
    refused(&desk, cut, "import.truncated").await;
    let last = std::fs::read(desk.make("last.mp4", CLIP)).expect("the file");
    let headless = desk.queue_bytes(Bytes::from(last[..last.len() / 2].to_vec()), Container::Mp4).await;
    desk.until(headless, "failed").await;
    node.stop().await;
}

/// Writes `kind` and its size over the first box of that kind found.
fn replace(file: &mut [u8], from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    let at = file.windows(from.len()).position(|window| window == from).expect("it is there");
    file[at..at + to.len()].copy_from_slice(to);
}

#[tokio::test(flavor = "multi_thread")]
async fn media_that_would_lie_in_another_file_is_not_looked_for() {
    let desk = Desk::new().await;
    let node = desk.node();
    let mut file = std::fs::read(desk.make("clip.mov", CLIP)).expect("the file");
    // "Elsewhere" instead of "in this file", and the media is gone.
    let (here, elsewhere) = (b"url \0\0\0\x01", b"url \0\0\0\0");
    if file.windows(here.len()).any(|window| window == here) {
        replace(&mut file, here, elsewhere);
    }
    let at = file.windows(4).position(|window| window == b"mdat").expect("mdat");
    let moov = file.windows(4).position(|window| window == b"moov").expect("moov") - 4;
    let external = [&file[..at - 4], &file[moov..]].concat();
    let vod = desk.queue_bytes(Bytes::from(external), Container::Mov).await;
    desk.until(vod, "failed").await;
    assert_eq!(desk.told("vod_failed", vod).await, 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_browser_plays_and_nobody_here_reads_says_so() {
    let desk = Desk::new().await;
    let node = desk.node();
    let text = "-f lavfi -i testsrc2=s=320x180:r=10:d=2 -c:v mpeg2video -an";
    let vod = desk.queue(&desk.make("old.mkv", text), Container::Matroska).await;
    refused(&desk, vod, "import.codec").await;
    let gone = desk.queue_bytes(Bytes::from_static(b"\0\0\0\x18ftypisom"), Container::Mp4).await;
    node.stop().await;
    desk.objects.delete(&format!("files/{gone}")).await.expect("deleted");
    let node = desk.node();
    desk.until(gone, "failed").await;
    node.stop().await;
}
