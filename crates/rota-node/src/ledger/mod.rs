//! What is certified, durably: flashblocks and their certificates, sealed blocks with receipts and indexes, evidence.
//!
//! One append writes everything about a flashblock together with the engine's own changes in one atomic batch, so the
//! ledger and the state can't disagree. Everything that the RPC serves and that the poster posts is read from here.

mod codec;
mod epochs;
mod error;
mod evidence;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fixture;
mod inbox;
mod keys;
mod logs;
mod open;
mod origin;
mod prune;
mod reads;
#[cfg(test)]
mod tests;

pub(crate) use codec::created_address;
pub use error::LedgerError;
pub use inbox::{InboxPosition, PostedDifference};
pub use logs::{FoundLog, LogLimits, LogsError, block_logs};
pub use origin::Overruled;
pub(crate) use origin::l1_info;
pub use prune::Retention;
pub use reads::{Located, Outcome};

use alloy_primitives::map::B256Map;
use codec::{FlashblockRecord, HeaderRecord, encode_receipts, encode_transactions};
use epochs::EpochLog;
use parking_lot::{Mutex, RwLock};
use rota_consensus::Epochs;
use rota_execution::{Batch, BlockAttributes, Executed, ExecutionEngine, SealedBlock, Store, Table};
use rota_types::{Certificate, ChainSpec, Digest, Flashblock};
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Sealed blocks kept decoded in memory, at most.
const RECENT_BLOCKS: usize = 64;
/// Their transactions, at most (the newest block stays whatever it holds).
const RECENT_TRANSACTIONS: usize = 20_000;

/// A sealed, certified block and the flashblocks that it is made of.
#[derive(Debug, Clone)]
pub struct Block {
    /// Header, transactions, receipts.
    pub sealed: Arc<SealedBlock>,
    /// Height of the flashblock that opened it.
    pub first_height: u64,
    /// For each of its flashblocks, how many transactions it added (deposits count to the first).
    pub counts: Vec<u32>,
}

impl Block {
    /// Block number.
    pub fn number(&self) -> u64 {
        self.sealed.header.number
    }

    /// Height of the flashblock that sealed it.
    pub fn last_height(&self) -> u64 {
        self.first_height + (self.counts.len() as u64).saturating_sub(1)
    }

    /// Height of the flashblock that holds transaction `index` of the block, and the range of transactions that this
    /// flashblock holds.
    pub fn flashblock_of(&self, index: usize) -> Option<(u64, std::ops::Range<usize>)> {
        let mut start = 0usize;
        for (height, count) in (self.first_height..).zip(&self.counts) {
            let end = start + *count as usize;
            if (start..end).contains(&index) {
                return Some((height, start..end));
            }
            start = end;
        }
        None
    }
}

/// A certified flashblock of the open block.
#[derive(Debug, Clone)]
pub struct Certified {
    /// The flashblock.
    pub flashblock: Arc<Flashblock>,
    /// Its outcome.
    pub executed: Arc<Executed>,
}

/// A certified flashblock as it is on disk, for replay after a restart.
#[derive(Debug, Clone)]
pub struct Replay {
    /// The flashblock.
    pub flashblock: Arc<Flashblock>,
    /// The attributes of the block that it opens.
    pub attributes: Option<Arc<BlockAttributes>>,
}

/// What changes with every append.
#[derive(Debug)]
struct Tip {
    height: u64,
    digest: Digest,
    /// Certified flashblocks of the open block, in order.
    open: Vec<Certified>,
    /// Their transactions: hash to (flashblock in `open`, transaction in it). Never iterated.
    open_transactions: B256Map<(usize, usize)>,
    /// The newest sealed blocks, oldest first; never empty.
    recent: VecDeque<Arc<Block>>,
}

impl Tip {
    fn push_open(&mut self, certified: Certified) {
        let flashblock = self.open.len();
        for (index, transaction) in certified.executed.transactions.iter().enumerate() {
            self.open_transactions.insert(transaction.transaction.hash(), (flashblock, index));
        }
        self.open.push(certified);
    }

    fn push_block(&mut self, block: Arc<Block>) {
        self.open.clear();
        self.open_transactions.clear();
        self.recent.push_back(block);
        let transactions = |recent: &VecDeque<Arc<Block>>| -> usize {
            recent.iter().map(|block| block.sealed.transactions.len()).sum()
        };
        while self.recent.len() > 1
            && (self.recent.len() > RECENT_BLOCKS || transactions(&self.recent) > RECENT_TRANSACTIONS)
        {
            self.recent.pop_front();
        }
    }
}

/// The certified ledger of one node. Appends come one after the other in height order; reads may come from any thread.
pub struct Ledger {
    store: Arc<dyn Store>,
    engine: Arc<dyn ExecutionEngine>,
    spec: Arc<ChainSpec>,
    tip: RwLock<Tip>,
    /// Serializes appends, and holds what only they touch.
    writer: Mutex<prune::Pruner>,
    evidence: Mutex<usize>,
    overruled: Mutex<Option<Overruled>>,
    /// Newest block whose batch L1 can't take back any more; `None` if that is not known here.
    posted: Mutex<Option<u64>>,
    /// Lowest block after genesis that is not pruned.
    oldest: AtomicU64,
    epochs: Epochs,
    epoch_log: Mutex<EpochLog>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("tip", &self.tip()).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Height and digest of the newest certified flashblock.
    pub fn tip(&self) -> (u64, Digest) {
        let tip = self.tip.read();
        (tip.height, tip.digest)
    }

