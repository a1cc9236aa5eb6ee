//! The transcoder role: takes streams from ingest, packages them, serves them, records them.
//!
//! A stream enters through [`link`], lives in a task of [`stream`], is read through [`origin`] and kept by [`record`];
//! [`worker`] is the GStreamer child that makes its lower renditions, and [`directory`] tells other nodes about it all.
//! Knows nothing of accounts, chat or who may watch.

mod access;
mod directory;
mod import;
mod link;
mod origin;
mod place;
pub mod record;
mod stream;
pub mod worker;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use kit::config::EncoderWish;
use kit::edge::EdgePass;
use kit::origin::LocalOrigin;
use kit::{Config, Stop, inproc};
use live::playback::Gate;
use media::link::Passed;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::TaskTracker;

use directory::Node;
use origin::Origin;
use origin::cold::Cellar;
use origin::shelf::Index;
use record::{RecordDeps, Recorder, RecorderTask};
use stream::publisher::Cutting;
use stream::{Shared, Streams};

/// How long the stop waits for ingest to end its streams properly.
const GOODBYE_WAIT_MAX: Duration = Duration::from_secs(4);
/// How long interrupted streams and children may take to put things away.
const DRAIN_MAX: Duration = Duration::from_secs(2);
/// How often the wait for goodbyes looks.
const GOODBYE_LOOK_EVERY: Duration = Duration::from_millis(20);

/// What the role is given.
pub struct Deps {
    pub config: Arc<Config>,
    pub pool: db::Pool,
    pub live: live::Live,
    pub objects: objects::Objects,
    pub health: kit::health::Health,
    /// Where streams run.
    pub lanes: kit::lanes::Lanes,
    /// This node's name, unique in the cluster.
    pub node: String,
    /// The executable whose `media-worker` argument runs [`worker::child_main`].
    pub exe: PathBuf,
}

/// The role, its ports already bound.
pub struct Transcoder {
    config: Arc<Config>,
    live: live::Live,
    health: kit::health::Health,
    lanes: kit::lanes::Lanes,
    node: Node,
    link: TcpListener,
    link_addr: SocketAddr,
    local_link: (inproc::Dialer<Passed>, inproc::Listener<Passed>),
    origin: TcpListener,
    origin_addr: SocketAddr,
    index: Arc<Index>,
    gate: Gate,
    pool: db::Pool,
    streams: Arc<Streams>,
    recorder: Recorder,
    recorder_task: RecorderTask,
    media: Arc<Origin>,
    admission: worker::Admission,
    exe: PathBuf,
    objects: objects::Objects,
    cellar: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>,
    tasks: TaskTracker,
    hard: Stop,
}

