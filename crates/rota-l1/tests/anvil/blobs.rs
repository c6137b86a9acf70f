//! Blob transactions on anvil, and their blobs from a beacon node that may lie.

use crate::{
    Anvil, KEY, TIMEOUT,
    beacon::{Mode, Server},
    call, run, word,
};
use alloy_primitives::{Address, B256, Bytes, U256};
use commonware_runtime::{Clock, tokio::Context};
use rota_l1::{
    BeaconNodes, BlobSource, HttpProvider, HttpSender, InboxTransaction, Inclusion, L1Block, L1Provider, L1Sender,
    Payload, ProviderError, SendPolicy, batcher_data, deliver,
};
use rota_types::RollupConfig;
use serde_json::json;
use std::{sync::Arc, time::Duration};

/// An anvil with blocks of two seconds, of which none is mined by itself.
async fn start(context: &Context) -> (Anvil, RollupConfig, HttpSender) {
    let anvil = Anvil::start(context).await;
    anvil.call("anvil_setBlockTimestampInterval", json!([2])).await;
    let rollup = anvil.rollup().await;
    let sender = HttpSender::new(anvil.url.clone(), TIMEOUT, &KEY, rollup.l1_chain_id).unwrap();
    (anvil, rollup, sender)
}

fn trusting(anvil: &Anvil, rollup: &RollupConfig) -> HttpProvider {
    HttpProvider::new(anvil.url.clone(), TIMEOUT, Arc::new(rollup.clone()), true).unwrap()
}

/// Delivers one transaction; its block is mined `patience` after it has reached the pool. A busy machine may need a minute
/// for the proofs, which give way to everything else.
async fn send(
    context: &Context,
    anvil: &Anvil,
    rollup: &RollupConfig,
    sender: &HttpSender,
    payload: Payload,
    patience: Duration,
) -> Inclusion {
    let waiting = || anvil.call("txpool_status", json!([]));
    let before = waiting().await;
    let policy = SendPolicy {
        poll_interval: Duration::from_millis(100),
        resubmission_timeout: Duration::from_secs(5),
        ..SendPolicy::default()
    };
    let payloads = [payload];
    let delivered = deliver(context, sender, &policy, rollup.batch_inbox_address, &payloads);
    let mining = async {
        let mut polls = 0..3_000;
        while waiting().await == before {
            polls.next().expect("the transaction reaches the pool within five minutes");
            context.sleep(Duration::from_millis(100)).await;
        }
        context.sleep(patience).await;
        anvil.mine(1).await;
    };
    let (included, ()) = futures::join!(delivered, mining);
    included.unwrap()[0]
}

async fn read(provider: &HttpProvider, included: &Inclusion) -> (Arc<L1Block>, Vec<InboxTransaction>) {
    let block = provider.block_by_hash(included.block.hash).await.unwrap().unwrap();
    let transactions = provider.inbox(block.id.hash).await.unwrap().unwrap();
    (block, transactions)
}

fn two_blobs() -> Vec<Bytes> {
    vec![vec![7; rota_batch::MAX_BLOB_DATA].into(), Bytes::from_static(b"two")]
}

/// A deposit of nothing.
fn deposit() -> Vec<u8> {
    let arguments = [Address::repeat_byte(0x22).into_word(), word(0), word(100_000), word(0), word(160), word(0)];
    call("depositTransaction(address,uint256,uint64,bool,bytes)", &arguments)
}

#[test]
fn blobs_are_sent_and_read_back_verified() {
    run(|context| async move {
        let (anvil, rollup, sender) = start(&context).await;
        let prices = sender.prices().await.unwrap();
        assert!(prices.blob_base_fee >= 1 && prices.base_fee > 0, "{prices:?}");
        let (batcher, before) = (sender.address(), sender.balance().await.unwrap());
        // A deposit in the same block: receipts are checked against the header even there.
        anvil.send(Address::repeat_byte(0x11), anvil.contract("OptimismPortal"), 0, deposit()).await;
        let included =
            send(&context, &anvil, &rollup, &sender, Payload::Blobs(two_blobs()), Duration::from_secs(2)).await;
        assert!(included.success);
        assert_eq!(before - sender.balance().await.unwrap(), U256::from(included.cost), "blobs are part of the cost");
        let (block, found) = read(&trusting(&anvil, &rollup), &included).await;
        assert_eq!(block.deposits.len(), 1);
        let [transaction] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((transaction.from, transaction.data.versioned_hashes().len()), (batcher, 2));
        assert_eq!(sender.inclusion(transaction.hash).await, Ok(Some(included)));

        let server = Server::start(&anvil).await;
        let beacon = BeaconNodes::new([server.url.clone()], TIMEOUT).unwrap();
        // Whatever the node says that they commit to.
        for mode in [Mode::Honest, Mode::Reorder, Mode::HideBlock] {
            server.set(mode);
            assert_eq!(batcher_data(&beacon, block.timestamp, batcher, &found).await, Ok(two_blobs()), "{mode:?}");
        }
    });
}

