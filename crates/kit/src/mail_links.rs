//! Links in mails that act without a sign-in. Each is good for one purpose and one member, and signed with that purpose's key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::UserId;
use domain::notification::NotificationType;
use hmac::{Hmac, Mac};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::seal::derive_key;
use crate::secret::Secret;

/// Seconds in which an address can be confirmed.
const CONFIRM_TTL_S: u64 = 24 * 3_600;
/// Longer input is refused before it is parsed. Addresses have 254 characters at most.
const TOKEN_BYTES_MAX: usize = 1_024;

/// Ends mail. It does not expire: a mail may be found in a mailbox years later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsubscribe {
    #[serde(rename = "u")]
    pub user: UserId,
    /// Of this kind only; of every kind without.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<NotificationType>,
}

/// Says that whoever reads mail to this address wants it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirm {
    #[serde(rename = "u")]
    pub user: UserId,
    #[serde(rename = "a")]
    pub address: String,
    #[serde(rename = "e")]
    expires: u64,
}

/// Lets whoever reads mail to a member's address choose a new password. Good for the password and the address there were when it was
/// made: whatever changes one of them ends it, its own use first of all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    #[serde(rename = "u")]
    pub user: UserId,
    #[serde(rename = "m")]
    mark: String,
    #[serde(rename = "e")]
    expires: u64,
}

/// Signs and reads the tokens of links.
#[derive(Clone)]
pub struct MailLinks {
    unsubscribe: [u8; 32],
    confirm: [u8; 32],
    reset: [u8; 32],
    reset_mark: [u8; 32],
}

impl MailLinks {
    pub fn new(site_secret: &Secret) -> Self {
        Self {
            unsubscribe: derive_key(site_secret, "mail-unsubscribe"),
            confirm: derive_key(site_secret, "mail-confirm"),
            reset: derive_key(site_secret, "mail-reset"),
            reset_mark: derive_key(site_secret, "mail-reset-mark"),
        }
    }

    pub fn unsubscribe(&self, user: UserId, kind: Option<NotificationType>) -> String {
        write(&self.unsubscribe, &Unsubscribe { user, kind })
    }

    /// `None` when it is not one of ours.
    pub fn read_unsubscribe(&self, token: &str) -> Option<Unsubscribe> {
        read(&self.unsubscribe, token)
    }

    pub fn confirm(&self, user: UserId, address: &str) -> String {
        let expires = crate::clock::unix_seconds() + CONFIRM_TTL_S;
        write(&self.confirm, &Confirm { user, address: address.to_owned(), expires })
    }

    /// `None` when it is not one of ours, or too old.
    pub fn read_confirm(&self, token: &str) -> Option<Confirm> {
        read::<Confirm>(&self.confirm, token).filter(|said| said.expires > crate::clock::unix_seconds())
    }

    /// `password_hash`: the one that is stored now. `expires`: seconds since 1970.
    pub fn reset(&self, user: UserId, address: &str, password_hash: &str, expires: u64) -> String {
        write(&self.reset, &Reset { user, mark: self.mark(address, password_hash), expires })
    }

    /// `None` when it is not one of ours, or too old. Whether it is still good, [`MailLinks::fits`] tells.
    pub fn read_reset(&self, token: &str) -> Option<Reset> {
        read::<Reset>(&self.reset, token).filter(|said| said.expires > crate::clock::unix_seconds())
    }

    /// Whether neither the address nor the password has changed since.
    pub fn fits(&self, said: &Reset, address: &str, password_hash: &str) -> bool {
        said.mark == self.mark(address, password_hash)
    }

    /// What a link tells of a stored password: nothing to whoever lacks the site's secret.
    fn mark(&self, address: &str, password_hash: &str) -> String {
        let mac = mac(&self.reset_mark, &format!("{address}\n{password_hash}")).finalize().into_bytes();
        URL_SAFE_NO_PAD.encode(&mac[..16])
    }
}

fn write(key: &[u8], said: &impl Serialize) -> String {
    let text = URL_SAFE_NO_PAD.encode(serde_json::to_vec(said).expect("plain JSON"));
    let signature = URL_SAFE_NO_PAD.encode(mac(key, &text).finalize().into_bytes());
    format!("{text}.{signature}")
}

fn read<T: DeserializeOwned>(key: &[u8], token: &str) -> Option<T> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let (text, signature) = token.split_once('.')?;
    mac(key, text).verify_slice(&URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

fn mac(key: &[u8], text: &str) -> Hmac<Sha256> {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_good_for_its_purpose_its_member_and_its_site_only() {
        let links = MailLinks::new(&Secret::new("one"));
        let user = UserId::from_uuid(crate::ids::uuid());
        let token = links.unsubscribe(user, Some(NotificationType::VodReady));
        let said = Unsubscribe { user, kind: Some(NotificationType::VodReady) };
        assert_eq!(links.read_unsubscribe(&token), Some(said));
        assert_eq!(links.read_unsubscribe(&links.unsubscribe(user, None)), Some(Unsubscribe { user, kind: None }));
        assert_eq!(links.read_confirm(&token), None);
        assert_eq!(MailLinks::new(&Secret::new("two")).read_unsubscribe(&token), None);

        let confirm = links.confirm(user, "a@b.example");
        assert_eq!(links.read_confirm(&confirm).map(|said| said.address).as_deref(), Some("a@b.example"));
        assert_eq!(links.read_unsubscribe(&confirm), None);

        let (text, signature) = token.split_once('.').unwrap();
        let other = links.unsubscribe(UserId::from_uuid(crate::ids::uuid()), None);
        let forged = format!("{}.{signature}", other.split_once('.').unwrap().0);
        let cut = &token[..token.len() - 1];
        for bad in ["", ".", text, cut, &forged, &format!("{text}."), &"x".repeat(TOKEN_BYTES_MAX + 1)] {
            assert_eq!(links.read_unsubscribe(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_new_password_is_chosen_in_time_and_once() {
        let links = MailLinks::new(&Secret::new("one"));
        let user = UserId::from_uuid(crate::ids::uuid());
        let soon = crate::clock::unix_seconds() + 60;
        let token = links.reset(user, "a@b.example", "$argon2id$old", soon);
        let said = links.read_reset(&token).unwrap();
        assert_eq!(said.user, user);
        assert!(links.fits(&said, "a@b.example", "$argon2id$old"));
        assert!(!links.fits(&said, "a@b.example", "$argon2id$new"));
        assert!(!links.fits(&said, "c@d.example", "$argon2id$old"));
        assert_eq!(links.read_reset(&links.reset(user, "a@b.example", "$argon2id$old", soon - 60)), None);
        assert_eq!(links.read_reset(&links.confirm(user, "a@b.example")), None);
        assert_eq!(MailLinks::new(&Secret::new("two")).read_reset(&token), None);
        assert!(!token.contains("argon2id"));
    }

    #[test]
    fn an_address_is_confirmed_within_a_day() {
        let links = MailLinks::new(&Secret::new("one"));
        let user = UserId::from_uuid(crate::ids::uuid());
        let late = Confirm { user, address: "a@b.example".to_owned(), expires: crate::clock::unix_seconds() };
        assert_eq!(links.read_confirm(&write(&links.confirm, &late)), None);
    }
}
