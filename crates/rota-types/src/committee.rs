//! The operators of one epoch, in canonical order: ascending p2p identity.

use crate::{Identity, merkle};
use alloy_primitives::{Address, B256, FixedBytes, keccak256};
use serde::{Deserialize, Serialize};

/// One operator's public data, as a registry publishes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// A name for people; nothing depends on it.
    pub name: String,
    /// p2p identity: ed25519 public key.
    pub identity: Identity,
    /// BLS12-381 MinPk consensus key: compressed G1 point.
    pub bls_public_key: FixedBytes<48>,
    /// Proof of possession of that key: compressed G2 point.
    pub proof_of_possession: FixedBytes<96>,
    /// L1 address whose key posts batches in this operator's posting turn.
    pub posting_address: Address,
    /// Where the operator's p2p listens, `ip:port`.
    pub endpoint: String,
    /// Share of turns (not of votes).
    #[serde(default = "one")]
    pub weight: u64,
}

const fn one() -> u64 {
    1
}

impl Operator {
    /// Leaf under the committee root: `keccak(identity ‖ BLS key ‖ posting address ‖ u64 weight)`.
    pub fn leaf(&self) -> B256 {
        let mut bytes = Vec::with_capacity(108);
        bytes.extend_from_slice(self.identity.as_slice());
        bytes.extend_from_slice(self.bls_public_key.as_slice());
        bytes.extend_from_slice(self.posting_address.as_slice());
        bytes.extend_from_slice(&self.weight.to_be_bytes());
        keccak256(bytes)
    }
}

/// Why a list of operators is no committee.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitteeError {
    /// No operators.
    #[error("a committee needs at least one operator")]
    Empty,
    /// More operators than [`Committee::MAX`].
    #[error("{0} operators exceed the limit of {max}", max = Committee::MAX)]
    TooMany(usize),
    /// Two operators share an identity or a BLS key.
    #[error("operator {0} shares a key with another")]
    DuplicateKey(String),
}

/// The operators of one epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committee(Vec<Operator>);

impl Committee {
    /// The largest committee.
    pub const MAX: usize = 128;

    /// Sorts the operators into canonical order and checks that their keys are unique.
    pub fn new(mut operators: Vec<Operator>) -> Result<Self, CommitteeError> {
        if operators.is_empty() {
            return Err(CommitteeError::Empty);
        }
        if operators.len() > Self::MAX {
            return Err(CommitteeError::TooMany(operators.len()));
        }
        operators.sort_by_key(|operator| operator.identity);
        for (index, operator) in operators.iter().enumerate() {
            let same = |other: &Operator| {
                other.identity == operator.identity || other.bls_public_key == operator.bls_public_key
            };
            if operators[..index].iter().any(same) {
                return Err(CommitteeError::DuplicateKey(operator.name.clone()));
            }
        }
        Ok(Self(operators))
    }

    /// The operators in canonical order; a signer index in a certificate is an index here.
    pub fn operators(&self) -> &[Operator] {
        &self.0
    }

    /// The operator with this identity and its index.
    pub fn find(&self, identity: &Identity) -> Option<(usize, &Operator)> {
        self.0.iter().enumerate().find(|(_, operator)| operator.identity == *identity)
    }

    /// Votes that finalize: n − ⌊(n−1)/3⌋.
    pub fn quorum(&self) -> usize {
        self.0.len() - self.faults()
    }

    /// Byzantine operators tolerated: f = ⌊(n−1)/3⌋.
    pub fn faults(&self) -> usize {
        (self.0.len() - 1) / 3
    }

    /// Merkle root over the operators' leaves.
    pub fn root(&self) -> B256 {
        merkle::root(&self.0.iter().map(Operator::leaf).collect::<Vec<_>>())
    }
}
