//! What a client may not do, and what becomes of it: the others notice nothing.

use std::time::Duration;

use serde_json::json;
use testkit::socket::{self, ConnectFailure, ConnectOptions, SocketClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::site::{Site, join, say, until};

const SOON: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_message_over_sixteen_kib_closes_its_sender_only() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let node = site.node().await;
    let other = node.sign_in(&alice).await;
    let frame = |bytes: usize| {
        let head = r#"421["no:such",""#;
        format!("{head}{}\"]", "x".repeat(bytes - head.len() - 2))
    };
    let mut raw = socket::open(&node.url, None).await.unwrap();
    raw.send("40{}").await.unwrap();
    assert!(raw.read().await.unwrap().starts_with("40"));
    raw.send(frame(16 * 1024)).await.unwrap();
    assert!(raw.read().await.unwrap().contains("request.unknown-event"), "16 KiB are allowed");
    raw.send(frame(16 * 1024 + 1)).await.unwrap();
    raw.read_to_end(SOON).await.unwrap();
    assert_eq!(say(&other, &alice, "fine").await["ok"], true);
}

#[tokio::test]
async fn sixty_four_mib_are_not_read() {
    let site = Site::start().await;
    let node = site.node().await;
    let mut stream = handshake(&node.url).await;
    // The header of one masked text frame of 64 MiB, then as much of it as the server takes.
    let mut header = vec![0x81, 0x80 | 127];
    header.extend((64_u64 << 20).to_be_bytes());
    header.extend([0; 4]);
    stream.write_all(&header).await.unwrap();
    let begun = Instant::now();
    let chunk = vec![0; 64 * 1024];
    let mut sent = 0;
    while begun.elapsed() < SOON && stream.write_all(&chunk).await.is_ok() {
        sent += chunk.len();
    }
    assert!(begun.elapsed() < SOON, "the server went on reading");
    assert!(sent < 16 << 20, "{sent} bytes were taken");
}

/// A WebSocket by hand, after its HTTP handshake.
async fn handshake(url: &str) -> TcpStream {
    let host = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!(
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(head.contains("s3pplmbitxaq9kygzzhzrbk+xoo="), "the accept key of RFC 6455: {head}");
    stream
}

#[tokio::test]
async fn broken_packets_close_the_connection() {
    let site = Site::start().await;
    let node = site.node().await;
    for bad in [
        r#"451-["chat:send",{"_placeholder":true,"num":0}]"#,
        r#"4510000-["chat:send",{"_placeholder":true,"num":0}]"#,
        r#"4599999999999999999999-["chat:send"]"#,
        r#"42["chat:send",{"username":"alice","#,
        "42[]",
        "42",
        "49",
        "9",
        "",
    ] {
        let mut raw = socket::open(&node.url, None).await.unwrap();
        raw.send("40{}").await.unwrap();
        assert!(raw.read().await.unwrap().starts_with("40"));
        raw.send(bad).await.unwrap();
        raw.read_to_end(SOON).await.unwrap_or_else(|error| panic!("{bad:?}: {error}"));
    }
    let mut raw = socket::open(&node.url, None).await.unwrap();
    raw.send("40{}").await.unwrap();
    raw.send_binary(vec![0; 100]).await.unwrap();
    raw.read_to_end(SOON).await.unwrap();
}

#[tokio::test]
async fn text_that_is_not_utf_8_closes_the_connection() {
    let site = Site::start().await;
    let node = site.node().await;
    let mut stream = handshake(&node.url).await;
    stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe]).await.unwrap();
    let mut rest = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut rest)).await.expect("closed").ok();
}

