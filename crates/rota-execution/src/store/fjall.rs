//! The store on disk: one fjall database, one keyspace per table.

use super::{Batch, Entry, Store, StoreError, Table};
use ::fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::path::Path;

/// Bytes of block cache: reads during execution are served from memory, so a small one is enough.
const CACHE_BYTES: u64 = 16 << 20;
/// Bytes of one keyspace's write buffer.
const MEMTABLE_BYTES: u64 = 4 << 20;
/// Bytes of journals before the oldest write buffers are flushed.
const JOURNAL_BYTES: u64 = 128 << 20;

/// A [`Store`] in one directory, which it locks against other processes. After a failed write it refuses every other.
pub struct FjallStore {
    database: Database,
    keyspaces: Vec<Keyspace>,
}

impl std::fmt::Debug for FjallStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FjallStore").finish_non_exhaustive()
    }
}

impl FjallStore {
    /// Opens or creates the store in a directory. Fails if another process has it open.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let database = Database::builder(directory)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(1)
            .open()
            .map_err(|error| match error {
                ::fjall::Error::Locked => StoreError(format!("{} is in use by another process", directory.display())),
                error => StoreError(format!("cannot open {}: {error}", directory.display())),
            })?;
        let keyspaces = Table::ALL
            .iter()
            .map(|table| {
                let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
                database.keyspace(table.name(), options).map_err(failed)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { database, keyspaces })
    }

    fn keyspace(&self, table: Table) -> &Keyspace {
        &self.keyspaces[table as usize]
    }
}

fn failed(error: ::fjall::Error) -> StoreError {
    StoreError(error.to_string())
}

fn entry(guard: ::fjall::Guard) -> Result<Entry, StoreError> {
    let (key, value) = guard.into_inner().map_err(failed)?;
    Ok((key.to_vec(), value.to_vec()))
}

impl Store for FjallStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.keyspace(table).get(key).map_err(failed)?.map(|value| value.to_vec()))
    }

    fn range(&self, table: Table, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, StoreError> {
        if from >= to {
            return Ok(Vec::new());
        }
        self.keyspace(table).range(from..to).take(limit).map(entry).collect()
    }

    fn last_before(&self, table: Table, to: &[u8]) -> Result<Option<Entry>, StoreError> {
        self.keyspace(table).range(..to).next_back().map(entry).transpose()
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let mut writes = self.database.batch().durability(Some(PersistMode::SyncAll));
        for (table, key, value) in batch.0 {
            match value {
                Some(value) => writes.insert(self.keyspace(table), key, value),
                None => writes.remove(self.keyspace(table), key),
            }
        }
        writes.commit().map_err(failed)
    }
}
