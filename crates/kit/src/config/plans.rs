//! Plans members pay for, and how the site is paid.

use std::path::PathBuf;

use domain::payment::transfer::{Account, exponent};
use domain::payment::{Method, Plan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Config;

/// A plan that is paid for: its section, with defaults of its own.
macro_rules! plan {
    ($(#[$doc:meta])* $section:ident, $name:literal, storage $storage:literal, upload $upload:literal, price $price:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct $section {
            /// What it is called: 1 to 30 characters.
            pub name: String,
            /// Room one member's files may take, in MiB. 0: no limit.
            pub storage_mib: u32,
            /// Largest file, in MiB.
            pub upload_mib: u32,
            /// Room one channel's recordings may take, in GiB. When it is full a stream goes on and is recorded no further. 0: no limit.
            pub recordings_gib: u64,
            /// What it costs, in the smallest unit of `payments.currency`: dong, cents. 0: it is not sold.
            pub price_minor: u64,
            /// Days it lasts: 1 to 3650.
            pub days: u32,
        }

        impl Default for $section {
            fn default() -> Self {
                Self {
                    name: $name.to_owned(),
                    storage_mib: $storage,
                    upload_mib: $upload,
                    recordings_gib: 0,
                    price_minor: $price,
                    days: 30,
                }
            }
        }

        impl $section {
            fn offer(&self, plan: Plan) -> Offer<'_> {
                Offer {
                    plan,
                    name: &self.name,
                    storage_mib: self.storage_mib,
                    upload_mib: self.upload_mib,
                    recordings_gib: self.recordings_gib,
                    price_minor: self.price_minor,
                    days: self.days,
                }
            }
        }
    };
}

plan! {
    /// The plan PLUS.
    PlusConfig, "PLUS", storage 102_400, upload 20_480, price 49_000
}
plan! {
    /// The plan PRO.
    ProConfig, "PRO", storage 1_048_576, upload 51_200, price 149_000
}

/// Plans. Who has paid for none has FREE, of which `files.quota_mib`, `files.file_mib_max` and `recordings.quota_gib` say how much it is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PlansConfig {
    /// What FREE is called: 1 to 30 characters.
    pub free_name: String,
    pub plus: PlusConfig,
    pub pro: ProConfig,
}

impl Default for PlansConfig {
    fn default() -> Self {
        Self { free_name: "FREE".to_owned(), plus: PlusConfig::default(), pro: ProConfig::default() }
    }
}

/// How members pay, by hand: they are told where to send the money and under which reference, and an administrator finds it on the account.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PaymentsConfig {
    /// Whether plans can be bought. Otherwise they are only shown.
    pub is_open: bool,
    /// Currency of all prices (ISO 4217), such as `VND` or `EUR`.
    pub currency: String,
    /// What is told to whoever pays, in plain words: at most 2000 characters.
    pub instructions: String,
    /// Number of the operator's bank with NAPAS, of six digits, such as `970436`. With `bank_account` a QR code of each transfer is made (VietQR; in VND).
    pub bank_bin: String,
    /// Number of the operator's account. Without `bank_bin` it is shown, and no code is made.
    pub bank_account: String,
    /// Whose account it is, as the bank writes it.
    pub bank_holder: String,
    /// What the bank is called.
    pub bank_name: String,
    /// File with the picture of a code to pay by (PNG, JPEG or WebP of at most 2 MiB), on each api node. Empty: there is none.
    pub picture: PathBuf,
    /// Seconds a payment may take until its proof is sent. Then it expires.
    pub request_ttl_s: u64,
    /// Days a plan goes on after its end, for those who are late.
    pub grace_days: u32,
    /// Days before the end of a plan at which its member is reminded. 0: not.
    pub remind_days: u32,
    /// Days before the end at which they are reminded once more. 0: not.
    pub remind_again_days: u32,
    /// Days a picture that proves a payment is kept after the decision: 1 to 3650.
    pub proof_days: u32,
}

