//! Nodes of a world: they start on their disks, are killed, stop, and lose their disks.

use super::{Disk, World};
use crate::{
    byzantine::Together,
    machine::HostStore,
    observer::{Observer, Recorder},
    trace::What,
};
use commonware_runtime::{Clock as _, Handle, Spawner as _, Supervisor as _};
use futures::channel::oneshot;
use rota_consensus::{
    Application,
    simulated::{Host, Transport},
};
use rota_execution::{EmbeddedEngine, MemoryStore, Store, Table};
use rota_l1::{L1ChainConfig, L1Endpoints, L1Provider};
use rota_node::{Edges, Node, Setup, feed::FeedEvent, ledger::Retention, mempool::PoolLimits};
use rota_types::Identity;
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::sync::broadcast::error::RecvError;

/// A node's task, and the node once it has started.
pub(super) struct Running {
    node: Arc<OnceLock<Node>>,
    /// Why the node has ended by itself, if it has.
    ended: Arc<OnceLock<String>>,
    task: Handle<()>,
}

impl World {
    pub(super) fn running(&self, operator: usize) -> Option<&Node> {
        self.operators[operator].running.as_ref()?.node.get()
    }

    /// Whether an operator runs: its node has been started, and is there.
    pub fn runs(&self, operator: usize) -> bool {
        self.running(operator).is_some() && self.host(operator).died().is_none()
    }

    /// Why an operator's node has ended by itself, or its process has died, if so.
    pub fn ended(&self, operator: usize) -> Option<String> {
        let ended = self.operators[operator].running.as_ref()?.ended.get().cloned();
        ended.or_else(|| self.host(operator).died().map(|death| death.to_string()))
    }

    /// Starts every operator of the first committee for the first time.
    pub async fn start_all(&mut self) {
        for operator in self.members() {
            self.start(operator, true).await;
        }
    }

    /// Starts an operator on its disk and waits until it is there. `first` is the explicit word that this key has never
    /// signed.
    pub async fn start(&mut self, operator: usize, first: bool) {
        self.launch(operator, first).await.expect("the node starts");
    }

    /// Starts an operator on its disk. What is returned resolves when it is there; nobody needs to wait for it.
    pub fn launch(&mut self, operator: usize, first: bool) -> oneshot::Receiver<()> {
        assert!(self.operators[operator].running.is_none(), "operator {operator} runs already");
        self.operators[operator].starts += 1;
        let honest = self.network.transport();
        let transport = match &self.operators[operator].tampers[..] {
            [] => honest,
            tampers => honest.tampered(Arc::new(Together(tampers.to_vec()))),
        };
        self.launch_at(operator, first, transport)
    }

    /// Starts an operator on its disk at this place of the network.
    pub(super) fn launch_at(&mut self, operator: usize, first: bool, transport: Transport) -> oneshot::Receiver<()> {
        let setup = self.setup(operator, first);
        let place = &self.operators[operator];
        let edges = self.edges(operator, transport, &place.disk, &place.host);
        let context = self.context.child("operator").with_attribute("index", operator);
        let context = context.with_attribute("start", self.operators[operator].starts);
        let (ready, started) = oneshot::channel();
        let (place, ended) = (Arc::new(OnceLock::new()), Arc::new(OnceLock::new()));
        let recorder = self.recorder(operator);
        let (node, reason) = (place.clone(), ended.clone());
        let host = self.operators[operator].host.clone();
        let task = context.spawn(move |context| async move {
            let started = match Node::start(host.boot(context.child("node")), setup, edges).await {
                Ok(started) => started,
                Err(error) => {
                    recorder.record(context.current(), || What::Ended { reason: error.to_string() });
                    // Set once, here or below.
                    let _ = reason.set(error.to_string());
                    return;
                }
            };
            let (_, mut events) = (node.set(started.clone()), started.feed.subscribe());
            // Whoever started it may have gone on.
            let _ = ready.send(());
            let clock = context.child("watch");
            recorder.record(clock.current(), || What::Started);
            let watch = async {
                loop {
                    match events.recv().await {
                        Ok(event) => recorder.watch(event, clock.current()),
                        Err(RecvError::Lagged(events)) => recorder.invariants.overtaken(operator, events),
                        Err(RecvError::Closed) => return,
                    }
                }
            };
            futures::future::select(Box::pin(watch), Box::pin(started.stopped())).await;
            if let Err(error) = &*started.stopped().await {
                recorder.record(clock.current(), || What::Ended { reason: error.to_string() });
                let _ = reason.set(error.to_string());
            }
        });
        self.operators[operator].running = Some(Running { node: place, ended, task });
        started
    }

    fn recorder(&self, operator: usize) -> Recorder {
        let (trace, invariants) = (self.scenario.trace.clone(), self.invariants.clone());
        Recorder { operator, trace, invariants, start: self.start }
    }

