//! Putting roles together: which listeners, which handles, which tasks. Used by `up` and `serve` alike.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use kit::health::Health;
use kit::{Config, Secret, Tasks};
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};
use tower::Layer;
use tower::util::option_layer;

use crate::cli::Role;
use crate::{doctor, http, lines, node, ports};

/// How long roles may take to stop; with the services' grace it stays below the promised ten seconds.
const ROLES_GRACE: Duration = Duration::from_millis(5_800);
const PROBE_EVERY: Duration = Duration::from_secs(2);
/// How long `serve` waits for Postgres before it gives up.
const DATABASE_WAIT_MAX: Duration = Duration::from_secs(60);

/// Every port of a process, bound before anything else happens.
pub struct Listeners {
    http: TcpListener,
    rtmp: Option<TcpListener>,
    rtmps: Option<(TcpListener, ingest::Tls)>,
    link: Option<TcpListener>,
    origin: Option<TcpListener>,
}

impl Listeners {
    pub async fn bind(config: &Config, roles: &HashSet<Role>) -> anyhow::Result<Self> {
        let http = ports::bind(config.http.listen, "the site", "http.listen (--http)").await?;
        let mut bound = Self { http, rtmp: None, rtmps: None, link: None, origin: None };
        if roles.contains(&Role::Ingest) {
            bound.rtmp = Some(ports::bind(config.ingest.listen, "RTMP", "ingest.listen (--rtmp)").await?);
            let rtmps = &config.ingest.rtmps;
            if let Some(addr) = rtmps.addr() {
                let tls = ingest::Tls::load(rtmps).context("RTMPS (ingest.rtmps)")?;
                bound.rtmps = Some((ports::bind(addr, "RTMPS", "ingest.rtmps.listen").await?, tls));
            }
        }
        if roles.contains(&Role::Transcoder) {
            let transcoder = &config.transcoder;
            bound.link = Some(ports::bind(transcoder.link_listen, "media hand-over", "transcoder.link_listen").await?);
            let origin = ports::bind(transcoder.origin_listen, "the live origin", "transcoder.origin_listen").await?;
            bound.origin = Some(origin);
        }
        Ok(bound)
    }
}

/// Running roles and what is worth telling about them.
pub struct Assembled {
    pub config: Arc<Config>,
    pub pool: db::Pool,
    pub tasks: Tasks,
    /// Held until everything else has ended: connections to Postgres may have been opened there.
    pub lanes: kit::lanes::Lanes,
    pub http_url: String,
    pub site_url: String,
    pub rtmp_url: String,
}

/// `rillcast serve`.
pub async fn serve(mut config: Config, roles: &[Role]) -> anyhow::Result<ExitCode> {
    kit::telemetry::init(&config.log);
    let roles: HashSet<Role> = roles.iter().copied().collect();
    let missing: Vec<&str> = [
        ("database.url", config.database.url.is_empty()),
        ("redis.url", config.redis.url.is_empty()),
        ("storage.endpoint", config.storage.endpoint.is_empty()),
        ("auth.secret", config.auth.secret.is_empty()),
    ]
    .into_iter()
    .filter_map(|(key, is_missing)| is_missing.then_some(key))
    .collect();
    if !missing.is_empty() {
        bail!("serve needs {}; `rillcast up` starts these services by itself", missing.join(", "));
    }
    config.data_dir = node::prepare_data_dir(&config.data_dir)?;
    if roles.contains(&Role::Transcoder) {
        doctor::require_media(&config)?;
    }
    let listeners = Listeners::bind(&config, &roles).await?;
    let roles = assemble(config, &roles, listeners).await?;
    println!("rillcast ready http={} rtmp={}", roles.http_url, roles.rtmp_url);
    let code = roles.tasks.run().await;
    drop(roles.lanes);
    Ok(code)
}

