//! A transaction with everything that is computed once: envelope, sender, hash, encoding.

use alloy_consensus::transaction::SignerRecoverable;
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use op_alloy_consensus::OpTxEnvelope;
use std::sync::OnceLock;

/// Why bytes are not an admissible transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// Not a transaction of a known type, or bytes left over.
    #[error("malformed transaction: {0}")]
    Malformed(String),
    /// A type that users may not send (deposits 0x7e, blob transactions 0x03, 0x7d).
    #[error("transaction type {0:#04x} not supported")]
    UnsupportedType(u8),
    /// The signature recovers to no sender.
    #[error("invalid signature")]
    InvalidSignature,
}

/// A decoded transaction and its sender. Cheap to share behind an `Arc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    envelope: OpTxEnvelope,
    sender: Address,
    hash: B256,
    encoded: Bytes,
    estimated_size: Estimate,
}

/// An estimate that is made when it is first asked for. It says nothing that the transaction doesn't, so any two are alike.
#[derive(Debug, Clone, Default)]
struct Estimate(OnceLock<u64>);

impl PartialEq for Estimate {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Estimate {}

impl Transaction {
    /// Decodes a user's transaction and recovers its sender (≈ 39 µs: once per transaction per node).
    pub fn decode(encoded: Bytes) -> Result<Self, TransactionError> {
        let first = *encoded.first().ok_or_else(|| TransactionError::Malformed("empty".into()))?;
        if matches!(first, 0x03 | 0x05..=0x7f) {
            return Err(TransactionError::UnsupportedType(first));
        }
        let mut rest = encoded.as_ref();
        let envelope = OpTxEnvelope::decode_2718(&mut rest).map_err(|e| TransactionError::Malformed(e.to_string()))?;
        if !rest.is_empty() {
            return Err(TransactionError::Malformed(format!("{} trailing bytes", rest.len())));
        }
        if envelope.encoded_2718() != *encoded {
            return Err(TransactionError::Malformed("not the canonical encoding".into()));
        }
        let sender = envelope.recover_signer().map_err(|_| TransactionError::InvalidSignature)?;
        // The encoding is the canonical one.
        Ok(Self::new(envelope, sender, keccak256(&encoded), encoded))
    }

    fn new(envelope: OpTxEnvelope, sender: Address, hash: B256, encoded: Bytes) -> Self {
        Self { envelope, sender, hash, encoded, estimated_size: Estimate::default() }
    }

    /// Decodes a transaction whose sender was recovered before, as a node's own store keeps both. Never for bytes from
    /// elsewhere: the signature is not looked at.
    pub fn restore(encoded: Bytes, sender: Address) -> Result<Self, TransactionError> {
        let envelope =
            OpTxEnvelope::decode_2718_exact(&encoded).map_err(|e| TransactionError::Malformed(e.to_string()))?;
        let hash = envelope.trie_hash();
        Ok(Self::new(envelope, sender, hash, encoded))
    }

    /// Wraps a deposit, which has no signature.
    pub fn deposit(deposit: op_alloy_consensus::TxDeposit) -> Self {
        use alloy_consensus::Sealable;
        let sender = deposit.from;
        let envelope = OpTxEnvelope::Deposit(deposit.seal_slow());
        let encoded = Bytes::from(envelope.encoded_2718());
        let hash = envelope.trie_hash();
        Self::new(envelope, sender, hash, encoded)
    }

    /// The decoded envelope.
    pub const fn envelope(&self) -> &OpTxEnvelope {
        &self.envelope
    }

    /// The recovered (or, for deposits, named) sender.
    pub const fn sender(&self) -> Address {
        self.sender
    }

    /// The transaction hash.
    pub const fn hash(&self) -> B256 {
        self.hash
    }

    /// The EIP-2718 encoding, as it came.
    pub const fn encoded(&self) -> &Bytes {
        &self.encoded
    }

