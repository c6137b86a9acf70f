//! Who votes in an epoch, as signing schemes.

use crate::keys::{KeyError, PublicKey, VotingKey, VotingPublic, identity_of, public_keys};
use commonware_consensus::{simplex::scheme::bls12381_multisig, types::Epoch};
use commonware_cryptography::{
    bls12381::primitives::variant::MinPk,
    certificate::{self, Scoped},
};
use commonware_utils::{
    TryCollect as _,
    ordered::{BiMap, Set},
};
use rota_types::{ChainSpec, Identity};
use std::sync::Arc;

/// Multi-signatures of BLS12-381 MinPk: attributable, one aggregate per certificate.
pub(crate) type Scheme = bls12381_multisig::Scheme<PublicKey, MinPk>;

/// The members of one epoch.
#[derive(Clone)]
struct Members {
    keys: BiMap<PublicKey, VotingPublic>,
    verifier: Arc<Scheme>,
}

/// The committee of every epoch. All epochs have the committee of the chain spec until a registry names one each;
/// nothing outside this file knows.
#[derive(Clone)]
pub(crate) struct Committees {
    namespace: Arc<[u8]>,
    members: Members,
}

impl Committees {
    /// Decodes every operator's keys.
    pub(crate) fn new(spec: &ChainSpec) -> Result<Self, KeyError> {
        let namespace: Arc<[u8]> = spec.namespace().into();
        let keys: BiMap<PublicKey, VotingPublic> = spec
            .committee
            .operators()
            .iter()
            .map(public_keys)
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .try_collect()
            .expect("a committee's keys are unique");
        let verifier = Arc::new(Scheme::verifier(&namespace, keys.clone()));
        Ok(Self { namespace, members: Members { keys, verifier } })
    }

    const fn members(&self, _epoch: u64) -> &Members {
        &self.members
    }

    /// p2p keys of an epoch's members in canonical order.
    pub(crate) fn participants(&self, epoch: u64) -> &Set<PublicKey> {
        self.members(epoch).keys.keys()
    }

    /// Votes that finalize in an epoch.
    pub(crate) fn quorum(&self, epoch: u64) -> usize {
        let members = self.participants(epoch).len();
        members - (members - 1) / 3
    }

    /// Identity behind a signer index.
    pub(crate) fn identity(&self, epoch: u64, signer: usize) -> Option<Identity> {
        self.participants(epoch).get(signer).map(identity_of)
    }

    /// A scheme that verifies and never signs.
    pub(crate) fn verifier(&self, epoch: u64) -> Arc<Scheme> {
        self.members(epoch).verifier.clone()
    }

    /// A scheme that signs; `None` if the key is not a member's.
    pub(crate) fn signer(&self, epoch: u64, key: &VotingKey) -> Option<Scheme> {
        Scheme::signer(&self.namespace, self.members(epoch).keys.clone(), key.0.clone())
    }
}

impl certificate::Provider for Committees {
    type Scope = Epoch;
    type Scheme = Scheme;

    fn scoped(&self, epoch: Epoch) -> Option<Scoped<Scheme>> {
        Some(Scoped::scheme(self.verifier(epoch.get())))
    }
}