/// Connects, migrates and starts the given roles.
pub async fn assemble(mut config: Config, roles: &HashSet<Role>, listeners: Listeners) -> anyhow::Result<Assembled> {
    if config.cluster.secret.is_empty() {
        config.cluster.secret = Secret::new(hex::encode(kit::seal::derive_key(&config.auth.secret, "cluster")));
    }
    let http_addr = listeners.http.local_addr()?;
    let rtmp_addr = listeners.rtmp.as_ref().map_or(Ok(config.ingest.listen), TcpListener::local_addr)?;
    let http_url = format!("http://{}", reachable(http_addr));
    let site_url = match config.http.public_url.trim_end_matches('/') {
        "" => http_url.clone(),
        url => url.to_owned(),
    };
    let rtmps_addr = match &listeners.rtmps {
        Some((listener, _)) => Some(listener.local_addr()?),
        None => config.ingest.rtmps.addr(),
    };
    let rtmps_url = rtmps_addr.map(|addr| rtmps_url(&config, addr));
    let rtmp_url = rtmp_url(&config, rtmp_addr);
    let config = Arc::new(config);
    let node = node::id(&config.data_dir)?;
    let metrics = kit::telemetry::metrics();
    let health = Health::default();

    let pool = db::pool::connect(&config.database)?;
    wait_for_database(&pool).await?;
    db::pool::migrate(&pool).await.context("cannot bring the schema up to date")?;
    jobs::migrate(&pool).await.context("cannot bring the job queue up to date")?;
    let live = live::Live::new(&config.redis)?;
    let objects = objects::Objects::new(&config.storage)?;
    if let Err(error) = objects.ensure_bucket().await {
        // Recordings wait on disk until the bucket is there; live does not.
        tracing::error!(%error, bucket = config.storage.bucket, "the bucket does not answer");
    }

    let lanes = kit::lanes::Lanes::start().context("cannot start the media threads")?;
    let mut tasks = Tasks::new(ROLES_GRACE);
    let stop = tasks.stop();
    let mut link = None;
    let mut local_origin = None;
    if let (Some(link_listener), Some(origin_listener)) = (listeners.link, listeners.origin) {
        let deps = transcoder::Deps {
            config: config.clone(),
            pool: pool.clone(),
            live: live.clone(),
            objects: objects.clone(),
            health: health.clone(),
            lanes: lanes.clone(),
            node: node.clone(),
            exe: std::env::current_exe()?,
        };
        let transcoder = transcoder::Transcoder::new(deps, link_listener, origin_listener)?;
        link = Some(ingest::Fixed::Here(transcoder.link_dialer()));
        local_origin = Some(transcoder.local_origin());
        tasks.spawn("transcoder", transcoder.run(stop.clone()));
    }
    if let Some(listener) = listeners.rtmp {
        let deps = ingest::Deps {
            config: config.clone(),
            pool: pool.clone(),
            live: live.clone(),
            health: health.clone(),
            lanes: lanes.clone(),
            node: node.clone(),
            link,
            rtmps: listeners.rtmps,
        };
        tasks.spawn("ingest", ingest::serve(listener, deps, stop.clone()));
    }
    let router = if roles.contains(&Role::Api) {
        let api = api::Api::new(api::Deps {
            config: config.clone(),
            pool: pool.clone(),
            live: live.clone(),
            objects: objects.clone(),
            health: health.clone(),
            metrics: metrics.clone(),
            node: node.clone(),
            local_origin,
            lights: Arc::new(doctor::Lights::new(config.clone())),
            chat_lines: Arc::new(lines::Lines::new(chat::history::open(&config, &pool).await?)),
            rtmp_url: rtmp_url.clone(),
            rtmps_url,
            site_url: site_url.clone(),
        })?;
        let router = api.router();
        tasks.spawn("api", api.run(stop.clone()));
        router
    } else {
        api::operations_router(health.clone(), metrics.clone())
    };
    let mut in_front = None;
    if roles.contains(&Role::Chat) {
        let deps = chat::Deps {
            config: config.clone(),
            pool: pool.clone(),
            live: live.clone(),
            health: health.clone(),
            node: node.clone(),
        };
        let chat = chat::Chat::new(deps).await?;
        in_front = Some(chat.layer());
        tasks.spawn("chat", chat.run(stop.clone()));
    }
    if roles.contains(&Role::Jobs) {
        let deps = jobs::Deps {
            config: config.clone(),
            pool: pool.clone(),
            live: live.clone(),
            objects: objects.clone(),
            health: health.clone(),
            node: node.clone(),
        };
        tasks.spawn("jobs", jobs::run(deps, stop.clone()));
    }
    tasks.spawn("http", http::serve(listeners.http, option_layer(in_front).layer(router), stop.clone()));
    tasks.spawn("probe", probe(pool.clone(), live, objects, health, metrics, stop));
    Ok(Assembled { config, pool, tasks, lanes, http_url, site_url, rtmp_url })
}

