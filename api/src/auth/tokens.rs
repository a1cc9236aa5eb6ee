//! What a sign-in hands out: an access token for memory and a refresh token for the cookie; and their rotation.

use std::time::Duration;

use axum_extra::extract::cookie::{Cookie, SameSite};
use db::audit::Entry;
use db::sessions::{NewSession, Next, RevokeReason, TokenHash};
use domain::audit::{Action, Actor};
use domain::event::Event;
use domain::user::Role;
use domain::{SessionId, UserId};
use http::HeaderMap;
use http::header::USER_AGENT;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::auth::known::DeviceToken;
use crate::net::Client;
use crate::state::App;

pub(crate) const COOKIE: &str = "rillcast_refresh";
pub(crate) const COOKIE_PATH: &str = "/api/v1/auth";
pub(crate) const SUCCESSOR_PURPOSE: &str = "refresh-successor";

/// A lost answer may be asked for again this long (reliability E3). After it, a second use is theft.
const GRACE: Duration = Duration::from_secs(10);
const USER_AGENT_CHARS_MAX: usize = 300;
/// Ours have 64.
const TOKEN_BYTES_MAX: usize = 128;

/// A refresh token in the clear; only its owner's cookie has it.
pub(crate) struct RefreshToken(String);

impl RefreshToken {
    fn random() -> Self {
        Self(kit::ids::random_token::<32>())
    }

    /// From a cookie. `None` when it cannot be one of ours.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let legal = !text.is_empty() && text.len() <= TOKEN_BYTES_MAX && text.bytes().all(|b| b.is_ascii_hexdigit());
        legal.then(|| Self(text.to_owned()))
    }

    pub(crate) fn hash(&self) -> TokenHash {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

/// What a successful sign-in or refresh gives.
pub(crate) struct Granted {
    pub session: SessionId,
    pub access_token: String,
    pub refresh: RefreshToken,
}

/// The device that signs in.
pub(crate) struct Device {
    user_agent: String,
    addr: String,
}

impl Device {
    pub(crate) fn user_agent(&self) -> &str {
        &self.user_agent
    }

    pub(crate) fn of(client: &Client, headers: &HeaderMap) -> Self {
        let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self { user_agent: agent.chars().take(USER_AGENT_CHARS_MAX).collect(), addr: client.addr.to_string() }
    }
}

/// Opens a sign-in: one statement, in the caller's transaction if there is one.
pub(crate) async fn open(
    app: &App,
    conn: &mut db::Conn,
    user: UserId,
    role: Role,
    (device, token): (&Device, &DeviceToken),
) -> Result<Granted, db::DbError> {
    let session = SessionId::from_uuid(kit::ids::uuid());
    let refresh = RefreshToken::random();
    let new = NewSession {
        id: session,
        user,
        user_agent: &device.user_agent,
        addr: &device.addr,
        expires_at: expires_at(app),
        device: Some(&token.hash()),
    };
    db::sessions::open(conn, &new, &refresh.hash()).await?;
    Ok(Granted { session, access_token: app.tokens.issue(user, session, role), refresh })
}

/// What became of a presented refresh token.
pub(crate) enum Rotation {
    Granted(Granted),
    /// Unknown, expired or revoked.
    Refused,
    /// Used a second time: the whole family is revoked now.
    Stolen(SessionId),
}

/// Trades a refresh token for the next one. Parallel and repeated uses within the grace get the same successor, if
/// they come from the same kind of client.
pub(crate) async fn rotate(
    app: &App,
    conn: &mut db::Conn,
    token: &RefreshToken,
    device: &Device,
) -> Result<Rotation, db::DbError> {
    let hash = token.hash();
    let Some(presented) = db::sessions::present(conn, &hash).await? else { return Ok(Rotation::Refused) };
    if presented.is_revoked || presented.is_expired || presented.is_suspended {
        return Ok(Rotation::Refused);
    }
    let granted = |refresh| {
        let access_token = app.tokens.issue(presented.user, presented.session, presented.role);
        Rotation::Granted(Granted { session: presented.session, access_token, refresh })
    };
    let context = seal_context(&hash, device);
    let Some(used_ms_ago) = presented.used_ms_ago else {
        let successor = RefreshToken::random();
        let sealed = app.successors.seal(successor.0.as_bytes(), &context);
        let next = Next {
            token: &successor.hash(),
            sealed: &sealed,
            user_agent: &device.user_agent,
            addr: &device.addr,
            expires_at: expires_at(app),
        };
        db::sessions::rotate(conn, presented.session, &hash, &next).await?;
        return Ok(granted(successor));
    };
    let within_grace = u128::try_from(used_ms_ago).unwrap_or(0) <= GRACE.as_millis();
    let successor = presented
        .successor_sealed
        .filter(|_| within_grace)
        .and_then(|sealed| app.successors.open(&sealed, &context))
        .and_then(|bytes| String::from_utf8(bytes).ok());
    match successor {
        Some(successor) => Ok(granted(RefreshToken(successor))),
        None => {
            db::sessions::revoke(conn, presented.session, RevokeReason::Reuse).await?;
            let entry = Entry {
                member: Some(presented.user),
                details: json!({ "because": "a refresh token was used twice" }),
                ..Entry::new(Actor::Site, Action::SessionEnded, presented.session, "")
            };
            db::audit::write(conn, entry).await?;
            let event = Event::SignInStolen { user_id: presented.user, session_id: presented.session };
            db::outbox::push(conn, &event).await?;
            Ok(Rotation::Stolen(presented.session))
        }
    }
}

/// Binds a sealed successor to its predecessor and to the client that asked.
fn seal_context(predecessor: &TokenHash, device: &Device) -> Vec<u8> {
    let agent: [u8; 32] = Sha256::digest(device.user_agent.as_bytes()).into();
    [predecessor.as_slice(), &agent].concat()
}

fn expires_at(app: &App) -> domain::Timestamp {
    kit::clock::now() + Duration::from_secs(app.config.auth.refresh_ttl_s)
}

/// The cookie that holds a refresh token.
pub(crate) fn cookie(app: &App, client: &Client, token: &RefreshToken) -> Cookie<'static> {
    build_cookie(app, client, token.0.clone(), Duration::from_secs(app.config.auth.refresh_ttl_s))
}

/// The cookie that removes it.
pub(crate) fn empty_cookie(app: &App, client: &Client) -> Cookie<'static> {
    build_cookie(app, client, String::new(), Duration::ZERO)
}

fn build_cookie(app: &App, client: &Client, value: String, max_age: Duration) -> Cookie<'static> {
    Cookie::build((COOKIE, value))
        .path(COOKIE_PATH)
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(client.is_https || app.site_url.starts_with("https://"))
        .max_age(max_age.try_into().unwrap_or_default())
        .build()
}
