//! What the node measures, in Prometheus terms and in the words of the ladder ([`Stage`]).

use crate::{feed::FeedEvent, mempool::PoolStats, rpc::PoolSize};
use alloy_primitives::map::B256Map;
use commonware_runtime::{
    Metrics,
    telemetry::metrics::{Counter, Gauge, GaugeExt, Histogram, MetricsExt, Registered, raw},
};
use parking_lot::Mutex;
use rota_execution::Executed;
use rota_types::{Digest, Flashblock, Stage};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

/// Seconds; fine around the pace and the targets (220 ms, 400 ms).
const LATENCY: [f64; 14] = [0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.6, 1.0, 2.0, 5.0, 15.0];
/// Seconds; fine around half the pace, the budget of one flashblock.
const WORK: [f64; 12] = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 2.0];

/// Transactions and flashblocks whose way is timed at once, at most.
const MAX_TIMED: usize = 65_536;

type Labels = [(&'static str, &'static str); 1];
type Counters = Registered<raw::Family<Labels, raw::Counter>>;
type Histograms = Registered<raw::Family<Labels, raw::Histogram, fn() -> raw::Histogram>>;

fn latency() -> raw::Histogram {
    raw::Histogram::new(LATENCY)
}

/// The node's metrics. Counting never blocks for long and never fails.
pub struct NodeMetrics {
    stages: Histograms,
    flashblocks: Histograms,
    executing: Histogram,
    building: Histogram,
    appending: Histogram,
    height: Gauge,
    block: Gauge,
    epoch: Gauge,
    view: Gauge,
    transactions: Counter,
    gas: Counter,
    nullified: Counters,
    declined: Counters,
    invalid: Counter,
    faults: Counter,
    malformed: Counter,
    pool_transactions: Gauge,
    pool_bytes: Gauge,
    pool_events: Counters,
    peers: Gauge,
    disk_bytes: Gauge,
    rpc_ended: Counters,
    l1_head: Gauge,
    overruled: Gauge,
    /// What `pool_events` shows.
    pool_done: Mutex<PoolStats>,
    reasons: Mutex<Reasons>,
    timed: Mutex<Timed>,
}

/// Why a view ended as far as this node knows: its own doings of the newest views.
#[derive(Default)]
struct Reasons {
    declined: BTreeSet<(u64, u64)>,
    invalid: BTreeSet<(u64, u64)>,
}

/// When what is on its way was pooled or proposed. Never iterated.
#[derive(Default)]
struct Timed {
    pooled: B256Map<SystemTime>,
    proposed: B256Map<SystemTime>,
    flashblocks: BTreeMap<Digest, SystemTime>,
}

impl NodeMetrics {
    /// Registers everything below the context's label.
    pub fn new(context: &impl Metrics) -> Self {
        let family = |name: &str, help: &str| {
            context.register(name, help, raw::Family::new_with_constructor(latency as fn() -> raw::Histogram))
        };
        Self {
            stages: family("stage_seconds", "From pooled here to a transaction's stage"),
            flashblocks: family("flashblock_seconds", "From executed here to a flashblock's stage"),
            executing: context.histogram("execution_seconds", "Re-execution of one flashblock", WORK),
            building: context.histogram("building_seconds", "Building of one flashblock as its leader", WORK),
            appending: context.histogram("append_seconds", "Durable append of one certified flashblock", WORK),
            height: context.gauge("height", "Height of the newest certified flashblock"),
            block: context.gauge("block", "Number of the newest sealed, certified block"),
            epoch: context.gauge("epoch", "Current epoch"),
            view: context.gauge("view", "Newest notarized view of the epoch"),
            transactions: context.counter("transactions", "Certified transactions, deposits included"),
            gas: context.counter("gas", "Gas of certified blocks"),
            nullified: context.family("nullified_views", "Views that ended without a flashblock, by reason"),
            declined: context.family("declined_turns", "Proposals that this operator declined, by reason"),
            invalid: context.counter("invalid_flashblocks", "Proposals that this operator found invalid"),
            faults: context.counter("faults", "Provable faults of operators"),
            malformed: context.counter("malformed_messages", "Messages of peers that were no messages"),
            pool_transactions: context.gauge("pool_transactions", "Transactions in the pool"),
            pool_bytes: context.gauge("pool_bytes", "Their bytes"),
            pool_events: context.family("pool_events", "What wallets and peers sent to the pool, by what became of it"),
            peers: context.gauge("peers", "Peers heard of in the last seconds"),
            disk_bytes: context.gauge("disk_bytes", "Bytes in the data directory"),
            rpc_ended: context.family("rpc_ended_connections", "Connections that were ended for the others, by reason"),
            l1_head: context.gauge("l1_head", "Number of the newest L1 block seen"),
            pool_done: Mutex::default(),
            overruled: context.gauge("overruled", "1 once finalized L1 has contradicted what is certified"),
            reasons: Mutex::default(),
            timed: Mutex::default(),
        }
    }

    pub(crate) fn executed(&self, took: Duration) {
        self.executing.observe(took.as_secs_f64());
    }

    pub(crate) fn built(&self, took: Duration) {
        self.building.observe(took.as_secs_f64());
    }

    pub(crate) fn appended(&self, took: Duration) {
        self.appending.observe(took.as_secs_f64());
    }