/// Asks every dependency for a sign of life, for `/readyz`, and keeps the metrics recorder tidy.
async fn probe(
    pool: db::Pool,
    live: live::Live,
    objects: objects::Objects,
    health: Health,
    metrics: metrics_exporter_prometheus::PrometheusHandle,
    stop: kit::Stop,
) -> anyhow::Result<()> {
    for part in ["postgres", "redis", "bucket"] {
        health.expect(part);
    }
    let mut tick = interval(PROBE_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        metrics.run_upkeep();
        let told = |part, result: Result<(), String>| match result {
            Ok(()) => health.up(part),
            Err(reason) => health.down(part, reason),
        };
        let (postgres, redis, bucket) = tokio::join!(db::pool::ping(&pool), live.ping(), objects.ping());
        told("postgres", postgres.map_err(|error| error.to_string()));
        told("redis", redis.map_err(|error| error.to_string()));
        told("bucket", bucket.map_err(|error| error.to_string()));
    }
}

async fn wait_for_database(pool: &db::Pool) -> anyhow::Result<()> {
    let mut backoff = kit::retry::Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    let until = tokio::time::Instant::now() + DATABASE_WAIT_MAX;
    loop {
        match db::pool::ping(pool).await {
            Ok(()) => return Ok(()),
            Err(error) if tokio::time::Instant::now() > until => {
                return Err(error).context("Postgres does not answer (database.url)");
            }
            Err(error) => tracing::info!(%error, "waiting for Postgres"),
        }
        tokio::time::sleep(backoff.next_wait()).await;
    }
}

/// An address a browser on this machine can use: "any" becomes loopback.
fn reachable(addr: SocketAddr) -> SocketAddr {
    if addr.ip().is_unspecified() { SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), addr.port()) } else { addr }
}

/// What broadcasters type into OBS.
fn rtmp_url(config: &Config, bound: SocketAddr) -> String {
    if !config.ingest.public_host.is_empty() {
        return format!("rtmp://{}/live", config.ingest.public_host);
    }
    match site_host(config) {
        Some(host) if bound.port() == 1935 => format!("rtmp://{host}/live"),
        Some(host) => format!("rtmp://{host}:{}/live", bound.port()),
        None => format!("rtmp://{}/live", reachable(bound)),
    }
}

/// The same over TLS. Encoders differ in the port they take for granted, so it is always said.
fn rtmps_url(config: &Config, bound: SocketAddr) -> String {
    let public_host = &config.ingest.public_host;
    let named = match public_host.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        _ => public_host.as_str(),
    };
    match Some(named).filter(|host| !host.is_empty()).or_else(|| site_host(config)) {
        Some(host) => format!("rtmps://{host}:{}/live", bound.port()),
        None => format!("rtmps://{}/live", reachable(bound)),
    }
}

/// The host of the site's public address.
fn site_host(config: &Config) -> Option<&str> {
    let (_, rest) = config.http.public_url.split_once("://")?;
    rest.split(['/', ':']).next().filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rtmp_address_follows_the_public_one() {
        let mut config = Config::default();
        let bound = SocketAddr::from(([0, 0, 0, 0], 1935));
        assert_eq!(rtmp_url(&config, bound), "rtmp://127.0.0.1:1935/live");
        config.http.public_url = "https://tv.example/".to_owned();
        assert_eq!(rtmp_url(&config, bound), "rtmp://tv.example/live");
        let secure = SocketAddr::from(([0, 0, 0, 0], 1936));
        assert_eq!(rtmps_url(&config, secure), "rtmps://tv.example:1936/live");
        config.ingest.public_host = "in.example:1940".to_owned();
        assert_eq!(rtmp_url(&config, bound), "rtmp://in.example:1940/live");
        assert_eq!(rtmps_url(&config, secure), "rtmps://in.example:1936/live");
        assert_eq!(rtmps_url(&Config::default(), secure), "rtmps://127.0.0.1:1936/live");
    }
}
