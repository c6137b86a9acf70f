//! Where posted blocks come from: the ledger, in the shape that batches need.

use crate::ledger::{Block, Ledger, LedgerError};
use alloy_eips::eip2718::Typed2718;
use alloy_primitives::B256;
use op_alloy_consensus::DEPOSIT_TX_TYPE_ID;
use rota_batch::BatchBlock;
use rota_l1::L1Info;

/// A certified block that can be posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostedBlock {
    /// Its hash.
    pub hash: B256,
    /// What a batch says of it.
    pub batch: BatchBlock,
}

/// Sealed, certified blocks by number.
pub trait PostedSource: Send + Sync + 'static {
    /// Number of the newest one.
    fn head(&self) -> u64;

    /// One of them; `None` if it was pruned or doesn't exist yet. The genesis block is never asked for its batch.
    fn block(&self, number: u64) -> Result<Option<PostedBlock>, LedgerError>;

    /// Hash of one of them, the genesis block included.
    fn hash(&self, number: u64) -> Result<Option<B256>, LedgerError>;
}

impl PostedSource for Ledger {
    fn head(&self) -> u64 {
        Self::head(self).number()
    }

    fn block(&self, number: u64) -> Result<Option<PostedBlock>, LedgerError> {
        Self::block(self, number)?.map(|block| posted(&block)).transpose()
    }

    fn hash(&self, number: u64) -> Result<Option<B256>, LedgerError> {
        Ok(self.header(number)?.map(|header| header.hash_slow()))
    }
}

fn posted(block: &Block) -> Result<PostedBlock, LedgerError> {
    let sealed = &block.sealed;
    let corrupt = || LedgerError::Corrupt(format!("block {} without L1 info", block.number()));
    let first = sealed.transactions.first().ok_or_else(corrupt)?;
    let info = alloy_consensus::Transaction::input(first.transaction.envelope());
    let info = L1Info::decode(info).map_err(|_| corrupt())?;
    let carried = sealed.transactions.iter().map(|executed| &executed.transaction);
    let carried = carried.filter(|transaction| transaction.envelope().ty() != DEPOSIT_TX_TYPE_ID);
    Ok(PostedBlock {
        hash: sealed.hash,
        batch: BatchBlock {
            timestamp: sealed.header.timestamp,
            origin: info.origin,
            sequence_number: info.sequence_number,
            parent_hash: sealed.header.parent_hash,
            transactions: carried.map(|transaction| transaction.encoded().clone()).collect(),
        },
    })
}
