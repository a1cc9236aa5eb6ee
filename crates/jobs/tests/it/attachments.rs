//! What becomes of pictures and files in messages: with clamd itself, and with none, a slow one and one that lies.

use std::time::Duration;

use db::attachments::{Claim, Claimed, New, Picture, Reserved};
use domain::rooms::RoomName;
use domain::{AttachmentId, MessageId, RoomId, UserId};
use futures::StreamExt;
use objects::keys::{self, AttachmentPart};
use objects::{CACHE_IMMUTABLE, NewObject};
use serde_json::Value;
use testkit::clamd::{Clamd, eicar};
use testkit::s3::S3Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::Site;

const WITHIN: Duration = Duration::from_secs(20);
const CHECKING: &str = "SELECT count(*)::bigint AS n FROM attachments WHERE state = 'checking'";
const ROWS: &str = "SELECT count(*)::bigint AS n FROM attachments";

struct House {
    site: Site,
    s3: S3Server,
    alice: UserId,
    room: RoomId,
}

impl House {
    async fn start(clamd: &str) -> Self {
        let s3 = S3Server::start().await.unwrap();
        let site = Site::start(|config| {
            config.storage = s3.config();
            config.scan.clamd = clamd.to_owned();
        })
        .await;
        let (alice, bob) = (site.channel("alice").await, site.channel("bob").await);
        let room = RoomId::from_uuid(kit::ids::uuid());
        let mut conn = site.deps.pool.acquire().await.unwrap();
        db::rooms::create_group(&mut conn, room, alice, &RoomName::parse("Friday").unwrap()).await.unwrap();
        db::rooms::invite(&mut conn, room, bob, alice).await.unwrap();
        db::rooms::join(&mut conn, room, bob).await.unwrap();
        drop(conn);
        Self { site, s3, alice, room }
    }

    /// An upload of alice's, as the API leaves it.
    async fn upload(&self, body: &[u8], is_picture: bool, is_scanned: bool) -> AttachmentId {
        let id = AttachmentId::from_uuid(kit::ids::uuid());
        let new = New {
            id,
            room: self.room,
            user: self.alice,
            lock: "lock",
            name: "a.bin",
            mime: if is_picture { "image/jpeg" } else { "application/pdf" },
            bytes: body.len() as i64,
            picture: is_picture.then_some(Picture { width: 4, height: 3, thumb_mime: "image/jpeg" }),
            sha256: &objects::sha256(&[body.to_vec().into()]),
            stored_bytes: body.len() as i64,
            has_upload: is_picture && is_scanned,
        };
        let mut tx = db::begin(&self.site.deps.pool).await.unwrap();
        assert_eq!(db::attachments::reserve(&mut tx, &new, 0).await.unwrap(), Reserved::Done);
        db::commit(tx).await.unwrap();
        let parts: &[AttachmentPart] = match (is_picture, is_scanned) {
            (true, true) => &[AttachmentPart::Upload, AttachmentPart::Picture, AttachmentPart::Thumbnail],
            (true, false) => &[AttachmentPart::Picture, AttachmentPart::Thumbnail],
            _ => &[AttachmentPart::Upload],
        };
        for part in parts {
            let key = keys::attachment(id, "lock", *part);
            let body = body.to_vec().into();
            let object = NewObject { key: &key, body, content_type: "x/y", cache_control: CACHE_IMMUTABLE };
            self.site.deps.objects.put(object).await.unwrap();
        }
        let mut conn = self.site.deps.pool.acquire().await.unwrap();
        db::attachments::stored(&mut conn, id, is_scanned).await.unwrap().expect("it was being stored");
        id
    }

    /// Sends it, or only says that it is to be sent.
    async fn send(&self, id: AttachmentId, is_said: bool) -> MessageId {
        let mut conn = self.site.deps.pool.acquire().await.unwrap();
        let message = MessageId::from_uuid(kit::ids::uuid());
        let claim = Claim { id, room: self.room, user: self.alice, client_id: "c", message };
        assert_eq!(db::attachments::claim(&mut conn, claim).await.unwrap(), Claimed::Bound(message));
        if is_said {
            let sent_at = kit::clock::now();
            let line = db::rooms::Line { id: message, room: self.room, author: self.alice, excerpt: "", sent_at };
            db::rooms::said(&mut conn, line).await.unwrap();
        }
        message
    }

