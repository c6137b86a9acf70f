//! The view of L1, failover between endpoints and the transaction sender, on an L1 in memory.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use commonware_runtime::{Clock, Runner, Spawner, Supervisor, deterministic};
use futures::{FutureExt, future::join_all};
use op_alloy_consensus::TxDeposit;
use rota_l1::{
    ConfigUpdate, Finality, InboxData, L1Block, L1Chain, L1ChainConfig, L1Endpoints, L1Provider, L1Sender, MemoryL1,
    MemoryView, OriginVerdict, Payload, ProviderError, SendError, SendPolicy, deliver, finality,
};
use rota_types::{BlockId, ChainSpec, Opening, Position, RegistryEvent, RollupConfig, Strategy};
use std::{path::Path, sync::Arc, time::Duration};

fn spec() -> ChainSpec {
    let file = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/spec").join(name);
    ChainSpec::load(&file("genesis.json"), &file("rollup.json"), &file("committee.json")).unwrap()
}

fn rollup() -> RollupConfig {
    spec().rollup
}

fn chain(confirmation_depth: u64, window: usize) -> L1Chain {
    let config = L1ChainConfig { confirmation_depth, window, poll_interval: Duration::from_millis(100) };
    L1Chain::new(config, rollup().genesis.l1)
}

fn run<F: Future<Output = ()>>(test: F) {
    deterministic::Runner::default().start(|_| test);
}

fn mined(blocks: usize) -> MemoryL1 {
    let l1 = MemoryL1::new(&rollup(), 2);
    (0..blocks).for_each(|_| drop(l1.mine()));
    l1
}

#[test]
fn blocks_come_at_their_times() {
    let l1 = MemoryL1::new(&rollup(), 2);
    let start = rollup().genesis.l2_time;
    l1.advance_to(start + 7);
    assert_eq!((l1.head().id.number, l1.head().timestamp), (3, start + 6));
}

#[test]
fn the_view_follows_the_head_and_confirms_at_depth() {
    run(async {
        let l1 = mined(10);
        let (view, chain) = (l1.view(), chain(3, 100));
        assert_eq!((chain.head(), chain.confirmed()), (None, None));
        chain.poll(&*view).await.unwrap();
        assert_eq!(chain.head(), Some(l1.head().id));
        assert_eq!(chain.confirmed().unwrap().number, 7);
        assert_eq!(chain.get(l1.head().id), Some(l1.head()));
        assert_eq!(chain.next_of(10), None);
        assert_eq!(chain.finalized(), None);
        (0..30).for_each(|_| drop(l1.mine()));
        chain.poll(&*view).await.unwrap();
        assert_eq!(chain.finalized().unwrap().number, 8);
    });
}

#[test]
fn a_reorg_replaces_blocks_and_keeps_the_rest() {
    run(async {
        let l1 = mined(10);
        let (view, chain) = (l1.view(), chain(2, 100));
        chain.poll(&*view).await.unwrap();
        let (old, kept) = (chain.get_number(8).unwrap(), chain.get_number(7).unwrap());
        l1.reorg(3);
        chain.poll(&*view).await.unwrap();
        assert_eq!(chain.get(old.id), None);
        assert_ne!(chain.get_number(8).unwrap().id, old.id);
        assert_eq!(chain.get(kept.id), Some(kept));
        assert_eq!(chain.head(), Some(l1.head().id));
        assert_eq!(chain.stats().reorged, 3);
        l1.reorg(2);
        l1.mine();
        chain.poll(&*view).await.unwrap();
        assert_eq!(chain.head(), Some(l1.head().id), "a reorg with a new block on top");
    });
}

#[test]
fn a_lagging_endpoint_is_no_reorg() {
    run(async {
        let l1 = mined(10);
        let (view, chain) = (l1.view(), chain(2, 100));
        chain.poll(&*view).await.unwrap();
        view.set_lag(5);
        chain.poll(&*view).await.unwrap();
        assert_eq!(chain.head().unwrap().number, 10);
        assert_eq!(chain.confirmed().unwrap().number, 8);
        assert_eq!(chain.stats().reorged, 0);
        view.set_offline(true);
        assert!(chain.poll(&*view).await.is_err());
        assert_eq!(chain.head().unwrap().number, 10);
    });
}

#[test]
fn a_reorg_of_what_we_build_on_is_an_error_and_can_reverse() {
    run(async {
        let l1 = mined(3);
        let start = l1.head().id;
        let chain = L1Chain::new(L1ChainConfig::default(), start);
        let before = mined(5).view();
        chain.poll(&*l1.view()).await.unwrap();
        l1.mine();
        chain.poll(&*l1.view()).await.unwrap();
        l1.reorg(2);
        l1.mine();
        assert!(chain.poll(&*l1.view()).await.is_err());
        assert_eq!(chain.head(), None, "nothing that we build on is on L1");
        assert!(chain.poll(&*l1.view()).await.is_err());
        assert_eq!(chain.head(), None, "and another block in its place does not do");
        chain.poll(&*before).await.unwrap();
        assert_eq!(chain.get_number(start.number).unwrap().id, start, "the reorg has reversed");
    });
}

