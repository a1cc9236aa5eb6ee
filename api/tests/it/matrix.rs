//! Who may do what: every operation of the document, asked for by everybody there is (reliability E6).
//!
//! `matrix/table.txt` says what each of them gets; an operation without a row fails. What changes something runs in a world of its own
//! (`matrix/world.sql`), so that no row sees what another did.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::user::Role;
use domain::{SessionId, UserId};
use futures::{StreamExt, stream};
use kit::Secret;
use kit::seal::Sealer;
use kit::tokens::AccessTokens;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::harness::{SECRET, Setup, Site};

const TABLE: &str = include_str!("matrix/table.txt");
const WORLD: &str = include_str!("matrix/world.sql");
/// In the order of the table's columns, after the visitor.
const PEOPLE: [(&str, Role); 5] =
    [("olga", Role::User), ("alice", Role::User), ("mona", Role::User), ("sam", Role::Moderator), ("ada", Role::Admin)];
const COLUMNS: usize = PEOPLE.len() + 1;
const AT_ONCE: usize = 6;

/// What somebody is to get.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Answer {
    Allowed,
    Status(u16),
}

impl Answer {
    fn is(self, status: u16) -> bool {
        match self {
            Self::Allowed => status < 400,
            Self::Status(wanted) => status == wanted,
        }
    }
}

/// One line of the table.
#[derive(Debug)]
struct Row {
    operation: String,
    answers: [Answer; COLUMNS],
    things: HashMap<String, String>,
    query: String,
    body: Option<String>,
}

impl Row {
    fn read(line: &str) -> Self {
        let mut rest = line;
        let mut word = || {
            rest = rest.trim_start();
            let (word, after) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
            rest = after;
            word
        };
        let operation = word().to_owned();
        let answers = [(); COLUMNS].map(|()| match word() {
            "ok" => Answer::Allowed,
            status => Answer::Status(status.parse().unwrap_or_else(|_| panic!("a status in: {line}"))),
        });
        let (mut things, mut query, mut body) = (HashMap::new(), String::new(), None);
        loop {
            rest = rest.trim_start();
            if rest.is_empty() {
                break;
            }
            if rest.starts_with('{') {
                body = Some(rest.to_owned());
                break;
            }
            let (word, after) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
            rest = after;
            match word.split_once('=') {
                _ if word.starts_with('?') => query = word.to_owned(),
                Some((parameter, thing)) => _ = things.insert(parameter.to_owned(), thing.to_owned()),
                None => body = Some(word.to_owned()),
            }
        }
        Self { operation, answers, things, query, body }
    }
}

fn table() -> Vec<Row> {
    TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(Row::read).collect()
}

/// Every operation of the document: its method and its path.
async fn operations(site: &Site) -> BTreeMap<String, (String, String)> {
    let document = site.get("/api/v1/openapi.json").send().await.expect(200).json;
    let paths = document["paths"].as_object().expect("paths");
    let named = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().expect("methods").iter();
        methods.filter_map(move |(method, operation)| {
            let name = operation["operationId"].as_str()?;
            Some((name.to_owned(), (method.to_uppercase(), path.clone())))
        })
    });
    named.collect()
}

/// Alice's things and everybody's names and tokens.
struct World {
    values: HashMap<String, String>,
    tokens: Vec<String>,
}

