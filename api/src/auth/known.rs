//! Whether a member has been seen before where somebody signs in as them.

use std::time::Duration;

use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use db::sessions::Earlier;
use domain::device::{Agent, is_same_network};
use sha2::{Digest, Sha256};

use crate::net::Client;
use crate::state::App;

const COOKIE: &str = "rillcast_device";
const COOKIE_PATH: &str = "/api/v1/auth";
/// The longest browsers keep one.
const KEPT: Duration = Duration::from_secs(400 * 86_400);
/// As many earlier sign-ins are compared.
pub(super) const EARLIER_MAX: i64 = 200;
const LEN: usize = 32;

/// What a browser is known by when it signs in again. It opens nothing.
pub(crate) struct DeviceToken(String);

impl DeviceToken {
    /// The browser's own, or a new one.
    pub(crate) fn of(jar: &CookieJar) -> Self {
        let found = jar.get(COOKIE).map(Cookie::value).filter(|text| is_token(text));
        Self(found.map_or_else(kit::ids::random_token::<{ LEN / 2 }>, str::to_owned))
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    pub(crate) fn cookie(self, app: &App, client: &Client) -> Cookie<'static> {
        Cookie::build((COOKIE, self.0))
            .path(COOKIE_PATH)
            .http_only(true)
            .same_site(SameSite::Strict)
            .secure(client.is_https || app.site_url.starts_with("https://"))
            .max_age(KEPT.try_into().unwrap_or_default())
            .build()
    }
}

fn is_token(text: &str) -> bool {
    text.len() == LEN && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Where somebody signs in from, in words, when the member has not been seen there before: neither in this browser, nor with one that calls
/// itself the same in the same network. `None` when they have, and when this is the first time of all.
pub(super) fn unfamiliar(
    app: &App,
    client: &Client,
    user_agent: &str,
    token: &DeviceToken,
    earlier: &[Earlier],
) -> Option<String> {
    let (agent, hash) = (Agent::parse(user_agent), token.hash());
    let is_known = |one: &Earlier| {
        one.device_hash.as_deref() == Some(&hash)
            || (Agent::parse(&one.user_agent) == agent
                && one.addr.parse().is_ok_and(|addr| is_same_network(addr, client.addr)))
    };
    if earlier.is_empty() || earlier.iter().any(is_known) {
        return None;
    }
    let place = app.places.of(client.addr).map_or_else(|| client.addr.to_string(), |place| place.line());
    let words: Vec<&str> = agent.words().chain([place.as_str()]).collect();
    Some(words.join(" · "))
}
