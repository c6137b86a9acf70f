//! A committee, its network, its L1 and its disks in one deterministic runtime.

use crate::{
    byzantine::{Fault, Faulty, Record},
    chain::{Chain, L1_BLOCK_TIME, REGISTRY, Rhythm},
    invariants::{self, Invariants},
    posting::Posters,
    scenario::Scenario,
    wallet::Wallet,
};
use alloy_primitives::{B256, Bytes};
use commonware_runtime::{Clock, Handle, Spawner as _, Supervisor as _, deterministic};
use futures::channel::oneshot;
use parking_lot::Mutex;
use rota_consensus::{
    Application,
    simulated::{Link, Network},
};
use rota_execution::{EmbeddedEngine, ExecutionEngine, MemoryStore, Store};
use rota_l1::{L1ChainConfig, L1Endpoints, L1Provider, MemoryL1, MemoryView};
use rota_node::{
    Edges, Node, Setup,
    feed::FeedEvent,
    ledger::Retention,
    mempool::PoolLimits,
    rpc::{Submit, SubmitError},
};
use rota_types::{Epoch, Flashblock, Identity, RegistryEntry, RegistryEvent, Strategy};
use std::{
    collections::BTreeSet,
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
    running: Option<Running>,
    /// Starts so far, to keep the labels of runtime contexts apart.
    starts: usize,
    /// How long every execution takes.
    execution: Arc<Mutex<Duration>>,
    fault: Option<(Fault, Record)>,
    /// Whether it signs conflicting votes.
    equivocates: bool,
}

struct Running {
    node: Node,
    task: Handle<()>,
}

/// A committee and everything around it.
pub struct World {
    pub(crate) context: deterministic::Context,
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
}

impl World {
    pub(crate) async fn new(context: deterministic::Context, scenario: Scenario) -> Self {
        let rhythm = Rhythm {
            epoch_length: scenario.epoch_length,
            turn_length: scenario.turn_length,
            sequencing_window: scenario.sequencing_window,
        };
        let chain = Chain::new(scenario.operators, scenario.joiners, rhythm, scenario.limits);
        let keys = &chain.keys[0];
        let config = rota_consensus::Config::new(chain.spec.clone(), keys.identity.clone(), Some(keys.voting.clone()));
        let joiners: Vec<_> = chain.keys[scenario.operators..].iter().map(|keys| keys.identity.identity()).collect();
        let network = Network::start(context.child("network"), &config, &joiners);
        let l1 = MemoryL1::new(&chain.spec.rollup, L1_BLOCK_TIME);
        l1.set_registry(REGISTRY, chain.first_events());
        let operators = (0..scenario.operators + scenario.joiners)
            .map(|index| Operator {
                disk: Disk { store: MemoryStore::default(), prefix: format!("operator-{index}") },
                l1: l1.view(),
                strange_l1: Vec::new(),
                running: None,
                starts: 0,
                execution: Arc::default(),
                fault: None,
                equivocates: false,
            })
            .collect();
        let posters = scenario.posting.map(|plan| Posters::deploy(plan, &chain, &l1, scenario.operators));
        let invariants = Invariants::default();
        let world = Self { context, scenario, chain, network, l1, invariants, posters, operators };
        world.mine(&world.l1);
        world.mend().await;
        world
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
        &self.operators[operator].running.as_ref().expect("the operator runs").node
    }

    /// Whether an operator runs.
    pub fn runs(&self, operator: usize) -> bool {
        self.operators[operator].running.is_some()
    }

    /// What an operator sees of L1.
    pub fn l1_view(&self, operator: usize) -> &Arc<MemoryView> {
        &self.operators[operator].l1
    }

    /// The operator's disk, to make it fail.
    pub fn disk(&self, operator: usize) -> &MemoryStore {
        &self.operators[operator].disk.store
    }

    /// A funded account.
    pub fn wallet(&self, index: u32) -> Wallet {
        Wallet::new(self.chain.spec.chain_id(), index)
    }

    /// Simulated time.
    pub fn now(&self) -> SystemTime {
        self.context.current()
    }

    /// Lets simulated time pass.
    pub async fn sleep(&self, duration: Duration) {
        self.context.sleep(duration).await;
    }

    /// Makes every execution of this operator take so long.
    pub fn execution_takes(&self, operator: usize, duration: Duration) {
        *self.operators[operator].execution.lock() = duration;
    }

    /// From its next start on, the operator's proposals are invalid.
    pub fn corrupt(&mut self, operator: usize, fault: Fault) -> Record {
        let record = Record::default();
        self.operators[operator].fault = Some((fault, record.clone()));
        record
    }

    /// From its next start on, the operator signs a second, conflicting vote beside its own.
    pub fn equivocate(&mut self, operator: usize) {
        self.operators[operator].equivocates = true;
    }

