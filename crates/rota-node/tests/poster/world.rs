//! Operators that read and post against one L1 in memory, and an observer that derives by itself.

use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_signer_local::PrivateKeySigner;
use commonware_runtime::{Clock, Handle, Runner, Spawner, Supervisor, deterministic};
use parking_lot::Mutex;
use rota_batch::{BatchBlock, ChannelId, Compression, encode_channel};
use rota_consensus::{Gossip, To};
use rota_l1::{
    CarrierLimits, L1Chain, L1ChainConfig, MemoryL1, MemorySender, MemoryTurns, MemoryView, Payload, SendPolicy,
    SkipDomain, TurnMember, memory::InboxBatch,
};
use rota_node::{
    feed::Feed,
    gossip::Message,
    health::Health,
    ledger::{InboxPosition, LedgerError, PostedDifference},
    poster::{
        CarrierChoice, InboxReader, InboxView, PostedBlock, PostedSource, Poster, PosterConfig, PostingLimits, Skips,
        TurnWatch, Turns,
    },
};
use rota_types::{BlockId, Identity, RollupConfig};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};
use tokio::sync::watch;

/// Seconds between L1 blocks.
pub(crate) const L1_BLOCK_TIME: u64 = 2;

/// The PostingTurns contract.
pub(crate) const CONTRACT: Address = Address::repeat_byte(0xc0);

/// A silent poster may be silent for this long.
pub(crate) const SKIP_TIMEOUT: Duration = Duration::from_secs(30);

/// What a world is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) operators: u8,
    /// L1 blocks of a turn, and before it can be skipped; `None`: the first operator posts for good.
    pub(crate) turns: Option<(u64, u64)>,
    pub(crate) seq_window: u64,
    /// L1 blocks by which origins are behind: more than reorgs are deep.
    pub(crate) origin_lag: u64,
    pub(crate) carrier: CarrierChoice,
}

impl Default for Setup {
    fn default() -> Self {
        Self { operators: 1, turns: None, seq_window: 3_600, origin_lag: 200, carrier: CarrierChoice::Calldata }
    }
}

/// L2 blocks of one second each, numbered by their timestamps.
pub(crate) struct Blocks {
    rollup: Arc<RollupConfig>,
    head: AtomicU64,
    transaction: Bytes,
    origin_lag: u64,
    /// L1 blocks as they were first seen.
    origins: Mutex<Vec<BlockId>>,
}

impl Blocks {
    pub(crate) fn head(&self) -> u64 {
        self.head.load(Ordering::Relaxed)
    }

    /// A block as it is or will be certified.
    pub(crate) fn batch(&self, number: u64) -> BatchBlock {
        let origin = (number / L1_BLOCK_TIME).saturating_sub(self.origin_lag);
        BatchBlock {
            timestamp: self.rollup.genesis.l2_time + number,
            origin: self.origins.lock()[origin as usize],
            sequence_number: if origin == 0 { number } else { number % L1_BLOCK_TIME },
            parent_hash: hash(number - 1),
            transactions: vec![self.transaction.clone(); (number % 3) as usize],
        }
    }

    /// A block that is never certified.
    pub(crate) fn wrong(&self, number: u64) -> BatchBlock {
        BatchBlock { transactions: vec![self.transaction.clone(); 7], ..self.batch(number) }
    }
}