/// A piece of a text: `Ok` is as it stands, `Err` the name of a value.
fn pieces<'a>(text: &'a str, open: &str, close: &str) -> Vec<Result<&'a str, &'a str>> {
    let is_name = |name: &str| {
        let bare = name.trim_start_matches(['@', '#']);
        !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find(open) {
        let inside = &rest[at + open.len()..];
        let end = if close.is_empty() {
            let of = |text: &str| text.find(|c: char| !(c.is_ascii_lowercase() || c == '_')).unwrap_or(text.len());
            inside.strip_prefix('@').map_or_else(|| of(inside), |bare| 1 + of(bare))
        } else {
            inside.find(close).unwrap_or(0)
        };
        let name = &inside[..end];
        if is_name(name) {
            found.push(Ok(&rest[..at]));
            found.push(Err(name));
            rest = &inside[end + close.len()..];
        } else {
            found.push(Ok(&rest[..at + open.len()]));
            rest = inside;
        }
    }
    found.push(Ok(rest));
    found
}

impl World {
    async fn make(site: &Site, hash: &str) -> Self {
        let mut world = Self { values: HashMap::from([("#hash".to_owned(), hash.to_owned())]), tokens: Vec::new() };
        let keys = Sealer::new(&Secret::new(SECRET), "stream-key");
        for (name, _) in PEOPLE {
            let owner: UserId = world.value(name).parse().expect("an id");
            let sealed = keys.seal(b"a key", owner.as_uuid().as_bytes());
            let hex: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
            world.values.insert(format!("#key_of_{name}"), hex);
        }
        let statements = world.fill(WORLD, ("{", "}"));
        site.sql(&statements).await;
        let tokens = AccessTokens::new(&Secret::new(SECRET), 900);
        for (name, role) in PEOPLE {
            let session: SessionId = world.value(&format!("sign_in_of_{name}")).parse().expect("an id");
            let member: UserId = world.value(name).parse().expect("an id");
            world.tokens.push(tokens.issue(member, session, role));
        }
        world
    }

    /// An id of its own for each name, and for `@name` a name of its own.
    fn value(&mut self, name: &str) -> String {
        let made = || match name.strip_prefix('@') {
            Some(bare) => format!("{bare}_{}", &kit::ids::random_token::<8>().to_lowercase().replace('-', "0")),
            None => kit::ids::uuid().to_string(),
        };
        self.values.entry(name.to_owned()).or_insert_with(made).clone()
    }

    fn fill(&mut self, text: &str, (open, close): (&str, &str)) -> String {
        pieces(text, open, close)
            .into_iter()
            .map(|piece| piece.map_or_else(|name| self.value(name), str::to_owned))
            .collect()
    }

    /// The path with its parameters: things by name, anything else as it stands.
    fn path(&mut self, template: &str, row: &Row) -> String {
        let pieces = pieces(template, "{", "}");
        let parameters = pieces.into_iter().map(|piece| {
            let name = match piece {
                Ok(text) => return text.to_owned(),
                Err(name) => name,
            };
            let thing = match (row.things.get(name), name) {
                (Some(thing), _) => thing,
                (None, "username") => "@alice",
                (None, "member") => "@tom",
                (None, _) => panic!("{}: which {name}?", row.operation),
            };
            let is_thing = thing.starts_with('@') || self.values.contains_key(thing);
            if is_thing { self.value(thing) } else { thing.to_owned() }
        });
        parameters.collect::<String>() + &row.query
    }

    /// What `who` (a column of the table) gets.
    async fn ask(&mut self, site: &Site, (method, path): &(String, String), row: &Row, who: usize) -> (u16, String) {
        let path = self.path(path, row);
        let mut call = site.call(method, &path);
        if let Some(token) = who.checked_sub(1).map(|person| &self.tokens[person]) {
            call = call.bearer(token);
        }
        call = match row.body.as_deref() {
            None => call,
            Some("raw") => call.header("content-length", "9").body("some text"),
            Some(body) if body.starts_with('{') => {
                let body = self.fill(body, ("$", ""));
                call.json(
                    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{}: {error}: {body}", row.operation)),
                )
            }
            Some(form) => call.header("content-type", "multipart/form-data; boundary=b0undary").body(form_of(form)),
        };
        let answer = call.send().await;
        (answer.status.as_u16(), answer.text().chars().take(200).collect())
    }
}

fn form_of(name: &str) -> Vec<u8> {
    let part = |head: &str, bytes: &[u8]| {
        [format!("--b0undary\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes(), bytes, b"\r\n"].concat()
    };
    let picture = {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::RgbImage::new(128, 128).write_to(&mut bytes, image::ImageFormat::Png).expect("a picture");
        bytes.into_inner()
    };
    let file = |mime: &str, bytes: &[u8]| {
        let ending = if mime == "text/plain" { "txt" } else { "png" };
        part(&format!("name=\"file\"; filename=\"a.{ending}\"\r\nContent-Type: {mime}"), bytes)
    };
    let mut body = match name {
        "picture" => file("image/png", &picture),
        "emote" => [part("name=\"name\"", b"wink"), file("image/png", &picture)].concat(),
        "file" => [part("name=\"path\"", b"/"), file("text/plain", b"some words")].concat(),
        "attachment" => file("image/png", &picture),
        other => panic!("no form {other}"),
    };
    body.extend_from_slice(b"--b0undary--\r\n");
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_gets_of_every_operation_what_the_table_says() {
    let mut setup = Setup::new();
    setup.config.files.unscanned = true;
    let site = setup.start().await;
    jobs::migrate(&site.pool).await.expect("the queues' tables");
    site.register("template").await;
    let hash = site.rows("SELECT password_hash FROM users").await;
    let hash = hash[0]["password_hash"].as_str().expect("a hash").to_owned();
    let (operations, table) = (operations(&site).await, table());

    let named: BTreeSet<&String> = table.iter().map(|row| &row.operation).collect();
    let missing: Vec<_> = operations.keys().filter(|operation| !named.contains(operation)).collect();
    let unknown: Vec<_> = named.iter().filter(|operation| !operations.contains_key(**operation)).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "operations without a row: {missing:?}; rows of none: {unknown:?}"
    );

    // Reading changes nothing, and neither does what is refused: those share a world.
    let shared = OnceCell::new();
    let (site, hash, shared) = (&site, hash.as_str(), &shared);
    let checks = stream::iter(&table).map(|row| {
        let operation = &operations[&row.operation];
        async move {
            let mut wrong = Vec::new();
            for (who, wanted) in row.answers.into_iter().enumerate() {
                let is_change = operation.0 != "GET" && matches!(wanted, Answer::Allowed);
                let world: &World = match is_change {
                    true => &World::make(site, hash).await,
                    false => shared.get_or_init(|| World::make(site, hash)).await,
                };
                let mut world = World { values: world.values.clone(), tokens: world.tokens.clone() };
                let (status, body) = world.ask(site, operation, row, who).await;
                if !wanted.is(status) {
                    let who = who.checked_sub(1).map_or("visitor", |person| PEOPLE[person].0);
                    wrong.push(format!(
                        "{} {:?}: {who} was to get {wanted:?}, got {status} {body}",
                        row.operation, row.things
                    ));
                }
            }
            wrong
        }
    });
    let wrong: Vec<String> = checks.buffer_unordered(AT_ONCE).concat().await;
    assert!(wrong.is_empty(), "{} answers are not what the table says:\n{}", wrong.len(), wrong.join("\n"));
}

/// An answer in the document's own words is no proof that a private thing is not there: these two must not differ.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ones_own_answers_like_what_is_not_there() {
    let site = Site::start().await;
    let (alice, olga) = (site.register("alice").await, site.register("olga").await);
    let (stream, vod) = site.stream(&alice, "mine", "ended", "ready").await;
    site.sql("UPDATE vods SET visibility = 'private'; UPDATE streams SET visibility = 'private'").await;
    let webhook =
        site.post("/api/v1/me/webhooks").bearer(&alice.token).json(json!({"url": "https://1.1.1.1/x"})).send().await;
    let webhook = webhook.expect(201).json["webhook"]["id"].as_str().expect("an id").to_owned();
    let room = site.post("/api/v1/rooms").bearer(&alice.token).json(json!({"name": "ours"})).send().await.expect(201);
    let room = room.json["id"].as_str().expect("an id").to_owned();
    let stranger = async |path: &str| -> (u16, Value) {
        let mut answer = site.get(path).bearer(&olga.token).send().await;
        if let Some(body) = answer.json.as_object_mut() {
            // The request's own name, which is another each time.
            body.remove("instance");
            body.remove("request_id");
        }
        (answer.status.as_u16(), answer.json)
    };
    for (place, id) in [("vods", vod), ("streams", stream), ("me/webhooks", webhook), ("rooms", room)] {
        let theirs = stranger(&format!("/api/v1/{place}/{id}")).await;
        let nobodys = stranger(&format!("/api/v1/{place}/{}", kit::ids::uuid())).await;
        assert_eq!(theirs, nobodys, "{place}");
        assert_eq!(theirs.0, 404, "{place}");
    }
}