#[test]
fn a_remembered_origin_is_shown_until_l1_answers() {
    run(async {
        let l1 = mined(3);
        let (real, config) = (l1.head(), L1ChainConfig::default());
        let remembered = L1Block { deposits: Vec::new(), base_fee: U256::from(1), ..(*real).clone() };
        let shown = |chain: &L1Chain| chain.get_number(real.id.number).map(|block| block.base_fee);
        let view = l1.view();

        let chain = L1Chain::recalling(config, remembered.clone());
        view.set_offline(true);
        assert!(chain.poll(&*view).await.is_err());
        assert_eq!(shown(&chain), Some(U256::from(1)));
        view.set_offline(false);
        view.set_lag(2);
        assert!(chain.poll(&*view).await.is_err());
        assert_eq!(shown(&chain), Some(U256::from(1)), "an endpoint that lags says nothing about it");
        view.set_lag(0);
        chain.poll(&*view).await.unwrap();
        assert_eq!(shown(&chain), Some(real.base_fee), "what L1 has counts");

        let chain = L1Chain::recalling(config, remembered);
        l1.reorg(1);
        assert!(chain.poll(&*view).await.is_err());
        assert_eq!(shown(&chain), None, "L1 has another block in its place");
    });
}

#[test]
fn finality_takes_more_than_half_of_the_endpoints() {
    run(async {
        let (l1, other) = (mined(60), mined(0));
        other.mine();
        other.reorg(1);
        (0..80).for_each(|_| drop(other.mine()));
        let (late, liar) = (l1.view(), other.view());
        let endpoints = L1Endpoints::new(vec![liar.clone(), l1.view(), late.clone()]).unwrap();
        assert_eq!(endpoints.finalized().await.unwrap().unwrap().number, 28, "what the liar claims alone is none");
        late.set_lag(10);
        assert_eq!(endpoints.finalized().await.unwrap().unwrap().number, 28);
        late.set_offline(true);
        assert_eq!(endpoints.finalized().await.unwrap().unwrap().number, 28);
        let origin = l1.view().block_by_number(20).await.unwrap().unwrap().id;
        let answers = endpoints.finalized_at(20).await;
        let lie = answers[0].unwrap();
        assert_eq!(answers, [Some(lie), Some(origin), None]);
        assert_eq!(finality(origin, &answers), Finality::Disputed(lie));
        assert_eq!(endpoints.finalized_at(29).await[1], None, "not finalized that far");
        liar.set_offline(true);
        assert_eq!(endpoints.finalized().await.unwrap(), None, "one of three");
    });
}

#[test]
fn the_window_is_bounded_and_moves_on_release() {
    run(async {
        let l1 = mined(300);
        let (view, chain) = (l1.view(), chain(2, 100));
        chain.poll(&*view).await.unwrap();
        assert_eq!(chain.head().unwrap().number, 99);
        assert_eq!(chain.confirmed().unwrap().number, 97, "counted on linked blocks, whatever the head is said to be");
        chain.release(90);
        chain.poll(&*view).await.unwrap();
        assert_eq!(chain.head().unwrap().number, 125);
        assert_eq!((chain.get_number(25), chain.get_number(26).is_some()), (None, true), "a margin stays");
    });
}

#[test]
fn waiting_ends_when_the_very_block_is_seen() {
    deterministic::Runner::default().start(|context| async move {
        let l1 = mined(5);
        let chain = chain(2, 100);
        context.child("watcher").spawn({
            let (chain, view) = (chain.clone(), l1.view());
            move |context| chain.run(context, view)
        });
        context.sleep(Duration::from_secs(1)).await;
        let other = BlockId { number: 5, hash: B256::repeat_byte(9) };
        assert!(chain.wait_for(other).now_or_never().is_none());
        let next = {
            // The hash of block 6, learnt from another endpoint before ours shows it.
            let waiting = {
                let chain = chain.clone();
                let ahead = mined(6).head().id;
                context.child("waiter").spawn(move |_| async move { chain.wait_for(ahead).await })
            };
            context.sleep(Duration::from_secs(1)).await;
            l1.mine();
            waiting.await.unwrap()
        };
        assert_eq!(next.id, l1.head().id);
    });
}

