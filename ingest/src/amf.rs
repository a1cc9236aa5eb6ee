//! The guard in front of the AMF0 parser: depth, count, size and structure are checked before it sees a byte.
//!
//! Owns the walk over AMF0's grammar (Adobe's AMF 0 specification) without building anything, and the call into the parser
//! for bytes that passed. The parser recurses, trusts counts and pads truncated strings, so nothing may reach it unchecked.

use bytes::Bytes;
use rml_amf0::Amf0Value;

/// Longest AMF message.
pub const BYTES_MAX: usize = 64 * 1024;
/// Deepest nesting of objects and arrays.
pub const DEPTH_MAX: usize = 32;
/// Most values of one message, nested ones included.
pub const VALUES_MAX: usize = 1_000;

/// Why AMF bytes were not parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmfError {
    #[error("{0} bytes of AMF, at most {BYTES_MAX} allowed")]
    TooLong(usize),
    #[error("AMF nested deeper than {DEPTH_MAX}")]
    TooDeep,
    #[error("more than {VALUES_MAX} AMF values")]
    TooMany,
    #[error("AMF that ends too early")]
    Truncated,
    #[error("an AMF marker {0:#04x} where none may be")]
    Marker(u8),
    #[error("an AMF string that is not UTF-8")]
    Text,
    #[error("an AMF name that is empty")]
    EmptyName,
}

impl AmfError {
    /// True for what no encoder sends by mistake.
    pub fn is_hostile(self) -> bool {
        matches!(self, Self::TooLong(_) | Self::TooDeep | Self::TooMany)
    }
}

mod marker {
    pub(super) const NUMBER: u8 = 0;
    pub(super) const BOOLEAN: u8 = 1;
    pub(super) const STRING: u8 = 2;
    pub(super) const OBJECT: u8 = 3;
    pub(super) const NULL: u8 = 5;
    pub(super) const UNDEFINED: u8 = 6;
    pub(super) const REFERENCE: u8 = 7;
    pub(super) const ECMA_ARRAY: u8 = 8;
    pub(super) const OBJECT_END: u8 = 9;
    pub(super) const STRICT_ARRAY: u8 = 10;
    pub(super) const DATE: u8 = 11;
    pub(super) const LONG_STRING: u8 = 12;
    pub(super) const UNSUPPORTED: u8 = 13;
    pub(super) const XML: u8 = 15;
    pub(super) const TYPED_OBJECT: u8 = 16;
}

/// What encloses the value at hand.
#[derive(Debug, Clone, Copy)]
enum Frame {
    /// Names and values until the end marker.
    Object,
    /// So many more values.
    Array { left: u32 },
}

/// Checks a sequence of AMF0 values.
pub fn check(bytes: &[u8]) -> Result<(), AmfError> {
    if bytes.len() > BYTES_MAX {
        return Err(AmfError::TooLong(bytes.len()));
    }
    let mut walk = Walk { rest: bytes, frames: [Frame::Object; DEPTH_MAX], depth: 0, values: 0 };
    while walk.step()? {}
    Ok(())
}

/// Parses a sequence of AMF0 values after [`check`]ing it.
pub fn decode(bytes: &[u8]) -> Result<Vec<Amf0Value>, AmfError> {
    check(bytes)?;
    let mut rest = bytes;
    // What passed the check fails here only for markers commands have no use for: dates, references, XML.
    rml_amf0::deserialize(&mut rest).map_err(|_| AmfError::Marker(marker::UNSUPPORTED))
}

/// The body of a data message without its `@setDataFrame`, checked; `None` when there is nothing behind that.
pub fn script_data(body: &Bytes) -> Result<Option<Bytes>, AmfError> {
    const PREFIX: &[u8] = b"\x02\x00\x0d@setDataFrame";
    check(body)?;
    let rest = if body.starts_with(PREFIX) { body.slice(PREFIX.len()..) } else { body.clone() };
    Ok((!rest.is_empty()).then_some(rest))
}

struct Walk<'a> {
    rest: &'a [u8],
    frames: [Frame; DEPTH_MAX],
    depth: usize,
    values: usize,
}

impl<'a> Walk<'a> {
    /// One value, or one end of an enclosing frame. `false` at the end of the input.
    fn step(&mut self) -> Result<bool, AmfError> {
        let Some(at) = self.depth.checked_sub(1) else {
            if self.rest.is_empty() {
                return Ok(false);
            }
            self.value()?;
            return Ok(true);
        };
        match &mut self.frames[at] {
            Frame::Array { left: 0 } => self.depth = at,
            Frame::Array { left } => {
                *left -= 1;
                self.value()?;
            }
            Frame::Object => {
                let length = usize::from(self.u16()?);
                if length > 0 {
                    self.text(length)?;
                    self.value()?;
                } else {
                    match self.u8()? {
                        marker::OBJECT_END => self.depth = at,
                        _ => return Err(AmfError::EmptyName),
                    }
                }
            }
        }
        Ok(true)
    }

