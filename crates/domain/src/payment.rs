//! Plans and what is paid for them: which plans there are, where a payment stands and what may become of it, when what was bought ends.
//!
//! Money is counted in the currency's smallest unit. Nobody but the site says what a plan costs.

pub mod transfer;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::audit::Action;
use crate::error::{Classify, Invalid, Kind};

/// Largest picture that proves a payment, in MiB.
pub const PROOF_MIB_MAX: u32 = 5;
/// Letters and digits of a reference that are not taken for one another. Five bits each.
const REFERENCE_ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
const REFERENCE_CHARS: usize = 8;
/// What a bank's statement is searched for.
const REFERENCE_PREFIX: &str = "RC";
const WORD_CHARS_MAX: usize = 100;

/// What a member may use. The names are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Plan {
    Free,
    Plus,
    Pro,
}

impl Plan {
    pub const ALL: [Self; 3] = [Self::Free, Self::Plus, Self::Pro];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "FREE",
            Self::Plus => "PLUS",
            Self::Pro => "PRO",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|plan| plan.as_str() == text)
    }

    /// One that can be bought, in whatever case it is written.
    pub fn to_buy(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|plan| plan.as_str().eq_ignore_ascii_case(text));
        found.filter(|plan| *plan != Self::Free).ok_or_else(|| Invalid::new("plan", "must be PLUS or PRO"))
    }
}

/// How a plan is paid for. The names are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// To the operator's account, by the QR code of it where there is one.
    BankTransfer,
    /// By the picture of a code that the operator has put up.
    QrPicture,
}

impl Method {
    pub const ALL: [Self; 2] = [Self::BankTransfer, Self::QrPicture];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BankTransfer => "bank_transfer",
            Self::QrPicture => "qr_picture",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }
}

/// Where a payment stands. The names are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// It is to be paid.
    Pending,
    /// Its payer has sent a proof.
    Submitted,
    /// Another proof is asked for.
    AskedAgain,
    Approved,
    Rejected,
    /// Nothing was heard of it in time.
    Expired,
    /// Its payer does not want it any more.
    Cancelled,
}

/// What is done to a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentAct {
    Submit,
    AskAgain,
    Approve,
    Reject,
    Expire,
    Cancel,
}

impl PaymentAct {
    pub const ALL: [Self; 6] = [Self::Submit, Self::AskAgain, Self::Approve, Self::Reject, Self::Expire, Self::Cancel];

    /// What a payment is afterwards.
    pub const fn to(self) -> PaymentStatus {
        match self {
            Self::Submit => PaymentStatus::Submitted,
            Self::AskAgain => PaymentStatus::AskedAgain,
            Self::Approve => PaymentStatus::Approved,
            Self::Reject => PaymentStatus::Rejected,
            Self::Expire => PaymentStatus::Expired,
            Self::Cancel => PaymentStatus::Cancelled,
        }
    }

    /// As the log has it.
    pub const fn action(self) -> Action {
        match self {
            Self::Submit => Action::PaymentSubmitted,
            Self::AskAgain => Action::PaymentAskedAgain,
            Self::Approve => Action::PaymentApproved,
            Self::Reject => Action::PaymentRejected,
            Self::Expire => Action::PaymentExpired,
            Self::Cancel => Action::PaymentCancelled,
        }
    }

    /// The states it may start from, as they are stored.
    pub fn from(self) -> Vec<String> {
        let fits = PaymentStatus::ALL.into_iter().filter(|status| status.after(self).is_some());
        fits.map(|status| status.as_str().to_owned()).collect()
    }
}

impl PaymentStatus {
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Submitted,
        Self::AskedAgain,
        Self::Approved,
        Self::Rejected,
        Self::Expired,
        Self::Cancelled,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Submitted => "submitted",
            Self::AskedAgain => "asked_again",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Something may still become of it.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Submitted | Self::AskedAgain)
    }

    /// Where it stands after an act; `None`: that cannot be done to it. What is decided stays decided, and what waits for somebody to
    /// decide does not run out.
    pub const fn after(self, act: PaymentAct) -> Option<Self> {
        let may = match act {
            PaymentAct::Submit | PaymentAct::Approve | PaymentAct::Reject | PaymentAct::Cancel => self.is_open(),
            // There is something that is not good enough, or nothing at all.
            PaymentAct::AskAgain => matches!(self, Self::Pending | Self::Submitted),
            PaymentAct::Expire => matches!(self, Self::Pending | Self::AskedAgain),
        };
        if may { Some(act.to()) } else { None }
    }
}

