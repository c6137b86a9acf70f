//! Reads the batch inbox on every node: what is posted, safe and final, and what was posted against what is certified.

use super::{
    inbox::{Checkpoint, Ignored, Inbox, batcher_in},
    source::PostedSource,
};
use crate::{
    feed::{Feed, FeedEvent},
    health::Health,
    ledger::{InboxPosition, LedgerError},
};
use alloy_primitives::Address;
use commonware_runtime::{
    Clock, Metrics, Spawner,
    telemetry::metrics::{Counter, Gauge, GaugeExt, MetricsExt, Registered, raw},
};
use futures::{
    FutureExt,
    future::{pending, select},
};
use rota_l1::{BlobSource, L1Block, L1Chain, L1Provider, ProviderError, batcher_data};
use rota_types::{BlockId, RollupConfig};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::sync::watch;
use tracing::{info, warn};

/// L1 blocks that can be taken back without reading again from the last position kept: more than the L1 view itself
/// walks back, and four hours of mainnet.
const MAX_TRAIL: u64 = 1_200;

/// L1 blocks between positions that are kept: what a restart reads again, at most, beside what is not final.
const KEEP_EVERY: u64 = 16;

/// Longest time between two looks, for what no change of L1 announces: blocks that are certified here, blobs that were
/// not served yet.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A part of the sequencing window after which a backlog is an alarm, and batches are posted at any price: on mainnet
/// three hours, of which most are left to mend the posters.
pub(super) const ALARM_FRACTION: u64 = 4;

/// A part of the sequencing window after which leaders propose only empty blocks: the other half is left to post what is
/// there.
const EMPTY_FRACTION: u64 = 2;

/// What the inbox holds, as far as it was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InboxView {
    /// The newest L1 block that was read; `None` until reading has begun.
    pub l1_block: Option<BlockId>,
    /// Whether that is the head of this node's view of L1.
    pub synced: bool,
    /// Whose batches count in that block.
    pub batcher: Option<Address>,
    /// The newest L2 block whose batch is in an L1 block.
    pub posted: Option<u64>,
    /// The same at the confirmation depth.
    pub safe: Option<u64>,
    /// The same in finalized L1.
    pub finalized: Option<u64>,
    /// An L2 block of which something else was posted than what was certified.
    pub differs: Option<u64>,
    /// L1 blocks since the origin of the oldest certified block that is not posted; 0 if all are.
    pub backlog: u64,
}

/// Reads the inbox.
pub struct InboxReader {
    /// The chain's rollup config.
    pub rollup: Arc<RollupConfig>,
    /// Certified blocks.
    pub source: Arc<dyn PostedSource>,
    /// This node's view of L1.
    pub chain: L1Chain,
    /// Reads L1.
    pub provider: Arc<dyn L1Provider>,
    /// Has the blobs.
    pub blobs: Arc<dyn BlobSource>,
    /// Told of what is posted, safe and final.
    pub feed: Feed,
    /// Told of what is wrong.
    pub health: Arc<Health>,
    /// What is read.
    pub view: watch::Sender<InboxView>,
}

/// Why reading paused. All but the ledger's is tried again.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    L1(#[from] ProviderError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

type Counters = Registered<raw::Family<[(&'static str, &'static str); 1], raw::Counter>>;

struct Meters {
    l1_block: Gauge,
    posted: Gauge,
    safe: Gauge,
    finalized: Gauge,
    backlog: Gauge,
    errors: Counter,
    ignored: Counters,
    /// What `ignored` shows.
    shown: Ignored,
}

impl Meters {
    fn new(context: &impl Metrics) -> Self {
        Self {
            l1_block: context.gauge("l1_block", "Number of the newest L1 block whose inbox was read"),
            posted: context.gauge("posted_block", "Number of the newest block whose batch is in an L1 block"),
            safe: context.gauge("safe_block", "The same at the confirmation depth"),
            finalized: context.gauge("finalized_block", "The same in finalized L1"),
            backlog: context.gauge("backlog_l1_blocks", "L1 blocks since the origin of the oldest block not posted"),
            errors: context.counter("errors", "Attempts to read the inbox that failed"),
            ignored: context.family("ignored", "Batches and transactions that do not count, by reason"),
            shown: BTreeMap::new(),
        }
    }

