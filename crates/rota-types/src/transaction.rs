//! A transaction with everything that is computed once: envelope, sender, hash, encoding.

use alloy_consensus::transaction::SignerRecoverable;
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B256, Bytes};
use op_alloy_consensus::OpTxEnvelope;

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
}

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
        let sender = envelope.recover_signer().map_err(|_| TransactionError::InvalidSignature)?;
        Ok(Self { hash: envelope.trie_hash(), envelope, sender, encoded })
    }

    /// Wraps a deposit, which has no signature.
    pub fn deposit(deposit: op_alloy_consensus::TxDeposit) -> Self {
        use alloy_consensus::Sealable;
        let sender = deposit.from;
        let envelope = OpTxEnvelope::Deposit(deposit.seal_slow());
        let encoded = Bytes::from(envelope.encoded_2718());
        Self { hash: envelope.trie_hash(), envelope, sender, encoded }
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
}