pub(crate) fn hash(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

/// An operator's ledger: the chain, and what it keeps of the inbox.
#[derive(Clone)]
pub(crate) struct Store {
    blocks: Arc<Blocks>,
    pub(crate) position: Arc<Mutex<Option<InboxPosition>>>,
    pub(crate) differences: Arc<Mutex<Vec<PostedDifference>>>,
}

impl PostedSource for Store {
    fn head(&self) -> u64 {
        self.blocks.head()
    }

    fn oldest(&self) -> u64 {
        1
    }

    fn block(&self, number: u64) -> Result<Option<PostedBlock>, LedgerError> {
        let block = || PostedBlock {
            hash: hash(number),
            batcher: self.blocks.rollup.genesis.system_config.batcher_addr,
            batch: self.blocks.batch(number),
        };
        Ok((number <= self.head()).then(block))
    }

    fn hash(&self, number: u64) -> Result<Option<B256>, LedgerError> {
        Ok((number <= self.head()).then(|| hash(number)))
    }

    fn position(&self) -> Result<Option<InboxPosition>, LedgerError> {
        Ok(*self.position.lock())
    }

    fn store_position(&self, position: &InboxPosition) -> Result<(), LedgerError> {
        *self.position.lock() = Some(*position);
        Ok(())
    }

    fn store_difference(&self, difference: PostedDifference) -> Result<bool, LedgerError> {
        let mut differences = self.differences.lock();
        let new = !differences.contains(&difference);
        if new {
            differences.push(difference);
        }
        Ok(new)
    }

    fn posted_for_good(&self, _: u64) {}
}

/// Where each operator collects attestations.
type Peers = Arc<Mutex<Vec<(Identity, Arc<Skips>)>>>;

/// Hands attestations to the other operators.
struct Hub {
    me: Identity,
    peers: Peers,
}

impl Gossip for Hub {
    fn send(&self, _: To, message: bytes::Bytes) -> bool {
        let Ok(Message::Skip { turn, signature }) = Message::decode(&message) else { panic!("only attestations") };
        for (_, skips) in self.peers.lock().iter().filter(|(peer, _)| *peer != self.me) {
            assert!(skips.received(self.me, turn, &signature), "an honest attestation");
        }
        true
    }
}

/// One operator and what it keeps over its lives.
pub(crate) struct Operator {
    pub(crate) key: PrivateKeySigner,
    pub(crate) sender: Arc<MemorySender>,
    pub(crate) view: Arc<MemoryView>,
    pub(crate) store: Store,
    pub(crate) health: Arc<Health>,
    pub(crate) feed: Feed,
    pub(crate) inbox: watch::Receiver<InboxView>,
    skips: Arc<Skips>,
    running: Option<Handle<()>>,
    lives: u64,
}

impl Operator {
    pub(crate) fn inbox(&self) -> InboxView {
        *self.inbox.borrow()
    }

    pub(crate) fn conditions(&self, context: &impl Clock) -> String {
        self.health.report(context.current()).conditions.join("; ")
    }
}

/// One chain that seals a block per second, its L1 with a block every two, and its operators.
pub(crate) struct World {
    pub(crate) context: deterministic::Context,
    pub(crate) setup: Setup,
    pub(crate) config: PosterConfig,
    pub(crate) rollup: Arc<RollupConfig>,
    pub(crate) l1: MemoryL1,
    pub(crate) blocks: Arc<Blocks>,
    pub(crate) operators: Vec<Operator>,
    peers: Peers,
}

pub(crate) fn key(index: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(index + 1)).expect("a key")
}

fn identity(index: u8) -> Identity {
    B256::repeat_byte(index + 1)
}

impl World {
    fn new(context: &deterministic::Context, setup: Setup) -> Self {
        let path = |name: &str| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors").join(name);
        let read = |name: &str| std::fs::read(path(name)).expect("the vectors are committed");
        let mut rollup: RollupConfig = serde_json::from_slice(&read("spec/rollup.json")).unwrap();
        // The simulated clock starts at zero.
        rollup.genesis.l2_time = 0;
        rollup.seq_window_size = setup.seq_window;
        rollup.genesis.system_config.batcher_addr = key(0).address();
        let rollup = Arc::new(rollup);
        let vectors: serde_json::Value = serde_json::from_slice(&read("batch/span.json")).unwrap();
        let transaction = vectors[3]["blocks"][0]["transactions"][4].clone();
        let blocks = Arc::new(Blocks {
            rollup: rollup.clone(),
            head: AtomicU64::new(0),
            transaction: serde_json::from_value(transaction).unwrap(),
            origin_lag: setup.origin_lag,
            origins: Mutex::new(vec![rollup.genesis.l1]),
        });
        let l1 = MemoryL1::new(&rollup, L1_BLOCK_TIME);
        if let Some((window, tenure)) = setup.turns {
            let member = |index| TurnMember {
                identity: B256::repeat_byte(index + 1),
                operator: Address::repeat_byte(index + 1),
                posting: key(index).address(),
            };
            l1.deploy_turns(CONTRACT, window, tenure, &(0..setup.operators).map(member).collect::<Vec<_>>());
        }
        context.child("time").spawn({
            let (l1, blocks) = (l1.clone(), blocks.clone());
            move |context| async move {
                loop {
                    context.sleep(Duration::from_secs(1)).await;
                    let now = context.current().duration_since(UNIX_EPOCH).unwrap().as_secs();
                    l1.advance_to(now);
                    let head = l1.head().id;
                    let mut origins = blocks.origins.lock();
                    if origins.len() as u64 == head.number {
                        origins.push(head);
                    }
                    blocks.head.store(now, Ordering::Relaxed);
                }
            }
        });
        let send = SendPolicy { resubmission_timeout: Duration::from_secs(8), ..SendPolicy::default() };
        // Small payloads, so that a channel takes several transactions.
        let config = PosterConfig {
            limits: PostingLimits { interval: Duration::from_secs(6), ..PostingLimits::default() },
            send,
            carrier: setup.carrier,
            carried: CarrierLimits { max_calldata: 100, max_blobs: 2 },
            skip_timeout: SKIP_TIMEOUT,
            ..PosterConfig::default()
        };
        let peers = Arc::default();
        let (context, operators) = (context.child("world"), Vec::new());
        let mut world = Self { context, setup, config, rollup, l1, blocks, operators, peers };
        (0..setup.operators).for_each(|index| world.add(index));
        world
    }

