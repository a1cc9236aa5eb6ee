//! Plans paid for by hand: begun, proven, decided once whatever comes at once (D6), and what they give.

use futures::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::s3::S3Server;

use crate::harness::{Answer, Member, Setup, Site, names};

const BEGIN: &str = "/api/v1/payments/subscriptions";
const PENDING: &str = "/api/v1/payments/pending";

struct House {
    site: Site,
    s3: S3Server,
    alice: Member,
    bob: Member,
    admin: Member,
    _disk: TempDir,
}

impl House {
    async fn start(change: impl FnOnce(&mut kit::Config)) -> Self {
        let (s3, disk) = (S3Server::start().await.expect("a bucket"), tempfile::tempdir().expect("a folder"));
        let mut setup = Setup::new();
        setup.config.storage = s3.config();
        setup.config.data_dir = disk.path().to_owned();
        setup.config.payments.bank_bin = "970415".to_owned();
        setup.config.payments.bank_account = "0011001932418".to_owned();
        setup.config.payments.bank_holder = "NGUYEN VAN A".to_owned();
        change(&mut setup.config);
        let site = setup.start().await;
        let (alice, bob, admin) =
            (site.register("alice").await, site.register("bob").await, site.register("admin_1").await);
        site.sql("UPDATE users SET role = 'admin' WHERE username = 'admin_1'").await;
        Self { site, s3, alice, bob, admin, _disk: disk }
    }

    async fn get(&self, who: &Member, path: &str) -> Answer {
        self.site.get(path).bearer(&who.token).send().await
    }

    async fn post(&self, who: &Member, path: &str, body: Value) -> Answer {
        self.site.post(path).bearer(&who.token).json(body).send().await
    }

    /// A payment for PLUS.
    async fn begin(&self, who: &Member) -> Value {
        self.post(who, BEGIN, json!({ "plan": "PLUS", "payment_method": "bank_transfer" })).await.expect(201).json
    }

    async fn prove(&self, who: &Member, payment: &Value, words: &[(&str, &str)], file: &[u8]) -> Answer {
        let mut body = Vec::new();
        for (name, word) in words {
            let part = format!("--b0undary\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{word}\r\n");
            body.extend_from_slice(part.as_bytes());
        }
        body.extend_from_slice(
            b"--b0undary\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n",
        );
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n--b0undary--\r\n");
        let call = self.site.post(&path(payment, "/proof")).bearer(&who.token);
        call.header("content-type", "multipart/form-data; boundary=b0undary").body(body).send().await
    }

    async fn status(&self, payment: &Value) -> String {
        let found = self.get(&self.admin, &path(payment, "")).await.expect(200);
        found.json["status"].as_str().expect("a state").to_owned()
    }

    async fn numbers(&self, query: &str) -> i64 {
        self.site.rows(query).await[0]["n"].as_i64().expect("a number")
    }

    async fn acts(&self, payment: &Value) -> Vec<String> {
        let id = payment["id"].as_str().expect("an id");
        let query = format!("SELECT action FROM audit_log WHERE entity_id = '{id}' ORDER BY at, entry_id");
        self.site.rows(&query).await.iter().map(|row| row["action"].as_str().expect("a word").to_owned()).collect()
    }
}

fn path(payment: &Value, rest: &str) -> String {
    format!("/api/v1/payments/{}{rest}", payment["id"].as_str().expect("an id"))
}

