//! Every setting of Rillcast, with its default and its sentence.
//!
//! Sources, later ones win: defaults, the file, `RILLCAST__SECTION__KEY` variables, command-line flags. Unknown keys are
//! errors. The doc comments below are the sentences of the generated template, so they speak to operators.

mod attachments;
mod files;
pub mod ladder;
mod load;
mod origin;
mod places;
mod plans;
mod template;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use attachments::{AttachmentsConfig, Clamd, ScanConfig};
pub use files::FilesConfig;
pub use load::{ConfigError, load, load_from};
pub use origin::{Origin, Setting};
pub use places::GeoipConfig;
pub use plans::{Offer, PaymentsConfig, PlansConfig};
pub use template::template;

use crate::Secret;

/// The whole configuration.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Folder for everything this node keeps on disk: embedded services, the recording spool, its identity.
    pub data_dir: PathBuf,
    pub http: HttpConfig,
    pub log: LogConfig,
    pub auth: AuthConfig,
    pub cluster: ClusterConfig,
    pub database: DatabaseConfig,
    pub redis: RedisConfig,
    pub storage: StorageConfig,
    pub chat: ChatConfig,
    pub ingest: IngestConfig,
    pub hls: HlsConfig,
    pub transcoder: TranscoderConfig,
    pub recordings: RecordingsConfig,
    pub analytics: AnalyticsConfig,
    pub audit: AuditConfig,
    pub attachments: AttachmentsConfig,
    pub files: FilesConfig,
    pub scan: ScanConfig,
    pub plans: PlansConfig,
    pub payments: PaymentsConfig,
    pub geoip: GeoipConfig,
    pub limits: LimitsConfig,
    pub hooks: HooksConfig,
    pub outward: OutwardConfig,
    pub mail: MailConfig,
    /// Where settings come from that somebody set, by key.
    #[serde(skip)]
    pub origins: BTreeMap<String, Origin>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./data"),
            http: HttpConfig::default(),
            log: LogConfig::default(),
            auth: AuthConfig::default(),
            cluster: ClusterConfig::default(),
            database: DatabaseConfig::default(),
            redis: RedisConfig::default(),
            storage: StorageConfig::default(),
            chat: ChatConfig::default(),
            ingest: IngestConfig::default(),
            hls: HlsConfig::default(),
            transcoder: TranscoderConfig::default(),
            recordings: RecordingsConfig::default(),
            analytics: AnalyticsConfig::default(),
            audit: AuditConfig::default(),
            attachments: AttachmentsConfig::default(),
            files: FilesConfig::default(),
            scan: ScanConfig::default(),
            plans: PlansConfig::default(),
            payments: PaymentsConfig::default(),
            geoip: GeoipConfig::default(),
            limits: LimitsConfig::default(),
            hooks: HooksConfig::default(),
            outward: OutwardConfig::default(),
            mail: MailConfig::default(),
            origins: BTreeMap::new(),
        }
    }
}

/// The site's web address and listener.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Address the site, the API, playback and Socket.IO are served on. Port 0 lets the system choose.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// The site's address as browsers see it, such as `https://tv.example`. Empty: made from `listen`. An https address marks cookies Secure.
    pub public_url: String,
    /// Addresses or networks (CIDR) of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed. Nobody else's are.
    pub trusted_proxies: Vec<String>,
    /// Largest request body of the JSON API, in bytes.
    pub body_bytes_max: u64,
    /// Memory for live media of streams that other nodes have, in MiB: kept for viewers of this node, so that each part is fetched once. At least 16.
    pub edge_memory_mib: u64,
    /// Address for /metrics when it should not be on the site's own port. Empty: on `listen`, for loopback and private addresses only.
    pub metrics_listen: String,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: String::new(),
            trusted_proxies: Vec::new(),
            body_bytes_max: 256 * 1024,
            edge_memory_mib: 256,
            metrics_listen: String::new(),
        }
    }
}

/// What is logged and how.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `text` for people, `json` for machines: one object per line.
    pub format: LogFormat,
    /// Which events are logged, as `level` or `target=level,...`.
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info,aws_smithy_runtime=warn,aws_sdk_s3=warn,sqlx=warn".to_owned() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum LogFormat {
    Text,
    Json,
}

/// Sign-in.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// The site's secret: tokens are signed and stream keys sealed with keys made from it. Empty: `rillcast up` makes one in the data folder; `serve` refuses. All nodes share it.
    pub secret: Secret,
    /// Seconds an access token lives.
    pub access_ttl_s: u64,
    /// Seconds a sign-in lives without being used.
    pub refresh_ttl_s: u64,
    /// Whether strangers may register.
    pub is_registration_open: bool,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            secret: Secret::default(),
            access_ttl_s: 15 * 60,
            refresh_ttl_s: 7 * 24 * 3600,
            is_registration_open: true,
        }
    }
}