    /// From its next start on, the operator has one L1 endpoint more: one that shows another L1.
    pub fn add_l1_endpoint(&mut self, operator: usize, l1: &MemoryL1) {
        self.operators[operator].strange_l1.push(l1.view());
    }

    /// An L1 that is not this chain's: all its blocks but the first are others. It mines as the real one does.
    pub fn another_l1(&self) -> MemoryL1 {
        let l1 = MemoryL1::new(&self.chain.spec.rollup, L1_BLOCK_TIME);
        l1.set_registry(REGISTRY, self.chain.first_events());
        l1.mine();
        l1.reorg(1);
        self.mine(&l1);
        l1
    }

    fn mine(&self, l1: &MemoryL1) {
        let l1 = l1.clone();
        self.context.child("miner").spawn(move |clock| async move {
            loop {
                let now = clock.current().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                l1.advance_to(now.as_secs());
                clock.sleep(Duration::from_millis(100)).await;
            }
        });
    }

    /// Puts an operator's entry into the registry; the next L1 block holds it.
    pub fn register(&self, operator: usize, entry: RegistryEntry) {
        self.l1.change_registry(&self.chain.change(operator, entry));
    }

    /// Announces who gives the turns from an epoch on; the next L1 block holds it.
    pub fn announce(&self, strategy: Strategy, from_epoch: u64) {
        self.l1.change_registry(&RegistryEvent::Schedule { kind: strategy.kind(), from_epoch });
    }