    /// Another operator with this key, not started.
    pub(crate) fn add(&mut self, index: u8) {
        let (key, skips) = (key(index), Arc::new(Skips::default()));
        self.peers.lock().push((identity(index), skips.clone()));
        self.operators.push(Operator {
            sender: self.l1.sender(key.address()),
            key,
            view: self.l1.view(),
            store: Store { blocks: self.blocks.clone(), position: Arc::default(), differences: Arc::default() },
            health: Health::new(Duration::from_secs(1)),
            feed: Feed::new(4_096),
            inbox: watch::channel(InboxView::default()).1,
            skips,
            running: None,
            lives: 0,
        });
    }

    /// Starts an operator; a follower reads and posts nothing.
    fn launch(&mut self, index: usize, posts: bool) {
        let (rollup, config, peers) = (self.rollup.clone(), self.config, self.peers.clone());
        let has_turns = self.setup.turns.is_some();
        let operator = &mut self.operators[index];
        operator.lives += 1;
        let (sender, view_sender) = (operator.sender.clone(), watch::channel(InboxView::default()));
        let (inbox_sender, inbox) = view_sender;
        operator.inbox = inbox.clone();
        let l1 = L1ChainConfig { poll_interval: Duration::from_millis(500), ..L1ChainConfig::default() };
        let chain = L1Chain::new(l1, rollup.genesis.l1);
        let source: Arc<dyn PostedSource> = Arc::new(operator.store.clone());
        let (view, health, feed) = (operator.view.clone(), operator.health.clone(), operator.feed.clone());
        let (key, skips) = (operator.key.clone(), operator.skips.clone());
        let context = self.context.child("operator").with_attribute("index", index);
        let context = context.with_attribute("life", operator.lives);
        operator.running = Some(context.spawn(move |context| async move {
            context.child("l1").spawn({
                let (chain, view) = (chain.clone(), view.clone());
                move |context| chain.run(context, view)
            });
            let reader = InboxReader {
                rollup: rollup.clone(),
                source: source.clone(),
                chain: chain.clone(),
                provider: view.clone(),
                blobs: view.clone(),
                feed,
                health: health.clone(),
                view: inbox_sender,
            };
            context.child("inbox").spawn(move |context| reader.run(context));
            let turns = has_turns.then(|| {
                let (turns, seen) = watch::channel(None);
                let domain = SkipDomain { l1_chain_id: rollup.l1_chain_id, contract: CONTRACT };
                let watch = TurnWatch {
                    rollup: rollup.clone(),
                    source: Arc::new(MemoryTurns::new(view.clone(), domain)),
                    blocks: source.clone(),
                    chain: chain.clone(),
                    inbox: inbox.clone(),
                    key,
                    timeout: SKIP_TIMEOUT,
                    skips: skips.clone(),
                    gossip: Arc::new(Hub { me: identity(index as u8), peers }),
                    view: turns,
                };
                context.child("turns").spawn(move |context| watch.run(context));
                Turns { view: seen, skips }
            });
            if posts {
                let poster = Poster { config, rollup, source, inbox, turns, sender, health };
                context.child("poster").spawn(move |context| poster.run(context));
            }
            futures::future::pending().await
        }));
    }

