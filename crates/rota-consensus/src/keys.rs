//! An operator's two consensus keys: the p2p identity (ed25519) and the voting key (BLS12-381 MinPk).

use alloy_primitives::{B256, FixedBytes};
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
use rota_types::{Identity, Operator};
use std::fmt;

pub(crate) type PublicKey = ed25519::PublicKey;
pub(crate) type VotingPublic = <MinPk as Variant>::Public;

/// What a proof of possession signs besides the key itself; the same for every chain, so that a key and its proof are
/// made once.
const POSSESSION_NAMESPACE: &[u8] = b"rota_POSSESSION";

/// Why bytes are no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a secret key of this kind.
    #[error("not a {0} secret key")]
    Secret(&'static str),
    /// An operator's public key is not a point of its group.
    #[error("operator {0}: malformed public key")]
    Public(String),
    /// An operator's proof of possession does not verify: its key could cancel out others'.
    #[error("operator {0}: proof of possession does not verify")]
    Possession(String),
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

    /// The proof of possession that the committee file needs: a compressed G2 point.
    pub fn proof_of_possession(&self) -> FixedBytes<96> {
        FixedBytes::from_slice(&ops::sign_proof_of_possession::<MinPk>(&self.0, POSSESSION_NAMESPACE).encode())
    }
}

impl fmt::Debug for VotingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VotingKey({})", self.public())
    }
}

/// Decodes an operator's public keys and checks its proof of possession: multi-signatures are only sound with it.
pub(crate) fn verified_keys(operator: &Operator) -> Result<(PublicKey, VotingPublic), KeyError> {
    let malformed = || KeyError::Public(operator.name.clone());
    let identity = public_key(&operator.identity).ok_or_else(malformed)?;
    let key = VotingPublic::decode(Copying(operator.bls_public_key.as_slice())).map_err(|_| malformed())?;
    let refused = || KeyError::Possession(operator.name.clone());
    let proof = <MinPk as Variant>::Signature::decode(Copying(operator.proof_of_possession.as_slice()))
        .map_err(|_| refused())?;
    ops::verify_proof_of_possession::<MinPk>(&key, POSSESSION_NAMESPACE, &proof).map_err(|_| refused())?;
    Ok((identity, key))
}

/// Checks an operator's proof of possession.
pub fn verify_proof_of_possession(operator: &Operator) -> Result<(), KeyError> {
    verified_keys(operator).map(drop)
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
    use alloy_primitives::Address;

    fn operator(seed: u64) -> Operator {
        let voting = VotingKey::from_seed(seed);
        Operator {
            name: "a".into(),
            identity: IdentityKey::from_seed(seed).identity(),
            bls_public_key: voting.public(),
            proof_of_possession: voting.proof_of_possession(),
            posting_address: Address::ZERO,
            endpoint: String::new(),
            weight: 1,
        }
    }

    #[test]
    fn keys_survive_their_bytes() {
        let (identity, voting) = (IdentityKey::from_seed(1), VotingKey::from_seed(2));
        assert_eq!(IdentityKey::from_bytes(&identity.to_bytes()).expect("key").identity(), identity.identity());
        assert_eq!(VotingKey::from_bytes(&voting.to_bytes()).expect("key").public(), voting.public());
        assert_eq!(VotingKey::from_bytes(&[0; 32]).map(drop), Err(KeyError::Secret("BLS12-381")));
    }

    #[test]
    fn possession_of_another_key_is_refused() {
        assert_eq!(verify_proof_of_possession(&operator(1)), Ok(()));
        let stolen = Operator { proof_of_possession: operator(2).proof_of_possession, ..operator(1) };
        assert_eq!(verify_proof_of_possession(&stolen), Err(KeyError::Possession("a".into())));
    }

    #[test]
    fn the_genesis_leader_is_a_decodable_key() {
        assert!(public_key(&Identity::ZERO).is_some());
    }
}
