//! RTMP under TLS, and what else may come to such a port.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command as Blocking, Stdio};
use std::time::{Duration, Instant};

use media::flv::{TagKind, file_tags};
use media::link::FrameKind;
use serde_json::json;
use testkit::rtmp::{Encoder, Pace, flv_file, made_up_tags};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{KEY, Rig, eventually};

/// Writes a certificate and its key, as an operator without an authority makes them.
fn certify(folder: &Path, name: &str) {
    let made = Blocking::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", &format!("/CN={name}"), "-addext", &format!("subjectAltName=DNS:{name},IP:127.0.0.1")])
        .args(["-keyout", "key.new", "-out", "certificate.new"])
        .current_dir(folder)
        .output()
        .expect("openssl is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for file in ["key", "certificate"] {
        std::fs::rename(folder.join(format!("{file}.new")), folder.join(format!("{file}.pem"))).expect("renamed");
    }
}

/// A node that serves RTMPS as well, and the folder with its certificate.
async fn rig() -> (Rig, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    certify(folder.path(), "first.example");
    let rig = Rig::start_with(|config| {
        config.ingest.rtmps.certificate = folder.path().join("certificate.pem");
        config.ingest.rtmps.key = folder.path().join("key.pem");
    })
    .await;
    (rig, folder)
}

fn secure(rig: &Rig) -> SocketAddr {
    rig.rtmps.expect("RTMPS is served")
}

/// Publishes a copy of `file` over TLS with the ffmpeg at `program`, which may insist on a certificate it can trust.
async fn publish(rig: &Rig, file: &Path, program: &Path) {
    let published = Command::new(program)
        .args(["-v", "error", "-i"])
        .arg(file)
        .args(["-c", "copy", "-f", "flv", &format!("rtmps://{}/live/{KEY}", secure(rig))])
        .env("SSL_CERT_FILE", &rig.config.ingest.rtmps.certificate)
        .stdin(Stdio::null())
        .output();
    let published = timeout(Duration::from_secs(30), published).await.expect("it ends").expect("ffmpeg runs");
    assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
}

#[tokio::test]
async fn what_ffmpeg_sends_over_tls_arrives_whole() {
    let (rig, _folder) = rig().await;
    let file = flv_file(3).await.expect("a file");
    let path = rig.data_dir().join("input.flv");
    std::fs::write(&path, &file).expect("writes");
    for (links, program) in [(1, Path::new("ffmpeg")), (2, &testkit::stack::modern_ffmpeg())] {
        publish(&rig, &path, program).await;
        let links =
            rig.transcoder.until("the end", |all| all.len() == links && all.iter().all(|link| link.has_ended())).await;
        let link = links.last().expect("a link");
        for (kind, tag_kind) in [(FrameKind::Video, TagKind::Video), (FrameKind::Audio, TagKind::Audio)] {
            let is_media = |body: &[u8]| kind == FrameKind::Audio || body.get(1).is_some_and(|packet| *packet < 2);
            let sent: Vec<_> = file_tags(&file)
                .expect("an FLV file")
                .filter(|tag| tag.kind == tag_kind && is_media(&tag.body))
                .map(|tag| tag.body)
                .collect();
            let arrived: Vec<_> = link.payloads(kind).into_iter().filter(|body| is_media(body)).collect();
            assert!(arrived == sent, "{kind:?} of {program:?}: {} of {}", arrived.len(), sent.len());
        }
    }
    rig.until(
        "SELECT DISTINCT status, end_reason FROM streams",
        json!([{"status": "ended", "end_reason": "unpublished"}]),
    )
    .await;
    rig.stop().await;
}