    /// The size of its data as `estimate` sees it, which is always the same function and is asked only once.
    pub fn estimated_size(&self, estimate: impl FnOnce(&[u8]) -> u64) -> u64 {
        *self.estimated_size.0.get_or_init(|| estimate(&self.encoded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::{SignableTransaction, TxEip1559, TxLegacy};
    use alloy_primitives::{Signature, U256};
    use alloy_signer::SignerSync;
    use alloy_signer_local::PrivateKeySigner;

    fn signer() -> PrivateKeySigner {
        PrivateKeySigner::from_bytes(&B256::repeat_byte(1)).expect("a valid key")
    }

    fn signed<T: SignableTransaction<Signature>>(transaction: &T) -> Signature {
        signer().sign_hash_sync(&transaction.signature_hash()).expect("signs")
    }

    fn eip1559() -> TxEip1559 {
        TxEip1559 { chain_id: 901, gas_limit: 21_000, max_fee_per_gas: 7, ..Default::default() }
    }

    fn encode(transaction: TxEip1559, signature: Signature) -> Bytes {
        OpTxEnvelope::Eip1559(transaction.into_signed(signature)).encoded_2718().into()
    }

    #[test]
    fn sender_and_hash_are_those_of_the_envelope() {
        let encoded = encode(eip1559(), signed(&eip1559()));
        let transaction = Transaction::decode(encoded.clone()).expect("a good transaction");
        assert_eq!(transaction.sender(), signer().address());
        assert_eq!(transaction.hash(), keccak256(&encoded));
        assert_eq!(transaction.encoded(), &encoded);
        let legacy = TxLegacy { chain_id: None, gas_limit: 21_000, ..Default::default() };
        let signature = signed(&legacy);
        let encoded = Bytes::from(OpTxEnvelope::Legacy(legacy.into_signed(signature)).encoded_2718());
        assert_eq!(Transaction::decode(encoded).expect("before EIP-155").sender(), signer().address());
    }

    #[test]
    fn types_that_users_may_not_send_are_refused() {
        for first in [0x03, 0x05, 0x7d, 0x7e, 0x7f] {
            let refused = Transaction::decode(vec![first, 0xc0].into());
            assert_eq!(refused, Err(TransactionError::UnsupportedType(first)));
        }
        let deposit = Transaction::deposit(Default::default());
        assert_eq!(Transaction::decode(deposit.encoded().clone()), Err(TransactionError::UnsupportedType(0x7e)));
        for malformed in [&[][..], &[0x00], &[0x00, 0xc0], &[0x02], &[0x80], &[0xc0], &[0xff; 40]] {
            let refused = Transaction::decode(Bytes::copy_from_slice(malformed));
            assert!(matches!(refused, Err(TransactionError::Malformed(_))), "{malformed:?}: {refused:?}");
        }
    }

    #[test]
    fn no_byte_may_be_missing_or_too_many() {
        let encoded = encode(eip1559(), signed(&eip1559()));
        for len in 0..encoded.len() {
            assert!(Transaction::decode(encoded.slice(..len)).is_err(), "{len} bytes");
        }
        let longer = [&encoded[..], &[0]].concat();
        assert!(matches!(Transaction::decode(longer.into()), Err(TransactionError::Malformed(_))));
    }

    #[test]
    fn a_malleated_signature_is_refused() {
        // secp256k1's order minus s, with the other parity, recovers to the same sender: EIP-2 forbids it.
        let order = "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
        let order: U256 = order.parse().expect("a number");
        let good = signed(&eip1559());
        let high = Signature::new(good.r(), order - good.s(), !good.v());
        assert_eq!(Transaction::decode(encode(eip1559(), high)), Err(TransactionError::InvalidSignature));
        let zero = Signature::new(U256::ZERO, U256::ZERO, false);
        assert_eq!(Transaction::decode(encode(eip1559(), zero)), Err(TransactionError::InvalidSignature));
    }

    #[test]
    fn a_deposit_names_its_sender() {
        let from = Address::repeat_byte(9);
        let deposit = Transaction::deposit(op_alloy_consensus::TxDeposit { from, ..Default::default() });
        assert_eq!(deposit.sender(), from);
        assert_eq!(deposit.hash(), keccak256(deposit.encoded()));
    }
}
