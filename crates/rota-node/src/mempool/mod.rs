//! Transactions that are not yet certified: admitted, ordered, and held by more than one operator.
//!
//! A wallet's transaction is checked against the certified state ([`rules`], [`pool`]), sent to every operator, the
//! current and the next leader first, and answered with its hash when f others (asked by a follower: f + 1) have
//! acknowledged that they hold it. Copies go out again, with growing pauses, until it is included: an operator that
//! restarts has an empty pool. Nothing here is durable: `kill -9` of every operator loses what is only Pooled.
//!
//! A leader takes transactions with [`Mempool::best`]. What a proposal holds is not offered again as long as
//! [`Mempool::proposed`] is not followed by [`Mempool::nullified`] or [`Mempool::certified`].

mod admission;
mod best;
mod budget;
pub mod pool;
mod replication;
pub mod rules;
#[cfg(test)]
mod tests;
mod worker;

pub use best::Best;
pub use pool::PoolLimits;

use crate::{
    feed::Feed,
    rpc::{PoolSize, PoolView, Submit, SubmitError},
};
use alloy_consensus::{Header, Transaction as _};
use alloy_primitives::{Address, B256, Bytes};
use budget::Budgets;
use commonware_runtime::{Clock, Handle, Spawner};
use futures::{
    channel::{mpsc, oneshot},
    future::BoxFuture,
};
use parking_lot::Mutex;
use pool::{Certified, Changes, Crowding, Pool, Slot};
use replication::Replication;
use rota_consensus::{Epochs, Gossip};
use rota_execution::{At, Executed, ExecutedTransaction, ExecutionEngine, Rejection};
use rota_types::{ChainSpec, Identity, Position, Transaction};
use rules::Environment;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::SystemTime,
};
use tracing::warn;
use worker::Job;

/// Transactions and messages that wait for admission.
const QUEUED_JOBS: usize = 8192;

/// What they weigh (see [`Job::weight`]).
const QUEUED_BYTES: usize = 32 << 20;

/// The current (epoch, view) of consensus.
pub type CurrentView = Arc<dyn Fn() -> (u64, u64) + Send + Sync>;

/// What the pool of a node is made of.
pub struct Parts {
    /// The chain.
    pub spec: Arc<ChainSpec>,
    /// Whose turns there are.
    pub epochs: Epochs,
    /// This node's identity: an operator if the committee has it, else a follower.
    pub identity: Identity,
    /// Where certified accounts are read.
    pub engine: Arc<dyn ExecutionEngine>,
    /// The way to other operators.
    pub gossip: Arc<dyn Gossip>,
    /// Where comings and goings are told.
    pub feed: Feed,
    /// Who leads now.
    pub now: CurrentView,
    /// How full the pool may be.
    pub limits: PoolLimits,
    /// Smallest priority fee that is admitted, wei.
    pub min_tip: u64,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("identity", &self.identity).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
struct Count(AtomicU64);

impl Count {
    fn add(&self, n: usize) {
        self.0.fetch_add(n as u64, Relaxed);
    }
}

#[derive(Debug, Default)]
struct Counters {
    pooled: Count,
    refused: Count,
    overloaded: Count,
    invalid: Count,
    declined: Count,
    dropped: Count,
    resent: Count,
    unsent: Count,
}

/// What the pool has done since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Transactions admitted, from wallets and peers.
    pub pooled: u64,
    /// Wallets' transactions refused.
    pub refused: u64,
    /// Transactions and messages refused because too many were waiting.
    pub overloaded: u64,
    /// Peers' transactions that no honest node would have sent on.
    pub invalid: u64,
    /// Peers' transactions refused for what the state here says about their senders.
    pub declined: u64,
    /// Peers' transactions ignored because the peer had used up its budget.
    pub dropped: u64,
    /// Copies sent again.
    pub resent: u64,
    /// Messages that the network's queue had no room for.
    pub unsent: u64,
}

impl PoolStats {
    /// Each number with its name in metrics.
    pub const fn named(&self) -> [(&'static str, u64); 8] {
        [
            ("pooled", self.pooled),
            ("refused", self.refused),
            ("overloaded", self.overloaded),
            ("invalid", self.invalid),
            ("declined", self.declined),
            ("dropped", self.dropped),
            ("resent", self.resent),
            ("unsent", self.unsent),
        ]
    }
}

struct Shared {
    spec: Arc<ChainSpec>,
    engine: Arc<dyn ExecutionEngine>,
    gossip: Arc<dyn Gossip>,
    feed: Feed,
    now: CurrentView,
    min_tip: u64,
    epochs: Epochs,
    // No two of these are ever locked at once.
    pool: Mutex<Pool>,
    replication: Mutex<Replication>,
    budgets: Mutex<Budgets>,
    environment: Mutex<Option<(u64, Environment)>>,
    jobs: Mutex<mpsc::Sender<Job>>,
    queued_bytes: AtomicUsize,
    counters: Counters,
}

/// The pool of a node. Cheap to clone.
#[derive(Clone)]
pub struct Mempool(Arc<Shared>);

impl std::fmt::Debug for Mempool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mempool").field("size", &self.size()).finish_non_exhaustive()
    }
}

