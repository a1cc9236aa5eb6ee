//! What every room needs and none should write twice: configuration, telemetry, tasks, time, ids, tokens, problems.
//!
//! Knows the runtime and HTTP's error body, but no store, no media and no rule of the product.

pub mod api_tokens;
pub mod clock;
pub mod config;
pub mod edge;
pub mod failpoint;
pub mod health;
pub mod ids;
pub mod inproc;
pub mod lanes;
pub mod mail_links;
pub mod negotiation;
pub mod net;
pub mod origin;
pub mod outward;
pub mod part_links;
pub mod playback;
pub mod problem;
pub mod retry;
pub mod seal;
pub mod second_step;
pub mod secret;
pub mod share_tokens;
pub mod tasks;
pub mod telemetry;
pub mod tokens;
pub mod vapid;
pub mod webhook_key;

pub use config::Config;
pub use problem::Problem;
pub use secret::Secret;
pub use tasks::Tasks;
/// Cancelled when the process is to stop; every long-lived task watches one.
pub use tokio_util::sync::CancellationToken as Stop;