    async fn state(&self, id: AttachmentId) -> String {
        let query = format!("SELECT state FROM attachments WHERE attachment_id = '{id}'");
        let rows = db::testing::rows(&self.site.deps.pool, &query).await.unwrap();
        rows.first().map_or("gone".to_owned(), |row| row["state"].as_str().unwrap().to_owned())
    }

    async fn until(&self, id: AttachmentId, wanted: &str) {
        let reached = tokio::time::timeout(WITHIN, async {
            while self.state(id).await != wanted {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(reached.await.is_ok(), "{} and not {wanted}", self.state(id).await);
    }

    fn objects(&self, id: AttachmentId) -> usize {
        let prefix = keys::attachment_prefix(id);
        self.s3.keys().iter().filter(|key| key.starts_with(&prefix)).count()
    }

    /// All that is owed to it is due now.
    async fn due(&self) {
        self.site.execute("UPDATE attachments SET due_at = now() WHERE due_at IS NOT NULL").await;
    }

    /// Does what is owed until nothing is.
    async fn work(&self) {
        for is_scan in [true, false, false] {
            while jobs::attachments::turn(&self.site.deps, is_scan).await.unwrap() > 0 {}
        }
    }
}

/// Somebody who takes a file for clamd and answers as told.
async fn liar(answer: &'static [u8]) -> (String, tokio::task::JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut command = [0; 10];
            socket.read_exact(&mut command).await.unwrap();
            assert_eq!(&command, b"zINSTREAM\0");
            loop {
                let length = socket.read_u32().await.unwrap();
                if length == 0 {
                    break;
                }
                let mut piece = vec![0; length as usize];
                socket.read_exact(&mut piece).await.unwrap();
            }
            socket.write_all(answer).await.unwrap();
        }
    });
    (address, tasks)
}

#[tokio::test]
async fn what_clamd_calls_clean_is_ready_and_what_it_finds_something_in_is_gone_for_good() {
    let clamd = Clamd::start();
    let house = House::start(&clamd.address()).await;
    let file = house.upload(b"%PDF-1.7 nothing to see", false, true).await;
    let picture = house.upload(b"\xff\xd8\xff a picture", true, true).await;
    let bad = house.upload(&eicar(), false, true).await;
    let message = house.send(bad, true).await;
    let mut pushes = live::fanout::subscribe(&house.site.deps.live).await.unwrap();
    let (_running, _stop) = house.site.run();
    house.until(file, "ready").await;
    house.until(picture, "ready").await;
    house.until(bad, "infected").await;
    house
        .site
        .until(
            "SELECT count(*)::bigint AS n FROM attachments WHERE has_upload OR state = 'infected' AND stored_bytes > 0",
            0,
            WITHIN,
        )
        .await;
    assert_eq!((house.objects(file), house.objects(picture), house.objects(bad)), (1, 2, 0));

    // Who sits in the room hears of what was sent, of what was not only its sender.
    let mut told: Vec<(Value, usize)> = Vec::new();
    while told.len() < 3 {
        let push = pushes.next().await.unwrap();
        let live::fanout::Target::Users(users) = push.target else { continue };
        assert_eq!(
            (push.event.as_str(), &push.payload["room_id"]),
            ("room:attachment", &serde_json::json!(house.room))
        );
        told.push((push.payload, users.len()));
    }
    let of = |id: AttachmentId| {
        told.iter().find(|(payload, _)| payload["attachment"]["id"] == serde_json::json!(id)).unwrap()
    };
    assert_eq!((of(bad).1, &of(bad).0["message_id"]), (2, &serde_json::json!(message)));
    assert_eq!(
        (&of(bad).0["attachment"]["state"], &of(bad).0["attachment"]["url"]),
        (&"infected".into(), &Value::Null)
    );
    assert_eq!((of(file).1, &of(file).0["message_id"]), (1, &Value::Null));
    let place = format!("/api/v1/rooms/{}/attachments/{picture}/thumbnail", house.room);
    assert_eq!(of(picture).0["attachment"]["thumbnail_url"], place.as_str());

    // The same bytes are not taken in again, by nobody.
    let again = New {
        id: AttachmentId::from_uuid(kit::ids::uuid()),
        room: house.room,
        user: house.alice,
        lock: "l",
        name: "b",
        mime: "a/b",
        bytes: 68,
        picture: None,
        sha256: &objects::sha256(&[eicar().into()]),
        stored_bytes: 68,
        has_upload: false,
    };
    let mut tx = db::begin(&house.site.deps.pool).await.unwrap();
    assert_eq!(db::attachments::reserve(&mut tx, &again, 0).await.unwrap(), Reserved::Infected);
}

