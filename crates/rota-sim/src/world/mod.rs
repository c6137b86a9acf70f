//! A committee, its network, its L1 and its disks in one deterministic runtime.

mod end;
mod l1;
mod links;
mod load;
mod nodes;
mod twins;

pub(crate) use links::Disturbance;
pub(crate) use nodes::POOL;

use crate::{
    byzantine::{Behaviour, Invalid, InvalidLeader, Record},
    chain::{Chain, L1_BLOCK_TIME, REGISTRY, Rhythm},
    invariants::Invariants,
    machine::Engine,
    posting::Posters,
    scenario::Scenario,
    trace::What,
    traffic::Traffic,
    wallet::Wallet,
};
use commonware_runtime::{Clock, Supervisor as _, deterministic};
use rota_consensus::simulated::{DiskFault, Host, Network, Tamper};
use rota_execution::MemoryStore;
use rota_l1::{MemoryL1, MemoryView};
use rota_node::Node;
use rota_types::{Epoch, Identity, RegistryEntry, RegistryEvent, Strategy};
use std::{
    collections::BTreeSet,
    fmt::Debug,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// A disk that survives its node: the ledger's store, and a name for consensus' partitions.
#[derive(Clone)]
struct Disk {
    store: MemoryStore,
    prefix: String,
}

/// One operator, running or not.
struct Operator {
    disk: Disk,
    l1: Arc<MemoryView>,
    /// L1 endpoints beside its own two, which both show `l1`.
    strange_l1: Vec<Arc<MemoryView>>,
    running: Option<nodes::Running>,
    /// A second node with its keys.
    twin: Option<twins::Twin>,
    /// Starts so far, to keep the labels of runtime contexts apart.
    starts: usize,
    /// What it runs on.
    host: Host,
    /// What is wrong with its engine.
    engine: Engine,
    /// What its next start puts in front of its application.
    behaviours: Vec<Behaviour>,
    /// What changes what it sends, from its next start on.
    tampers: Vec<Arc<dyn Tamper>>,
}

/// A committee and everything around it.
pub struct World {
    pub(crate) context: deterministic::Context,
    start: SystemTime,
    scenario: Scenario,
    /// The chain.
    pub chain: Chain,
    /// The network: cut and mend it at will.
    pub network: Network,
    /// The L1, one block every two seconds.
    pub l1: MemoryL1,
    /// What has been observed.
    pub invariants: Invariants,
    pub(crate) posters: Option<Posters>,
    operators: Vec<Operator>,
    links: links::Links,
    traffic: Traffic,
}

impl World {
    pub(crate) async fn new(context: deterministic::Context, scenario: Scenario) -> Self {
        let rhythm = Rhythm {
            epoch_length: scenario.epoch_length,
            turn_length: scenario.turn_length,
            flashblocks_per_block: scenario.flashblocks_per_block,
            sequencing_window: scenario.sequencing_window,
        };
        let chain = Chain::new(scenario.operators, scenario.joiners, rhythm, scenario.limits);
        let keys = &chain.keys[0];
        let config = rota_consensus::Config::new(chain.spec.clone(), keys.identity.clone(), Some(keys.voting.clone()));
        let joiners: Vec<_> = chain.keys[scenario.operators..].iter().map(|keys| keys.identity.identity()).collect();
        let network = Network::start(context.child("network"), &config, &joiners).signing(scenario.signing);
        let l1 = MemoryL1::new(&chain.spec.rollup, L1_BLOCK_TIME);
        l1.set_registry(REGISTRY, chain.first_events());
        let operators = (0..scenario.operators + scenario.joiners)
            .map(|index| Operator {
                disk: Disk { store: MemoryStore::default(), prefix: format!("operator-{index}") },
                l1: l1.view(),
                strange_l1: Vec::new(),
                running: None,
                twin: None,
                starts: 0,
                host: host(&scenario, index),
                engine: Engine::default(),
                behaviours: Vec::new(),
                tampers: Vec::new(),
            })
            .collect();
        let posters = scenario.posting.map(|plan| Posters::deploy(plan, &chain, &l1, scenario.operators));
        let start = context.current();
        let invariants = Invariants::new(start, scenario.trace.clone());
        let links = links::Links::default();
        let traffic = Traffic::default();
        let mut world =
            Self { context, start, scenario, chain, network, l1, invariants, posters, operators, links, traffic };
        world.record(None, || world.scenario.begun());
        world.mine(&world.l1, true);
        world.relink().await;
        world
    }

    /// What this world was made from.
    pub const fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Operators of the first committee.
    pub fn members(&self) -> std::ops::Range<usize> {
        0..self.scenario.operators
    }

    /// Everybody: operators of the first committee, then those who may join.
    pub fn operators(&self) -> std::ops::Range<usize> {
        0..self.operators.len()
    }

    /// An operator's identity.
    pub fn identity(&self, operator: usize) -> Identity {
        self.chain.keys[operator].identity.identity()
    }

    /// The running node of an operator.
    pub fn node(&self, operator: usize) -> &Node {
        self.running(operator).expect("the operator runs")
    }

    /// A funded account.
    pub fn wallet(&self, index: u32) -> Wallet {
        Wallet::new(self.chain.spec.chain_id(), index)
    }

    /// Simulated time.
    pub fn now(&self) -> SystemTime {
        self.context.current()
    }

    /// Simulated time since the start.
    pub fn elapsed(&self) -> Duration {
        self.now().duration_since(self.start).unwrap_or_default()
    }

    /// Lets simulated time pass.
    pub async fn sleep(&self, duration: Duration) {
        self.context.sleep(duration).await;
    }

    pub(crate) fn record(&self, operator: Option<usize>, what: impl FnOnce() -> What) {
        self.scenario.trace.record(self.elapsed(), operator, what);
    }

    /// Says in the trace what the world does to an operator, or to everybody.
    pub(crate) fn act(&self, operator: impl Into<Option<usize>>, action: impl ToString) {
        self.record(operator.into(), || What::Done { action: action.to_string() });
    }

    /// Makes every execution of this operator take so long.
    pub fn execution_takes(&self, operator: usize, duration: Duration) {
        self.act(operator, format_args!("every execution takes {duration:?}"));
        self.operators[operator].engine.set_delay(duration);
    }

    /// From now on the operator's disk has this fault, or none.
    pub fn disk_fails(&self, operator: usize, fault: Option<DiskFault>) {
        self.act(
            operator,
            fault.map_or_else(|| "its disk works again".into(), |fault| format!("disk fault: {fault:?}")),
        );
        self.host(operator).disk().set_fault(fault);
    }

    /// From its next start on, the operator has this behaviour too.
    pub fn behave(&mut self, operator: usize, what: impl ToString, behaviour: Behaviour) {
        self.act(operator, format_args!("will {}", what.to_string()));
        self.invariants.distrust(operator);
        self.operators[operator].behaviours.push(behaviour);
    }

    /// From its next start on, the operator's proposals are invalid.
    pub fn corrupt(&mut self, operator: usize, invalid: Invalid) -> Record {
        let record = Record::default();
        let (what, kept) = (format!("propose invalid flashblocks: {}", invalid.name()), record.clone());
        let behaviour: Behaviour =
            Arc::new(move |inner| Arc::new(InvalidLeader::new(inner, invalid.clone(), kept.clone())));
        self.behave(operator, what, behaviour);
        record
    }

    /// From its next start on, what the operator sends is changed so too.
    pub fn tamper(&mut self, operator: usize, tamper: impl Tamper + Debug + 'static) {
        self.act(operator, format_args!("will {tamper:?}"));
        self.invariants.distrust(operator);
        self.operators[operator].tampers.push(Arc::new(tamper));
    }

    /// From their next start on, what operators send is counted; what they write is all the while.
    pub fn count_traffic(&mut self) -> Traffic {
        for place in &mut self.operators {
            place.tampers.push(Arc::new(self.traffic.clone()));
        }
        self.traffic.clone()
    }

    /// What an operator runs on.
    pub fn host(&self, operator: usize) -> &Host {
        &self.operators[operator].host
    }

    /// An operator's execution engine, to make it slow or sick.
    pub fn engine(&self, operator: usize) -> &Engine {
        &self.operators[operator].engine
    }

    /// From its next start on, the operator is honest.
    pub fn reform(&mut self, operator: usize) {
        self.act(operator, "will be honest");
        let place = &mut self.operators[operator];
        place.behaviours.clear();
        place.tampers.clear();
    }

    /// Puts an operator's entry into the registry; the next L1 block holds it.
    pub fn register(&self, operator: usize, entry: RegistryEntry) {
        let RegistryEntry { status, weight, reserve, .. } = &entry;
        self.act(operator, format_args!("registered: {status:?}, weight {weight}, reserve {reserve}"));
        self.l1.change_registry(&self.chain.change(operator, entry));
    }

    /// Announces who gives the turns from an epoch on; the next L1 block holds it.
    pub fn announce(&self, strategy: Strategy, from_epoch: u64) {
        self.act(None, format_args!("strategy {strategy:?} announced from epoch {from_epoch} on"));
        self.l1.change_registry(&RegistryEvent::Schedule { kind: strategy.kind(), from_epoch });
    }

    /// What an epoch runs on, as an operator knows it.
    pub fn epoch(&self, operator: usize, number: u64) -> Option<Arc<Epoch>> {
        self.node(operator).ledger.epoch(number).expect("the disk is sound")
    }

    /// What an epoch runs on, as the first running operator that knows it does.
    pub fn known_epoch(&self, number: u64) -> Option<Arc<Epoch>> {
        self.operators().filter(|operator| self.runs(*operator)).find_map(|operator| self.epoch(operator, number))
    }

    /// Whether in some epoch after the first two an operator was a member, or was none.
    pub(crate) fn was_member(&self, operator: usize, member: bool) -> bool {
        let identity = self.identity(operator);
        let mut epochs = (2..).map_while(|number| self.known_epoch(number));
        epochs.any(|epoch| epoch.committee().find(&identity).is_some() == member)
    }

    /// Whether some running operator has evidence against this one.
    pub(crate) fn convicted(&self, operator: usize) -> bool {
        let identity = self.identity(operator);
        self.operators().filter(|witness| self.runs(*witness)).any(|witness| {
            let evidence = self.node(witness).ledger.evidence(0, 64).expect("the disk is sound");
            evidence.iter().any(|evidence| evidence.operator == identity)
        })
    }

    /// The members of an epoch, by index.
    pub fn committee(&self, operator: usize, number: u64) -> Option<Vec<usize>> {
        let epoch = self.epoch(operator, number)?;
        let member = |index: &usize| epoch.committee().find(&self.identity(*index)).is_some();
        Some(self.operators().filter(member).collect())
    }

    /// Who led the certified heights of an epoch, by index, as far as an operator has them.
    pub fn leaders(&self, operator: usize, epoch: u64) -> BTreeSet<usize> {
        let (ledger, length) = (&self.node(operator).ledger, self.scenario.epoch_length);
        let heights = (epoch * length).max(1)..(epoch + 1) * length;
        let flashblocks = heights.filter_map(|height| ledger.flashblock(height).expect("the disk is sound"));
        let index = |leader| self.operators().find(|index| self.identity(*index) == leader).expect("an operator");
        flashblocks.map(|flashblock| index(flashblock.header.leader)).collect()
    }

    /// The epoch and its view that are under way, as the first running operator sees it.
    pub fn view(&self) -> (u64, u64) {
        let witness = self.operators().find(|operator| self.runs(*operator)).expect("somebody runs");
        let status = rota_node::rpc::StatusSource::status(&**self.node(witness).status());
        (status.epoch, status.view.max(1))
    }

    /// Index of the operator whose turn it is, as the first running one sees it.
    pub fn leader(&self) -> usize {
        let (epoch, view) = self.view();
        let leader = self.known_epoch(epoch).expect("the running epoch is known").leader(view);
        self.operators().find(|operator| self.identity(*operator) == leader).expect("leaders are operators")
    }

    /// Newest height in an operator's ledger.
    pub fn tip(&self, operator: usize) -> u64 {
        self.node(operator).ledger.tip().0
    }

    /// Waits until some operator has certified `height`.
    pub async fn reach(&self, height: u64, within: Duration) {
        self.until(within, &format!("height {height}"), |world| world.invariants.height() >= height).await;
    }

    /// Waits until every running operator has certified `height`.
    pub async fn all_reach(&self, height: u64, within: Duration) {
        let all = |world: &Self| {
            world.operators().filter(|operator| world.runs(*operator)).all(|operator| world.tip(operator) >= height)
        };
        self.until(within, &format!("height {height} everywhere"), all).await;
    }

    /// Waits for a condition; panics when it takes longer than `within` simulated time.
    pub async fn until(&self, within: Duration, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = self.now() + within;
        while !holds(self) {
            assert!(self.now() < deadline, "not within {within:?}: {what} (height {})", self.invariants.height());
            self.sleep(Duration::from_millis(5)).await;
        }
    }
}

/// An operator's machine.
fn host(scenario: &Scenario, operator: usize) -> Host {
    let host = Host::new(scenario.cores, scenario.seed.wrapping_mul(31).wrapping_add(operator as u64));
    host.disk().set_sync_time(scenario.sync_time);
    host
}