    /// What epochs run on, as far as what is certified says.
    pub const fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    /// Appends a certified flashblock that the engine has executed; when this returns, it survives a crash.
    ///
    /// Idempotent by height: a height that is already here only gains a certificate that it lacked.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] if another flashblock is certified at this height or below it: fatal, a certified
    /// prefix never changes. [`LedgerError::Gap`] if ancestors are missing. Failures of store and engine are fatal.
    pub fn append(
        &self,
        flashblock: &Arc<Flashblock>,
        executed: &Arc<Executed>,
        certificate: Option<Certificate>,
    ) -> Result<(), LedgerError> {
        let mut pruner = self.writer.lock();
        let (height, digest) = (flashblock.header.height, flashblock.digest());
        if let Some(certificate) = certificate.as_ref().filter(|c| c.digest != digest) {
            return Err(LedgerError::Conflict { height, certified: certificate.digest, found: digest });
        }
        let (tip_height, tip_digest) = self.tip();
        if height <= tip_height {
            return self.append_again(height, digest, certificate);
        }
        if height != tip_height + 1 {
            return Err(LedgerError::Gap { expected: tip_height + 1, found: height });
        }
        if flashblock.header.parent != tip_digest {
            return Err(LedgerError::Conflict {
                height: tip_height,
                certified: tip_digest,
                found: flashblock.header.parent,
            });
        }

        let mut batch = Batch::default();
        batch.put(
            Table::Flashblocks,
            keys::number(height),
            FlashblockRecord::encode(flashblock, executed.attributes.as_deref()),
        );
        batch.put(Table::BlockHashes, keys::digest(&digest), keys::number(height));
        if let Some(certificate) = certificate {
            batch.put(Table::Certificates, keys::number(height), certificate.encode());
        }
        let certified = Certified { flashblock: flashblock.clone(), executed: executed.clone() };
        let block = executed.sealed.as_ref().map(|sealed| Arc::new(self.close(sealed, &certified)));
        if let Some(block) = &block {
            put_block(&mut batch, block);
        }
        let epoch = self.epoch_log.lock().step(&self.spec, &self.epochs, flashblock, executed, &mut batch);
        pruner.step(self, height, executed.sealed.as_deref(), &mut batch)?;
        self.engine.commit(digest, batch)?;
        self.oldest.store(pruner.oldest_block(), Ordering::Relaxed);
        if let Some(epoch) = epoch {
            self.epochs.learn(Arc::new(epoch));
        }

        let mut tip = self.tip.write();
        (tip.height, tip.digest) = (height, digest);
        match block {
            Some(block) => tip.push_block(block),
            None => tip.push_open(certified),
        }
        Ok(())
    }

    /// A height that was appended before: the same flashblock again, perhaps with its certificate this time.
    pub(crate) fn append_again(
        &self,
        height: u64,
        digest: Digest,
        certificate: Option<Certificate>,
    ) -> Result<(), LedgerError> {
        // Nothing to compare with below the retention: consensus can't come back to that.
        let Some(found) = self.flashblock(height)? else { return Ok(()) };
        let certified = found.digest();
        if certified != digest {
            return Err(LedgerError::Conflict { height, certified, found: digest });
        }
        let key = keys::number(height);
        if let Some(certificate) = certificate
            && self.store.get(Table::Certificates, &key)?.is_none()
        {
            let mut batch = Batch::default();
            batch.put(Table::Certificates, key, certificate.encode());
            self.store.write(batch)?;
        }
        Ok(())
    }

    /// The block that `last` seals.
    fn close(&self, sealed: &Arc<SealedBlock>, last: &Certified) -> Block {
        let tip = self.tip.read();
        let count = |certified: &Certified| certified.executed.transactions.len() as u32;
        let counts: Vec<u32> = tip.open.iter().chain([last]).map(count).collect();
        let first_height = last.flashblock.header.height + 1 - counts.len() as u64;
        Block { sealed: sealed.clone(), first_height, counts }
    }
}

fn put_block(batch: &mut Batch, block: &Block) {
    let number = block.number();
    let transactions = &block.sealed.transactions;
    batch.put(Table::Blocks, keys::number(number), HeaderRecord::encode(block));
    batch.put(Table::Blocks, keys::transactions(number), encode_transactions(transactions));
    batch.put(Table::Receipts, keys::number(number), encode_receipts(transactions));
    batch.put(Table::BlockHashes, block.sealed.hash.to_vec(), keys::number(number));
    for (index, transaction) in transactions.iter().enumerate() {
        let key = transaction.transaction.hash().to_vec();
        batch.put(Table::Transactions, key, keys::place(number, index as u32));
    }
}