/// How the nodes of one site find and trust each other.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterConfig {
    /// Secret between ingest and transcoder nodes. Empty: derived from `auth.secret`.
    pub secret: Secret,
    /// Host name or address under which other nodes reach this one. Empty: the loopback address.
    pub advertise_host: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// Postgres, as `postgres://user:password@host/database`. Empty: `rillcast up` starts its own.
    pub url: Secret,
    /// Most connections this process opens.
    pub connections_max: u32,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self { url: Secret::default(), connections_max: 16 }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RedisConfig {
    /// Redis, as `redis://host:6379`. Empty: `rillcast up` starts its own.
    pub url: Secret,
    /// Put before every key and channel, so that sites can share one Redis.
    pub prefix: String,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self { url: Secret::default(), prefix: "rillcast:".to_owned() }
    }
}

/// The bucket. Any S3 dialect: AWS, Backblaze B2, MinIO.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// S3 endpoint, such as `https://s3.eu-central-003.backblazeb2.com`. Empty: `rillcast up` keeps objects in the data folder behind its own S3 endpoint.
    pub endpoint: String,
    pub bucket: String,
    pub region: String,
    pub access_key: Secret,
    pub secret_key: Secret,
    /// Puts the bucket into the path instead of the host name. MinIO and the embedded store need it.
    pub path_style: bool,
    /// The embedded store confirms a write only when it is on the platter. `false` spares the disk, and a power cut takes what was confirmed in the last half minute.
    pub embedded_sync: bool,
    /// How viewers get recordings: `proxy` (through this server), `presigned` (short-lived links to the bucket) or `public` (from `public_url`).
    pub delivery: Delivery,
    /// Base address of the bucket for `delivery = "public"`, such as a CDN's.
    pub public_url: String,
    /// Seconds a presigned link is valid.
    pub presign_ttl_s: u64,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            bucket: "rillcast".to_owned(),
            region: "us-east-1".to_owned(),
            access_key: Secret::default(),
            secret_key: Secret::default(),
            path_style: true,
            embedded_sync: true,
            delivery: Delivery::Proxy,
            public_url: String::new(),
            presign_ttl_s: 6 * 3600,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Delivery {
    Proxy,
    Presigned,
    Public,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChatConfig {
    /// MongoDB for chat history, as `mongodb://host:27017`. Empty: history is kept in Postgres.
    pub mongodb_url: Secret,
    /// Database in that MongoDB.
    pub mongodb_database: String,
    /// Origins besides the site's own that may open Socket.IO connections.
    pub allowed_origins: Vec<String>,
    /// Most Socket.IO connections at a time from one address.
    pub connections_per_ip_max: usize,
    pub review: ReviewConfig,
}

impl Default for ChatConfig {
    fn default() -> Self {
        Self {
            mongodb_url: Secret::default(),
            mongodb_database: "rillcast".to_owned(),
            allowed_origins: Vec::new(),
            connections_per_ip_max: 4_000,
            review: ReviewConfig::default(),
        }
    }
}

/// The operator's own server, asked about each line of chat before it is said. Who keeps order in a channel is not reviewed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReviewConfig {
    /// Address that is asked by POST, and answers `{"verdict": "allow" | "hold" | "refuse"}`. Empty: nothing is reviewed.
    pub url: String,
    /// Key the requests are signed with (Standard Webhooks 1.0): `whsec_` and 24 to 64 bytes in base64.
    pub secret: Secret,
    /// Milliseconds the answer may take: 10 to 300.
    pub timeout_ms: u64,
    /// What becomes of a line when there is no answer: `allow`, `hold` (for the channel's moderators) or `refuse`.
    pub on_failure: ReviewFailure,
}

impl Default for ReviewConfig {
    fn default() -> Self {
        Self { url: String::new(), secret: Secret::default(), timeout_ms: 250, on_failure: ReviewFailure::Allow }
    }
}

/// What becomes of a line that could not be reviewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum ReviewFailure {
    Allow,
    Hold,
    Refuse,
}

