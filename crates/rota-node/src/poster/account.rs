//! The posting account: what posting costs, and how long the balance lasts.

use crate::health::Health;
use alloy_primitives::U256;
use commonware_runtime::{
    Metrics,
    telemetry::metrics::{Counter, Gauge, GaugeExt, MetricsExt, Registered, raw},
};
use rota_l1::{Carrier, CarrierLimits, Inclusion, L1Sender, Payload, SendError, cheaper};
use std::time::{Duration, SystemTime};

/// The account should hold enough for this many batches like the last one: an hour of one in ten seconds.
const BATCHES_AHEAD: u64 = 360;

/// Compressed bytes of a batch before there was one.
const TYPICAL_CHANNEL: usize = 20_000;

/// Time between looks at the balance.
const LOOK_EVERY: Duration = Duration::from_secs(60);

const GWEI: u128 = 1_000_000_000;

type Counters = Registered<raw::Family<[(&'static str, &'static str); 1], raw::Counter>>;

/// What is measured about posting.
pub(super) struct Meters {
    batches: Counters,
    carried: Counter,
    bytes: Counter,
    gas: Counter,
    blob_gas: Counter,
    cost: Counter,
    last_cost: Gauge,
    base_fee: Gauge,
    blob_base_fee: Gauge,
    balance: Gauge,
    calls: Counters,
    calls_cost: Counter,
    pub(super) abandoned: Counter,
    pub(super) errors: Counter,
}

impl Meters {
    pub(super) fn new(context: &impl Metrics) -> Self {
        Self {
            batches: context.family("posted_batches", "Span batches included in L1, by carrier"),
            carried: context.counter("posted_transaction_bytes", "Bytes of the transactions in them"),
            bytes: context.counter("posted_bytes", "Bytes that they are compressed to"),
            gas: context.counter("posted_gas", "L1 gas of their transactions"),
            blob_gas: context.counter("posted_blob_gas", "L1 blob gas of their transactions"),
            cost: context.counter("posted_gwei", "What they cost, gwei"),
            last_cost: context.gauge("posted_last_gwei", "What the newest one cost, gwei"),
            base_fee: context.gauge("l1_base_fee_wei", "Base fee of L1, as last looked at"),
            blob_base_fee: context.gauge("l1_blob_base_fee_wei", "Blob base fee of L1, as last looked at"),
            balance: context.gauge("posting_balance_gwei", "Balance of the posting account"),
            calls: context.family("posting_turn_calls", "Calls that ended a posting turn, by what became of them"),
            calls_cost: context.counter("posting_turn_calls_gwei", "What these calls cost, gwei"),
            abandoned: context.counter("abandoned_channels", "Channels given up because the turn was lost"),
            errors: context.counter("posting_errors", "Attempts to post that failed"),
        }
    }

    pub(super) fn posted(&self, carrier: Carrier, carried: usize, bytes: usize, payloads: &[Payload], cost: u128) {
        let carrier = match carrier {
            Carrier::Calldata => "calldata",
            Carrier::Blobs(_) => "blobs",
        };
        self.batches.get_or_create(&[("carrier", carrier)]).inc();
        self.carried.inc_by(carried as u64);
        self.bytes.inc_by(bytes as u64);
        let (gas, blob_gas) = payloads.iter().map(Payload::gas).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        self.gas.inc_by(gas);
        self.blob_gas.inc_by(blob_gas);
        let gwei = gwei(cost);
        self.cost.inc_by(gwei);
        let _ = self.last_cost.try_set(gwei);
    }

    pub(super) fn called(&self, rotate: bool, success: bool, cost: u128) {
        self.calls_cost.inc_by(gwei(cost));
        let outcome = match (rotate, success) {
            (true, true) => "rotated",
            (false, true) => "skipped",
            (true, false) => "rotate reverted",
            (false, false) => "skip reverted",
        };
        self.calls.get_or_create(&[("outcome", outcome)]).inc();
    }
}

/// The posting account.
#[derive(Debug, Default)]
pub(super) struct Account {
    last_cost: u128,
    looked: Option<SystemTime>,
}

impl Account {
    /// Looks at prices and balance once a minute, and raises an alarm before the account is empty.
    pub(super) async fn look(
        &mut self,
        sender: &dyn L1Sender,
        limits: &CarrierLimits,
        health: &Health,
        meters: &Meters,
        now: SystemTime,
    ) -> Result<(), SendError> {
        if self.looked.is_some_and(|looked| now < looked + LOOK_EVERY) {
            return Ok(());
        }
        let (balance, prices) = futures::try_join!(sender.balance(), sender.prices())?;
        self.looked = Some(now);
        let gwei = balance / U256::from(GWEI);
        let _ = meters.balance.try_set(gwei.saturating_to::<i64>());
        let _ = meters.base_fee.try_set(i64::try_from(prices.base_fee).unwrap_or(i64::MAX));
        let _ = meters.blob_base_fee.try_set(i64::try_from(prices.blob_base_fee).unwrap_or(i64::MAX));
        let typical = cheaper(TYPICAL_CHANNEL, &prices, limits).cost(TYPICAL_CHANNEL, &prices, limits);
        let batches = balance / U256::from(self.last_cost.max(typical).max(1));
        let low = batches < U256::from(BATCHES_AHEAD);
        let why = || format!("{} holds {gwei} gwei, enough for {batches} batches: fund it", sender.address());
        health.posting(low.then(why));
        Ok(())
    }

    /// The account could not pay.
    pub(super) fn broke(&mut self, sender: &dyn L1Sender, health: &Health) {
        self.looked = None;
        health.posting(Some(format!("{} cannot pay: fund it", sender.address())));
    }

    /// A batch has cost so much, wei.
    pub(super) const fn spent(&mut self, cost: u128) {
        self.last_cost = cost;
    }
}

/// Wei in whole gwei, as counters have it.
fn gwei(cost: u128) -> u64 {
    u64::try_from(cost / GWEI).unwrap_or(u64::MAX)
}

/// What these transactions cost, wei.
pub(super) fn cost(included: &[Inclusion]) -> u128 {
    included.iter().fold(0, |sum, inclusion| sum.saturating_add(inclusion.cost))
}
