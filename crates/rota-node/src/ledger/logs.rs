//! Log queries: the header's bloom says which blocks to look at, limits say when to stop.

use super::{Ledger, LedgerError, codec, keys};
use alloy_primitives::{B256, Bloom, Log};
use alloy_rpc_types_eth::Filter;
use rota_execution::{SealedBlock, Table};
use std::ops::RangeInclusive;

/// A log with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLog {
    /// The log.
    pub log: Log,
    /// Block number.
    pub block_number: u64,
    /// Block hash.
    pub block_hash: B256,
    /// Timestamp of the block, seconds.
    pub block_timestamp: u64,
    /// Hash of the transaction.
    pub transaction_hash: B256,
    /// Index of the transaction in the block.
    pub transaction_index: u64,
    /// Index of the log in the block.
    pub log_index: u64,
}

/// What one query may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// Blocks in the range.
    pub blocks: u64,
    /// Logs in the answer.
    pub results: usize,
    /// Receipts looked at (blooms of full blocks match everything).
    pub receipts: usize,
}

impl Default for LogLimits {
    /// As public endpoints have it: 10 000 blocks, 20 000 logs; two million receipts take a second or two.
    fn default() -> Self {
        Self { blocks: 10_000, results: 20_000, receipts: 2_000_000 }
    }
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// More than a query may cost: ask for a smaller range.
    #[error("query exceeds the limit of {limit} {what}")]
    Limit {
        /// The limit.
        limit: u64,
        /// What there is too much of.
        what: &'static str,
    },
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Ledger {
    /// Logs of the sealed blocks of a range that match `filter`'s addresses and topics, in order. Blocks that are not
    /// here (pruned, or not sealed yet) have none.
    pub fn logs(
        &self,
        filter: &Filter,
        range: RangeInclusive<u64>,
        limits: &LogLimits,
    ) -> Result<Vec<FoundLog>, LogsError> {
        let limit = |what, limit| Err(LogsError::Limit { limit, what });
        if range.end().saturating_sub(*range.start()) >= limits.blocks {
            return limit("blocks in a range", limits.blocks);
        }
        let (mut found, mut receipts) = (Vec::new(), 0usize);
        for number in *range.start()..=*range.end().min(&self.head().number()) {
            let Some((bloom, count)) = self.bloom(number)? else { continue };
            if !filter.matches_bloom(bloom) {
                continue;
            }
            receipts += count;
            if receipts > limits.receipts {
                return limit("receipts searched", limits.receipts as u64);
            }
            self.logs_of_block(filter, number, &mut found)?;
            if found.len() > limits.results {
                return limit("results", limits.results as u64);
            }
        }
        Ok(found)
    }

    /// A block's bloom and how many transactions it has.
    fn bloom(&self, number: u64) -> Result<Option<(Bloom, usize)>, LedgerError> {
        if let Some(block) = self.recent(number) {
            return Ok(Some((block.sealed.header.logs_bloom, block.sealed.transactions.len())));
        }
        let record = self.header_record(number)?;
        Ok(record.map(|r| (r.header.logs_bloom, r.counts.iter().map(|count| *count as usize).sum())))
    }

    fn logs_of_block(&self, filter: &Filter, number: u64, found: &mut Vec<FoundLog>) -> Result<(), LedgerError> {
        if self.recent(number).is_none() {
            // Receipts alone tell whether the bloom was right, and cost less than the whole block.
            let Some(receipts) = self.store.get(Table::Receipts, &keys::number(number))? else { return Ok(()) };
            if !codec::decode_logs(&receipts)?.iter().any(|log| filter.matches(log)) {
                return Ok(());
            }
        }
        if let Some(block) = self.block(number)? {
            found.extend(block_logs(&block.sealed).filter(|log| filter.matches(&log.log)));
        }
        Ok(())
    }
}

/// Every log of a block, in order.
pub fn block_logs(sealed: &SealedBlock) -> impl Iterator<Item = FoundLog> + '_ {
    sealed
        .transactions
        .iter()
        .enumerate()
        .flat_map(|(index, executed)| executed.receipt.logs().iter().map(move |log| (index, executed, log)))
        .enumerate()
        .map(|(log_index, (transaction_index, executed, log))| FoundLog {
            log: log.clone(),
            block_number: sealed.header.number,
            block_hash: sealed.hash,
            block_timestamp: sealed.header.timestamp,
            transaction_hash: executed.transaction.hash(),
            transaction_index: transaction_index as u64,
            log_index: log_index as u64,
        })
}
