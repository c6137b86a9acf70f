//! The operators of one epoch, in canonical order: ascending p2p identity.

use crate::{Identity, KeyDomain, merkle};
use alloy_primitives::{Address, B256, FixedBytes, keccak256};
use serde::{Deserialize, Serialize};

/// One operator's public data, as a registry publishes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// A name for people; nothing depends on it.
    pub name: String,
    /// L1 account that owns the entry in the registry; zero on a chain without one.
    #[serde(default)]
    pub account: Address,
    /// p2p identity: ed25519 public key.
    pub identity: Identity,
    /// BLS12-381 MinPk consensus key: compressed G1 point.
    pub bls_public_key: FixedBytes<48>,
    /// Proof of possession of that key: compressed G2 point. None where the registry has verified it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof_of_possession: Option<FixedBytes<96>>,
    /// L1 address whose key posts batches in this operator's posting turn.
    pub posting_address: Address,
    /// Where the operator's p2p listens, `ip:port`.
    pub endpoint: String,
    /// Share of turns (not of votes).
    #[serde(default = "one")]
    pub weight: u64,
    /// A voting member without regular turns.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reserve: bool,
}

const fn one() -> u64 {
    1
}

impl Operator {
    /// Leaf under the committee root:
    /// `keccak(identity ‖ BLS key ‖ account ‖ posting address ‖ u64 weight ‖ u8 reserve)`.
    pub fn leaf(&self) -> B256 {
        let mut bytes = Vec::with_capacity(129);
        bytes.extend_from_slice(self.identity.as_slice());
        bytes.extend_from_slice(self.bls_public_key.as_slice());
        bytes.extend_from_slice(self.account.as_slice());
        bytes.extend_from_slice(self.posting_address.as_slice());
        bytes.extend_from_slice(&self.weight.to_be_bytes());
        bytes.push(self.reserve.into());
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
    /// An operator's BLS key is not proven to be its own: it could cancel the keys of others in an aggregate.
    #[error("operator {0}: the proof of possession does not verify")]
    Possession(String),
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

    /// Refuses a committee with an unproven BLS key. Must hold before any certificate of it is believed; for a committee
    /// from a registry the registry has seen to it.
    pub fn check_possession(&self, domain: &KeyDomain) -> Result<(), CommitteeError> {
        match self.0.iter().find(|operator| !domain.possessed(operator)) {
            None => Ok(()),
            Some(operator) => Err(CommitteeError::Possession(operator.name.clone())),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{committee, operator};

    #[test]
    fn the_order_of_the_file_does_not_matter() {
        let forwards = Committee::new((0..7).map(operator).collect()).expect("distinct keys");
        let backwards = Committee::new((0..7).rev().map(operator).collect()).expect("distinct keys");
        assert_eq!(forwards, backwards);
        assert!(forwards.operators().is_sorted_by_key(|operator| operator.identity));
        let (index, found) = forwards.find(&operator(3).identity).expect("a member");
        assert_eq!((found, &forwards.operators()[index]), (&operator(3), &operator(3)));
        assert_eq!(forwards.find(&operator(8).identity), None);
    }

    #[test]
    fn no_committee_without_distinct_keys() {
        assert_eq!(Committee::new(vec![]), Err(CommitteeError::Empty));
        let many = (0..=Committee::MAX as u8).map(|i| Operator { identity: keccak256([i]), ..operator(0) }).collect();
        assert_eq!(Committee::new(many), Err(CommitteeError::TooMany(129)));
        let same_identity = Operator { identity: operator(0).identity, ..operator(1) };
        let same_key = Operator { bls_public_key: operator(0).bls_public_key, ..operator(1) };
        for twin in [same_identity, same_key] {
            let refused = Committee::new(vec![operator(0), twin, operator(2)]);
            assert!(matches!(refused, Err(CommitteeError::DuplicateKey(_))), "{refused:?}");
        }
    }

    #[test]
    fn quorum_outvotes_the_faulty_and_is_reached_without_them() {
        for n in 1..=40 {
            let committee = committee(n);
            let (n, f, quorum) = (usize::from(n), committee.faults(), committee.quorum());
            assert!(n > 3 * f && n <= 3 * (f + 1), "f is the most that n tolerates");
            assert!(2 * quorum > n + f, "two quorums share an honest member");
            assert!(quorum <= n - f, "the honest suffice");
        }
    }

    #[test]
    fn possession_is_proven_by_the_own_key_only() {
        let domain = KeyDomain::default();
        assert_eq!(committee(4).check_possession(&domain), Ok(()));
        let borrowed = Operator { proof_of_possession: operator(5).proof_of_possession, ..operator(4) };
        let garbage = Operator { bls_public_key: FixedBytes::repeat_byte(0xff), ..operator(4) };
        let infinity = {
            let (mut key, mut proof) = (FixedBytes::ZERO, FixedBytes::ZERO);
            (key[0], proof[0]) = (0xc0, 0xc0);
            Operator { bls_public_key: key, proof_of_possession: Some(proof), ..operator(4) }
        };
        let missing = Operator { proof_of_possession: None, ..operator(4) };
        let moved = Operator { account: Address::repeat_byte(9), ..operator(4) };
        for unproven in [borrowed, garbage, infinity, missing, moved] {
            let committee = Committee::new(vec![operator(0), unproven]).expect("distinct keys");
            assert_eq!(committee.check_possession(&domain), Err(CommitteeError::Possession("operator-4".into())));
        }
        let elsewhere = KeyDomain { l1_chain_id: 1, ..domain };
        assert!(committee(4).check_possession(&elsewhere).is_err(), "a proof is worth nothing at another registry");
    }

    #[test]
    fn the_root_covers_what_registries_publish_and_nothing_else() {
        let root = committee(4).root();
        let with = |change: &dyn Fn(&mut Operator)| {
            let mut operators: Vec<_> = (0..4).map(operator).collect();
            change(&mut operators[0]);
            Committee::new(operators).expect("distinct keys").root()
        };
        assert_ne!(with(&|operator| operator.weight = 2), root);
        assert_ne!(with(&|operator| operator.reserve = true), root);
        assert_ne!(with(&|operator| operator.account = Address::repeat_byte(0xff)), root);
        assert_ne!(with(&|operator| operator.posting_address = Address::repeat_byte(0xff)), root);
        assert_ne!(with(&|operator| operator.identity = B256::ZERO), root);
        assert_ne!(with(&|operator| operator.bls_public_key = FixedBytes::ZERO), root);
        assert_eq!(with(&|operator| operator.name = "renamed".into()), root);
        assert_eq!(with(&|operator| operator.endpoint = "moved:1".into()), root);
    }
}
