//! Accounts as the operator and the sign-up form make and change them: rules, hashes, keys, sessions.
//!
//! HTTP's side of it is in `auth`; the command line calls this directly.

use std::net::IpAddr;

use db::audit::{Entry, Record};
use domain::audit::{Action, Actor};
use domain::error::FieldError;
use domain::event::TwoFactorChange;
use domain::user::{DisplayName, Email, Role, Username};
use domain::{Classify, Kind, SessionId, UserId};
use kit::Config;
use kit::seal::Sealer;
use live::revocations::Revocations;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::passwords::{PasswordError, Passwords};
use crate::two_factor;

/// Random bytes in a stream key.
const STREAM_KEY_BYTES: usize = 24;
/// What stream keys are sealed for; their context is the owner's id.
pub(crate) const STREAM_KEY_PURPOSE: &str = "stream-key";

/// Why an account cannot be made, changed or used.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error("{}", .0.iter().map(|f| format!("{} {}", f.field, f.message)).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<FieldError>),
    #[error("this username is taken")]
    UsernameTaken([FieldError; 1]),
    /// Names no field: that an address has an account is nobody's business.
    #[error("this username or e-mail address cannot be used")]
    EmailTaken,
    #[error("there is no such account")]
    NotFound,
    #[error("two-factor sign-in is off for this account")]
    NoTwoFactor,
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Db(#[from] db::DbError),
}

