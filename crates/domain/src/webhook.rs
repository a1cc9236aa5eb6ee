//! Messages to members' own servers: of what they tell, how many there may be, and when they are tried again.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::Timestamp;

/// Endpoints of one member.
pub const ENDPOINTS_MAX: usize = 10;
/// Messages that may wait for one endpoint. What happens while so many wait is not written for it.
pub const WAITING_MAX: i64 = 1_000;
/// Messages an endpoint's log keeps when they wait no more, and for how many days at most.
pub const LOG_MAX: i64 = 1_000;
pub const LOG_DAYS: i32 = 30;
/// A body is shorter than this.
pub const BODY_BYTES_MAX: usize = 20_000;
/// How much of an answer is kept.
pub const ANSWER_BYTES_MAX: usize = 1_024;
pub const URL_CHARS_MAX: usize = 1_024;
pub const DESCRIPTION_CHARS_MAX: usize = 200;
/// How long the key before signs too.
pub const OLD_SECRET_HOURS: i32 = 24;
/// An endpoint that took nothing for this long is switched off at its next failure.
pub const FAILING_MAX: Duration = Duration::from_secs(3 * 86_400);
/// The longest a receiver may ask us to wait.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(86_400);

/// Waits between attempts, as the standard recommends; the first attempt is made at once.
const WAITS_S: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// Longest an endpoint that fails is left alone.
const REST_MAX_S: u64 = 300;

/// How long until the next attempt, after so many. `None`: that was the last.
pub fn wait_after(attempts: u32) -> Option<Duration> {
    let index = usize::try_from(attempts.saturating_sub(1)).ok()?;
    WAITS_S.get(index).copied().map(Duration::from_secs)
}

/// How long an endpoint is left alone after so many failures in a row: 2 s, 4 s, 8 s … five minutes. However much waits for a
/// server that is down, it is asked no more often.
pub fn rest_after(failures: u32) -> Duration {
    let doublings = failures.clamp(1, 10);
    Duration::from_secs(2_u64.pow(doublings).min(REST_MAX_S))
}

/// What members' servers are told of. The names are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Happening {
    #[serde(rename = "stream.online")]
    StreamOnline,
    #[serde(rename = "stream.updated")]
    StreamUpdated,
    #[serde(rename = "stream.offline")]
    StreamOffline,
    #[serde(rename = "vod.ready")]
    VodReady,
    #[serde(rename = "vod.failed")]
    VodFailed,
    #[serde(rename = "channel.followed")]
    ChannelFollowed,
    #[serde(rename = "chat.moderated")]
    ChatModerated,
    /// What a member sends to see whether it arrives. Every endpoint takes it.
    #[serde(rename = "ping")]
    Ping,
}

impl Happening {
    pub const ALL: [Self; 8] = [
        Self::StreamOnline,
        Self::StreamUpdated,
        Self::StreamOffline,
        Self::VodReady,
        Self::VodFailed,
        Self::ChannelFollowed,
        Self::ChatModerated,
        Self::Ping,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StreamOnline => "stream.online",
            Self::StreamUpdated => "stream.updated",
            Self::StreamOffline => "stream.offline",
            Self::VodReady => "vod.ready",
            Self::VodFailed => "vod.failed",
            Self::ChannelFollowed => "channel.followed",
            Self::ChatModerated => "chat.moderated",
            Self::Ping => "ping",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|happening| happening.as_str() == text)
    }
}

/// A message's body. `data` gets the endpoint's number of the message besides what it says.
pub fn body(happening: Happening, at: Timestamp, sequence: i64, mut data: Map<String, Value>) -> String {
    data.insert("sequence".to_owned(), sequence.into());
    json!({ "type": happening, "timestamp": at, "data": data }).to_string()
}

/// `webhook-id` of the message an event became: the same over attempts and replays.
pub fn message_id(event_id: uuid::Uuid) -> String {
    format!("msg_{}", event_id.simple())
}

/// Where a message stands. The names are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It will be tried.
    Waiting,
    /// The receiver said yes.
    Delivered,
    /// It will not be tried again unless its member says so.
    Failed,
}

impl DeliveryState {
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::Failed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// Why an attempt came to nothing. The names are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The name has no address.
    UnknownHost,
    /// The address is not one of the public internet, or not asked without TLS.
    Refused,
    /// Nobody took the connection, or TLS failed.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// An answer that is not 2xx.
    Status,
    /// The receiver sent us elsewhere; we do not go.
    Redirected,
    /// The endpoint was switched off before.
    SwitchedOff,
}

impl Fault {
    pub const ALL: [Self; 7] = [
        Self::UnknownHost,
        Self::Refused,
        Self::Unreachable,
        Self::TimedOut,
        Self::Status,
        Self::Redirected,
        Self::SwitchedOff,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownHost => "unknown_host",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Status => "status",
            Self::Redirected => "redirected",
            Self::SwitchedOff => "switched_off",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.as_str() == text)
    }
}

/// Why an endpoint is off although its member did not say so. The names are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OffBecause {
    /// The receiver answered 410.
    Gone,
    /// It took nothing for days.
    Failing,
}

impl OffBecause {
    pub const ALL: [Self; 2] = [Self::Gone, Self::Failing];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_attempts_take_three_days() {
        let waits: Vec<_> = (1..20).map_while(wait_after).collect();
        assert_eq!(waits.len(), 9, "and one at once");
        assert_eq!(waits[0], Duration::from_secs(5));
        let total: Duration = waits.iter().sum();
        assert!(total > FAILING_MAX && total < FAILING_MAX + Duration::from_secs(86_400));
        assert!(waits.is_sorted());
    }

    #[test]
    fn a_server_that_is_down_is_asked_every_five_minutes_at_most() {
        assert_eq!([0, 1, 2, 3].map(rest_after).map(|rest| rest.as_secs()), [2, 2, 4, 8]);
        assert_eq!(rest_after(u32::MAX), Duration::from_secs(300));
    }

    #[test]
    fn names_are_read_back_as_written() {
        for happening in Happening::ALL {
            assert_eq!(Happening::parse(happening.as_str()), Some(happening));
            assert_eq!(serde_json::to_value(happening).unwrap(), happening.as_str());
        }
        for state in DeliveryState::ALL {
            assert_eq!(DeliveryState::parse(state.as_str()), Some(state));
        }
        for fault in Fault::ALL {
            assert_eq!(Fault::parse(fault.as_str()), Some(fault));
        }
        for why in OffBecause::ALL {
            assert_eq!(OffBecause::parse(why.as_str()), Some(why));
        }
        assert_eq!(Happening::parse("stream_online"), None);
    }
}
