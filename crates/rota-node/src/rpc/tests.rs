//! The RPC as a client sees it: a server on a free port over a real engine and ledger.

use super::{
    L1BlockRef, L1Status, NodeStatus, PoolSize, PoolView, RpcContext, RpcLimits, RpcServer, StatusSource, Submit,
    SubmitError, serve,
};
use crate::{
    feed::{Feed, FeedEvent},
    ledger::{
        LogLimits,
        fixture::{Fixture, account, logger, sign},
    },
};
use alloy_primitives::{Address, B256, Bytes, U64, U256, keccak256};
use futures::future::{BoxFuture, FutureExt};
use jsonrpsee::{
    core::{
        ClientError,
        client::{ClientT, Subscription, SubscriptionClientT},
        params::{ArrayParams, BatchRequestBuilder},
    },
    http_client::{HttpClient, HttpClientBuilder},
    rpc_params,
    ws_client::WsClientBuilder,
};
use parking_lot::Mutex;
use rota_types::{Certificate, Header, Transaction, codec::Reader, merkle};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

const SOMEBODY: Address = Address::repeat_byte(0x77);

/// A pool of what was submitted; it refuses what it is told to refuse, and answers when it holds so many.
#[derive(Default)]
struct Pool {
    transactions: Mutex<Vec<Arc<Transaction>>>,
    refuse: Mutex<Option<SubmitError>>,
    answers_at: AtomicUsize,
}

impl PoolView for Pool {
    fn get(&self, hash: &B256) -> Option<Arc<Transaction>> {
        self.transactions.lock().iter().find(|transaction| transaction.hash() == *hash).cloned()
    }

    fn next_nonce(&self, sender: &Address) -> Option<u64> {
        use alloy_consensus::Transaction as _;
        let transactions = self.transactions.lock();
        let nonces = transactions.iter().filter(|t| t.sender() == *sender).map(|t| t.envelope().nonce() + 1);
        nonces.max()
    }

    fn size(&self) -> PoolSize {
        PoolSize { transactions: self.transactions.lock().len(), bytes: 0 }
    }
}

/// Submits to a [`Pool`].
struct Admission(Arc<Pool>, Feed);

impl Submit for Admission {
    fn submit(&self, raw: Bytes) -> BoxFuture<'static, Result<B256, SubmitError>> {
        let refuse = self.0.refuse.lock().clone();
        let result = Transaction::decode(raw).map_err(SubmitError::from).and_then(|transaction| {
            let hash = transaction.hash();
            self.0.transactions.lock().push(Arc::new(transaction));
            self.1.publish(FeedEvent::Pooled([hash].into()));
            refuse.map_or(Ok(hash), Err)
        });
        let pool = self.0.clone();
        async move {
            while pool.size().transactions < pool.answers_at.load(Relaxed) {
                tokio::task::yield_now().await;
            }
            result
        }
        .boxed()
    }
}

struct Status;

impl StatusSource for Status {
    fn status(&self) -> NodeStatus {
        let head = L1BlockRef { number: 12, hash: B256::repeat_byte(12), ..Default::default() };
        NodeStatus {
            epoch: 1,
            view: 60,
            peers: 3,
            healthy: true,
            l1: L1Status { head: Some(head), ..Default::default() },
            ..Default::default()
        }
    }
}

struct Node {
    fixture: Fixture,
    pool: Arc<Pool>,
    server: RpcServer,
    client: HttpClient,
}

impl Node {
    async fn start() -> Self {
        Self::with_limits(RpcLimits::default()).await
    }