impl Transcoder {
    /// Puts the role together. Nothing runs before [`Transcoder::run`].
    pub fn new(deps: Deps, link: TcpListener, origin: TcpListener) -> anyhow::Result<Self> {
        anyhow::ensure!(!deps.config.cluster.secret.is_empty(), "cluster.secret is not set");
        let link_addr = link.local_addr().context("the link's address")?;
        let origin_addr = origin.local_addr().context("the origin's address")?;
        let (recorder, recorder_task) = Recorder::new(RecordDeps {
            pool: deps.pool.clone(),
            objects: deps.objects.clone(),
            data_dir: deps.config.data_dir.clone(),
            spool_bytes_max: deps.config.transcoder.spool_mib_max.saturating_mul(1024 * 1024),
            rooms: deps.config.recording_rooms(),
            pace: record::Pace::default(),
        });
        let (cellar, cellar_task) = Cellar::new(deps.config.data_dir.join("live"));
        let (tasks, hard, index) = (TaskTracker::new(), Stop::new(), Arc::new(Index::default()));
        let gate = Gate::new(deps.live.clone(), &deps.config.auth.secret);
        let media = Origin {
            index: Arc::clone(&index),
            waiters: Arc::default(),
            objects: deps.objects.clone(),
            gate: gate.clone(),
        };
        let admission = worker::Admission::new(deps.config.transcoder.cpu_budget);
        let shared = Shared {
            pool: deps.pool.clone(),
            recorder: recorder.clone(),
            admission: admission.clone(),
            ladder: deps.config.transcoder.rungs(),
            cellar,
            exe: deps.exe.clone(),
            cutting: Cutting { part_ms: deps.config.hls.part_ms, segment_ms: deps.config.hls.segment_ms },
            tasks: tasks.clone(),
            stop: hard.clone(),
            config: Arc::clone(&deps.config),
        };
        let node = Node {
            name: deps.node,
            link_addr: advertised(&deps.config, link_addr),
            origin_url: format!("http://{}", advertised(&deps.config, origin_addr)),
        };
        deps.health.expect("transcoder");
        describe_metrics();
        Ok(Self {
            streams: Arc::new(Streams::new(Arc::new(shared), Arc::clone(&index))),
            media: Arc::new(media),
            gate,
            pool: deps.pool,
            admission,
            exe: deps.exe,
            objects: deps.objects,
            cellar: Box::pin(cellar_task),
            config: deps.config,
            live: deps.live,
            health: deps.health,
            lanes: deps.lanes,
            node,
            link,
            link_addr,
            local_link: inproc::listener(),
            origin,
            origin_addr,
            index,
            recorder,
            recorder_task,
            tasks,
            hard,
        })
    }

    /// Where ingest hands streams over.
    pub fn link_addr(&self) -> SocketAddr {
        self.link_addr
    }

    /// The same for an ingest in this process, without the kernel between.
    pub fn link_dialer(&self) -> inproc::Dialer<Passed> {
        self.local_link.0.clone()
    }

    /// Where `api` nodes fetch from.
    pub fn origin_addr(&self) -> SocketAddr {
        self.origin_addr
    }

    /// The media of this process, for a server in it.
    pub fn local_origin(&self) -> Arc<dyn LocalOrigin> {
        self.media.clone()
    }

    /// Serves until `stop`; then gives ingest time to end its streams, and keeps what is left for a later resume.
    pub async fn run(self, stop: Stop) -> anyhow::Result<()> {
        let (streams, hard, tasks) = (Arc::clone(&self.streams), self.hard.clone(), self.tasks.clone());
        // Recording, the live window and the origin outlast the streams that write to them.
        let after = Stop::new();
        let mut parts = JoinSet::new();
        // It goes on until what streams hand over at the stop is stored.
        let recorded = stop.child_token();
        parts.spawn(self.recorder_task.run(recorded.clone()));
        {
            let after = after.clone();
            let cellar = self.cellar;
            parts.spawn(async move {
                origin::cold::until(after, cellar).await;
                Ok(())
            });
        }
        let (pool_of_imports, after_imports) = (self.pool.clone(), after.clone());
        let (pool, index, gate, until) = (self.pool, Arc::clone(&self.index), self.gate.clone(), after.clone());
        let known = Arc::clone(&streams);
        parts.spawn(async move {
            access::run(pool, index, known, gate, until).await;
            Ok(())
        });
        let router = origin::router(self.media, EdgePass::new(&self.config.cluster.secret));
        let (listener, until) = (self.origin, after.clone());
        parts.spawn(async move {
            origin::server::serve(listener, router, until).await;
            Ok(())
        });
        let (live, node, recorder) = (self.live, self.node.clone(), self.recorder);
        let (known, index, until) = (Arc::clone(&streams), Arc::clone(&self.index), after.clone());
        parts.spawn(async move {
            directory::run(live, node, known, index, recorder, until).await;
            Ok(())
        });
        let imports = import::ImportDeps {
            config: Arc::clone(&self.config),
            pool: pool_of_imports,
            objects: self.objects,
            node: self.node.name.clone(),
            exe: self.exe.clone(),
            admission: self.admission.clone(),
        };
        // Nothing waits for them at the stop: another node, or the next start, goes on.
        let leaving = stop.child_token();
        parts.spawn(async move {
            import::run(imports, leaving.clone()).await;
            after_imports.cancelled().await;
            Ok(())
        });
        let (listener, (_, local), config) = (self.link, self.local_link, Arc::clone(&self.config));
        let (known, lanes, soft, harder) = (Arc::clone(&streams), self.lanes, after.clone(), hard.clone());
        parts.spawn(async move {
            link::serve(listener, local, &config.cluster.secret, known, &lanes, soft, harder).await;
            Ok(())
        });
        // Streams that come back sooner than this is known begin with x264.
        tokio::select! {
            () = stop.cancelled() => {}
            () = choose_encoder(self.exe, Arc::clone(&self.config), self.admission) => {}
        }
        self.health.up("transcoder");

        let failed = tokio::select! {
            () = stop.cancelled() => None,
            Some(ended) = parts.join_next() => Some(ended),
        };
        self.health.down("transcoder", "stopping");
        streams.close_doors();
        if failed.is_none() {
            wait_for_goodbyes(&streams).await;
        }
        hard.cancel();
        tasks.close();
        if timeout(DRAIN_MAX, tasks.wait()).await.is_err() {
            tracing::warn!(left = tasks.len(), "streams did not put things away in time");
        }
        after.cancel();
        recorded.cancel();
        while let Some(ended) = parts.join_next().await {
            ended.context("a part of the transcoder panicked")??;
        }
        match failed {
            None => Ok(()),
            Some(ended) => {
                ended.context("a part of the transcoder panicked")??;
                anyhow::bail!("a part of the transcoder ended before the stop")
            }
        }
    }
}

