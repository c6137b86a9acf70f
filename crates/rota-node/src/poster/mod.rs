//! Posts certified blocks to L1, one span batch per channel, each going on where the last one ended.
//!
//! What is posted is never remembered, only read from the inbox on L1: a restart looks there first, a reorg takes back
//! what it took back, and a batch that got lost is simply missing and posted again.

mod inbox;
mod plan;
mod source;

pub use plan::PostingLimits;
pub use source::{PostedBlock, PostedSource};

use crate::{
    feed::{Feed, FeedEvent},
    ledger::LedgerError,
};
use alloy_primitives::{B256, keccak256};
use commonware_runtime::{
    Clock, Metrics,
    telemetry::metrics::{Counter, Gauge, GaugeExt, MetricsExt},
};
use inbox::Inbox;
use plan::Plan;
use rota_batch::{BatchBlock, ChannelId, Compression, EncodeError, encode_channel};
use rota_l1::{L1Chain, L1Provider, L1Sender, Payload, ProviderError, SendError, SendPolicy, deliver};
use rota_types::{BlockId, RollupConfig};
use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};
use tracing::{error, info, warn};

/// L1 blocks looked at after a restart, at first; four times as many whenever no batch of ours is among them.
const FIRST_LOOKBACK: u64 = 64;

/// Time before another attempt after the posting account could not pay or L1 refused.
const BACKOFF: Duration = Duration::from_secs(5);

/// Why the poster paused. All but the ledger's are tried again.
#[derive(Debug, thiserror::Error)]
pub enum PosterError {
    /// L1 could not be read.
    #[error(transparent)]
    L1(#[from] ProviderError),
    /// A transaction could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The ledger failed: fatal.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A certified block cannot be written as a batch.
    #[error("cannot encode a batch: {0}")]
    Encode(#[from] EncodeError),
    /// No batch of ours within the sequencing window: derivation has gone on without us.
    #[error("nothing posted within the sequencing window of {0} L1 blocks")]
    WindowExpired(u64),
}

/// How to post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PosterConfig {
    /// When a batch is due and how large it may be.
    pub limits: PostingLimits,
    /// How transactions are sent.
    pub send: SendPolicy,
    /// How channels are compressed.
    pub compression: Compression,
}

/// What the poster works with.
#[derive(Clone)]
pub struct Poster {
    /// How to post.
    pub config: PosterConfig,
    /// The chain's rollup config.
    pub rollup: Arc<RollupConfig>,
    /// Certified blocks.
    pub source: Arc<dyn PostedSource>,
    /// This node's view of L1.
    pub chain: L1Chain,
    /// Reads the inbox.
    pub provider: Arc<dyn L1Provider>,
    /// The posting account.
    pub sender: Arc<dyn L1Sender>,
    /// Told of what is posted.
    pub feed: Feed,
}

struct Counters {
    posted: Gauge,
    batches: Counter,
    bytes: Counter,
    errors: Counter,
}

impl Counters {
    fn new(context: &impl Metrics) -> Self {
        Self {
            posted: context.gauge("posted_block", "Number of the newest block whose batch is in an L1 block"),
            batches: context.counter("posted_batches", "Span batches included in L1"),
            bytes: context.counter("posted_bytes", "Call data of included batches"),
            errors: context.counter("posting_errors", "Attempts to post that failed"),
        }
    }
}

impl Poster {
    /// Posts until the ledger fails, which is why it returns.
    pub async fn run<E: Clock + Metrics>(self, context: E) -> LedgerError {
        let counters = Counters::new(&context);
        let mut state = State::default();
        loop {
            match self.step(&context, &mut state, &counters).await {
                Ok(()) => context.sleep(self.config.send.poll_interval).await,
                Err(PosterError::Ledger(error)) => return error,
                Err(error) => {
                    counters.errors.inc();
                    match &error {
                        PosterError::L1(_) => warn!(%error, "cannot post now"),
                        PosterError::Send(SendError::InsufficientFunds(_)) => {
                            error!(address = %self.sender.address(), %error, "the posting account must be funded");
                        }
                        _ => error!(%error, "cannot post"),
                    }
                    context.sleep(BACKOFF.max(self.config.send.poll_interval)).await;
                }
            }
        }
    }

