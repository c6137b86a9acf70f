//! A funded account that signs transfers and calls with consecutive nonces.

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use rota_execution::testing::{Request, dev_account};

/// An account and its next nonce.
pub struct Wallet {
    index: u32,
    chain_id: u64,
    /// The next transaction's nonce.
    pub nonce: u64,
}

impl Wallet {
    /// The funded account with this index (0 to 19).
    pub const fn new(chain_id: u64, index: u32) -> Self {
        Self { index, chain_id, nonce: 0 }
    }

    /// The account's address.
    pub fn address(&self) -> Address {
        dev_account(self.index as usize).address()
    }

    /// A transfer of 1 wei: hash and encoding.
    pub fn transfer(&mut self, to: Address) -> (B256, Bytes) {
        self.sign(TxKind::Call(to), 21_000, Bytes::new())
    }

    /// A creation whose init code loops until its gas limit is used up.
    pub fn burn(&mut self, gas_limit: u64) -> (B256, Bytes) {
        // JUMPDEST PUSH0 JUMP
        self.sign(TxKind::Create, gas_limit, Bytes::from_static(&hex!("5b5f56")))
    }

    /// A creation whose init code pairs nothing (45 000 gas), again and again: more precompile gas than fits anywhere.
    pub fn hog(&mut self) -> (B256, Bytes) {
        // JUMPDEST; STATICCALL of precompile 8 with all gas, no input, no output; POP PUSH0 JUMP
        self.sign(TxKind::Create, 16_000_000, Bytes::from_static(&hex!("5b5f5f5f5f60085afa505f56")))
    }

    fn sign(&mut self, to: TxKind, gas: u64, input: Bytes) -> (B256, Bytes) {
        let request = Request {
            chain_id: self.chain_id,
            nonce: self.nonce,
            to,
            gas,
            max_fee: 10_000_000_000,
            priority_fee: 1_000,
            value: U256::from(u64::from(to.is_call())),
            input,
            ..Default::default()
        };
        self.nonce += 1;
        let signed = request.sign(dev_account(self.index as usize));
        (signed.hash(), signed.encoded().clone())
    }
}
