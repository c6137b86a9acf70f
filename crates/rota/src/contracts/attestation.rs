//! What members sign together (EIP-712, `contracts/src/Attestation.sol`). The digest is computed here: an endpoint that is
//! not trusted gets nothing else signed.

use super::abi::Ready;
use alloy_primitives::{Address, B256, Bytes, Signature};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::SolStruct;
use eyre::WrapErr;
use rota_l1::turns::{SkipDomain, attestation_domain};
use std::collections::BTreeMap;

/// What is said, to which contract.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statement {
    digest: B256,
}

impl Statement {
    /// A candidate has been seen in sync, with this identity: for the registry.
    pub(crate) fn ready(chain_id: u64, registry: Address, operator: Address, identity: B256) -> Self {
        Self { digest: Ready { operator, identity }.eip712_signing_hash(&attestation_domain(chain_id, registry)) }
    }

    /// The poster of a turn is silent: for `PostingTurns`.
    pub(crate) fn skip(chain_id: u64, turns: Address, turn: u64) -> Self {
        Self { digest: SkipDomain { l1_chain_id: chain_id, contract: turns }.digest(turn) }
    }

    /// 65 bytes `r ‖ s ‖ v`.
    pub(crate) fn sign(&self, key: &PrivateKeySigner) -> eyre::Result<Bytes> {
        Ok(key.sign_hash_sync(&self.digest).wrap_err("cannot sign")?.as_bytes().into())
    }

    /// Signatures as contracts take them: in ascending order of their signers, each once.
    pub(crate) fn in_order(&self, signatures: &[Bytes]) -> eyre::Result<Vec<Bytes>> {
        let mut by_signer = BTreeMap::new();
        for signature in signatures {
            let parsed = Signature::from_raw(signature).wrap_err_with(|| format!("{signature} is no signature"))?;
            let signer = parsed.recover_address_from_prehash(&self.digest);
            by_signer.insert(signer.wrap_err_with(|| format!("{signature} is nobody's signature"))?, signature.clone());
        }
        Ok(by_signer.into_values().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Vector {
        chain_id: u64,
        contract: Address,
        signer_secret: B256,
        ready: Signed<ReadyMessage>,
        skip: Signed<SkipMessage>,
    }

    #[derive(Deserialize)]
    struct Signed<T> {
        message: T,
        digest: B256,
        signature: Bytes,
    }

    #[derive(Deserialize)]
    struct ReadyMessage {
        operator: Address,
        identity: B256,
    }

    #[derive(Deserialize)]
    struct SkipMessage {
        turn: String,
    }

    fn vector() -> (Vector, PrivateKeySigner) {
        let text = include_str!("../../../../vectors/registry/attestation.json");
        let vector: Vector = serde_json::from_str(text).expect("recorded");
        let signer = PrivateKeySigner::from_bytes(&vector.signer_secret).expect("a key");
        (vector, signer)
    }

    #[test]
    fn statements_are_signed_as_the_contracts_verify_them() {
        let (Vector { chain_id, contract, ready, skip, .. }, signer) = vector();
        let message = &ready.message;
        let statement = Statement::ready(chain_id, contract, message.operator, message.identity);
        assert_eq!(statement.digest, ready.digest);
        assert_eq!(statement.sign(&signer).expect("signed"), ready.signature);
        let statement = Statement::skip(chain_id, contract, skip.message.turn.parse().expect("a number"));
        assert_eq!(statement.digest, skip.digest);
        assert_eq!(statement.sign(&signer).expect("signed"), skip.signature);
    }

    #[test]
    fn signatures_ascend_by_signer_and_count_once() {
        let statement = Statement::skip(900, Address::ZERO, 7);
        let mut signers: Vec<_> =
            (1..=3).map(|byte| PrivateKeySigner::from_bytes(&B256::repeat_byte(byte)).expect("a key")).collect();
        signers.sort_by_key(|signer| std::cmp::Reverse(signer.address()));
        let mut signatures: Vec<_> = signers.iter().map(|signer| statement.sign(signer).expect("signed")).collect();
        let expected: Vec<_> = signatures.iter().rev().cloned().collect();
        signatures.push(signatures[0].clone());
        assert_eq!(statement.in_order(&signatures).expect("signatures"), expected);
        assert!(statement.in_order(&[Bytes::from_static(b"no signature")]).is_err());
    }
}
