//! `rillcast up`: all roles in one process, and the services nobody configured.

use std::collections::HashSet;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use kit::{Config, Secret, Tasks};
use tracing::info;

use crate::cli::Role;
use crate::{compose, doctor, embedded, node};

/// How long embedded services may take to end; the roles are gone by then.
const SERVICES_GRACE: Duration = Duration::from_secs(4);
const FIRST_ADMIN: &str = "admin";

pub async fn run(mut config: Config) -> anyhow::Result<ExitCode> {
    kit::telemetry::init(&config.log);
    config.data_dir = node::prepare_data_dir(&config.data_dir)?;
    let data_dir = config.data_dir.clone();
    let _lock = node::lock(&data_dir)?;
    doctor::require_media(&config)?;
    if config.auth.secret.is_empty() {
        config.auth.secret = node::site_secret(&data_dir)?;
    }
    // Ports first: a taken one is told before anything is started.
    let listeners = compose::Listeners::bind(&config, &all_roles()).await?;

    let mut services = Tasks::new(SERVICES_GRACE);
    let (failed, failure) = tokio::sync::watch::channel(None::<String>);
    let watch = |name: &'static str, failed: tokio::sync::watch::Sender<Option<String>>| {
        move |result: anyhow::Result<()>| {
            if let Err(error) = &result {
                failed.send_replace(Some(format!("{name}: {error:#}")));
            }
            result
        }
    };
    if config.storage.endpoint.is_empty() {
        let s3 = embedded::s3::start(&data_dir, &mut config.storage).await?;
        let (stop, report) = (services.stop(), watch("object store", failed.clone()));
        services.spawn("object-store", async move { report(s3.run(stop).await) });
    }
    if config.redis.url.is_empty() {
        let (service, child) = embedded::redis::start(&data_dir, &mut config.redis).await?;
        let (stop, report) = (services.stop(), watch("redis", failed.clone()));
        services.spawn("redis", async move { report(service.supervise(child, stop).await) });
    }
    if config.database.url.is_empty() {
        let (service, child) = embedded::postgres::start(&data_dir, &mut config.database).await?;
        let (stop, report) = (services.stop(), watch("postgres", failed.clone()));
        services.spawn("postgres", async move { report(service.supervise(child, stop).await) });
    }

    let mut roles = compose::assemble(config, &all_roles(), listeners).await?;
    let admin = first_admin(&roles).await?;
    let mut failure = failure;
    roles.tasks.spawn("embedded-services", {
        let stop = roles.tasks.stop();
        async move {
            tokio::select! {
                () = stop.cancelled() => Ok(()),
                changed = failure.wait_for(Option::is_some) => {
                    let reason = changed.ok().and_then(|reason| reason.clone()).unwrap_or_default();
                    Err(anyhow::anyhow!("an embedded service is lost: {reason}"))
                }
            }
        }
    });
    announce(&roles, admin)?;
    let code = roles.tasks.run().await;
    // Last out: whatever the roles still wrote while stopping has been taken.
    services.drain().await;
    drop(roles.lanes);
    info!("stopped");
    Ok(code)
}

pub fn all_roles() -> HashSet<Role> {
    HashSet::from([Role::Api, Role::Ingest, Role::Transcoder, Role::Chat, Role::Jobs])
}

/// Creates the first admin on a site that has none, and returns the password to be shown once.
async fn first_admin(roles: &compose::Assembled) -> anyhow::Result<Option<Secret>> {
    let mut conn = roles.pool.acquire().await.context("the database does not answer")?;
    if db::admin::has_admin(&mut conn).await? {
        return Ok(None);
    }
    drop(conn);
    let password = kit::ids::random_token::<9>();
    let new = api::accounts::NewUser {
        username: FIRST_ADMIN.to_owned(),
        email: "admin@localhost.localdomain".to_owned(),
        password: Secret::new(password.clone()),
        display_name: None,
        role: domain::user::Role::Admin,
    };
    api::accounts::create_user(&roles.pool, &roles.config, new).await.context("cannot create the first admin")?;
    Ok(Some(Secret::new(password)))
}

fn announce(roles: &compose::Assembled, admin: Option<Secret>) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "rillcast ready http={} rtmp={}", roles.http_url, roles.rtmp_url)?;
    writeln!(out)?;
    writeln!(out, "  Watch and manage   {}", roles.site_url)?;
    writeln!(
        out,
        "  Stream to (OBS)    {}   (your stream key is in the studio: {}/studio)",
        roles.rtmp_url, roles.site_url
    )?;
    if let Some(password) = admin {
        writeln!(
            out,
            "  First admin        {FIRST_ADMIN} / {}   (shown once; change it after signing in)",
            password.expose()
        )?;
    }
    out.flush()?;
    Ok(())
}