    pub(super) fn setup(&self, operator: usize, first_start: bool) -> Setup {
        let keys = self.chain.keys[operator].clone();
        let place = &self.operators[operator];
        let behaviours = place.behaviours.clone();
        let identities: Arc<[Identity]> = self.operators().map(|operator| self.identity(operator)).collect();
        let (clock, recorder) =
            (self.context.child("observer").with_attribute("index", operator), self.recorder(operator));
        let clock = clock.with_attribute("start", place.starts);
        let turn_length = self.scenario.turn_length;
        let interpose = move |application: Arc<dyn Application>| -> Arc<dyn Application> {
            let application = behaviours.iter().fold(application, |inner, behaviour| behaviour(inner));
            Arc::new(Observer::new(application, clock, recorder, identities, turn_length))
        };
        Setup {
            spec: self.chain.spec.clone(),
            identity: keys.identity,
            voting: Some(keys.voting),
            first_start,
            max_rtt: self.scenario.max_rtt(),
            l1: L1ChainConfig { confirmation_depth: self.scenario.l1_confirmations, ..L1ChainConfig::default() },
            retention: Retention::ALL,
            posting: self.posting(operator),
            pool: POOL,
            pool_min_tip: 0,
            storage_prefix: place.disk.prefix.clone(),
            interposer: Some(Box::new(interpose)),
        }
    }

    /// What a node of an operator works on, on this machine.
    pub(super) fn edges(&self, operator: usize, transport: Transport, disk: &Disk, host: &Host) -> Edges<Transport> {
        let place = &self.operators[operator];
        let store: Arc<dyn Store> =
            Arc::new(HostStore::new(disk.store.clone(), host.disk().clone(), self.traffic.clone()));
        let engine = EmbeddedEngine::open(store.clone(), self.chain.spec.clone()).expect("the disk is sound");
        let engine = place.engine.around(engine);
        let endpoints = [&place.l1, &place.l1].into_iter().chain(&place.strange_l1);
        let endpoints = endpoints.map(|view| view.clone() as Arc<dyn L1Provider>).collect();
        let l1: Arc<dyn L1Provider> = Arc::new(L1Endpoints::new(endpoints).expect("two at least"));
        Edges { transport, store, engine, l1, blobs: place.l1.clone() }
    }

    /// `kill -9`: everything that the node had in memory is gone.
    pub fn kill(&mut self, operator: usize) {
        self.end_twin(operator);
        if let Some(running) = self.operators[operator].running.take() {
            self.act(operator, "killed");
            self.operators[operator].host.crash();
            running.task.abort();
        }
    }

    /// `kill -9` of everybody.
    pub fn kill_all(&mut self) {
        for operator in self.operators() {
            self.kill(operator);
        }
    }

    /// Starts everybody again, each on its disk.
    pub async fn resume_all(&mut self) {
        for operator in self.operators() {
            self.start(operator, false).await;
        }
    }

    /// Whether an operator's node has been started, and neither killed nor stopped since.
    pub(crate) fn is_up(&self, operator: usize) -> bool {
        self.operators[operator].running.is_some()
    }

    /// Starts an operator on its disk, if need be after it has been killed, and does not wait for it.
    pub(crate) fn restart(&mut self, operator: usize) {
        self.kill(operator);
        drop(self.launch(operator, false));
    }

    /// SIGTERM: the node will hand its turn over and end. Does not wait for it.
    pub(crate) fn ask_to_stop(&mut self, operator: usize) {
        let Some(node) = self.running(operator).cloned() else { return };
        self.act(operator, "told to stop");
        self.context.child("stopping").spawn(move |_| async move { node.stop().await });
    }

    /// SIGTERM: the node hands its turn over and ends.
    pub async fn stop(&mut self, operator: usize) {
        if let Some(running) = self.operators[operator].running.take() {
            self.act(operator, "told to stop");
            if let Some(node) = running.node.get() {
                let outcome = node.stop().await;
                assert!(outcome.is_ok(), "a graceful stop ended with {outcome:?}");
            }
            running.task.abort();
            self.act(operator, "stopped");
        }
    }

    /// Bytes of history in an operator's ledger: what a retention bounds.
    pub fn history_bytes(&self, operator: usize) -> u64 {
        use Table::{BlockHashes, Blocks, Certificates, Flashblocks, Receipts, Transactions};
        let store = &self.operators[operator].disk.store;
        let bytes = |table| -> u64 {
            let entries = store.range(table, &[], &[u8::MAX; 64], usize::MAX).expect("memory can be read");
            entries.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum()
        };
        [Flashblocks, Certificates, Blocks, BlockHashes, Receipts, Transactions].map(bytes).iter().sum()
    }

    /// Takes the disk away and puts an empty one in its place.
    pub fn wipe(&mut self, operator: usize) {
        assert!(self.operators[operator].running.is_none(), "operator {operator} still runs");
        self.act(operator, "its disk is replaced by an empty one");
        self.invariants.forget(operator);
        let place = &mut self.operators[operator];
        place.disk =
            Disk { store: MemoryStore::default(), prefix: format!("operator-{operator}-disk-{}", place.starts) };
    }
}

/// How full every pool may be.
pub(crate) const POOL: PoolLimits =
    PoolLimits { transactions: 10_000, bytes: 16 << 20, per_sender: 1_000, queued: Duration::from_secs(60) };

impl Recorder {
    fn watch(&self, event: FeedEvent, now: std::time::SystemTime) {
        match event {
            FeedEvent::Certified { flashblock, .. } => {
                self.record(now, || What::Certified {
                    height: flashblock.header.height,
                    epoch: flashblock.header.epoch,
                    view: flashblock.header.view,
                    digest: flashblock.digest(),
                    transactions: flashblock.body.transactions.len(),
                });
                self.invariants.certified(self.operator, &flashblock, now);
            }
            FeedEvent::Posted(block) => self.record(now, || What::Posted { block }),
            _ => {}
        }
    }
}
