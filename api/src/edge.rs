//! The edge: live media of streams that another node owns, asked for once and given to everybody.
//!
//! Owns who may have it (judged here, for every request), what is kept and for how long, and how many may wait. What is asked is in
//! [`ask`], one request for all who ask the same in [`flights`], the way to the owner and to its successor in [`pull`]. No SQL, no
//! Redis: what the [`crate::directory`] knows is kept up beside.

pub(crate) mod ask;
mod entry;
mod flights;
mod pull;
mod reply;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use domain::{Classify, Kind, Visibility};
use http::request;
use kit::{Problem, Secret};
use live::playback::Verdict;
use media::playlist::directives::BadQuery;

use crate::directory::{Directory, Owner};
use crate::live_playback::Offline;
use crate::net::Client;
use crate::origin_proxy::{OriginProxy, Question};
use crate::state::App;
use ask::{Ask, AskText, File, Place};
use entry::{Entry, Store};
use flights::{Boarding, Flights};
use pull::{Failed, Landed, Pull, Puller, stream_header};
use turns::{NoTurn, Turns};

/// Requests to owners under way at a time. A stream that is watched has a handful.
const FLIGHTS_MAX: usize = 20_000;
/// Until an answer that is passed on as it comes has begun.
const PASSED_WAIT_MAX: Duration = Duration::from_secs(10);

/// Why a request was not answered here.
#[derive(Debug, thiserror::Error)]
enum EdgeError {
    #[error("the permission to play this has ended; ask for a new one")]
    Over,
    #[error(transparent)]
    Turn(#[from] NoTurn),
    #[error(transparent)]
    Failed(#[from] Failed),
    #[error("too much is asked of other nodes at this moment")]
    Busy,
    #[error("a request to another node crashed")]
    Crashed,
}

impl Classify for EdgeError {
    fn kind(&self) -> Kind {
        match self {
            Self::Over => Kind::Forbidden,
            Self::Turn(NoTurn::AddressFull) => Kind::Throttled,
            Self::Failed(Failed::Gone) => Kind::NotFound,
            Self::Turn(NoTurn::StreamFull) | Self::Failed(_) | Self::Busy => Kind::Unavailable,
            Self::Crashed => Kind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Over => "playback.over",
            Self::Turn(NoTurn::AddressFull) => "hls.too-many-waiting",
            Self::Turn(NoTurn::StreamFull) | Self::Busy | Self::Failed(Failed::Full) => "hls.busy",
            Self::Failed(Failed::Gone) => "stream.offline",
            Self::Failed(Failed::Owner(error)) => error.code(),
            Self::Crashed => "internal",
        }
    }

    fn retry_after_ms(&self) -> Option<u64> {
        matches!(self.kind(), Kind::Unavailable | Kind::Throttled).then_some(1_000)
    }
}

/// What this node gives its viewers of other nodes' streams.
pub(crate) struct Edge {
    puller: Puller,
    flights: Flights<Ask, Result<Landed, Failed>>,
    turns: Turns,
}

impl Edge {
    /// `memory_mib` bounds everything that is kept or on its way.
    pub(crate) fn new(directory: Directory, segment_ms: u32, memory_mib: u64, cluster_secret: &Secret) -> Self {
        let proxy = OriginProxy::new(segment_ms, cluster_secret);
        let store = Store::new(memory_mib.saturating_mul(1024 * 1024));
        Self { puller: Puller { directory, proxy, store }, flights: Flights::new(FLIGHTS_MAX), turns: Turns::default() }
    }

    /// Lets go of what is too old to be given to anybody.
    pub(crate) fn tidy(&self) {
        self.puller.store.tidy();
    }

    /// Answers a request for something of a stream that another node owns.
    pub(crate) async fn answer(
        &self,
        app: &App,
        path: &str,
        place: Place<'_>,
        parts: request::Parts,
    ) -> Result<Response, Problem> {
        let stream = ask::stream_of(&place);
        let owner = self.puller.directory.owner(place.username, stream).ok_or(Offline)?;
        let file = place.file.ok_or(Offline)?;
        self.puller.directory.want(owner.stream);
        let query = parts.uri.query();
        // A path that names another stream than the one that is known leads nowhere.
        if place.stream.is_some() && stream != Some(owner.stream) {
            return Err(Offline.into());
        }
        let visibility = owner.visibility.unwrap_or(Visibility::Private);
        match app.gate.judge_stream(owner.stream, visibility, || stream.is_some(), query) {
            Verdict::Granted => {}
            Verdict::Hidden => return Err(Offline.into()),
            Verdict::Over => return Err(EdgeError::Over.into()),
        }
        let asked = if file.is_text() {
            match AskText::parse(path, file, query, owner.turn) {
                Ok(asked) => asked,
                Err(error) => return Ok(bad_query(&error)),
            }
        } else {
            AskText { ask: Ask::media(path), stamp: String::new() }
        };
        let client = Client::of(&app.proxies, &parts.extensions, &parts.headers);
        match self.landed(&owner, place, file, asked.ask, client).await? {
            Landed::Whole(entry) => Ok(reply::of(&entry, file, &asked.stamp, &parts.headers)),
            Landed::TooLarge => self.pass(&owner, path, file, parts).await,
        }
    }

    /// What is kept, or what the flight brings that is under way or begun for this.
    async fn landed(
        &self,
        owner: &Owner,
        place: Place<'_>,
        file: File,
        ask: Ask,
        client: Client,
    ) -> Result<Landed, EdgeError> {
        let store = &self.puller.store;
        let count = |how| metrics::counter!("rillcast_edge_requests_total", "kind" => file.as_str(), "how" => how);
        if let Some(entry) = store.get(&ask) {
            count("kept").increment(1);
            return Ok(Landed::Whole(entry));
        }
        let _turn = self.turns.enter(client.addr, owner.stream)?;
        let fly = || {
            let (puller, key) = (self.puller.clone(), ask.clone());
            let pull = Pull { username: place.username.to_owned(), owner: owner.clone(), file, ask: ask.clone() };
            async move {
                let landed = puller.pull(pull).await;
                if let Ok(Landed::Whole(entry)) = &landed {
                    puller.store.put(key, entry);
                }
                landed
            }
        };
        let known = || store.get(&ask).map(|entry: Arc<Entry>| Ok(Landed::Whole(entry)));
        match self.flights.board(&ask, known, fly) {
            Boarding::Here(landed) => {
                count("kept").increment(1);
                Ok(landed?)
            }
            Boarding::Wait { landing, is_first } => {
                count(if is_first { "pulled" } else { "joined" }).increment(1);
                Ok(landing.landed().await.ok_or(EdgeError::Crashed)??)
            }
            Boarding::Full => Err(EdgeError::Busy),
        }
    }

    /// For what is too large to be kept: one viewer's request goes through to the owner, and its answer back as it comes.
    async fn pass(&self, owner: &Owner, path: &str, file: File, parts: request::Parts) -> Result<Response, Problem> {
        metrics::counter!("rillcast_edge_requests_total", "kind" => file.as_str(), "how" => "passed").increment(1);
        let question = Question {
            method: parts.method,
            origin_url: &owner.origin_url,
            path_and_query: &format!("/live/{path}"),
            stream: stream_header(owner),
            wait_max: PASSED_WAIT_MAX,
        };
        Ok(self.puller.proxy.pass(question, &parts.headers).await?)
    }
}

/// 400, as the owner says it (rfc8216bis 6.2.5.2).
fn bad_query(error: &BadQuery) -> Response {
    crate::layers::problem(http::StatusCode::BAD_REQUEST, "hls.bad-query", error.to_string())
}