#[test]
fn an_opening_is_settled_when_its_origin_arrives() {
    deterministic::Runner::default().start(|context| async move {
        let (spec, l1) = (spec(), mined(5));
        let chain = chain(2, 100);
        let view = l1.view();
        view.set_lag(1);
        context.child("watcher").spawn({
            let (chain, view) = (chain.clone(), view.clone());
            move |context| chain.run(context, view)
        });
        context.sleep(Duration::from_secs(1)).await;
        let origin = l1.head();
        let parent_origin = chain.get_number(4).unwrap().id;
        let parent = Position { timestamp: origin.timestamp, origin: parent_origin, ..spec.genesis_position() };
        let opening = Opening { timestamp: parent.timestamp + 1, origin: origin.id };
        assert!(matches!(chain.check(&spec, &parent, &opening), OriginVerdict::Pending(_)));
        let settled = {
            let (chain, spec) = (chain.clone(), spec.clone());
            context.child("verifier").spawn(move |_| async move { chain.settle(&spec, &parent, &opening).await })
        };
        context.sleep(Duration::from_secs(1)).await;
        view.set_lag(0);
        assert_eq!(settled.await.unwrap(), Ok(origin));
        let skipped = Opening { origin: chain.get_number(3).unwrap().id, ..opening };
        assert!(chain.settle(&spec, &parent, &skipped).await.is_err());
    });
}

#[test]
fn deposits_and_updates_are_in_their_block() {
    let l1 = mined(1);
    let deposit = TxDeposit {
        source_hash: B256::ZERO,
        from: Address::repeat_byte(1),
        to: TxKind::Call(Address::repeat_byte(2)),
        mint: 7,
        value: U256::from(7),
        gas_limit: 21_000,
        is_system_transaction: false,
        input: Bytes::new(),
    };
    l1.deposit(&deposit);
    l1.update_config(ConfigUpdate::GasLimit(30_000_000));
    let block = l1.mine();
    assert_eq!(block.config_updates, [ConfigUpdate::GasLimit(30_000_000)]);
    let first = block.deposits[0].source_hash;
    assert_eq!(block.deposits, [TxDeposit { source_hash: first, ..deposit }]);
    assert!(l1.mine().deposits.is_empty());
    l1.reorg(2);
    assert_eq!(l1.head().deposits.len(), 0);
    run(async move {
        let moved = l1.view().block_by_number(2).await.unwrap().unwrap();
        assert_eq!(moved.deposits.len(), 1);
        assert_ne!(moved.deposits[0].source_hash, first, "another block, another source");
    });
}

#[test]
fn endpoints_must_agree_on_the_registry() {
    run(async {
        let (start, announced) = (rollup().genesis.l1.number, |from_epoch| {
            vec![RegistryEvent::Schedule { kind: Strategy::Weighted.kind(), from_epoch }]
        });
        let l1s = [5, 6].map(|from_epoch| {
            let l1 = mined(3);
            l1.set_registry(Address::repeat_byte(1), announced(from_epoch));
            l1
        });
        let views = [l1s[0].view(), l1s[0].view(), l1s[1].view()];
        let asked = async |views: &[Arc<MemoryView>]| {
            let providers = views.iter().map(|view| view.clone() as Arc<dyn L1Provider>).collect();
            L1Endpoints::new(providers).unwrap().registry_events(start, start + 3).await
        };
        assert_eq!(asked(&views[..2]).await.unwrap(), announced(5));
        assert!(matches!(asked(&views).await, Err(ProviderError::Inconsistent(_))), "nobody knows who is right");
        views[2].set_offline(true);
        assert_eq!(asked(&views).await.unwrap(), announced(5), "one that does not answer says nothing");
    });
}

#[test]
fn another_endpoint_takes_over() {
    run(async {
        let l1 = mined(10);
        let views = [l1.view(), l1.view(), l1.view()];
        let providers = views.iter().map(|view| view.clone() as Arc<dyn L1Provider>).collect();
        let endpoints = L1Endpoints::new(providers).unwrap();
        views[0].set_offline(true);
        assert_eq!(endpoints.head().await.unwrap(), l1.head().id);
        assert_eq!(endpoints.block_by_number(10).await.unwrap(), Some(l1.head()));
        assert_eq!(endpoints.errors(), [1, 0, 0], "the second endpoint is asked first from now on");
        views[1].set_lag(2);
        assert_eq!(endpoints.head().await.unwrap().number, 8, "a little lag is tolerated");
        assert_eq!(endpoints.block_by_number(10).await.unwrap(), Some(l1.head()), "and another may know more");
        views[1].set_lag(5);
        assert_eq!(endpoints.head().await.unwrap().number, 10);
        views.iter().for_each(|view| view.set_offline(true));
        assert!(endpoints.head().await.is_err());
        assert!(endpoints.block_by_number(10).await.is_err());
        assert!(L1Endpoints::new(Vec::new()).is_none());
    });
}