    fn show(&mut self, view: &InboxView, ignored: &Ignored) {
        let set = |gauge: &Gauge, value: Option<u64>| {
            let _ = gauge.try_set(value.unwrap_or_default());
        };
        set(&self.l1_block, view.l1_block.map(|block| block.number));
        set(&self.posted, view.posted);
        set(&self.safe, view.safe);
        set(&self.finalized, view.finalized);
        set(&self.backlog, Some(view.backlog));
        for (reason, count) in ignored {
            let shown = self.shown.insert(reason, *count).unwrap_or_default();
            self.ignored.get_or_create(&[("reason", *reason)]).inc_by(count.saturating_sub(shown));
        }
    }
}

struct State {
    inbox: Option<Inbox>,
    meters: Meters,
    kept: Option<u64>,
    /// Whether the L1 head was reached in this life: from then on a backlog is one.
    reached: bool,
    /// Since when the next L1 block can't be read.
    stuck: Option<SystemTime>,
}

impl InboxReader {
    /// Reads until the ledger fails, which is why it returns.
    pub async fn run<E: Clock + Metrics + Spawner>(self, context: E) -> LedgerError {
        let meters = Meters::new(&context);
        let mut state = State { inbox: None, meters, kept: None, reached: false, stuck: None };
        let this = Arc::new(self);
        loop {
            // Registered before looking, so that no change is missed.
            let mut changed = this.chain.changed().boxed();
            let _ = futures::poll!(&mut changed);
            let now = context.current();
            let stuck = match this.step(&context, &mut state).await {
                Ok(stuck) => stuck,
                Err(ReadError::Ledger(error)) => return error,
                Err(ReadError::L1(error)) => {
                    state.meters.errors.inc();
                    warn!(%error, "cannot read the inbox now");
                    Some(error.to_string())
                }
            };
            state.stuck = stuck.is_some().then(|| state.stuck.unwrap_or(now));
            this.health.inbox(stuck.zip(state.stuck));
            if let Err(error) = this.tell(&mut state) {
                return error;
            }
            select(changed, context.sleep(LOOK_EVERY).boxed()).await;
        }
    }

    /// Reads up to the L1 head. `Some` says what it waits for.
    async fn step<E: Clock + Metrics + Spawner>(
        self: &Arc<Self>,
        context: &E,
        state: &mut State,
    ) -> Result<Option<String>, ReadError> {
        let Some(head) = self.chain.head() else { return Ok(None) };
        let mut inbox = match state.inbox.take() {
            Some(inbox) => inbox,
            None => match self.find(head).await? {
                Some(start) => {
                    info!(l1_block = start.block.number, posted = start.posted, "reading the inbox");
                    let trail = self.rollup.seq_window_size.min(MAX_TRAIL);
                    Inbox::new(start, usize::try_from(trail).unwrap_or(usize::MAX))
                }
                None => return Ok(Some("the chain is not synced to the sequencing window".into())),
            },
        };
        match self.rewind(&mut inbox).await {
            Ok(true) => {}
            // Reorged deeper than is remembered: from what was kept.
            Ok(false) => return Ok(Some("L1 was reorged below what is remembered of the inbox".into())),
            Err(error) => {
                state.inbox = Some(inbox);
                return Err(error.into());
            }
        }
        let outcome = self.follow(context, inbox, state, head).await?;
        let tip = state.inbox.as_ref().map(Inbox::tip);
        state.reached |= tip.is_some_and(|tip| tip.block == head);
        let nothing = tip.is_some_and(|tip| tip.block == head && tip.posted.is_none());
        Ok(outcome.or_else(|| nothing.then(|| "no batch of this chain within the sequencing window".into())))
    }

    async fn follow<E: Clock + Metrics + Spawner>(
        self: &Arc<Self>,
        context: &E,
        mut inbox: Inbox,
        state: &mut State,
        head: BlockId,
    ) -> Result<Option<String>, ReadError> {
        loop {
            if inbox.busy() {
                let (back, waits) = self.judge(context, inbox).await?;
                inbox = back;
                if let Some(block) = waits {
                    state.inbox = Some(inbox);
                    return Ok(Some(format!("a batch ends with block {block}, which is not certified here")));
                }
                self.keep(&inbox, state)?;
            }
            let tip = inbox.tip();
            if tip.block.number >= head.number {
                break;
            }
            let read = self.read(tip).await;
            let Some((block, batcher, data, others)) = (match read {
                Ok(read) => read,
                Err(error) => {
                    state.inbox = Some(inbox);
                    return Err(error.into());
                }
            }) else {
                break;
            };
            inbox.begin(block.id, batcher, &data, others);
        }
        state.inbox = Some(inbox);
        Ok(None)
    }

