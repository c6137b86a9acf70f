//! What the certified chain says of coming epochs.
//!
//! Origins follow each other without a gap, so the registry at any certified block is a fold of the events that came with
//! them. The last height of epoch e − 2 fixes epoch e: its committee is the registry's at that block's origin and time,
//! its strategy the newest announced there, its seed the prev-randao of an L1 block that did not exist when it was chosen.
//!
//! Seed of epoch e: prev-randao of the L1 block [`SEED_DELAY`] after the origin of the last height of epoch e − 3, if
//! epoch e − 2 came that far, else of the origin of its last height. Whoever chooses that origin cannot know what L1 will
//! draw in a block that is not mined. What remains is L1's proposer of that one block, who may withhold it (one bit, at
//! the price of its block), and, in an epoch shorter than the delay, the leader of its last turn, who chooses among the
//! origins that are confirmed then.

use super::{Ledger, LedgerError, keys};
use alloy_primitives::{B256, Log};
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};
use rota_consensus::{Epochs, Registry};
use rota_execution::{Batch, Executed, Store, Table};
use rota_l1::registry;
use rota_types::{ChainSpec, Epoch, Flashblock, RegistryEvent};
use std::sync::Arc;

/// L1 blocks between the origin that fixes a seed and the block that is the seed: more than a leader's origin can lag.
pub(super) const SEED_DELAY: u64 = 16;

/// Epochs that are ready when the ledger is open: more than consensus may ask for when it restarts.
const READY: u64 = 8;

/// What an epoch is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, RlpEncodable, RlpDecodable)]
struct Snapshot {
    /// Origin (an L1 block number) and time (seconds) of the last height of the epoch before the one before.
    origin: u64,
    time: u64,
    /// The same of the newest epoch in which the registry had a member; the committee is from there.
    committee_origin: u64,
    committee_time: u64,
    /// Randomness.
    seed: B256,
}

/// Follows the registry with the certified chain; only appends touch it.
#[derive(Debug)]
pub(super) struct EpochLog {
    /// The registry after the newest origin.
    registry: Registry,
    /// The L1 block that draws the next seed, and the seed once that block was an origin.
    seed_at: u64,
    seed: Option<B256>,
    /// Where the newest committee is from: `committee_origin` and `committee_time` of its snapshot.
    committee: (u64, u64),
}

impl EpochLog {
    /// Loads what the store has and makes the newest epochs known.
    pub(super) fn load(store: &dyn Store, spec: &ChainSpec, height: u64, epochs: &Epochs) -> Result<Self, LedgerError> {
        let current = spec.epoch_of(height + 1);
        for number in (current.saturating_sub(READY).max(2)..=current + 1).filter(|_| spec.registry.is_some()) {
            let snapshot = snapshot(store, number)?.ok_or_else(|| missing(number))?;
            epochs.learn(Arc::new(make(store, spec, number, &snapshot)?));
        }
        let genesis = &spec.rollup.genesis;
        let (origin, committee) = match (spec.registry, current) {
            (Some(_), 1..) => {
                let newest = snapshot(store, current + 1)?.ok_or_else(|| missing(current + 1))?;
                (newest.origin, (newest.committee_origin, newest.committee_time))
            }
            _ => (genesis.l1.number, (genesis.l1.number, genesis.l2_time)),
        };
        let seed =
            store.get(Table::Epochs, &keys::seed(current + 2))?.map(|hash| keys::read_hash(&hash)).transpose()?;
        Ok(Self { registry: registry_at(store, spec, u64::MAX)?, seed_at: origin + SEED_DELAY, seed, committee })
    }

    /// Takes the next certified flashblock; returns the epoch that it fixes, to be made known once the batch is durable.
    pub(super) fn step(
        &mut self,
        spec: &ChainSpec,
        epochs: &Epochs,
        flashblock: &Flashblock,
        executed: &Executed,
        batch: &mut Batch,
    ) -> Option<Epoch> {
        spec.registry?;
        let number = spec.epoch_of(flashblock.header.height) + 2;
        if let (Some(opening), Some(attributes)) = (flashblock.body.opening, &executed.attributes) {
            let (origin, events) = (opening.origin, &attributes.registry_events);
            if !events.is_empty() {
                batch.put(Table::Epochs, keys::registry(origin.number), encode(spec, events));
                events.iter().for_each(|event| self.registry.apply(event));
            }
            if origin.number == self.seed_at && self.seed.is_none() {
                batch.put(Table::Epochs, keys::seed(number), attributes.prev_randao.to_vec());
                self.seed = Some(attributes.prev_randao);
            }
        }
        let sealed = executed.sealed.as_ref().filter(|_| spec.ends_epoch(flashblock.header.height))?;
        let (origin, time) = (executed.position.origin, executed.position.timestamp);
        let seed = self.seed.take().unwrap_or(sealed.header.mix_hash);
        self.seed_at = origin.number + SEED_DELAY;
        let before = epochs.get(number - 1).expect("an epoch is fixed two epochs before it begins");
        let committee = match self.registry.committee(time) {
            Some(committee) => {
                self.committee = (origin.number, time);
                committee
            }
            // Without a member the committee before stays: nobody could end an epoch of none.
            None => before.committee().clone(),
        };
        let strategy = self.registry.strategy(number).unwrap_or(spec.strategy);
        let others = self.registry.others(time);
        let epoch = Epoch::new(spec, number, committee, strategy, seed).expect("the registry keeps weights in bounds");
        let (committee_origin, committee_time) = self.committee;
        let snapshot = Snapshot { origin: origin.number, time, committee_origin, committee_time, seed };
        batch.put(Table::Epochs, keys::snapshot(number), alloy_rlp::encode(snapshot));
        Some(epoch.with_others(others))
    }
}

