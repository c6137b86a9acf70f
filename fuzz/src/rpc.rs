//! What anybody asks a node: every method of `rota-node`'s RPC, called with any parameters.

use crate::{Target, refused};
use alloy_primitives::{Address, keccak256};
use rota_node::{
    rpc::RpcLimits,
    testing::{Fixture, Rpc, account, logger, sign},
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

pub(crate) const RPC: Target = Target {
    name: "rpc",
    executions: 5_000,
    seeds,
    feed: |bytes| {
        let request = std::str::from_utf8(bytes).map_err(|_| "not UTF-8")?;
        let answer = SERVER.with(|Server { runtime, rpc, .. }| runtime.block_on(rpc.answer(request)));
        let answer: Value = serde_json::from_str(&answer.map_err(|_| "no request")?).expect("answers are JSON");
        let Some(error) = answer.get("error") else { return Ok(()) };
        let message = error["message"].as_str().expect("errors have a message");
        // A panic on the pool of blocking threads ends the call only.
        assert!(!message.contains("panicked"), "{message}");
        assert!(error["code"].is_i64());
        Err(refused(message))
    },
};

thread_local! {
    static SERVER: Server = Server::new();
}

struct Server {
    runtime: Runtime,
    rpc: Rpc,
    fixture: Fixture,
}

impl Server {
    /// A few blocks, a contract that logs, and an open block.
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let fixture = Fixture::new();
        let contract = account(0).address().create(0);
        fixture.block(&[sign(0, 0, None, 0, logger())]);
        fixture.block(&[sign(0, 1, Some(contract), 0, []), sign(1, 0, Some(Address::ZERO), 7, [])]);
        fixture.certify(&[sign(2, 0, Some(contract), 0, [])], false, true);
        let limits = RpcLimits {
            // Calls that wait, and calls that compute, end before the driver calls it a stall.
            sync_timeout: Duration::from_millis(5),
            max_sync_timeout: Duration::from_millis(10),
            call_gas: 1_000_000,
            ..RpcLimits::default()
        };
        let rpc = runtime.block_on(async { Rpc::new(&fixture, limits) });
        Self { runtime, rpc, fixture }
    }
}

/// A good call of every method.
fn seeds() -> Vec<Vec<u8>> {
    let (sender, contract) = (account(0).address(), account(0).address().create(0));
    let (raw, sent) = (sign(0, 2, Some(contract), 0, []), keccak256(sign(0, 1, Some(contract), 0, [])));
    let call = json!({ "from": sender, "to": contract, "gas": "0x186a0", "value": "0x0", "data": "0x" });
    let block = SERVER.with(|server| server.fixture.ledger.head().sealed.hash);
    let range = json!({ "fromBlock": "earliest", "toBlock": "0x2", "address": contract, "topics": [null, []] });
    let overrides = json!({ contract.to_string(): { "balance": "0x1", "nonce": "0x1", "code": "0x00" } });
    let calls = [
        ("eth_chainId", json!([])),
        ("eth_syncing", json!([])),
        ("eth_accounts", json!([])),
        ("eth_blockNumber", json!([])),
        ("eth_getBlockByHash", json!([block, true])),
        ("eth_getBlockByNumber", json!(["pending", false])),
        ("eth_getBlockTransactionCountByHash", json!([block])),
        ("eth_getBlockTransactionCountByNumber", json!(["latest"])),
        ("eth_getBlockReceipts", json!([{ "blockHash": block, "requireCanonical": true }])),
        ("eth_getTransactionByHash", json!([sent])),
        ("eth_getTransactionByBlockHashAndIndex", json!([block, "0x1"])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["safe", "0x0"])),
        ("eth_getTransactionReceipt", json!([sent])),
        ("eth_gasPrice", json!([])),
        ("eth_maxPriorityFeePerGas", json!([])),
        ("eth_feeHistory", json!(["0x2", "latest", [0.0, 50.0, 100.0]])),
        ("eth_getLogs", json!([range])),
        ("eth_getLogs", json!([{ "blockHash": block }])),
        ("net_version", json!([])),
        ("net_listening", json!([])),
        ("net_peerCount", json!([])),
        ("web3_clientVersion", json!([])),
        ("web3_sha3", json!(["0x00"])),
        ("optimism_syncStatus", json!([])),
        ("optimism_rollupConfig", json!([])),
        ("optimism_version", json!([])),
        ("rota_status", json!([])),
        ("rota_schedule", json!([])),
        ("rota_getTransactionStatus", json!([sent])),
        ("rota_getCertificate", json!([sent])),
        ("rota_getFlashblock", json!([1])),
        ("eth_getBalance", json!([sender, "latest"])),
        ("eth_getTransactionCount", json!([sender, "pending"])),
        ("eth_getCode", json!([contract, "0x1"])),
        ("eth_getStorageAt", json!([contract, "0x0", "earliest"])),
        ("eth_getProof", json!([sender, ["0x0"], "latest"])),
        ("eth_call", json!([call, "pending", overrides])),
        ("eth_estimateGas", json!([call, "latest"])),
        ("eth_sendRawTransaction", json!([raw])),
        ("eth_subscribe", json!(["logs", { "address": contract }])),
        ("eth_subscribe", json!(["newHeads"])),
        ("rota_subscribe", json!(["stages", { "stage": "certified" }])),
    ];
    let request = |(method, params)| json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let requests = calls.map(|call| request(call).to_string().into_bytes());
    // What this chain does not serve is no seed.
    requests.into_iter().filter(|request| (RPC.feed)(request).is_ok()).collect()
}