impl Classify for AccountError {
    fn kind(&self) -> Kind {
        match self {
            Self::Invalid(_) => Kind::Invalid,
            Self::UsernameTaken(_) | Self::EmailTaken => Kind::Conflict,
            Self::NotFound => Kind::NotFound,
            Self::NoTwoFactor => Kind::Conflict,
            Self::Password(error) => error.kind(),
            Self::Db(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "request.invalid",
            Self::UsernameTaken(_) | Self::EmailTaken => "account.taken",
            Self::NotFound => "account.not-found",
            Self::NoTwoFactor => "two-factor.off",
            Self::Password(error) => error.code(),
            Self::Db(error) => error.code(),
        }
    }

    fn fields(&self) -> &[FieldError] {
        match self {
            Self::Invalid(fields) => fields,
            Self::UsernameTaken(fields) => fields,
            _ => &[],
        }
    }
}

/// A member to be, as typed.
#[derive(Debug, Clone)]
pub struct NewUser {
    pub username: String,
    pub email: String,
    pub password: kit::Secret,
    /// The username unless said.
    pub display_name: Option<String>,
    pub role: Role,
}

/// A member that was made.
#[derive(Debug, Clone)]
pub struct CreatedUser {
    pub id: UserId,
    pub username: Username,
    pub role: Role,
}

/// Makes a member with a channel and a stream key. The command line's way: no sign-in, no rate limit.
pub async fn create_user(pool: &db::Pool, config: &Config, new: NewUser) -> Result<CreatedUser, AccountError> {
    let keys = Sealer::new(&config.auth.secret, STREAM_KEY_PURPOSE);
    let checked = Checked::of(&Passwords::new(), new, true).await?;
    let mut tx = db::begin(pool).await?;
    let created = checked.insert(&mut tx, &keys).await?;
    let entry = Entry {
        details: json!({ "role": created.role.as_str() }),
        ..Entry::of_member(Actor::Operator, Action::AccountCreated, created.id)
    };
    db::audit::write(&mut tx, entry).await?;
    db::commit(tx).await?;
    Ok(created)
}

/// Sets a member's password and ends all their sign-ins.
pub async fn set_password(
    pool: &db::Pool,
    live: &live::Live,
    config: &Config,
    login: &str,
    password: kit::Secret,
) -> Result<(), AccountError> {
    let passwords = Passwords::new();
    let verdict = passwords.judge(password.expose().to_owned(), vec![login.to_owned()]).await?;
    verdict.map_err(|error| AccountError::Invalid(vec![error.0]))?;
    let hash = passwords.hash(password.expose().to_owned()).await?;
    change(pool, live, config, login, db::sessions::RevokeReason::Password, Change::Password(hash)).await
}

/// Sets a member's role and ends all their sign-ins: tokens carry the role.
pub async fn set_role(
    pool: &db::Pool,
    live: &live::Live,
    config: &Config,
    login: &str,
    role: Role,
) -> Result<(), AccountError> {
    change(pool, live, config, login, db::sessions::RevokeReason::Admin, Change::Role(role)).await
}

/// Suspends a member, or readmits them, as the operator. Either way all their sign-ins end, and the audit log tells of it.
pub async fn set_suspended(
    pool: &db::Pool,
    live: &live::Live,
    config: &Config,
    login: &str,
    is_suspended: bool,
) -> Result<(), AccountError> {
    change(pool, live, config, login, db::sessions::RevokeReason::Admin, Change::Suspended(is_suspended)).await
}

/// Turns a member's two-factor sign-in off, as the operator. The audit log tells of it, and where there is mail its member is told.
pub async fn reset_two_factor(pool: &db::Pool, config: &Config, login: &str) -> Result<(), AccountError> {
    let mut tx = db::begin(pool).await?;
    let user = db::users::credentials(&mut tx, &login.trim().to_lowercase()).await?.ok_or(AccountError::NotFound)?;
    if !db::two_factor::remove(&mut tx, user.id).await? {
        return Err(AccountError::NoTwoFactor);
    }
    let by = two_factor::By { actor: Actor::Operator, client: None, reason: "" };
    two_factor::note(&mut tx, user.id, TwoFactorChange::Reset, by, !config.mail.url.is_empty()).await?;
    db::commit(tx).await?;
    Ok(())
}

/// On whose word somebody is suspended or readmitted.
pub(crate) struct By {
    pub actor: Actor,
    pub reason: String,
    pub addr: Option<IpAddr>,
}

/// Suspends or readmits, and writes it down. Once this is committed, the sign-ins that ended are to be told of.
pub(crate) async fn suspend(
    conn: &mut db::Conn,
    user: UserId,
    is_suspended: bool,
    by: By,
) -> Result<(Record, Vec<SessionId>), db::DbError> {
    db::users::set_suspended(conn, user, is_suspended).await?;
    let action = if is_suspended { Action::UserSuspended } else { Action::UserUnsuspended };
    let entry = Entry { reason: &by.reason, addr: by.addr, ..Entry::of_member(by.actor, action, user) };
    let record = db::audit::write(conn, entry).await?;
    let ended = db::sessions::revoke_all(conn, user, db::sessions::RevokeReason::Admin).await?;
    Ok((record, ended))
}

enum Change {
    Password(String),
    Role(Role),
    Suspended(bool),
}

async fn change(
    pool: &db::Pool,
    live: &live::Live,
    config: &Config,
    login: &str,
    reason: db::sessions::RevokeReason,
    change: Change,
) -> Result<(), AccountError> {
    let mut tx = db::begin(pool).await?;
    let user = db::users::credentials(&mut tx, &login.trim().to_lowercase()).await?.ok_or(AccountError::NotFound)?;
    let ended = match &change {
        Change::Password(hash) => {
            db::users::set_password_hash(&mut tx, user.id, hash).await?;
            let entry = Entry::of_member(Actor::Operator, Action::PasswordChanged, user.id);
            db::audit::write(&mut tx, entry).await?;
            db::sessions::revoke_all(&mut tx, user.id, reason).await?
        }
        Change::Role(role) => {
            db::users::set_role(&mut tx, user.id, *role).await?;
            let details = json!({ "from": user.role.as_str(), "to": role.as_str() });
            let entry = Entry { details, ..Entry::of_member(Actor::Operator, Action::RoleChanged, user.id) };
            db::audit::write(&mut tx, entry).await?;
            db::sessions::revoke_all(&mut tx, user.id, reason).await?
        }
        Change::Suspended(is) => {
            let by = By { actor: Actor::Operator, reason: String::new(), addr: None };
            suspend(&mut tx, user.id, *is, by).await?.1
        }
    };
    db::commit(tx).await?;
    let revocations = Revocations::new(live.clone(), config.auth.access_ttl_s);
    for session in ended {
        if let Err(error) = revocations.revoke_session(session).await {
            tracing::warn!(%error, "tokens already handed out stay good until they expire");
            break;
        }
    }
    Ok(())
}

/// What a password must not be made of.
fn personal(username: &str, email: &str, display_name: &str) -> Vec<String> {
    let local = email.split('@').next().unwrap_or_default();
    let words = [username, local, display_name];
    words.iter().filter(|word| !word.is_empty()).map(|word| word.chars().take(64).collect()).collect()
}

/// Another password of a member, held to the rules of the first one, and hashed.
pub(crate) async fn next_hash(
    passwords: &Passwords,
    user: &db::users::User,
    password: String,
) -> Result<String, AccountError> {
    let words = personal(user.username.as_str(), &user.email, &user.display_name);
    let verdict = passwords.judge(password.clone(), words).await?;
    verdict.map_err(|error| AccountError::Invalid(vec![FieldError::new("new_password", error.0.message)]))?;
    Ok(passwords.hash(password).await?)
}

/// A member to be that passed every rule, with the password hashed.
pub(crate) struct Checked {
    username: Username,
    email: Email,
    display_name: DisplayName,
    password_hash: String,
    role: Role,
}

impl Checked {
    /// `may_be_reserved`: the operator may use names that strangers may not.
    pub(crate) async fn of(passwords: &Passwords, new: NewUser, may_be_reserved: bool) -> Result<Self, AccountError> {
        let mut broken = Vec::new();
        let mut keep = |error: domain::error::Invalid| broken.push(error.0);
        let parse = if may_be_reserved { Username::parse } else { Username::parse_new };
        let username = parse(new.username.trim()).map_err(&mut keep).ok();
        let email = Email::parse(&new.email).map_err(&mut keep).ok();
        let display_name = match new.display_name.as_deref().map(str::trim).filter(|name| !name.is_empty()) {
            Some(name) => DisplayName::parse(name).map_err(&mut keep).ok(),
            None => username.as_ref().and_then(|name| DisplayName::parse(name.as_str()).ok()),
        };
        let words = personal(&new.username, &new.email, new.display_name.as_deref().unwrap_or_default());
        let verdict = passwords.judge(new.password.expose().to_owned(), words).await?;
        verdict.map_err(&mut keep).ok();
        let (Some(username), Some(email), Some(display_name), true) =
            (username, email, display_name, broken.is_empty())
        else {
            return Err(AccountError::Invalid(broken));
        };
        let password_hash = passwords.hash(new.password.expose().to_owned()).await?;
        Ok(Self { username, email, display_name, password_hash, role: new.role })
    }

