//! The operator's one-shot commands.

use std::process::ExitCode;

use anyhow::{Context, bail};
use domain::user::Role;
use kit::{Config, Secret};

use crate::cli::{ConfigCommand, HlsCheckArgs, JobCommand, SearchCommand, UserCommand};
use crate::{embedded, node};

pub async fn migrate(config: Config) -> anyhow::Result<ExitCode> {
    let pool = pool(config).await?.0;
    db::pool::migrate(&pool).await?;
    jobs::migrate(&pool).await?;
    println!("the schema is up to date");
    Ok(ExitCode::SUCCESS)
}

pub fn config(command: ConfigCommand, config: &Config) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Check => println!("the configuration is valid"),
        ConfigCommand::Dump => print!("{}", toml::to_string_pretty(config)?),
        ConfigCommand::Template => print!("{}", kit::config::template()),
    }
    Ok(ExitCode::SUCCESS)
}

pub async fn user(command: UserCommand, config: Config) -> anyhow::Result<ExitCode> {
    let (pool, config) = pool(config).await?;
    match command {
        UserCommand::Create { username, email, password, role } => {
            let role = Role::parse(&role).context("unknown role")?;
            let new =
                api::accounts::NewUser { username, email, password: Secret::new(password), display_name: None, role };
            let user = api::accounts::create_user(&pool, &config, new).await?;
            println!("created {} {}", user.username, user.id);
        }
        UserCommand::Promote { username, role } => {
            let role = Role::parse(&role).context("unknown role")?;
            let live = live::Live::new(&config.redis)?;
            api::accounts::set_role(&pool, &live, &config, &username, role).await?;
            println!("{username} is {} now; their sign-ins are ended", role.as_str());
        }
        UserCommand::SetPassword { username, password } => {
            let live = live::Live::new(&config.redis)?;
            api::accounts::set_password(&pool, &live, &config, &username, Secret::new(password)).await?;
            println!("the password of {username} is changed, and all sign-ins are ended");
        }
        UserCommand::ResetTwoFactor { username } => {
            api::accounts::reset_two_factor(&pool, &config, &username).await?;
            println!("{username} signs in with the password alone now");
        }
        UserCommand::Suspend { username } => {
            let live = live::Live::new(&config.redis)?;
            api::accounts::set_suspended(&pool, &live, &config, &username, true).await?;
            println!("{username} is suspended");
        }
        UserCommand::Readmit { username } => {
            let live = live::Live::new(&config.redis)?;
            api::accounts::set_suspended(&pool, &live, &config, &username, false).await?;
            println!("{username} may sign in again");
        }
        UserCommand::List { limit } => {
            let mut conn = pool.acquire().await?;
            for member in db::admin::list(&mut conn, limit.clamp(1, 10_000)).await? {
                println!(
                    "{}\t{}\t{}\t{}\t{}",
                    member.user_id,
                    member.username,
                    member.email,
                    member.role.as_str(),
                    member.created_at.to_rfc3339(),
                );
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub async fn job(command: JobCommand, config: Config) -> anyhow::Result<ExitCode> {
    let pool = pool(config).await?.0;
    match command {
        JobCommand::List { all, limit } => {
            for row in jobs::list(&pool, all, limit.clamp(1, 10_000)).await? {
                println!("{}", serde_json::to_string(&row)?);
            }
        }
        JobCommand::Retry { id } => {
            if !jobs::retry(&pool, &id).await? {
                bail!("there is no failed job {id}");
            }
            println!("job {id} will be tried again");
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub async fn search(command: SearchCommand, config: Config) -> anyhow::Result<ExitCode> {
    let pool = pool(config).await?.0;
    match command {
        SearchCommand::Rebuild => {
            for (kind, seen) in jobs::search::rebuild(&pool).await? {
                println!("{}: {seen}", kind.as_str());
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Exit code 1: a binding rule is broken. 2: there was nothing to check.
pub async fn hls_check(args: HlsCheckArgs) -> anyhow::Result<ExitCode> {
    let options = hlscheck::Options { url: args.url, seconds: args.seconds, segments_max: args.segments };
    let report = match hlscheck::check(&options).await {
        Ok(report) => report,
        Err(error) => {
            eprintln!("rillcast: {error}");
            return Ok(ExitCode::from(2));
        }
    };
    match args.json {
        true => println!("{}", report.to_json()?),
        false => print!("{}", report.to_text()),
    }
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The configured database, or that of a running `up` on this data folder.
pub(crate) async fn pool(mut config: Config) -> anyhow::Result<(db::Pool, Config)> {
    if config.database.url.is_empty() {
        config.database.url = embedded::postgres::running_url(&config.data_dir)
            .context("database.url is not set and no `rillcast up` runs on this data folder")?;
    }
    if config.redis.url.is_empty() {
        // Without it, ended sign-ins are noticed when their tokens are next checked against the database.
        let socket =
            embedded::redis::socket(&config.data_dir).context("the running site's Redis is not to be found")?;
        config.redis.url = Secret::new(format!("redis+unix://{}", socket.display()));
    }
    if config.auth.secret.is_empty() {
        config.auth.secret = node::site_secret(&config.data_dir)?;
    }
    Ok((db::pool::connect(&config.database)?, config))
}