#[tokio::test]
async fn without_a_word_from_clamd_a_file_waits_and_goes_on_when_there_is_one() {
    let mut clamd = Clamd::prepared();
    let house = House::start(&clamd.address()).await;
    let file = house.upload(b"patience", false, true).await;
    // Larger than this clamd takes.
    let large = house.upload(&vec![7; 1_200_000], false, true).await;
    let (_running, _stop) = house.site.run();
    house.site.until("SELECT count(*)::bigint AS n FROM attachments WHERE tries > 0", 2, WITHIN).await;
    assert_eq!(house.site.number(CHECKING).await, 2);
    clamd.start_again();
    house.until(file, "ready").await;
    assert_eq!((house.state(large).await.as_str(), house.objects(large)), ("checking", 1), "nobody has looked at it");
    // After a week nobody asks any more.
    house.send(large, true).await;
    house.site.execute("UPDATE attachments SET created_at = now() - interval '8 days' WHERE state = 'checking'").await;
    house.due().await;
    house.until(large, "failed").await;
    house
        .site
        .until("SELECT count(*)::bigint AS n FROM attachments WHERE state = 'failed' AND stored_bytes = 0", 1, WITHIN)
        .await;
    assert_eq!(house.objects(large), 0);
}

#[tokio::test]
async fn only_a_plain_word_is_believed() {
    for answer in [
        b"stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0".as_slice(),
        b"INSTREAM size limit exceeded. ERROR\0",
        b"stream: OK but",
        b"",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ] {
        let (address, _liar) = liar(answer).await;
        let house = House::start(&address).await;
        let file = house.upload(b"who knows", false, true).await;
        house.work().await;
        assert_eq!((house.state(file).await.as_str(), house.objects(file)), ("checking", 1), "{answer:?}");
        assert_eq!(house.site.number("SELECT count(*)::bigint AS n FROM attachments WHERE tries = 1").await, 1);
        assert_eq!(house.site.number("SELECT count(*)::bigint AS n FROM refused_files").await, 0);
    }
    // A site that has no scanner any more still shows nothing unchecked.
    let house = House::start("").await;
    let file = house.upload(b"who knows", false, true).await;
    house.work().await;
    assert_eq!(house.state(file).await, "checking");
}

#[tokio::test]
async fn what_is_in_no_message_goes_after_an_hour_and_what_is_stays() {
    let house = House::start("").await;
    let (unsent, sent, unsaid) = (
        house.upload(b"1", true, false).await,
        house.upload(b"22", true, false).await,
        house.upload(b"333", true, false).await,
    );
    let message = house.send(sent, true).await;
    house.site.execute("UPDATE attachments SET client_id = 'other' WHERE client_id = 'c'").await;
    house.send(unsaid, false).await;
    house.due().await;
    house.work().await;
    assert_eq!(house.site.number(ROWS).await, 3, "nothing is late yet");
    let hour = "UPDATE attachments SET created_at = created_at - interval '61 minutes', bound_at = bound_at - interval '61 minutes'";
    house.site.execute(hour).await;
    house.due().await;
    house.work().await;
    let states = [house.state(unsent).await, house.state(sent).await, house.state(unsaid).await];
    assert_eq!(states, ["gone", "ready", "gone"]);
    assert_eq!((house.objects(unsent), house.objects(sent), house.objects(unsaid)), (0, 2, 0));
    assert_eq!(house.site.number("SELECT count(*)::bigint AS n FROM attachments WHERE due_at IS NOT NULL").await, 0);

    // The message is deleted: so is what went out with it.
    let mut conn = house.site.deps.pool.acquire().await.unwrap();
    db::attachments::discard(&mut conn, message).await.unwrap();
    assert!(db::attachments::of_messages(&mut conn, &[message]).await.unwrap().is_empty(), "at once, for whoever asks");
    drop(conn);
    house.work().await;
    assert_eq!((house.state(sent).await.as_str(), house.s3.keys().len()), ("gone", 0));
}