/// RTMP in.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IngestConfig {
    /// Address encoders publish to. Port 0 lets the system choose.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    pub rtmps: RtmpsConfig,
    /// Host (and port, unless 1935) shown to broadcasters. Empty: made from `http.public_url` or `listen`.
    pub public_host: String,
    /// Seconds a lost broadcaster may take to come back into the same stream. 0 ends the stream at once.
    pub reconnect_window_s: u64,
    /// Most RTMP connections at a time, those that have not said who they are included.
    pub connections_max: usize,
    /// Most RTMP connections at a time from one address.
    pub connections_per_ip_max: usize,
    /// Highest bit rate accepted from one publisher, in kilobits per second, averaged over five seconds.
    pub bitrate_kbps_max: u64,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 1935)),
            rtmps: RtmpsConfig::default(),
            public_host: String::new(),
            reconnect_window_s: 60,
            connections_max: 10_000,
            connections_per_ip_max: 6_000,
            bitrate_kbps_max: 60_000,
        }
    }
}

/// RTMP under TLS, on a port of its own.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RtmpsConfig {
    /// Address encoders publish to over TLS, such as `0.0.0.0:1936`. Empty: RTMPS is not served.
    pub listen: String,
    /// File with the certificate and those between it and its authority (PEM). Read again when it changes.
    pub certificate: PathBuf,
    /// File with the certificate's private key (PEM). Read again when it changes.
    pub key: PathBuf,
}

impl RtmpsConfig {
    /// Where to listen, if anywhere. An address that is none was refused when the configuration was checked.
    pub fn addr(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }
}

/// The shape of the playlists.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HlsConfig {
    /// Length of a part, in milliseconds: 100 to 1000. Shorter is lower latency and more requests.
    pub part_ms: u32,
    /// Length of a segment, in milliseconds: 1000 to 10000. Set the encoder's key frame interval to the same or a divisor.
    pub segment_ms: u32,
    /// Segments kept in a live playlist: 6 to 60.
    pub window_segments: usize,
    /// Language of the sound, as a BCP 47 tag such as `en` or `pt-BR`; `und` where it is not known.
    pub audio_language: String,
}

impl Default for HlsConfig {
    fn default() -> Self {
        Self { part_ms: 200, segment_ms: 2_000, window_segments: 15, audio_language: "und".to_owned() }
    }
}

/// Live transcoding.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TranscoderConfig {
    /// Renditions below the source, separated by commas: height and `p`, then most frames a second, then a colon and kilobits per second, both optional, as in `720p30:2000`. Those not lower than the source are left out; beside HEVC and AV1, which many browsers lack, one as tall is made as well, 1080p at most. `usual` is 720p:2800, 480p30:1400 and 360p30:800; `none` delivers the source only.
    pub ladder: String,
    /// Whether streams for which no ladder was asked or the machine has no room have pictures too, of a key frame every five seconds: the live thumbnail and the recording's storyboard. Takes a sandboxed GStreamer process for each such stream: about 40 MiB (720p; 1080p: 50 MiB) and 0.2 % of a core.
    pub pictures: bool,
    /// Address where ingest nodes hand media over. Port 0 lets the system choose.
    #[schemars(with = "String")]
    pub link_listen: SocketAddr,
    /// Address where api nodes fetch live playlists, parts and segments. Port 0 lets the system choose.
    #[schemars(with = "String")]
    pub origin_listen: SocketAddr,
    /// CPU cores live transcoding may plan with. 0: all cores but half of one.
    pub cpu_budget: f64,
    /// What encodes the ladder: `software` (x264), `vaapi` (Intel, AMD), `nvenc` (NVIDIA), or `auto`: the first of the hardware encoders that works on this machine when it is tried at the start, else x264. `rillcast doctor` says which it is and why.
    pub encoder: EncoderWish,
    /// Memory one stream's GStreamer process may use, in MiB.
    pub worker_memory_mib: u64,
    /// Most bytes of recordings that wait on disk for the bucket, in MiB. At 90 % new publishes are refused.
    pub spool_mib_max: u64,
}

impl Default for TranscoderConfig {
    fn default() -> Self {
        Self {
            ladder: "usual".to_owned(),
            pictures: false,
            link_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            origin_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            cpu_budget: 0.0,
            encoder: EncoderWish::Auto,
            worker_memory_mib: 1_024,
            spool_mib_max: 20 * 1024,
        }
    }
}

/// Which encoder an operator wants. One in hardware that does not work is not used, whatever is wished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum EncoderWish {
    Auto,
    Software,
    Vaapi,
    Nvenc,
}

/// How long recordings are kept, and how much room they may take. `rillcast recordings rules` sets other rules for one channel.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecordingsConfig {
    /// Days a recording is kept. Then it is deleted with all its objects. 0: for ever.
    pub keep_days: u32,
    /// Room one channel's recordings may take, in GiB. When it is full a stream goes on, is recorded no further, and its owner is told. 0: no limit.
    pub quota_gib: u64,
}

