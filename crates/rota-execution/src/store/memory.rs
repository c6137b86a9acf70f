//! A store in memory: it survives the crash of the node that uses it, and can be told to fail.

use super::{Batch, Entry, Store, StoreError, Table};
use parking_lot::RwLock;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// A [`Store`] in memory. Clones share their contents: since every write is durable when it returns, a simulator models
/// the crash of a node by dropping the node and keeping a clone of its store.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    entries: Arc<RwLock<BTreeMap<(Table, Vec<u8>), Vec<u8>>>>,
    failing: Arc<AtomicBool>,
}

impl MemoryStore {
    /// Makes every later write fail without effect, as a full disk does, until told otherwise.
    pub fn fail_writes(&self, fail: bool) {
        self.failing.store(fail, Ordering::SeqCst);
    }
}

impl Store for MemoryStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.entries.read().get(&(table, key.to_vec())).cloned())
    }

    fn range(&self, table: Table, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, StoreError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let entries = self.entries.read();
        let range = entries.range((table, from.to_vec())..(table, to.to_vec()));
        Ok(range.take(limit).map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn last_before(&self, table: Table, to: &[u8]) -> Result<Option<Entry>, StoreError> {
        let entries = self.entries.read();
        let last = entries.range((table, Vec::new())..(table, to.to_vec())).next_back();
        Ok(last.map(|((_, key), value)| (key.clone(), value.clone())))
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let mut entries = self.entries.write();
        if self.failing.load(Ordering::SeqCst) {
            return Err(StoreError("write refused (injected fault)".into()));
        }
        for (table, key, value) in batch.0 {
            match value {
                Some(value) => entries.insert((table, key), value),
                None => entries.remove(&(table, key)),
            };
        }
        Ok(())
    }
}