impl Ledger {
    /// What an epoch runs on, or ran on; `None` if it is not fixed yet.
    pub fn epoch(&self, number: u64) -> Result<Option<Arc<Epoch>>, LedgerError> {
        if let Some(epoch) = self.epochs.get(number) {
            return Ok(Some(epoch));
        }
        let Some(snapshot) = snapshot(&*self.store, number)? else { return Ok(None) };
        Ok(Some(Arc::new(make(&*self.store, &self.spec, number, &snapshot)?)))
    }

    /// Whether the registry's state at the chain's genesis must still be had from L1.
    pub fn lacks_registry(&self) -> Result<bool, LedgerError> {
        let first = keys::registry(self.spec.rollup.genesis.l1.number);
        Ok(self.spec.registry.is_some() && self.store.get(Table::Epochs, &first)?.is_none())
    }

    /// Takes the registry's events up to the rollup's L1 genesis, that block included.
    ///
    /// # Errors
    /// [`LedgerError::OtherRegistry`] if they name another committee than the chain spec.
    pub fn start_registry(&self, events: &[RegistryEvent]) -> Result<(), LedgerError> {
        let mut log = self.epoch_log.lock();
        let mut registry = Registry::new(self.spec.key_domain());
        events.iter().for_each(|event| registry.apply(event));
        let found = registry.committee(self.spec.rollup.genesis.l2_time).map(|committee| committee.root());
        let expected = self.spec.committee.root();
        if found != Some(expected) {
            return Err(LedgerError::OtherRegistry { expected, found });
        }
        let mut batch = Batch::default();
        batch.put(Table::Epochs, keys::registry(self.spec.rollup.genesis.l1.number), encode(&self.spec, events));
        self.store.write(batch)?;
        log.registry = registry;
        Ok(())
    }
}

fn missing(epoch: u64) -> LedgerError {
    LedgerError::Corrupt(format!("epoch {epoch} is missing"))
}

/// Events as the logs that they came in.
fn encode(spec: &ChainSpec, events: &[RegistryEvent]) -> Vec<u8> {
    let registry = spec.key_domain().registry;
    let logs: Vec<Log> = events.iter().map(|event| registry::encode(registry, event)).collect();
    alloy_rlp::encode(logs)
}

fn decode(bytes: &[u8]) -> Result<Vec<RegistryEvent>, LedgerError> {
    let corrupt = || LedgerError::Corrupt("registry events".into());
    let logs = Vec::<Log>::decode(&mut &*bytes).map_err(|_| corrupt())?;
    logs.iter().map(|log| registry::decode(log).ok_or_else(corrupt)).collect()
}

fn snapshot(store: &dyn Store, epoch: u64) -> Result<Option<Snapshot>, LedgerError> {
    let Some(bytes) = store.get(Table::Epochs, &keys::snapshot(epoch))? else { return Ok(None) };
    let corrupt = |_| LedgerError::Corrupt(format!("snapshot of epoch {epoch}"));
    Snapshot::decode(&mut &*bytes).map(Some).map_err(corrupt)
}

/// The registry after an L1 block.
fn registry_at(store: &dyn Store, spec: &ChainSpec, number: u64) -> Result<Registry, LedgerError> {
    let mut registry = Registry::new(spec.key_domain());
    let end = keys::registry(number);
    for (_, events) in store.range(Table::Epochs, &keys::registry(0), &keys::after(&end), usize::MAX)? {
        decode(&events)?.iter().for_each(|event| registry.apply(event));
    }
    Ok(registry)
}

/// An epoch from its snapshot.
fn make(store: &dyn Store, spec: &ChainSpec, number: u64, from: &Snapshot) -> Result<Epoch, LedgerError> {
    let corrupt = || LedgerError::Corrupt(format!("epoch {number} has no committee"));
    let committee = registry_at(store, spec, from.committee_origin)?.committee(from.committee_time);
    let committee = committee.ok_or_else(corrupt)?;
    let registry = registry_at(store, spec, from.origin)?;
    let strategy = registry.strategy(number).unwrap_or(spec.strategy);
    let epoch = Epoch::new(spec, number, committee, strategy, from.seed);
    epoch.map(|epoch| epoch.with_others(registry.others(from.time))).map_err(|_| corrupt())
}
