//! Posts certified blocks to L1 in this operator's turn, and reads on every node what the inbox on L1 really holds.
//!
//! What is posted is never remembered, only read from the inbox: a restart, a rotation, a skip and a reorg are the same
//! to the poster, which goes on after the newest block that L1 has. A channel that lost its turn on the way is
//! abandoned; the successor posts its blocks again.
//!
//! [`InboxReader`] runs on every node, [`TurnWatch`] on every operator of a chain with PostingTurns, [`Poster`] where
//! the posting account is funded; [`Posting`] starts them.

mod account;
mod inbox;
mod judge;
mod plan;
mod reader;
mod skips;
mod source;
mod start;
mod turns;

pub use plan::PostingLimits;
pub use reader::{InboxReader, InboxView};
pub use skips::Skips;
pub use source::{PostedBlock, PostedSource};
pub(crate) use start::Parts;
pub use start::Posting;
pub use turns::{TurnView, TurnWatch};

use crate::{health::Health, ledger::LedgerError};
use account::{Account, Meters, cost};
use alloy_primitives::{Address, keccak256};
use commonware_runtime::{Clock, Metrics, Spawner};
use futures::{
    FutureExt,
    future::{Either, pending, select},
};
use plan::Plan;
use rota_batch::{BatchBlock, ChannelId, Compression, EncodeError, compress_channel};
use rota_l1::{
    Carrier, CarrierLimits, Inclusion, L1Sender, Payload, Prices, SendError, SendPolicy, cheaper, deliver, rotate_call,
    skip_call,
};
use rota_types::RollupConfig;
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::watch;
use tracing::{info, warn};

/// Time before another attempt after the posting account could not pay, L1 refused, or another process used the same
/// key.
const BACKOFF: Duration = Duration::from_secs(5);

/// First L1 block of a turn in which its batches are to land, counted from the rotation's: sent as soon as the rotation
/// is seen, they never share a block with it, and a reorg of one block loses both or none.
const START_MARGIN: u64 = 1;

/// Nothing is sent when fewer L1 blocks of the window than this are left: one to be included, and two in which the
/// pools were full or the slot was empty. What lands after the window may meet the rotation and be paid for nothing.
const END_MARGIN: u64 = 3;

/// L1 blocks that an operator leaves to each one before it in the order to rotate or skip: one to be included, one to
/// be seen. Who calls second pays for a call that reverts.
const STAGGER: u64 = 2;

/// A call that is not included after this time is made anew, with the nonce that is next then.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// How often a fee spike is looked at while a batch waits for it to end: an L1 slot.
const PRICE_LOOK: Duration = Duration::from_secs(12);

/// By how much the caps on fees are raised when the sequencing window gets near: L1 has not been as expensive for
/// hours.
const URGENT_CAPS: u128 = 4;

/// How a channel of so many bytes of transactions is compressed: as small as it gets as long as that takes no more than
/// about half a second, else several times as fast for less than a percent (`rota bench posting-size`).
const fn compression(bytes: usize) -> Compression {
    if bytes <= 400_000 { Compression::Brotli(11) } else { Compression::Brotli(9) }
}

/// Why the poster paused. All but the ledger's are tried again.
#[derive(Debug, thiserror::Error)]
pub enum PosterError {
    /// A transaction could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The ledger failed: fatal.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A certified block cannot be written as a batch.
    #[error("cannot encode a batch: {0}")]
    Encode(#[from] EncodeError),
}

/// What may carry batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CarrierChoice {
    /// What costs less by current prices.
    #[default]
    Auto,
    /// Call data only.
    Calldata,
    /// Blobs only.
    Blobs,
}

/// How to post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PosterConfig {
    /// When a batch is due and how large it may be.
    pub limits: PostingLimits,
    /// How transactions are sent.
    pub send: SendPolicy,
    /// What may carry them.
    pub carrier: CarrierChoice,
    /// How much one transaction carries.
    pub carried: CarrierLimits,
    /// Above this base fee (call data) or blob base fee (blobs), wei per gas, a batch waits: where there are turns, for
    /// half the skip timeout; never when the sequencing window gets near.
    pub patient_above: u128,
    /// A certified block that is not posted for this long, in the poster's turn, makes the poster silent.
    pub skip_timeout: Duration,
}