impl Default for PaymentsConfig {
    fn default() -> Self {
        Self {
            is_open: true,
            currency: "VND".to_owned(),
            instructions: "Ask whoever runs this site where to send the money. Give the reference with it.".to_owned(),
            bank_bin: String::new(),
            bank_account: String::new(),
            bank_holder: String::new(),
            bank_name: String::new(),
            picture: PathBuf::new(),
            request_ttl_s: 3 * 24 * 3_600,
            grace_days: 3,
            remind_days: 7,
            remind_again_days: 1,
            proof_days: 180,
        }
    }
}

impl PaymentsConfig {
    /// The account a code can be made of.
    pub fn account(&self) -> Option<Account<'_>> {
        Account::parse(&self.bank_bin, &self.bank_account)
    }

    /// The ways in which the site is paid.
    pub fn methods(&self) -> Vec<Method> {
        let has_picture = !self.picture.as_os_str().is_empty();
        Method::ALL.into_iter().filter(|method| *method == Method::BankTransfer || has_picture).collect()
    }

    /// At how many days before an end members are reminded, each once; the earliest first.
    pub fn reminders(&self) -> Vec<u32> {
        let mut days: Vec<u32> =
            [self.remind_days, self.remind_again_days].into_iter().filter(|days| *days > 0).collect();
        days.sort_unstable_by(|a, b| b.cmp(a));
        days.dedup();
        days
    }
}

/// A plan as the operator has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer<'a> {
    pub plan: Plan,
    pub name: &'a str,
    /// 0: no limit.
    pub storage_mib: u32,
    pub upload_mib: u32,
    /// 0: no limit.
    pub recordings_gib: u64,
    /// 0: it is not sold.
    pub price_minor: u64,
    pub days: u32,
}

impl Offer<'_> {
    /// Room for files in bytes, as the database counts; 0: no limit.
    pub fn storage_bytes(&self) -> i64 {
        i64::from(self.storage_mib) << 20
    }

    /// Most bytes of one file.
    pub fn upload_bytes(&self) -> u64 {
        u64::from(self.upload_mib) << 20
    }

    /// Room for recordings in bytes, as the database counts; 0: no limit.
    pub fn recordings_bytes(&self) -> i64 {
        i64::try_from(self.recordings_gib.saturating_mul(1 << 30)).unwrap_or(i64::MAX)
    }
}

