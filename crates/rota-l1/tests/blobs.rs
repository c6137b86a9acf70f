//! Blob transactions on an L1 in memory: fees, replacement, one kind at a time, and reading them back.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use alloy_primitives::{Address, Bytes, U256};
use commonware_runtime::{Clock, Runner, Spawner, Supervisor, deterministic};
use rota_batch::{BLOB_BYTES, encode_blob};
use rota_l1::{
    BlobSource, InboxData, InboxTransaction, Kind, L1Provider, L1Sender, MemoryL1, MemorySender, Payload,
    ProviderError, SendError, SendPolicy, Submission, batcher_data, deliver,
};
use rota_types::RollupConfig;
use std::{path::Path, sync::Arc, time::Duration};

const POSTER: Address = Address::repeat_byte(7);

fn rollup() -> RollupConfig {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/spec/rollup.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn policy() -> SendPolicy {
    SendPolicy { resubmission_timeout: Duration::from_secs(10), ..SendPolicy::default() }
}

fn data(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn calldata(text: &'static str) -> Payload {
    Payload::Calldata(data(text))
}

fn blobs(texts: &[&'static str]) -> Payload {
    Payload::Blobs(texts.iter().map(|text| data(text)).collect())
}

struct World {
    context: deterministic::Context,
    l1: MemoryL1,
    sender: Arc<MemorySender>,
}

impl World {
    /// Mines a block every two seconds.
    fn mine(&self) {
        let l1 = self.l1.clone();
        self.context.child("miner").spawn(move |context| async move {
            loop {
                context.sleep(Duration::from_secs(2)).await;
                l1.mine();
            }
        });
    }

    async fn deliver(&self, payloads: &[Payload]) -> Result<Vec<u64>, SendError> {
        let inbox = rollup().batch_inbox_address;
        let included = deliver(&self.context, &*self.sender, &policy(), inbox, payloads).await?;
        Ok(included.iter().map(|inclusion| inclusion.block.number).collect())
    }

    /// Sends and dies before it is included.
    async fn abandon(&self, nonce: u64, payload: Payload) {
        let fees = self.sender.prices().await.unwrap().caps();
        let submission = Submission { nonce, fees, to: rollup().batch_inbox_address, payload };
        self.sender.submit(&submission).await.unwrap();
    }

    /// The data in the inbox, in order, with the block's number.
    async fn inbox(&self) -> Vec<(u64, String)> {
        let view = self.l1.view();
        let mut found = Vec::new();
        for number in 1..=self.l1.head().id.number {
            let block = view.block_by_number(number).await.unwrap().unwrap();
            let transactions = view.inbox(block.id.hash).await.unwrap().unwrap();
            for piece in batcher_data(&*view, block.timestamp, POSTER, &transactions).await.unwrap() {
                found.push((number, String::from_utf8(piece.to_vec()).unwrap()));
            }
        }
        found
    }

    async fn texts(&self) -> Vec<String> {
        self.inbox().await.into_iter().map(|(_, text)| text).collect()
    }
}

fn run<F: Future<Output = ()>>(test: impl FnOnce(World) -> F) {
    deterministic::Runner::default().start(|context| {
        let l1 = MemoryL1::new(&rollup(), 2);
        test(World { context, sender: l1.sender(POSTER), l1 })
    });
}

#[test]
fn blobs_are_sent_and_read_back_in_order() {
    run(|world| async move {
        world.mine();
        let payloads = [blobs(&["one", "two"]), blobs(&["three"]), calldata("four")];
        let numbers = world.deliver(&payloads).await.unwrap();
        assert_eq!(world.texts().await, ["one", "two", "three", "four"]);
        assert!(numbers[1] < numbers[2], "one kind at a time: {numbers:?}");
        assert_eq!(world.sender.next_nonce().await, Ok(3));
    });
}

#[test]
fn a_block_holds_nine_blobs() {
    run(|world| async move {
        world.mine();
        let six = blobs(&["1", "2", "3", "4", "5", "6"]);
        let numbers = world.deliver(&[six.clone(), six]).await.unwrap();
        assert_eq!(numbers[1], numbers[0] + 1);
    });
}

#[test]
fn a_blob_fee_spike_is_outbid_by_doubling() {
    run(|world| async move {
        let block = {
            let l1 = world.l1.clone();
            world.context.child("spike").spawn(move |context| async move {
                context.sleep(Duration::from_secs(1)).await;
                l1.set_blob_base_fee(1_000_000);
            })
        };
        world.mine();
        let before = world.context.current();
        let included =
            deliver(&world.context, &*world.sender, &policy(), rollup().batch_inbox_address, &[blobs(&["x"])]).await;
        let included = included.unwrap();
        assert!(world.context.current().duration_since(before).unwrap() >= Duration::from_secs(10));
        assert_eq!(world.texts().await, ["x"]);
        assert_eq!(world.l1.head().blob_base_fee, U256::from(1_000_000));
        assert!(included[0].cost > 1_000_000 * BLOB_BYTES as u128, "{included:?}");
        drop(block);
    });
}

#[test]
fn the_policy_caps_what_blobs_may_cost() {
    run(|world| async move {
        world.mine();
        world.l1.set_blob_base_fee(1_000);
        let policy = SendPolicy { max_fee_per_blob_gas: 999, ..policy() };
        let inbox = rollup().batch_inbox_address;
        let payload = [blobs(&["x"])];
        let waiting = deliver(&world.context, &*world.sender, &policy, inbox, &payload);
        let timeout = world.context.sleep(Duration::from_secs(120));
        let first = futures::future::select(Box::pin(waiting), Box::pin(timeout)).await;
        assert!(matches!(first, futures::future::Either::Right(_)), "nobody pays that much");
    });
}

#[test]
fn blobs_replace_blobs_for_twice_the_fees_only() {
    run(|world| async move {
        let fees = world.sender.prices().await.unwrap().caps();
        let to = rollup().batch_inbox_address;
        let old = Submission { nonce: 0, fees, to, payload: blobs(&["old"]) };
        world.sender.submit(&old).await.unwrap();
        let mut new = Submission { payload: blobs(&["new"]), ..old };
        new.fees.max_fee_per_gas *= 2;
        new.fees.max_priority_fee_per_gas *= 2;
        assert_eq!(world.sender.submit(&new).await, Err(SendError::Underpriced), "the blob fee counts too");
        new.fees.max_fee_per_blob_gas *= 2;
        assert!(new.fees.replaces(&fees, Kind::Blobs));
        world.sender.submit(&new).await.unwrap();
        world.l1.mine();
        assert_eq!(world.texts().await, ["new"]);
    });
}

#[test]
fn blobs_of_an_earlier_life_are_outbid() {
    run(|world| async move {
        world.abandon(0, blobs(&["old"])).await;
        world.mine();
        world.deliver(&[blobs(&["new"])]).await.unwrap();
        assert_eq!(world.texts().await, ["new"]);
    });
}

#[test]
fn what_waits_of_the_other_kind_is_waited_for() {
    run(|world| async move {
        for (nonce, old, new) in [(0, calldata("a"), blobs(&["b"])), (2, blobs(&["c"]), calldata("d"))] {
            world.abandon(nonce, old).await;
            if nonce == 0 {
                world.mine();
            }
            world.deliver(&[new]).await.unwrap();
        }
        assert_eq!(world.texts().await, ["a", "b", "c", "d"]);
        assert_eq!(world.sender.next_nonce().await, Ok(4), "nothing was cancelled");
    });
}

#[test]
fn what_is_stuck_of_the_other_kind_is_cancelled() {
    run(|world| async move {
        // Two of an earlier life that offer too little now.
        world.abandon(0, blobs(&["old"])).await;
        world.abandon(1, blobs(&["older"])).await;
        world.l1.set_blob_base_fee(50);
        world.mine();
        world.deliver(&[calldata("new")]).await.unwrap();
        assert_eq!(world.texts().await, ["new"], "the cancelled ones did not go to the inbox");
        assert_eq!(world.sender.next_nonce().await, Ok(3));
    });
}

#[test]
fn withheld_blobs_are_unavailable_and_never_skipped() {
    run(|world| async move {
        world.mine();
        world.deliver(&[blobs(&["one"])]).await.unwrap();
        let (view, block) = (world.l1.view(), world.l1.head());
        let transactions = view.inbox(block.id.hash).await.unwrap().unwrap();
        view.set_blobs_offline(true);
        let read = batcher_data(&*view, block.timestamp, POSTER, &transactions).await;
        assert!(matches!(read, Err(ProviderError::Unavailable(_))), "{read:?}");
        let stranger = batcher_data(&*view, block.timestamp, Address::repeat_byte(8), &transactions).await;
        assert_eq!(stranger, Ok(Vec::new()), "blobs of strangers are not asked for");
        view.set_blobs_offline(false);
        assert_eq!(batcher_data(&*view, block.timestamp, POSTER, &transactions).await, Ok(vec![data("one")]));
        let hashes = transactions[0].data.versioned_hashes();
        assert!(view.blobs(block.timestamp - 2, hashes).await.is_err(), "another block does not have them");
    });
}

/// Serves two blobs, of which one holds no batcher data.
#[derive(Debug)]
struct Half;

#[async_trait::async_trait]
impl BlobSource for Half {
    async fn blobs(&self, _: u64, hashes: &[alloy_primitives::B256]) -> Result<Vec<Bytes>, ProviderError> {
        let mut garbage = vec![0; BLOB_BYTES];
        garbage[1] = 0xee;
        let good = encode_blob(b"good").expect("it fits");
        Ok([garbage, good].map(Bytes::from)[..hashes.len().min(2)].to_vec())
    }
}

#[test]
fn a_blob_without_data_is_ignored_and_the_next_one_is_not() {
    run(|_| async move {
        let transaction = |hashes| InboxTransaction {
            hash: Default::default(),
            from: POSTER,
            data: InboxData::Blobs(vec![Default::default(); hashes]),
        };
        let read = batcher_data(&Half, 0, POSTER, &[transaction(1), transaction(1)]).await;
        assert_eq!(read, Ok(vec![data("good")]));
        assert!(batcher_data(&Half, 0, POSTER, &[transaction(3)]).await.is_err(), "one blob too few");
    });
}

#[test]
fn an_account_pays_for_its_blobs() {
    run(|world| async move {
        world.mine();
        world.l1.set_blob_base_fee(1_000_000);
        world.sender.set_balance(1_000_000 * BLOB_BYTES as u128);
        assert_eq!(world.sender.balance().await, Ok(U256::from(1_000_000 * BLOB_BYTES)));
        let broke = world.deliver(&[blobs(&["x"])]).await;
        assert!(matches!(broke, Err(SendError::InsufficientFunds(_))), "{broke:?}");
        world.sender.set_balance(3_000_000 * BLOB_BYTES as u128);
        world.deliver(&[blobs(&["x"])]).await.unwrap();
    });
}

#[test]
fn a_reorg_brings_blobs_back() {
    run(|world| async move {
        world.mine();
        world.deliver(&[blobs(&["one", "two"])]).await.unwrap();
        world.l1.reorg(1);
        assert_eq!(world.texts().await, ["one", "two"]);
        world.l1.reorg_losing_transactions(2);
        assert_eq!(world.texts().await, Vec::<String>::new());
    });
}