#[tokio::test]
async fn a_worker_that_dies_between_two_steps_leaves_them_to_the_next() {
    let clamd = Clamd::start();
    let house = House::start(&clamd.address()).await;
    // Taken by somebody who is not heard of again: nobody else has it until their time is over.
    let file = house.upload(b"once", false, true).await;
    let mut conn = house.site.deps.pool.acquire().await.unwrap();
    assert_eq!(db::attachments::take_due(&mut conn, true, 4, 60.0).await.unwrap().len(), 1);
    house.work().await;
    assert_eq!(house.state(file).await, "checking");
    house.due().await;
    house.work().await;
    assert_eq!(house.state(file).await, "ready");
    // Said again by who was thought dead: it stays what it is.
    assert!(db::attachments::pass(&mut conn, file).await.unwrap().is_none());
    assert!(db::attachments::fail(&mut conn, file).await.unwrap().is_none());

    // The bucket is away in the middle: nothing is forgotten, and what was deleted already is no hindrance.
    db::attachments::abandon(&mut conn, file).await.unwrap();
    house.s3.set_down(true);
    assert_eq!(jobs::attachments::turn(&house.site.deps, false).await.unwrap(), 1);
    assert_eq!(house.site.number(ROWS).await, 1);
    house.s3.set_down(false);
    house.site.deps.objects.delete_prefix(&keys::attachment_prefix(file)).await.unwrap();
    house.due().await;
    house.work().await;
    assert_eq!((house.site.number(ROWS).await, house.objects(file)), (0, 0));
    db::attachments::erase(&mut conn, file).await.unwrap();

    // Found, but its objects are still there when the worker dies.
    let bad = house.upload(&eicar(), true, true).await;
    let mut tx = db::begin(&house.site.deps.pool).await.unwrap();
    db::attachments::refuse(&mut tx, bad, "Eicar").await.unwrap().expect("it was being checked");
    db::commit(tx).await.unwrap();
    assert_eq!(house.objects(bad), 3);
    for _ in 0..2 {
        house.work().await;
        assert_eq!((house.state(bad).await.as_str(), house.objects(bad)), ("infected", 0));
    }
    // Clean, but the picture as it was sent is still there.
    let picture = house.upload(b"a picture", true, true).await;
    db::attachments::pass(&mut conn, picture).await.unwrap().expect("it was being checked");
    house.work().await;
    assert_eq!((house.state(picture).await.as_str(), house.objects(picture)), ("ready", 2));
}

#[tokio::test]
async fn objects_without_a_row_are_swept_once_they_are_old() {
    let house = House::start("").await;
    let (kept, stray) = (house.upload(b"1", true, false).await, house.upload(b"2", true, false).await);
    house.site.execute(&format!("DELETE FROM attachments WHERE attachment_id = '{stray}'")).await;
    assert_eq!(jobs::attachments::sweep_strays(&house.site.deps, Duration::from_secs(3_600)).await.unwrap(), 0);
    assert_eq!(jobs::attachments::sweep_strays(&house.site.deps, Duration::ZERO).await.unwrap(), 2);
    assert_eq!((house.objects(kept), house.objects(stray)), (2, 0));
}

#[tokio::test]
async fn nobody_can_read_where_nobody_sits_and_then_all_of_it_goes() {
    let house = House::start("").await;
    let (sent, unsent) = (house.upload(b"1", true, false).await, house.upload(b"2", true, false).await);
    house.send(sent, true).await;
    let mut tx = db::begin(&house.site.deps.pool).await.unwrap();
    db::rooms::archive(&mut tx, house.room, true).await.unwrap();
    db::commit(tx).await.unwrap();
    house.work().await;
    assert_eq!(
        (house.state(sent).await.as_str(), house.state(unsent).await.as_str()),
        ("ready", "gone"),
        "it can be read"
    );
    house.site.execute("UPDATE room_members SET state = 'left' WHERE role <> 'owner'").await;
    let mut tx = db::begin(&house.site.deps.pool).await.unwrap();
    assert_eq!(db::rooms::leave(&mut tx, house.room, house.alice).await.unwrap(), db::rooms::Left::Empty);
    db::commit(tx).await.unwrap();
    house.work().await;
    assert_eq!((house.state(sent).await.as_str(), house.s3.keys().len()), ("gone", 0));
}