impl Config {
    /// What a plan is.
    pub fn offer(&self, plan: Plan) -> Offer<'_> {
        match plan {
            Plan::Free => Offer {
                plan,
                name: &self.plans.free_name,
                storage_mib: self.files.quota_mib,
                upload_mib: self.files.file_mib_max,
                recordings_gib: self.recordings.quota_gib,
                price_minor: 0,
                days: 0,
            },
            Plan::Plus => self.plans.plus.offer(plan),
            Plan::Pro => self.plans.pro.offer(plan),
        }
    }

    /// Room for a member's files in bytes, by their plan in the order of [`Plan::ALL`]; 0: no limit.
    pub fn file_rooms(&self) -> [i64; 3] {
        Plan::ALL.map(|plan| self.offer(plan).storage_bytes())
    }

    /// Room for a channel's recordings in bytes, by its owner's plan in the order of [`Plan::ALL`]; 0: no limit.
    pub fn recording_rooms(&self) -> [i64; 3] {
        Plan::ALL.map(|plan| self.offer(plan).recordings_bytes())
    }

    /// Most bytes of one file of anybody.
    pub fn upload_bytes_max(&self) -> u64 {
        Plan::ALL.into_iter().map(|plan| self.offer(plan).upload_bytes()).max().unwrap_or_default()
    }

    /// Which rule of plans and payments is broken: the key, and what holds for it.
    pub(super) fn plans_fault(&self) -> Option<(&'static str, &'static str)> {
        let is_name =
            |name: &str| (1..=30).contains(&name.trim().chars().count()) && !name.chars().any(char::is_control);
        let pay = &self.payments;
        let (plus, pro) = (self.offer(Plan::Plus), self.offer(Plan::Pro));
        let is_size = |mib: u32| (1..=1_048_576).contains(&mib);
        let is_term = |days: u32| (1..=3_650).contains(&days);
        let is_price = |price: u64| price <= 1_000_000_000_000;
        let words = [&pay.bank_account, &pay.bank_holder, &pay.bank_name];
        let rules = [
            ("plans.free_name", is_name(&self.plans.free_name), "must be 1 to 30 characters"),
            ("plans.plus.name", is_name(plus.name), "must be 1 to 30 characters"),
            ("plans.pro.name", is_name(pro.name), "must be 1 to 30 characters"),
            ("plans.plus.upload_mib", is_size(plus.upload_mib), "must be 1 to 1048576"),
            ("plans.pro.upload_mib", is_size(pro.upload_mib), "must be 1 to 1048576"),
            ("plans.plus.days", is_term(plus.days), "must be 1 to 3650"),
            ("plans.pro.days", is_term(pro.days), "must be 1 to 3650"),
            ("plans.plus.price_minor", is_price(plus.price_minor), "must be at most 1000000000000"),
            ("plans.pro.price_minor", is_price(pro.price_minor), "must be at most 1000000000000"),
            ("payments.currency", exponent(&pay.currency).is_some(), "must be a currency such as VND, USD or EUR"),
            ("payments.instructions", pay.instructions.chars().count() <= 2_000, "must have at most 2000 characters"),
            (
                "payments.bank_bin",
                pay.bank_bin.is_empty() || pay.account().is_some(),
                "must be six digits, with payments.bank_account of at most 19 digits and capital letters",
            ),
            (
                "payments.currency",
                pay.bank_bin.is_empty() || pay.currency == "VND",
                "must be VND for codes of a bank's",
            ),
            (
                "payments.bank_account",
                words.into_iter().all(|word| word.chars().count() <= 100 && !word.chars().any(char::is_control)),
                "and its holder and bank must have at most 100 characters each",
            ),
            ("payments.request_ttl_s", (1..=31_536_000).contains(&pay.request_ttl_s), "must be 1 to 31536000"),
            ("payments.grace_days", pay.grace_days <= 365, "must be at most 365"),
            ("payments.remind_days", pay.remind_days <= 365, "must be at most 365"),
            ("payments.remind_again_days", pay.remind_again_days <= 365, "must be at most 365"),
            ("payments.proof_days", is_term(pay.proof_days), "must be 1 to 3650"),
        ];
        rules.into_iter().find(|(_, holds, _)| !holds).map(|(key, _, rule)| (key, rule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_pays_nothing_has_what_everybody_had() {
        let mut config = Config::default();
        config.files.quota_mib = 7;
        config.recordings.quota_gib = 2;
        assert_eq!(config.file_rooms()[0], 7 << 20);
        assert_eq!(config.recording_rooms(), [2 << 30, 0, 0]);
        assert_eq!(config.offer(Plan::Free).upload_mib, config.files.file_mib_max);
        assert_eq!(config.upload_bytes_max(), 51_200 << 20);
        assert_eq!(config.plans_fault(), None);
    }

    #[test]
    fn a_bank_is_whole_or_not_there() {
        let mut config = Config::default();
        assert_eq!(config.payments.methods(), [Method::BankTransfer]);
        config.payments.bank_bin = "970436".to_owned();
        assert_eq!(config.plans_fault().map(|fault| fault.0), Some("payments.bank_bin"));
        config.payments.bank_account = "0011001932418".to_owned();
        assert_eq!(config.plans_fault(), None);
        config.payments.currency = "EUR".to_owned();
        assert_eq!(config.plans_fault().map(|fault| fault.0), Some("payments.currency"));
    }

    #[test]
    fn reminders_are_said_once_each() {
        let mut pay = PaymentsConfig::default();
        assert_eq!(pay.reminders(), [7, 1]);
        (pay.remind_days, pay.remind_again_days) = (0, 3);
        assert_eq!(pay.reminders(), [3]);
        pay.remind_days = 3;
        assert_eq!(pay.reminders(), [3]);
    }
}
