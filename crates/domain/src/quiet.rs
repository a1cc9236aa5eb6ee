//! When a member is left alone, and when mail comes to them that is collected.

use serde::{Deserialize, Serialize};

use crate::error::Invalid;

const DAY_MINUTES: u16 = 24 * 60;
const ZONE_BYTES_MAX: usize = 64;

/// From one time of the day to another, which is on the next day when it is the earlier one. By the member's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    from: u16,
    to: u16,
}

impl QuietHours {
    /// Times as `22:30`.
    pub fn parse(from: &str, to: &str) -> Result<Self, Invalid> {
        let invalid = |message: &str| Invalid::new("quiet_hours", message);
        let (Some(from), Some(to)) = (minute(from), minute(to)) else { return Err(invalid("must be times as 22:30")) };
        Self::of_minutes(from, to).ok_or_else(|| invalid("must not begin when they end"))
    }

    /// In minutes since midnight. `None`: they are no times, or the same.
    pub fn of_minutes(from: u16, to: u16) -> Option<Self> {
        (from < DAY_MINUTES && to < DAY_MINUTES && from != to).then_some(Self { from, to })
    }

    /// Minutes since midnight at which they begin and end.
    pub const fn minutes(self) -> (u16, u16) {
        (self.from, self.to)
    }

    /// When they begin and end, as `22:30`.
    pub fn texts(self) -> (String, String) {
        let text = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        (text(self.from), text(self.to))
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str, max: u16| {
        let is_plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|number| is_plain && *number <= max)
    };
    Some(number(hour, 23)? * 60 + number(minute, 59)?)
}

/// How often mail comes that is collected. The names are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Every {
    /// It is not collected.
    #[default]
    Off,
    Daily,
    Weekly,
}

impl Every {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Off, Self::Daily, Self::Weekly].into_iter().find(|every| every.as_str() == text)
    }
}

/// When mail comes that is collected. By the member's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    pub every: Every,
    /// 0 to 23.
    pub hour: u8,
    /// 1, Monday, to 7; for a weekly one.
    pub day: u8,
}

impl Default for Digest {
    fn default() -> Self {
        Self { every: Every::Off, hour: 8, day: 1 }
    }
}

impl Digest {
    pub fn check(self) -> Result<Self, Invalid> {
        let invalid = |message: &str| Err(Invalid::new("mail_digest", message));
        match self {
            Self { hour: 24.., .. } => invalid("must come at an hour of 0 to 23"),
            Self { day: 0 | 8.., .. } => invalid("must come on a day of 1 (Monday) to 7"),
            fine => Ok(fine),
        }
    }
}

/// A time zone's name in the IANA database, as `Asia/Ho_Chi_Minh`. Whether there is one of that name is not known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneName(String);

impl ZoneName {
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let is_part = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphabetic())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+-".contains(&byte))
        };
        // Abbreviations mean different places to different people.
        let is_name = text == "UTC" || (text.contains('/') && text.split('/').all(is_part));
        if text.len() > ZONE_BYTES_MAX || !is_name {
            return Err(Self::unknown());
        }
        Ok(Self(text.to_owned()))
    }

    pub fn unknown() -> Invalid {
        Invalid::new("time_zone", "must be the name of a time zone, as Europe/Berlin")
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_hours_are_two_different_times_of_the_day() {
        let night = QuietHours::parse("22:30", "07:00").unwrap();
        assert_eq!(night.minutes(), (1_350, 420));
        assert_eq!(night.texts(), ("22:30".to_owned(), "07:00".to_owned()));
        for (from, to) in [("24:00", "07:00"), ("22:60", "07:00"), ("7:00", "08:00"), ("+7:00", "08:00"), ("", "08:00")]
        {
            assert!(QuietHours::parse(from, to).is_err(), "{from}");
        }
        assert!(QuietHours::parse("08:00", "08:00").is_err());
        assert_eq!(QuietHours::of_minutes(1_440, 0), None);
    }

    #[test]
    fn a_digest_comes_at_an_hour_of_a_day() {
        let weekly = Digest { every: Every::Weekly, hour: 23, day: 7 };
        assert_eq!(weekly.check().unwrap(), weekly);
        for bad in [Digest { hour: 24, ..weekly }, Digest { day: 0, ..weekly }, Digest { day: 8, ..weekly }] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
        for every in [Every::Off, Every::Daily, Every::Weekly] {
            assert_eq!(Every::parse(every.as_str()), Some(every));
        }
    }

    #[test]
    fn zones_have_names_of_places() {
        for good in ["UTC", "Europe/Berlin", "Asia/Ho_Chi_Minh", "America/Argentina/Buenos_Aires", "Etc/GMT+5"] {
            assert_eq!(ZoneName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "EST", "utc", "Europe/", "/etc/passwd", "../UTC", "FOO5BAR", "Europe/Ber lin", &"A/".repeat(60)]
        {
            assert!(ZoneName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