    async fn with_limits(limits: RpcLimits) -> Self {
        let fixture = Fixture::new();
        let pool = Arc::new(Pool::default());
        let context = RpcContext {
            spec: fixture.spec.clone(),
            ledger: fixture.ledger.clone(),
            engine: fixture.engine.clone(),
            feed: fixture.feed.clone(),
            pool: pool.clone(),
            submit: Arc::new(Admission(pool.clone(), fixture.feed.clone())),
            status: Arc::new(Status),
            limits,
        };
        let server = serve(context, "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let client = HttpClientBuilder::default().build(format!("http://{}", server.address())).unwrap();
        // The stage tracker subscribes when its task first runs.
        tokio::task::yield_now().await;
        Self { fixture, pool, server, client }
    }

    async fn call(&self, method: &str, params: ArrayParams) -> Value {
        self.client.request(method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    async fn refused(&self, method: &str, params: ArrayParams) -> (i32, String, Option<String>) {
        match self.client.request::<Value, _>(method, params).await {
            Err(ClientError::Call(error)) => {
                (error.code(), error.message().to_owned(), error.data().map(|data| data.get().to_owned()))
            }
            other => panic!("{method}: {other:?}"),
        }
    }

    async fn subscribe(&self, namespace: &str, params: ArrayParams) -> Subscription<Value> {
        let client = WsClientBuilder::default().build(format!("ws://{}", self.server.address())).await.unwrap();
        let (subscribe, unsubscribe) = (format!("{namespace}_subscribe"), format!("{namespace}_unsubscribe"));
        let subscription = client.subscribe(&subscribe, params, &unsubscribe).await.unwrap();
        // The connection must outlive this function.
        std::mem::forget(client);
        subscription
    }
}

async fn next(subscription: &mut Subscription<Value>) -> Value {
    let item = tokio::time::timeout(Duration::from_secs(20), subscription.next()).await;
    item.expect("in time").expect("open").expect("json")
}

#[tokio::test(flavor = "multi_thread")]
async fn wallets_find_chain_and_client() {
    let node = Node::start().await;
    assert_eq!(node.call("eth_chainId", rpc_params![]).await, "0x385");
    assert_eq!(node.call("net_version", rpc_params![]).await, "901");
    assert_eq!(node.call("net_listening", rpc_params![]).await, true);
    assert_eq!(node.call("net_peerCount", rpc_params![]).await, "0x3");
    assert_eq!(node.call("eth_syncing", rpc_params![]).await, false);
    assert_eq!(node.call("eth_accounts", rpc_params![]).await, json!([]));
    assert_eq!(node.call("eth_blockNumber", rpc_params![]).await, "0x0");
    let version = node.call("web3_clientVersion", rpc_params![]).await;
    assert!(version.as_str().unwrap().starts_with("Rota/v"));
    let sync = node.call("optimism_syncStatus", rpc_params![]).await;
    assert_eq!(sync["head_l1"]["number"], 12);
    assert_eq!(sync["unsafe_l2"]["hash"], json!(node.fixture.spec.rollup.genesis.l2.hash));
    assert_eq!(sync["safe_l2"]["l1origin"]["number"], node.fixture.spec.rollup.genesis.l1.number);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_block_is_served_with_transactions_and_receipts() {
    let node = Node::start().await;
    let sent = sign(0, 0, Some(SOMEBODY), 5, []);
    node.fixture.block(std::slice::from_ref(&sent));
    let hash = keccak256(&sent);

    let block = node.call("eth_getBlockByNumber", rpc_params!["latest", true]).await;
    let head = node.fixture.ledger.head();
    assert_eq!(block["hash"], json!(head.sealed.hash));
    assert_eq!(block["number"], "0x1");
    assert_eq!(block["transactions"][1]["hash"], json!(hash));
    let deposit = &block["transactions"][0];
    assert_eq!((deposit["type"].clone(), deposit["nonce"].clone()), (json!("0x7e"), json!("0x1")));
    assert!(deposit["sourceHash"].is_string() && deposit["depositReceiptVersion"] == "0x1");
    assert_eq!(block["withdrawals"], json!([]));
    let hashes = node.call("eth_getBlockByHash", rpc_params![head.sealed.hash, false]).await;
    assert_eq!(hashes["transactions"][1], json!(hash));

    let receipt = node.call("eth_getTransactionReceipt", rpc_params![hash]).await;
    assert_eq!(receipt["status"], "0x1");
    assert_eq!(
        (receipt["blockHash"].clone(), receipt["transactionIndex"].clone()),
        (block["hash"].clone(), json!("0x1"))
    );
    assert_eq!((receipt["gasUsed"].clone(), receipt["type"].clone()), (json!("0x5208"), json!("0x2")));
    let l1_fee = head.sealed.transactions[1].l1_fee;
    assert_eq!(receipt["l1Fee"], json!(l1_fee));
    assert_eq!(receipt["l1BaseFeeScalar"], "0x558");
    assert_eq!(receipt["l1BlobBaseFeeScalar"], "0xc5fc5");
    assert_eq!(receipt["l1GasPrice"], "0x7");
    // The smallest estimate: 100 bytes, so 1 600 gas and 100 × scalar of footprint.
    assert_eq!(receipt["l1GasUsed"], "0x640");
    assert_eq!(receipt["daFootprintGasScalar"], "0x190");
    assert_eq!(receipt["blobGasUsed"], json!(U64::from(head.sealed.header.blob_gas_used.unwrap())));
    assert!(receipt.get("operatorFeeScalar").is_none(), "no operator fee on this chain");
    let receipts = node.call("eth_getBlockReceipts", rpc_params!["latest"]).await;
    assert_eq!(receipts[1], receipt);
    assert_eq!(receipts[0]["depositNonce"], "0x1");
    assert!(receipts[0].get("l1Fee").is_none());

    for (method, of) in [("Hash", json!(head.sealed.hash)), ("Number", json!("0x1"))] {
        let count = node.call(&format!("eth_getBlockTransactionCountBy{method}"), rpc_params![&of]).await;
        assert_eq!(count, "0x2");
        let found = node.call(&format!("eth_getTransactionByBlock{method}AndIndex"), rpc_params![&of, "0x1"]).await;
        assert_eq!(found["hash"], json!(hash));
        assert_eq!(found, block["transactions"][1]);
    }
    assert_eq!(node.call("eth_getTransactionByHash", rpc_params![hash]).await, block["transactions"][1]);
    for absent in [json!("0x2"), json!("0xffffffffffffffff")] {
        assert_eq!(node.call("eth_getBlockByNumber", rpc_params![absent, false]).await, Value::Null);
    }
    assert_eq!(node.call("eth_getBlockByHash", rpc_params![B256::ZERO, false]).await, Value::Null);
    assert_eq!(node.call("eth_getTransactionReceipt", rpc_params![B256::ZERO]).await, Value::Null);
    assert_eq!(node.call("eth_getBlockByNumber", rpc_params!["finalized", false]).await["number"], "0x0");
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_shows_certified_flashblocks_before_the_seal() {
    let node = Node::start().await;
    let empty = node.call("eth_getBlockByNumber", rpc_params!["pending", false]).await;
    assert_eq!((empty["number"].clone(), empty["transactions"].clone()), (json!("0x1"), json!([])));

    let sent = sign(0, 0, Some(SOMEBODY), 5, []);
    node.fixture.certify(std::slice::from_ref(&sent), false, true);
    let hash = keccak256(&sent);
    let block = node.call("eth_getBlockByNumber", rpc_params!["pending", false]).await;
    assert_eq!(block["transactions"][1], json!(hash));
    assert_eq!(block["parentHash"], json!(node.fixture.ledger.head().sealed.hash));
    let balance = |tag: &'static str| node.call("eth_getBalance", rpc_params![SOMEBODY, tag]);
    assert_eq!((balance("pending").await, balance("latest").await), (json!("0x5"), json!("0x0")));
    let found = node.call("eth_getTransactionByHash", rpc_params![hash]).await;
    assert_eq!((found["blockHash"].clone(), found["blockNumber"].clone()), (Value::Null, json!("0x1")));
    assert_eq!(node.call("eth_getTransactionReceipt", rpc_params![hash]).await, Value::Null);
    let sender = account(0).address();
    let nonce = |tag: &'static str| node.call("eth_getTransactionCount", rpc_params![sender, tag]);
    assert_eq!((nonce("pending").await, nonce("latest").await), (json!("0x1"), json!("0x0")));
    node.call("eth_sendRawTransaction", rpc_params![sign(0, 1, Some(SOMEBODY), 5, [])]).await;
    assert_eq!(nonce("pending").await, "0x2", "the pool's transactions count");
    let status = node.call("rota_getTransactionStatus", rpc_params![hash]).await;
    assert_eq!((status["stage"].clone(), status["height"].clone()), (json!("certified"), json!(1)));
    assert_eq!((status["success"].clone(), status["blockHash"].clone()), (json!(true), Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn typed_clients_read_the_pending_block() {
    let node = Node::start().await;
    let read = async |full: bool| -> alloy_rpc_types_eth::Block<op_alloy_rpc_types::Transaction> {
        let block = node.call("eth_getBlockByNumber", rpc_params!["pending", full]).await;
        serde_json::from_value(block.clone()).unwrap_or_else(|error| panic!("{error}: {block}"))
    };
    let empty = read(false).await;
    assert_eq!((empty.header.number, empty.header.gas_used, empty.transactions.len()), (1, 0, 0));
    let sent = sign(0, 0, Some(SOMEBODY), 5, []);
    node.fixture.certify(std::slice::from_ref(&sent), false, true);
    for full in [false, true] {
        let block = read(full).await;
        assert_eq!((block.header.number, block.transactions.len()), (1, 2), "with the L1 info deposit");
        assert_eq!(block.header.hash, block.header.inner.hash_slow(), "of what is known");
        assert_eq!((block.header.state_root, block.header.transactions_root), (B256::ZERO, B256::ZERO));
        assert_ne!(block.header.hash, empty.header.hash);
    }
    let hash = read(false).await.header.hash;
    assert_eq!(node.call("eth_getBlockByHash", rpc_params![hash, false]).await, Value::Null, "it names no block");
    node.fixture.certify(&[], true, true);
    let next = read(false).await;
    assert_eq!((next.header.number, next.header.gas_used, next.header.logs_bloom), (2, 0, Default::default()));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_estimates_answer_as_geth() {
    let node = Node::start().await;
    // Code: PUSH1 0 PUSH1 0 REVERT.
    let reverting = Bytes::from_static(&alloy_primitives::hex!("6460006000fd6000526005601bf3"));
    node.fixture.block(&[sign(0, 0, None, 0, logger()), sign(0, 1, None, 0, reverting)]);
    let (sender, logs) = (account(0).address(), account(0).address().create(0));
    let reverts = account(0).address().create(1);
    let estimate = |request: Value| node.call("eth_estimateGas", rpc_params![request]);
    assert_eq!(estimate(json!({"from": sender, "to": SOMEBODY, "value": "0x1"})).await, "0x5208");
    let gas: U64 = serde_json::from_value(estimate(json!({"from": sender, "to": logs})).await).unwrap();
    assert!((21_750..22_200).contains(&gas.to::<u64>()), "{gas}");
    let call = json!({"from": sender, "to": logs, "data": "0x"});
    assert_eq!(node.call("eth_call", rpc_params![call, "latest"]).await, "0x");
    for method in ["eth_call", "eth_estimateGas"] {
        let (code, message, data) = node.refused(method, rpc_params![json!({"to": reverts}), "latest"]).await;
        assert_eq!((code, message.as_str(), data.as_deref()), (3, "execution reverted", Some("\"0x\"")));
    }
    let poor = json!({"from": SOMEBODY, "to": sender, "value": "0x1"});
    let (code, message, _) = node.refused("eth_call", rpc_params![poor.clone(), "latest"]).await;
    assert_eq!(code, -32000, "{message}");
    let geth = format!("insufficient funds for gas * price + value: address {SOMEBODY} have 0 want 1");
    assert_eq!(message, geth);
    let (code, message, _) = node.refused("eth_estimateGas", rpc_params![poor]).await;
    assert_eq!((code, message), (-32000, geth));
    let overrides = json!({ SOMEBODY.to_string(): {"balance": "0x1"} });
    let (code, ..) = node.refused("eth_call", rpc_params![json!({"to": logs}), "latest", overrides]).await;
    assert_eq!(code, -32602);
    let (code, message, _) = node.refused("eth_call", rpc_params![json!({"to": logs}), "0x99"]).await;
    assert_eq!((code, message.as_str()), (-32000, "header not found"));

    assert_eq!(node.call("eth_getCode", rpc_params![logs, "latest"]).await, "0x602a60006000a100");
    let slot = node.call("eth_getStorageAt", rpc_params![logs, "0x0", "latest"]).await;
    assert_eq!(slot, json!(B256::ZERO));
    let proof = node.call("eth_getProof", rpc_params![logs, ["0x0"], "latest"]).await;
    assert_eq!(proof["codeHash"], json!(keccak256(alloy_primitives::hex!("602a60006000a100"))));
    assert!(!proof["accountProof"].as_array().unwrap().is_empty());
    let (code, ..) = node.refused("eth_getProof", rpc_params![logs, Vec::<B256>::new(), "0x0"]).await;
    assert_eq!(code, -32000);
}

#[tokio::test(flavor = "multi_thread")]
async fn fees_follow_the_base_fee() {
    let node = Node::start().await;
    for nonce in 0..3 {
        node.fixture.block(&[sign(0, nonce, Some(SOMEBODY), 1, [])]);
    }
    assert_eq!(node.call("eth_maxPriorityFeePerGas", rpc_params![]).await, "0xf4240");
    let history = node.call("eth_feeHistory", rpc_params!["0x2", "latest", [50.0]]).await;
    assert_eq!(history["oldestBlock"], "0x2");
    assert_eq!(history["baseFeePerGas"].as_array().unwrap().len(), 3);
    assert_eq!(history["gasUsedRatio"].as_array().unwrap().len(), 2);
    assert_eq!(history["reward"], json!([["0xf4240"], ["0xf4240"]]));
    let predicted: U256 = serde_json::from_value(history["baseFeePerGas"][2].clone()).unwrap();
    let price: U256 = serde_json::from_value(node.call("eth_gasPrice", rpc_params![]).await).unwrap();
    assert_eq!(price, predicted + U256::from(1_000_000));
    node.fixture.block(&[]);
    let actual = node.fixture.ledger.head().sealed.header.base_fee_per_gas.unwrap();
    assert_eq!(U256::from(actual), predicted, "the engine's next base fee is the predicted one");
    assert_eq!(node.call("eth_feeHistory", rpc_params![1, "latest", Vec::<f64>::new()]).await["oldestBlock"], "0x4");
    for wrong in [json!([101.0]), json!([50.0, 10.0])] {
        assert_eq!(node.refused("eth_feeHistory", rpc_params!["0x1", "latest", wrong]).await.0, -32602);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_limited_and_ordered() {
    let limits = RpcLimits { logs: LogLimits { blocks: 3, ..LogLimits::default() }, ..RpcLimits::default() };
    let node = Node::with_limits(limits).await;
    let contract = account(0).address().create(0);
    node.fixture.block(&[sign(0, 0, None, 0, logger())]);
    node.fixture.block(&[sign(0, 1, Some(contract), 0, [])]);
    node.fixture.block(&[]);
    let topic = B256::with_last_byte(0x2a);
    let filter = json!({"fromBlock": "0x1", "toBlock": "latest", "address": contract, "topics": [topic]});
    let found = node.call("eth_getLogs", rpc_params![filter]).await;
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!((found[0]["blockNumber"].clone(), found[0]["logIndex"].clone()), (json!("0x2"), json!("0x0")));
    let hash = node.fixture.ledger.block(2).unwrap().unwrap().sealed.hash;
    assert_eq!(node.call("eth_getLogs", rpc_params![json!({"blockHash": hash})]).await, found);
    assert_eq!(node.refused("eth_getLogs", rpc_params![json!({"fromBlock": "0x0"})]).await.0, -32005);
    let reversed = json!({"fromBlock": "0x3", "toBlock": "0x1"});
    assert_eq!(node.refused("eth_getLogs", rpc_params![reversed]).await.0, -32602);
    let unknown = json!({"blockHash": B256::repeat_byte(1)});
    assert_eq!(node.refused("eth_getLogs", rpc_params![unknown]).await.0, -32000);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_gets_a_clear_error() {
    let node = Node::with_limits(RpcLimits { request_bytes: 10_000, batch: 2, ..RpcLimits::default() }).await;
    let code = async |method: &str, params| node.refused(method, params).await.0;
    assert_eq!(code("eth_nothing", rpc_params![]).await, -32601);
    assert_eq!(code("eth_getBalance", rpc_params!["0x12"]).await, -32602);
    assert_eq!(code("eth_getBalance", rpc_params![SOMEBODY, "never"]).await, -32602);
    assert_eq!(code("eth_getBlockByNumber", rpc_params![-1, false]).await, -32602);
    assert_eq!(code("eth_sendRawTransaction", rpc_params!["zz"]).await, -32602);
    assert_eq!(code("eth_sendRawTransaction", rpc_params!["0x"]).await, -32000);
    assert_eq!(code("eth_sendRawTransaction", rpc_params!["0x7e01"]).await, -32000);
    assert_eq!(code("rota_getFlashblock", rpc_params!["0xzz"]).await, -32602);

    let client = post(&node);
    let big = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"web3_sha3","params":["0x{}"]}}"#, "00".repeat(10_000));
    let (status, body) = client(big).await;
    assert!(status == 413 || body.contains("-32007") || body.contains("too"), "{status} {body}");
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#;
    let (_, body) = client(format!("[{call},{call},{call}]")).await;
    assert!(body.contains("error"), "{body}");
    let (_, body) = client("{not json".into()).await;
    assert!(body.contains("-32700"), "{body}");

    for (refusal, words) in [
        (SubmitError::NonceTooLow { next: 1, found: 0 }, "nonce too low"),
        (SubmitError::ReplacementUnderpriced, "replacement transaction underpriced"),
        (SubmitError::AlreadyKnown, "already known"),
    ] {
        *node.pool.refuse.lock() = Some(refusal);
        let (code, message, _) =
            node.refused("eth_sendRawTransaction", rpc_params![sign(0, 0, Some(SOMEBODY), 1, [])]).await;
        assert_eq!(code, -32000);
        assert!(message.starts_with(words), "{message}");
    }
    let raw = sign(0, 0, Some(SOMEBODY), 1, []);
    let hash = keccak256(&raw);
    *node.pool.refuse.lock() = Some(SubmitError::NotReplicated(hash));
    let (code, message, data) = node.refused("eth_sendRawTransaction", rpc_params![raw]).await;
    assert_eq!((code, data), (-32000, Some(format!("\"{hash}\""))));
    assert!(message.starts_with("not replicated yet"), "{message}");
}

/// Posts bytes as they are; answers status and body.
#[tokio::test(flavor = "multi_thread")]
async fn transactions_of_a_batch_wait_together() {
    let node = Node::start().await;
    let raw = [sign(0, 0, Some(SOMEBODY), 1, []), sign(1, 0, Some(SOMEBODY), 1, []), Bytes::from_static(&[1])];
    node.pool.answers_at.store(2, Relaxed);
    let mut batch = BatchRequestBuilder::new();
    batch.insert("eth_chainId", rpc_params![]).unwrap();
    raw.iter().for_each(|raw| batch.insert("eth_sendRawTransaction", rpc_params![raw]).unwrap());
    let answers = tokio::time::timeout(Duration::from_secs(10), node.client.batch_request::<Value>(batch));
    let answers: Vec<_> = answers.await.expect("nobody waits alone").unwrap().into_iter().collect();
    assert_eq!(answers[0].as_ref().unwrap(), &json!("0x385"));
    assert_eq!(answers[1].as_ref().unwrap(), &json!(keccak256(&raw[0])));
    assert_eq!(answers[2].as_ref().unwrap(), &json!(keccak256(&raw[1])));
    assert!(answers[3].is_err(), "in the order of the calls");

    let client = post(&node);
    let notification = r#"{"jsonrpc":"2.0","method":"eth_chainId"}"#;
    let (_, body) = client(format!("[{notification}]")).await;
    assert!(body.trim_end().ends_with("null"), "nobody asked anything: {body}");
    let (_, body) = client(format!(r#"[1,{{"jsonrpc":"2.0","id":7,"method":"eth_chainId"}},{notification}]"#)).await;
    assert!(body.contains("-32600") && body.contains("0x385"), "{body}");
    assert!(client("[]".into()).await.1.contains("-32600"));
}

fn post(node: &Node) -> impl Fn(String) -> BoxFuture<'static, (u16, String)> {
    let address = node.server.address();
    move |body| {
        async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let head = format!(
                "POST / HTTP/1.1\r\nHost: rota\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\nOrigin: https://wallet.example\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            // The server may answer and close before it has read everything.
            let _ = stream.write_all(body.as_bytes()).await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            let answer = String::from_utf8_lossy(&answer).into_owned();
            let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
            (status, answer)
        }
        .boxed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_may_call_from_anywhere() {
    let node = Node::start().await;
    let (status, answer) = post(&node)(r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#.into()).await;
    assert_eq!(status, 200);
    assert!(answer.to_lowercase().contains("access-control-allow-origin: *"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_synchronous_send_answers_at_the_seal_or_with_its_timeout() {
    let node = Node::start().await;
    let raw = sign(0, 0, Some(SOMEBODY), 1, []);
    let hash = keccak256(&raw);
    let (code, _, data) = node.refused("eth_sendRawTransactionSync", rpc_params![&raw, 50]).await;
    assert_eq!((code, data), (4, Some(format!("\"{hash}\""))));
    let answer = node.call("eth_sendRawTransactionSync", rpc_params![&raw, 20_000]);
    let seal = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        node.fixture.certify(std::slice::from_ref(&raw), false, true);
        node.fixture.certify(&[], true, true);
    };
    let (receipt, ()) = futures::join!(answer, seal);
    assert_eq!((receipt["transactionHash"].clone(), receipt["status"].clone()), (json!(hash), json!("0x1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_tell_heads_logs_flashblocks_and_stages() {
    let node = Node::start().await;
    let contract = account(0).address().create(0);
    let raw = sign(0, 1, Some(contract), 0, []);
    let hash = keccak256(&raw);
    let mut heads = node.subscribe("eth", rpc_params!["newHeads"]).await;
    let mut logs = node.subscribe("eth", rpc_params!["logs", json!({"address": contract})]).await;
    let mut flashblocks = node.subscribe("rota", rpc_params!["flashblocks"]).await;
    let mut stages = node.subscribe("rota", rpc_params!["stages", json!({"hash": hash})]).await;
    let mut certified = node.subscribe("rota", rpc_params!["stages", json!({"stage": "certified"})]).await;

    let first = node.fixture.certify(&[sign(0, 0, None, 0, logger())], false, false);
    node.call("eth_sendRawTransaction", rpc_params![&raw]).await;
    node.fixture.certify(std::slice::from_ref(&raw), true, true);
    node.fixture.feed.publish(FeedEvent::Posted(1));

    let head = next(&mut heads).await;
    assert_eq!(
        (head["number"].clone(), head["hash"].clone()),
        (json!("0x1"), json!(node.fixture.ledger.head().sealed.hash))
    );
    let log = next(&mut logs).await;
    assert_eq!((log["transactionHash"].clone(), log["removed"].clone()), (json!(hash), json!(false)));
    let news = next(&mut flashblocks).await;
    assert_eq!((news["digest"].clone(), news["header"]["height"].clone()), (json!(first.digest()), json!(1)));
    assert_eq!(next(&mut flashblocks).await["transactions"][0]["hash"], json!(hash));
    for stage in ["pooled", "proposed", "certified", "posted"] {
        let update = next(&mut stages).await;
        assert_eq!((update["hash"].clone(), update["stage"].clone()), (json!(hash), json!(stage)));
    }
    next(&mut certified).await;
    assert_eq!(next(&mut certified).await["hash"], json!(hash));

    let status = node.call("rota_getTransactionStatus", rpc_params![hash]).await;
    assert_eq!(status["stage"], "posted");
    let times = status["times"].as_object().unwrap();
    let mut reached: Vec<_> = times.keys().collect();
    reached.sort();
    assert_eq!(reached, ["certified", "pooled", "posted", "proposed"]);
    assert!(times["pooled"].as_u64() <= times["certified"].as_u64());
    assert_eq!(node.call("rota_getTransactionStatus", rpc_params![B256::ZERO]).await, Value::Null);

    let client = WsClientBuilder::default().build(format!("ws://{}", node.server.address())).await.unwrap();
    for namespace in ["eth", "rota"] {
        let (subscribe, unsubscribe) = (format!("{namespace}_subscribe"), format!("{namespace}_unsubscribe"));
        let refused = client.subscribe::<Value, _>(&subscribe, rpc_params!["everything"], &unsubscribe).await;
        assert!(matches!(refused, Err(ClientError::Call(error)) if error.code() == -32602));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rota_tells_status_schedule_and_proofs() {
    let node = Node::start().await;
    let raw = sign(0, 0, Some(SOMEBODY), 1, []);
    let hash = keccak256(&raw);
    let first = node.fixture.certify(std::slice::from_ref(&raw), false, false);
    assert_eq!(node.call("rota_getCertificate", rpc_params![hash]).await, Value::Null);
    let second = node.fixture.certify(&[], true, true);

    let answer = node.call("rota_getCertificate", rpc_params![hash]).await;
    let bytes = |value: &Value| serde_json::from_value::<Bytes>(value.clone()).unwrap();
    let certificate = Certificate::decode(&bytes(&answer["encodedCertificate"])).unwrap();
    assert_eq!(certificate.digest, second.digest());
    let headers = answer["encodedHeaders"].as_array().unwrap();
    let headers: Vec<_> = headers.iter().map(|h| Header::read(&mut Reader::new(&bytes(h))).unwrap()).collect();
    assert_eq!(headers, [first.header, second.header]);
    let outcome = &answer["outcome"];
    let leaf = merkle::leaf(&bytes(&outcome["transaction"]), &bytes(&outcome["receipt"]));
    let branch: merkle::Branch = serde_json::from_value(outcome["branch"].clone()).unwrap();
    assert_eq!(branch.root(leaf), Some(first.header.outcome_root));
    let by_height = node.call("rota_getCertificate", rpc_params![1]).await;
    assert_eq!((&by_height["certificate"], by_height.get("outcome")), (&answer["certificate"], None));

    for reference in [json!(1), json!("0x1"), json!(first.digest())] {
        let flashblock = node.call("rota_getFlashblock", rpc_params![reference]).await;
        assert_eq!(flashblock["digest"], json!(first.digest()));
        assert_eq!(flashblock["body"]["transactions"], json!([raw]));
    }
    assert_eq!(node.call("rota_getFlashblock", rpc_params![9]).await, Value::Null);

    let status = node.call("rota_status", rpc_params![]).await;
    assert_eq!((status["epoch"].clone(), status["leader"]["epoch"].clone()), (json!(1), json!(1)));
    assert_eq!(status["heads"]["certifiedHeight"], 2);
    assert_eq!(status["heads"]["latest"]["number"], 1);
    assert_eq!(status["committee"].as_array().unwrap().len(), status["trust"]["operators"]);
    let schedule = node.call("rota_schedule", rpc_params![2, 3, 2]).await;
    let turn = &schedule["turns"][0];
    assert_eq!((turn["epoch"].clone(), turn["turn"].clone()), (json!(2), json!(3)));
    let length = u64::from(node.fixture.spec.turn_length);
    assert_eq!(turn["firstView"], json!(3 * length + 1));
    assert_eq!(schedule["turns"].as_array().unwrap().len(), 2);
    assert_eq!(node.refused("rota_schedule", rpc_params![0, 0, 5_000]).await.0, -32005);
    assert_eq!(node.refused("rota_schedule", rpc_params![0, u64::MAX, 1]).await.0, -32602);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_calls_than_may_queue_are_refused() {
    let node = Node::with_limits(RpcLimits { concurrent_calls: 1, queued_calls: 0, ..RpcLimits::default() }).await;
    let calls = (0..50).map(|_| node.client.request::<Value, _>("eth_getBlockByNumber", rpc_params!["latest", true]));
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().any(Result::is_ok));
    let refused =
        |answer: &Result<Value, ClientError>| matches!(answer, Err(ClientError::Call(e)) if e.code() == -32005);
    assert!(answers.iter().all(|answer| answer.is_ok() || refused(answer)));
}
