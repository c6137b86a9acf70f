//! Nodes, their network, and what was seen of them.

use crate::{
    Ancestry, Application, Config, ConsensusError, Context as ProposalContext, Epochs, Event, Evidence, IdentityKey,
    Runtime as _, VotingKey,
    block::Digest,
    committees::Committees,
    config::Channel,
    simulated::{Ballot, Forge, Host, Link, Network, Outgoing, Signing, SimScheme, Tamper, Vote as Cast},
};
use alloy_primitives::{Address, B256};
use commonware_codec::{Copying, Decode as _, DecodeExt as _, Encode as _};
use commonware_consensus::{
    Epochable as _, Viewable as _,
    simplex::types::{Attributable as _, Finalization, Vote},
};
use commonware_p2p::{Receiver as _, utils::mux};
use commonware_parallel::Sequential;
use commonware_runtime::{Clock, Handle, Runner as _, Spawner as _, Supervisor as _, deterministic};
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};
use parking_lot::Mutex;
use rand::{SeedableRng as _, rngs::StdRng};
use rota_types::{
    Body, Certificate, ChainSpec, Committee, Flashblock, Header, Identity, KeyDomain, Operator, PROTOCOL_VERSION,
    Strategy,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

pub(super) const OPERATORS: usize = 4;

/// An identity that is no operator: index 4 follows, index 5 only listens.
pub(super) const FOLLOWER: usize = 4;
const LISTENER: usize = 5;

/// What one node's application was told.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) certified: BTreeMap<u64, (B256, SystemTime)>,
    pub(super) certificates: Vec<(u64, Certificate)>,
    pub(super) entered: BTreeMap<u64, bool>,
    pub(super) faults: Vec<Evidence>,
    pub(super) nullified: BTreeSet<(u64, u64)>,
    pub(super) problems: Vec<String>,
    pub(super) ended: Option<ConsensusError>,
    /// Messages of peers on the node's own channel.
    pub(super) greeted: BTreeMap<Identity, usize>,
}

/// Everything seen in a simulation; outlives its runtime.
#[derive(Default)]
pub(super) struct Log {
    pub(super) nodes: BTreeMap<usize, Seen>,
    /// (signer, epoch, view, kind) and the encodings of verified votes that the listener got.
    pub(super) votes: BTreeMap<(Identity, u64, u64, u8), BTreeSet<Vec<u8>>>,
    pub(super) equivocators: BTreeSet<Identity>,
}

pub(super) type SharedLog = Arc<Mutex<Log>>;

impl Log {
    pub(super) fn height(&self, node: usize) -> u64 {
        self.nodes.get(&node).and_then(|seen| seen.certified.last_key_value()).map_or(0, |(height, _)| *height)
    }

    /// One chain, no height missing, no vote contradicted.
    pub(super) fn assert_sound(&self) {
        let mut chain: BTreeMap<u64, B256> = BTreeMap::new();
        for (node, seen) in &self.nodes {
            assert!(seen.problems.is_empty(), "node {node}: {:?}", seen.problems);
            for (expected, (height, (digest, _))) in (1..).zip(&seen.certified) {
                assert_eq!(*height, expected, "node {node} misses a height");
                assert_eq!(chain.entry(*height).or_insert(*digest), digest, "two digests at height {height}");
            }
        }
        let equivocated =
            |signer: &Identity| self.nodes.values().any(|n| n.faults.iter().any(|f| f.operator == *signer));
        for ((signer, epoch, view, kind), encodings) in &self.votes {
            if self.equivocators.contains(signer) {
                assert!(equivocated(signer), "nobody noticed");
                continue;
            }
            assert!(!equivocated(signer), "an honest operator was convicted");
            assert_eq!(encodings.len(), 1, "{signer} voted twice: epoch {epoch} view {view} kind {kind}");
            let nullified = self.votes.contains_key(&(*signer, *epoch, *view, 1));
            assert!(*kind != 2 || !nullified, "{signer} nullified and finalized: epoch {epoch} view {view}");
        }
    }