impl Mempool {
    /// Starts with an empty pool; the task ends with the context.
    pub fn start<E: Clock + Spawner>(context: E, parts: Parts) -> (Self, Handle<()>) {
        let (sender, jobs) = mpsc::channel(QUEUED_JOBS);
        let shared = Arc::new(Shared {
            replication: Mutex::new(Replication::new(&parts.spec.committee, parts.identity)),
            epochs: parts.epochs,
            pool: Mutex::new(Pool::new(parts.limits)),
            budgets: Mutex::default(),
            environment: Mutex::new(None),
            jobs: Mutex::new(sender),
            queued_bytes: AtomicUsize::new(0),
            counters: Counters::default(),
            spec: parts.spec,
            engine: parts.engine,
            gossip: parts.gossip,
            feed: parts.feed,
            now: parts.now,
            min_tip: parts.min_tip,
        });
        let worker = shared.clone();
        // Recovery keeps a thread busy for milliseconds.
        let handle = context.dedicated().spawn(move |context| worker::run(context, worker, jobs));
        (Self(shared), handle)
    }

    /// Transactions that a peer has sent, now: paid out of its budget, then admitted like a wallet's and acknowledged.
    pub fn received(&self, from: Identity, transactions: Vec<Bytes>, now: SystemTime) {
        let count = transactions.len();
        let job = Job::Peer(from, transactions);
        if !self.0.budgets.lock().spend(from, job.weight(), now) {
            self.0.counters.dropped.add(count);
            return;
        }
        self.enqueue(job);
    }

    /// A peer holds these transactions.
    pub fn acknowledged(&self, from: &Identity, hashes: &[B256]) {
        self.0.replication.lock().acknowledged(from, hashes);
    }

    fn enqueue(&self, job: Job) -> bool {
        let bytes = job.weight();
        let room = self.0.queued_bytes.fetch_add(bytes, Relaxed) + bytes <= QUEUED_BYTES;
        let queued = room && self.0.jobs.lock().try_send(job).is_ok();
        if !queued {
            self.0.queued_bytes.fetch_sub(bytes, Relaxed);
            self.0.counters.overloaded.add(1);
        }
        queued
    }

    /// A proposal was executed here: call it once per digest, before transactions are taken for a child of it.
    pub fn proposed(&self, executed: &Executed) {
        self.0.pool.lock().proposed(executed.position.digest, executed.position.height, slots(executed));
    }

    /// A proposal will not be certified: what it held is offered again.
    pub fn nullified(&self, executed: &Executed) {
        self.0.pool.lock().unproposed(executed.position.digest);
    }

    /// A flashblock is certified and the engine has committed it. Heights come in order.
    pub fn certified(&self, executed: &Executed) {
        let Position { digest, height, .. } = executed.position;
        let changed = self.0.engine.changed(digest).unwrap_or_else(|error| {
            warn!(%digest, %error, "accounts that a certified flashblock changed not read");
            Vec::new()
        });
        let changed: Vec<_> = changed.iter().map(|(address, account)| (*address, account.into())).collect();
        let header = self.0.engine.block_header(At::Flashblock(digest)).ok();
        let included = slots(executed);
        let flashblock = Certified {
            height,
            included: &included,
            changed: &changed,
            crowding: header.as_ref().and_then(|header| crowding(&self.0.spec, executed, header)),
        };
        let changes = {
            let mut pool = self.0.pool.lock();
            if let Some(base_fee) = header.as_ref().and_then(|header| header.base_fee_per_gas) {
                pool.set_base_fee(base_fee);
            }
            pool.certified(flashblock)
        };
        self.0.depart(changes);
        let mut replication = self.0.replication.lock();
        included.iter().for_each(|(.., hash)| replication.end(hash, Ok(())));
    }

    /// Transactions for a leader whose open block has this base fee, best first; each sender's in nonce order.
    pub fn best(&self, base_fee: u64) -> BestTransactions {
        self.0.pool.lock().set_base_fee(base_fee);
        BestTransactions { shared: self.0.clone(), best: Best::default() }
    }

    /// The engine refused a transaction: one that is invalid in every place leaves. One that is invalid where it was
    /// tried stays; if certified state is why, the pool knows when that is certified.
    pub fn reject(&self, hash: B256, why: &Rejection) {
        if matches!(why, Rejection::Invalid(_)) && self.0.pool.lock().remove_hash(&hash) {
            self.0.depart(Changes { evicted: vec![hash], ..Default::default() });
        }
    }

