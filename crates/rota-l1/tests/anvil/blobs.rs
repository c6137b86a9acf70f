//! Blob transactions on anvil, and their blobs from a beacon node that may lie.

use crate::{
    Anvil, KEY, TIMEOUT,
    beacon::{Mode, Server},
    call, run,
};
use alloy_primitives::{Address, B256, Bytes, U256};
use commonware_runtime::{Clock, tokio::Context};
use rota_l1::{
    BeaconNodes, BlobSource, ConfigUpdate, HttpProvider, HttpSender, InboxTransaction, Inclusion, L1Block, L1Provider,
    L1Sender, Payload, ProviderError, SendPolicy, batcher_data, deliver,
};
use rota_types::RollupConfig;
use serde_json::json;
use std::{sync::Arc, time::Duration};

/// An anvil with blocks of two seconds, of which none is mined by itself.
async fn start(context: &Context, chain_id: u64, hardfork: &str) -> (Anvil, RollupConfig, HttpSender) {
    let anvil = Anvil::start_as(context, chain_id, hardfork).await;
    anvil.call("anvil_setBlockTimestampInterval", json!([2])).await;
    let mut rollup = anvil.rollup().await;
    rollup.l1_chain_id = chain_id;
    let sender = HttpSender::new(anvil.url.clone(), TIMEOUT, &KEY, chain_id).unwrap();
    (anvil, rollup, sender)
}

fn trusting(anvil: &Anvil, rollup: &RollupConfig) -> HttpProvider {
    HttpProvider::new(anvil.url.clone(), TIMEOUT, Arc::new(rollup.clone()), true).unwrap()
}

/// Delivers one transaction with these blobs; the block is mined after `patience`.
async fn send(
    context: &Context,
    anvil: &Anvil,
    rollup: &RollupConfig,
    sender: &HttpSender,
    data: &[Bytes],
    patience: Duration,
) -> Inclusion {
    let policy = SendPolicy {
        poll_interval: Duration::from_millis(100),
        resubmission_timeout: Duration::from_secs(5),
        ..SendPolicy::default()
    };
    let payloads = [Payload::Blobs(data.to_vec())];
    let delivered = deliver(context, sender, &policy, rollup.batch_inbox_address, &payloads);
    let mining = async {
        let waiting = || async { anvil.call("txpool_status", json!([])).await["pending"] != json!("0x0") };
        while !waiting().await {
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

#[test]
fn blobs_are_sent_and_read_back_verified() {
    run(|context| async move {
        let (anvil, rollup, sender) = start(&context, 900, "prague").await;
        let prices = sender.prices().await.unwrap();
        assert!(prices.blob_base_fee >= 1 && prices.base_fee > 0, "{prices:?}");
        let before = sender.balance().await.unwrap();
        // Something else of ours in the same block: receipts are checked against the header even there.
        let system_config = anvil.contract("SystemConfig");
        let owner = anvil.call("eth_call", json!([{ "to": system_config, "data": "0x8da5cb5b" }, "latest"])).await;
        let owner = Address::from_word(serde_json::from_value(owner).unwrap());
        let batcher = sender.address();
        anvil.send(owner, system_config, 0, call("setBatcherHash(bytes32)", &[batcher.into_word()])).await;

        let included = send(&context, &anvil, &rollup, &sender, &two_blobs(), Duration::from_secs(2)).await;
        assert!(included.success);
        assert_eq!(before - sender.balance().await.unwrap(), U256::from(included.cost), "blobs are part of the cost");
        let (block, found) = read(&trusting(&anvil, &rollup), &included).await;
        assert_eq!(block.config_updates, [ConfigUpdate::Batcher(batcher)]);
        let [transaction] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((transaction.from, transaction.data.versioned_hashes().len()), (batcher, 2));
        assert_eq!(sender.inclusion(transaction.hash).await, Ok(Some(included)));

        let server = Server::start(&anvil).await;
        let beacon = BeaconNodes::new([server.url.clone()], TIMEOUT).unwrap();
        assert_eq!(batcher_data(&beacon, block.timestamp, batcher, &found).await, Ok(two_blobs()));
    });
}

#[test]
fn a_stuck_blob_transaction_is_replaced() {
    run(|context| async move {
        let (anvil, rollup, sender) = start(&context, 900, "prague").await;
        let included = send(&context, &anvil, &rollup, &sender, &two_blobs(), Duration::from_secs(8)).await;
        assert!(included.success);
        let transaction = anvil.call("eth_getBlockByHash", json!([included.block.hash, true])).await;
        let transaction = &transaction["transactions"][0];
        let fee = |name: &str| -> U256 { serde_json::from_value(transaction[name].clone()).unwrap() };
        assert_eq!(fee("maxFeePerBlobGas"), U256::from(4), "twice the cap of twice the price of 1 wei");
        assert_eq!(fee("type"), U256::from(3));
        assert_eq!(sender.next_nonce().await, Ok(1), "only one of both was included");
    });
}

#[test]
fn blobs_that_are_withheld_or_wrong_are_errors_and_another_node_helps() {
    run(|context| async move {
        let (anvil, rollup, sender) = start(&context, 900, "prague").await;
        let included = send(&context, &anvil, &rollup, &sender, &two_blobs(), Duration::ZERO).await;
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
        let (anvil, rollup, sender) = start(&context, 900, "prague").await;
        let server = Server::start(&anvil).await;
        let provider = HttpProvider::new(server.url.clone(), TIMEOUT, Arc::new(rollup.clone()), false).unwrap();
        anvil.send(Address::repeat_byte(1), rollup.batch_inbox_address, 0, vec![1, 2, 3]).await;
        anvil.mine(1).await;
        let calldata = provider.block_by_number(1).await.unwrap().unwrap().id.hash;
        assert_eq!(provider.inbox(calldata).await.unwrap().unwrap().len(), 1);
        server.set(Mode::HideTransaction);
        assert!(matches!(provider.inbox(calldata).await, Err(ProviderError::Inconsistent(_))));

        // Why the switch is there: anvil 1.7.1 writes a wrong root into blocks with blobs.
        server.set(Mode::Honest);
        let included = send(&context, &anvil, &rollup, &sender, &two_blobs(), Duration::ZERO).await;
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
        let (anvil, rollup, sender) = start(&context, 17_000, "osaka").await;
        anvil.call("evm_setNextBlockTimestamp", json!([1_800_000_000])).await;
        anvil.mine(1).await;
        let included = send(&context, &anvil, &rollup, &sender, &two_blobs(), Duration::ZERO).await;
        assert!(included.success);
    });
}
