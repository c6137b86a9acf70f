//! What the registry on L1 publishes (`contracts/src/OperatorRegistry.sol`): the committees are a fold of its events.

use crate::Identity;
use alloy_primitives::{Address, B256, Bytes};

/// Where an operator stands; the numbers are the contract's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorStatus {
    /// Joined; follows until it is ready.
    Candidate = 1,
    /// Votes and has turns.
    Member = 2,
    /// A member until its time has come.
    Leaving = 3,
    /// No member until released.
    Jailed = 4,
    /// Gone.
    Left = 5,
}

impl OperatorStatus {
    /// The status with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Candidate,
            2 => Self::Member,
            3 => Self::Leaving,
            4 => Self::Jailed,
            5 => Self::Left,
            _ => return None,
        })
    }
}

/// An operator's whole entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryEntry {
    /// p2p identity: ed25519 public key.
    pub identity: Identity,
    /// That key's signature over [`crate::KeyDomain::identity_message`]: 64 bytes, whatever the contract was given.
    pub identity_proof: Bytes,
    /// BLS12-381 consensus key in the encoding of EIP-2537, its possession verified by the contract.
    pub bls_key: Bytes,
    /// Posts batches.
    pub posting: Address,
    /// Is paid.
    pub reward: Address,
    /// Where its p2p listens.
    pub endpoint: String,
    /// Share of turns.
    pub weight: u64,
    /// A voting member without regular turns.
    pub reserve: bool,
    /// Where it stands.
    pub status: OperatorStatus,
    /// Seconds since 1970 at which a leaving operator's membership ends.
    pub leaves_at: u64,
}

/// A change of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryEvent {
    /// An operator joined or changed.
    Operator {
        /// Its account on L1.
        account: Address,
        /// Its entry from now on.
        entry: Box<RegistryEntry>,
    },
    /// Turns are given by another strategy from an epoch on.
    Schedule {
        /// The strategy's name on L1.
        kind: B256,
        /// The first epoch.
        from_epoch: u64,
    },
}