#[test]
fn a_stuck_blob_transaction_is_replaced() {
    run(|context| async move {
        let (anvil, rollup, sender) = start(&context).await;
        let nonce = sender.next_nonce().await.unwrap();
        let included =
            send(&context, &anvil, &rollup, &sender, Payload::Blobs(two_blobs()), Duration::from_secs(8)).await;
        assert!(included.success);
        let transaction = anvil.call("eth_getBlockByHash", json!([included.block.hash, true])).await;
        let transaction = &transaction["transactions"][0];
        let fee = |name: &str| -> U256 { serde_json::from_value(transaction[name].clone()).unwrap() };
        assert!(fee("maxFeePerBlobGas") >= U256::from(4), "at least twice the first cap, which was twice 1 wei");
        assert_eq!(sender.next_nonce().await, Ok(nonce + 1), "only one of both was included");
    });
}

#[test]
fn blobs_that_are_withheld_or_wrong_are_errors_and_another_node_helps() {
    run(|context| async move {
        let (anvil, rollup, sender) = start(&context).await;
        let included = send(&context, &anvil, &rollup, &sender, Payload::Blobs(two_blobs()), Duration::ZERO).await;
        let (block, found) = read(&trusting(&anvil, &rollup), &included).await;
        let hashes = found[0].data.versioned_hashes();
        let (one, other) = (Server::start(&anvil).await, Server::start(&anvil).await);
        let alone = BeaconNodes::new([one.url.clone()], TIMEOUT).unwrap();
        let both = BeaconNodes::new([one.url.clone(), other.url.clone()], TIMEOUT).unwrap();
        for (mode, lies) in [(Mode::Withhold, false), (Mode::Drop, false), (Mode::Replace, true), (Mode::Flood, false)]
        {
            one.set(mode);
            let answer = alone.blobs(block.timestamp, hashes).await;
            match answer {
                Err(ProviderError::Unavailable(_)) => assert!(!lies, "{mode:?}"),
                Err(ProviderError::Inconsistent(_)) => assert!(lies, "{mode:?}"),
                other => panic!("{mode:?}: {:?}", other.map(|blobs| blobs.len())),
            }
            let blobs = both.blobs(block.timestamp, hashes).await;
            assert_eq!(blobs.map(|blobs| blobs.len()), Ok(2), "{mode:?}");
        }
        one.set(Mode::Honest);
        assert!(alone.blobs(block.timestamp, hashes).await.is_ok(), "what was missing can come later");
        assert!(alone.blobs(block.timestamp + 2, hashes).await.is_err(), "no such slot yet");
        let nobody = BeaconNodes::new([], TIMEOUT).unwrap();
        assert!(matches!(nobody.blobs(block.timestamp, hashes).await, Err(ProviderError::Unavailable(_))));
    });
}

#[test]
fn transactions_that_do_not_match_the_header_are_refused() {
    run(|context| async move {
        let (anvil, rollup, sender) = start(&context).await;
        let server = Server::start(&anvil).await;
        let provider = HttpProvider::new(server.url.clone(), TIMEOUT, Arc::new(rollup.clone()), false).unwrap();
        let payload = Payload::Calldata(Bytes::from_static(b"calldata"));
        let calldata = send(&context, &anvil, &rollup, &sender, payload, Duration::ZERO).await.block.hash;
        assert_eq!(provider.inbox(calldata).await.unwrap().unwrap().len(), 1);
        server.set(Mode::HideTransaction);
        assert!(matches!(provider.inbox(calldata).await, Err(ProviderError::Inconsistent(_))));

        // Why the switch is there: anvil 1.7.1 writes a wrong root into blocks with blobs.
        server.set(Mode::Honest);
        let included = send(&context, &anvil, &rollup, &sender, Payload::Blobs(two_blobs()), Duration::ZERO).await;
        assert!(matches!(provider.inbox(included.block.hash).await, Err(ProviderError::Inconsistent(_))));
        assert_eq!(trusting(&anvil, &rollup).inbox(included.block.hash).await.unwrap().unwrap().len(), 1);
        let unknown = trusting(&anvil, &rollup).inbox(B256::repeat_byte(1)).await;
        assert_eq!(unknown, Ok(None));
    });
}

#[test]
fn a_pool_after_osaka_gets_cell_proofs() {
    run(|context| async move {
        // Holesky, which was on Osaka before this test was written.
        let anvil = Anvil::start_as(&context, 17_000, "osaka").await;
        anvil.call("evm_setNextBlockTimestamp", json!([1_800_000_000])).await;
        anvil.mine(1).await;
        let rollup = anvil.rollup().await;
        let sender = HttpSender::new(anvil.url.clone(), TIMEOUT, &KEY, 17_000).unwrap();
        let included = send(&context, &anvil, &rollup, &sender, Payload::Blobs(two_blobs()), Duration::ZERO).await;
        let block = anvil.call("eth_getBlockByHash", json!([included.block.hash, true])).await;
        let proofs = block["transactions"][0]["cellProofs"].as_array().unwrap();
        assert_eq!(proofs.len(), 2 * 128, "a proof for each cell of two blobs");
    });
}
