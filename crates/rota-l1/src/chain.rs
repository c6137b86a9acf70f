//! This node's view of L1: a bounded window of canonical blocks that a watcher keeps up to date.

use crate::{
    block::L1Block,
    provider::{L1Provider, ProviderError},
    rules::{self, OriginVerdict, Seen},
};
use commonware_runtime::Clock;
use futures::channel::oneshot;
use parking_lot::Mutex;
use rota_types::{BlockId, ChainSpec, Opening, Position};
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// How L1 is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct L1ChainConfig {
    /// Blocks on top of one that make it confirmed.
    pub confirmation_depth: u64,
    /// Time between polls.
    pub poll_interval: Duration,
    /// Blocks kept in memory, counted from the released floor.
    pub window: usize,
}

impl Default for L1ChainConfig {
    /// Two confirmations outlive the reorgs that L1 makes every day; 2 048 blocks are 7 h of mainnet and more than max
    /// drift at 2 s.
    fn default() -> Self {
        Self { confirmation_depth: 2, poll_interval: Duration::from_secs(1), window: 2_048 }
    }
}

/// What the watcher has been through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct L1Stats {
    /// Polls that failed.
    pub errors: u64,
    /// Blocks that left the canonical chain.
    pub reorged: u64,
}

/// This node's view of L1. Cheap to clone; all clones are one view.
#[derive(Debug, Clone)]
pub struct L1Chain {
    config: L1ChainConfig,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Canonical blocks, contiguous by parent hash.
    blocks: VecDeque<Arc<L1Block>>,
    /// The block to begin with while there are none.
    start: BlockId,
    /// Whether the only block is one that this node remembers, and L1 has not been asked yet.
    recalled: bool,
    finalized: Option<BlockId>,
    /// Wakes those who wait for a change.
    waiting: Vec<oneshot::Sender<()>>,
    stats: L1Stats,
}

/// Blocks kept below the released floor, to walk back over a reorg.
const MARGIN: u64 = 64;

impl L1Chain {
    /// A view that starts at `start`: the origin of the newest L2 block that the node holds.
    pub fn new(config: L1ChainConfig, start: BlockId) -> Self {
        Self { config, state: Arc::new(Mutex::new(State { start, ..State::default() })) }
    }

    /// A view that starts at an origin that the node remembers ([`L1Block::recalled`]): shown until L1 answers, so
    /// that the chain can go on with it while L1 is gone.
    pub fn recalling(config: L1ChainConfig, origin: L1Block) -> Self {
        let state = State { start: origin.id, recalled: true, blocks: [Arc::new(origin)].into(), ..State::default() };
        Self { config, state: Arc::new(Mutex::new(state)) }
    }

    /// The canonical block with this number and hash.
    pub fn get(&self, id: BlockId) -> Option<Arc<L1Block>> {
        self.get_number(id.number).filter(|block| block.id == id)
    }

    /// The canonical block at a number.
    pub fn get_number(&self, number: u64) -> Option<Arc<L1Block>> {
        self.state.lock().get(number).cloned()
    }

    /// The block after this number.
    pub fn next_of(&self, number: u64) -> Option<Arc<L1Block>> {
        self.get_number(number.checked_add(1)?)
    }

    /// The newest block in the window.
    pub fn head(&self) -> Option<BlockId> {
        self.state.lock().blocks.back().map(|block| block.id)
    }

    /// The newest block at the confirmation depth; nothing newer may be acted on.
    pub fn confirmed(&self) -> Option<BlockId> {
        let state = self.state.lock();
        // Counted on linked blocks only: the number of a head is whatever an endpoint claims.
        let number = state.blocks.back()?.id.number.checked_sub(self.config.confirmation_depth)?;
        state.get(number).map(|block| block.id)
    }

    /// The newest finalized block that the provider has told of.
    pub fn finalized(&self) -> Option<BlockId> {
        self.state.lock().finalized
    }

    /// What the watcher has been through.
    pub fn stats(&self) -> L1Stats {
        self.state.lock().stats
    }

    /// Resolves at the next change of the view.
    pub async fn changed(&self) {
        let receiver = {
            let mut state = self.state.lock();
            state.waiting.retain(|waiter| !waiter.is_canceled());
            let (sender, receiver) = oneshot::channel();
            state.waiting.push(sender);
            receiver
        };
        // The sender lives as long as the view and is used before it is dropped.
        let _ = receiver.await;
    }

    /// Resolves when this very block is canonical here.
    pub async fn wait_for(&self, id: BlockId) -> Arc<L1Block> {
        loop {
            let changed = self.changed();
            futures::pin_mut!(changed);
            // Registered before looking, so that no change is missed.
            let first = futures::poll!(&mut changed);
            if let Some(block) = self.get(id) {
                return block;
            }
            if first.is_pending() {
                changed.await;
            }
        }
    }

    /// Judges an opening by what is seen now.
    pub fn check(&self, spec: &ChainSpec, parent: &Position, opening: &Opening) -> OriginVerdict {
        let origin = self.get_number(opening.origin.number);
        let next = self.next_of(opening.origin.number);
        let confirmed = self.confirmed();
        let next_confirmed =
            next.as_ref().is_some_and(|next| confirmed.is_some_and(|confirmed| next.id.number <= confirmed.number));
        let seen = Seen { origin: origin.as_deref(), next: next.as_deref(), next_confirmed };
        rules::check_origin(spec, parent, opening, seen)
    }

