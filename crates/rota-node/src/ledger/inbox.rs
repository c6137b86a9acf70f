//! What the ledger keeps of the batch inbox: how far it was read, and batches that are not what was certified.

use super::{Ledger, LedgerError, keys};
use alloy_primitives::{Address, B256, Bytes};
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};
use rota_execution::{Batch, Table};

/// Records kept, at most: one is enough to show what an operator did.
const MAX_RECORDS: usize = 64;
/// Bytes of a batch in one record, at most; L1 has the rest, for as long as it keeps it.
const MAX_BATCH: usize = 1 << 20;

/// The inbox after an L1 block in which no channel was unfinished: where a restarted reader goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct InboxPosition {
    /// Number of the L1 block.
    pub l1_number: u64,
    /// Its hash.
    pub l1_hash: B256,
    /// The newest posted L2 block.
    pub posted: u64,
    /// Whose batches count after that L1 block, unless an update says otherwise.
    pub batcher: Address,
}

/// A batch of the authorised batcher that is not what was certified: posted ≠ certified.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct PostedDifference {
    /// Number of the L1 block that completed the batch.
    pub l1_number: u64,
    /// Its hash.
    pub l1_hash: B256,
    /// Who posted it.
    pub batcher: Address,
    /// Number of the first L2 block that differs.
    pub block: u64,
    /// Hash of the certified one.
    pub certified: B256,
    /// The channel that held the batch, compressed as it was posted; cut off if it is too large.
    pub channel: Bytes,
}

impl Ledger {
    /// How far the inbox was read.
    pub fn inbox_position(&self) -> Result<Option<InboxPosition>, LedgerError> {
        let stored = self.store.get(Table::Meta, keys::INBOX)?;
        stored.map(|bytes| decode(&bytes, "inbox position")).transpose()
    }

    /// Keeps how far the inbox was read.
    pub fn store_inbox_position(&self, position: &InboxPosition) -> Result<(), LedgerError> {
        let mut batch = Batch::default();
        batch.put(Table::Meta, keys::INBOX, alloy_rlp::encode(position));
        Ok(self.store.write(batch)?)
    }

    /// Keeps a difference durably. `false` if it is known, or if there are too many already.
    pub fn store_difference(&self, mut difference: PostedDifference) -> Result<bool, LedgerError> {
        let key = keys::difference(difference.l1_number, &difference.l1_hash, difference.block);
        let known = self.store.get(Table::Evidence, &key)?.is_some();
        if known || self.differences()?.len() >= MAX_RECORDS {
            return Ok(false);
        }
        difference.channel.truncate(MAX_BATCH);
        let mut batch = Batch::default();
        batch.put(Table::Evidence, key, alloy_rlp::encode(difference));
        self.store.write(batch)?;
        Ok(true)
    }

    /// The differences that are kept, in the order of L1.
    pub fn differences(&self) -> Result<Vec<PostedDifference>, LedgerError> {
        let (from, to) = keys::differences();
        let found = self.store.range(Table::Evidence, &from, &to, MAX_RECORDS)?;
        found.into_iter().map(|(_, value)| decode(&value, "posted difference")).collect()
    }
}

fn decode<T: Decodable>(mut bytes: &[u8], what: &str) -> Result<T, LedgerError> {
    T::decode(&mut bytes).map_err(|error| LedgerError::Corrupt(format!("{what}: {error}")))
}
