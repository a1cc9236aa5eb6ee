//! The command line: what can be asked of the binary, and which configuration each command sees.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use kit::config::Origin;

use crate::{commands, compose, doctor, events, import, recordings, up};

/// Self-hosted live streaming and video on demand.
#[derive(Debug, Parser)]
#[command(name = "rillcast", version, about)]
pub struct Cli {
    /// Configuration file (TOML). Variables named RILLCAST__SECTION__KEY override it.
    #[arg(long, global = true, env = "RILLCAST_CONFIG")]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs everything in one process and starts the services that are not configured.
    Up(UpArgs),
    /// Runs some roles against configured services.
    Serve(ServeArgs),
    /// Brings the database's schema up to date.
    Migrate,
    /// Checks what this machine and these settings lack.
    Doctor(DoctorArgs),
    /// Prints the OpenAPI document.
    Openapi,
    /// Looks at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Manages members.
    #[command(subcommand)]
    User(UserCommand),
    /// Manages background jobs.
    #[command(subcommand)]
    Job(JobCommand),
    /// Looks at the events the site tells its own parts of.
    #[command(subcommand)]
    Events(EventsCommand),
    /// Looks after recordings.
    #[command(subcommand)]
    Recordings(RecordingsCommand),
    /// Looks after what the search looks in.
    #[command(subcommand)]
    Search(SearchCommand),
    /// Makes a recording of a video file on this machine.
    Import(ImportArgs),
    /// Follows an HLS playlist and names the rules it breaks; exits 1 if a binding one is among them.
    HlsCheck(HlsCheckArgs),
    /// One stream's GStreamer process; started by the transcoder.
    #[command(hide = true)]
    MediaWorker,
    /// An embedded service's first step; started by `up`.
    #[command(hide = true)]
    ServiceChild(ServiceChildArgs),
}

#[derive(Debug, Args)]
pub struct UpArgs {
    /// Folder for everything that is kept [default: ./data].
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Address of the site [default: 127.0.0.1:8080].
    #[arg(long)]
    pub http: Option<SocketAddr>,
    /// Address encoders publish to [default: 0.0.0.0:1935].
    #[arg(long)]
    pub rtmp: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// An MP4, MOV, Matroska or WebM file.
    pub file: PathBuf,
    /// Whose recording it becomes.
    #[arg(long)]
    pub channel: String,
    /// What it is called [default: the file's name].
    #[arg(long)]
    pub title: Option<String>,
    /// Whom it is for.
    #[arg(long, default_value = "public", value_parser = ["public", "unlisted", "followers", "private"])]
    pub visibility: String,
}

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The roles of this process.
    #[arg(long, value_delimiter = ',', required = true)]
    pub roles: Vec<Role>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum Role {
    Api,
    Ingest,
    Transcoder,
    Chat,
    Jobs,
}

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Folder `up` would use.
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Prints one JSON array.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Checks file and variables; says what is wrong.
    Check,
    /// Prints what would be used, secrets masked.
    Dump,
    /// Prints a commented file with every key.
    Template,
}

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Creates a member.
    Create {
        #[arg(long)]
        username: String,
        #[arg(long)]
        email: String,
        #[arg(long)]
        password: String,
        #[arg(long, default_value = "user", value_parser = ["user", "moderator", "admin"])]
        role: String,
    },
    /// Gives a member another role.
    Promote {
        #[arg(long)]
        username: String,
        #[arg(long, value_parser = ["user", "moderator", "admin"])]
        role: String,
    },
    /// Sets a member's password and ends their sign-ins.
    SetPassword {
        #[arg(long)]
        username: String,
        #[arg(long)]
        password: String,
    },
    /// Turns a member's two-factor sign-in off, for whoever lost their app and their recovery codes.
    #[command(name = "reset-2fa")]
    ResetTwoFactor {
        /// Username or e-mail address.
        username: String,
    },
    /// Suspends a member: signed out everywhere, off the air, and not let in again.
    Suspend {
        #[arg(long)]
        username: String,
    },
    /// Takes a suspension back.
    Readmit {
        #[arg(long)]
        username: String,
    },
    /// Lists members, newest first.
    List {
        #[arg(long, default_value_t = 100)]
        limit: i64,
    },
}

