//! What the batch inbox on L1 holds, followed block by block as derivation would.

use super::{
    judge::{Verdict, judge},
    source::PostedSource,
};
use crate::ledger::{LedgerError, PostedDifference};
use alloy_primitives::{Address, Bytes};
use rota_batch::{Batch, ChannelAssembler, ChannelReader, channel::CHANNEL_TIMEOUT, parse_frames};
use rota_l1::{ConfigUpdate, L1Block};
use rota_types::{BlockId, RollupConfig};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};
use tracing::{error, info};

/// The inbox after an L1 block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Checkpoint {
    pub(super) block: BlockId,
    /// Whose batches count in this block, and in the next ones unless an update says otherwise.
    pub(super) batcher: Address,
    /// The newest L2 block in a batch that derivation accepts; `None` until the first batch is found.
    pub(super) posted: Option<u64>,
    /// The L1 block with the first frame of a channel that is not finished yet.
    pub(super) unfinished: Option<u64>,
    /// An L2 block of which something else was posted than what was certified.
    pub(super) differs: Option<u64>,
}

/// Whose batches count in an L1 block: after all its updates, whatever the order in it.
pub(super) fn batcher_in(before: Address, block: &L1Block) -> Address {
    block.config_updates.iter().fold(before, |batcher, update| match update {
        ConfigUpdate::Batcher(batcher) => *batcher,
        _ => batcher,
    })
}

/// What did not count, by reason; since the start.
pub(super) type Ignored = BTreeMap<&'static str, u64>;

/// An L1 block whose batches are not all judged yet.
#[derive(Debug)]
struct Work {
    after: Checkpoint,
    /// Complete channels, still compressed.
    channels: VecDeque<Arc<Bytes>>,
    /// The channel that is being read, and what of it is left.
    reading: Option<(Arc<Bytes>, ChannelReader)>,
    /// The batch that waits for its blocks.
    batch: Option<Batch>,
}

/// The inbox up to an L1 block.
#[derive(Debug)]
pub(super) struct Inbox {
    assembler: ChannelAssembler,
    /// The newest L1 blocks that were taken; at least one.
    trail: VecDeque<Checkpoint>,
    /// L1 blocks that can be taken back, at most.
    max_trail: usize,
    work: Option<Work>,
    pub(super) ignored: Ignored,
}

impl Inbox {
    /// The inbox after a block in which no channel was unfinished. Remembers `max_trail` L1 blocks.
    pub(super) fn new(start: Checkpoint, max_trail: usize) -> Self {
        Self {
            assembler: ChannelAssembler::default(),
            trail: [start].into(),
            max_trail: max_trail.max(1),
            work: None,
            ignored: Ignored::default(),
        }
    }

    /// After the newest L1 block that was taken as a whole.
    pub(super) fn tip(&self) -> Checkpoint {
        *self.trail.back().expect("never empty")
    }

    /// The newest L1 block that was taken at least in part.
    pub(super) fn newest(&self) -> BlockId {
        self.work.as_ref().map_or(self.tip().block, |work| work.after.block)
    }

    /// After the newest L1 block that is not above this number, if it is remembered.
    pub(super) fn at(&self, l1_number: u64) -> Option<&Checkpoint> {
        self.trail.iter().rev().find(|checkpoint| checkpoint.block.number <= l1_number)
    }

    /// The newest checkpoint up to this L1 block from which reading can begin again.
    pub(super) fn resumable(&self, l1_number: u64) -> Option<&Checkpoint> {
        let known = self.trail.iter().rev().filter(|checkpoint| checkpoint.block.number <= l1_number);
        known.filter(|checkpoint| checkpoint.posted.is_some()).find(|checkpoint| checkpoint.unfinished.is_none())
    }

    /// Whether batches of an L1 block are still to be judged.
    pub(super) const fn busy(&self) -> bool {
        self.work.is_some()
    }

    /// Whether judging takes work.
    pub(super) fn heavy(&self) -> bool {
        self.work.as_ref().is_some_and(|work| !work.channels.is_empty() || work.reading.is_some())
    }