    /// The L1 block after `tip` with the batcher's data; `None` if L1 has none that follows (now).
    async fn read(
        &self,
        tip: Checkpoint,
    ) -> Result<Option<(Arc<L1Block>, Address, Vec<alloy_primitives::Bytes>, usize)>, ProviderError> {
        let number = tip.block.number + 1;
        let Some(block) = self.provider.block_by_number(number).await? else { return Ok(None) };
        let known = self.chain.get_number(number);
        if block.parent_hash != tip.block.hash || known.is_some_and(|known| known.id != block.id) {
            return Ok(None);
        }
        let transactions = self.provider.inbox(block.id.hash).await?;
        let missing = || ProviderError::Unavailable(format!("no transactions of L1 block {number}"));
        let transactions = transactions.ok_or_else(missing)?;
        let batcher = batcher_in(tip.batcher, &block);
        let others = transactions.iter().filter(|transaction| transaction.from != batcher).count();
        let data = batcher_data(&*self.blobs, block.timestamp, batcher, &transactions).await?;
        Ok(Some((block, batcher, data, others)))
    }

    /// Judges batches where decompressing them holds nobody up.
    async fn judge<E: Clock + Metrics + Spawner>(
        self: &Arc<Self>,
        context: &E,
        mut inbox: Inbox,
    ) -> Result<(Inbox, Option<u64>), LedgerError> {
        let canonical = |chain: &L1Chain, origin: BlockId| {
            let known = chain.get_number(origin.number);
            known.is_none_or(|known| known.id == origin)
        };
        if !inbox.heavy() {
            let waits = inbox.proceed(&self.rollup, &*self.source, &|origin| canonical(&self.chain, origin))?;
            return Ok((inbox, waits));
        }
        let this = self.clone();
        let task = context.child("batches").shared(true).spawn(move |_| async move {
            let waits = inbox.proceed(&this.rollup, &*this.source, &|origin| canonical(&this.chain, origin));
            waits.map(|waits| (inbox, waits))
        });
        match task.await {
            Ok(result) => result,
            // The runtime is shutting down and drops this future too.
            Err(_) => pending().await,
        }
    }

    /// Takes back L1 blocks that are not canonical any more. `false` if none that is remembered is.
    async fn rewind(&self, inbox: &mut Inbox) -> Result<bool, ProviderError> {
        let from = inbox.newest();
        while !self.canonical(inbox.newest()).await? {
            if !inbox.pop() {
                return Ok(false);
            }
        }
        if inbox.newest() == from {
            return Ok(true);
        }
        let settled = inbox.settle();
        warn!(from = from.number, to = inbox.tip().block.number, posted = inbox.tip().posted, "L1 reorg in the inbox");
        Ok(settled)
    }

    async fn canonical(&self, block: BlockId) -> Result<bool, ProviderError> {
        if let Some(known) = self.chain.get_number(block.number) {
            return Ok(known.id == block);
        }
        if self.chain.head().is_some_and(|head| head.number < block.number) {
            // A shorter chain is no other chain yet.
            return Ok(true);
        }
        Ok(self.provider.block_by_number(block.number).await?.is_none_or(|known| known.id == block))
    }

    /// Where to begin: at the position kept, if L1 still has it; else a sequencing window back, or at the rollup's first
    /// L1 block, before which there is nothing. `None` while the ledger does not reach that far.
    async fn find(&self, head: BlockId) -> Result<Option<Checkpoint>, ReadError> {
        let rollup = &self.rollup;
        if let Some(kept) = self.source.position()? {
            let block = BlockId { number: kept.l1_number, hash: kept.l1_hash };
            let fresh = kept.l1_number.saturating_add(rollup.seq_window_size) >= head.number;
            if fresh && self.canonical(block).await? {
                let (batcher, posted) = (kept.batcher, Some(kept.posted));
                return Ok(Some(Checkpoint { block, batcher, posted, unfinished: None, differs: None }));
            }
            warn!(l1_block = kept.l1_number, "the inbox is read again from the sequencing window on");
        }
        let genesis = &rollup.genesis;
        let start = head.number.saturating_sub(rollup.seq_window_size);
        if start <= genesis.l1.number {
            return Ok(Some(Checkpoint {
                block: genesis.l1,
                batcher: genesis.system_config.batcher_addr,
                posted: Some(genesis.l2.number),
                unfinished: None,
                differs: None,
            }));
        }
        // The first certified block on an origin that is not older tells whose batches counted then.
        let (mut low, mut high) = (self.source.oldest().saturating_sub(1), self.source.head());
        let below = |number: u64| -> Result<bool, LedgerError> {
            Ok(self.source.block(number)?.is_none_or(|block| block.batch.origin.number < start))
        };
        if high == genesis.l2.number || below(high)? {
            return Ok(None);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            *if below(middle)? { &mut low } else { &mut high } = middle;
        }
        let Some(first) = self.source.block(high)? else { return Ok(None) };
        let (block, batcher) = (first.batch.origin, first.batcher);
        Ok(Some(Checkpoint { block, batcher, posted: None, unfinished: None, differs: None }))
    }

