//! The poster against an L1 in memory.

use alloy_primitives::{Address, B256, Bytes, keccak256};
use commonware_runtime::{Clock, Handle, Runner, Spawner, Supervisor, deterministic};
use rota_batch::{
    Batch, BatchBlock, ChannelAssembler, ChannelId, ChannelReader, Compression, encode_channel, parse_frames,
};
use rota_l1::{InboxData, L1Chain, L1ChainConfig, L1Provider, MemoryL1, MemorySender, Payload, SendPolicy, deliver};
use rota_node::{
    feed::{Feed, FeedEvent},
    ledger::LedgerError,
    poster::{PostedBlock, PostedSource, Poster, PosterConfig, PostingLimits},
};
use rota_types::RollupConfig;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

/// L2 blocks of one second each, numbered by their timestamps, all on the first L1 block.
struct Blocks {
    rollup: Arc<RollupConfig>,
    head: AtomicU64,
    transaction: Bytes,
}

impl PostedSource for Blocks {
    fn head(&self) -> u64 {
        self.head.load(Ordering::Relaxed)
    }

    fn block(&self, number: u64) -> Result<Option<PostedBlock>, LedgerError> {
        let batch = BatchBlock {
            timestamp: self.rollup.genesis.l2_time + number,
            origin: self.rollup.genesis.l1,
            sequence_number: number,
            parent_hash: hash(number - 1),
            transactions: vec![self.transaction.clone(); (number % 3) as usize],
        };
        Ok((number <= self.head()).then(|| PostedBlock { hash: hash(number), batch }))
    }

    fn hash(&self, number: u64) -> Result<Option<B256>, LedgerError> {
        Ok((number <= self.head()).then(|| hash(number)))
    }
}

