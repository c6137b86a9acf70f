//! What can be asked of the ledger.

use super::{
    Block, Certified, Ledger, LedgerError,
    codec::{FlashblockRecord, HeaderRecord, decode_block, encoded_transactions},
    keys,
};
use alloy_eips::Encodable2718;
use alloy_primitives::{B256, Bytes};
use rota_execution::{ExecutedTransaction, Table};
use rota_types::{Certificate, Digest, Flashblock, Header, merkle, merkle::Branch};
use std::{ops::Range, sync::Arc};

/// Heights to look ahead for a finalized descendant. Finalizations are sparse by a few heights only.
const MAX_CERTIFICATE_DISTANCE: u64 = 1_024;

/// Where a certified transaction is.
#[derive(Debug, Clone)]
pub enum Located {
    /// In a sealed block.
    Sealed {
        /// The block.
        block: Arc<Block>,
        /// Index in the block.
        index: usize,
    },
    /// In a certified flashblock of the open block.
    Open {
        /// The flashblock.
        certified: Certified,
        /// Index in the flashblock.
        index: usize,
        /// Index in the block.
        block_index: usize,
    },
}

impl Located {
    /// The transaction and its outcome.
    pub fn executed(&self) -> &Arc<ExecutedTransaction> {
        match self {
            Self::Sealed { block, index } => &block.sealed.transactions[*index],
            Self::Open { certified, index, .. } => &certified.executed.transactions[*index],
        }
    }

    /// Height of its flashblock.
    pub fn height(&self) -> u64 {
        self.flashblock().0
    }

    /// Height of its flashblock, the transactions of that flashblock, and the index among them.
    fn flashblock(&self) -> (u64, &[Arc<ExecutedTransaction>], usize) {
        match self {
            Self::Sealed { block, index } => {
                let all = &block.sealed.transactions;
                let (height, range) = block.flashblock_of(*index).unwrap_or((block.last_height(), 0..all.len()));
                let within = Range { start: range.start.min(all.len()), end: range.end.min(all.len()) };
                (height, &all[within.clone()], index - within.start)
            }
            Self::Open { certified, index, .. } => {
                (certified.flashblock.header.height, &certified.executed.transactions, *index)
            }
        }
    }

    /// What ties the transaction's outcome to its flashblock's outcome root.
    pub fn outcome(&self) -> Option<Outcome> {
        let (height, transactions, index) = self.flashblock();
        let encoded: Vec<_> =
            transactions.iter().map(|t| (t.transaction.encoded(), t.receipt.encoded_2718())).collect();
        let leaves: Vec<_> =
            encoded.iter().map(|(transaction, receipt)| merkle::leaf(transaction.as_ref(), receipt)).collect();
        let (transaction, receipt) = encoded.into_iter().nth(index)?;
        Some(Outcome {
            height,
            branch: Branch::of(&leaves, index)?,
            transaction: transaction.clone(),
            receipt: receipt.into(),
        })
    }
}

/// A transaction, its receipt, and the branch from them to the outcome root of the flashblock at `height`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Height of the flashblock.
    pub height: u64,
    /// Branch of the leaf.
    pub branch: Branch,
    /// The transaction, EIP-2718.
    pub transaction: Bytes,
    /// Its receipt, EIP-2718.
    pub receipt: Bytes,
}

impl Ledger {
    /// The newest sealed, certified block (RPC tag `latest`).
    pub fn head(&self) -> Arc<Block> {
        self.tip.read().recent.back().expect("a ledger has its genesis block at least").clone()
    }

    /// The certified flashblocks of the open block (RPC tag `pending`), in order; empty right after a seal.
    pub fn open_block(&self) -> Vec<Certified> {
        self.tip.read().open.clone()
    }

    /// A sealed block among the newest, without touching the disk.
    pub(super) fn recent(&self, number: u64) -> Option<Arc<Block>> {
        let tip = self.tip.read();
        let first = tip.recent.front()?.number();
        tip.recent.get(usize::try_from(number.checked_sub(first)?).ok()?).cloned()
    }

    /// A sealed block; `None` if there is none of this number, or if it was pruned.
    pub fn block(&self, number: u64) -> Result<Option<Arc<Block>>, LedgerError> {
        if let Some(block) = self.recent(number) {
            return Ok(Some(block));
        }
        let Some(header) = self.header_record(number)? else { return Ok(None) };
        let transactions = self.store.get(Table::Blocks, &keys::transactions(number))?;
        let receipts = self.store.get(Table::Receipts, &keys::number(number))?;
        match (transactions, receipts) {
            (Some(transactions), Some(receipts)) => Ok(Some(Arc::new(decode_block(header, &transactions, &receipts)?))),
            // Pruned between the reads.
            _ => Ok(None),
        }
    }

