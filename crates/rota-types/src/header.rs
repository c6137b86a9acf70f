//! The fixed-width flashblock header (256 bytes) and its digest, cheap to rebuild in a contract.

use crate::{
    Identity,
    codec::{CodecError, Reader},
};
use alloy_primitives::{B256, keccak256};
use serde::{Deserialize, Serialize};

/// keccak256 of a header's encoding: what consensus votes on.
pub type Digest = B256;

/// The version of the rules that this build follows; in every header and p2p handshake.
pub const PROTOCOL_VERSION: u16 = 1;

/// A flashblock header. All integers are big-endian in the encoding, in the order of the fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Protocol version ([`PROTOCOL_VERSION`]).
    pub version: u16,
    /// L2 chain id.
    pub chain_id: u64,
    /// Lineage: a certified ledger is never rewound within one.
    pub lineage: u32,
    /// Epoch of the view in which this flashblock was first proposed.
    pub epoch: u64,
    /// View in which this flashblock was first proposed.
    pub view: u64,
    /// Identity of the leader of that view.
    pub leader: Identity,
    /// View of the parent (0 for the first of an epoch).
    pub parent_view: u64,
    /// Digest of the parent flashblock.
    pub parent: Digest,
    /// Height: the parent's plus one.
    pub height: u64,
    /// Number of the L2 block that this flashblock is part of.
    pub block_number: u64,
    /// Index of this flashblock in its L2 block; 0 opens it.
    pub index: u16,
    /// keccak256 of the body's encoding.
    pub body_hash: B256,
    /// Root over this flashblock's (transaction, receipt) leaves, see [`crate::merkle`].
    pub outcome_root: B256,
    /// Gas used in the L2 block up to and including this flashblock.
    pub cumulative_gas: u64,
    /// Hash of the L2 block if this flashblock seals it, else zero.
    pub seal: B256,
    /// Root of the next epoch's committee at the last height of an epoch, else zero.
    pub next_committee_root: B256,
}

impl Header {
    /// Bytes of an encoded header.
    pub const SIZE: usize = 256;

    /// The canonical encoding.
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let mut out = Vec::with_capacity(Self::SIZE);
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(&self.chain_id.to_be_bytes());
        out.extend_from_slice(&self.lineage.to_be_bytes());
        out.extend_from_slice(&self.epoch.to_be_bytes());
        out.extend_from_slice(&self.view.to_be_bytes());
        out.extend_from_slice(self.leader.as_slice());
        out.extend_from_slice(&self.parent_view.to_be_bytes());
        out.extend_from_slice(self.parent.as_slice());
        out.extend_from_slice(&self.height.to_be_bytes());
        out.extend_from_slice(&self.block_number.to_be_bytes());
        out.extend_from_slice(&self.index.to_be_bytes());
        out.extend_from_slice(self.body_hash.as_slice());
        out.extend_from_slice(self.outcome_root.as_slice());
        out.extend_from_slice(&self.cumulative_gas.to_be_bytes());
        out.extend_from_slice(self.seal.as_slice());
        out.extend_from_slice(self.next_committee_root.as_slice());
        out.try_into().expect("the fields add up to 256 bytes")
    }

    /// Reads a header. Every 256 bytes are one: there is nothing to reject but a short input.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            version: reader.u16()?,
            chain_id: reader.u64()?,
            lineage: reader.u32()?,
            epoch: reader.u64()?,
            view: reader.u64()?,
            leader: reader.b256()?,
            parent_view: reader.u64()?,
            parent: reader.b256()?,
            height: reader.u64()?,
            block_number: reader.u64()?,
            index: reader.u16()?,
            body_hash: reader.b256()?,
            outcome_root: reader.b256()?,
            cumulative_gas: reader.u64()?,
            seal: reader.b256()?,
            next_committee_root: reader.b256()?,
        })
    }

    /// keccak256 of the encoding.
    pub fn digest(&self) -> Digest {
        keccak256(self.encode())
    }

    /// Whether this flashblock completes its L2 block.
    pub fn seals(&self) -> bool {
        !self.seal.is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_the_encoding_matters() {
        let bytes: [u8; Header::SIZE] = std::array::from_fn(|i| i as u8);
        let header = Header::read(&mut Reader::new(&bytes)).expect("every 256 bytes are a header");
        assert_eq!(header.encode(), bytes);
        for index in 0..Header::SIZE {
            let mut other = bytes;
            other[index] ^= 1;
            let other = Header::read(&mut Reader::new(&other)).expect("every 256 bytes are a header");
            assert_ne!(other, header, "byte {index} is read");
            assert_ne!(other.digest(), header.digest(), "byte {index} is signed");
        }
    }

    #[test]
    fn fewer_bytes_are_no_header() {
        for len in 0..Header::SIZE {
            assert_eq!(Header::read(&mut Reader::new(&vec![0; len])), Err(CodecError::UnexpectedEnd));
        }
    }
}
