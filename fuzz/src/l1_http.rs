//! What an L1 endpoint or a beacon node answers: `rota-l1` over HTTP.
//!
//! An input is the question, whether hashes and roots are made right, and the answers, one on each line.

use crate::{Outcome, Target, consensus, endpoint::Endpoint, refused};
use alloy_consensus::{EthereumTxEnvelope, ReceiptEnvelope, TxEip4844, proofs};
use alloy_eips::eip4844::{Bytes48, kzg_to_versioned_hash};
use alloy_primitives::{Address, B256, Bloom, Bytes, U256, hex};
use alloy_rpc_types_eth::{Header, Transaction, TransactionReceipt};
use op_alloy_consensus::TxDeposit;
use rota_batch::encode_blob;
use rota_l1::{
    BeaconNodes, BlobSource as _, ConfigUpdate, HttpProvider, HttpSender, HttpTurns, L1Provider as _, L1Sender as _,
    SkipDomain, TurnSource as _, deposits,
};
use rota_node::testing::account;
use rota_types::RollupConfig;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const TIMEOUT: Duration = Duration::from_secs(5);
const REGISTRY: Address = Address::repeat_byte(0x2e);
/// What the blobs of `one` and `two` commit to.
const COMMITMENTS: [&str; 2] = [
    "0x8f9c982c2053b001fa8252bb45446bf17cc261185a69824535d7bedb4642df6545bfcc4334c06e9b1f0885d229945882",
    "0xa83cd6ffd0b5e377f13aea523846cf9f2567e7be3fef353afa0c36e9b88dedc07a1defbe777f939ac695fd428f3f9fd4",
];

pub(crate) const L1_JSON: Target = Target {
    name: "l1-json",
    executions: 3_000,
    seeds: || {
        let (header, receipts) = (json!({ "result": header() }), json!({ "result": receipts() }));
        let block = json!({ "result": block() });
        let word = |word: u64| json!({ "result": U256::from(word) });
        vec![
            lines(b'0', &[&header]),
            lines(b'1', &[&header]),
            lines(b'1', &[&json!({ "error": { "code": -39001, "message": "unknown block" } })]),
            lines(b'2', &[&header, &receipts]),
            lines(b'3', &[&block]),
            lines(b'4', &[&json!({ "result": [] })]),
            lines(b'5', &[&json!({ "result": Bytes::from(vec![0; 14 * 32]) })]),
            lines(b'6', &[&word(7)]),
            lines(b'7', &[&word(7)]),
            lines(b'8', &[&json!({ "result": { "baseFeePerGas": "0x7", "timestamp": "0x9" } }), &word(1), &word(2)]),
            lines(b'9', &[&json!({ "result": receipts["result"][0] })]),
        ]
    },
    feed: |bytes| CLIENTS.with(|clients| l1(clients, bytes)),
};

pub(crate) const BEACON_JSON: Target = Target {
    name: "beacon-json",
    executions: 300,
    seeds: || {
        let clock = [
            json!({ "data": { "genesis_time": "1000" } }),
            json!({ "data": { "SECONDS_PER_SLOT": "12", "OTHER": ["x"] } }),
        ];
        let block = json!({ "data": { "message": { "body": { "blob_kzg_commitments": COMMITMENTS } } } });
        let blobs = json!({ "data": [Bytes::from_static(b"one"), Bytes::from_static(b"two")] });
        let blobs = lines(b'2', &[&clock[0], &clock[1], &blobs, &block]);
        // The first blobs load the trusted set-up, for seconds: what one input takes is to be short.
        drop(CLIENTS.with(|clients| beacon(clients, &blobs)));
        vec![lines(b'0', &[&clock[0], &clock[1], &json!({ "data": [] })]), blobs]
    },
    feed: |bytes| CLIENTS.with(|clients| beacon(clients, bytes)),
};

thread_local! {
    static CLIENTS: Clients = Clients::new();
}

struct Clients {
    endpoint: Endpoint,
    provider: HttpProvider,
    /// Does not check transactions against the header.
    trusting: HttpProvider,
    turns: HttpTurns,
    sender: HttpSender,
}

impl Clients {
    fn new() -> Self {
        let endpoint = Endpoint::start();
        let rollup = Arc::new(rollup());
        let provider = |trust| {
            let provider = HttpProvider::new(endpoint.url.clone(), TIMEOUT, rollup.clone(), trust);
            provider.expect("a client").with_registry(Some(REGISTRY))
        };
        let domain = SkipDomain { l1_chain_id: 900, contract: REGISTRY };
        Self {
            provider: provider(false),
            trusting: provider(true),
            turns: HttpTurns::new([endpoint.url.clone()], TIMEOUT, domain).expect("a client"),
            sender: HttpSender::new(endpoint.url.clone(), TIMEOUT, &account(0).to_bytes(), 900).expect("a client"),
            endpoint,
        }
    }
}