fn hash(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

/// One chain that seals a block per second, its L1 with a block every two, and a poster that can be restarted.
struct World {
    context: deterministic::Context,
    l1: MemoryL1,
    sender: Arc<MemorySender>,
    blocks: Arc<Blocks>,
    poster: Poster,
    feed: Feed,
}

impl World {
    fn new(context: &deterministic::Context) -> Self {
        let path = |name: &str| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors").join(name);
        let read = |name: &str| std::fs::read(path(name)).expect("the vectors are committed");
        let mut rollup: RollupConfig = serde_json::from_slice(&read("spec/rollup.json")).unwrap();
        // The simulated clock starts at zero.
        rollup.genesis.l2_time = 0;
        let rollup = Arc::new(rollup);
        let vectors: serde_json::Value = serde_json::from_slice(&read("batch/span.json")).unwrap();
        let transaction = vectors[3]["blocks"][0]["transactions"][4].clone();
        let transaction: Bytes = serde_json::from_value(transaction).unwrap();
        let blocks = Arc::new(Blocks { rollup: rollup.clone(), head: AtomicU64::new(0), transaction });

        let l1 = MemoryL1::new(&rollup, 2);
        let view = l1.view();
        let config = L1ChainConfig { poll_interval: Duration::from_millis(500), ..L1ChainConfig::default() };
        let chain = L1Chain::new(config, rollup.genesis.l1);
        context.child("l1").spawn({
            let (chain, view) = (chain.clone(), view.clone());
            move |context| chain.run(context, view)
        });
        context.child("time").spawn({
            let (l1, blocks) = (l1.clone(), blocks.clone());
            move |context| async move {
                loop {
                    context.sleep(Duration::from_secs(1)).await;
                    let now = context.current().duration_since(UNIX_EPOCH).unwrap().as_secs();
                    l1.advance_to(now);
                    blocks.head.store(now, Ordering::Relaxed);
                }
            }
        });
        let sender = l1.sender(Address::repeat_byte(7));
        let feed = Feed::new(1_024);
        let send = SendPolicy { resubmission_timeout: Duration::from_secs(8), ..SendPolicy::default() };
        // Small payloads, so that a channel takes several transactions.
        let limits = PostingLimits { interval: Duration::from_secs(6), max_payload: 100, ..PostingLimits::default() };
        let poster = Poster {
            config: PosterConfig { limits, send, ..PosterConfig::default() },
            rollup,
            source: blocks.clone(),
            chain,
            provider: view,
            sender: sender.clone(),
            feed: feed.clone(),
        };
        Self { context: context.child("world"), l1, sender, blocks, poster, feed }
    }

    fn start(&self, name: &'static str) -> Handle<LedgerError> {
        let poster = self.poster.clone();
        self.context.child(name).spawn(move |context| poster.run(context))
    }

    async fn seconds(&self, seconds: u64) {
        self.context.sleep(Duration::from_secs(seconds)).await;
    }

    /// First and last block of every batch on L1, in order.
    async fn batches(&self) -> Vec<(u64, u64)> {
        let view = self.l1.view();
        let mut assembler = ChannelAssembler::default();
        let mut batches = Vec::new();
        for number in 1..=self.l1.head().id.number {
            let block = view.block_by_number(number).await.unwrap().unwrap();
            for transaction in view.inbox(block.id.hash).await.unwrap().unwrap() {
                let InboxData::Calldata(input) = transaction.data else { panic!("blobs") };
                for frame in parse_frames(&input).unwrap_or_default() {
                    let Some(channel) = assembler.push(number, frame) else { continue };
                    for batch in ChannelReader::new(&channel, self.poster.rollup.l2_chain_id).unwrap() {
                        let Ok(Batch::Span(span)) = batch else { panic!("{batch:?}") };
                        batches.push((span.rel_timestamp, span.rel_timestamp + span.block_count() as u64 - 1));
                    }
                }
            }
        }
        batches
    }

    /// Every block up to the last is posted exactly once, in order, and the last is not far behind the head.
    async fn assert_posted_once(&self) {
        let batches = self.batches().await;
        let mut next = 1;
        for (first, last) in &batches {
            assert_eq!(*first, next, "{batches:?}");
            next = last + 1;
        }
        let head = self.blocks.head();
        assert!(next + 16 > head, "posted up to {} of {head}", next - 1);
    }
}

fn run<F: Future<Output = ()>>(test: impl FnOnce(World) -> F) {
    deterministic::Runner::default().start(|context| test(World::new(&context)));
}

#[test]
fn every_block_is_posted_once_and_in_order() {
    run(|world| async move {
        let mut events = world.feed.subscribe();
        world.start("poster");
        world.seconds(60).await;
        world.assert_posted_once().await;
        let mut told = Vec::new();
        while let Ok(FeedEvent::Posted(number)) = events.try_recv() {
            told.push(number);
        }
        assert_eq!(told[0], 0);
        assert!(told.len() > 3 && told.is_sorted(), "{told:?}");
        assert_eq!(told.last().copied(), world.batches().await.last().map(|(_, last)| *last));
    });
}

#[test]
fn a_restarted_poster_goes_on_where_the_inbox_ends() {
    run(|world| async move {
        for (name, seconds) in [("one", 31), ("two", 32), ("three", 33), ("four", 40)] {
            let poster = world.start(name);
            world.seconds(seconds).await;
            poster.abort();
            // Whatever was on its way gets into L1 before the next life begins.
            world.seconds(4).await;
        }
        world.start("last");
        world.seconds(20).await;
        world.assert_posted_once().await;
    });
}

#[test]
fn a_restart_looks_back_past_a_long_pause() {
    run(|world| async move {
        let poster = world.start("before");
        world.seconds(20).await;
        poster.abort();
        // 300 L1 blocks without a batch of ours.
        world.seconds(600).await;
        world.start("after");
        world.seconds(30).await;
        world.assert_posted_once().await;
    });
}

#[test]
fn a_reorg_that_keeps_the_transactions_changes_nothing() {
    run(|world| async move {
        world.start("poster");
        for _ in 0..5 {
            world.seconds(17).await;
            world.l1.reorg(3);
        }
        world.seconds(20).await;
        world.assert_posted_once().await;
    });
}

#[test]
fn a_reorg_that_loses_the_transactions_is_posted_again() {
    run(|world| async move {
        let mut events = world.feed.subscribe();
        world.start("poster");
        world.seconds(40).await;
        world.l1.reorg_losing_transactions(10);
        world.seconds(60).await;
        world.assert_posted_once().await;
        let mut told = Vec::new();
        while let Ok(FeedEvent::Posted(number)) = events.try_recv() {
            told.push(number);
        }
        assert!(!told.is_sorted(), "subscribers are told that blocks are not posted any more: {told:?}");
    });
}

#[test]
fn an_account_without_funds_is_no_end() {
    run(|world| async move {
        world.sender.set_broke(true);
        world.start("poster");
        world.seconds(40).await;
        assert!(world.batches().await.is_empty());
        world.sender.set_broke(false);
        world.seconds(30).await;
        world.assert_posted_once().await;
    });
}

#[test]
fn a_rising_base_fee_is_outbid() {
    run(|world| async move {
        world.start("poster");
        world.seconds(20).await;
        world.l1.set_base_fee(10_000);
        world.seconds(60).await;
        world.assert_posted_once().await;
    });
}

#[test]
fn garbage_with_our_key_and_batches_of_strangers_do_not_count() {
    run(|world| async move {
        let inbox = world.poster.rollup.batch_inbox_address;
        let policy = world.poster.config.send;
        let mut wrong = Vec::new();
        for number in 1..=3 {
            wrong.push(world.blocks.block(1).unwrap().map_or_else(
                || BatchBlock {
                    timestamp: number,
                    origin: world.poster.rollup.genesis.l1,
                    sequence_number: number,
                    parent_hash: hash(number - 1),
                    transactions: vec![world.blocks.transaction.clone(); 7],
                },
                |block| block.batch,
            ));
        }
        let encode = |blocks: &[BatchBlock], id| -> Vec<Payload> {
            let id = ChannelId::repeat_byte(id);
            let payloads = encode_channel(&world.poster.rollup, blocks, id, Compression::Zlib, 10_000).unwrap();
            payloads.into_iter().map(Payload::Calldata).collect()
        };
        // What was never certified, with our key; and what will be certified, with a stranger's.
        let mut ours = encode(&wrong, 1);
        ours.push(Payload::Calldata(Bytes::from_static(b"garbage")));
        deliver(&world.context, &*world.sender, &policy, inbox, &ours).await.unwrap();
        world.seconds(5).await;
        let first = world.blocks.block(1).unwrap().unwrap().batch;
        let stranger = world.l1.sender(Address::repeat_byte(8));
        deliver(&world.context, &*stranger, &policy, inbox, &encode(&[first], 2)).await.unwrap();
        let before = world.batches().await.len();
        assert_eq!(before, 2);
        world.start("poster");
        world.seconds(40).await;
        let posted = world.batches().await.split_off(before);
        assert_eq!(posted[0].0, 1, "{posted:?}");
    });
}
