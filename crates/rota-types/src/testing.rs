//! Operators with known secrets, and what they sign.

use crate::{Certificate, Committee, KeyDomain, Operator, codec::put_leb128};
use alloy_primitives::{Address, B256, keccak256};
use blst::min_pk::{AggregateSignature, SecretKey};

/// The BLS secret of operator `index`.
pub(crate) fn secret(index: u8) -> SecretKey {
    SecretKey::key_gen(&[index; 32], &[]).expect("32 bytes of key material")
}

/// Operator `index` (its place in the committee follows from its identity, not from `index`).
pub(crate) fn operator(index: u8) -> Operator {
    let (account, identity) = (Address::ZERO, keccak256([index]));
    let proof = KeyDomain::default().prove_possession(account, &identity, &secret(index).to_bytes());
    Operator {
        name: format!("operator-{index}"),
        account,
        identity,
        bls_public_key: secret(index).sk_to_pk().to_bytes().into(),
        proof_of_possession: proof,
        posting_address: Address::repeat_byte(index),
        endpoint: format!("127.0.0.1:{}", 9000 + u16::from(index)),
        weight: 1,
        reserve: false,
    }
}

/// A vote: a signature over `LEB128(len(ns)) ‖ ns ‖ message`.
fn sign(index: u8, namespace: &[u8], message: &[u8]) -> blst::min_pk::Signature {
    let mut bytes = Vec::new();
    put_leb128(namespace.len() as u64, &mut bytes);
    bytes.extend_from_slice(namespace);
    bytes.extend_from_slice(message);
    secret(index).sign(&bytes, b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_", &[])
}

/// A committee of the operators `0..n`.
pub(crate) fn committee(n: u8) -> Committee {
    Committee::new((0..n).map(operator).collect()).expect("distinct keys")
}

/// A certificate of `digest` by the committee members at `signers` (indices in canonical order).
pub(crate) fn certificate(namespace: &[u8], n: u8, signers: &[usize], digest: B256) -> Certificate {
    let committee = committee(n);
    let mut certificate = Certificate {
        epoch: 3,
        view: 300,
        parent_view: 299,
        digest,
        signers: (0..committee.operators().len()).map(|index| signers.contains(&index)).collect(),
        signature: Default::default(),
    };
    // The subject is what precedes the 8 bytes of the bitmap's length, the bitmap and the signature.
    let encoded = certificate.encode();
    let subject = &encoded[..encoded.len() - 96 - usize::from(n).div_ceil(8) - 8];
    let namespace = [namespace, b"_FINALIZE"].concat();
    let votes: Vec<_> = signers
        .iter()
        .map(|member| {
            let identity = committee.operators()[*member].identity;
            let index = (0..n).find(|index| operator(*index).identity == identity).expect("a member");
            sign(index, &namespace, subject)
        })
        .collect();
    if let Ok(aggregate) = AggregateSignature::aggregate(&votes.iter().collect::<Vec<_>>(), true) {
        certificate.signature = aggregate.to_signature().to_bytes().into();
    }
    certificate
}