    pub(crate) async fn insert(&self, conn: &mut db::Conn, keys: &Sealer) -> Result<CreatedUser, AccountError> {
        let id = UserId::from_uuid(kit::ids::uuid());
        let user = db::users::NewUser {
            id,
            username: &self.username,
            email: &self.email,
            display_name: &self.display_name,
            password_hash: &self.password_hash,
            role: self.role,
        };
        db::users::insert(conn, &user).await.map_err(|error| match error.constraint() {
            Some(db::users::USERNAME_TAKEN) => AccountError::UsernameTaken([FieldError::new("username", "is taken")]),
            Some(db::users::EMAIL_TAKEN) => AccountError::EmailTaken,
            _ => AccountError::Db(error),
        })?;
        let key = StreamKey::random();
        db::channels::insert(conn, id, &key.hash(), &key.seal(keys, id)).await?;
        Ok(CreatedUser { id, username: self.username.clone(), role: self.role })
    }
}

/// A channel's stream key in the clear. Stored as a digest, which finds the channel, and sealed, for its owner to see.
pub(crate) struct StreamKey(kit::Secret);

impl StreamKey {
    pub(crate) fn random() -> Self {
        Self(kit::Secret::new(kit::ids::random_token::<STREAM_KEY_BYTES>()))
    }

    pub(crate) fn open(sealed: &[u8], keys: &Sealer, owner: UserId) -> Option<Self> {
        let bytes = keys.open(sealed, owner.as_uuid().as_bytes())?;
        String::from_utf8(bytes).ok().map(|text| Self(kit::Secret::new(text)))
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.expose().as_bytes()).into()
    }

    pub(crate) fn seal(&self, keys: &Sealer, owner: UserId) -> Vec<u8> {
        keys.seal(self.0.expose().as_bytes(), owner.as_uuid().as_bytes())
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }
}