/// Tries the hardware encoders, if there are any, and says what it came to.
async fn choose_encoder(exe: PathBuf, config: Arc<Config>, admission: worker::Admission) {
    if config.transcoder.rungs().is_empty() {
        return;
    }
    let wish = config.transcoder.encoder;
    let choice = tokio::task::spawn_blocking(move || worker::choose(&exe, &config.transcoder)).await;
    let Ok(worker::Choice { encoder, reason, escapes }) = choice else { return };
    if !escapes.is_empty() {
        tracing::warn!(?escapes, "a process with the hardware encoder can do what its walls should forbid");
    }
    match (&encoder, wish) {
        (worker::Encoder::Hardware(name), _) => {
            tracing::info!(encoder = name, reason, "renditions are made in hardware")
        }
        (worker::Encoder::Software, EncoderWish::Vaapi | EncoderWish::Nvenc) => {
            tracing::warn!(?wish, reason, "the hardware encoder cannot be used, renditions are made with x264");
        }
        (worker::Encoder::Software, _) => tracing::debug!(reason, "renditions are made with x264"),
    }
    admission.encode_with(encoder);
}

/// Ingest learns of the stop by itself and ends its streams; those that are still there afterwards are interrupted.
async fn wait_for_goodbyes(streams: &Streams) {
    let deadline = Instant::now() + GOODBYE_WAIT_MAX;
    while Instant::now() < deadline && streams.is_any_connected() {
        sleep(GOODBYE_LOOK_EVERY).await;
    }
}

/// The address other nodes reach a listener of ours under.
fn advertised(config: &Config, addr: SocketAddr) -> String {
    match config.cluster.advertise_host.as_str() {
        "" if addr.ip().is_unspecified() => format!("127.0.0.1:{}", addr.port()),
        "" => addr.to_string(),
        host => format!("{host}:{}", addr.port()),
    }
}

fn describe_metrics() {
    metrics::describe_gauge!(
        "rillcast_live_streams",
        "Streams that have not ended, those waiting for their publisher included."
    );
    metrics::describe_histogram!(
        "rillcast_part_latency_seconds",
        "From the arrival of a part's last frame to the part being there for viewers."
    );
    import::describe_metrics();
    metrics::describe_counter!("rillcast_origin_requests_total", "Requests to the live origin, by kind and status.");
    metrics::describe_gauge!("rillcast_origin_blocked", "Requests that wait for a part.");
}