impl Default for PosterConfig {
    /// 100 gwei are some 20 times the usual; five minutes are several times what a batch takes whose fee has to be
    /// raised.
    fn default() -> Self {
        Self {
            limits: PostingLimits::default(),
            send: SendPolicy::default(),
            carrier: CarrierChoice::Auto,
            carried: CarrierLimits::default(),
            patient_above: 100_000_000_000,
            skip_timeout: Duration::from_secs(300),
        }
    }
}

/// The posting turns as [`TurnWatch`] sees them.
#[derive(Debug, Clone)]
pub struct Turns {
    /// The turns.
    pub view: watch::Receiver<Option<TurnView>>,
    /// Who says that the poster is silent.
    pub skips: Arc<Skips>,
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
    /// What the inbox holds.
    pub inbox: watch::Receiver<InboxView>,
    /// The posting turns; `None` on a chain without PostingTurns, where the batcher posts for good.
    pub turns: Option<Turns>,
    /// The posting account.
    pub sender: Arc<dyn L1Sender>,
    /// Told of what keeps this operator from posting.
    pub health: Arc<Health>,
}

#[derive(Default)]
struct State {
    plan: Plan,
    account: Account,
    /// The L1 block in which the newest delivery was completed.
    delivered_at: u64,
    /// Since when a batch waits for lower fees.
    patient_since: Option<SystemTime>,
    /// A call that is due: of which turn, and the L1 head when it became so.
    call: Option<(Call, u64, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Rotate,
    Skip,
}

impl Poster {
    /// Posts until the ledger fails, which is why it returns.
    pub async fn run<E: Clock + Metrics + Spawner>(self, context: E) -> LedgerError {
        let meters = Meters::new(&context);
        let mut state = State::default();
        loop {
            let mut pause = self.config.send.poll_interval;
            match self.step(&context, &mut state, &meters).await {
                Ok(None) => {}
                Ok(Some(longer)) => pause = pause.max(longer),
                Err(PosterError::Ledger(error)) => return error,
                Err(error) => {
                    meters.errors.inc();
                    if matches!(error, PosterError::Send(SendError::InsufficientFunds(_))) {
                        state.account.broke(&*self.sender, &self.health);
                    }
                    warn!(%error, address = %self.sender.address(), "cannot post now");
                    pause = pause.max(BACKOFF);
                }
            }
            context.sleep(pause).await;
        }
    }

    /// Does what is due in the turns, then posts one channel if one is due. `Some` is a pause longer than usual.
    async fn step<E: Clock + Metrics + Spawner>(
        &self,
        context: &E,
        state: &mut State,
        meters: &Meters,
    ) -> Result<Option<Duration>, PosterError> {
        let now = context.current();
        state.account.look(&*self.sender, &self.config.carried, &self.health, meters, now).await?;
        let inbox = *self.inbox.borrow();
        let (true, Some(tip)) = (inbox.synced, inbox.l1_block) else { return Ok(None) };
        if let Some((view, call, payload)) = self.due_call(state) {
            return self.call(context, &view, call, payload, meters).await.map(|()| None);
        }
        let urgent = self.urgent(&inbox);
        if !self.may_post(&inbox, urgent) {
            *state = State { account: std::mem::take(&mut state.account), call: state.call, ..State::default() };
            return Ok(None);
        }
        // What was just delivered must have been read back before the next channel is planned.
        let Some(posted) = inbox.posted.filter(|_| tip.number >= state.delivered_at) else { return Ok(None) };
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let Some(blocks) = state.plan.next(&self.config.limits, &*self.source, posted, seconds)? else {
            state.patient_since = None;
            return Ok(None);
        };
        let prices = self.sender.prices().await?;
        let (count, bytes) = (blocks.len(), carried_bytes(&blocks));
        let channel = self.compress(context, blocks, compression(bytes)).await?;
        let carrier = self.choose(channel.len(), &prices);
        if !urgent && self.waits(carrier, &prices, state, now) {
            return Ok(Some(PRICE_LOOK));
        }
        // Unique for each attempt and what it holds, so that nothing of another attempt or process mixes with it.
        let nonce = self.sender.next_nonce().await?;
        let id = keccak256([channel.as_slice(), tip.hash.as_slice(), &nonce.to_be_bytes()].concat());
        let payloads = carrier.load(&channel, ChannelId::from_slice(&id[..16]), &self.config.carried)?;
        let Some(included) = self.deliver(context, &payloads, posted, urgent).await? else {
            meters.abandoned.inc();
            info!(first = posted + 1, blocks = count, "channel abandoned");
            return Ok(None);
        };
        state.patient_since = None;
        state.delivered_at = included.iter().map(|inclusion| inclusion.block.number).max().unwrap_or_default();
        let cost = cost(&included);
        state.account.spent(cost);
        meters.posted(carrier, bytes, channel.len(), &payloads, cost);
        let l1_block = state.delivered_at;
        info!(first = posted + 1, blocks = count, bytes = channel.len(), ?carrier, cost, l1_block, "batch posted");
        Ok(None)
    }