    /// Drops a transaction that no flashblock can ever take, for a reason that only its execution shows, and refuses it
    /// at admission from now on (the newest some thousands are remembered). `why` is told to its wallet.
    pub fn refuse(&self, hash: B256, why: impl Into<String>) {
        let why = why.into();
        let changes = self.0.pool.lock().refuse(hash, why.clone());
        self.0.replication.lock().end(&hash, Err(SubmitError::Refused(why)));
        self.0.depart(changes);
    }

    /// A pooled transaction.
    pub fn get(&self, hash: &B256) -> Option<Arc<Transaction>> {
        self.0.pool.lock().get(hash).cloned()
    }

    /// How full the pool is.
    pub fn size(&self) -> PoolSize {
        self.0.pool.lock().size()
    }

    /// What the pool has done since the start.
    pub fn stats(&self) -> PoolStats {
        let counters = &self.0.counters;
        let get = |count: &Count| count.0.load(Relaxed);
        PoolStats {
            pooled: get(&counters.pooled),
            refused: get(&counters.refused),
            overloaded: get(&counters.overloaded),
            invalid: get(&counters.invalid),
            declined: get(&counters.declined),
            dropped: get(&counters.dropped),
            resent: get(&counters.resent),
            unsent: get(&counters.unsent),
        }
    }
}

/// The transactions that users sent, deposits left out.
fn users(executed: &Executed) -> impl Iterator<Item = &Arc<ExecutedTransaction>> {
    executed.transactions.iter().filter(|executed| !executed.transaction.envelope().is_deposit())
}

fn slots(executed: &Executed) -> Vec<Slot> {
    let transactions = users(executed).map(|executed| &executed.transaction);
    transactions.map(|transaction| (transaction.sender(), transaction.envelope().nonce(), transaction.hash())).collect()
}

/// How hard it was to get into a flashblock; `header` is its block's so far. One that is less than half full in every
/// respect had room for more.
fn crowding(spec: &ChainSpec, executed: &Executed, header: &Header) -> Option<Crowding> {
    let Position { height, user_transactions, .. } = executed.position;
    if !user_transactions || spec.ends_epoch(height) {
        return None;
    }
    let (mut gas, mut bytes, mut smallest) = (0, 0, u128::MAX);
    for ExecutedTransaction { transaction, gas_used, .. } in users(executed).map(Arc::as_ref) {
        gas += gas_used;
        bytes += transaction.encoded().len();
        let tip = transaction.envelope().effective_tip_per_gas(header.base_fee_per_gas.unwrap_or_default());
        smallest = smallest.min(tip.unwrap_or_default());
    }
    // Precompiles spend no more gas than there is.
    let flashblock_gas = spec.limits.max_flashblock_gas.min(spec.limits.max_flashblock_precompile_gas);
    let block_gas = executed.cumulative_gas.max(header.blob_gas_used.unwrap_or_default());
    let roomy = gas < flashblock_gas / 2 && bytes < spec.limits.max_flashblock_bytes / 2;
    let room = roomy && block_gas < header.gas_limit / 2;
    Some(if room { Crowding::Room } else { Crowding::Tip(smallest) })
}

impl PoolView for Mempool {
    fn get(&self, hash: &B256) -> Option<Arc<Transaction>> {
        Self::get(self, hash)
    }

    fn next_nonce(&self, sender: &Address) -> Option<u64> {
        self.0.pool.lock().next_nonce(sender)
    }

    fn size(&self) -> PoolSize {
        Self::size(self)
    }
}

impl Submit for Mempool {
    fn submit(&self, raw: Bytes) -> BoxFuture<'static, Result<B256, SubmitError>> {
        let (reply, answer) = oneshot::channel();
        let queued = rules::check_size(raw.len()).and_then(|()| {
            let overloaded = || SubmitError::Unavailable("overloaded: too many transactions at once, try again".into());
            self.enqueue(Job::Local(raw, reply)).then_some(()).ok_or_else(overloaded)
        });
        Box::pin(async move {
            queued?;
            answer.await.unwrap_or_else(|_| Err(SubmitError::Unavailable("the node is stopping".into())))
        })
    }
}

/// An iterator over the pool, best first. Each step asks the pool: it may change meanwhile.
pub struct BestTransactions {
    shared: Arc<Shared>,
    best: Best,
}

impl BestTransactions {
    /// Leaves out the rest of this sender's transactions.
    pub fn skip_sender(&mut self, sender: Address) {
        self.best.skip_sender(sender);
    }
}

impl std::fmt::Debug for BestTransactions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BestTransactions").field("best", &self.best).finish_non_exhaustive()
    }
}

impl Iterator for BestTransactions {
    type Item = Arc<Transaction>;

    fn next(&mut self) -> Option<Self::Item> {
        self.shared.pool.lock().next_best(&mut self.best)
    }
}