    pub(crate) fn epoch(&self, epoch: u64) {
        let _ = self.epoch.try_set(epoch);
        let mut reasons = self.reasons.lock();
        reasons.declined.retain(|(of, _)| *of >= epoch);
        reasons.invalid.retain(|(of, _)| *of >= epoch);
    }

    pub(crate) fn view(&self, view: u64) {
        let _ = self.view.try_set(view);
    }

    pub(crate) fn declined(&self, epoch: u64, view: u64, reason: &'static str) {
        self.declined.get_or_create(&[("reason", reason)]).inc();
        self.reasons.lock().declined.insert((epoch, view));
    }

    pub(crate) fn invalid(&self, epoch: u64, view: u64) {
        self.invalid.inc();
        self.reasons.lock().invalid.insert((epoch, view));
    }

    /// A view ended: because this node declined it, because its flashblock was invalid, or else by a timeout or by
    /// others' doings.
    pub(crate) fn nullified(&self, epoch: u64, view: u64) {
        let mut reasons = self.reasons.lock();
        let reason = if reasons.declined.remove(&(epoch, view)) {
            "declined"
        } else if reasons.invalid.remove(&(epoch, view)) {
            "invalid"
        } else {
            "timeout"
        };
        self.nullified.get_or_create(&[("reason", reason)]).inc();
    }

    pub(crate) fn fault(&self) {
        self.faults.inc();
    }

    pub(crate) fn overruled(&self) {
        let _ = self.overruled.try_set(1);
    }

    pub(crate) fn malformed(&self) {
        self.malformed.inc();
    }

    pub(crate) fn certified(&self, flashblock: &Flashblock, executed: &Executed) {
        let _ = self.height.try_set(flashblock.header.height);
        self.transactions.inc_by(executed.transactions.len() as u64);
        if let Some(block) = &executed.sealed {
            let _ = self.block.try_set(block.header.number);
            self.gas.inc_by(block.header.gas_used);
        }
    }

    /// What is asked every few seconds.
    pub(crate) fn sample(&self, pool: PoolSize, done: PoolStats, peers: usize, l1_head: Option<u64>) {
        let before = std::mem::replace(&mut *self.pool_done.lock(), done);
        for ((reason, now), (_, before)) in done.named().into_iter().zip(before.named()) {
            self.pool_events.get_or_create(&[("reason", reason)]).inc_by(now - before);
        }
        let _ = self.pool_transactions.try_set(pool.transactions);
        let _ = self.pool_bytes.try_set(pool.bytes);
        let _ = self.peers.try_set(peers);
        let _ = self.l1_head.try_set(l1_head.unwrap_or_default());
    }

    /// Bytes in the data directory.
    pub fn disk(&self, bytes: u64) {
        let _ = self.disk_bytes.try_set(bytes);
    }

    /// RPC connections that were ended since the start, by reason.
    pub(crate) fn rpc_ended(&self, by_reason: [(&'static str, u64); 2]) {
        for (reason, now) in by_reason {
            let counter = self.rpc_ended.get_or_create_owned(&[("reason", reason)]);
            counter.inc_by(now.saturating_sub(counter.get()));
        }
    }

    /// Times the way of transactions and flashblocks up the ladder.
    pub(crate) fn observe(&self, event: &FeedEvent, now: SystemTime) {
        let mut timed = self.timed.lock();
        let seconds = |since: SystemTime| now.duration_since(since).unwrap_or_default().as_secs_f64();
        let reached = |stage: Stage| [("stage", stage.name())];
        match event {
            FeedEvent::Pooled(hashes) => {
                let room = MAX_TIMED.saturating_sub(timed.pooled.len());
                timed.pooled.extend(hashes.iter().take(room).map(|hash| (*hash, now)));
            }
            FeedEvent::Evicted(hash) | FeedEvent::Replaced { old: hash, .. } => {
                timed.pooled.remove(hash);
                timed.proposed.remove(hash);
            }
            FeedEvent::Proposed(executed) => {
                if timed.flashblocks.len() < MAX_TIMED {
                    timed.flashblocks.insert(executed.position.digest, now);
                }
                let stage = self.stages.get_or_create_owned(&reached(Stage::Proposed));
                for hash in executed.transactions.iter().map(|executed| executed.transaction.hash()) {
                    let Some(pooled) = timed.pooled.get(&hash).copied() else { continue };
                    // Proposed again after a nullified view: the first time counts.
                    timed.proposed.entry(hash).or_insert_with(|| {
                        stage.observe(seconds(pooled));
                        now
                    });
                }
            }
            FeedEvent::Notarized(digest) => {
                if let Some(since) = timed.flashblocks.get(digest) {
                    self.flashblocks.get_or_create(&reached(Stage::Notarized)).observe(seconds(*since));
                }
            }
            FeedEvent::Nullified(digest) => {
                timed.flashblocks.remove(digest);
            }
            FeedEvent::Certified { flashblock: _, executed } => {
                if let Some(since) = timed.flashblocks.remove(&executed.position.digest) {
                    self.flashblocks.get_or_create(&reached(Stage::Certified)).observe(seconds(since));
                }
                let stage = self.stages.get_or_create_owned(&reached(Stage::Certified));
                for hash in executed.transactions.iter().map(|executed| executed.transaction.hash()) {
                    timed.proposed.remove(&hash);
                    if let Some(pooled) = timed.pooled.remove(&hash) {
                        stage.observe(seconds(pooled));
                    }
                }
            }
            _ => {}
        }
    }
}