#[tokio::test]
async fn whoever_never_says_connect_is_closed_after_five_seconds() {
    let site = Site::start().await;
    let node = site.node().await;
    let mut raw = socket::open(&node.url, None).await.unwrap();
    let begun = Instant::now();
    raw.read_to_end(Duration::from_secs(7)).await.unwrap();
    assert!(begun.elapsed() > Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_flood_is_refused_with_a_code_and_then_cut_while_others_chat_on() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let (listener, speaker) = (node.anonymous().await, node.sign_in(&alice).await);
    join(&listener, &alice).await;
    let mut flooder = socket::open(&node.url, None).await.unwrap();
    flooder.send(format!("40{}", json!({ "token": bob.token }))).await.unwrap();
    assert!(flooder.read().await.unwrap().starts_with("40"));
    let begun = Instant::now();
    let flood = async {
        for number in 0..10_000 {
            let packet =
                format!(r#"42{number}["chat:send",{{"username":"alice","text":"spam","client_id":"c{number}"}}]"#);
            if flooder.feed(packet).await.is_err() {
                break;
            }
        }
        let _cut_already = flooder.flush().await;
        flooder.read_to_end(SOON).await.unwrap()
    };
    let chat = async {
        for number in 0..10 {
            assert_eq!(say(&speaker, &alice, &format!("calm {number}")).await["ok"], true);
        }
    };
    let (answers, ()) = tokio::join!(flood, chat);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert!(answers.iter().any(|answer| answer.contains("chat.throttled")), "{answers:?}");
    let stored = db::testing::rows(&site.pool, "SELECT count(*) FROM chat_messages WHERE text = 'spam'").await.unwrap();
    assert!(stored[0]["count"].as_u64().unwrap() <= 60, "{stored:?}");
    listener.next_where("chat:message", |message| message["text"] == "calm 9").await.unwrap();
    // Coming back at once does not help; a moment later they may.
    let back = async || {
        let mut socket = socket::open(&node.url, None).await.unwrap();
        socket.send(format!("40{}", json!({ "token": bob.token }))).await.unwrap();
        socket.read().await.unwrap()
    };
    let refused = back().await;
    assert!(refused.starts_with("44") && refused.contains("chat.throttled"), "{refused}");
    until(SOON * 2, back, |answer| answer.starts_with("40")).await;
}

#[tokio::test]
async fn a_members_many_sockets_have_one_allowance_together() {
    let mut site = Site::start().await;
    site.config.limits.chat_per_user_per_3s = 5;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let mut sockets = Vec::new();
    for _ in 0..6 {
        sockets.push(node.sign_in(&bob).await);
    }
    // One after the other, and fewer than one socket may: none is refused for itself.
    let asks = sockets.iter().map(async |socket| {
        let mut refused = 0;
        for _ in 0..36 {
            let answer = socket.ask("no:such", json!({})).await.unwrap();
            refused += usize::from(answer["code"] == "chat.throttled");
        }
        refused
    });
    let refused: usize = futures::future::join_all(asks).await.into_iter().sum();
    assert!(refused > 0, "six times thirty-six are more than one member asks");
    assert_eq!(say(&node.sign_in(&alice).await, &alice, "on we go").await["ok"], true);
}

#[tokio::test]
async fn whoever_takes_nothing_is_cut_and_holds_nobody_up() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let node = site.node().await;
    let speaker = node.sign_in(&alice).await;
    let host = node.url.strip_prefix("http://").unwrap();
    // A tiny receive buffer, so that the kernel does not hide that nobody reads.
    let tcp = tokio::net::TcpSocket::new_v4().unwrap();
    tcp.set_recv_buffer_size(4_096).unwrap();
    let mut stream = tcp.connect(host.parse().unwrap()).await.unwrap();
    let request = format!(
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    // From here on it reads what it must to get in, and then nothing.
    for (text, answer) in [("40{}", r#"40{"sid""#), (r#"420["stream:join",{"username":"alice"}]"#, "430[")] {
        let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
        frame.extend(text.as_bytes());
        stream.write_all(&frame).await.unwrap();
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains(answer) {
            heard.push(stream.read_u8().await.unwrap());
        }
    }
    let viewers =
        async || live::viewers::counts(&site.live(), std::slice::from_ref(&alice.name)).await.unwrap()[&alice.name];
    until(SOON, &viewers, |count| *count == 1).await;
    // Big pushes fill the pipe, the library's buffer of 64, and then the limit.
    let news = "x".repeat(100_000);
    let mut sent = 0;
    while viewers().await == 1 {
        for _ in 0..20 {
            let push = live::fanout::Push {
                target: live::fanout::Target::Channel(alice.name.clone()),
                event: "news".to_owned(),
                payload: json!(news),
                origin: None,
            };
            live::fanout::publish(&node.live, &push).await.unwrap();
            sent += 1;
        }
        assert!(sent < 1_000, "the deaf client was not cut");
    }
    assert_eq!(say(&speaker, &alice, "on we go").await["ok"], true);
}

#[tokio::test]
async fn pages_of_other_sites_may_not_connect() {
    let mut site = Site::start().await;
    site.config.chat.allowed_origins = vec!["https://app.example".to_owned()];
    let node = site.node().await;
    let from = async |origin: &str| {
        let options = ConnectOptions { auth: json!({}), origin: Some(origin.to_owned()) };
        match SocketClient::connect(&node.url, options).await {
            Ok(_) => 101,
            Err(ConnectFailure::Http(status)) => status,
            Err(other) => panic!("{origin}: {other:?}"),
        }
    };
    assert_eq!(from(&node.url).await, 101);
    assert_eq!(from("https://app.example").await, 101);
    for foreign in ["https://evil.example", "null", "https://app.example.evil.example", "http://localhost:1"] {
        assert_eq!(from(foreign).await, 403, "{foreign}");
    }
    let url = format!("{}/socket.io/?EIO=4&transport=polling", node.url);
    let ask = |origin: &'static str| reqwest::Client::new().get(&url).header("origin", origin).send();
    let foreign = ask("https://evil.example").await.unwrap();
    assert_eq!(foreign.status(), 403);
    assert_eq!(foreign.headers()["content-type"], "application/problem+json");
    let allowed = ask("https://app.example").await.unwrap();
    assert_eq!(allowed.status(), 200);
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://app.example");
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_no_more() {
    let mut site = Site::start().await;
    site.config.chat.connections_per_ip_max = 3;
    let node = site.node().await;
    let (one, _two) = (node.anonymous().await, node.anonymous().await);
    let polling = format!("{}/socket.io/?EIO=4&transport=polling", node.url);
    assert_eq!(reqwest::get(&polling).await.unwrap().status(), 200, "polling sessions count too");
    assert_eq!(reqwest::get(&polling).await.unwrap().status(), 429);
    assert!(matches!(
        SocketClient::connect(&node.url, ConnectOptions::default()).await,
        Err(ConnectFailure::Http(429))
    ));
    drop(one);
    let again = async || SocketClient::connect(&node.url, ConnectOptions::default()).await.is_ok();
    until(SOON, again, |connected| *connected).await;
}