/// A reference of thirty-two letters' and digits' worth of so many random bytes: short enough to be typed into a bank's form, and nothing a
/// bank would change in it.
pub fn reference(random: [u8; REFERENCE_CHARS]) -> String {
    let letters = random.iter().map(|byte| char::from(REFERENCE_ALPHABET[usize::from(byte & 31)]));
    REFERENCE_PREFIX.chars().chain(letters).collect()
}

/// What a payer says of their payment: one line of bounded length, or nothing.
pub fn word(field: &'static str, text: &str) -> Result<String, Invalid> {
    let line = crate::chat::normalise_line(&text.chars().take(WORD_CHARS_MAX * 8).collect::<String>());
    let is_short = line.chars().count() <= WORD_CHARS_MAX;
    if is_short { Ok(line) } else { Err(Invalid::new(field, "must have at most 100 characters")) }
}

/// What is bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bought {
    pub plan: Plan,
    pub days: u32,
    pub amount_minor: i64,
}

/// What runs already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    pub plan: Plan,
    pub since: Timestamp,
    pub ends_at: Timestamp,
    /// What it cost for so many days, as it was bought.
    pub days: u32,
    pub amount_minor: i64,
    /// In the same currency as what is bought now.
    pub is_same_currency: bool,
}

/// What runs afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    pub plan: Plan,
    pub since: Timestamp,
    pub ends_at: Timestamp,
}

impl Bought {
    /// When it begins and ends. The plan that runs goes on from its end. Another one begins at once, and what is left of the first is worth as
    /// much time of the second as it would have cost: nothing that was paid for is lost.
    pub fn after(self, running: Option<Running>, now: Timestamp) -> Term {
        let days = Duration::from_secs(u64::from(self.days) * 86_400);
        let running = running.filter(|running| running.ends_at > now);
        match running {
            Some(old) if old.plan == self.plan => {
                Term { plan: self.plan, since: old.since, ends_at: later(old.ends_at, days) }
            }
            Some(old) => {
                let left_s = (old.ends_at - now).num_seconds().max(0);
                Term { plan: self.plan, since: now, ends_at: later(later(now, days), self.worth(old, left_s)) }
            }
            None => Term { plan: self.plan, since: now, ends_at: later(now, days) },
        }
    }