    /// What an epoch runs on, as an operator knows it.
    pub fn epoch(&self, operator: usize, number: u64) -> Option<Arc<Epoch>> {
        self.node(operator).ledger.epoch(number).expect("the disk is sound")
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

    /// Starts every operator of the first committee for the first time.
    pub async fn start_all(&mut self) {
        for operator in self.members() {
            self.start(operator, true).await;
        }
    }

    /// Starts an operator on its disk. `first` is the explicit word that this key has never signed.
    pub async fn start(&mut self, operator: usize, first: bool) {
        let keys = self.chain.keys[operator].clone();
        let posting = self.posting(operator);
        let place = &mut self.operators[operator];
        assert!(place.running.is_none(), "operator {operator} runs already");
        place.starts += 1;
        let (execution, disk) = (place.execution.clone(), place.disk.clone());
        let fault = place.fault.clone();
        let store: Arc<dyn Store> = Arc::new(disk.store);
        let engine = EmbeddedEngine::open(store.clone(), self.chain.spec.clone()).expect("the disk is sound");
        let setup = Setup {
            spec: self.chain.spec.clone(),
            identity: keys.identity,
            voting: Some(keys.voting),
            first_start: first,
            max_rtt: self.scenario.latency * 4,
            l1: L1ChainConfig { confirmation_depth: self.scenario.l1_confirmations, ..L1ChainConfig::default() },
            retention: Retention::ALL,
            posting,
            pool: PoolLimits {
                transactions: 10_000,
                bytes: 16 << 20,
                per_sender: 1_000,
                queued: Duration::from_secs(60),
            },
            pool_min_tip: 0,
            storage_prefix: disk.prefix,
            execution_cost: Some(Arc::new(move || *execution.lock())),
            interposer: fault.map(|(fault, record)| {
                let wrap = move |inner: Arc<dyn Application>| -> Arc<dyn Application> {
                    Arc::new(Faulty::new(inner, fault, record))
                };
                Box::new(wrap) as _
            }),
        };
        let endpoints = [&place.l1, &place.l1].into_iter().chain(&place.strange_l1);
        let endpoints = endpoints.map(|view| view.clone() as Arc<dyn L1Provider>).collect();
        let l1: Arc<dyn L1Provider> = Arc::new(L1Endpoints::new(endpoints).expect("two at least"));
        let engine: Arc<dyn ExecutionEngine> = Arc::new(engine);
        let honest = self.network.transport();
        let transport = if place.equivocates { honest.equivocating() } else { honest };
        let edges = Edges { transport, store, engine, l1, blobs: place.l1.clone() };
        let (ready, started) = oneshot::channel();
        let context = self.context.child("operator").with_attribute("index", operator);
        let context = context.with_attribute("start", place.starts);
        let invariants = self.invariants.clone();
        let task = context.spawn(move |context| async move {
            let node = Node::start(context.child("node"), setup, edges).await;
            let watched = node.as_ref().ok().map(|node| (node.clone(), node.feed.subscribe()));
            // The world that waits for this ends only together with this task.
            let _ = ready.send(node);
            let Some((node, mut events)) = watched else { return };
            let clock = context.child("watch");
            let watch = async move {
                while let Ok(event) = events.recv().await {
                    if let FeedEvent::Certified { flashblock, .. } = event {
                        invariants.certified(operator, &flashblock, clock.current());
                    }
                }
            };
            futures::future::select(Box::pin(watch), Box::pin(node.stopped())).await;
        });
        let node = started.await.expect("the task reports").expect("the node starts");
        self.operators[operator].running = Some(Running { node, task });
    }

    /// `kill -9`: everything that the node had in memory is gone.
    pub fn kill(&mut self, operator: usize) {
        if let Some(running) = self.operators[operator].running.take() {
            running.task.abort();
        }
    }

    /// SIGTERM: the node hands its turn over and ends.
    pub async fn stop(&mut self, operator: usize) {
        if let Some(running) = self.operators[operator].running.take() {
            let outcome = running.node.stop().await;
            assert!(outcome.is_ok(), "a graceful stop ended with {outcome:?}");
            running.task.abort();
        }
    }

    /// Takes the disk away and puts an empty one in its place.
    pub fn wipe(&mut self, operator: usize) {
        assert!(!self.runs(operator), "operator {operator} still runs");
        let place = &mut self.operators[operator];
        place.disk =
            Disk { store: MemoryStore::default(), prefix: format!("operator-{operator}-disk-{}", place.starts) };
    }

    /// Connects everybody with everybody.
    pub async fn mend(&self) {
        let link = Link { latency: self.scenario.latency, jitter: self.scenario.jitter, loss_ppm: 0 };
        self.network.link_all(link).await;
    }

    /// Cuts the operators into groups that can't reach each other.
    pub async fn partition(&self, groups: &[&[usize]]) {
        let groups: Vec<Vec<Identity>> =
            groups.iter().map(|group| group.iter().map(|operator| self.identity(*operator)).collect()).collect();
        self.network.partition(&groups.iter().map(Vec::as_slice).collect::<Vec<_>>()).await;
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

    /// Newest height in an operator's ledger.
    pub fn tip(&self, operator: usize) -> u64 {
        self.node(operator).ledger.tip().0
    }

    /// Waits for a condition; panics when it takes longer than `within` simulated time.
    pub async fn until(&self, within: Duration, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = self.now() + within;
        while !holds(self) {
            assert!(self.now() < deadline, "not within {within:?}: {what} (height {})", self.invariants.height());
            self.sleep(Duration::from_millis(5)).await;
        }
    }

    /// Index of the operator whose turn it is, as the first running one sees it.
    pub fn leader(&self) -> usize {
        let witness = self.operators().find(|operator| self.runs(*operator)).expect("somebody runs");
        let status = rota_node::rpc::StatusSource::status(&**self.node(witness).status());
        let epoch = self.epoch(witness, status.epoch).expect("the running epoch is known");
        let leader = epoch.leader(status.view.max(1));
        self.operators().find(|operator| self.identity(*operator) == leader).expect("leaders are operators")
    }

    /// Hands a transaction to an operator and waits for its answer; a returned hash must be included.
    pub async fn submit(&self, operator: usize, raw: Bytes) -> Result<B256, SubmitError> {
        let hash = self.node(operator).mempool.submit(raw).await?;
        self.invariants.returned(hash);
        Ok(hash)
    }

    /// Sends transfers at a steady rate, each to the next running operator, for as long as given. Every one must be
    /// answered.
    pub async fn transfers(&self, wallet: &mut Wallet, every: Duration, lasts: Duration) {
        let end = self.now() + lasts;
        let mut turn = 0;
        while self.now() < end {
            let running: Vec<_> = self.operators().filter(|operator| self.runs(*operator)).collect();
            let (_, raw) = wallet.transfer(wallet.address());
            self.submit(running[turn % running.len()], raw).await.expect("the transfer is admitted");
            turn += 1;
            self.sleep(every).await;
        }
    }

    /// What must hold at the end of every scenario.
    pub(crate) async fn finish(&mut self) {
        if self.operators().any(|operator| self.runs(operator)) {
            let patience = Duration::from_secs(10);
            self.until(patience, "returned hashes included", |world| world.invariants.outstanding() == 0).await;
        }
        self.invariants.every_returned_hash_is_included_once();
        self.finish_posting().await;
        let longest =
            self.operators().filter(|operator| self.runs(*operator)).max_by_key(|operator| self.tip(*operator));
        let Some(longest) = longest else { return };
        let ledger = &self.node(longest).ledger;
        let chain: Vec<Flashblock> = (1..=ledger.tip().0)
            .map(|height| ledger.flashblock(height).expect("the disk is sound").expect("heights are contiguous"))
            .collect();
        for operator in self.operators().filter(|operator| self.runs(*operator)) {
            let ledger = &self.node(operator).ledger;
            for flashblock in chain.iter().take(ledger.tip().0 as usize) {
                let theirs = ledger.flashblock(flashblock.header.height).expect("the disk is sound");
                assert_eq!(theirs.as_ref(), Some(flashblock), "ledgers of {longest} and {operator} differ");
            }
        }
        let sealed = invariants::sealed_blocks_reexecute(&self.chain.spec, &self.l1, &chain);
        assert!(sealed > 0, "the scenario sealed no block");
    }
}