    /// The longest time between two heights at a node, from height `from` on.
    pub(super) fn longest_gap(&self, node: usize, from: u64) -> Duration {
        let times: Vec<_> = self.nodes[&node].certified.range(from..).map(|(_, (_, at))| *at).collect();
        times.windows(2).map(|pair| pair[1].duration_since(pair[0]).unwrap_or_default()).max().unwrap_or_default()
    }
}

/// An application that paces, links and records, and executes nothing. `cumulative_gas` carries the proposal's time.
pub(super) struct Plain<E> {
    clock: Arc<E>,
    spec: Arc<ChainSpec>,
    node: usize,
    log: SharedLog,
    signing: Signing,
    /// Never answers a check of these heights.
    stuck: BTreeSet<u64>,
    /// Time from a delivery to its acknowledgement.
    slow: Duration,
}

impl<E> Plain<E> {
    pub(super) fn new(clock: Arc<E>, spec: Arc<ChainSpec>, node: usize, log: SharedLog) -> Self {
        Self { clock, spec, node, log, signing: Signing::Bls, stuck: BTreeSet::new(), slow: Duration::ZERO }
    }
}

/// Whether a certificate verifies, by itself if it is a real one.
fn proves(signing: Signing, spec: &Arc<ChainSpec>, certificate: &Certificate) -> bool {
    match signing {
        Signing::Bls => certificate.verify(&spec.namespace(), &spec.committee).is_ok(),
        Signing::Fast => {
            let committees = Committees::<SimScheme>::new(spec, Epochs::new(spec.clone()), signing).expect("keys");
            let members = committees.members(certificate.epoch).expect("known");
            let bytes = certificate.encode();
            let finalization =
                Finalization::<SimScheme, Digest>::decode_cfg(Copying(&bytes), &OPERATORS).expect("decodes");
            finalization.verify(&mut StdRng::seed_from_u64(0), members.verifier(), &Sequential)
        }
    }
}

fn millis(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

impl<E: Clock> Application for Plain<E> {
    fn genesis(&self) -> Flashblock {
        self.spec.genesis_flashblock()
    }

    fn propose(&self, context: ProposalContext, mut ancestry: Ancestry) -> BoxFuture<'static, Option<Flashblock>> {
        let (clock, spec) = (self.clock.clone(), self.spec.clone());
        async move {
            let parent = ancestry.next().await?.header;
            let slot = parent.cumulative_gas + spec.pace().as_millis() as u64;
            let wait = slot.saturating_sub(millis(clock.current()));
            if parent.height > 0 {
                clock.sleep(Duration::from_millis(wait)).await;
            }
            let body = Body::default();
            let header = Header {
                version: PROTOCOL_VERSION,
                chain_id: spec.chain_id(),
                lineage: spec.lineage,
                epoch: context.epoch,
                view: context.view,
                leader: context.leader,
                parent_view: context.parent_view,
                parent: context.parent,
                height: parent.height + 1,
                block_number: 0,
                index: 0,
                body_hash: body.hash(),
                outcome_root: B256::ZERO,
                cumulative_gas: millis(clock.current()),
                seal: B256::ZERO,
                next_committee_root: B256::ZERO,
            };
            Some(Flashblock { header, body })
        }
        .boxed()
    }

    fn check(&self, flashblock: Arc<Flashblock>, mut ancestry: Ancestry) -> BoxFuture<'static, bool> {
        let stuck = self.stuck.contains(&flashblock.header.height);
        async move {
            if stuck {
                futures::future::pending::<()>().await;
            }
            ancestry.next().await.is_some_and(|parent| parent.digest() == flashblock.header.parent)
        }
        .boxed()
    }

    fn verify(&self, flashblock: Arc<Flashblock>, mut ancestry: Ancestry) -> BoxFuture<'static, bool> {
        async move { ancestry.next().await.is_some_and(|parent| parent.header.height + 1 == flashblock.header.height) }
            .boxed()
    }

    fn certified(&self, flashblock: Arc<Flashblock>, certificate: Option<Certificate>) -> BoxFuture<'static, ()> {
        let (clock, spec, node, log, slow) =
            (self.clock.clone(), self.spec.clone(), self.node, self.log.clone(), self.slow);
        let signing = self.signing;
        async move {
            let (height, digest, now) = (flashblock.header.height, flashblock.digest(), clock.current());
            {
                let mut log = log.lock();
                let seen = log.nodes.entry(node).or_default();
                let known = seen.certified.entry(height).or_insert((digest, now)).0;
                if known != digest {
                    seen.problems.push(format!("height {height}: {known} then {digest}"));
                }
                if let Some(certificate) = certificate {
                    if !proves(signing, &spec, &certificate) || certificate.digest != digest {
                        seen.problems.push(format!("height {height}: {certificate:?}"));
                    }
                    seen.certificates.push((height, certificate));
                }
            }
            clock.sleep(slow).await;
        }
        .boxed()
    }

    fn report(&self, event: Event) {
        let mut log = self.log.lock();
        let seen = log.nodes.entry(self.node).or_default();
        match event {
            Event::EpochEntered { epoch, signing } => {
                seen.entered.insert(epoch, signing);
            }
            Event::Nullified { epoch, view } => {
                seen.nullified.insert((epoch, view));
            }
            Event::Fault(evidence) => seen.faults.push(evidence),
            Event::Proposed { .. } | Event::Notarized { .. } | Event::Finalized { .. } => {}
        }
    }
}

