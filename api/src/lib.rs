//! HTTP in: the JSON API and its OpenAPI document, accounts, playback policy and proxy, and the web app's files.
//!
//! Owns what a request may do and how it is answered. Does not own how a stream is made (ingest, transcoder), what chat
//! says (chat) or what happens after a fact is committed (jobs): those meet it in rows, Redis and the outbox.

mod access;
mod account;
pub mod accounts;
mod admin;
mod allowance;
mod analytics;
mod api_tokens;
mod auth;
mod avatar;
mod categories;
mod channels;
mod clips;
mod closing;
mod csv;
mod deprecation;
mod directory;
mod docs;
mod edge;
mod emotes;
mod events;
mod extract;
mod feeds;
mod files;
mod friends;
mod health;
mod idempotency;
mod intake;
mod layers;
pub mod lights;
pub mod lines;
mod live_playback;
mod mail;
mod me;
mod meters;
mod moderation;
mod net;
mod new_password;
mod notification_settings;
mod notifications;
mod ops;
mod origin_proxy;
mod page;
mod passwords;
mod payments;
pub mod places;
mod plans;
mod presence;
mod privacy;
mod push;
mod qr;
mod reachable;
mod reports;
mod revoked;
mod rooms;
mod router;
mod scopes;
mod search;
mod shapes;
mod shares;
mod sign_ins;
mod site;
pub mod state;
mod stored;
mod streams;
mod takeover;
mod throttle;
mod two_factor;
mod upkeep;
mod validators;
mod viewers;
mod vod_playback;
mod vods;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use kit::config::Config;
use kit::health::Health;
use kit::seal::Sealer;
use kit::tokens::AccessTokens;
use kit::{Stop, seal};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::state::{App, Shared};

/// What this room needs from the process it runs in.
pub struct Deps {
    pub config: Arc<Config>,
    pub pool: db::Pool,
    pub live: live::Live,
    pub objects: objects::Objects,
    pub health: Health,
    pub metrics: PrometheusHandle,
    /// This node's name in the directory.
    pub node: String,
    /// The origin of a transcoder in this process.
    pub local_origin: Option<Arc<dyn kit::origin::LocalOrigin>>,
    /// What members said, asked of the chat's store.
    pub chat_lines: Arc<dyn lines::ChatLines>,
    /// Whether what the site needs is there.
    pub lights: Arc<dyn lights::Lights>,
    /// `rtmp://host[:port]/live`, as broadcasters are told.
    pub rtmp_url: String,
    /// `rtmps://host:port/live`, where the site serves it.
    pub rtmps_url: Option<String>,
    /// The site's address as browsers see it.
    pub site_url: String,
}

/// The api role.
pub struct Api {
    app: App,
}

impl Api {
    /// Fails on settings that cannot be used. Reaches for nothing yet.
    pub fn new(deps: Deps) -> anyhow::Result<Self> {
        let config = deps.config;
        let secret = &config.auth.secret;
        let site_url = deps.site_url.trim_end_matches('/').to_owned();
        let ttl_s = config.auth.access_ttl_s;
        let directory = directory::Directory::default();
        let app = App::new(Shared {
            tokens: AccessTokens::new(secret, ttl_s),
            stream_keys: Sealer::new(secret, accounts::STREAM_KEY_PURPOSE),
            webhook_keys: Sealer::new(secret, kit::webhook_key::SEAL_PURPOSE),
            successors: Sealer::new(secret, auth::tokens::SUCCESSOR_PURPOSE),
            share_links: Sealer::new(secret, shares::SEAL_PURPOSE),
            share_tokens: kit::share_tokens::ShareTokens::new(secret),
            answers: Sealer::new(secret, idempotency::SEAL_PURPOSE),
            attempts_key: seal::derive_key(secret, idempotency::DIGEST_PURPOSE),
            bearers: api_tokens::bearer::Bearers::new(secret),
            errands: tokio_util::task::TaskTracker::new(),
            second_step: kit::second_step::SecondStep::new(secret),
            codes: two_factor::Codes::new(secret),
            passwords: passwords::Passwords::new(),
            limits: allowance::Limits::new(live::limits::Limits::new(deps.live.clone())),
            revocations: live::revocations::Revocations::new(deps.live.clone(), ttl_s),
            revoked: revoked::RevokedCache::new(ttl_s),
            gate: live::playback::Gate::new(deps.live.clone(), secret),
            views: live::views::Views::new(deps.live.clone()),
            viewer_salt: seal::derive_key(secret, "anonymous-viewer"),
            proxies: net::TrustedProxies::parse(&config.http.trusted_proxies)?,
            places: places::Places::open(&config.geoip)?,
            edge: edge::Edge::new(
                directory.clone(),
                config.hls.segment_ms,
                config.http.edge_memory_mib,
                &config.cluster.secret,
            ),
            directory,
            presence: live::presence::Presence::new(deps.live.clone()),
            audience: live::audience::Audience::new(deps.live.clone(), &deps.node),
            viewers: viewers::ViewerCounts::new(deps.live.clone(), config.hls.segment_ms, config.limits.viewers_per_ip),
            studio: avatar::Studio::new(),
            intake: intake::Intake::default(),
            parts: intake::Intake::new(intake::PARTS, intake::PARTS_EACH),
            part_links: kit::part_links::PartLinks::new(&config.auth.secret),
            site: site::Site::new(&site_url, &config.storage)?,
            config,
            pool: deps.pool,
            live: deps.live,
            objects: deps.objects,
            health: deps.health,
            metrics: deps.metrics,
            node: deps.node,
            local_origin: deps.local_origin,
            chat_lines: deps.chat_lines,
            lights: deps.lights,
            glance: admin::overview::Glance::new(),
            meters: meters::Meters::default(),
            rtmp_url: deps.rtmp_url,
            rtmps_url: deps.rtmps_url,
            site_url,
        });
        Ok(Self { app })
    }

    /// Everything this room serves. Serve it with connection info
    /// (`into_make_service_with_connect_info::<SocketAddr>()`): limits and metrics go by the peer's address.
    pub fn router(&self) -> Router {
        router::build(&self.app)
    }

    /// Background work until the stop: the stream directory, viewers who only read playlists, revocations that Redis
    /// missed, and whether Postgres and Redis are there.
    pub async fn run(self, stop: Stop) -> anyhow::Result<()> {
        upkeep::run(self.app, stop).await
    }
}

/// The API as an OpenAPI 3.1 document.
pub fn openapi_json() -> String {
    docs::text(router::document())
}

/// `/healthz`, `/readyz` and `/metrics` for processes without the api role. Serve it with connection info.
pub fn operations_router(health: Health, metrics: PrometheusHandle) -> Router {
    ops::router(health, metrics)
}
