//! What an operator's machine does to its engine and its store: work takes time, and goes wrong when told to.

use crate::traffic::Traffic;
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256};
use parking_lot::Mutex;
use rota_consensus::simulated::{Disk, block, charge};
use rota_execution::{
    AccountProof, AccountState, At, Batch, BlockAttributes, CallOutcome, CallRequest, Draft, EngineError, Entry,
    Executed, ExecutionEngine, Finished, L1Fees, MemoryStore, Rejection, Store, StoreError, Table,
};
use rota_types::{Digest, Position, Transaction};
use std::{sync::Arc, time::Duration};

/// CPU time to recover the sender of a transaction (measured: 38.8 µs on one core). A node does so once for each,
/// usually at admission; here it is charged where the transaction is executed, which is never earlier.
const RECOVER: Duration = Duration::from_micros(39);
/// CPU time of 1 000 gas (measured by `rota bench engine`: 8.3 µs for a transfer).
const KILOGAS: Duration = Duration::from_nanos(395);
/// CPU time for tries, roots and header, for each transaction (`rota bench engine`: 12.4 µs).
const ROOTS: Duration = Duration::from_nanos(12_400);
/// Any call of the engine.
const CALL: Duration = Duration::from_micros(5);

#[derive(Debug, Default)]
struct Knobs {
    delay: Duration,
    stall: Duration,
    failing: bool,
}

/// The knobs of one operator's engine. They outlive its process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Engine(Arc<Mutex<Knobs>>);

impl Engine {
    /// Makes every execution of a flashblock take so much longer.
    pub fn set_delay(&self, delay: Duration) {
        self.0.lock().delay = delay;
    }

    /// Makes the next execution take so much longer.
    pub fn stall(&self, once: Duration) {
        self.0.lock().stall = once;
    }

    /// Makes every execution end with an error that says nothing about the flashblock, or none any more.
    pub fn set_failing(&self, failing: bool) {
        self.0.lock().failing = failing;
    }

    /// Whether it fails now: a node that can't execute what is certified ends.
    pub(crate) fn is_failing(&self) -> bool {
        self.0.lock().failing
    }

    /// The engine of one process.
    pub(crate) fn around(&self, inner: impl ExecutionEngine) -> Arc<dyn ExecutionEngine> {
        Arc::new(Modelled { inner, knobs: self.clone() })
    }
}

/// An engine whose work takes simulated time.
struct Modelled<T> {
    inner: T,
    knobs: Engine,
}

impl<T: ExecutionEngine> ExecutionEngine for Modelled<T> {
    fn certified(&self) -> Position {
        self.inner.certified()
    }

    fn head(&self) -> Arc<Header> {
        self.inner.head()
    }

    fn executed(&self, digest: Digest) -> Option<Arc<Executed>> {
        self.inner.executed(digest)
    }

    fn draft(&self, parent: Digest, attributes: Option<&BlockAttributes>) -> Result<Box<dyn Draft>, EngineError> {
        let mut knobs = self.knobs.0.lock();
        block(knobs.delay + std::mem::take(&mut knobs.stall));
        if knobs.failing {
            return Err(EngineError::Misuse("injected fault"));
        }
        charge(CALL);
        let inner = self.inner.draft(parent, attributes)?;
        Ok(Box::new(ModelledDraft { inner, transactions: 0 }))
    }

    fn adopt(&self, digest: Digest, height: u64, finished: Finished) -> Result<Arc<Executed>, EngineError> {
        self.inner.adopt(digest, height, finished)
    }

    fn commit(&self, digest: Digest, extra: Batch) -> Result<(), EngineError> {
        charge(CALL);
        self.inner.commit(digest, extra)
    }

    fn discard(&self, digest: Digest) {
        self.inner.discard(digest);
    }

    fn block_header(&self, at: At) -> Result<Arc<Header>, EngineError> {
        self.inner.block_header(at)
    }

    fn changed(&self, digest: Digest) -> Result<Vec<(Address, AccountState)>, EngineError> {
        self.inner.changed(digest)
    }

    fn account(&self, at: At, address: Address) -> Result<Option<AccountState>, EngineError> {
        self.inner.account(at, address)
    }

    fn code(&self, at: At, address: Address) -> Result<Bytes, EngineError> {
        self.inner.code(at, address)
    }

    fn storage(&self, at: At, address: Address, slot: U256) -> Result<U256, EngineError> {
        self.inner.storage(at, address, slot)
    }

    fn call(&self, at: At, request: &CallRequest) -> Result<CallOutcome, EngineError> {
        self.inner.call(at, request)
    }

    fn proof(&self, address: Address, slots: &[B256]) -> Result<AccountProof, EngineError> {
        self.inner.proof(address, slots)
    }

    fn l1_fees(&self, at: At) -> Result<L1Fees, EngineError> {
        self.inner.l1_fees(at)
    }
}

struct ModelledDraft {
    inner: Box<dyn Draft>,
    transactions: u32,
}

impl Draft for ModelledDraft {
    fn extend(&mut self, transaction: &Arc<Transaction>) -> Result<u64, Rejection> {
        let gas = self.inner.extend(transaction)?;
        charge(RECOVER + KILOGAS * u32::try_from(gas / 1000).unwrap_or(u32::MAX));
        self.transactions += 1;
        Ok(gas)
    }

    fn gas_left(&self) -> u64 {
        self.inner.gas_left()
    }

    fn base_fee(&self) -> u64 {
        self.inner.base_fee()
    }

    fn finish(self: Box<Self>, seal: bool) -> Result<Finished, EngineError> {
        charge(CALL + ROOTS * self.transactions);
        self.inner.finish(seal)
    }
}

/// The ledger's store on an operator's disk: a write is a sync.
#[derive(Debug, Clone)]
pub(crate) struct HostStore {
    inner: MemoryStore,
    disk: Disk,
    traffic: Traffic,
}

impl HostStore {
    pub(crate) const fn new(inner: MemoryStore, disk: Disk, traffic: Traffic) -> Self {
        Self { inner, disk, traffic }
    }
}

impl Store for HostStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(table, key)
    }

    fn range(&self, table: Table, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.inner.range(table, from, to, limit)
    }

    fn last_before(&self, table: Table, to: &[u8]) -> Result<Option<Entry>, StoreError> {
        self.inner.last_before(table, to)
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        self.disk.write().map_err(StoreError)?;
        self.traffic.write(batch.bytes() as u64);
        self.inner.write(batch)
    }
}