/// A chain of four operators at a pace of 200 ms.
pub(crate) fn spec(epoch_length: u64, turn_length: u32) -> Arc<ChainSpec> {
    let operator = |index: usize| {
        let voting = voting_key(index);
        Operator {
            name: format!("operator-{index}"),
            account: Address::ZERO,
            identity: identity(index),
            bls_public_key: voting.public(),
            proof_of_possession: voting.prove_possession(&KeyDomain::default(), Address::ZERO, &identity(index)),
            posting_address: Address::ZERO,
            endpoint: "127.0.0.1:0".into(),
            weight: 1,
            reserve: false,
        }
    };
    let rollup = serde_json::from_value(serde_json::json!({
        "genesis": {
            "l1": { "hash": B256::ZERO, "number": 0 },
            "l2": { "hash": B256::repeat_byte(2), "number": 0 },
            "l2_time": 0,
            "system_config": { "batcherAddr": Address::ZERO, "overhead": B256::ZERO, "scalar": B256::ZERO, "gasLimit": 0 }
        },
        "block_time": 1, "max_sequencer_drift": 1800, "seq_window_size": 3600, "channel_timeout": 50,
        "l1_chain_id": 900, "l2_chain_id": 901, "isthmus_time": 0,
        "batch_inbox_address": Address::ZERO, "deposit_contract_address": Address::ZERO,
        "l1_system_config_address": Address::ZERO, "protocol_versions_address": Address::ZERO,
        "chain_op_config": { "eip1559Elasticity": 6, "eip1559Denominator": 50, "eip1559DenominatorCanyon": 250 }
    }))
    .expect("a rollup config");
    Arc::new(ChainSpec {
        genesis: Default::default(),
        rollup,
        lineage: 0,
        flashblocks_per_block: 5,
        epoch_length,
        turn_length,
        limits: Default::default(),
        registry: None,
        strategy: Strategy::RoundRobin,
        committee: Committee::new((0..OPERATORS).map(operator).collect()).expect("a committee"),
    })
}

pub(super) fn identity_key(index: usize) -> IdentityKey {
    IdentityKey::from_seed(100 + index as u64)
}

pub(super) fn voting_key(index: usize) -> VotingKey {
    VotingKey::from_seed(200 + index as u64)
}

pub(super) fn identity(index: usize) -> Identity {
    identity_key(index).identity()
}