    /// Keeps where a restart can go on: in what is final, as far as L1 tells.
    fn keep(&self, inbox: &Inbox, state: &mut State) -> Result<(), LedgerError> {
        let Some(finalized) = self.chain.finalized() else { return Ok(()) };
        let Some(Checkpoint { block, batcher, posted: Some(posted), .. }) = inbox.resumable(finalized.number) else {
            return Ok(());
        };
        if state.kept.is_some_and(|kept| (kept..kept + KEEP_EVERY).contains(&block.number)) {
            return Ok(());
        }
        self.source.store_position(&InboxPosition {
            l1_number: block.number,
            l1_hash: block.hash,
            posted: *posted,
            batcher: *batcher,
        })?;
        state.kept = Some(block.number);
        Ok(())
    }

    /// Tells everybody what has changed.
    fn tell(&self, state: &mut State) -> Result<(), LedgerError> {
        let before = *self.view.borrow();
        let view = match &state.inbox {
            Some(inbox) => self.look(inbox, &before, state.reached)?,
            None => InboxView { synced: false, ..before },
        };
        state.meters.show(&view, state.inbox.as_ref().map_or(&Ignored::default(), |inbox| &inbox.ignored));
        let alarm = view.backlog > self.rollup.seq_window_size / ALARM_FRACTION;
        let empty = view.backlog > self.rollup.seq_window_size / EMPTY_FRACTION;
        self.health.backlog(alarm.then_some((view.backlog, self.rollup.seq_window_size)), empty);
        self.health.differs(view.differs);
        let pruned = view.posted.map(|posted| posted + 1).filter(|next| *next < self.source.oldest());
        if self.health.unpostable(pruned)
            && let Some(block) = pruned
        {
            tracing::error!(block, "a block that is not posted was pruned here: this operator can't post it");
        }
        if view == before {
            return Ok(());
        }
        self.view.send_replace(view);
        let changed = |now: Option<u64>, before: Option<u64>| now.filter(|_| now != before);
        if let Some(posted) = changed(view.posted, before.posted) {
            self.feed.publish(FeedEvent::Posted(posted));
        }
        if let Some(safe) = changed(view.safe, before.safe) {
            self.feed.publish(FeedEvent::Safe(safe));
        }
        if let Some(finalized) = changed(view.finalized, before.finalized) {
            self.source.posted_for_good(finalized);
            self.feed.publish(FeedEvent::Finalized(finalized));
        }
        Ok(())
    }

    fn look(&self, inbox: &Inbox, before: &InboxView, reached: bool) -> Result<InboxView, LedgerError> {
        let tip = inbox.tip();
        let posted = |block: Option<BlockId>| {
            let known = block.and_then(|block| inbox.at(block.number));
            known.and_then(|checkpoint| checkpoint.posted)
        };
        let head = self.chain.head();
        let mut backlog = 0;
        if let Some(posted) = tip.posted
            && posted < self.source.head()
            && let Some(oldest) = self.source.block(posted + 1)?
        {
            let l1 = head.filter(|_| reached).unwrap_or(tip.block);
            backlog = l1.number.saturating_sub(oldest.batch.origin.number);
        }
        Ok(InboxView {
            l1_block: Some(tip.block),
            synced: head == Some(tip.block) && !inbox.busy(),
            batcher: Some(tip.batcher),
            posted: tip.posted,
            safe: posted(self.chain.confirmed()),
            // Final is final, also where the trail does not reach back to it.
            finalized: posted(self.chain.finalized()).max(before.finalized),
            differs: tip.differs,
            backlog,
        })
    }
}
