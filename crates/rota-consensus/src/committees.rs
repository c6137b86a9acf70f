//! Who votes in an epoch, as signing schemes.

use crate::{
    Epochs,
    keys::{KeyError, PublicKey, VotingKey, VotingPublic, identity_of, public_keys},
    scheme::Signatures,
};
use commonware_consensus::types::Epoch;
use commonware_cryptography::certificate::{self, Scoped};
use commonware_utils::{
    TryCollect as _,
    ordered::{BiMap, Set},
};
use parking_lot::Mutex;
use rota_types::{ChainSpec, Committee, Identity};
use std::{collections::BTreeMap, sync::Arc};

/// Epochs whose schemes are kept.
const KEPT: usize = 16;

/// The members of one epoch.
#[derive(Clone)]
pub(crate) struct Members<S: Signatures> {
    kind: S::Kind,
    keys: BiMap<PublicKey, VotingPublic>,
    verifier: Arc<S>,
}

impl<S: Signatures> Members<S> {
    fn new(kind: S::Kind, namespace: &[u8], committee: &Committee) -> Result<Self, KeyError> {
        let keys = committee.operators().iter().map(public_keys).collect::<Result<Vec<_>, _>>()?;
        let keys: BiMap<_, _> = keys.into_iter().try_collect().expect("a committee's keys are unique");
        let verifier = Arc::new(S::verifier(kind, namespace, keys.clone()));
        Ok(Self { kind, keys, verifier })
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
    pub(crate) fn verifier(&self) -> &S {
        &self.verifier
    }

    /// A scheme that signs for the member `me`; `None` if `me` is no member or votes with another key.
    pub(crate) fn signer(&self, namespace: &[u8], me: &PublicKey, key: &VotingKey) -> Option<S> {
        let scheme = S::signer(self.kind, namespace, self.keys.clone(), key)?;
        let index = self.keys().position(me)?;
        (scheme.me().is_some_and(|own| own.index().get() as usize == index)).then_some(scheme)
    }
}

/// The members of every epoch that is known.
#[derive(Clone)]
pub(crate) struct Committees<S: Signatures> {
    kind: S::Kind,
    namespace: Arc<[u8]>,
    epochs: Epochs,
    members: Arc<Mutex<BTreeMap<u64, Arc<Members<S>>>>>,
}

impl<S: Signatures> Committees<S> {
    /// Fails if a key of the first committee is malformed; a registry keeps such keys out of later ones.
    pub(crate) fn new(spec: &ChainSpec, epochs: Epochs, kind: S::Kind) -> Result<Self, KeyError> {
        let namespace: Arc<[u8]> = spec.namespace().into();
        Members::<S>::new(kind, &namespace, &spec.committee)?;
        Ok(Self { kind, namespace, epochs, members: Arc::default() })
    }

    /// The members of an epoch; `None` while they are not known.
    pub(crate) fn members(&self, epoch: u64) -> Option<Arc<Members<S>>> {
        let mut kept = self.members.lock();
        if let Some(members) = kept.get(&epoch) {
            return Some(members.clone());
        }
        let members = Members::new(self.kind, &self.namespace, self.epochs.get(epoch)?.committee()).ok()?;
        let members = Arc::new(members);
        kept.insert(epoch, members.clone());
        while kept.len() > KEPT {
            kept.pop_first();
        }
        Some(members)
    }

    /// A scheme that signs; `None` if the key is not that of the member `me`.
    pub(crate) fn signer(&self, epoch: u64, me: &PublicKey, key: &VotingKey) -> Option<S> {
        self.members(epoch)?.signer(&self.namespace, me, key)
    }
}

impl<S: Signatures> certificate::Provider for Committees<S> {
    type Scope = Epoch;
    type Scheme = S;

    fn scoped(&self, epoch: Epoch) -> Option<Scoped<S>> {
        self.members(epoch.get()).map(|members| Scoped::scheme(members.verifier.clone()))
    }
}