    pub(crate) fn start(&mut self, index: usize) {
        self.launch(index, true);
    }

    pub(crate) fn follow(&mut self, index: usize) {
        self.launch(index, false);
    }

    pub(crate) fn start_all(&mut self) {
        (0..self.operators.len()).for_each(|index| self.start(index));
    }

    pub(crate) fn kill(&mut self, index: usize) {
        if let Some(running) = self.operators[index].running.take() {
            running.abort();
        }
    }

    pub(crate) async fn seconds(&self, seconds: u64) {
        self.context.sleep(Duration::from_secs(seconds)).await;
    }

    /// Waits until something is so, at most for this many seconds.
    pub(crate) async fn until(&self, seconds: u64, what: &str, so: impl Fn(&Self) -> bool) {
        for _ in 0..seconds * 4 {
            if so(self) {
                return;
            }
            self.context.sleep(Duration::from_millis(250)).await;
        }
        panic!(
            "{what} within {seconds} s; inboxes: {:?}",
            self.operators.iter().map(Operator::inbox).collect::<Vec<_>>()
        );
    }

    /// Blocks as the call data of one channel.
    pub(crate) fn channel(&self, blocks: &[BatchBlock], id: u8) -> Vec<Payload> {
        let id = ChannelId::repeat_byte(id);
        let payloads = encode_channel(&self.rollup, blocks, id, Compression::Zlib, 10_000).unwrap();
        payloads.into_iter().map(Payload::Calldata).collect()
    }

    /// Sends to the inbox and waits until that is mined.
    pub(crate) async fn send(&self, sender: &MemorySender, payloads: &[Payload]) {
        let inbox = self.rollup.batch_inbox_address;
        rota_l1::deliver(&self.context, sender, &self.config.send, inbox, payloads).await.unwrap();
    }

    /// What derivation makes of L1: first and last block of every batch that it takes, who posted it, and in which L1
    /// block.
    pub(crate) fn derived(&self) -> Vec<(u64, u64, Address, u64)> {
        let (mut taken, mut next) = (Vec::new(), 1);
        for InboxBatch { l1_block, batcher, span } in self.l1.inbox().batches {
            let (first, last) = (span.rel_timestamp, span.rel_timestamp + span.block_count() as u64 - 1);
            let mut ours = (first..).zip(span.blocks(&self.rollup));
            let same = ours.all(|(number, block)| self.blocks.batch(number).transactions == block.transactions);
            if first <= next && next <= last && same {
                taken.push((first, last, batcher, l1_block));
                next = last + 1;
            }
        }
        taken
    }

    /// The newest block that derivation has.
    pub(crate) fn derived_head(&self) -> u64 {
        self.derived().last().map_or(0, |(_, last, ..)| *last)
    }

    /// What derivation has is not far behind the head, and every running operator has read the same.
    pub(crate) fn assert_posted(&self) {
        let (derived, head) = (self.derived_head(), self.blocks.head());
        assert!(derived + 24 > head, "derived up to {derived} of {head}");
        for (index, operator) in self.operators.iter().enumerate().filter(|(_, operator)| operator.running.is_some()) {
            let inbox = operator.inbox();
            let posted = inbox.posted.unwrap_or_default();
            assert!(derived.abs_diff(posted) < 16, "operator {index} has read {inbox:?}, derivation is at {derived}");
        }
    }

    /// As [`Self::assert_posted`], and no block was paid for twice.
    pub(crate) fn assert_posted_once(&self) {
        self.assert_posted();
        let batches = self.derived();
        let mut next = 1;
        for (first, last, ..) in &batches {
            assert_eq!(*first, next, "{batches:?}");
            next = last + 1;
        }
    }
}

pub(crate) fn run<F: Future<Output = ()>>(setup: Setup, test: impl FnOnce(World) -> F) {
    deterministic::Runner::default().start(|context| test(World::new(&context, setup)));
}
