//! Reading and writing bits, most significant first. Knows nothing of any codec.

/// The input ended, or a code was longer than the standard allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutOfBits;

/// Reads bits from a slice.
pub(crate) struct BitReader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    pub(crate) fn left(&self) -> usize {
        (self.data.len() * 8).saturating_sub(self.at)
    }

    pub(crate) fn bit(&mut self) -> Result<bool, OutOfBits> {
        let byte = self.data.get(self.at / 8).ok_or(OutOfBits)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Ok(bit == 1)
    }

    /// Up to 32 bits.
    pub(crate) fn bits(&mut self, count: u32) -> Result<u32, OutOfBits> {
        let mut value = 0_u32;
        for _ in 0..count {
            value = value << 1 | u32::from(self.bit()?);
        }
        Ok(value)
    }

    pub(crate) fn skip(&mut self, count: usize) -> Result<(), OutOfBits> {
        if self.left() < count {
            return Err(OutOfBits);
        }
        self.at += count;
        Ok(())
    }

    pub(crate) fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }

    /// Unsigned Exp-Golomb code (ITU-T H.264 9.1).
    pub(crate) fn ue(&mut self) -> Result<u32, OutOfBits> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return Err(OutOfBits);
            }
        }
        Ok((1_u32 << zeros) - 1 + self.bits(zeros)?)
    }

    /// Signed Exp-Golomb code (ITU-T H.264 9.1.1).
    pub(crate) fn se(&mut self) -> Result<i32, OutOfBits> {
        let code = i64::from(self.ue()?);
        let value = if code % 2 == 1 { (code + 1) / 2 } else { -(code / 2) };
        Ok(value as i32)
    }
}

/// Collects bits into bytes.
#[derive(Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    used: u32,
}

impl BitWriter {
    pub(crate) fn put(&mut self, value: u32, count: u32) {
        for shift in (0..count).rev() {
            if self.used == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> shift & 1) as u8) << (7 - self.used);
            }
            self.used = (self.used + 1) % 8;
        }
    }

    /// The bytes, the last one padded with zeros.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes_read_back() {
        // 1 | 010 | 011 | 00100 | 00101
        let mut reader = BitReader::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        assert_eq!(reader.ue(), Ok(0));
        assert_eq!(reader.se(), Ok(1));
        assert_eq!(reader.se(), Ok(-1));
        assert_eq!(reader.ue(), Ok(3));
        assert_eq!(reader.ue(), Ok(4));
    }

    #[test]
    fn a_code_of_zeros_ends_in_an_error() {
        assert_eq!(BitReader::new(&[0; 8]).ue(), Err(OutOfBits));
        assert_eq!(BitReader::new(&[0]).ue(), Err(OutOfBits));
        assert_eq!(BitReader::new(&[]).bit(), Err(OutOfBits));
    }

    #[test]
    fn written_bits_read_back() {
        let mut writer = BitWriter::default();
        writer.put(0b101, 3);
        writer.put(0x1234, 16);
        let bytes = writer.finish();
        let mut reader = BitReader::new(&bytes);
        assert_eq!(reader.bits(3), Ok(0b101));
        assert_eq!(reader.bits(16), Ok(0x1234));
    }
}