fn png(shade: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let picture = image::RgbImage::from_fn(64, 40, |x, y| image::Rgb([x as u8, y as u8, shade]));
    picture.write_with_encoder(image::codecs::png::PngEncoder::new(&mut bytes)).expect("a picture");
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_bought_proven_approved_and_gives_room() {
    let house = House::start(|config| {
        config.files.quota_mib = 1;
        config.files.unscanned = true;
        config.plans.plus.storage_mib = 4;
    })
    .await;
    let plans = house.site.get("/api/v1/plans").send().await.expect(200).json;
    assert_eq!(names(&house.site.get("/api/v1/plans").send().await, "plan"), ["FREE", "PLUS", "PRO"]);
    assert_eq!((&plans["currency"], &plans["exponent"]), (&json!("VND"), &json!(0)));
    assert_eq!(plans["payment_methods"], json!(["bank_transfer"]));
    let limits = house.get(&house.alice, "/api/v1/me/files").await.expect(200).json;
    assert_eq!((&limits["plan"], &limits["quota_bytes"]), (&json!("FREE"), &json!(1 << 20)));
    let upload = json!({ "name": "a.bin", "size": 2 << 20 });
    let initiate = "/api/v1/files/chunked-upload/initiate";
    house.post(&house.alice, initiate, upload.clone()).await.refused(409, "file.full");

    let payment = house.begin(&house.alice).await;
    assert_eq!((&payment["status"], &payment["amount_minor"]), (&json!("pending"), &json!(49_000)));
    let reference = payment["reference"].as_str().expect("a reference");
    let code = payment["pay"]["qr_payload"].as_str().expect("a code");
    assert!(code.contains("540549000") && code.contains(&format!("0810{reference}")), "{code}");
    let svg = house.get(&house.alice, payment["pay"]["qr_url"].as_str().expect("a link")).await.expect(200);
    assert!(svg.text().contains("<svg") && svg.header("content-type") == "image/svg+xml");
    assert_eq!(svg.header("cache-control"), "private, no-store");
    // The same again is the same; another has to wait.
    let again = house.post(&house.alice, BEGIN, json!({ "plan": "plus", "payment_method": "bank_transfer" })).await;
    assert_eq!(again.expect(200).json["id"], payment["id"]);
    let other = json!({ "plan": "PRO", "payment_method": "bank_transfer" });
    house.post(&house.alice, BEGIN, other).await.refused(409, "payment.open");

    let words = [("payer", " LE THI B "), ("amount_minor", "49000"), ("transfer", "FT123")];
    let sent = house.prove(&house.alice, &payment, &words, &png(1)).await.expect(200).json;
    assert_eq!(
        (&sent["status"], &sent["proof"], &sent["stated_payer"]),
        (&json!("submitted"), &json!("ready"), &json!("LE THI B"))
    );
    let first = house.s3.keys().iter().filter(|key| key.starts_with("proof/")).count();
    house.prove(&house.alice, &payment, &words, &png(2)).await.expect(200);
    assert_eq!((first, house.numbers("SELECT count(*) AS n FROM payment_proofs WHERE state = 'ready'").await), (1, 1));
    let mine = house.get(&house.alice, "/api/v1/me/subscription").await.expect(200).json;
    assert_eq!((&mine["plan"], &mine["open_payment_id"]), (&json!("FREE"), &payment["id"]));

    let sums = db::overview::sums(&mut house.site.pool.acquire().await.unwrap()).await.unwrap();
    assert_eq!(sums.waiting_payments, 1);
    let waiting = house.get(&house.admin, PENDING).await.expect(200).json;
    let one = &waiting["items"][0];
    assert_eq!(
        (&one["id"], &one["payer"]["username"], &one["stated_amount_minor"]),
        (&payment["id"], &json!("alice"), &json!(49_000))
    );
    let proof = house.get(&house.admin, one["proof_url"].as_str().expect("a link")).await.expect(200);
    assert!(image::load_from_memory(&proof.body).is_ok() && proof.header("cache-control") == "private, no-store");
    house
        .post(&house.admin, &path(&payment, "/approve"), json!({ "amount_minor": 48_999 }))
        .await
        .refused(409, "payment.other-amount");
    let done =
        house.post(&house.admin, &path(&payment, "/approve"), json!({ "amount_minor": 49_000 })).await.expect(200).json;
    assert_eq!(done["status"], "approved");
    // What was shown before is what it became.
    let day = |at: &Value| at.as_str().expect("a time")[..10].to_owned();
    assert_eq!(day(&done["term"]["ends_at"]), day(&one["would"]["ends_at"]));
    let mine = house.get(&house.alice, "/api/v1/me/subscription").await.expect(200).json;
    assert_eq!(
        (&mine["plan"], &mine["ends_at"], &mine["open_payment_id"]),
        (&json!("PLUS"), &done["term"]["ends_at"], &Value::Null)
    );
    let limits = house.get(&house.alice, "/api/v1/me/files").await.expect(200).json;
    assert_eq!((&limits["plan"], &limits["quota_bytes"]), (&json!("PLUS"), &json!(4 << 20)));
    house.post(&house.alice, initiate, upload).await.expect(201);
    assert_eq!(
        house.acts(&payment).await,
        ["payment.requested", "payment.submitted", "payment.submitted", "payment.approved"]
    );
    let told = "SELECT count(*) AS n FROM outbox WHERE kind = 'payment_changed'";
    assert_eq!(house.numbers(told).await, 3);

    // Bought again it goes on from its end, and when all is over nothing is taken away but room.
    let more = house.begin(&house.alice).await;
    let done = house.site.post(&path(&more, "/approve")).bearer(&house.admin.token).send().await.expect(200).json;
    let days = house.numbers("SELECT extract(day FROM ends_at - since)::bigint AS n FROM subscriptions").await;
    assert_eq!((days, &done["status"]), (60, &json!("approved")));
    house.site.sql("UPDATE subscriptions SET since = now() - interval '90 days', ends_at = now() - interval '2 days', grace_until = now() + interval '1 day'").await;
    let mine = house.get(&house.alice, "/api/v1/me/subscription").await.expect(200).json;
    assert_eq!((&mine["plan"], &mine["is_in_grace"]), (&json!("PLUS"), &json!(true)));
    house.site.sql("UPDATE subscriptions SET grace_until = now() - interval '1 s'").await;
    let limits = house.get(&house.alice, "/api/v1/me/files").await.expect(200).json;
    assert_eq!((&limits["plan"], &limits["used_bytes"]), (&json!("FREE"), &json!(2 << 20)), "what is there stays");
    house.post(&house.alice, initiate, json!({ "name": "b.bin", "size": 1 })).await.refused(409, "file.full");
}

/// D6, over and over: whoever decides at once, one has decided.
#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_decide_at_once_one_has_decided() {
    let house = House::start(|_| {}).await;
    for round in 0..12 {
        let payment = house.begin(&house.alice).await;
        if round % 2 == 0 {
            house.prove(&house.alice, &payment, &[], &png(round)).await.expect(200);
        }
        let before = house.numbers("SELECT count(*) AS n FROM payments WHERE status = 'approved'").await;
        let answers = join_all((0..6).map(|n| {
            let (house, payment) = (&house, &payment);
            async move {
                match n % 3 {
                    0 => house.post(&house.admin, &path(payment, "/approve"), json!({})).await,
                    1 => house.post(&house.admin, &path(payment, "/reject"), json!({ "reason": "no" })).await,
                    _ => house.post(&house.alice, &path(payment, "/cancel"), json!({})).await,
                }
            }
        }))
        .await;
        let won: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(won.len(), 1, "round {round}");
        for lost in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!((lost.status.as_u16(), &lost.json["code"]), (409, &json!("payment.settled")));
        }
        let status = house.status(&payment).await;
        assert_eq!(won[0].json["status"], *status);
        let decided = house.acts(&payment).await;
        assert_eq!(decided.last().expect("an act"), &format!("payment.{status}"));
        let ends = decided.iter().filter(|act| !["payment.requested", "payment.submitted"].contains(&act.as_str()));
        assert_eq!(ends.count(), 1, "{decided:?}");
        let after = house.numbers("SELECT count(*) AS n FROM payments WHERE status = 'approved'").await;
        assert_eq!(after - before, i64::from(status == "approved"));
    }
    // Each approval gave thirty days, none more.
    let approved = house.numbers("SELECT count(*) AS n FROM payments WHERE status = 'approved'").await;
    let days =
        "SELECT coalesce(sum(round(extract(epoch FROM ends_at - since) / 86400)), 0)::bigint AS n FROM subscriptions";
    assert_eq!(house.numbers(days).await, approved * 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn approved_twice_is_approved_once_and_too_late_is_too_late() {
    let house = House::start(|_| {}).await;
    let payment = house.begin(&house.alice).await;
    let approve = || {
        let call = house.site.post(&path(&payment, "/approve")).bearer(&house.admin.token);
        call.header("idempotency-key", "once").json(json!({})).send()
    };
    let answers = join_all((0..8).map(|_| approve())).await;
    for answer in &answers {
        assert_eq!(
            (answer.status.as_u16(), &answer.body),
            (200, &answers[0].body),
            "the same answer under the same key"
        );
    }
    house.post(&house.admin, &path(&payment, "/approve"), json!({})).await.refused(409, "payment.settled");
    house
        .post(&house.admin, &path(&payment, "/reject"), json!({ "reason": "x" }))
        .await
        .refused(409, "payment.settled");
    house
        .post(&house.admin, &path(&payment, "/ask-again"), json!({ "reason": "x" }))
        .await
        .refused(409, "payment.settled");
    house.post(&house.alice, &path(&payment, "/cancel"), json!({})).await.refused(409, "payment.settled");
    house.prove(&house.alice, &payment, &[], &png(9)).await.refused(409, "payment.settled");
    assert_eq!(house.numbers("SELECT count(*) AS n FROM audit_log WHERE action = 'payment.approved'").await, 1);

    // One whose time is up, whether or not anybody has looked.
    let late = house.begin(&house.bob).await;
    let overdue = "UPDATE payments SET expires_at = now() - interval '1 s' WHERE status IN ('pending', 'asked_again')";
    house.site.sql(overdue).await;
    for (act, body) in
        [("/approve", json!({})), ("/reject", json!({ "reason": "x" })), ("/ask-again", json!({ "reason": "x" }))]
    {
        house.post(&house.admin, &path(&late, act), body).await.refused(409, "payment.expired");
    }
    house.prove(&house.bob, &late, &[], &png(9)).await.refused(409, "payment.expired");
    assert_eq!(house.get(&house.admin, PENDING).await.expect(200).json["items"], json!([]));
    assert_eq!(house.numbers("SELECT count(*) AS n FROM subscriptions").await, 1);
    // It does not stand in the way of the next, and is written down when that comes.
    let next = house.begin(&house.bob).await;
    assert_ne!(next["id"], late["id"]);
    assert_eq!(house.status(&late).await, "expired");
    // What was sent in time waits for whoever decides, however long.
    house.prove(&house.bob, &next, &[], &png(3)).await.expect(200);
    house.site.sql("UPDATE payments SET expires_at = now() - interval '1 day' WHERE status = 'submitted'").await;
    house
        .post(&house.admin, &path(&next, "/ask-again"), json!({ "reason": "The amount cannot be read" }))
        .await
        .expect(200);
    house.prove(&house.bob, &next, &[], &png(4)).await.expect(200);
    house.post(&house.admin, &path(&next, "/approve"), json!({})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_clicks_begin_one_payment() {
    let house = House::start(|_| {}).await;
    let body = json!({ "plan": "PRO", "payment_method": "bank_transfer" });
    let answers = join_all((0..20).map(|_| house.post(&house.alice, BEGIN, body.clone()))).await;
    let mut made = 0;
    for answer in &answers {
        assert!([200, 201].contains(&answer.status.as_u16()), "{}", answer.text());
        assert_eq!(answer.json["id"], answers[0].json["id"]);
        made += i32::from(answer.status == 201);
    }
    assert_eq!((made, house.numbers("SELECT count(*) AS n FROM payments").await), (1, 1));
}

/// E9 and E10: what a payer says they are, may or owe changes nothing, and a cookie decides nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_site_alone_says_what_it_costs_and_who_decides() {
    let house = House::start(|_| {}).await;
    for extra in ["price", "amount_minor", "role", "owner_id", "user_id", "is_paid", "status", "days", "expires_at"] {
        let mut body = json!({ "plan": "PLUS", "payment_method": "bank_transfer" });
        body[extra] = json!(1);
        house.post(&house.alice, BEGIN, body).await.refused(422, "request.malformed");
    }
    for (plan, method) in [("FREE", "bank_transfer"), ("GOLD", "bank_transfer"), ("PLUS", "card")] {
        let body = json!({ "plan": plan, "payment_method": method });
        house.post(&house.alice, BEGIN, body).await.refused(422, "request.invalid");
    }
    let picture = json!({ "plan": "PLUS", "payment_method": "qr_picture" });
    house.post(&house.alice, BEGIN, picture).await.refused(422, "payment.no-method");
    assert_eq!(house.numbers("SELECT count(*) AS n FROM payments").await, 0);

    let payment = house.begin(&house.alice).await;
    house.prove(&house.alice, &payment, &[("status", "approved"), ("amount_minor", "1")], &png(1)).await.expect(200);
    assert_eq!(house.status(&payment).await, "submitted");
    // Nobody else knows of it, and its payer does not decide.
    let decide =
        [("/approve", json!({})), ("/reject", json!({ "reason": "x" })), ("/ask-again", json!({ "reason": "x" }))];
    for who in [&house.alice, &house.bob] {
        for (act, body) in &decide {
            house.post(who, &path(&payment, act), body.clone()).await.refused(403, "auth.forbidden");
        }
        house.get(who, PENDING).await.refused(403, "auth.forbidden");
    }
    for rest in ["", "/qr"] {
        house.get(&house.bob, &path(&payment, rest)).await.refused(404, "payment.not-found");
    }
    house.get(&house.bob, &path(&payment, "/proof")).await.refused(404, "payment.no-proof");
    house.post(&house.bob, &path(&payment, "/cancel"), json!({})).await.refused(404, "payment.not-found");
    house.prove(&house.bob, &payment, &[], &png(1)).await.refused(404, "payment.not-found");
    assert_eq!(house.get(&house.bob, "/api/v1/payments").await.expect(200).json["items"], json!([]));
    // A moderator keeps order and counts no money.
    house.site.sql("UPDATE users SET role = 'moderator' WHERE username = 'bob'").await;
    house.post(&house.bob, &path(&payment, "/approve"), json!({})).await.refused(403, "auth.forbidden");
    house.get(&house.bob, &path(&payment, "")).await.refused(404, "payment.not-found");
    // From another site comes the cookie at most, and it says nothing here; a form cannot be sent either.
    for origin in ["null", "http://tv.test.evil.example", "http://eviltv.test"] {
        let call = house.site.post(&path(&payment, "/approve")).cookie(&house.admin.cookie).header("origin", origin);
        call.json(json!({})).send().await.refused(401, "auth.required");
    }
    let form = house.site.post(&path(&payment, "/approve")).bearer(&house.admin.token);
    form.header("content-type", "text/plain").body("{}").send().await.refused(422, "request.not-json");
    assert_eq!(house.status(&payment).await, "submitted");
    house
        .post(&house.admin, &path(&payment, "/approve"), json!({ "role": "admin" }))
        .await
        .refused(422, "request.malformed");
    house
        .post(&house.admin, &path(&payment, "/reject"), json!({ "reason": "  " }))
        .await
        .refused(422, "request.invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_a_picture_and_proves_one_payment() {
    let house = House::start(|_| {}).await;
    let (hers, his) = (house.begin(&house.alice).await, house.begin(&house.bob).await);
    for bad in [b"<svg xmlns='http://www.w3.org/2000/svg'/>".as_slice(), b"%PDF-1.7", b"\x89PNG\r\n\x1a\n torn"] {
        house.prove(&house.alice, &hers, &[], bad).await.refused(422, "payment.not-a-picture");
    }
    house.prove(&house.alice, &hers, &[("amount_minor", "much")], &png(1)).await.refused(422, "request.invalid");
    house.prove(&house.alice, &hers, &[("payer", &"x".repeat(101))], &png(1)).await.refused(422, "request.invalid");
    let large = vec![0_u8; (5 << 20) + 1];
    house.prove(&house.alice, &hers, &[], &large).await.refused(413, "payment.too-large");
    assert_eq!(house.numbers("SELECT count(*) AS n FROM payment_proofs").await, 0);
    house.prove(&house.alice, &hers, &[("transfer", "ft-99")], &png(1)).await.expect(200);
    house.prove(&house.bob, &his, &[("transfer", "FT-99")], &png(1)).await.expect(200);
    let waiting = house.get(&house.admin, &format!("{PENDING}?status=submitted&limit=1")).await.expect(200).json;
    assert_eq!(
        (&waiting["items"][0]["same_proof"], &waiting["items"][0]["same_transfer"]),
        (&json!([his["reference"]]), &json!([his["reference"]]))
    );
    let cursor = waiting["next_cursor"].as_str().expect("there is more");
    let rest = house.get(&house.admin, &format!("{PENDING}?status=submitted&cursor={cursor}")).await.expect(200).json;
    assert_eq!((&rest["items"][0]["id"], &rest["items"][0]["same_proof"]), (&his["id"], &json!([hers["reference"]])));
    // What a scanner has not looked into is shown to nobody.
    house.site.sql("UPDATE payment_proofs SET state = 'checking'").await;
    house.get(&house.alice, &path(&hers, "/proof")).await.refused(404, "payment.proof-checking");
    let seen = house.get(&house.alice, &path(&hers, "")).await.expect(200).json;
    assert_eq!((&seen["proof"], &seen["proof_url"]), (&json!("checking"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_decides_how_to_be_paid() {
    let disk = tempfile::tempdir().expect("a folder");
    let file = disk.path().join("code.png");
    std::fs::write(&file, png(7)).expect("a file");
    let house = House::start(|config| {
        config.payments.picture.clone_from(&file);
        config.payments.bank_bin = String::new();
    })
    .await;
    let body = json!({ "plan": "PLUS", "payment_method": "qr_picture" });
    let payment = house.post(&house.alice, BEGIN, body).await.expect(201).json;
    let code = house.get(&house.alice, payment["pay"]["qr_url"].as_str().expect("a link")).await.expect(200);
    assert_eq!((code.header("content-type"), code.body.as_ref()), ("image/png", png(7).as_slice()));
    std::fs::write(&file, "<svg/>").expect("a file");
    house.get(&house.alice, &path(&payment, "/qr")).await.refused(404, "payment.no-code");
    // By transfer there is an account, and no code without the bank's number.
    let plain = house.begin(&house.bob).await;
    assert_eq!((&plain["pay"]["qr_url"], &plain["pay"]["bank_account"]), (&Value::Null, &json!("0011001932418")));
    house.get(&house.bob, &path(&plain, "/qr")).await.refused(404, "payment.no-code");

    let closed = House::start(|config| config.payments.is_open = false).await;
    let body = json!({ "plan": "PLUS", "payment_method": "bank_transfer" });
    closed.post(&closed.alice, BEGIN, body).await.refused(409, "payment.closed");
    let plans = closed.site.get("/api/v1/plans").send().await.expect(200).json;
    assert_eq!((&plans["payment_methods"], &plans["items"][1]["is_sold"]), (&json!([]), &json!(false)));
}