/// Index of an operator.
pub(super) fn index_of(identity: Identity) -> usize {
    (0..OPERATORS).find(|index| self::identity(*index) == identity).expect("an operator")
}

/// How one node is started.
#[derive(Clone, Default)]
pub(super) struct Start {
    pub(super) first_start: bool,
    /// Another disk than before.
    pub(super) disk: u32,
    pub(super) stuck: BTreeSet<u64>,
    pub(super) slow: Duration,
    pub(super) equivocates: bool,
}

impl Start {
    pub(super) fn first() -> Self {
        Self { first_start: true, ..Self::default() }
    }
}

pub(super) struct World {
    pub(super) context: deterministic::Context,
    pub(super) spec: Arc<ChainSpec>,
    pub(super) network: Network,
    pub(super) log: SharedLog,
    signing: Signing,
    nodes: Vec<Option<Handle<()>>>,
    starts: u64,
}

pub(super) const LINK: Link =
    Link { latency: Duration::from_millis(20), jitter: Duration::from_millis(2), loss_ppm: 0 };

/// With every notarize vote goes another one, for a digest that nobody proposed.
struct Twofaced;

impl Tamper for Twofaced {
    fn send(&self, channel: Channel, message: Outgoing, forge: &Forge) -> Vec<Outgoing> {
        let mut messages = vec![message];
        if channel == Channel::Votes
            && let Some(Cast { epoch, view, ballot: Ballot::Notarize { parent_view, mut digest } }) =
                forge.vote(&messages[0])
        {
            digest.0[0] ^= 1;
            let ballot = Ballot::Notarize { parent_view, digest };
            messages.extend(forge.sign(Cast { epoch, view, ballot }, messages[0].to.clone()));
        }
        messages
    }
}

impl World {
    /// A network with links and nobody in it.
    pub(super) async fn new(context: deterministic::Context, spec: Arc<ChainSpec>, log: SharedLog) -> Self {
        Self::signing(context, spec, log, Signing::Bls).await
    }

    /// The same with other signatures.
    pub(super) async fn signing(
        context: deterministic::Context,
        spec: Arc<ChainSpec>,
        log: SharedLog,
        signing: Signing,
    ) -> Self {
        let config = Config::new(spec.clone(), identity_key(0), None);
        let network = Network::start(context.child("world"), &config, &[identity(FOLLOWER), identity(LISTENER)]);
        let network = network.signing(signing);
        network.link_all(LINK).await;
        let nodes = (0..LISTENER).map(|_| None).collect();
        let world = Self { context, spec, network, log, signing, nodes, starts: 0 };
        world.listen().await;
        world
    }

    /// The same with all operators started.
    pub(super) async fn started(context: deterministic::Context, spec: Arc<ChainSpec>, log: SharedLog) -> Self {
        let mut world = Self::new(context, spec, log).await;
        world.start_all();
        world
    }

    pub(super) fn start_all(&mut self) {
        (0..OPERATORS).for_each(|node| self.start(node, Start::first()));
    }

    /// Collects every vote that is sent to all.
    async fn listen(&self) {
        let (_, mut receiver) = self.network.raw(identity(LISTENER), Channel::Votes).await.expect("registers");
        let log = self.log.clone();
        let committees = Committees::<SimScheme>::new(&self.spec, Epochs::new(self.spec.clone()), self.signing);
        let committees = committees.expect("keys");
        self.context.child("listener").spawn(move |mut context| async move {
            while let Ok((_, message)) = receiver.recv().await {
                let Ok((_, vote)) = mux::parse(message) else { continue };
                let Ok(vote) = Vote::<SimScheme, Digest>::decode(vote) else { continue };
                let (epoch, view) = (vote.epoch().get(), vote.view().get());
                let members = committees.members(epoch).expect("known");
                let scheme = members.verifier();
                let (kind, signer, valid) = match &vote {
                    Vote::Notarize(v) => (0, v.signer(), v.verify(&mut context, scheme, &Sequential)),
                    Vote::Nullify(v) => (1, v.signer(), v.verify::<_, Digest>(&mut context, scheme, &Sequential)),
                    Vote::Finalize(v) => (2, v.signer(), v.verify(&mut context, scheme, &Sequential)),
                };
                if valid {
                    let signer = members.identity(signer.get() as usize).expect("a member");
                    let mut log = log.lock();
                    log.votes.entry((signer, epoch, view, kind)).or_default().insert(vote.encode().to_vec());
                }
            }
        });
    }

