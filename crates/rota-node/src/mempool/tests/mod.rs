//! Claims about the pool, and what they are made with: wallets, an engine with accounts but no execution.

mod crowding;
mod network;
mod pool;
mod replication;
mod rules;

use alloy_consensus::{Header, SignableTransaction, TxEip1559};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use op_alloy_consensus::{OpReceiptEnvelope, OpTxEnvelope};
use parking_lot::Mutex;
use rota_execution::{
    AccountProof, AccountState, At, Batch, BlockAttributes, CallOutcome, CallRequest, Draft, EngineError, Executed,
    ExecutedTransaction, ExecutionEngine, Finished, L1Fees,
};
use rota_types::{ChainSpec, Digest, Position, Transaction};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, LazyLock},
};

/// The chain of the golden files.
pub(super) const CHAIN_ID: u64 = 901;
/// What a transfer of [`Wallet::pay`] at a fee cap of 100 wei costs.
pub(super) const COST: u64 = 21_000 * 100;

static SPEC: LazyLock<Arc<ChainSpec>> = LazyLock::new(|| {
    let path = |name| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors/spec").join(name);
    let spec = ChainSpec::load(&path("genesis.json"), &path("rollup.json"), &path("committee.json"));
    Arc::new(spec.expect("the golden chain"))
});

pub(super) fn spec() -> Arc<ChainSpec> {
    SPEC.clone()
}

/// Signs transactions.
#[derive(Clone)]
pub(super) struct Wallet(PrivateKeySigner);

impl Wallet {
    pub(super) fn new(key: u8) -> Self {
        Self(PrivateKeySigner::from_bytes(&B256::repeat_byte(key)).expect("a valid key"))
    }

    pub(super) fn address(&self) -> Address {
        self.0.address()
    }

    pub(super) fn sign<T: SignableTransaction<Signature>>(&self, transaction: T) -> Arc<Transaction>
    where
        OpTxEnvelope: From<alloy_consensus::Signed<T>>,
    {
        let signature = self.0.sign_hash_sync(&transaction.signature_hash()).expect("signs");
        let envelope = OpTxEnvelope::from(transaction.into_signed(signature));
        Arc::new(Transaction::decode(Bytes::from(envelope.encoded_2718())).expect("well formed"))
    }

    /// A transfer with this tip, at a fee cap of 100 wei.
    pub(super) fn pay(&self, nonce: u64, tip: u128) -> Arc<Transaction> {
        self.pay_capped(nonce, tip, 100)
    }

    pub(super) fn pay_capped(&self, nonce: u64, tip: u128, cap: u128) -> Arc<Transaction> {
        self.sign(TxEip1559 { nonce, max_priority_fee_per_gas: tip, max_fee_per_gas: cap, ..transfer() })
    }
}

/// A good transfer of nothing.
pub(super) fn transfer() -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        gas_limit: 21_000,
        max_fee_per_gas: 100,
        to: TxKind::Call(Address::repeat_byte(0x77)),
        ..Default::default()
    }
}

/// What executing transactions of users as one flashblock gives, as far as the pool looks at it.
pub(super) fn executed(height: u64, transactions: &[Arc<Transaction>]) -> Executed {
    let mut position = spec().genesis_position();
    position.digest = Digest::left_padding_from(&height.to_be_bytes());
    position.height = height;
    let executed = |transaction: &Arc<Transaction>| {
        Arc::new(ExecutedTransaction {
            transaction: transaction.clone(),
            receipt: OpReceiptEnvelope::Legacy(Default::default()),
            gas_used: 21_000,
            created: None,
            l1_fee: U256::ZERO,
        })
    };
    Executed {
        position,
        attributes: None,
        transactions: transactions.iter().map(executed).collect(),
        outcome_root: B256::ZERO,
        cumulative_gas: 0,
        sealed: None,
    }
}

/// An engine whose certified accounts the test sets; everybody else has a nonce of 0 and 10^9 wei.
pub(super) struct Accounts {
    pub(super) accounts: Mutex<BTreeMap<Address, AccountState>>,
    pub(super) code: Mutex<BTreeMap<Address, Bytes>>,
    pub(super) l1_fees: Mutex<L1Fees>,
}

impl Accounts {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { accounts: Mutex::default(), code: Mutex::default(), l1_fees: Mutex::default() })
    }

    pub(super) fn set(&self, address: Address, nonce: u64, balance: u64) {
        let account = AccountState { nonce, balance: U256::from(balance), ..Default::default() };
        self.accounts.lock().insert(address, account);
    }
}

impl ExecutionEngine for Accounts {
    fn certified(&self) -> Position {
        spec().genesis_position()
    }
    fn head(&self) -> Arc<Header> {
        Arc::new(Header { gas_limit: 60_000_000, base_fee_per_gas: Some(1), ..Default::default() })
    }
    fn executed(&self, _: Digest) -> Option<Arc<Executed>> {
        None
    }
    fn draft(&self, _: Digest, _: Option<&BlockAttributes>) -> Result<Box<dyn Draft>, EngineError> {
        Err(EngineError::Misuse("no execution"))
    }
    fn adopt(&self, _: Digest, _: u64, _: Finished) -> Result<Arc<Executed>, EngineError> {
        Err(EngineError::Misuse("no execution"))
    }
    fn commit(&self, _: Digest, _: Batch) -> Result<(), EngineError> {
        Ok(())
    }
    fn discard(&self, _: Digest) {}
    fn changed(&self, _: Digest) -> Result<Vec<(Address, AccountState)>, EngineError> {
        Ok(self.accounts.lock().iter().map(|(address, account)| (*address, *account)).collect())
    }
    fn block_header(&self, _: At) -> Result<Arc<Header>, EngineError> {
        Ok(self.head())
    }
    fn account(&self, _: At, address: Address) -> Result<Option<AccountState>, EngineError> {
        let default = AccountState { balance: U256::from(1_000_000_000u64), ..Default::default() };
        Ok(Some(self.accounts.lock().get(&address).copied().unwrap_or(default)))
    }
    fn code(&self, _: At, address: Address) -> Result<Bytes, EngineError> {
        Ok(self.code.lock().get(&address).cloned().unwrap_or_default())
    }
    fn storage(&self, _: At, _: Address, _: U256) -> Result<U256, EngineError> {
        Ok(U256::ZERO)
    }
    fn call(&self, _: At, _: &CallRequest) -> Result<CallOutcome, EngineError> {
        Err(EngineError::Misuse("no execution"))
    }
    fn proof(&self, _: Address, _: &[B256]) -> Result<AccountProof, EngineError> {
        Err(EngineError::Misuse("no execution"))
    }
    fn l1_fees(&self, _: At) -> Result<L1Fees, EngineError> {
        Ok(*self.l1_fees.lock())
    }
}