    /// Follows the inbox to the L1 head, then posts one channel if one is due.
    async fn step<E: Clock>(&self, context: &E, state: &mut State, counters: &Counters) -> Result<(), PosterError> {
        let Some(head) = self.chain.head() else { return Ok(()) };
        if state.inbox.is_none() {
            state.inbox = Some(self.find(head).await?);
        }
        let Some(inbox) = &mut state.inbox else { return Ok(()) };
        if inbox.rewind(|block| self.chain.get_number(block.number).is_none_or(|canonical| canonical.id == block)) {
            warn!(posted = inbox.posted(), "L1 reorg took back L1 blocks with our inbox");
        }
        self.follow(inbox, head).await?;
        let Some(posted) = inbox.posted() else { return Ok(()) };
        if state.told != Some(posted) {
            state.told = Some(posted);
            let _ = counters.posted.try_set(posted);
            self.feed.publish(FeedEvent::Posted(posted));
        }
        // What was just delivered must have been read back before the next channel is planned.
        if inbox.tip().is_none_or(|tip| tip.number < state.delivered_at) {
            return Ok(());
        }
        let now = context.current().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let source = &*self.source;
        let Some(blocks) = state.plan.next(&self.config.limits, source, posted, now)? else { return Ok(()) };
        let (bytes, at) = self.post(context, &blocks, head.hash).await?;
        info!(first = posted + 1, blocks = blocks.len(), bytes, l1_block = at, "batch posted");
        state.delivered_at = at;
        counters.batches.inc();
        counters.bytes.inc_by(bytes as u64);
        Ok(())
    }

    /// Writes blocks into one channel, sends it and waits until it is included: its bytes and the last L1 block.
    async fn post<E: Clock>(
        &self,
        context: &E,
        blocks: &[BatchBlock],
        salt: B256,
    ) -> Result<(usize, u64), PosterError> {
        let rollup = &self.rollup;
        // Unique for each attempt, so that no leftover of an earlier one mixes with it.
        let id = keccak256([salt.as_slice(), &self.sender.next_nonce().await?.to_be_bytes()].concat());
        let id = ChannelId::from_slice(&id[..16]);
        let payloads = encode_channel(rollup, blocks, id, self.config.compression, self.config.limits.max_payload)?;
        let bytes = payloads.iter().map(|payload| payload.len()).sum();
        let inbox = rollup.batch_inbox_address;
        let payloads: Vec<_> = payloads.into_iter().map(Payload::Calldata).collect();
        let included = deliver(context, &*self.sender, &self.config.send, inbox, &payloads).await?;
        let at = included.iter().map(|inclusion| inclusion.block.number).max().unwrap_or_default();
        Ok((bytes, at))
    }

    /// Reads the inbox up to `head`.
    async fn follow(&self, inbox: &mut Inbox, head: BlockId) -> Result<(), PosterError> {
        while let Some(tip) = inbox.tip()
            && tip.number < head.number
        {
            let Some(next) = self.l1_block(tip.number + 1).await? else { break };
            self.take(inbox, next).await?;
        }
        Ok(())
    }

    async fn take(&self, inbox: &mut Inbox, block: BlockId) -> Result<(), PosterError> {
        let transactions = self.provider.inbox(block.hash).await?;
        let missing = || ProviderError::Unavailable(format!("no transactions of L1 block {}", block.number));
        let transactions = transactions.ok_or_else(missing)?;
        Ok(inbox.take(&self.rollup, self.sender.address(), &*self.source, block, &transactions)?)
    }

    async fn l1_block(&self, number: u64) -> Result<Option<BlockId>, PosterError> {
        match self.chain.get_number(number) {
            Some(block) => Ok(Some(block.id)),
            None => Ok(self.provider.block_by_number(number).await?.map(|block| block.id)),
        }
    }

    /// Finds out after a start what is posted: looks back until a batch of ours shows up, at most as far as the
    /// sequencing window, or to the rollup's first L1 block, before which there is nothing.
    async fn find(&self, head: BlockId) -> Result<Inbox, PosterError> {
        let rollup = &self.rollup;
        let genesis = rollup.genesis.l1.number;
        let mut lookback = FIRST_LOOKBACK;
        loop {
            let lookback_now = lookback.min(rollup.seq_window_size);
            let start = head.number.saturating_sub(lookback_now).max(genesis);
            let mut inbox = Inbox::new((start == genesis).then_some(rollup.genesis.l2.number));
            let missing = || ProviderError::Unavailable(format!("no L1 block {start}"));
            let first = self.l1_block(start).await?.ok_or_else(missing)?;
            self.take(&mut inbox, first).await?;
            self.follow(&mut inbox, head).await?;
            if inbox.posted().is_some() {
                info!(posted = inbox.posted(), l1_block = head.number, "found what is posted");
                return Ok(inbox);
            }
            if lookback_now == rollup.seq_window_size {
                return Err(PosterError::WindowExpired(rollup.seq_window_size));
            }
            lookback *= 4;
        }
    }
}

#[derive(Default)]
struct State {
    inbox: Option<Inbox>,
    plan: Plan,
    /// The L1 block in which the newest delivery was completed.
    delivered_at: u64,
    /// What subscribers were told last.
    told: Option<u64>,
}
