//! Codes of the second step: those an app makes of a secret and the time (RFC 6238: SHA-1, six digits, half a minute), and those one
//! writes down for when the app is lost.

use std::collections::BTreeSet;

use db::two_factor::CodeHash;
use domain::UserId;
use hmac::{Hmac, Mac};
use kit::Secret;
use kit::seal::{Sealer, derive_key};
use sha2::Sha256;
use totp_rs::{Builder, Totp};

/// What secrets are sealed for; their context is the member's id.
const SEAL_PURPOSE: &str = "two-factor";
const RECOVERY_PURPOSE: &str = "recovery-code";
/// As RFC 4226 recommends.
const SECRET_BYTES: usize = 20;
const DIGITS: usize = 6;
/// Seconds a code is of. The one before and the one after are taken too: clocks differ, and people type slowly.
#[cfg(test)]
const STEP_S: u64 = 30;
pub(super) const RECOVERY_CODES: usize = 10;
/// Sixty random bits: nobody guesses one in the attempts there are.
const RECOVERY_CHARS: usize = 12;
const RECOVERY_GROUP: usize = 4;
/// Letters and digits that are not taken for one another. Five bits each.
const ALPHABET: &[u8; 32] = b"23456789abcdefghijkmnpqrstuvwxyz";
/// Longer input is no code.
const TYPED_BYTES_MAX: usize = 64;

/// What somebody typed into the field for codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Typed {
    /// Six digits.
    App(String),
    /// A recovery code, without its dashes.
    Recovery(String),
}

impl Typed {
    /// `None` when it can be neither. Spaces, dashes and capitals do not matter.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > TYPED_BYTES_MAX {
            return None;
        }
        let is_kept = |c: &char| !c.is_whitespace() && !matches!(c, '-' | '\u{2010}'..='\u{2015}');
        let code: String = text.chars().filter(is_kept).flat_map(char::to_lowercase).collect();
        if code.len() == DIGITS && code.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Self::App(code));
        }
        let is_recovery = code.len() == RECOVERY_CHARS && code.bytes().all(|byte| ALPHABET.contains(&byte));
        is_recovery.then_some(Self::Recovery(code))
    }
}

/// An app's secret in the clear.
pub(super) struct AppSecret([u8; SECRET_BYTES]);

impl AppSecret {
    fn totp(&self) -> Totp {
        Builder::new().with_secret(self.0).build_noncompliant()
    }

    /// The time step of a code at this second, if it is one.
    pub(super) fn step_of(&self, code: &str, unix_s: u64) -> Option<i64> {
        self.totp().check(code, unix_s).and_then(|step| i64::try_from(step).ok())
    }

    /// For whoever cannot scan: in base32.
    pub(super) fn text(&self) -> String {
        self.totp().secret().to_base32()
    }

    /// What the app reads out of the picture. `site`: its host.
    pub(super) fn address(&self, site: &str, username: &str) -> Option<String> {
        // A colon ends the issuer.
        let issuer = if site.is_empty() || site.contains(':') { "Rillcast" } else { site };
        let totp = Builder::new().with_secret(self.0).with_issuer(Some(issuer)).with_account_name(username);
        totp.build_noncompliant().to_url().ok()
    }
}

/// Makes and judges codes with the site's secret.
#[derive(Clone)]
pub(crate) struct Codes {
    secrets: Sealer,
    recovery: [u8; 32],
}

impl Codes {
    pub(crate) fn new(site_secret: &Secret) -> Self {
        Self { secrets: Sealer::new(site_secret, SEAL_PURPOSE), recovery: derive_key(site_secret, RECOVERY_PURPOSE) }
    }

    /// A fresh secret, and as it is stored.
    pub(super) fn fresh(&self, user: UserId) -> (AppSecret, Vec<u8>) {
        let secret = AppSecret(kit::ids::random_bytes());
        let sealed = self.secrets.seal(&secret.0, user.as_uuid().as_bytes());
        (secret, sealed)
    }

    /// `None` when it was sealed under another secret of the site.
    pub(super) fn open(&self, sealed: &[u8], user: UserId) -> Option<AppSecret> {
        let bytes = self.secrets.open(sealed, user.as_uuid().as_bytes())?;
        Some(AppSecret(bytes.try_into().ok()?))
    }

