//! Payments as the API tells them.

use chrono::{DateTime, Utc};
use db::payments::{Payment, ProofState, Waiting};
use domain::payment::{Method, PaymentStatus};
use kit::config::Config;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::plans::{MethodWord, PlanWord, digits};
use crate::shapes::ChannelRef;

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PaymentStatus)]
pub(crate) enum StatusWord {
    /// It is to be paid.
    Pending,
    /// A proof was sent.
    Submitted,
    /// Another proof is asked for.
    AskedAgain,
    Approved,
    Rejected,
    /// Nothing was heard of it in time.
    Expired,
    Cancelled,
}

impl From<PaymentStatus> for StatusWord {
    fn from(status: PaymentStatus) -> Self {
        match status {
            PaymentStatus::Pending => Self::Pending,
            PaymentStatus::Submitted => Self::Submitted,
            PaymentStatus::AskedAgain => Self::AskedAgain,
            PaymentStatus::Approved => Self::Approved,
            PaymentStatus::Rejected => Self::Rejected,
            PaymentStatus::Expired => Self::Expired,
            PaymentStatus::Cancelled => Self::Cancelled,
        }
    }
}

/// How far the picture is that proves a payment.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ProofState)]
pub(crate) enum ProofWord {
    /// A scanner has not said yet that it is clean.
    Checking,
    Ready,
}

/// From when to when a plan runs.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct PlanTerm {
    pub plan: PlanWord,
    pub since: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
}

/// Where to send the money.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PayTo {
    /// The operator's words.
    instructions: String,
    /// Empty where the operator has not said it.
    bank_name: String,
    bank_account: String,
    bank_holder: String,
    /// What the code says: a bank's app reads account, amount and reference out of it. Null: there is no such code.
    qr_payload: Option<String>,
    /// The code as a picture, for whoever may see the payment. Null: there is none.
    qr_url: Option<String>,
}

/// A payment for a plan.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Payment)]
pub(crate) struct PaymentView {
    id: Uuid,
    /// What the transfer has to name.
    reference: String,
    plan: PlanWord,
    plan_name: String,
    /// Days it buys.
    days: i32,
    /// What is to be paid, in the currency's smallest unit.
    amount_minor: i64,
    currency: String,
    /// Digits of amounts that stand behind the point.
    exponent: u32,
    payment_method: MethodWord,
    status: StatusWord,
    created_at: DateTime<Utc>,
    /// Until then a proof may be sent, if none was.
    expires_at: DateTime<Utc>,
    submitted_at: Option<DateTime<Utc>>,
    decided_at: Option<DateTime<Utc>>,
    /// Why it was rejected, or what else is asked for.
    reason: String,
    /// What its payer says.
    stated_payer: String,
    stated_amount_minor: Option<i64>,
    stated_reference: String,
    /// Null: there is no picture.
    proof: Option<ProofWord>,
    /// Once it may be looked at.
    proof_url: Option<String>,
    /// What it bought.
    term: Option<PlanTerm>,
    /// While it can be paid.
    pay: Option<PayTo>,
}

/// The text of a payment's code, if its way of paying and the operator's account make one.
pub(super) fn code(config: &Config, payment: &Payment) -> Option<String> {
    let dong = u64::try_from(payment.amount_minor).ok()?;
    let is_code = payment.method == Method::BankTransfer && payment.currency == "VND";
    let account = config.payments.account().filter(|_| is_code)?;
    Some(account.code(Some(dong), Some(&payment.reference)))
}

impl PaymentView {
    pub(super) fn of(config: &Config, payment: Payment) -> Self {
        let id = payment.id;
        let pay = payment.status.is_open().then(|| {
            let qr_payload = code(config, &payment);
            let has_picture = payment.method == Method::QrPicture && !config.payments.picture.as_os_str().is_empty();
            let has_code = has_picture || qr_payload.is_some();
            let bank = |word: &String| match payment.method {
                Method::BankTransfer => word.clone(),
                Method::QrPicture => String::new(),
            };
            PayTo {
                instructions: config.payments.instructions.clone(),
                bank_name: bank(&config.payments.bank_name),
                bank_account: bank(&config.payments.bank_account),
                bank_holder: bank(&config.payments.bank_holder),
                qr_payload,
                qr_url: has_code.then(|| format!("/api/v1/payments/{id}/qr")),
            }
        });
        let is_shown = matches!(payment.proof, Some(ProofState::Ready));
        Self {
            id: id.as_uuid(),
            plan: payment.plan.into(),
            plan_name: config.offer(payment.plan).name.to_owned(),
            days: payment.days,
            amount_minor: payment.amount_minor,
            exponent: digits(&payment.currency),
            currency: payment.currency,
            reference: payment.reference,
            payment_method: payment.method.into(),
            status: payment.status.into(),
            created_at: payment.created_at,
            expires_at: payment.expires_at,
            submitted_at: payment.submitted_at,
            decided_at: payment.decided_at,
            reason: payment.reason,
            stated_payer: payment.stated_payer,
            stated_amount_minor: payment.stated_amount_minor,
            stated_reference: payment.stated_reference,
            proof: payment.proof.map(|proof| match proof {
                ProofState::Checking => ProofWord::Checking,
                ProofState::Ready => ProofWord::Ready,
            }),
            proof_url: is_shown.then(|| format!("/api/v1/payments/{id}/proof")),
            term: payment.term.map(|(since, ends_at)| PlanTerm { plan: payment.plan.into(), since, ends_at }),
            pay,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PaymentPage {
    pub(super) items: Vec<PaymentView>,
    pub(super) next_cursor: Option<String>,
}

/// An open payment, as whoever decides about it sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = PendingPayment)]
pub(crate) struct PendingView {
    #[serde(flatten)]
    payment: PaymentView,
    payer: ChannelRef,
    /// What runs for its payer.
    running: Option<PlanTerm>,
    /// What would run if it were approved now.
    would: PlanTerm,
    /// References of other payments that the same picture is to prove; five at most.
    same_proof: Vec<String>,
    /// References of other payments whose payers gave the same number of a transfer; five at most.
    same_transfer: Vec<String>,
}

impl PendingView {
    pub(super) fn of(config: &Config, waiting: Waiting) -> Self {
        let currency = waiting.payment.currency.clone();
        let running = waiting.running.as_ref().map(|running| running.running(&currency));
        let would = waiting.payment.bought().after(running, kit::clock::now());
        let running = waiting.running.filter(|running| running.is_running);
        Self {
            payment: PaymentView::of(config, waiting.payment),
            payer: waiting.payer.into(),
            running: running.map(|running| PlanTerm {
                plan: running.plan.into(),
                since: running.since,
                ends_at: running.ends_at,
            }),
            would: PlanTerm { plan: would.plan.into(), since: would.since, ends_at: would.ends_at },
            same_proof: waiting.same_proof,
            same_transfer: waiting.same_transfer,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PendingPage {
    pub(super) items: Vec<PendingView>,
    pub(super) next_cursor: Option<String>,
}
