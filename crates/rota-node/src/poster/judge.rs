//! What a batch in the inbox is: the next of what was certified, something else, or nothing that counts.

use super::source::PostedSource;
use crate::ledger::LedgerError;
use alloy_primitives::{B256, Bytes};
use rota_batch::{Batch, SingularBatch, SpanBatch};
use rota_types::{BlockId, RollupConfig};

/// The verdict on a batch of the authorised batcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on from what is posted, and says what was certified up to this block.
    Posted(u64),
    /// Derivation drops it, for this reason.
    Ignored(&'static str),
    /// From this block on it is not what was certified.
    Differs {
        /// Number of the block.
        block: u64,
        /// Hash of the certified one.
        certified: B256,
    },
    /// Whether it is what was certified can't be said before this block is certified here.
    Waits(u64),
}

/// What a batch claims, whatever its kind.
trait Claim {
    fn timestamp(&self, rollup: &RollupConfig) -> u64;
    fn count(&self) -> u64;
    fn follows(&self, parent: B256) -> bool;
    fn ends_on(&self, origin: B256) -> bool;
    /// Origin number and transactions of each block.
    fn blocks<'a>(&'a self, rollup: &'a RollupConfig) -> Box<dyn Iterator<Item = (u64, &'a [Bytes])> + 'a>;
}

impl Claim for SpanBatch {
    fn timestamp(&self, rollup: &RollupConfig) -> u64 {
        rollup.genesis.l2_time.saturating_add(self.rel_timestamp)
    }

    fn count(&self) -> u64 {
        self.block_count() as u64
    }

    fn follows(&self, parent: B256) -> bool {
        Self::follows(self, parent)
    }

    fn ends_on(&self, origin: B256) -> bool {
        Self::ends_on(self, origin)
    }

    fn blocks<'a>(&'a self, rollup: &'a RollupConfig) -> Box<dyn Iterator<Item = (u64, &'a [Bytes])> + 'a> {
        Box::new(Self::blocks(self, rollup).map(|block| (block.origin_number, block.transactions)))
    }
}

impl Claim for SingularBatch {
    fn timestamp(&self, _: &RollupConfig) -> u64 {
        self.timestamp
    }

    fn count(&self) -> u64 {
        1
    }

    fn follows(&self, parent: B256) -> bool {
        self.parent_hash == parent
    }

    fn ends_on(&self, origin: B256) -> bool {
        self.origin_hash == origin
    }

    fn blocks<'a>(&'a self, _: &'a RollupConfig) -> Box<dyn Iterator<Item = (u64, &'a [Bytes])> + 'a> {
        Box::new(std::iter::once((self.origin_number, self.transactions.as_slice())))
    }
}

/// Judges a batch that was completed in L1 block `l1_number`, `posted` being the newest block before it (`None`: not
/// known). `canonical` says whether L1 still has an origin.
pub(super) fn judge(
    rollup: &RollupConfig,
    source: &dyn PostedSource,
    canonical: &dyn Fn(BlockId) -> bool,
    l1_number: u64,
    posted: Option<u64>,
    batch: &Batch,
) -> Result<Verdict, LedgerError> {
    let claim: &dyn Claim = match batch {
        Batch::Singular(batch) => batch,
        Batch::Span(batch) => batch,
    };
    let since_genesis = claim.timestamp(rollup).checked_sub(rollup.genesis.l2_time);
    let Some(since_genesis) = since_genesis.filter(|since| *since > 0 && since.is_multiple_of(rollup.block_time))
    else {
        return Ok(Verdict::Ignored("misaligned"));
    };
    let first = rollup.genesis.l2.number.saturating_add(since_genesis / rollup.block_time);
    let last = first.saturating_add(claim.count() - 1);
    if posted.is_some_and(|posted| last <= posted) {
        return Ok(Verdict::Ignored("past"));
    }
    if posted.is_some_and(|posted| first > posted + 1) {
        return Ok(Verdict::Ignored("gap"));
    }
    let late = |origin: u64| origin.saturating_add(rollup.seq_window_size) < l1_number;
    if claim.blocks(rollup).next().is_none_or(|(origin, _)| late(origin)) {
        return Ok(Verdict::Ignored("late"));
    }
    if let Some(parent) = source.hash(first - 1)?
        && !claim.follows(parent)
    {
        return Ok(Verdict::Differs { block: first, certified: source.hash(first)?.unwrap_or_default() });
    }
    for (number, (origin, transactions)) in (first..).zip(claim.blocks(rollup)) {
        let Some(ours) = source.block(number)? else {
            if number > source.head() {
                return Ok(Verdict::Waits(last));
            }
            // Pruned: nothing to compare with.
            continue;
        };
        let same = ours.batch.origin.number == origin && ours.batch.transactions == transactions;
        if !same || (number == last && !claim.ends_on(ours.batch.origin.hash)) {
            return Ok(Verdict::Differs { block: number, certified: ours.hash });
        }
        if number == last && !canonical(ours.batch.origin) {
            return Ok(Verdict::Ignored("origin reorged"));
        }
    }
    Ok(Verdict::Posted(last))
}
