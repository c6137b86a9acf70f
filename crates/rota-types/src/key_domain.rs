//! What an operator's keys are bound to: a proof that was made for one registry is worth nothing in another.

use crate::{Identity, Operator, codec::put_leb128};
use alloy_primitives::{Address, Bytes, FixedBytes, U256};
use blst::{BLST_ERROR, min_pk};

/// Domain separation tag of proofs of possession (IETF BLS, proof-of-possession scheme).
const POSSESSION_DST: &[u8] = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

/// Namespace of proofs of possession.
const POSSESSION: &[u8] = b"rota_POSSESSION";

/// Namespace of the identity key's signature over its operator.
const IDENTITY: &[u8] = b"rota_IDENTITY";

/// The registry in which keys are entered; all zero on a chain without one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyDomain {
    /// L1 chain id.
    pub l1_chain_id: u64,
    /// The registry's address on L1; zero if there is none.
    pub registry: Address,
}

impl KeyDomain {
    /// What a BLS key signs to prove that its owner knows the secret, under the DST
    /// `BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_`: `LEB128(15) ‖ "rota_POSSESSION" ‖ uint256 chain id ‖ registry ‖
    /// account ‖ identity ‖ key` with the key in the encoding of EIP-2537. `None` if the key is no point of G1.
    fn possession_message(&self, account: Address, identity: &Identity, key: &FixedBytes<48>) -> Option<Vec<u8>> {
        let mut message = Vec::with_capacity(256);
        put_leb128(POSSESSION.len() as u64, &mut message);
        message.extend_from_slice(POSSESSION);
        message.extend_from_slice(&self.place(account));
        message.extend_from_slice(identity.as_slice());
        message.extend_from_slice(&uncompressed(key)?);
        Some(message)
    }

    /// What an identity key (ed25519) signs to say that it belongs to an account, as namespace and message; the bytes are
    /// `LEB128(13) ‖ "rota_IDENTITY" ‖ uint256 chain id ‖ registry ‖ account`.
    pub fn identity_message(&self, account: Address) -> (&'static [u8], Vec<u8>) {
        (IDENTITY, self.place(account))
    }

    /// `uint256 chain id ‖ registry ‖ account`.
    fn place(&self, account: Address) -> Vec<u8> {
        [U256::from(self.l1_chain_id).to_be_bytes::<32>().as_slice(), self.registry.as_slice(), account.as_slice()]
            .concat()
    }

    /// Whether the operator has proven that it knows the secret of its BLS key.
    pub(crate) fn possessed(&self, operator: &Operator) -> bool {
        let verify = || {
            let key = min_pk::PublicKey::key_validate(operator.bls_public_key.as_slice()).ok()?;
            let proof = operator.proof_of_possession?;
            let proof = min_pk::Signature::sig_validate(proof.as_slice(), true).ok()?;
            let message = self.possession_message(operator.account, &operator.identity, &operator.bls_public_key)?;
            Some(proof.verify(false, &message, POSSESSION_DST, &[], &key, false) == BLST_ERROR::BLST_SUCCESS)
        };
        verify().unwrap_or(false)
    }

    /// Proves possession of a BLS key (32 secret bytes, a big-endian scalar) for an account and identity: a compressed
    /// point of G2. `None` if the bytes are no secret key.
    pub fn prove_possession(&self, account: Address, identity: &Identity, secret: &[u8; 32]) -> Option<FixedBytes<96>> {
        let secret = min_pk::SecretKey::from_bytes(secret).ok()?;
        let key = secret.sk_to_pk().to_bytes();
        let message = self.possession_message(account, identity, &key.into())?;
        Some(secret.sign(&message, POSSESSION_DST, &[]).to_bytes().into())
    }
}

/// A compressed point of G1 in the encoding of EIP-2537: two coordinates of 64 bytes. `None` if it is no point of the
/// group's curve.
pub fn uncompressed(key: &FixedBytes<48>) -> Option<Bytes> {
    let point = min_pk::PublicKey::from_bytes(key.as_slice()).ok()?.serialize();
    let mut out = vec![0; 128];
    out[16..64].copy_from_slice(&point[..48]);
    out[80..].copy_from_slice(&point[48..]);
    Some(out.into())
}

/// A point of G1 in the encoding of EIP-2537 (128 bytes), compressed. `None` if it is malformed, not in the group, or
/// infinity.
pub fn compressed(key: &[u8]) -> Option<FixedBytes<48>> {
    if key.len() != 128 || key[..16] != [0; 16] || key[64..80] != [0; 16] {
        return None;
    }
    let mut point = [0; 96];
    point[..48].copy_from_slice(&key[16..64]);
    point[48..].copy_from_slice(&key[80..]);
    let key = min_pk::PublicKey::deserialize(&point).ok()?;
    key.validate().ok()?;
    Some(key.compress().into())
}

/// A compressed point of G2 in the encoding of EIP-2537 (256 bytes: x.c0, x.c1, y.c0, y.c1), as the registry takes it.
/// `None` if it is no point of the curve.
pub fn uncompressed_signature(signature: &FixedBytes<96>) -> Option<Bytes> {
    // blst writes the coefficients in the order c1, c0.
    let point = min_pk::Signature::from_bytes(signature.as_slice()).ok()?.serialize();
    let mut out = vec![0; 256];
    for (to, from) in [(0, 1), (1, 0), (2, 3), (3, 2)] {
        out[to * 64 + 16..(to + 1) * 64].copy_from_slice(&point[from * 48..(from + 1) * 48]);
    }
    Some(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::operator;

    #[test]
    fn keys_survive_the_encoding_of_the_registry() {
        let key = operator(3).bls_public_key;
        let point = uncompressed(&key).expect("a point");
        assert_eq!(compressed(&point), Some(key));
        let mut bent = point.to_vec();
        bent[127] ^= 1;
        assert_eq!(compressed(&bent), None, "not on the curve");
        assert_eq!(compressed(&point[1..]), None);
        assert_eq!(compressed(&[0; 128]), None, "infinity");
        bent = point.to_vec();
        bent[0] = 1;
        assert_eq!(compressed(&bent), None, "padding");
    }
}