    pub(super) fn config(&self, node: usize, start: &Start) -> Config {
        let voting = (node < OPERATORS).then(|| voting_key(node));
        let mut config = Config::new(self.spec.clone(), identity_key(node), voting);
        config.first_start = start.first_start;
        config.storage_prefix = format!("node{node}-disk{}", start.disk);
        config
    }

    pub(super) fn start(&mut self, node: usize, start: Start) {
        let (config, mut transport) = (self.config(node, &start), self.network.transport());
        if start.equivocates {
            self.log.lock().equivocators.insert(identity(node));
            transport = transport.tampered(Arc::new(Twofaced));
        }
        let (spec, log, signing) = (self.spec.clone(), self.log.clone(), self.signing);
        let context = self.context.child("node").with_attribute("id", node).with_attribute("start", self.starts);
        self.starts += 1;
        let context = Host::new(1, self.starts).boot(context);
        self.nodes[node] = Some(context.spawn(move |context| async move {
            let clock = Arc::new(context.child("clock"));
            let application =
                Plain { signing, stuck: start.stuck, slow: start.slow, ..Plain::new(clock, spec, node, log.clone()) };
            let opened = context.child("consensus").open(config, transport).await.expect("opens");
            let mut consensus = opened.start(Arc::new(application));
            let error = consensus.stopped().await;
            log.lock().nodes.entry(node).or_default().ended = Some(error);
        }));
    }

    /// Ends a node at once. What it has not synced survives, as on a machine that goes on.
    pub(super) fn kill(&mut self, node: usize) {
        if let Some(handle) = self.nodes[node].take() {
            handle.abort();
        }
    }

    pub(super) fn height(&self, node: usize) -> u64 {
        self.log.lock().height(node)
    }

    pub(super) fn top(&self) -> u64 {
        (0..OPERATORS).map(|node| self.height(node)).max().unwrap_or(0)
    }

    pub(super) async fn sleep(&self, millis: u64) {
        self.context.sleep(Duration::from_millis(millis)).await;
    }

    /// Waits until a condition holds, at most some simulated seconds.
    pub(super) async fn until(&self, seconds: u64, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = self.context.current() + Duration::from_secs(seconds);
        while !holds(self) {
            let heights: Vec<_> = (0..LISTENER).map(|node| self.height(node)).collect();
            assert!(self.context.current() < deadline, "{what}: not within {seconds} s, heights {heights:?}");
            self.sleep(2).await;
        }
    }

    /// Waits until all operators are at a height.
    pub(super) async fn all_reach(&self, height: u64) {
        self.until(300, &format!("height {height}"), |world| (0..OPERATORS).all(|node| world.height(node) >= height))
            .await;
    }
}

pub(super) fn runner(seed: u64) -> deterministic::Runner {
    let config = deterministic::Config::default().with_seed(seed).with_cycle(Duration::from_micros(50));
    deterministic::Runner::from(config)
}

/// Runs one scenario and checks what was seen.
pub(super) fn run<F, Fut>(seed: u64, scenario: F) -> Log
where
    F: FnOnce(deterministic::Context, SharedLog) -> Fut,
    Fut: Future<Output = ()>,
{
    let log = SharedLog::default();
    let shared = log.clone();
    runner(seed).start(|context| scenario(context, shared));
    let log = std::mem::take(&mut *log.lock());
    log.assert_sound();
    log
}
