//! Reading fixed-width big-endian values from untrusted bytes: bounded, canonical, panic-free.

use alloy_primitives::B256;

/// Why bytes are not a canonical encoding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Fewer bytes than the value needs.
    #[error("unexpected end of input")]
    UnexpectedEnd,
    /// Bytes after the value.
    #[error("{0} trailing bytes")]
    TrailingBytes(usize),
    /// A length or count beyond its limit.
    #[error("{what} {value} exceeds the limit {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The value that was read.
        value: usize,
        /// The largest value allowed.
        limit: usize,
    },
    /// A value that no encoder writes.
    #[error("invalid {0}")]
    Invalid(&'static str),
    /// The body is not the one that the header names.
    #[error("body hash {found} differs from the header's {expected}")]
    BodyMismatch {
        /// The hash in the header.
        expected: B256,
        /// The hash of the body that came with it.
        found: B256,
    },
}

/// A cursor over untrusted bytes.
#[derive(Debug, Clone)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `len` bytes.
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], CodecError> {
        if len > self.0.len() {
            return Err(CodecError::UnexpectedEnd);
        }
        let (head, tail) = self.0.split_at(len);
        self.0 = tail;
        Ok(head)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        self.bytes(N)?.try_into().map_err(|_| CodecError::UnexpectedEnd)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, CodecError> {
        Ok(self.array::<1>()?[0])
    }

    /// A big-endian `u16`.
    pub fn u16(&mut self) -> Result<u16, CodecError> {
        self.array().map(u16::from_be_bytes)
    }

    /// A big-endian `u32`.
    pub fn u32(&mut self) -> Result<u32, CodecError> {
        self.array().map(u32::from_be_bytes)
    }

    /// A big-endian `u64`.
    pub fn u64(&mut self) -> Result<u64, CodecError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A 32-byte word.
    pub fn b256(&mut self) -> Result<B256, CodecError> {
        self.array().map(B256::new)
    }

    /// A minimal unsigned LEB128 `u64`, as commonware writes epochs, views and indices.
    pub fn leb128(&mut self) -> Result<u64, CodecError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let low = u64::from(byte & 0x7f);
            if shift == 63 && low > 1 {
                return Err(CodecError::Invalid("varint"));
            }
            value |= low << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    return Err(CodecError::Invalid("varint"));
                }
                return Ok(value);
            }
        }
        Err(CodecError::Invalid("varint"))
    }

    /// What is not read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Bytes not read yet.
    pub const fn remaining(&self) -> usize {
        self.0.len()
    }

    /// Everything must have been read.
    pub const fn finish(self) -> Result<(), CodecError> {
        match self.0.len() {
            0 => Ok(()),
            n => Err(CodecError::TrailingBytes(n)),
        }
    }
}

/// Appends a minimal unsigned LEB128.
pub fn put_leb128(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leb128_reads_back_what_it_writes() {
        for value in (0..64).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, (1 << bit) + 1]).chain([u64::MAX]) {
            let mut bytes = Vec::new();
            put_leb128(value, &mut bytes);
            let mut reader = Reader::new(&bytes);
            assert_eq!((reader.leb128(), reader.remaining()), (Ok(value), 0), "{value}");
        }
    }

    #[test]
    fn leb128_has_one_encoding_of_a_value() {
        let max = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Reader::new(&max).leb128(), Ok(u64::MAX));
        let beyond = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        let endless = [0x80; 11];
        for invalid in [&[0x80, 0x00][..], &[0xff, 0x80, 0x00], &beyond, &endless] {
            assert_eq!(Reader::new(invalid).leb128(), Err(CodecError::Invalid("varint")), "{invalid:?}");
        }
        assert_eq!(Reader::new(&[0x80]).leb128(), Err(CodecError::UnexpectedEnd));
    }

    #[test]
    fn reading_past_the_end_fails_and_takes_nothing() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u32(), Err(CodecError::UnexpectedEnd));
        assert_eq!(reader.bytes(usize::MAX), Err(CodecError::UnexpectedEnd));
        assert_eq!((reader.u16(), reader.remaining()), (Ok(0x0102), 1));
        assert_eq!(reader.finish(), Err(CodecError::TrailingBytes(1)));
    }
}
