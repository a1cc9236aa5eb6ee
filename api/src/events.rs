//! `GET /api/v1/events` in the document. The chat role answers it, in front of this router (`chat::feeds`).

use domain::Kind;
use kit::Problem;
use kit::problem::ProblemBody;
use serde::Deserialize;
use utoipa::IntoParams;

/// What is to be heard.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by the chat role; here for the document")]
pub(crate) struct EventsQuery {
    /// Channels with commas between, 20 at most: all that those who joined them hear, `viewers` among it. `name@{stream_id}` for the
    /// link to an unlisted stream.
    channels: Option<String>,
    /// Names of events with commas between, 50 at most. Without it all are told.
    events: Option<String>,
}

/// The events of Socket.IO as server-sent events.
///
/// Begins with `ready` {now, channels: [{username, viewers, stream_id}], is_resumed}. Nothing is kept for readers who were away:
/// `Last-Event-ID` has no effect, and after each `ready` lists are to be asked for anew. Ends with `auth:expired` when the token does.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    operation_id = "events",
    params(EventsQuery),
    responses(
        (status = 200, description = "Events until one of the two goes away", body = String, content_type = "text/event-stream"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
    tag = "events",
)]
pub(crate) async fn events() -> Problem {
    // Only where this process has no chat role.
    Problem::new(Kind::Unavailable, "events.not-here", "this node tells no events").retry_after_ms(5_000)
}