    /// A sealed block's header and its transactions as they were sent, which is all that a batch says of it.
    pub fn carried(&self, number: u64) -> Result<Option<(alloy_consensus::Header, Vec<Bytes>)>, LedgerError> {
        if let Some(block) = self.recent(number) {
            let transactions = block.sealed.transactions.iter();
            let encoded = transactions.map(|executed| executed.transaction.encoded().clone()).collect();
            return Ok(Some((block.sealed.header.clone(), encoded)));
        }
        let Some(HeaderRecord { header, .. }) = self.header_record(number)? else { return Ok(None) };
        let transactions = self.store.get(Table::Blocks, &keys::transactions(number))?;
        // `None`: pruned between the reads.
        transactions.map(|bytes| Ok((header, encoded_transactions(&bytes)?))).transpose()
    }

    /// A sealed block's header.
    pub fn header(&self, number: u64) -> Result<Option<alloy_consensus::Header>, LedgerError> {
        match self.recent(number) {
            Some(block) => Ok(Some(block.sealed.header.clone())),
            None => Ok(self.header_record(number)?.map(|record| record.header)),
        }
    }

    pub(super) fn header_record(&self, number: u64) -> Result<Option<HeaderRecord>, LedgerError> {
        let bytes = self.store.get(Table::Blocks, &keys::number(number))?;
        bytes.map(|bytes| HeaderRecord::decode(&bytes)).transpose()
    }

    /// The number of a sealed block.
    pub fn block_number(&self, hash: &B256) -> Result<Option<u64>, LedgerError> {
        let bytes = self.store.get(Table::BlockHashes, hash.as_slice())?;
        bytes.map(|bytes| keys::read_number(&bytes)).transpose()
    }

    /// A certified transaction, in a sealed block or in the open one.
    pub fn transaction(&self, hash: &B256) -> Result<Option<Located>, LedgerError> {
        if let Some(open) = self.open_transaction(hash) {
            return Ok(Some(open));
        }
        let Some(place) = self.store.get(Table::Transactions, hash.as_slice())? else { return Ok(None) };
        let (number, index) = keys::read_place(&place)?;
        let index = index as usize;
        let Some(block) = self.block(number)? else { return Ok(None) };
        if block.sealed.transactions.get(index).is_none_or(|t| t.transaction.hash() != *hash) {
            return Err(LedgerError::Corrupt(format!("transaction {hash} is not where the index says")));
        }
        Ok(Some(Located::Sealed { block, index }))
    }

    fn open_transaction(&self, hash: &B256) -> Option<Located> {
        let tip = self.tip.read();
        let (flashblock, index) = *tip.open_transactions.get(hash)?;
        let before: usize = tip.open[..flashblock].iter().map(|c| c.executed.transactions.len()).sum();
        Some(Located::Open { certified: tip.open[flashblock].clone(), index, block_index: before + index })
    }

    /// A certified flashblock; `None` if not certified yet, or pruned.
    pub fn flashblock(&self, height: u64) -> Result<Option<Flashblock>, LedgerError> {
        let bytes = self.store.get(Table::Flashblocks, &keys::number(height))?;
        bytes.map(|b| FlashblockRecord::flashblock(&b, self.spec.limits.max_flashblock_bytes)).transpose()
    }

    /// The height of a certified flashblock.
    pub fn height_of(&self, digest: &Digest) -> Result<Option<u64>, LedgerError> {
        let bytes = self.store.get(Table::BlockHashes, &keys::digest(digest))?;
        bytes.map(|bytes| keys::read_number(&bytes)).transpose()
    }

    /// What proves that the flashblock at `height` is certified: the certificate of itself or of its first finalized
    /// descendant, and the headers from `height` up to that one, both included: each names the digest of the one
    /// before as its parent, and the last one's digest is the certificate's.
    pub fn certificate_for(&self, height: u64) -> Result<Option<(Certificate, Vec<Header>)>, LedgerError> {
        let to = keys::number(height.saturating_add(MAX_CERTIFICATE_DISTANCE));
        let found = self.store.range(Table::Certificates, &keys::number(height), &to, 1)?;
        let Some((key, value)) = found.into_iter().next() else { return Ok(None) };
        let certificate =
            Certificate::decode(&value).map_err(|error| LedgerError::Corrupt(format!("certificate: {error}")))?;
        let mut headers = Vec::new();
        for height in height..=keys::read_number(&key)? {
            let Some(flashblock) = self.flashblock(height)? else { return Ok(None) };
            headers.push(flashblock.header);
        }
        Ok(Some((certificate, headers)))
    }
}