fn l1(clients: &Clients, bytes: &[u8]) -> Outcome {
    let (question, answers) = bytes.split_first().ok_or("no question")?;
    let answers = repaired(answers.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect());
    let first: Option<Value> = answers.first().and_then(|answer| serde_json::from_slice(answer).ok());
    let hash = first.and_then(|answer| serde_json::from_value(answer["result"]["hash"].clone()).ok());
    let hash: B256 = hash.unwrap_or_default();
    let Clients { endpoint, provider, trusting, turns, sender } = clients;
    endpoint.ask(answers.into_iter().map(|answer| ("", answer)), async move {
        match question {
            b'0' => provider.head().await.map(drop).map_err(refused),
            b'1' => provider.finalized().await.map(drop).map_err(refused),
            b'2' => provider.block_by_hash(hash).await.map(drop).map_err(refused),
            b'3' => provider.inbox(hash).await.map(drop).map_err(refused),
            b'4' => provider.registry_events(0, 4_999).await.map(drop).map_err(refused),
            b'5' => turns.turns().await.map(drop).map_err(refused),
            b'6' => sender.next_nonce().await.map(drop).map_err(refused),
            b'7' => sender.balance().await.map(drop).map_err(refused),
            b'8' => sender.prices().await.map(drop).map_err(refused),
            b'9' => sender.inclusion(hash).await.map(drop).map_err(refused),
            b'a' => trusting.inbox(hash).await.map(drop).map_err(refused),
            b'b' => turns.order().await.map(drop).map_err(refused),
            _ => provider.block_by_number(7).await.map(drop).map_err(refused),
        }
    })
}

fn beacon(clients: &Clients, bytes: &[u8]) -> Outcome {
    // Genesis and spec are asked for at once and remembered: every input has nodes of its own.
    let node = BeaconNodes::new([clients.endpoint.url.clone()], TIMEOUT).map_err(refused)?;
    let answers = bytes.get(1..).unwrap_or_default().split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
    let mut answers: Vec<_> = answers.collect();
    let hashes = match (bytes.first(), answers.as_mut_slice()) {
        (Some(b'0'), _) => vec![],
        (Some(b'2'), [_, _, blobs, block, ..]) => {
            *blobs = unfolded(blobs);
            committed(block)
        }
        _ => vec![B256::repeat_byte(1)],
    };
    // Which of the first two, and which of the last two, is asked for first is not said.
    let paths = ["beacon/genesis", "config/spec", "beacon/blobs", "beacon/blinded_blocks"];
    let answers = paths.into_iter().zip(answers);
    clients.endpoint.ask(answers, async move { node.blobs(2_000, &hashes).await.map(drop).map_err(refused) })
}

/// What is short enough among the blobs of an answer made a blob: inputs are small.
fn unfolded(blobs: &[u8]) -> Vec<u8> {
    let answer: Option<Value> = serde_json::from_slice(blobs).ok();
    let data = answer.and_then(|mut answer| answer.get_mut("data").map(Value::take));
    let data: Option<Vec<Bytes>> = data.and_then(|data| serde_json::from_value(data).ok());
    let Some(data) = data else { return blobs.to_vec() };
    let blob = |data: Bytes| encode_blob(&data).map_or(data, Bytes::from);
    json!({ "data": data.into_iter().map(blob).collect::<Vec<_>>() }).to_string().into_bytes()
}

/// The hashes of the blobs that a beacon block tells of, so that they are those asked for.
fn committed(block: &[u8]) -> Vec<B256> {
    let block: Option<Value> = serde_json::from_slice(block).ok();
    let said = block.and_then(|it| it.pointer("/data/message/body/blob_kzg_commitments").cloned());
    let said: Option<Vec<Bytes48>> = said.and_then(|it| serde_json::from_value(it).ok());
    said.unwrap_or_default().iter().map(|commitment| kzg_to_versioned_hash(commitment.as_slice())).collect()
}