    fn me(&self) -> Address {
        self.sender.address()
    }

    /// The turns, where they decide who posts.
    fn turns(&self) -> Option<TurnView> {
        let view = self.turns.as_ref()?.view.borrow().clone()?;
        view.turns.owned.then_some(view)
    }

    /// Whether it is high time: then any price is right, and the margins of the window don't matter.
    fn urgent(&self, inbox: &InboxView) -> bool {
        inbox.backlog > self.rollup.seq_window_size / reader::ALARM_FRACTION
    }

    /// Whether this account is the authorised batcher now, well inside its window.
    fn may_post(&self, inbox: &InboxView, urgent: bool) -> bool {
        if inbox.batcher != Some(self.me()) {
            return false;
        }
        if self.turns.as_ref().is_some_and(|turns| turns.view.borrow().is_none()) {
            // Not read yet.
            return false;
        }
        let (Some(view), Some(tip)) = (self.turns(), inbox.l1_block) else { return true };
        let turn = view.turns.turn;
        let inside = turn.start_block.saturating_add(START_MARGIN) <= tip.number + 1
            && tip.number.saturating_add(END_MARGIN) < turn.end_block;
        // No turn has begun yet: whoever was the batcher before remains it.
        turn.number == 0 || (turn.posting == self.me() && (inside || urgent))
    }

    /// What this operator should call now: the next poster at once, the others after those before them have had time.
    fn due_call(&self, state: &mut State) -> Option<(TurnView, Call, Payload)> {
        let view = self.turns()?;
        let (turn, head) = (view.turns.turn, view.head.number);
        let distance = view.distance(self.me())?;
        let call = if view.turns.rotatable {
            Some((Call::Rotate, rotate_call()))
        } else if turn.posting != self.me() && head + 1 >= view.turns.skippable_from {
            let signatures = self.turns.as_ref()?.skips.enough(turn.number);
            signatures.map(|signatures| (Call::Skip, skip_call(turn.number, &signatures)))
        } else {
            None
        };
        let Some((call, payload)) = call else {
            state.call = None;
            return None;
        };
        let known = state.call.filter(|(known, number, _)| (*known, *number) == (call, turn.number));
        let (_, _, since) = *state.call.insert(known.unwrap_or((call, turn.number, head)));
        (head >= since + distance * STAGGER).then_some((view, call, payload))
    }

    /// Calls the contract, unless somebody else does it first.
    async fn call<E: Clock>(
        &self,
        context: &E,
        view: &TurnView,
        call: Call,
        payload: Payload,
        meters: &Meters,
    ) -> Result<(), PosterError> {
        let turn = view.turns.turn.number;
        let contract = view.domain.contract;
        let payloads = [payload];
        let delivery = deliver(context, &*self.sender, &self.config.send, contract, &payloads).boxed();
        let over = select(self.turn_over(turn).boxed(), context.sleep(CALL_TIMEOUT).boxed());
        match select(delivery, over).await {
            Either::Left((included, _)) => {
                let included = included?;
                let success = included.iter().all(|inclusion| inclusion.success);
                meters.called(call == Call::Rotate, success, cost(&included));
                info!(turn, ?call, success, "posting turn called to an end");
                // The turns are read again after this block.
                let over = self.turn_over(turn).boxed();
                select(over, context.sleep(BACKOFF).boxed()).await;
            }
            Either::Right(_) => info!(turn, ?call, "somebody else was first, or it takes too long"),
        }
        Ok(())
    }