    /// Time of this plan that seconds of another are worth.
    fn worth(self, old: Running, left_s: i64) -> Duration {
        let has_price = old.is_same_currency && self.amount_minor > 0 && old.amount_minor > 0 && old.days > 0;
        let seconds = if has_price {
            let paid = i128::from(left_s) * i128::from(old.amount_minor) * i128::from(self.days);
            paid / (i128::from(old.days) * i128::from(self.amount_minor))
        } else {
            i128::from(left_s)
        };
        // Nobody has that much, whatever prices were.
        Duration::from_secs(u64::try_from(seconds.clamp(0, 36_500 * 86_400)).unwrap_or(0))
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    let by = i64::try_from(by.as_secs()).unwrap_or(i64::MAX / 1_000);
    at.checked_add_signed(chrono::TimeDelta::seconds(by)).unwrap_or(at)
}

/// Why a payment is not begun, taken or decided. The codes are API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    /// Also for whoever it is not for.
    #[error("there is no such payment")]
    NotFound,
    #[error("nothing can be bought here")]
    Closed,
    #[error("this site is not paid in that way")]
    NoMethod,
    #[error("another of your payments is open; finish or cancel it first")]
    Open,
    /// Somebody decided, or its time ran out, or it cannot be done now.
    #[error("the payment is {0} and that cannot be done to it")]
    Settled(&'static str),
    #[error("the payment's time ran out")]
    Expired,
    #[error("the amount is not what is to be paid")]
    OtherAmount,
    #[error("the picture is larger than {PROOF_MIB_MAX} MiB")]
    TooLarge,
    #[error("the picture has too many pixels: 24 million and 12,000 on a side at most")]
    TooManyPixels,
    #[error("this is not a JPEG, PNG, WebP or GIF picture")]
    NotAPicture,
    #[error("send the picture as the form's field named file, after its words")]
    NoFile,
    #[error("too many pictures at this moment")]
    Busy,
    #[error("there is no picture")]
    NoProof,
    #[error("the picture is being checked")]
    Checking,
    #[error("there is no code for this payment")]
    NoCode,
    #[error("too many attempts; wait a while")]
    Throttled(Duration),
}

impl Classify for PaymentError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound | Self::NoProof | Self::Checking | Self::NoCode => Kind::NotFound,
            Self::Closed | Self::Open | Self::Settled(_) | Self::Expired | Self::OtherAmount => Kind::Conflict,
            Self::TooLarge => Kind::TooLarge,
            Self::NoMethod | Self::TooManyPixels | Self::NotAPicture | Self::NoFile => Kind::Invalid,
            Self::Busy => Kind::Unavailable,
            Self::Throttled(_) => Kind::Throttled,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "payment.not-found",
            Self::Closed => "payment.closed",
            Self::NoMethod => "payment.no-method",
            Self::Open => "payment.open",
            Self::Settled(_) => "payment.settled",
            Self::Expired => "payment.expired",
            Self::OtherAmount => "payment.other-amount",
            Self::TooLarge => "payment.too-large",
            Self::TooManyPixels => "payment.too-many-pixels",
            Self::NotAPicture => "payment.not-a-picture",
            Self::NoFile => "payment.no-file",
            Self::Busy => "payment.busy",
            Self::NoProof => "payment.no-proof",
            Self::Checking => "payment.proof-checking",
            Self::NoCode => "payment.no-code",
            Self::Throttled(_) => "payment.throttled",
        }
    }

    fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Throttled(wait) => Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_decided_stays_decided() {
        for status in PaymentStatus::ALL {
            assert_eq!(PaymentStatus::parse(status.as_str()), Some(status));
            for act in PaymentAct::ALL {
                if !status.is_open() {
                    assert_eq!(status.after(act), None, "{status:?} {act:?}");
                }
            }
        }
        assert_eq!(PaymentStatus::Submitted.after(PaymentAct::Expire), None, "who has paid does not wait in vain");
        assert_eq!(PaymentStatus::AskedAgain.after(PaymentAct::AskAgain), None);
        assert_eq!(PaymentAct::Expire.from(), ["pending", "asked_again"]);
        assert_eq!(PaymentAct::Approve.from(), ["pending", "submitted", "asked_again"]);
    }

    #[test]
    fn a_reference_is_what_a_bank_takes() {
        assert_eq!(reference([0, 1, 31, 32, 255, 9, 10, 17]), "RC23Z2ZBCK");
        let all = reference([7; 8]);
        assert!(all.len() <= transfer::PURPOSE_CHARS_MAX && all.bytes().all(|b| b.is_ascii_alphanumeric()));
        for doubtful in *b"01OI" {
            assert!(!REFERENCE_ALPHABET.contains(&doubtful));
        }
    }

    #[test]
    fn plans_are_bought_in_any_case_but_the_free_one() {
        assert_eq!(Plan::to_buy("plus").ok(), Some(Plan::Plus));
        assert_eq!(Plan::to_buy("PRO").ok(), Some(Plan::Pro));
        for text in ["FREE", "", "gold", "PLUS "] {
            assert!(Plan::to_buy(text).is_err(), "{text}");
        }
    }

    fn at(day: i64) -> Timestamp {
        chrono::DateTime::from_timestamp(1_700_000_000 + day * 86_400, 0).unwrap()
    }

    fn running(plan: Plan, ends: i64, amount_minor: i64) -> Option<Running> {
        let (since, ends_at) = (at(-30), at(ends));
        Some(Running { plan, since, ends_at, days: 30, amount_minor, is_same_currency: true })
    }

    #[test]
    fn the_same_plan_goes_on_from_its_end() {
        let plus = Bought { plan: Plan::Plus, days: 30, amount_minor: 50_000 };
        assert_eq!(plus.after(None, at(0)), Term { plan: Plan::Plus, since: at(0), ends_at: at(30) });
        let more = plus.after(running(Plan::Plus, 12, 50_000), at(0));
        assert_eq!((more.since, more.ends_at), (at(-30), at(42)));
        let late = plus.after(running(Plan::Plus, -1, 50_000), at(0));
        assert_eq!((late.since, late.ends_at), (at(0), at(30)), "what has ended is over, in its grace too");
    }

    #[test]
    fn another_plan_begins_at_once_and_loses_nothing() {
        let pro = Bought { plan: Plan::Pro, days: 30, amount_minor: 150_000 };
        let up = pro.after(running(Plan::Plus, 15, 50_000), at(0));
        assert_eq!((up.plan, up.since, up.ends_at), (Plan::Pro, at(0), at(35)), "fifteen days at a third");
        let plus = Bought { plan: Plan::Plus, days: 30, amount_minor: 50_000 };
        assert_eq!(plus.after(running(Plan::Pro, 10, 150_000), at(0)).ends_at, at(60));
        // Where prices cannot be compared, days are days.
        let other = running(Plan::Pro, 10, 150_000).map(|old| Running { is_same_currency: false, ..old });
        assert_eq!(plus.after(other, at(0)).ends_at, at(40));
        let absurd = Bought { plan: Plan::Plus, days: 3_650, amount_minor: 1 };
        assert!(absurd.after(running(Plan::Pro, 3_000, i64::MAX), at(0)).ends_at > at(3_650));
    }
}
