//! What every handler can reach. Made once from [`crate::Deps`], cheap to clone.

use std::ops::Deref;
use std::sync::Arc;

use kit::Config;
use kit::health::Health;
use kit::part_links::PartLinks;
use kit::seal::Sealer;
use kit::second_step::SecondStep;
use kit::share_tokens::ShareTokens;
use kit::tokens::AccessTokens;
use live::revocations::Revocations;
use live::views::Views;
use metrics_exporter_prometheus::PrometheusHandle;
use objects::Objects;
use tokio_util::task::TaskTracker;

use crate::allowance::Limits;
use crate::api_tokens::bearer::Bearers;
use crate::avatar::Studio;
use crate::directory::Directory;
use crate::edge::Edge;
use crate::intake::Intake;
use crate::meters::Meters;
use crate::net::TrustedProxies;
use crate::passwords::Passwords;
use crate::places::Places;
use crate::revoked::RevokedCache;
use crate::site::Site;
use crate::two_factor::Codes;
use crate::viewers::ViewerCounts;

/// The state of the router.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// The fields behind [`App`].
pub struct Shared {
    pub config: Arc<Config>,
    pub pool: db::Pool,
    pub live: live::Live,
    pub objects: Objects,
    pub health: Health,
    pub metrics: PrometheusHandle,
    /// This node's name in the directory.
    pub node: String,
    /// The origin of a transcoder in this process.
    pub local_origin: Option<Arc<dyn kit::origin::LocalOrigin>>,
    /// What members said, asked of the chat's store.
    pub chat_lines: Arc<dyn crate::lines::ChatLines>,
    /// Whether what the site needs is there.
    pub lights: Arc<dyn crate::lights::Lights>,
    pub(crate) glance: crate::admin::overview::Glance,
    /// `rtmp://host[:port]/live`, as broadcasters are told.
    pub rtmp_url: String,
    /// `rtmps://host:port/live`, where the site serves it.
    pub rtmps_url: Option<String>,
    /// The site's address without a trailing slash, such as `https://tv.example`.
    pub site_url: String,
    pub(crate) tokens: AccessTokens,
    pub(crate) stream_keys: Sealer,
    pub(crate) webhook_keys: Sealer,
    pub(crate) successors: Sealer,
    /// For the tokens of share links, which their owners copy again.
    pub(crate) share_links: Sealer,
    /// For those who came by one.
    pub(crate) share_tokens: ShareTokens,
    /// For answers that are told again (`Idempotency-Key`).
    pub(crate) answers: Sealer,
    /// Keys digests of requests: one may carry a password.
    pub(crate) attempts_key: [u8; 32],
    /// Judges tokens of members' programs.
    pub(crate) bearers: Bearers,
    /// Requests that run to their end without their callers. Waited for when the process stops.
    pub(crate) errands: TaskTracker,
    pub(crate) second_step: SecondStep,
    pub(crate) codes: Codes,
    pub(crate) passwords: Passwords,
    pub(crate) limits: Limits,
    pub(crate) revocations: Revocations,
    pub(crate) revoked: RevokedCache,
    /// Judges requests for media that is not for everybody.
    pub(crate) gate: live::playback::Gate,
    pub(crate) views: Views,
    /// Keys anonymous viewers' digests, so that addresses cannot be read back out of Redis.
    pub(crate) viewer_salt: [u8; 32],
    pub(crate) proxies: TrustedProxies,
    pub(crate) places: Places,
    pub(crate) directory: Directory,
    pub(crate) meters: Meters,
    /// Live media of other nodes.
    pub(crate) edge: Edge,
    pub(crate) viewers: ViewerCounts,
    pub(crate) presence: live::presence::Presence,
    /// Whom streams have reached so far.
    pub(crate) audience: live::audience::Audience,
    pub(crate) studio: Studio,
    pub(crate) intake: Intake,
    /// Parts of files that come through this node.
    pub(crate) parts: Intake,
    pub(crate) part_links: PartLinks,
    pub(crate) site: Site,
}

impl App {
    pub(crate) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
