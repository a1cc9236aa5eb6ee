//! What a bank's app reads out of a QR code: EMVCo's merchant-presented form, as NAPAS uses it for transfers to an account (VietQR).
//!
//! The text is a row of fields: a tag of two digits, a length of two digits, the value. The last one is a checksum over all before it.

/// Digits of a bank's number.
const BIN_DIGITS: usize = 6;
/// Of an account's number.
const ACCOUNT_CHARS_MAX: usize = 19;
/// What banks pass on of what a transfer is for.
pub const PURPOSE_CHARS_MAX: usize = 25;
/// Whom the account is registered with.
const NAPAS: &str = "A000000727";
/// To an account, at once.
const TO_ACCOUNT: &str = "QRIBFTTA";
const DONG: &str = "704";

/// A currency: its name (ISO 4217), and the digits after the point.
const CURRENCIES: &[(&str, u32)] = &[
    ("VND", 0),
    ("USD", 2),
    ("EUR", 2),
    ("GBP", 2),
    ("JPY", 0),
    ("KRW", 0),
    ("CNY", 2),
    ("TWD", 2),
    ("HKD", 2),
    ("SGD", 2),
    ("THB", 2),
    ("MYR", 2),
    ("IDR", 2),
    ("PHP", 2),
    ("INR", 2),
    ("AUD", 2),
    ("NZD", 2),
    ("CAD", 2),
    ("CHF", 2),
    ("SEK", 2),
    ("NOK", 2),
    ("DKK", 2),
    ("PLN", 2),
    ("CZK", 2),
    ("BRL", 2),
    ("MXN", 2),
    ("ZAR", 2),
];

/// Digits after the point, of a currency that is known.
pub fn exponent(currency: &str) -> Option<u32> {
    CURRENCIES.iter().find(|(name, _)| *name == currency).map(|(_, exponent)| *exponent)
}

/// Whom money goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account<'a> {
    /// The bank's number with NAPAS, of six digits.
    pub bin: &'a str,
    pub number: &'a str,
}

impl<'a> Account<'a> {
    /// `None`: no bank has such an account.
    pub fn parse(bin: &'a str, number: &'a str) -> Option<Self> {
        let is_bin = bin.len() == BIN_DIGITS && bin.bytes().all(|byte| byte.is_ascii_digit());
        let is_number = (1..=ACCOUNT_CHARS_MAX).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
        (is_bin && is_number).then_some(Self { bin, number })
    }

    /// The text of a code for so many dong, or for as many as one likes, for a purpose of plain letters. Longer purposes are cut.
    pub fn code(&self, dong: Option<u64>, purpose: Option<&str>) -> String {
        let beneficiary = [field(0, self.bin), field(1, self.number)].concat();
        let merchant = [field(0, NAPAS), field(1, &beneficiary), field(2, TO_ACCOUNT)].concat();
        let mut text = [
            field(0, "01"),
            // Of one use, or of many.
            field(1, if dong.is_some() { "12" } else { "11" }),
            field(38, &merchant),
            field(53, DONG),
        ]
        .concat();
        if let Some(dong) = dong {
            text.push_str(&field(54, &dong.to_string()));
        }
        text.push_str(&field(58, "VN"));
        if let Some(purpose) = purpose {
            let plain: String = purpose.chars().filter(char::is_ascii).take(PURPOSE_CHARS_MAX).collect();
            text.push_str(&field(62, &field(8, &plain)));
        }
        sealed(text)
    }
}

/// A field. No value of ours is longer than two digits can say.
fn field(tag: u8, value: &str) -> String {
    debug_assert!(value.len() <= 99 && value.is_ascii());
    format!("{tag:02}{:02}{value}", value.len())
}

/// With its checksum, which counts its own tag and length.
fn sealed(mut text: String) -> String {
    text.push_str("6304");
    let sum = crc16(text.as_bytes());
    text.push_str(&format!("{sum:04X}"));
    text
}

/// CRC-16/CCITT-FALSE: polynomial 0x1021, from 0xFFFF.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xffff, |sum, byte| {
        let mut sum = sum ^ (u16::from(*byte) << 8);
        for _ in 0..8 {
            sum = if sum & 0x8000 == 0 { sum << 1 } else { (sum << 1) ^ 0x1021 };
        }
        sum
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(crc16(b"123456789"), 0x29b1);
        assert_eq!(crc16(b""), 0xffff);
    }

    /// The transfer of NAPAS's own specification: whoever pays says how much.
    #[test]
    fn a_code_without_an_amount_is_napas_own() {
        let account = Account::parse("970403", "0011012345678").unwrap();
        assert_eq!(
            account.code(None, None),
            "00020101021138570010A00000072701270006970403011300110123456780208QRIBFTTA53037045802VN63049E6F"
        );
        // Its other one numbers the bill as well, which ours does not; the sum is the same.
        let theirs = "00020101021238570010A00000072701270006970403011300110123456780208QRIBFTTA530370454061800005802VN62340107NPS68690819thanh toan don hang";
        assert!(sealed(theirs.to_owned()).ends_with("63042E2E"));
    }

    /// As several public generators write it for 120,000 dong to an account at 970415.
    #[test]
    fn a_code_with_amount_and_purpose_is_as_others_write_it() {
        let account = Account::parse("970415", "0011001932418").unwrap();
        assert_eq!(
            account.code(Some(120_000), Some("ung ho lu lut")),
            "00020101021238570010A00000072701270006970415011300110019324180208QRIBFTTA530370454061200005802VN62170813ung ho lu lut6304C15C"
        );
    }

    #[test]
    fn fields_stay_within_their_lengths() {
        let longest = "9".repeat(19);
        let account = Account::parse("970403", &longest).unwrap();
        let code = account.code(Some(u64::MAX), Some(&"RC".repeat(40)));
        assert!(code.contains(&format!("62290825{}R6304", "RC".repeat(12))), "{code}");
        for (bin, number) in
            [("97040", "1"), ("9704031", "1"), ("97040a", "1"), ("970403", ""), ("970403", "1 2"), ("970403", "ế")]
        {
            assert_eq!(Account::parse(bin, number), None, "{bin} {number}");
        }
        assert_eq!(Account::parse("970403", &"9".repeat(20)), None);
    }

    #[test]
    fn currencies_have_their_digits() {
        assert_eq!((exponent("VND"), exponent("USD"), exponent("XXX")), (Some(0), Some(2), None));
    }
}
