//! The HTTP provider and sender against anvil with the real OP contracts (`vectors/l1-genesis.json`).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod beacon;
mod blobs;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, b256, hex, keccak256};
use commonware_runtime::{Clock, Runner, tokio};
use rota_l1::{
    ConfigUpdate, HttpProvider, HttpSender, InboxData, InboxTransaction, L1Chain, L1ChainConfig, L1Provider, L1Sender,
    Payload, ProviderError, SendError, SendPolicy, deliver,
};
use rota_types::{BlockId, RollupConfig};
use serde_json::{Value, json};
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};
use url::Url;

/// First account of the "test test ... junk" mnemonic.
const KEY: B256 = b256!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
const TIMEOUT: Duration = Duration::from_secs(30);

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn read(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(root(path)).unwrap()).unwrap()
}

/// An anvil that mines on demand and ends with the test.
struct Anvil {
    process: Child,
    url: Url,
    http: reqwest::Client,
    contracts: Value,
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Anvil {
    async fn start(context: &impl Clock) -> Self {
        Self::start_as(context, 900, "prague").await
    }

    async fn start_as(context: &impl Clock, chain_id: u64, hardfork: &str) -> Self {
        let binary = root("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil");
        assert!(binary.exists(), "anvil is missing: run `make tools`");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(binary)
            .args(["--host", "127.0.0.1", "--port", &port.to_string(), "--no-mining"])
            .args([
                "--chain-id",
                &chain_id.to_string(),
                "--hardfork",
                hardfork,
                "--order",
                "fifo",
                "--slots-in-an-epoch",
                "1",
                "--init",
            ])
            .arg(root("vectors/l1-genesis.json"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let url = Url::parse(&format!("http://127.0.0.1:{port}")).unwrap();
        let anvil = Self { process, url, http: reqwest::Client::new(), contracts: read("vectors/l1-contracts.json") };
        for _ in 0..100 {
            if anvil.http.get(anvil.url.clone()).send().await.is_ok() {
                return anvil;
            }
            context.sleep(Duration::from_millis(100)).await;
        }
        panic!("anvil does not answer");
    }

    async fn call(&self, method: &str, params: Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer: Value = self.http.post(self.url.clone()).json(&request).send().await.unwrap().json().await.unwrap();
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    async fn mine(&self, blocks: u64) {
        self.call("anvil_mine", json!([format!("{blocks:#x}")])).await;
    }

    fn contract(&self, name: &str) -> Address {
        serde_json::from_value(self.contracts[name].clone()).unwrap()
    }

    async fn rollup(&self) -> RollupConfig {
        let mut rollup: RollupConfig = serde_json::from_value(read("vectors/spec/rollup.json")).unwrap();
        let genesis = self.call("eth_getBlockByNumber", json!(["0x0", false])).await;
        rollup.genesis.l1 = BlockId { number: 0, hash: serde_json::from_value(genesis["hash"].clone()).unwrap() };
        rollup.deposit_contract_address = self.contract("OptimismPortal");
        rollup.l1_system_config_address = self.contract("SystemConfig");
        rollup
    }

    fn provider(&self, rollup: &RollupConfig) -> HttpProvider {
        HttpProvider::new(self.url.clone(), TIMEOUT, Arc::new(rollup.clone()), false).unwrap()
    }

    /// Sends from an account whose key this test doesn't have.
    async fn send(&self, from: Address, to: Address, value: u64, data: Vec<u8>) {
        self.call("anvil_impersonateAccount", json!([from])).await;
        self.call("anvil_setBalance", json!([from, "0xde0b6b3a7640000"])).await;
        let value = format!("{value:#x}");
        let data = hex::encode_prefixed(data);
        self.call(
            "eth_sendTransaction",
            json!([{ "from": from, "to": to, "value": value, "data": data, "gas": "0x7a120" }]),
        )
        .await;
    }
}

/// ABI encoding of a call with static arguments.
fn call(signature: &str, arguments: &[B256]) -> Vec<u8> {
    let mut data = keccak256(signature)[..4].to_vec();
    arguments.iter().for_each(|argument| data.extend_from_slice(argument.as_slice()));
    data
}

fn word(value: u64) -> B256 {
    U256::from(value).into()
}

fn input(sent: &InboxTransaction) -> Bytes {
    let InboxData::Calldata(input) = &sent.data else { panic!("{sent:?}") };
    input.clone()
}

fn run<F: Future<Output = ()>>(test: impl FnOnce(tokio::Context) -> F) {
    tokio::Runner::default().start(test);
}

#[test]
fn deposits_and_config_updates_arrive_verified() {
    run(|context| async move {
        let anvil = Anvil::start(&context).await;
        let rollup = anvil.rollup().await;
        let provider = anvil.provider(&rollup);
        provider.check_chain().await.unwrap();

        let (user, recipient) = (Address::repeat_byte(0x11), Address::repeat_byte(0x22));
        let mut deposit = call(
            "depositTransaction(address,uint256,uint64,bool,bytes)",
            &[recipient.into_word(), word(5), word(100_000), word(0), word(160), word(3)],
        );
        deposit.extend_from_slice(&[1, 2, 3]);
        deposit.extend_from_slice(&[0; 29]);
        anvil.send(user, anvil.contract("OptimismPortal"), 9, deposit).await;
        let system_config = anvil.contract("SystemConfig");
        let owner = anvil.call("eth_call", json!([{ "to": system_config, "data": "0x8da5cb5b" }, "latest"])).await;
        let owner = Address::from_word(serde_json::from_value(owner).unwrap());
        let batcher = Address::repeat_byte(0x33);
        anvil.send(owner, system_config, 0, call("setBatcherHash(bytes32)", &[batcher.into_word()])).await;
        anvil.send(owner, system_config, 0, call("setGasLimit(uint64)", &[word(50_000_000)])).await;
        anvil.mine(1).await;

        let block = provider.block_by_number(1).await.unwrap().unwrap();
        assert_eq!(provider.block_by_hash(block.id.hash).await.unwrap(), Some(block.clone()));
        let [deposit] = block.deposits.as_slice() else { panic!("{block:?}") };
        assert_eq!(
            (deposit.from, deposit.to, deposit.mint, deposit.value, deposit.gas_limit, deposit.input.as_ref()),
            (user, TxKind::Call(recipient), 9, U256::from(5), 100_000, &[1, 2, 3][..])
        );
        assert_eq!(block.config_updates, [ConfigUpdate::Batcher(batcher), ConfigUpdate::GasLimit(50_000_000)]);
        assert_eq!(provider.block_by_number(2).await.unwrap(), None);
        assert_eq!(provider.block_by_hash(B256::repeat_byte(9)).await.unwrap(), None);

        let mut other = rollup;
        other.l1_chain_id = 1;
        assert!(matches!(anvil.provider(&other).check_chain().await, Err(ProviderError::Inconsistent(_))));
    });
}

#[test]
fn the_view_follows_a_reorg() {
    run(|context| async move {
        let anvil = Anvil::start(&context).await;
        let rollup = anvil.rollup().await;
        let provider = anvil.provider(&rollup);
        let config = L1ChainConfig { confirmation_depth: 2, ..L1ChainConfig::default() };
        let chain = L1Chain::new(config, rollup.genesis.l1);
        anvil.mine(8).await;
        chain.poll(&provider).await.unwrap();
        let old = chain.head().unwrap();
        assert_eq!((old.number, chain.confirmed().unwrap().number), (8, 6));
        assert!(chain.finalized().is_some());
        anvil.call("anvil_reorg", json!([2, []])).await;
        chain.poll(&provider).await.unwrap();
        assert_eq!(chain.head(), Some(provider.head().await.unwrap()));
        assert_eq!(chain.get(old), None);
        assert!(chain.stats().reorged >= 2);
    });
}

#[test]
fn batches_are_sent_and_found_in_the_inbox() {
    run(|context| async move {
        let anvil = Anvil::start(&context).await;
        let rollup = anvil.rollup().await;
        let provider = anvil.provider(&rollup);
        let sender = HttpSender::new(anvil.url.clone(), TIMEOUT, &KEY, 900).unwrap();
        assert!(!format!("{sender:?}").contains("ac0974be"), "keys are not shown");
        let policy = SendPolicy { poll_interval: Duration::from_millis(100), ..SendPolicy::default() };
        let inputs: Vec<Bytes> = vec![vec![0; 1_000].into(), vec![7; 120_000].into(), Bytes::new()];
        let payloads: Vec<_> = inputs.iter().cloned().map(Payload::Calldata).collect();
        let deliver_all = deliver(&context, &sender, &policy, rollup.batch_inbox_address, &payloads);
        let mining = async {
            context.sleep(Duration::from_millis(500)).await;
            anvil.mine(1).await;
        };
        let (included, ()) = futures::join!(deliver_all, mining);
        let included = included.unwrap();
        assert!(included.iter().all(|inclusion| inclusion.success));
        let found = provider.inbox(included[0].block.hash).await.unwrap().unwrap();
        assert_eq!(found.iter().map(input).collect::<Vec<_>>(), inputs);
        assert!(found.iter().all(|sent| sent.from == sender.address()));
        assert_eq!(sender.inclusion(found[1].hash).await.unwrap(), Some(included[1]));
        assert_eq!(sender.inclusion(B256::repeat_byte(9)).await, Ok(None));
        assert_eq!(provider.inbox(B256::repeat_byte(9)).await.unwrap(), None);

        let poor = HttpSender::new(anvil.url.clone(), TIMEOUT, &keccak256("nobody"), 900).unwrap();
        let refused = deliver(&context, &poor, &policy, rollup.batch_inbox_address, &payloads).await;
        assert!(matches!(refused, Err(SendError::InsufficientFunds(_))), "{refused:?}");
    });
}

#[test]
fn a_transaction_in_the_way_is_outbid() {
    run(|context| async move {
        let anvil = Anvil::start(&context).await;
        let inbox = anvil.rollup().await.batch_inbox_address;
        let sender = HttpSender::new(anvil.url.clone(), TIMEOUT, &KEY, 900).unwrap();
        let policy = SendPolicy { poll_interval: Duration::from_millis(100), ..SendPolicy::default() };
        let [old, new] = [b"old", b"new"].map(|text| [Payload::Calldata(Bytes::from_static(text))]);
        // A process that dies after sending.
        let sending = Box::pin(deliver(&context, &sender, &policy, inbox, &old));
        let died = futures::future::select(sending, Box::pin(context.sleep(Duration::from_secs(1)))).await;
        assert!(matches!(died, futures::future::Either::Right(_)));
        let mining = async {
            context.sleep(Duration::from_secs(1)).await;
            anvil.mine(1).await;
        };
        let (included, ()) = futures::join!(deliver(&context, &sender, &policy, inbox, &new), mining);
        let included = included.unwrap();
        let found = anvil.provider(&anvil.rollup().await).inbox(included[0].block.hash).await.unwrap().unwrap();
        assert_eq!(found.iter().map(input).collect::<Vec<_>>(), [Bytes::from_static(b"new")]);
    });
}
