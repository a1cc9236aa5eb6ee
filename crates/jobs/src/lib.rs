//! Consequences: what happens after a fact was committed. The only crate that names apalis.
//!
//! The relay turns outbox rows into jobs (in one transaction, so each row becomes exactly one) and tells open browsers.
//! Workers run the jobs, each of which may run twice and has its effect once.

pub mod analytics;
pub mod attachments;
pub mod desk;
pub mod files;
mod hooks;
mod job;
mod later;
pub mod mail;
mod notify;
pub mod payments;
mod push;
mod queue;
mod reach;
mod relay;
pub mod scan;
pub mod search;
pub mod storage;
mod strays;
mod views;
mod webhooks;

use std::sync::Arc;

use kit::health::Health;
use kit::{Config, Stop};

pub use desk::{JobRow, JobState, list, retry};
pub use job::Job;
pub use queue::{JobError, migrate};
pub use relay::CONSUMERS;

/// What the jobs role needs.
#[derive(Clone)]
pub struct Deps {
    pub config: Arc<Config>,
    pub pool: db::Pool,
    pub live: live::Live,
    pub objects: objects::Objects,
    pub health: Health,
    /// This process's name among the workers; a fresh suffix is added per start.
    pub node: String,
}

/// Runs the relay, the workers, the flush of views, what is told later, the thinning of minutes, and the upkeep of what is stored and
/// owed until the stop.
pub async fn run(deps: Deps, stop: Stop) -> anyhow::Result<()> {
    let relay = relay::run(deps.clone(), stop.clone());
    let workers = queue::work(deps.clone(), stop.clone());
    let views = views::run(deps.clone(), stop.clone());
    let webhooks = webhooks::run(deps.clone(), stop.clone());
    let later = later::run(deps.clone(), stop.clone());
    let minutes = analytics::run(deps.clone(), stop.clone());
    let attachments = attachments::run(deps.clone(), stop.clone());
    let files = files::run(deps.clone(), stop.clone());
    let payments = payments::run(deps.clone(), stop.clone());
    let storage = storage::run(deps, stop);
    tokio::try_join!(relay, workers, views, webhooks, later, minutes, attachments, files, payments, storage)?;
    Ok(())
}
