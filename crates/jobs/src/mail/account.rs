//! Mail about an account itself: to its address, whether its member asked for mail or not.

use std::time::Duration;

use domain::event::TwoFactorChange;
use domain::user::Email;
use domain::{Timestamp, UserId};

use super::letter::Letter;
use super::post::Handed;
use super::{Office, count};
use crate::Deps;

/// How long after they asked somebody may choose a new password.
const RESET_WITHIN: Duration = Duration::from_secs(3_600);

/// Sends whoever has this address the link by which they choose a new password. Nobody may have it, or it may be too late: then there is
/// nothing to do.
pub(crate) async fn send_reset(deps: &Deps, id: &str, email: &Email, at: Timestamp) -> anyhow::Result<()> {
    let Some(office) = Office::open(&deps.config)? else { return Ok(()) };
    let until = at + RESET_WITHIN;
    if until <= kit::clock::now() {
        return Ok(());
    }
    let (user, hash, member) = {
        let mut conn = deps.pool.acquire().await?;
        let Some(known) = db::users::credentials(&mut conn, email.as_str()).await? else { return Ok(()) };
        // Those whom the staff has shown the door have none.
        let Some(member) = db::mail::holder(&mut conn, known.id).await? else { return Ok(()) };
        (known.id, known.password_hash, member)
    };
    let expires = u64::try_from(until.timestamp()).unwrap_or(0);
    hand(&office, office.desk.reset(id, user, &member, &hash, expires)?, "reset").await
}

/// Tells a member that their password has changed.
pub(crate) async fn tell_password_changed(deps: &Deps, id: &str, user: UserId) -> anyhow::Result<()> {
    let Some(office) = Office::open(&deps.config)? else { return Ok(()) };
    let member = db::mail::holder(&mut *deps.pool.acquire().await?, user).await?;
    let Some(member) = member else { return Ok(()) };
    hand(&office, office.desk.password_changed(id, &member)?, "password").await
}

/// Tells a member what became of their two-factor sign-in.
pub(crate) async fn tell_two_factor_changed(
    deps: &Deps,
    id: &str,
    user: UserId,
    change: TwoFactorChange,
) -> anyhow::Result<()> {
    let Some(office) = Office::open(&deps.config)? else { return Ok(()) };
    let member = db::mail::holder(&mut *deps.pool.acquire().await?, user).await?;
    let Some(member) = member else { return Ok(()) };
    hand(&office, office.desk.two_factor_changed(id, &member, change)?, "two_factor").await
}

async fn hand(office: &Office, letter: Letter, outcome: &'static str) -> anyhow::Result<()> {
    match office.post.hand(letter).await {
        Handed::Taken => count(outcome),
        Handed::NoMailbox => count("gone"),
        Handed::Refused(why) | Handed::Away(why) => anyhow::bail!("the mail was not taken: {why}"),
    }
    Ok(())
}
