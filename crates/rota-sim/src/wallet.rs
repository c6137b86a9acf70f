//! A funded account that signs transfers and calls with consecutive nonces.

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::{MnemonicBuilder, PrivateKeySigner};

/// Accounts that the recorded genesis funds.
const MNEMONIC: &str = "test test test test test test test test test test test junk";

/// An account and its next nonce.
pub struct Wallet {
    signer: PrivateKeySigner,
    chain_id: u64,
    /// The next transaction's nonce.
    pub nonce: u64,
}

impl Wallet {
    /// The funded account with this index (0 to 19).
    pub fn new(chain_id: u64, index: u32) -> Self {
        let signer = MnemonicBuilder::english().phrase(MNEMONIC).index(index).and_then(|builder| builder.build());
        Self { signer: signer.expect("a valid mnemonic"), chain_id, nonce: 0 }
    }

    /// The account's address.
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// A transfer of 1 wei: hash and encoding.
    pub fn transfer(&mut self, to: Address) -> (B256, Bytes) {
        self.sign(TxKind::Call(to), 21_000, Bytes::new())
    }

    /// A creation whose init code loops until its gas limit is used up.
    pub fn burn(&mut self, gas_limit: u64) -> (B256, Bytes) {
        // JUMPDEST PUSH0 JUMP
        self.sign(TxKind::Create, gas_limit, Bytes::from_static(&[0x5b, 0x5f, 0x56]))
    }

    fn sign(&mut self, to: TxKind, gas_limit: u64, input: Bytes) -> (B256, Bytes) {
        let transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce: self.nonce,
            gas_limit,
            max_fee_per_gas: 10_000_000_000,
            max_priority_fee_per_gas: 1_000,
            to,
            value: U256::from(u64::from(to.is_call())),
            input,
            ..Default::default()
        };
        self.nonce += 1;
        let signature = self.signer.sign_hash_sync(&transaction.signature_hash()).expect("a local key signs");
        let signed = alloy_consensus::TxEnvelope::Eip1559(transaction.into_signed(signature));
        (*signed.tx_hash(), signed.encoded_2718().into())
    }
}
