//! Where posted blocks come from and what is kept of the inbox: the ledger, in the shape that batches need.

use crate::ledger::{InboxPosition, Ledger, LedgerError, PostedDifference};
use alloy_consensus::{Header, Transaction as _};
use alloy_eips::Decodable2718;
use alloy_primitives::{Address, B256, Bytes};
use op_alloy_consensus::{DEPOSIT_TX_TYPE_ID, OpTxEnvelope};
use rota_batch::BatchBlock;
use rota_l1::L1Info;

/// A certified block that can be posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostedBlock {
    /// Its hash.
    pub hash: B256,
    /// Whose batches count in its L1 origin.
    pub batcher: Address,
    /// What a batch says of it.
    pub batch: BatchBlock,
}

/// Sealed, certified blocks by number, and a place for what the reader of the inbox must not forget.
pub trait PostedSource: Send + Sync + 'static {
    /// Number of the newest block.
    fn head(&self) -> u64;

    /// Number of the oldest block after genesis that is not pruned.
    fn oldest(&self) -> u64;

    /// A block; `None` if it was pruned or doesn't exist yet. The genesis block is never asked for its batch.
    fn block(&self, number: u64) -> Result<Option<PostedBlock>, LedgerError>;

    /// Hash of a block, the genesis block included.
    fn hash(&self, number: u64) -> Result<Option<B256>, LedgerError>;

    /// How far the inbox was read in an earlier life.
    fn position(&self) -> Result<Option<InboxPosition>, LedgerError>;

    /// Keeps how far the inbox was read.
    fn store_position(&self, position: &InboxPosition) -> Result<(), LedgerError>;

    /// Keeps a batch that is not what was certified, as evidence.
    fn store_difference(&self, difference: PostedDifference) -> Result<bool, LedgerError>;

    /// L1 can't take back any more that blocks up to this one are posted.
    fn posted_for_good(&self, block: u64);
}

impl PostedSource for Ledger {
    fn head(&self) -> u64 {
        Self::head(self).number()
    }

    fn oldest(&self) -> u64 {
        self.oldest_block()
    }

    fn block(&self, number: u64) -> Result<Option<PostedBlock>, LedgerError> {
        Self::carried(self, number)?.map(|(header, transactions)| posted(header, transactions)).transpose()
    }

    fn hash(&self, number: u64) -> Result<Option<B256>, LedgerError> {
        Ok(self.header(number)?.map(|header| header.hash_slow()))
    }

    fn position(&self) -> Result<Option<InboxPosition>, LedgerError> {
        self.inbox_position()
    }

    fn store_position(&self, position: &InboxPosition) -> Result<(), LedgerError> {
        self.store_inbox_position(position)
    }

    fn store_difference(&self, difference: PostedDifference) -> Result<bool, LedgerError> {
        Self::store_difference(self, difference)
    }

    fn posted_for_good(&self, block: u64) {
        Self::posted_for_good(self, block);
    }
}

fn posted(header: Header, mut transactions: Vec<Bytes>) -> Result<PostedBlock, LedgerError> {
    let info = transactions.first().and_then(|first| OpTxEnvelope::decode_2718_exact(first).ok());
    let info = info.and_then(|first| L1Info::decode(first.input()).ok());
    let info = info.ok_or_else(|| LedgerError::Corrupt(format!("block {} without L1 info", header.number)))?;
    transactions.retain(|transaction| transaction.first() != Some(&DEPOSIT_TX_TYPE_ID));
    Ok(PostedBlock {
        hash: header.hash_slow(),
        batcher: info.batcher,
        batch: BatchBlock {
            timestamp: header.timestamp,
            origin: info.origin,
            sequence_number: info.sequence_number,
            parent_hash: header.parent_hash,
            transactions,
        },
    })
}
