//! An operator's two consensus keys: the p2p identity (ed25519) and the voting key (BLS12-381 MinPk).

use alloy_primitives::{Address, B256, Bytes, FixedBytes};
use commonware_codec::{Copying, DecodeExt as _, Encode as _};
use commonware_cryptography::{
    Signer as _,
    bls12381::primitives::{
        group::Private,
        ops,
        variant::{MinPk, Variant},
    },
    ed25519,
};
use commonware_math::algebra::Random as _;
use rand::{SeedableRng as _, rngs::StdRng};
use rand_core::CryptoRng;
use rota_types::{Identity, KeyDomain, Operator};
use std::fmt;

pub(crate) type PublicKey = ed25519::PublicKey;
pub(crate) type VotingPublic = <MinPk as Variant>::Public;

/// Why bytes are no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a secret key of this kind.
    #[error("not a {0} secret key")]
    Secret(&'static str),
    /// An operator's public key is not a point of its group.
    #[error("operator {0}: malformed public key")]
    Public(String),
}

/// The secret behind a p2p identity. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct IdentityKey(pub(crate) ed25519::PrivateKey);

impl IdentityKey {
    /// A new key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(ed25519::PrivateKey::random(rng))
    }

    /// A key that everybody can compute: tests and development networks only.
    pub fn from_seed(seed: u64) -> Self {
        Self(ed25519::PrivateKey::from_seed(seed))
    }

    /// Reads the 32 secret bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        ed25519::PrivateKey::decode(Copying(bytes)).map(Self).map_err(|_| KeyError::Secret("ed25519"))
    }

    /// The 32 secret bytes, for a keystore.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.encode().as_ref().try_into().expect("an ed25519 secret is 32 bytes")
    }

    /// The public key.
    pub fn identity(&self) -> Identity {
        identity_of(&self.0.public_key())
    }

    /// Says in a registry that this key belongs to an account: 64 bytes.
    pub fn prove(&self, domain: &KeyDomain, account: Address) -> Bytes {
        let (namespace, message) = domain.identity_message(account);
        Bytes::copy_from_slice(self.0.sign(namespace, &message).as_ref())
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityKey({})", self.identity())
    }
}

/// The secret that signs votes. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct VotingKey(pub(crate) Private);

impl VotingKey {
    /// A new key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(Private::random(rng))
    }

    /// A key that everybody can compute: tests and development networks only.
    pub fn from_seed(seed: u64) -> Self {
        Self(Private::random(StdRng::seed_from_u64(seed)))
    }

    /// Reads the 32 secret bytes (a big-endian scalar, not zero).
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        Private::decode(Copying(bytes)).map(Self).map_err(|_| KeyError::Secret("BLS12-381"))
    }

    /// The 32 secret bytes, for a keystore.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.encode().as_ref().try_into().expect("a BLS12-381 secret is 32 bytes")
    }

    /// The public key: a compressed G1 point.
    pub fn public(&self) -> FixedBytes<48> {
        FixedBytes::from_slice(&ops::compute_public::<MinPk>(&self.0).encode())
    }

    /// The proof of possession that the registry, or the committee file, needs: a compressed G2 point.
    pub fn prove_possession(
        &self,
        domain: &KeyDomain,
        account: Address,
        identity: &Identity,
    ) -> Option<FixedBytes<96>> {
        domain.prove_possession(account, identity, &self.to_bytes())
    }
}

impl fmt::Debug for VotingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VotingKey({})", self.public())
    }
}

/// Decodes an operator's public keys. That it possesses the secret of its BLS key has been checked before: by the
/// registry, or when the committee file was read.
pub(crate) fn public_keys(operator: &Operator) -> Result<(PublicKey, VotingPublic), KeyError> {
    let malformed = || KeyError::Public(operator.name.clone());
    let identity = public_key(&operator.identity).ok_or_else(malformed)?;
    let key = VotingPublic::decode(Copying(operator.bls_public_key.as_slice())).map_err(|_| malformed())?;
    Ok((identity, key))
}

/// The key behind an identity; `None` if the bytes are no point.
pub(crate) fn public_key(identity: &Identity) -> Option<PublicKey> {
    PublicKey::decode(Copying(identity.as_slice())).ok()
}

/// The identity of a key.
pub(crate) fn identity_of(key: &PublicKey) -> Identity {
    B256::from_slice(key.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_their_bytes() {
        let (identity, voting) = (IdentityKey::from_seed(1), VotingKey::from_seed(2));
        assert_eq!(IdentityKey::from_bytes(&identity.to_bytes()).expect("key").identity(), identity.identity());
        assert_eq!(VotingKey::from_bytes(&voting.to_bytes()).expect("key").public(), voting.public());
        assert_eq!(VotingKey::from_bytes(&[0; 32]).map(drop), Err(KeyError::Secret("BLS12-381")));
    }

    #[test]
    fn the_genesis_leader_is_a_decodable_key() {
        assert!(public_key(&Identity::ZERO).is_some());
    }
}
