//! Who votes in an epoch, as signing schemes.

use crate::{
    Epochs,
    keys::{KeyError, PublicKey, VotingKey, VotingPublic, identity_of, public_keys},
};
use commonware_consensus::{simplex::scheme::bls12381_multisig, types::Epoch};
use commonware_cryptography::{
    bls12381::primitives::variant::MinPk,
    certificate::{self, Scoped},
};
use commonware_utils::{
    TryCollect as _,
    ordered::{BiMap, Set},
};
use parking_lot::Mutex;
use rota_types::{ChainSpec, Committee, Identity};
use std::{collections::BTreeMap, sync::Arc};

/// Multi-signatures of BLS12-381 MinPk: attributable, one aggregate per certificate.
pub(crate) type Scheme = bls12381_multisig::Scheme<PublicKey, MinPk>;

/// Epochs whose schemes are kept.
const KEPT: usize = 16;

/// The members of one epoch.
#[derive(Clone)]
pub(crate) struct Members {
    keys: BiMap<PublicKey, VotingPublic>,
    verifier: Scheme,
}

impl Members {
    fn new(namespace: &[u8], committee: &Committee) -> Result<Self, KeyError> {
        let keys = committee.operators().iter().map(public_keys).collect::<Result<Vec<_>, _>>()?;
        let keys: BiMap<_, _> = keys.into_iter().try_collect().expect("a committee's keys are unique");
        let verifier = Scheme::verifier(namespace, keys.clone());
        Ok(Self { keys, verifier })
    }

    /// p2p keys in canonical order.
    pub(crate) const fn keys(&self) -> &Set<PublicKey> {
        self.keys.keys()
    }

    /// Votes that finalize.
    pub(crate) fn quorum(&self) -> usize {
        let members = self.keys().len();
        members - (members - 1) / 3
    }

    /// Identity behind a signer index.
    pub(crate) fn identity(&self, signer: usize) -> Option<Identity> {
        self.keys().get(signer).map(identity_of)
    }

    /// A scheme that verifies and never signs.
    pub(crate) const fn verifier(&self) -> &Scheme {
        &self.verifier
    }

    /// A scheme that signs for the member `me`; `None` if `me` is no member or votes with another key.
    pub(crate) fn signer(&self, namespace: &[u8], me: &PublicKey, key: &VotingKey) -> Option<Scheme> {
        let scheme = Scheme::signer(namespace, self.keys.clone(), key.0.clone())?;
        let index = self.keys().position(me)?;
        use certificate::Scheme as _;
        (scheme.me().is_some_and(|own| own.index().get() as usize == index)).then_some(scheme)
    }
}

/// The members of every epoch that is known.
#[derive(Clone)]
pub(crate) struct Committees {
    namespace: Arc<[u8]>,
    epochs: Epochs,
    members: Arc<Mutex<BTreeMap<u64, Arc<Members>>>>,
}

impl Committees {
    /// Fails if a key of the first committee is malformed; a registry keeps such keys out of later ones.
    pub(crate) fn new(spec: &ChainSpec, epochs: Epochs) -> Result<Self, KeyError> {
        let namespace: Arc<[u8]> = spec.namespace().into();
        Members::new(&namespace, &spec.committee)?;
        Ok(Self { namespace, epochs, members: Arc::default() })
    }

    /// The members of an epoch; `None` while they are not known.
    pub(crate) fn members(&self, epoch: u64) -> Option<Arc<Members>> {
        let mut kept = self.members.lock();
        if let Some(members) = kept.get(&epoch) {
            return Some(members.clone());
        }
        let members = Members::new(&self.namespace, self.epochs.get(epoch)?.committee()).ok()?;
        let members = Arc::new(members);
        kept.insert(epoch, members.clone());
        while kept.len() > KEPT {
            kept.pop_first();
        }
        Some(members)
    }

    /// A scheme that signs; `None` if the key is not that of the member `me`.
    pub(crate) fn signer(&self, epoch: u64, me: &PublicKey, key: &VotingKey) -> Option<Scheme> {
        self.members(epoch)?.signer(&self.namespace, me, key)
    }
}

impl certificate::Provider for Committees {
    type Scope = Epoch;
    type Scheme = Scheme;

    fn scoped(&self, epoch: Epoch) -> Option<Scoped<Scheme>> {
        self.members(epoch.get()).map(|members| Scoped::scheme(Arc::new(members.verifier.clone())))
    }
}