    /// Resolves when another turn runs.
    async fn turn_over(&self, turn: u64) {
        let Some(turns) = &self.turns else { return pending().await };
        let mut view = turns.view.clone();
        let other = |view: &Option<TurnView>| view.as_ref().is_some_and(|view| view.turns.turn.number != turn);
        if view.wait_for(other).await.is_err() {
            pending().await
        }
    }

    /// Compresses where it holds nobody up.
    async fn compress<E: Spawner + Metrics>(
        &self,
        context: &E,
        blocks: Vec<BatchBlock>,
        compression: Compression,
    ) -> Result<Vec<u8>, PosterError> {
        let rollup = self.rollup.clone();
        let work = move |_| async move { compress_channel(&rollup, &blocks, compression) };
        match context.child("compress").shared(true).spawn(work).await {
            Ok(channel) => Ok(channel?),
            // The runtime is shutting down and drops this future too.
            Err(_) => pending().await,
        }
    }

    fn choose(&self, channel_bytes: usize, prices: &Prices) -> Carrier {
        match self.config.carrier {
            CarrierChoice::Auto => cheaper(channel_bytes, prices, &self.config.carried),
            CarrierChoice::Calldata => Carrier::Calldata,
            CarrierChoice::Blobs => Carrier::blobs(channel_bytes),
        }
    }

    /// Whether a batch waits for a fee spike to end.
    fn waits(&self, carrier: Carrier, prices: &Prices, state: &mut State, now: SystemTime) -> bool {
        let price = match carrier {
            Carrier::Calldata => prices.base_fee,
            Carrier::Blobs(_) => prices.blob_base_fee,
        };
        if price <= self.config.patient_above {
            return false;
        }
        let since = *state.patient_since.get_or_insert(now);
        let waited = now.duration_since(since).unwrap_or_default();
        if waited.is_zero() {
            warn!(price, ?carrier, "fees are high: a batch waits");
        }
        // Where others skip a silent poster, patience must end long before.
        self.turns.is_none() || waited < self.config.skip_timeout / 2
    }

    /// Sends a channel that goes on from `posted` and waits until it is included. `None` if the turn was lost
    /// meanwhile, if L1 has taken back what was posted before (and perhaps the nonces below ours), or if the matter
    /// became urgent.
    async fn deliver<E: Clock>(
        &self,
        context: &E,
        payloads: &[Payload],
        posted: u64,
        urgent: bool,
    ) -> Result<Option<Vec<Inclusion>>, PosterError> {
        let mut policy = self.config.send;
        if urgent {
            policy.max_fee_per_gas = policy.max_fee_per_gas.saturating_mul(URGENT_CAPS);
            policy.max_fee_per_blob_gas = policy.max_fee_per_blob_gas.saturating_mul(URGENT_CAPS);
        }
        let inbox = self.rollup.batch_inbox_address;
        let delivery = deliver(context, &*self.sender, &policy, inbox, payloads).boxed();
        let lost = async {
            let mut view = self.inbox.clone();
            let over = |view: &InboxView| {
                let lost = view.batcher != Some(self.me()) || view.posted < Some(posted);
                (view.synced && lost) || (!urgent && self.urgent(view))
            };
            if view.wait_for(over).await.is_err() {
                pending().await
            }
        };
        match select(delivery, lost.boxed()).await {
            Either::Left((included, _)) => Ok(Some(included?)),
            Either::Right(_) => Ok(None),
        }
    }
}

/// Bytes of what blocks hold.
fn carried_bytes(blocks: &[BatchBlock]) -> usize {
    blocks.iter().flat_map(|block| &block.transactions).map(|transaction| transaction.len()).sum()
}