/// B8. Nobody of these is a publisher; the one who is does not notice them.
#[tokio::test]
async fn what_is_no_tls_on_the_tls_port_and_no_rtmp_on_the_other_is_closed_at_once() {
    let (rig, _folder) = rig().await;
    let mut encoder = rig.publish(KEY).await;
    encoder.send(made_up_tags(1), Pace::AsFastAsPossible).await.expect("sends");
    let http = b"GET / HTTP/1.1\r\nHost: tv.example\r\n\r\n".to_vec();
    let rtmp = [&[3][..], &[0; 1_536]].concat();
    let garbage: Vec<u8> = (0..5_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    // A record that claims to be a handshake and is none; and one that never ends is for the deadline.
    let lie = [&[22, 3, 1, 0, 4][..], &[99, 0, 0, 0]].concat();
    for (to, bytes) in [
        (secure(&rig), http.clone()),
        (secure(&rig), rtmp),
        (secure(&rig), garbage.clone()),
        (secure(&rig), lie),
        (rig.rtmp, http),
        (rig.rtmp, garbage),
        (rig.rtmp, vec![22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
    ] {
        let begun = Instant::now();
        let mut socket = TcpStream::connect(to).await.expect("connects");
        socket.write_all(&bytes).await.expect("sends");
        let mut rest = Vec::new();
        let closed = timeout(Duration::from_secs(3), socket.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "{} bytes to {to} were left waiting", bytes.len());
        assert!(begun.elapsed() < Duration::from_secs(1) && rest.len() < 100, "{:?} {}", begun.elapsed(), rest.len());
    }
    encoder.send(made_up_tags(1), Pace::AsFastAsPossible).await.expect("the publisher goes on");
    encoder.unpublish().await.expect("the server hangs up");
    rig.stop().await;
}

#[tokio::test]
async fn a_tls_handshake_that_is_not_finished_ends_at_its_deadline() {
    let (rig, _folder) = rig().await;
    let silent = async {
        let mut socket = TcpStream::connect(secure(&rig)).await.expect("connects");
        // The front of a record that never comes.
        socket.write_all(&[22, 3, 1, 2, 0, 1]).await.expect("sends");
        let begun = Instant::now();
        let mut rest = Vec::new();
        let _closed = timeout(Duration::from_secs(9), socket.read_to_end(&mut rest)).await.expect("closed");
        begun.elapsed()
    };
    let after = silent.await;
    assert!((Duration::from_secs(4)..Duration::from_secs(7)).contains(&after), "{after:?}");
    rig.stop().await;
}

/// The subject of the certificate the port shows.
async fn shown(addr: SocketAddr) -> String {
    let asked = Command::new("openssl")
        .args(["s_client", "-connect", &addr.to_string(), "-servername", "wrong.example"])
        .stdin(Stdio::null())
        .output();
    let asked = timeout(Duration::from_secs(10), asked).await.expect("it ends").expect("openssl is installed");
    String::from_utf8_lossy(&asked.stdout).into_owned()
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_is_not() {
    let (rig, folder) = rig().await;
    assert!(shown(secure(&rig)).await.contains("CN = first.example"), "whatever name was asked for");
    certify(folder.path(), "second.example");
    eventually("the new certificate", async || {
        let said = shown(secure(&rig)).await;
        if said.contains("CN = second.example") { Ok(()) } else { Err(said) }
    })
    .await;
    std::fs::write(folder.path().join("key.pem"), "nonsense").expect("written");
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(shown(secure(&rig)).await.contains("CN = second.example"), "the last good one stays");
    // Plain RTMP beside it goes its way.
    let encoder = Encoder::publish(rig.rtmp, KEY).await.expect("on air");
    encoder.unpublish().await.expect("the server hangs up");
    rig.stop().await;
}

/// B8. Clients that want another certificate, or another handshake in the middle, get neither and cost nobody anything.
#[tokio::test]
async fn who_trusts_another_certificate_goes_and_who_renegotiates_is_not_heard() {
    let (rig, _folder) = rig().await;
    let elsewhere = tempfile::tempdir().expect("a folder");
    certify(elsewhere.path(), "elsewhere.example");
    let ask = async |arguments: &[&str], say: &'static [u8]| {
        let mut client = Command::new("openssl")
            .args(["s_client", "-connect", &secure(&rig).to_string()])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("openssl is installed");
        let mut stdin = client.stdin.take().expect("piped");
        // What is typed before the handshake is over is part of the first record, not a wish.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let _may_be_gone = stdin.write_all(say).await;
        let ended = timeout(Duration::from_secs(8), client.wait_with_output()).await.expect("it is cut");
        drop(stdin);
        let ended = ended.expect("it is waited for");
        String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned()
    };
    let other = elsewhere.path().join("certificate.pem").display().to_string();
    let trust = ["-verify_return_error", "-CAfile", &other];
    let (distrustful, again) = tokio::join!(ask(&trust, b""), ask(&["-tls1_2"], b"R\n"));
    assert!(distrustful.contains("verify error") || distrustful.contains("verify failed"), "{distrustful}");
    assert!(again.contains("RENEGOTIATING"), "{again}");
    assert!(
        again.contains("no renegotiation") || again.contains("handshake failure") || again.contains("closed"),
        "{again}"
    );
    let encoder = Encoder::publish(rig.rtmp, KEY).await.expect("on air");
    encoder.unpublish().await.expect("the server hangs up");
    rig.stop().await;
}