#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// Lists jobs that are not done.
    List {
        /// Also those that are done.
        #[arg(long)]
        all: bool,
        #[arg(long, default_value_t = 100)]
        limit: i64,
    },
    /// Gives a failed job a fresh set of attempts.
    Retry { id: String },
}

#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// Lists events with the consumers that are done with them, and how far behind each consumer is.
    List {
        /// Only those somebody has not heard, the oldest first.
        #[arg(long)]
        waiting: bool,
        #[arg(long, default_value_t = 100)]
        limit: i64,
    },
    /// Has one consumer hear events again; the others hear nothing. Rows and notices are made once, whatever is heard again. But what leaves the
    /// site does so again: of `jobs`, mail about passwords and the second step, and the operator's hooks.
    Replay {
        #[arg(long)]
        consumer: String,
        /// Since when (RFC 3339) [default: all that are kept, a week].
        #[arg(long)]
        from: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub enum SearchCommand {
    /// Makes all of it anew, from what there is. Safe while the site runs; what is found meanwhile is right.
    Rebuild,
}

#[derive(Debug, Subcommand)]
pub enum RecordingsCommand {
    /// Names recordings that are not as they should be; exits 1 if there are any.
    Check {
        /// Prints one JSON object a line.
        #[arg(long)]
        json: bool,
        #[arg(long, default_value_t = 1_000)]
        limit: i64,
    },
    /// Closes recordings nobody closed, compares all with the bucket, finishes deletions. Safe while the site runs.
    Repair,
    /// Sets how long one channel's recordings are kept and how much room they have; what is not given is the site's.
    Rules {
        #[arg(long)]
        channel: String,
        /// Days; 0: for ever.
        #[arg(long, value_parser = clap::value_parser!(i32).range(0..=36_500))]
        keep_days: Option<i32>,
        /// GiB; 0: no limit.
        #[arg(long, value_parser = clap::value_parser!(i64).range(0..=1_000_000))]
        quota_gib: Option<i64>,
    },
}

#[derive(Debug, Args)]
pub struct HlsCheckArgs {
    /// A multivariant or a media playlist.
    pub url: String,
    /// How long a live playlist is followed.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
    /// Segments fetched of each rendition of a recording.
    #[arg(long, default_value_t = 6)]
    pub segments: usize,
    /// Prints one JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ServiceChildArgs {
    /// User and group to become, as numbers; 0 stays.
    #[arg(long)]
    pub uid: u32,
    #[arg(long)]
    pub gid: u32,
    /// Signal to receive when the parent dies.
    #[arg(long)]
    pub death_signal: i32,
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

impl Cli {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let mut config = match &self.command {
            Command::Openapi | Command::HlsCheck(_) | Command::Config(ConfigCommand::Template) => {
                kit::Config::default()
            }
            _ => kit::config::load(self.config.as_deref())?,
        };
        match self.command {
            Command::Up(args) => {
                if let Some(data) = args.data {
                    config.data_dir = data;
                    config.origins.insert("data_dir".to_owned(), Origin::Flag);
                }
                if let Some(http) = args.http {
                    config.http.listen = http;
                    config.origins.insert("http.listen".to_owned(), Origin::Flag);
                }
                if let Some(rtmp) = args.rtmp {
                    config.ingest.listen = rtmp;
                    config.origins.insert("ingest.listen".to_owned(), Origin::Flag);
                }
                up::run(config).await
            }
            Command::Serve(args) => compose::serve(config, &args.roles).await,
            Command::Migrate => commands::migrate(config).await,
            Command::Doctor(args) => {
                if let Some(data) = args.data {
                    config.data_dir = data;
                }
                doctor::run(config, args.json).await
            }
            Command::Openapi => {
                println!("{}", api::openapi_json());
                Ok(ExitCode::SUCCESS)
            }
            Command::Config(command) => commands::config(command, &config),
            Command::User(command) => commands::user(command, config).await,
            Command::Job(command) => commands::job(command, config).await,
            Command::Events(command) => events::run(command, config).await,
            Command::Recordings(command) => recordings::run(command, config).await,
            Command::Search(command) => commands::search(command, config).await,
            Command::Import(args) => import::run(args, config).await,
            Command::HlsCheck(args) => commands::hls_check(args).await,
            Command::MediaWorker | Command::ServiceChild(_) => unreachable!("handled before the runtime starts"),
        }
    }
}
