//! A store in memory: it survives the crash of the node that uses it, and can be told to fail.

use super::{Batch, Entry, Store, StoreError, Table};
use parking_lot::RwLock;
use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// A [`Store`] in memory. Clones share their contents: since every write is durable when it returns, a simulator models
/// the crash of a node by dropping the node and keeping a clone of its store.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    tables: Arc<RwLock<BTreeMap<Table, Entries>>>,
    failing: Arc<AtomicBool>,
}

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

impl MemoryStore {
    /// A copy that changes on its own.
    pub fn fork(&self) -> Self {
        Self { tables: Arc::new(RwLock::new(self.tables.read().clone())), failing: Arc::default() }
    }

    /// Makes every later write fail without effect, as a full disk does, until told otherwise.
    pub fn fail_writes(&self, fail: bool) {
        self.failing.store(fail, Ordering::SeqCst);
    }
}

impl Store for MemoryStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.tables.read().get(&table).and_then(|entries| entries.get(key)).cloned())
    }

    fn range(&self, table: Table, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, StoreError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let tables = self.tables.read();
        let Some(entries) = tables.get(&table) else { return Ok(Vec::new()) };
        let range = entries.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
        Ok(range.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn last_before(&self, table: Table, to: &[u8]) -> Result<Option<Entry>, StoreError> {
        let tables = self.tables.read();
        let Some(entries) = tables.get(&table) else { return Ok(None) };
        let last = entries.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(to))).next_back();
        Ok(last.map(|(key, value)| (key.clone(), value.clone())))
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let mut tables = self.tables.write();
        if self.failing.load(Ordering::SeqCst) {
            return Err(StoreError("write refused (injected fault)".into()));
        }
        for (table, key, value) in batch.0 {
            let entries = tables.entry(table).or_default();
            match value {
                Some(value) => entries.insert(key, value),
                None => entries.remove(&key),
            };
        }
        Ok(())
    }
}
