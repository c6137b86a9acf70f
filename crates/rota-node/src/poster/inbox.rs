//! What the batch inbox on L1 already holds, followed block by block as derivation would.

use super::source::PostedSource;
use crate::ledger::LedgerError;
use alloy_primitives::Address;
use rota_batch::{Batch, ChannelAssembler, ChannelReader, SpanBatch, parse_frames};
use rota_l1::{InboxData, InboxTransaction};
use rota_types::{BlockId, RollupConfig};
use std::collections::VecDeque;
use tracing::{error, warn};

/// L1 blocks that can be taken back: deeper reorgs than this need a restart.
const MAX_TRAIL: usize = 256;

/// The inbox up to an L1 block.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    assembler: ChannelAssembler,
    /// The newest L2 block in a batch that derivation accepts; `None` until the first batch is found.
    posted: Option<u64>,
    /// The newest L1 blocks that were taken, each with `posted` after it.
    trail: VecDeque<(BlockId, Option<u64>)>,
}

impl Inbox {
    /// An inbox that is empty before the rollup's L1 genesis (`posted` is the L2 genesis), or unknown.
    pub(super) fn new(posted: Option<u64>) -> Self {
        Self { posted, ..Self::default() }
    }

    /// The newest posted L2 block.
    pub(super) const fn posted(&self) -> Option<u64> {
        self.posted
    }

    /// The newest L1 block that was taken.
    pub(super) fn tip(&self) -> Option<BlockId> {
        self.trail.back().map(|(block, _)| *block)
    }

    /// Forgets the L1 blocks that are not canonical any more. A channel across the fork is not recognized afterwards;
    /// its blocks are posted again, which costs a fee and does no harm.
    pub(super) fn rewind(&mut self, canonical: impl Fn(BlockId) -> bool) -> bool {
        let before = self.trail.len();
        while let Some((block, _)) = self.trail.back()
            && !canonical(*block)
            && self.trail.len() > 1
        {
            self.trail.pop_back();
        }
        let rewound = self.trail.len() < before;
        if rewound {
            self.assembler = ChannelAssembler::default();
            self.posted = self.trail.back().and_then(|(_, posted)| *posted);
        }
        rewound
    }

    /// Takes the next L1 block with its inbox transactions.
    pub(super) fn take(
        &mut self,
        rollup: &RollupConfig,
        batcher: Address,
        source: &dyn PostedSource,
        block: BlockId,
        transactions: &[InboxTransaction],
    ) -> Result<(), LedgerError> {
        for transaction in transactions.iter().filter(|transaction| transaction.from == batcher) {
            let InboxData::Calldata(input) = &transaction.data else { continue };
            let Ok(frames) = parse_frames(input) else {
                warn!(transaction = %transaction.hash, "our own inbox transaction holds no frames");
                continue;
            };
            for frame in frames {
                let Some(channel) = self.assembler.push(block.number, frame) else { continue };
                let batches = ChannelReader::new(&channel, rollup.l2_chain_id).into_iter().flatten().flatten();
                for batch in batches {
                    if let Batch::Span(span) = batch
                        && let Some(last) = accepted(rollup, source, block.number, self.posted, &span)?
                    {
                        self.posted = Some(last);
                    }
                }
            }
        }
        self.trail.push_back((block, self.posted));
        if self.trail.len() > MAX_TRAIL {
            self.trail.pop_front();
        }
        Ok(())
    }
}

/// The last block of a batch that goes on from `posted` and says what was certified.
fn accepted(
    rollup: &RollupConfig,
    source: &dyn PostedSource,
    l1_number: u64,
    posted: Option<u64>,
    span: &SpanBatch,
) -> Result<Option<u64>, LedgerError> {
    let Some(block) = span.blocks(rollup).next() else { return Ok(None) };
    if !span.rel_timestamp.is_multiple_of(rollup.block_time) {
        return Ok(None);
    }
    let first = rollup.genesis.l2.number.saturating_add(span.rel_timestamp / rollup.block_time);
    let last = first.saturating_add(span.block_count() as u64 - 1);
    let late = block.origin_number.saturating_add(rollup.seq_window_size) < l1_number;
    let gap = posted.is_some_and(|posted| first > posted + 1 || last <= posted);
    if late || gap || first <= rollup.genesis.l2.number {
        return Ok(None);
    }
    // What was pruned here, or what an earlier life posted and this ledger doesn't have yet, is not compared.
    let mut agrees = source.hash(first - 1)?.is_none_or(|parent| span.follows(parent));
    for (number, block) in (first..).zip(span.blocks(rollup)) {
        if let Some(ours) = source.block(number)? {
            let ours = ours.batch;
            agrees &= ours.origin.number == block.origin_number && ours.transactions == block.transactions;
            agrees &= number != last || span.ends_on(ours.origin.hash);
        }
    }
    if !agrees {
        error!(first, last, l1_number, "a posted batch is not what was certified");
        return Ok(None);
    }
    Ok(Some(last))
}