impl RecordingsConfig {
    /// The room of one channel in bytes, as the database counts; 0: no limit.
    pub fn quota_bytes(&self) -> i64 {
        i64::try_from(self.quota_gib.saturating_mul(1 << 30)).unwrap_or(i64::MAX)
    }

    /// Days recordings are kept, as the database counts; 0: for ever.
    pub fn keep_days(&self) -> i32 {
        i32::try_from(self.keep_days.min(36_500)).unwrap_or(36_500)
    }
}

/// Who watched, for broadcasters: a row for each minute of each stream.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AnalyticsConfig {
    /// Days minutes are kept. Then each day of a stream becomes one row, which stays as long as the stream. 0: minutes for ever.
    pub keep_days: u32,
}

impl Default for AnalyticsConfig {
    fn default() -> Self {
        Self { keep_days: 90 }
    }
}

impl AnalyticsConfig {
    /// Days minutes are kept, as the database counts; `None`: for ever.
    pub fn keep_days(&self) -> Option<i32> {
        (self.keep_days > 0).then(|| i32::try_from(self.keep_days.min(36_500)).unwrap_or(36_500))
    }
}

/// The log of who did what.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// Days an entry is kept. 0: for ever. Why somebody is suspended is kept for as long as they are.
    pub keep_days: u32,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { keep_days: 365 }
    }
}

impl AuditConfig {
    /// Days entries are kept, as the database counts; `None`: for ever.
    pub fn keep_days(&self) -> Option<i32> {
        (self.keep_days > 0).then(|| i32::try_from(self.keep_days.min(36_500)).unwrap_or(36_500))
    }
}

impl TranscoderConfig {
    /// The ladder, tallest rung first. Empty for `none`, and for a text that [`Config::check`] refuses.
    pub fn rungs(&self) -> Vec<ladder::LadderRung> {
        ladder::parse(&self.ladder).unwrap_or_default()
    }
}

/// How often things may be done. Counted in Redis; in the process when Redis is away, never unlimited.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Registrations per address and hour.
    pub register_per_ip_per_hour: u32,
    /// Sign-in attempts per address and minute.
    pub login_per_ip_per_minute: u32,
    /// Failed sign-in attempts per account and quarter of an hour.
    pub login_failures_per_account: u32,
    /// Wrong stream keys per address and minute.
    pub publish_failures_per_ip_per_minute: u32,
    /// Chat messages per user and three seconds.
    pub chat_per_user_per_3s: u32,
    /// Chat messages per channel or room and second, of all its people but those who keep order there.
    pub chat_per_room_per_s: u32,
    /// Viewers of a channel counted behind one address (of IPv6, a /64) on each node. The others watch, but are not counted: ids are
    /// cheap to invent, addresses are not.
    pub viewers_per_ip: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            register_per_ip_per_hour: 20,
            login_per_ip_per_minute: 20,
            login_failures_per_account: 20,
            publish_failures_per_ip_per_minute: 30,
            chat_per_user_per_3s: 5,
            chat_per_room_per_s: 100,
            viewers_per_ip: 100,
        }
    }
}

/// The operator's own server, called in nginx-rtmp's dialect. Empty addresses are not called.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HooksConfig {
    /// Asked before a publisher is accepted: a 2xx answer allows, anything else or no answer refuses.
    pub on_publish: String,
    /// Told once after each publish has ended; tried again until it answers 2xx.
    pub on_publish_done: String,
    /// Told every 30 seconds while a publisher is on air.
    pub on_update: String,
    /// Told once after each recording is complete.
    pub on_record_done: String,
}

/// Requests to addresses that members give, such as the push services of their browsers.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutwardConfig {
    /// Addresses or networks (CIDR) that may be asked although they are not of the public internet, by plain http too. All others are refused.
    pub allow: Vec<String>,
    /// Whom a push service may write to, such as `mailto:admin@tv.example`. Empty: `http.public_url` where it is https.
    pub contact: String,
}

/// Mail to members who asked for it. Its links lead to `http.public_url`, which must be set.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MailConfig {
    /// Mail server, as `smtps://user:password@mail.example:465`, or `smtp://user:password@mail.example:587?tls=required` where it begins in the clear. Empty: no mail is sent.
    pub url: Secret,
    /// Whom mail comes from, such as `Rillcast <noreply@tv.example>`.
    pub from: String,
}
