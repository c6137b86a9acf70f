//! What votes are signed with: the engine is generic over it, and every runtime names one.

use crate::{
    block::Digest,
    keys::{PublicKey, VotingKey, VotingPublic},
};
use commonware_consensus::simplex::scheme::{self, bls12381_multisig};
use commonware_cryptography::{bls12381::primitives::variant::MinPk, certificate::Verifier};
use commonware_utils::ordered::BiMap;

/// An attributable signature scheme over a committee's voting keys, whose certificates have the encoding of [`Bls`].
pub(crate) trait Signatures: scheme::Scheme<Digest> + Verifier<PublicKey = PublicKey> {
    /// Which of its kinds, for a scheme that has several.
    type Kind: Copy + Send + Sync + 'static;

    /// A scheme that verifies and never signs.
    fn verifier(kind: Self::Kind, namespace: &[u8], keys: BiMap<PublicKey, VotingPublic>) -> Self;

    /// A scheme that signs for the owner of `key`; `None` if that is nobody's.
    fn signer(
        kind: Self::Kind,
        namespace: &[u8],
        keys: BiMap<PublicKey, VotingPublic>,
        key: &VotingKey,
    ) -> Option<Self>;
}

/// Multi-signatures of BLS12-381 MinPk: attributable, one aggregate per certificate.
pub(crate) type Bls = bls12381_multisig::Scheme<PublicKey, MinPk>;

impl Signatures for Bls {
    type Kind = ();

    fn verifier((): (), namespace: &[u8], keys: BiMap<PublicKey, VotingPublic>) -> Self {
        Self::verifier(namespace, keys)
    }

    fn signer((): (), namespace: &[u8], keys: BiMap<PublicKey, VotingPublic>, key: &VotingKey) -> Option<Self> {
        Self::signer(namespace, keys, key.0.clone())
    }
}