/// The call data of the inbox transactions in a block.
async fn inputs_in(l1: &MemoryL1, block: B256) -> Vec<Bytes> {
    let input = |data| match data {
        InboxData::Calldata(input) => input,
        InboxData::Blobs(hashes) => panic!("blobs {hashes:?}"),
    };
    l1.view().inbox(block).await.unwrap().unwrap().into_iter().map(|sent| input(sent.data)).collect()
}

fn calldata(input: &'static [u8]) -> [Payload; 1] {
    [Payload::Calldata(Bytes::from_static(input))]
}

fn policy() -> SendPolicy {
    SendPolicy { resubmission_timeout: Duration::from_secs(10), ..SendPolicy::default() }
}

#[test]
fn transactions_are_delivered_in_order() {
    deterministic::Runner::default().start(|context| async move {
        let l1 = mined(1);
        let (sender, inbox) = (l1.sender(Address::repeat_byte(7)), rollup().batch_inbox_address);
        let mining = {
            let l1 = l1.clone();
            context.child("miner").spawn(move |context| async move {
                for _ in 0..5 {
                    context.sleep(Duration::from_secs(2)).await;
                    l1.mine();
                }
            })
        };
        let inputs: Vec<Bytes> = (0..3u8).map(|i| Bytes::from(vec![i; 3])).collect();
        let payloads: Vec<_> = inputs.iter().cloned().map(Payload::Calldata).collect();
        let included = deliver(&context, &*sender, &policy(), inbox, &payloads).await.unwrap();
        assert!(included.windows(2).all(|pair| pair[0].block.number <= pair[1].block.number));
        let found = l1.view().inbox(included[0].block.hash).await.unwrap().unwrap();
        assert_eq!(inputs_in(&l1, included[0].block.hash).await, inputs);
        assert!(found.iter().all(|sent| sent.from == Address::repeat_byte(7)));
        assert_eq!(sender.next_nonce().await, Ok(3));
        drop(mining);
    });
}

#[test]
fn a_stuck_transaction_is_replaced_by_a_better_paid_one() {
    deterministic::Runner::default().start(|context| async move {
        let l1 = mined(1);
        let (sender, inbox) = (l1.sender(Address::repeat_byte(7)), rollup().batch_inbox_address);
        context.child("miner").spawn({
            let l1 = l1.clone();
            move |context| async move {
                context.sleep(Duration::from_millis(1_500)).await;
                l1.set_base_fee(1_000);
                loop {
                    l1.mine();
                    context.sleep(Duration::from_secs(2)).await;
                }
            }
        });
        let started = context.current();
        let included = deliver(&context, &*sender, &policy(), inbox, &calldata(b"x")).await.unwrap();
        assert!(context.current().duration_since(started).unwrap() >= Duration::from_secs(10));
        assert_eq!(l1.view().inbox(included[0].block.hash).await.unwrap().unwrap().len(), 1);
    });
}

#[test]
fn an_old_transaction_in_the_way_is_replaced() {
    deterministic::Runner::default().start(|context| async move {
        let l1 = mined(1);
        let (sender, inbox) = (l1.sender(Address::repeat_byte(7)), rollup().batch_inbox_address);
        let send = |text: &'static [u8]| {
            let (context, sender) = (context.child("sender"), sender.clone());
            async move { deliver(&context, &*sender, &policy(), inbox, &calldata(text)).await }
        };
        // The process dies after sending; its successor sends something else with the same nonce.
        assert!(send(b"old").now_or_never().is_none());
        let new = context.child("new").spawn({
            let new = send(b"new");
            move |_| new
        });
        context.sleep(Duration::from_millis(10)).await;
        let block = l1.mine();
        assert_eq!(new.await.unwrap().unwrap()[0].block, block.id);
        assert_eq!(inputs_in(&l1, block.id.hash).await, [Bytes::from_static(b"new")]);
    });
}

#[test]
fn no_funds_and_strangers_with_our_key_are_errors() {
    deterministic::Runner::default().start(|context| async move {
        let l1 = mined(1);
        let (sender, inbox) = (l1.sender(Address::repeat_byte(7)), rollup().batch_inbox_address);
        sender.set_broke(true);
        let broke = deliver(&context, &*sender, &policy(), inbox, &calldata(b"x")).await;
        assert!(matches!(broke, Err(SendError::InsufficientFunds(_))));
        sender.set_broke(false);
        // Two processes with one key: one transaction is included, the other process is told.
        let both = [(); 2].map(|()| {
            let (context, sender) = (context.child("sender"), sender.clone());
            async move { deliver(&context, &*sender, &policy(), inbox, &calldata(b"x")).await }
        });
        context.child("miner").spawn({
            let l1 = l1.clone();
            move |context| async move {
                loop {
                    context.sleep(Duration::from_secs(2)).await;
                    l1.mine();
                }
            }
        });
        let results = join_all(both).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        assert!(results.contains(&Err(SendError::NonceTooLow)), "{results:?}");
    });
}