    /// Takes back the newest L1 block. `false` if there is none before it.
    pub(super) fn pop(&mut self) -> bool {
        if self.work.take().is_some() {
            return true;
        }
        if self.trail.len() > 1 {
            self.trail.pop_back();
            return true;
        }
        false
    }

    /// After blocks were taken back: goes further back to where no channel was unfinished, so that frames before the
    /// fork and after it make the channel that derivation sees. `false` if that is not remembered.
    pub(super) fn settle(&mut self) -> bool {
        self.assembler = ChannelAssembler::default();
        while let Some(first) = self.tip().unfinished {
            while self.tip().block.number >= first {
                if !self.pop() {
                    return false;
                }
            }
        }
        true
    }

    /// Takes the next L1 block with the batcher's data in it; [`Self::proceed`] judges it. `others` is the number of
    /// transactions of those who may not post.
    pub(super) fn begin(&mut self, block: BlockId, batcher: Address, data: &[Bytes], others: usize) {
        let mut channels = VecDeque::new();
        for piece in data {
            let Ok(frames) = parse_frames(piece) else {
                self.ignore("no frames");
                continue;
            };
            for frame in frames {
                channels.extend(self.assembler.push(block.number, frame).map(|channel| Arc::new(Bytes::from(channel))));
            }
        }
        if others > 0 {
            *self.ignored.entry("stranger").or_default() += others as u64;
        }
        let open = self.assembler.opened_at();
        let unfinished = open.filter(|opened| opened.saturating_add(CHANNEL_TIMEOUT) > block.number);
        let after = Checkpoint { block, batcher, unfinished, ..self.tip() };
        self.work = Some(Work { after, channels, reading: None, batch: None });
    }

    /// Judges the batches of the block that was begun, until all are judged (`None`) or one must wait for this L2
    /// block.
    pub(super) fn proceed(
        &mut self,
        rollup: &RollupConfig,
        source: &dyn PostedSource,
        canonical: &dyn Fn(BlockId) -> bool,
    ) -> Result<Option<u64>, LedgerError> {
        let Some(mut work) = self.work.take() else { return Ok(None) };
        while let Some(batch) = self.next_batch(&mut work, rollup.l2_chain_id) {
            let after = &mut work.after;
            match judge(rollup, source, canonical, after.block.number, after.posted, &batch)? {
                Verdict::Posted(last) => after.posted = Some(last),
                Verdict::Ignored(reason) => {
                    info!(l1_block = after.block.number, reason, "a batch does not count");
                    self.ignore(reason);
                }
                Verdict::Waits(block) => {
                    work.batch = Some(batch);
                    self.work = Some(work);
                    return Ok(Some(block));
                }
                Verdict::Differs { block, certified } => {
                    error!(block, %certified, l1_block = after.block.number, batcher = %after.batcher,
                        "a posted batch is not what was certified");
                    self.ignore("differs");
                    after.differs = Some(block);
                    let channel = work.reading.as_ref().map(|(channel, _)| channel.as_ref().clone());
                    source.store_difference(PostedDifference {
                        l1_number: after.block.number,
                        l1_hash: after.block.hash,
                        batcher: after.batcher,
                        block,
                        certified,
                        channel: channel.unwrap_or_default(),
                    })?;
                }
            }
        }
        self.trail.push_back(work.after);
        if self.trail.len() > self.max_trail {
            self.trail.pop_front();
        }
        Ok(None)
    }

    /// One channel is decompressed at a time, whatever a block holds.
    fn next_batch(&mut self, work: &mut Work, chain_id: u64) -> Option<Batch> {
        if let Some(batch) = work.batch.take() {
            return Some(batch);
        }
        loop {
            if let Some((_, reader)) = &mut work.reading {
                match reader.next() {
                    Some(Ok(batch)) => return Some(batch),
                    Some(Err(_)) => self.ignore("malformed"),
                    None => work.reading = None,
                }
                continue;
            }
            let channel = work.channels.pop_front()?;
            match ChannelReader::new(&channel, chain_id) {
                Ok(reader) => work.reading = Some((channel, reader)),
                Err(_) => self.ignore("malformed"),
            }
        }
    }

    fn ignore(&mut self, reason: &'static str) {
        *self.ignored.entry(reason).or_default() += 1;
    }
}