/// Roots and hashes as they must be for these receipts, transactions and headers, or nothing would get past them.
fn repaired(mut answers: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let Some(mut first) = answers.first().and_then(|answer| serde_json::from_slice::<Value>(answer).ok()) else {
        return answers;
    };
    let receipts = answers.get(1).and_then(|answer| serde_json::from_slice::<Value>(answer).ok());
    let receipts = receipts.and_then(|mut it| it.get_mut("result").map(Value::take));
    let receipts = receipts.and_then(|it| serde_json::from_value::<Vec<TransactionReceipt>>(it).ok());
    let Some(block) = first.get_mut("result").filter(|block| block.is_object()) else { return answers };
    if let Some(receipts) = receipts {
        let receipts: Vec<ReceiptEnvelope> =
            receipts.into_iter().map(|it| it.inner.into_primitives_receipt()).collect();
        block["receiptsRoot"] = json!(proofs::calculate_receipt_root(&receipts));
    }
    type Transactions = Vec<Transaction<EthereumTxEnvelope<TxEip4844>>>;
    if let Ok(transactions) = serde_json::from_value::<Transactions>(block["transactions"].clone()) {
        let transactions: Vec<_> = transactions.into_iter().map(Transaction::into_inner).collect();
        block["transactionsRoot"] = json!(proofs::calculate_transaction_root(&transactions));
    }
    if let Ok(header) = serde_json::from_value::<Header>(block.clone()) {
        block["hash"] = json!(header.inner.hash_slow());
    }
    answers[0] = first.to_string().into_bytes();
    answers
}

fn lines(question: u8, answers: &[&Value]) -> Vec<u8> {
    let answers: Vec<_> = answers.iter().map(|answer| answer.to_string()).collect();
    [&[question], answers.join("\n").as_bytes()].concat()
}

fn rollup() -> RollupConfig {
    consensus::spec().rollup
}

/// A header that says that there are logs of everybody.
fn header() -> Value {
    let inner = alloy_consensus::Header {
        logs_bloom: Bloom::repeat_byte(0xff),
        number: 7,
        timestamp: 1_700_000_000,
        base_fee_per_gas: Some(7),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        ..Default::default()
    };
    json!(Header::new(inner))
}

/// One receipt with a deposit, an update of the system config, and a stranger's log.
fn receipts() -> Value {
    let rollup = rollup();
    let deposit =
        deposits::encode(rollup.deposit_contract_address, &TxDeposit { gas_limit: 21_000, ..Default::default() });
    let update = ConfigUpdate::GasLimit(30_000_000).encode(rollup.l1_system_config_address);
    let logs: Vec<_> = [deposit, update].iter().map(log).collect();
    json!([{
        "type": "0x2", "status": "0x1", "cumulativeGasUsed": "0x5208", "logs": logs, "logsBloom": Bloom::ZERO,
        "transactionHash": B256::ZERO, "transactionIndex": "0x0", "blockHash": B256::ZERO, "blockNumber": "0x7",
        "gasUsed": "0x5208", "effectiveGasPrice": "0x7", "from": Address::ZERO, "to": Address::ZERO,
    }])
}

fn log(log: &alloy_primitives::Log) -> Value {
    json!({
        "address": log.address, "topics": log.topics(), "data": log.data.data, "removed": false, "logIndex": "0x0",
        "transactionHash": B256::ZERO, "transactionIndex": "0x0", "blockHash": B256::ZERO, "blockNumber": "0x7",
    })
}

/// A block with a batch in call data and one in a blob.
fn block() -> Value {
    let inbox = rollup().batch_inbox_address;
    let signature = json!({
        "r": U256::from_be_slice(&hex!("28ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276")),
        "s": U256::from_be_slice(&hex!("67cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83")),
        "yParity": "0x0", "v": "0x0",
    });
    let transaction = |kind: &str, more: Value| {
        let mut transaction = json!({
            "type": kind, "chainId": "0x384", "nonce": "0x0", "gas": "0x5208", "maxFeePerGas": "0x7",
            "maxPriorityFeePerGas": "0x1", "to": inbox, "value": "0x0", "input": "0x00", "accessList": [],
            "from": Address::ZERO, "hash": B256::ZERO, "blockHash": null, "blockNumber": null, "transactionIndex": null,
        });
        for object in [&signature, &more] {
            let fields = object.as_object().expect("an object").clone();
            transaction.as_object_mut().expect("an object").extend(fields);
        }
        transaction
    };
    let blob = encode_blob(b"batch").expect("it fits");
    let hash = alloy_primitives::keccak256(blob);
    let blobs = json!({ "blobVersionedHashes": [hash], "maxFeePerBlobGas": "0x1" });
    let mut block = header();
    block["transactions"] = json!([transaction("0x2", json!({})), transaction("0x3", blobs)]);
    block
}
