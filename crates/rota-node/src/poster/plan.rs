//! What to post next, and when.

use super::source::PostedSource;
use crate::ledger::LedgerError;
use rota_batch::BatchBlock;
use std::time::Duration;

/// When a batch is due and how large it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostingLimits {
    /// Longest time that a certified block waits, from its timestamp.
    pub interval: Duration,
    /// Bytes of transactions in one channel before compression.
    pub max_channel_bytes: usize,
    /// Blocks in one channel.
    pub max_channel_blocks: u64,
}

impl Default for PostingLimits {
    /// L1 pools keep about 16 transactions of one account; a megabyte is at most nine of call data.
    fn default() -> Self {
        Self { interval: Duration::from_secs(10), max_channel_bytes: 1_000_000, max_channel_blocks: 1_800 }
    }
}

/// Counts what waits, so that looking every second reads every block once.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// First block that waits, and the first one not counted yet.
    from: u64,
    next: u64,
    bytes: usize,
    oldest_timestamp: Option<u64>,
    full: bool,
}

impl Plan {
    /// The next channel after `posted`, if it is due at `now` (seconds).
    pub(super) fn next(
        &mut self,
        limits: &PostingLimits,
        source: &dyn PostedSource,
        posted: u64,
        now: u64,
    ) -> Result<Option<Vec<BatchBlock>>, LedgerError> {
        if self.from != posted + 1 {
            *self = Self { from: posted + 1, next: posted + 1, ..Self::default() };
        }
        let head = source.head();
        while self.next <= head && !self.full {
            let Some(block) = source.block(self.next)? else { break };
            let bytes: usize = block.batch.transactions.iter().map(|transaction| transaction.len()).sum();
            let blocks = self.next - self.from;
            // A block that is too large alone is posted alone.
            if blocks > 0 && (self.bytes + bytes > limits.max_channel_bytes || blocks >= limits.max_channel_blocks) {
                self.full = true;
                break;
            }
            self.oldest_timestamp.get_or_insert(block.batch.timestamp);
            self.bytes += bytes;
            self.next += 1;
        }
        let waited = self.oldest_timestamp.is_some_and(|oldest| oldest + limits.interval.as_secs() <= now);
        if !(waited || self.full) {
            return Ok(None);
        }
        let mut blocks = Vec::new();
        for number in self.from..self.next {
            let Some(block) = source.block(number)? else { return Ok(None) };
            blocks.push(block.batch);
        }
        Ok(Some(blocks))
    }
}
