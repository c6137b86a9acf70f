//! Retention: what is old goes in small steps, a few records with every append.

use super::{Ledger, LedgerError, codec, keys, l1_info};
use rota_execution::{Batch, SealedBlock, Table};
use std::sync::atomic::Ordering;

/// Heights that leave with one append, at most.
const HEIGHTS_PER_STEP: u64 = 4;
/// Blocks that leave with one sealed block, at most.
const BLOCKS_PER_STEP: u64 = 2;
/// Flashblocks that are kept in any case: the open block, and what peers and proofs need most.
const MIN_FLASHBLOCKS: u64 = 4_096;
/// Blocks that are kept in any case.
const MIN_BLOCKS: u64 = 256;

/// How much history to keep. Blocks that may still have to be posted stay whatever it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Certified flashblocks and their certificates, in heights; `None` keeps all.
    pub flashblocks: Option<u64>,
    /// Sealed blocks with transactions, receipts and indexes; `None` keeps all.
    pub blocks: Option<u64>,
}

impl Retention {
    /// Everything, for ever.
    pub const ALL: Self = Self { flashblocks: None, blocks: None };
}

/// How far pruning has come.
#[derive(Debug)]
pub(super) struct Pruner {
    retention: Retention,
    /// Lowest height that is still here (genesis stays for ever).
    height: u64,
    /// Lowest block after genesis that is still here.
    block: u64,
    /// That block and the number of its origin, once looked up.
    origin: Option<(u64, u64)>,
}

impl Pruner {
    /// Continues where the last run stopped; `genesis` is the number of the genesis block.
    pub(super) fn load(retention: Retention, genesis: u64, stored: Option<Vec<u8>>) -> Result<Self, LedgerError> {
        let (height, block) = match stored {
            None => (1, genesis + 1),
            Some(bytes) => {
                let (height, block) =
                    bytes.split_at_checked(8).ok_or_else(|| LedgerError::Corrupt("pruning record too short".into()))?;
                (keys::read_number(height)?, keys::read_number(block)?)
            }
        };
        let retention = Retention {
            flashblocks: retention.flashblocks.map(|keep| keep.max(MIN_FLASHBLOCKS)),
            blocks: retention.blocks.map(|keep| keep.max(MIN_BLOCKS)),
        };
        Ok(Self { retention, height, block, origin: None })
    }

    /// Lowest block after genesis that is still here.
    pub(super) const fn oldest_block(&self) -> u64 {
        self.block
    }

    /// Keeps less than a real node may.
    #[cfg(test)]
    pub(super) fn keep_for_test(&mut self, flashblocks: u64, blocks: u64) {
        self.retention = Retention { flashblocks: Some(flashblocks), blocks: Some(blocks) };
    }

    /// Adds the deletions that go with appending `height` (and sealing `sealed`) to its batch.
    pub(super) fn step(
        &mut self,
        ledger: &Ledger,
        height: u64,
        sealed: Option<&SealedBlock>,
        batch: &mut Batch,
    ) -> Result<(), LedgerError> {
        let before = (self.height, self.block);
        if let Some(keep) = self.retention.flashblocks {
            let to = (height + 1).saturating_sub(keep).min(self.height + HEIGHTS_PER_STEP);
            while self.height < to {
                ledger.delete_flashblock(self.height, batch)?;
                self.height += 1;
            }
        }
        if let (Some(keep), Some(sealed)) = (self.retention.blocks, sealed) {
            let to = (sealed.header.number + 1).saturating_sub(keep).min(self.block + BLOCKS_PER_STEP);
            while self.block < to && self.posted(ledger, sealed)? {
                ledger.delete_block(self.block, batch)?;
                self.block += 1;
            }
        }
        if (self.height, self.block) != before {
            batch.put(Table::Meta, keys::PRUNED, [keys::number(self.height), keys::number(self.block)].concat());
        }
        Ok(())
    }

    /// Whether the lowest block needs no posting any more: it is posted for good, or, where that is not known, its
    /// sequencing window was over when `newest` took its origin.
    fn posted(&mut self, ledger: &Ledger, newest: &SealedBlock) -> Result<bool, LedgerError> {
        if let Some(posted) = *ledger.posted.lock() {
            return Ok(self.block <= posted);
        }
        let origin = match self.origin {
            Some((block, origin)) if block == self.block => origin,
            _ => {
                let block = ledger.block(self.block)?;
                let info = block.and_then(|block| l1_info(&block.sealed));
                let corrupt = || LedgerError::Corrupt(format!("block {} has no L1 info", self.block));
                let origin = info.ok_or_else(corrupt)?.origin.number;
                self.origin = Some((self.block, origin));
                origin
            }
        };
        let window = ledger.spec.rollup.seq_window_size;
        Ok(l1_info(newest).is_some_and(|newest| origin.saturating_add(window) < newest.origin.number))
    }
}

impl Ledger {
    /// The lowest block after genesis that is not pruned.
    pub fn oldest_block(&self) -> u64 {
        self.oldest.load(Ordering::Relaxed)
    }

    /// Blocks up to this one are in L1 blocks that can't be reorged away: they need not be kept for posting.
    pub fn posted_for_good(&self, block: u64) {
        *self.posted.lock() = Some(block);
    }

    fn delete_flashblock(&self, height: u64, batch: &mut Batch) -> Result<(), LedgerError> {
        if let Some(flashblock) = self.flashblock(height)? {
            batch.delete(Table::BlockHashes, keys::digest(&flashblock.digest()));
        }
        batch.delete(Table::Flashblocks, keys::number(height));
        batch.delete(Table::Certificates, keys::number(height));
        Ok(())
    }

    fn delete_block(&self, number: u64, batch: &mut Batch) -> Result<(), LedgerError> {
        if let Some(bytes) = self.store.get(Table::Blocks, &keys::transactions(number))? {
            for hash in codec::transaction_hashes(&bytes)? {
                batch.delete(Table::Transactions, hash.to_vec());
            }
        }
        if let Some(record) = self.header_record(number)? {
            batch.delete(Table::BlockHashes, record.header.hash_slow().to_vec());
        }
        batch.delete(Table::Blocks, keys::number(number));
        batch.delete(Table::Blocks, keys::transactions(number));
        batch.delete(Table::Receipts, keys::number(number));
        Ok(())
    }
}