    /// Waits until an opening is valid (and returns its origin) or invalid (and says why).
    pub async fn settle(
        &self,
        spec: &ChainSpec,
        parent: &Position,
        opening: &Opening,
    ) -> Result<Arc<L1Block>, &'static str> {
        loop {
            let changed = self.changed();
            futures::pin_mut!(changed);
            let first = futures::poll!(&mut changed);
            match self.check(spec, parent, opening) {
                OriginVerdict::Invalid(reason) => return Err(reason),
                OriginVerdict::Valid => {
                    if let Some(origin) = self.get(opening.origin) {
                        return Ok(origin);
                    }
                }
                OriginVerdict::Pending(_) => {}
            }
            if first.is_pending() {
                changed.await;
            }
        }
    }

    /// Blocks below this number (the newest certified origin) are not needed any more, but for a margin for reorgs.
    pub fn release(&self, number: u64) {
        let mut state = self.state.lock();
        let floor = number.saturating_sub(MARGIN);
        while state.blocks.len() > 1 && state.blocks.front().is_some_and(|block| block.id.number < floor) {
            state.blocks.pop_front();
        }
    }

    /// Watches L1 for ever.
    pub async fn run<E: Clock>(self, context: E, provider: Arc<dyn L1Provider>) {
        let mut failing = false;
        loop {
            match self.poll(&*provider).await {
                Ok(()) if failing => {
                    tracing::info!("L1 is back");
                    failing = false;
                }
                Ok(()) => {}
                Err(error) => {
                    self.state.lock().stats.errors += 1;
                    if !failing {
                        tracing::warn!(%error, "L1 cannot be read");
                    }
                    failing = true;
                }
            }
            context.sleep(self.config.poll_interval).await;
        }
    }

    /// Brings the window up to the provider's head. Blocks that were got before an error stay.
    pub async fn poll(&self, provider: &dyn L1Provider) -> Result<(), ProviderError> {
        let (head, finalized) = futures::try_join!(provider.head(), provider.finalized())?;
        if let Some(finalized) = finalized {
            self.state.lock().finalized = Some(finalized);
        }
        let begin = {
            let state = self.state.lock();
            (state.recalled || state.blocks.is_empty()).then_some(state.start)
        };
        if let Some(start) = begin {
            let found = provider.block_by_number(start.number).await?;
            let found = found.ok_or_else(|| unavailable(format!("no block {start:?} to start from")))?;
            self.state.lock().begin(found)?;
        }
        // What left the window in this poll: if it comes back, the provider contradicts itself (its head was reorged
        // meanwhile, or its backends disagree), and only another poll can help.
        let mut left: Vec<BlockId> = Vec::new();
        while let Some(tip) = self.head() {
            if head.number <= tip.number {
                match self.get_number(head.number) {
                    // A provider that lags behind what another one has shown is no reorg.
                    Some(ours) if ours.id == head => break,
                    None => break,
                    Some(ours) => {
                        left.push(ours.id);
                        self.state.lock().pop_from(ours.id)?;
                    }
                }
                continue;
            }
            if self.state.lock().blocks.len() >= self.config.window {
                break;
            }
            let Some(next) = provider.block_by_number(tip.number + 1).await? else { break };
            if next.id.number != tip.number + 1 {
                return Err(ProviderError::Inconsistent(format!("block {:?} for {}", next.id, tip.number + 1)));
            }
            if left.contains(&next.id) {
                return Err(ProviderError::Inconsistent(format!("block {:?} came back within one poll", next.id)));
            }
            let mut state = self.state.lock();
            if next.parent_hash == tip.hash {
                state.push(next);
            } else {
                left.push(tip);
                state.pop_from(tip)?;
            }
        }
        self.state.lock().wake();
        Ok(())
    }
}

impl State {
    fn get(&self, number: u64) -> Option<&Arc<L1Block>> {
        let first = self.blocks.front()?.id.number;
        self.blocks.get(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    /// Begins with what L1 has at the number of the block to begin with. An error if that is another block: nothing
    /// that this node builds on is on L1 then, unless the reorg reverses.
    fn begin(&mut self, found: Arc<L1Block>) -> Result<(), ProviderError> {
        self.recalled = false;
        self.blocks.clear();
        if found.id != self.start {
            self.wake();
            return Err(unavailable(format!(
                "{:?} is in place of {:?}, which this node builds on",
                found.id, self.start
            )));
        }
        self.push(found);
        Ok(())
    }

    fn push(&mut self, block: Arc<L1Block>) {
        self.blocks.push_back(block);
        self.wake();
    }

    /// Removes a block and all after it: L1 has been reorged. An error if nothing is left that this node builds on.
    fn pop_from(&mut self, id: BlockId) -> Result<(), ProviderError> {
        while let Some(last) = self.blocks.pop_back_if(|last| last.id.number >= id.number) {
            tracing::info!(number = last.id.number, hash = %last.id.hash, "L1 block reorged away");
            self.stats.reorged += 1;
            self.start = last.id;
        }
        self.wake();
        if self.blocks.is_empty() {
            return Err(unavailable(format!("L1 does not have the block {:?} that this node builds on", self.start)));
        }
        Ok(())
    }

    fn wake(&mut self) {
        for waiter in self.waiting.drain(..) {
            let _ = waiter.send(());
        }
    }
}

fn unavailable(why: String) -> ProviderError {
    ProviderError::Unavailable(why)
}
