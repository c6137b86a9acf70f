//! Bit lists and varints of span batches.

use crate::DecodeError;
use rota_types::codec::Reader;

/// A list of bits, written as a big-endian integer: bit 0 is the lowest bit of the last byte.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bits {
    /// Little-endian: bit i is bit i % 8 of byte i / 8.
    bytes: Vec<u8>,
    len: usize,
}

impl Bits {
    /// Appends a bit.
    pub fn push(&mut self, bit: bool) {
        if self.len.is_multiple_of(8) {
            self.bytes.push(0);
        }
        self.bytes[self.len / 8] |= u8::from(bit) << (self.len % 8);
        self.len += 1;
    }

    /// The bit at `index`, `false` beyond the end.
    pub fn get(&self, index: usize) -> bool {
        self.bytes.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    }

    /// Number of ones.
    pub fn ones(&self) -> usize {
        self.bytes.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// Appends the ⌈len / 8⌉ bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.bytes.iter().rev());
    }

    /// Reads `len` bits; higher bits of the first byte must be zero.
    pub fn read(reader: &mut Reader<'_>, len: usize) -> Result<Self, DecodeError> {
        let bytes = reader.bytes(len.div_ceil(8)).map_err(|_| DecodeError::Malformed("bit list"))?;
        let bytes: Vec<u8> = bytes.iter().rev().copied().collect();
        match bytes.last() {
            Some(last) if !len.is_multiple_of(8) && last >> (len % 8) != 0 => {
                Err(DecodeError::Malformed("bit list with bits beyond its end"))
            }
            _ => Ok(Self { bytes, len }),
        }
    }
}

/// Reads an unsigned LEB128 as Go's `binary.ReadUvarint` does: at most 64 bits in at most ten bytes, minimal or not.
pub(crate) fn uvarint(reader: &mut Reader<'_>) -> Result<u64, DecodeError> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let byte = reader.u8().map_err(|_| DecodeError::Malformed("varint"))?;
        if shift == 63 && byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(DecodeError::Malformed("varint"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rota_types::codec::put_leb128;

    #[test]
    fn bits_are_a_big_endian_integer() {
        let mut bits = Bits::default();
        [true, false, false, false, false, false, false, false, true, true].into_iter().for_each(|bit| bits.push(bit));
        let mut out = Vec::new();
        bits.encode(&mut out);
        assert_eq!(out, [0b11, 0b1]);
        assert_eq!(Bits::read(&mut Reader::new(&out), 10), Ok(bits));
        assert!(Bits::read(&mut Reader::new(&out), 9).is_err(), "bit 9 is beyond the end");
        assert!(Bits::read(&mut Reader::new(&out), 17).is_err(), "two bytes do not hold 17 bits");
    }

    #[test]
    fn varints_may_be_padded_but_not_overflow() {
        let read = |bytes: &[u8]| uvarint(&mut Reader::new(bytes));
        assert_eq!(read(&[0x80, 0x00]), Ok(0));
        assert_eq!(read(&[0xff; 9]).ok(), None);
        let mut max = vec![0xff; 9];
        max.push(1);
        assert_eq!(read(&max), Ok(u64::MAX));
        max[9] = 2;
        assert!(read(&max).is_err());
    }

    proptest! {
        #[test]
        fn varints_round_trip(value: u64) {
            let mut out = Vec::new();
            put_leb128(value, &mut out);
            prop_assert_eq!(uvarint(&mut Reader::new(&out)), Ok(value));
        }
    }
}
