//! The flashblock: a header and the body that it names by hash.

use crate::{
    Digest, Header,
    codec::{CodecError, Reader},
    position::BlockId,
};
use alloy_primitives::{B256, Bytes, keccak256};
use serde::{Deserialize, Serialize};

/// What a leader chooses when it opens an L2 block; all else follows from the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opening {
    /// Timestamp of the L2 block, in seconds.
    pub timestamp: u64,
    /// L1 origin of the L2 block.
    pub origin: BlockId,
}

/// What a flashblock carries. Deposits are never carried: every verifier derives them from the origin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Present at index 0, absent elsewhere.
    pub opening: Option<Opening>,
    /// EIP-2718 encoded transactions, in order.
    pub transactions: Vec<Bytes>,
}

impl Body {
    /// Bytes of a body without transactions, at most.
    const OVERHEAD: usize = 1 + 8 + 8 + 32 + 4;

    /// Bytes of carried transactions, as counted against `max_flashblock_bytes` (4 bytes of length each included).
    pub fn transaction_bytes(&self) -> usize {
        self.transactions.iter().map(|t| 4 + t.len()).sum()
    }

    /// The canonical encoding: `0x00` or `0x01 ‖ timestamp ‖ origin number ‖ origin hash`, then a `u32` count of
    /// transactions, each a `u32` length and its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::OVERHEAD + self.transaction_bytes());
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        match &self.opening {
            None => out.push(0),
            Some(opening) => {
                out.push(1);
                out.extend_from_slice(&opening.timestamp.to_be_bytes());
                out.extend_from_slice(&opening.origin.number.to_be_bytes());
                out.extend_from_slice(opening.origin.hash.as_slice());
            }
        }
        out.extend_from_slice(&(self.transactions.len() as u32).to_be_bytes());
        for transaction in &self.transactions {
            out.extend_from_slice(&(transaction.len() as u32).to_be_bytes());
            out.extend_from_slice(transaction);
        }
    }

    /// Reads a body whose transactions take at most `max_bytes`.
    pub fn read(reader: &mut Reader<'_>, max_bytes: usize) -> Result<Self, CodecError> {
        let opening = match reader.u8()? {
            0 => None,
            1 => Some(Opening {
                timestamp: reader.u64()?,
                origin: BlockId { number: reader.u64()?, hash: reader.b256()? },
            }),
            _ => return Err(CodecError::Invalid("opening flag")),
        };
        let count = reader.u32()? as usize;
        // Each transaction takes at least five bytes, so the input bounds the allocation.
        if count > reader.remaining() / 5 {
            return Err(CodecError::UnexpectedEnd);
        }
        let mut transactions = Vec::with_capacity(count);
        let mut total = 0usize;
        for _ in 0..count {
            let len = reader.u32()? as usize;
            if len == 0 {
                return Err(CodecError::Invalid("empty transaction"));
            }
            total = total.saturating_add(4).saturating_add(len);
            if total > max_bytes {
                return Err(CodecError::TooLarge { what: "flashblock bytes", value: total, limit: max_bytes });
            }
            transactions.push(Bytes::copy_from_slice(reader.bytes(len)?));
        }
        Ok(Self { opening, transactions })
    }

    /// keccak256 of the encoding.
    pub fn hash(&self) -> B256 {
        keccak256(self.encode())
    }
}

/// The unit of agreement, proposed in one simplex view.
///
/// Only [`Flashblock::decode`] ties header and body together; one that came as JSON is as trustworthy as its sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flashblock {
    /// What is voted on.
    pub header: Header,
    /// What the header names.
    pub body: Body,
}

impl Flashblock {
    /// The largest encoding of a flashblock that carries `max_bytes` of transactions.
    pub const fn max_size(max_bytes: usize) -> usize {
        Header::SIZE + Body::OVERHEAD + max_bytes
    }

    /// The header's digest.
    pub fn digest(&self) -> Digest {
        self.header.digest()
    }

    /// The canonical encoding: header ‖ body.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::max_size(self.body.transaction_bytes()));
        out.extend_from_slice(&self.header.encode());
        self.body.write(&mut out);
        out
    }

    /// Decodes a flashblock and refuses a body that the header doesn't name: consensus accepts a body by digest
    /// alone, so this is the only place where the two are tied together.
    pub fn decode(bytes: &[u8], max_bytes: usize) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes);
        let header = Header::read(&mut reader)?;
        let encoded = reader.rest();
        let body = Body::read(&mut reader, max_bytes)?;
        reader.finish()?;
        // A body has one encoding, so these bytes are what the body would be encoded to.
        let found = keccak256(encoded);
        if found != header.body_hash {
            return Err(CodecError::BodyMismatch { expected: header.body_hash, found });
        }
        Ok(Self { header, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(body: &Body) -> Header {
        Header { body_hash: body.hash(), height: 7, ..Header::default() }
    }

    fn body() -> Body {
        let origin = BlockId { number: 5, hash: B256::repeat_byte(5) };
        Body {
            opening: Some(Opening { timestamp: 1_000, origin }),
            transactions: vec![Bytes::from_static(&[2, 3]), Bytes::from_static(&[4])],
        }
    }

    fn flashblock() -> Flashblock {
        let body = body();
        Flashblock { header: header(&body), body }
    }

    #[test]
    fn decoding_refuses_a_body_that_the_header_does_not_name() {
        let mut flashblock = flashblock();
        flashblock.body.transactions.swap(0, 1);
        assert_eq!(
            Flashblock::decode(&flashblock.encode(), 100),
            Err(CodecError::BodyMismatch { expected: flashblock.header.body_hash, found: flashblock.body.hash() })
        );
    }

    #[test]
    fn every_prefix_and_every_suffix_is_refused() {
        let bytes = flashblock().encode();
        assert_eq!(Flashblock::decode(&bytes, 100), Ok(flashblock()));
        for len in 0..bytes.len() {
            assert!(Flashblock::decode(&bytes[..len], 100).is_err(), "{len} bytes");
        }
        let longer = [bytes, vec![0]].concat();
        assert_eq!(Flashblock::decode(&longer, 100), Err(CodecError::TrailingBytes(1)));
    }

    #[test]
    fn the_byte_limit_counts_lengths_and_is_inclusive() {
        let flashblock = flashblock();
        let exact = flashblock.body.transaction_bytes();
        assert_eq!(exact, (4 + 2) + (4 + 1));
        assert!(flashblock.encode().len() <= Flashblock::max_size(exact));
        assert!(Flashblock::decode(&flashblock.encode(), exact).is_ok());
        assert_eq!(
            Flashblock::decode(&flashblock.encode(), exact - 1),
            Err(CodecError::TooLarge { what: "flashblock bytes", value: exact, limit: exact - 1 })
        );
    }

    #[test]
    fn a_count_beyond_the_input_allocates_nothing() {
        let mut bytes = vec![0];
        bytes.extend_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(Body::read(&mut Reader::new(&bytes), usize::MAX), Err(CodecError::UnexpectedEnd));
    }

    #[test]
    fn what_no_encoder_writes_is_refused() {
        let flag = [2, 0, 0, 0, 0];
        assert_eq!(Body::read(&mut Reader::new(&flag), 9), Err(CodecError::Invalid("opening flag")));
        let empty = [0, 0, 0, 0, 1, 0, 0, 0, 0, 0];
        assert_eq!(Body::read(&mut Reader::new(&empty), 9), Err(CodecError::Invalid("empty transaction")));
    }
}