    fn value(&mut self) -> Result<(), AmfError> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(AmfError::TooMany);
        }
        match self.u8()? {
            marker::NUMBER => self.skip(8),
            marker::BOOLEAN => self.skip(1),
            marker::STRING => {
                let length = self.u16()?;
                self.text(usize::from(length))
            }
            marker::OBJECT => self.open(Frame::Object),
            marker::NULL | marker::UNDEFINED | marker::UNSUPPORTED => Ok(()),
            marker::REFERENCE => self.skip(2),
            marker::ECMA_ARRAY => {
                // The count is a hint; the end marker counts.
                self.skip(4)?;
                self.open(Frame::Object)
            }
            marker::STRICT_ARRAY => {
                let left = self.u32()?;
                if left as usize > VALUES_MAX {
                    return Err(AmfError::TooMany);
                }
                self.open(Frame::Array { left })
            }
            marker::DATE => self.skip(10),
            marker::LONG_STRING | marker::XML => {
                let length = self.u32()?;
                self.text(length as usize)
            }
            marker::TYPED_OBJECT => {
                let length = self.u16()?;
                self.text(usize::from(length))?;
                self.open(Frame::Object)
            }
            other => Err(AmfError::Marker(other)),
        }
    }

    fn open(&mut self, frame: Frame) -> Result<(), AmfError> {
        let slot = self.frames.get_mut(self.depth).ok_or(AmfError::TooDeep)?;
        *slot = frame;
        self.depth += 1;
        Ok(())
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8], AmfError> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or(AmfError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn skip(&mut self, bytes: usize) -> Result<(), AmfError> {
        self.take(bytes).map(|_| ())
    }

    fn text(&mut self, bytes: usize) -> Result<(), AmfError> {
        std::str::from_utf8(self.take(bytes)?).map(|_| ()).map_err(|_| AmfError::Text)
    }

    fn u8(&mut self) -> Result<u8, AmfError> {
        Ok(self.take(1)?[0])
    }

    fn u16(&mut self) -> Result<u16, AmfError> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn u32(&mut self) -> Result<u32, AmfError> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn nested(depth: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = Vec::new();
        for _ in 0..depth {
            bytes.extend_from_slice(&[marker::OBJECT, 0, 1, b'a']);
        }
        bytes.push(marker::NULL);
        for _ in 0..depth {
            bytes.extend_from_slice(&[0, 0, marker::OBJECT_END]);
        }
        bytes
    }

    #[test]
    fn what_the_serializer_writes_comes_back() {
        let values = vec![
            Amf0Value::Utf8String("connect".to_owned()),
            Amf0Value::Number(1.0),
            Amf0Value::Object(HashMap::from([
                ("app".to_owned(), Amf0Value::Utf8String("live".to_owned())),
                ("deep".to_owned(), Amf0Value::Object(HashMap::from([("a".to_owned(), Amf0Value::Boolean(true))]))),
            ])),
            Amf0Value::StrictArray(vec![Amf0Value::Null, Amf0Value::Undefined]),
        ];
        let bytes = rml_amf0::serialize(&values).expect("serializes");
        assert_eq!(decode(&bytes), Ok(values));
        for end in 1..bytes.len() {
            // Cutting anywhere inside is noticed, unless it happens to fall between two values.
            let _ = decode(&bytes[..end]);
        }
    }

    #[test]
    fn nesting_up_to_the_limit_passes_and_beyond_it_is_refused() {
        assert!(decode(&nested(DEPTH_MAX)).is_ok());
        assert_eq!(decode(&nested(DEPTH_MAX + 1)), Err(AmfError::TooDeep));
        // R4: about 40 kB of open objects.
        assert_eq!(decode(&[marker::OBJECT, 0, 1, b'a'].repeat(10_000)), Err(AmfError::TooDeep));
    }

    #[test]
    fn values_are_counted_wherever_they_are() {
        assert!(check(&[marker::NULL; VALUES_MAX]).is_ok());
        assert_eq!(check(&[marker::NULL; VALUES_MAX + 1]), Err(AmfError::TooMany));
        let array = [&[marker::STRICT_ARRAY][..], &u32::MAX.to_be_bytes()].concat();
        assert_eq!(check(&array), Err(AmfError::TooMany));
    }

    #[test]
    fn more_bytes_than_allowed_are_refused_unread() {
        assert_eq!(check(&vec![0xff; BYTES_MAX + 1]), Err(AmfError::TooLong(BYTES_MAX + 1)));
    }

    /// R11: a string that claims more bytes than there are must not be padded.
    #[test]
    fn truncated_strings_and_names_are_errors() {
        assert_eq!(decode(b"\x02\x00\x05abc"), Err(AmfError::Truncated));
        assert_eq!(decode(b"\x03\x00\x05ab"), Err(AmfError::Truncated));
        assert_eq!(decode(b"\x03\x00\x01a"), Err(AmfError::Truncated));
        assert_eq!(decode(b"\x00\x00"), Err(AmfError::Truncated));
    }

    #[test]
    fn stray_markers_are_errors() {
        assert_eq!(decode(&[marker::OBJECT_END]), Err(AmfError::Marker(9)));
        assert_eq!(decode(&[marker::STRICT_ARRAY, 0, 0, 0, 1, 9]), Err(AmfError::Marker(9)));
        assert_eq!(decode(b"\x03\x00\x00\x05"), Err(AmfError::EmptyName));
        assert_eq!(decode(b"\x02\x00\x01\xff"), Err(AmfError::Text));
        assert_eq!(decode(&[0x11]), Err(AmfError::Marker(0x11)));
    }

    #[test]
    fn script_data_loses_its_prefix_without_a_copy() {
        let body = Bytes::from_static(b"\x02\x00\x0d@setDataFrame\x02\x00\x0aonMetaData\x05");
        let rest = script_data(&body).expect("legal").expect("not empty");
        assert_eq!(&rest[..], b"\x02\x00\x0aonMetaData\x05");
        assert_eq!(rest.as_ptr(), body[16..].as_ptr());
        // R2.
        assert_eq!(script_data(&Bytes::from_static(b"\x02\x00\x0d@setDataFrame")), Ok(None));
        assert_eq!(script_data(&Bytes::new()), Ok(None));
    }
}
