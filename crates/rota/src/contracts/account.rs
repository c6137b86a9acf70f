//! An account on L1 that this process holds the key of: it reads, sends, and waits for what became of it.

use super::refusal::explain;
use crate::rpc::Rpc;
use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Log, TxKind, U64, U128, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::SolCall;
use eyre::{OptionExt, WrapErr};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Longest wait for an answer of L1.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long a transaction may take to be included.
const INCLUSION: Duration = Duration::from_secs(300);
/// How long a receipt may be missing once its nonce is used up: behind a balancer are nodes that differ by a block or two.
const RECEIPT: Duration = Duration::from_secs(30);
/// Time between looks at it.
const LOOK: Duration = Duration::from_millis(200);
/// Lowest tip offered, wei per gas.
const MIN_TIP: u128 = 1_000_000;

/// Reads L1.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    rpc: Rpc,
    chain_id: u64,
}

/// Sends on L1.
pub(crate) struct Account {
    reader: Reader,
    signer: PrivateKeySigner,
    /// How long a receipt may be missing once its nonce is used up.
    patience: Duration,
}

/// What became of a transaction.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receipt {
    /// The transaction.
    pub(crate) transaction_hash: B256,
    /// The L1 block.
    pub(crate) block_number: U64,
    status: U64,
    /// What it emitted.
    #[serde(default)]
    pub(crate) logs: Vec<Log>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    base_fee_per_gas: U128,
}

impl Reader {
    /// Asks the endpoint which chain it serves.
    pub(crate) async fn connect(l1: &str) -> eyre::Result<Self> {
        let rpc = Rpc::patient(l1, TIMEOUT)?;
        let chain_id: U64 = rpc.get("eth_chainId").await?;
        Ok(Self { rpc, chain_id: chain_id.to() })
    }

    pub(crate) const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Its endpoint.
    pub(crate) const fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    /// Reads from a contract.
    pub(crate) async fn read<C: SolCall>(&self, to: Address, call: &C) -> eyre::Result<C::Return> {
        let params = json!({ "to": to, "data": Bytes::from(call.abi_encode()) });
        let answer: Bytes = self.rpc.call("eth_call", &[params, json!("latest")]).await.map_err(refused)?;
        C::abi_decode_returns(&answer).wrap_err_with(|| format!("{to} does not answer {}", C::SIGNATURE))
    }

    /// The nonce after the newest block (`latest`), or after what waits as well (`pending`).
    pub(crate) async fn nonce(&self, account: Address, after: &str) -> eyre::Result<u64> {
        let nonce: U64 = self.rpc.call("eth_getTransactionCount", &[json!(account), json!(after)]).await?;
        Ok(nonce.to())
    }

    /// A transaction's receipt, successful or not; `None` while it is in no block.
    pub(crate) async fn receipt(&self, hash: B256) -> eyre::Result<Option<Receipt>> {
        self.rpc.call("eth_getTransactionReceipt", &[hash]).await
    }
}

impl Receipt {
    pub(crate) fn succeeded(&self) -> bool {
        !self.status.is_zero()
    }
}

impl Account {
    /// The account of a key, at an endpoint.
    pub(crate) async fn connect(l1: &str, signer: PrivateKeySigner) -> eyre::Result<Self> {
        Ok(Self { reader: Reader::connect(l1).await?, signer, patience: RECEIPT })
    }

    pub(crate) const fn address(&self) -> Address {
        self.signer.address()
    }