    /// Ten codes as they are shown, this once, and what is kept of them.
    pub(super) fn recovery(&self, user: UserId) -> (Vec<String>, Vec<CodeHash>) {
        let mut codes = BTreeSet::new();
        while codes.len() < RECOVERY_CODES {
            let random: [u8; RECOVERY_CHARS] = kit::ids::random_bytes();
            codes.insert(random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect::<String>());
        }
        let hashes = codes.iter().map(|code| self.hash(user, code)).collect();
        (codes.iter().map(|code| grouped(code)).collect(), hashes)
    }

    /// Keyed, so that a stolen database is not enough to try codes, and apart for each member.
    pub(super) fn hash(&self, user: UserId, code: &str) -> CodeHash {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&self.recovery).expect("HMAC takes keys of any length");
        mac.update(user.as_uuid().as_bytes());
        mac.update(code.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

fn grouped(code: &str) -> String {
    let groups: Vec<&str> = (0..RECOVERY_CHARS / RECOVERY_GROUP)
        .map(|group| &code[group * RECOVERY_GROUP..(group + 1) * RECOVERY_GROUP])
        .collect();
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> UserId {
        UserId::from_uuid(kit::ids::uuid())
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B, cut to six digits.
        let secret = AppSecret(*b"12345678901234567890");
        for (at, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
        {
            assert_eq!(secret.step_of(code, at), Some(i64::try_from(at / STEP_S).unwrap()));
        }
        assert_eq!(secret.text(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }

    #[test]
    fn a_code_is_good_for_one_step_before_and_after() {
        let secret = AppSecret([7; SECRET_BYTES]);
        let at = 1_700_000_010;
        let code = secret.totp().generate(at).to_string();
        let step = i64::try_from(at / STEP_S).unwrap();
        for near in [at - STEP_S, at, at + STEP_S] {
            assert_eq!(secret.step_of(&code, near), Some(step));
        }
        for far in [at - 2 * STEP_S, at + 2 * STEP_S] {
            assert_eq!(secret.step_of(&code, far), None);
        }
    }

    #[test]
    fn what_people_type_is_understood() {
        let app = Typed::App("012345".to_owned());
        for text in ["012345", " 012 345 ", "012-345"] {
            assert_eq!(Typed::parse(text), Some(app.clone()), "{text}");
        }
        let recovery = Typed::Recovery("ab2dkm9pxyz3".to_owned());
        for text in ["ab2d-km9p-xyz3", "AB2D KM9P XYZ3", "ab2dkm9pxyz3", "ab2d–km9p–xyz3"] {
            assert_eq!(Typed::parse(text), Some(recovery.clone()), "{text}");
        }
        for bad in ["", "12345", "1234567", "٠١٢٣٤٥", "ab2d-km9p-xyz", "lo2d-km9p-xyz3", &"1 ".repeat(40)] {
            assert_eq!(Typed::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn recovery_codes_are_many_and_each_members_own() {
        let codes = Codes::new(&Secret::new("one"));
        let (alice, bob) = (user(), user());
        let (shown, hashes) = codes.recovery(alice);
        assert_eq!((shown.len(), hashes.len()), (RECOVERY_CODES, RECOVERY_CODES));
        for (code, hash) in shown.iter().zip(&hashes) {
            let Some(Typed::Recovery(plain)) = Typed::parse(code) else { panic!("{code}") };
            assert_eq!(codes.hash(alice, &plain), *hash);
            assert_ne!(codes.hash(bob, &plain), *hash);
            assert_ne!(Codes::new(&Secret::new("two")).hash(alice, &plain), *hash);
        }
        assert_ne!(codes.recovery(alice).0, shown);
    }

    #[test]
    fn a_secret_opens_for_its_member_only_and_is_told_to_an_app() {
        let codes = Codes::new(&Secret::new("one"));
        let (alice, bob) = (user(), user());
        let (secret, sealed) = codes.fresh(alice);
        assert_eq!(codes.open(&sealed, alice).unwrap().0, secret.0);
        assert!(codes.open(&sealed, bob).is_none());
        assert!(Codes::new(&Secret::new("two")).open(&sealed, alice).is_none());
        assert!(!sealed.windows(8).any(|part| part == &secret.0[..8]));
        let address = secret.address("tv.example", "alice").unwrap();
        assert_eq!(address, format!("otpauth://totp/tv.example:alice?secret={}&issuer=tv.example", secret.text()));
        assert!(secret.address("[::1]", "alice").unwrap().starts_with("otpauth://totp/Rillcast:alice?"));
        let picture = crate::qr::picture(&address).unwrap();
        assert!(picture.contains("<svg") && picture.contains("#fff") && !picture.contains("otpauth"));
    }
}
