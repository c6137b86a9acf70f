//! The store seam: atomic durable batches, point reads, ordered ranges.

mod fjall;
mod memory;

pub use self::{fjall::FjallStore, memory::MemoryStore};

use std::fmt::Debug;

/// A named space of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Chain id, lineage, versions, heads.
    Meta,
    /// Address → account.
    Accounts,
    /// Address ‖ slot → value.
    Storage,
    /// Code hash → code.
    Code,
    /// What recent blocks changed, for reads at past blocks (keys: `crate::history`).
    Reverts,
    /// Height → certified flashblock.
    Flashblocks,
    /// Height → finalization certificate.
    Certificates,
    /// Block number → header and transactions.
    Blocks,
    /// Block hash → number.
    BlockHashes,
    /// Block number → receipts.
    Receipts,
    /// Transaction hash → block number ‖ index.
    Transactions,
    /// Epoch ‖ view ‖ … → evidence of a fault.
    Evidence,
    /// What coming epochs are made of: the registry's events by L1 block, snapshots and seeds by epoch.
    Epochs,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 13] = [
        Self::Meta,
        Self::Accounts,
        Self::Storage,
        Self::Code,
        Self::Reverts,
        Self::Flashblocks,
        Self::Certificates,
        Self::Blocks,
        Self::BlockHashes,
        Self::Receipts,
        Self::Transactions,
        Self::Evidence,
        Self::Epochs,
    ];

    /// The name on disk.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Accounts => "accounts",
            Self::Storage => "storage",
            Self::Code => "code",
            Self::Reverts => "reverts",
            Self::Flashblocks => "flashblocks",
            Self::Certificates => "certificates",
            Self::Blocks => "blocks",
            Self::BlockHashes => "block_hashes",
            Self::Receipts => "receipts",
            Self::Transactions => "transactions",
            Self::Evidence => "evidence",
            Self::Epochs => "epochs",
        }
    }
}

/// The store failed: the node must stop.
#[derive(Debug, thiserror::Error)]
#[error("storage failed: {0}")]
pub struct StoreError(pub String);

/// Writes that happen together or not at all.
#[derive(Debug, Clone, Default)]
pub struct Batch(pub(crate) Vec<(Table, Vec<u8>, Option<Vec<u8>>)>);

impl Batch {
    /// Sets a key.
    pub fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.0.push((table, key.into(), Some(value.into())));
    }

    /// Removes a key.
    pub fn delete(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.0.push((table, key.into(), None));
    }

    /// Appends another batch's writes.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Bytes of its keys and values.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(_, key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Key and value of one entry.
pub type Entry = (Vec<u8>, Vec<u8>);

/// An ordered key-value store.
pub trait Store: Debug + Send + Sync + 'static {
    /// The value of a key.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Up to `limit` entries with `from <= key < to` in ascending order.
    fn range(&self, table: Table, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, StoreError>;

    /// The last entry with `key < to`, if any.
    fn last_before(&self, table: Table, to: &[u8]) -> Result<Option<Entry>, StoreError>;

    /// Writes a batch atomically; when it returns, the batch survives a crash.
    fn write(&self, batch: Batch) -> Result<(), StoreError>;
}