    pub(crate) const fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Calls a contract in a transaction, and returns once it has succeeded in a block. The account may be a node's too,
    /// which posts with it: who comes second takes the next nonce.
    pub(crate) async fn call<C: SolCall>(&self, to: Address, call: &C) -> eyre::Result<Receipt> {
        let name = C::SIGNATURE.split('(').next().unwrap_or_default();
        let input = Bytes::from(call.abi_encode());
        let deadline = Instant::now() + INCLUSION;
        loop {
            let nonce = self.reader.nonce(self.address(), "latest").await?;
            let sent = self.try_send(nonce, to.into(), input.clone(), deadline).await;
            if let Some(receipt) = sent.wrap_err_with(|| format!("{name} failed"))? {
                return Ok(receipt);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Sends a transaction with this nonce, and returns once it has succeeded in a block.
    pub(crate) async fn send(&self, nonce: u64, to: TxKind, input: Bytes) -> eyre::Result<Receipt> {
        let sent = self.try_send(nonce, to, input, Instant::now() + INCLUSION).await?;
        sent.ok_or_else(|| eyre::eyre!("{} has sent another transaction with nonce {nonce}", self.address()))
    }

    /// Sends a transaction with this nonce; `None` if another one of this account has taken the nonce.
    async fn try_send(&self, nonce: u64, to: TxKind, input: Bytes, deadline: Instant) -> eyre::Result<Option<Receipt>> {
        let rpc = &self.reader.rpc;
        let mut request = json!({ "from": self.address(), "data": input });
        if let TxKind::Call(to) = to {
            request["to"] = json!(to);
        }
        let gas: U64 = rpc.call("eth_estimateGas", &[&request]).await.map_err(refused)?;
        let head: Option<Head> = rpc.call("eth_getBlockByNumber", &[json!("latest"), json!(false)]).await?;
        let base_fee: u128 = head.ok_or_eyre("L1 has no newest block")?.base_fee_per_gas.to();
        let tip: U128 = rpc.get("eth_maxPriorityFeePerGas").await?;
        let tip = tip.to::<u128>().max(MIN_TIP);
        let gas = gas.to::<u64>();
        let (hash, raw) = sign(
            &self.signer,
            TxEip1559 {
                chain_id: self.reader.chain_id,
                nonce,
                // State may move between the estimate and the block.
                gas_limit: gas.saturating_add(gas / 4),
                max_fee_per_gas: base_fee.saturating_mul(2).saturating_add(tip),
                max_priority_fee_per_gas: tip,
                to,
                value: U256::ZERO,
                access_list: Default::default(),
                input,
            },
        )?;
        let sent: eyre::Result<B256> = rpc.call("eth_sendRawTransaction", &[raw]).await;
        // What waits with this nonce is this transaction, if only the answer was lost, or another one: time will tell.
        if let Err(error) = sent
            && self.reader.nonce(self.address(), "pending").await? <= nonce
        {
            return Err(error);
        }
        let mut used = None;
        let receipt = loop {
            if let Some(receipt) = self.reader.receipt(hash).await? {
                break receipt;
            }
            if self.reader.nonce(self.address(), "latest").await? > nonce {
                let since = *used.get_or_insert_with(Instant::now);
                if since.elapsed() > self.patience {
                    return Ok(None);
                }
            }
            eyre::ensure!(Instant::now() < deadline, "{hash} is in no block after {} s", INCLUSION.as_secs());
            tokio::time::sleep(LOOK).await;
        };
        if !receipt.succeeded() {
            // Asked again, the contract says why.
            let again: eyre::Result<Bytes> = rpc.call("eth_call", &[request, json!("latest")]).await;
            let why = again.err().map(|error| format!(": {}", refused(error))).unwrap_or_default();
            eyre::bail!("{hash} failed in L1 block {}{why}", receipt.block_number);
        }
        Ok(Some(receipt))
    }
}

/// Signs a transaction: its hash, and the bytes that pools take.
pub(crate) fn sign(signer: &PrivateKeySigner, transaction: TxEip1559) -> eyre::Result<(B256, Bytes)> {
    let signature = signer.sign_hash_sync(&transaction.signature_hash()).wrap_err("cannot sign")?;
    let signed = transaction.into_signed(signature);
    Ok((*signed.hash(), signed.encoded_2718().into()))
}

/// An error of L1, told by the reason that the contract gave, if it gave one.
fn refused(error: eyre::Report) -> eyre::Report {
    use jsonrpsee::core::client::Error;
    let data = error.chain().find_map(|cause| match cause.downcast_ref::<Error>() {
        Some(Error::Call(answer)) => serde_json::from_str::<Value>(answer.data()?.get()).ok(),
        _ => None,
    });
    let data = data.and_then(|data| data.as_str()?.parse().ok());
    match data.and_then(|data| explain(&data)) {
        Some(reason) => eyre::eyre!(reason),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_sol_types::sol;
    use axum::{Json, Router, extract::State, routing::post};
    use std::sync::{Arc, Mutex};

    sol! {
        function poke() external;
    }

    /// An L1 on which somebody else's transaction takes the first nonce, without a word.
    #[derive(Default)]
    struct Contended {
        /// Transactions that were sent to it.
        sent: Vec<Bytes>,
    }

    impl Contended {
        fn answer(&mut self, method: &str, params: &Value) -> Value {
            match method {
                "eth_chainId" | "eth_maxPriorityFeePerGas" => json!("0x1"),
                "eth_estimateGas" => json!("0x5208"),
                "eth_getBlockByNumber" => json!({ "baseFeePerGas": "0x7" }),
                "eth_getTransactionCount" => json!(format!("{:#x}", self.sent.len())),
                "eth_sendRawTransaction" => {
                    let raw: Bytes = params[0].as_str().expect("a transaction").parse().expect("bytes");
                    self.sent.push(raw.clone());
                    json!(alloy_primitives::keccak256(raw))
                }
                "eth_getTransactionReceipt" => {
                    let ours = self.sent.get(1).map(alloy_primitives::keccak256);
                    let found = ours.filter(|ours| json!(ours) == params[0]);
                    found.map_or(
                        Value::Null,
                        |hash| json!({ "transactionHash": hash, "blockNumber": "0x9", "status": "0x1" }),
                    )
                }
                other => panic!("{other} is not expected"),
            }
        }
    }

    async fn serve(State(l1): State<Arc<Mutex<Contended>>>, Json(request): Json<Value>) -> Json<Value> {
        let method = request["method"].as_str().expect("a method");
        let result = l1.lock().expect("not poisoned").answer(method, &request["params"]);
        Json(json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }))
    }

    #[tokio::test]
    async fn a_nonce_that_another_process_took_is_not_waited_for() {
        let l1 = Arc::new(Mutex::new(Contended::default()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let router = Router::new().route("/", post(serve)).with_state(l1.clone());
        let _server = tokio::spawn(async move { axum::serve(listener, router).await });
        let account = Account::connect(&url, PrivateKeySigner::random()).await.expect("it answers");
        let account = Account { patience: Duration::from_millis(500), ..account };
        let receipt = account.call(Address::repeat_byte(1), &pokeCall {}).await.expect("the second attempt");
        assert_eq!(receipt.block_number.to::<u64>(), 9);
        assert_eq!(l1.lock().expect("not poisoned").sent.len(), 2);
        let error = account.send(1, TxKind::Create, Bytes::new()).await.expect_err("the nonce is gone");
        assert!(error.to_string().contains("another transaction with nonce 1"), "{error}");
    }
}
