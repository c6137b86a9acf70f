//! A devnet of its own for a benchmark, driven by the same command line that people use, and what is asked of it.

use super::{
    processes::Processes,
    wan::{Network, block_on},
};
use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use eyre::{Context as _, ContextCompat as _, ensure};
use jsonrpsee::{
    core::client::{ClientT, Subscription, SubscriptionClientT},
    http_client::{HttpClient, HttpClientBuilder},
    rpc_params,
    ws_client::{WsClient, WsClientBuilder},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

/// What a new sender gets: ten ether.
const FUNDS: U256 = U256::from_limbs([10_000_000_000_000_000_000, 0, 0, 0]);

/// `devnet.json`, as far as benchmarks need it.
#[derive(Debug, Deserialize)]
struct DevnetFile {
    chain_id: u64,
    l1: L1,
    operators: Vec<Operator>,
    contracts: BTreeMap<String, Address>,
    accounts: Vec<Account>,
}

/// L1's endpoints.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct L1 {
    /// JSON-RPC over HTTP.
    pub(crate) rpc: String,
    /// Beacon API.
    pub(crate) beacon: String,
}

/// An operator's endpoints.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Operator {
    /// p2p identity: what tells operators apart in `rota_status`.
    pub(crate) identity: B256,
    /// HTTP endpoint.
    pub(crate) rpc: String,
    /// WebSocket endpoint.
    pub(crate) ws: String,
}

#[derive(Debug, Deserialize)]
struct Account {
    private_key: B256,
}

/// A running devnet; dropping it takes it down, unless it is somebody else's.
pub(crate) struct Cluster {
    dir: PathBuf,
    /// Whether these are stock nodes that were brought up beside the benchmark.
    stock: bool,
    /// L2 chain id.
    pub(crate) chain_id: u64,
    /// L1.
    pub(crate) l1: L1,
    contracts: BTreeMap<String, Address>,
    /// The operators.
    pub(crate) operators: Vec<Operator>,
    /// Funded accounts.
    pub(crate) accounts: Vec<PrivateKeySigner>,
    /// The network whose hosts the operators are on, if it isn't the loopback interface.
    network: Option<Arc<Network>>,
}

impl Cluster {
    /// Brings up a fresh devnet below the directory for temporary files and waits until it certifies flashblocks.
    pub(crate) async fn up(operators: usize) -> eyre::Result<Self> {
        Self::up_with(operators, &[]).await
    }

    /// The same with more options of `rota devnet up`.
    pub(crate) async fn up_with(operators: usize, options: &[&str]) -> eyre::Result<Self> {
        Self::start(operators, options, &[]).await
    }

    /// The same with an operator on each host of a network, and variables of their environment; to be called on L1's
    /// host.
    pub(crate) async fn up_on(network: Arc<Network>, environment: &[(&str, &str)]) -> eyre::Result<Self> {
        let (hosts, max_rtt) = (network.hosts(), network.max_rtt().as_millis() + 1);
        let hosts = hosts.to_str().wrap_err("a path that is no text")?;
        let options = ["--hosts", hosts, "--max-rtt-ms", &max_rtt.to_string()];
        let mut cluster = Self::start(network.l1(), &options, environment).await?;
        cluster.network = Some(network);
        Ok(cluster)
    }

    async fn start(operators: usize, options: &[&str], environment: &[(&str, &str)]) -> eyre::Result<Self> {
        let dir = std::env::temp_dir().join(format!("rota-bench-{}", std::process::id()));
        std::fs::create_dir_all(&dir).wrap_err("cannot create the benchmark's directory")?;
        let operators_text = operators.to_string();
        let arguments = [&["up", "--detach", "--operators", &operators_text], options].concat();
        run(command(&dir, &arguments)?.envs(environment.iter().copied()))?;
        let cluster = Self::read(dir, false)?;
        for operator in 0..operators {
            cluster.wait_for_height(operator, 5, Duration::from_secs(30)).await?;
        }
        Ok(cluster)
    }

    /// Stock nodes of a chain with a devnet's accounts, which run already: `devnet.json` in `dir` names them as operators.
    pub(crate) fn stock(dir: &Path) -> eyre::Result<Self> {
        Self::read(dir.to_path_buf(), true)
    }

    /// What `devnet.json` says.
    fn read(dir: PathBuf, stock: bool) -> eyre::Result<Self> {
        let path = dir.join("devnet.json");
        let file = std::fs::read(&path).wrap_err_with(|| path.display().to_string())?;
        let DevnetFile { chain_id, l1, operators, contracts, accounts } = serde_json::from_slice(&file)?;
        let accounts = accounts.iter().map(|account| PrivateKeySigner::from_bytes(&account.private_key));
        let accounts = accounts.collect::<Result<_, _>>()?;
        Ok(Self { dir, stock, chain_id, l1, contracts, operators, accounts, network: None })
    }

    /// Whether these are stock nodes.
    pub(crate) const fn is_stock(&self) -> bool {
        self.stock
    }

    /// Where the devnet's files are.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A contract of the devnet by its name.
    pub(crate) fn contract(&self, name: &str) -> eyre::Result<Address> {
        self.contracts.get(name).copied().wrap_err_with(|| format!("the devnet has no {name}"))
    }

    /// Runs `rota devnet …` on this devnet, while the benchmark goes on.
    pub(crate) async fn devnet(&self, args: &[&str]) -> eyre::Result<()> {
        let (dir, args) = (self.dir.clone(), args.iter().map(ToString::to_string).collect::<Vec<_>>());
        let run = move || rota(&dir, &args.iter().map(String::as_str).collect::<Vec<_>>());
        tokio::task::spawn_blocking(run).await?
    }

    /// `kill -9` of an operator (a number or `all`).
    pub(crate) fn kill(&self, which: impl ToString) -> eyre::Result<()> {
        rota(&self.dir, &["kill", &which.to_string()])
    }

    /// Starts an operator (or `all`) again; returns when its process is spawned.
    pub(crate) fn restart(&self, which: impl ToString) -> eyre::Result<()> {
        rota(&self.dir, &["restart", &which.to_string()])
    }

    /// Stops an operator's process whole; its connections stay.
    pub(crate) fn pause(&self, k: usize) -> eyre::Result<()> {
        self.signal(k, Signal::SIGSTOP)
    }

    /// Lets a stopped operator go on.
    pub(crate) fn resume(&self, k: usize) -> eyre::Result<()> {
        self.signal(k, Signal::SIGCONT)
    }

    fn signal(&self, k: usize, signal: Signal) -> eyre::Result<()> {
        let pid = Processes::of(&self.dir)?.operators[k];
        Ok(kill(Pid::from_raw(i32::try_from(pid)?), signal)?)
    }

    /// Does something beside an operator while the benchmark goes on, in a thread of its own.
    pub(crate) fn beside(&self, k: usize, work: impl AsyncFnOnce() -> eyre::Result<()> + Send + 'static) {
        drop(match &self.network {
            Some(network) => network.on(k, work),
            None => std::thread::spawn(move || block_on(work)),
        });
    }

    /// Sets knobs in every operator's configuration, and restarts everybody with them.
    pub(crate) async fn reconfigure(&self, knobs: &[(&str, &str)]) -> eyre::Result<()> {
        for k in 0..self.operators.len() {
            let path = self.dir.join(format!("operator-{k}/config.toml"));
            let mut config: toml::Table = std::fs::read_to_string(&path)?.parse()?;
            for (knob, value) in knobs {
                config.insert((*knob).to_owned(), value.parse()?);
            }
            std::fs::write(&path, config.to_string())?;
        }
        let before = self.height(0).await?;
        self.restart("all")?;
        for k in 0..self.operators.len() {
            self.wait_for_height(k, before + 5, Duration::from_secs(60)).await?;
        }
        Ok(())
    }

    /// An HTTP client of operator `k`.
    pub(crate) fn http(&self, k: usize) -> eyre::Result<HttpClient> {
        Ok(HttpClientBuilder::default().request_timeout(Duration::from_secs(10)).build(&self.operators[k].rpc)?)
    }

    /// A WebSocket client of operator `k`.
    pub(crate) async fn ws(&self, k: usize) -> eyre::Result<WsClient> {
        client(&self.operators[k].ws).await
    }

    /// A WebSocket client of each of these operators.
    pub(crate) async fn clients(&self, operators: impl IntoIterator<Item = usize>) -> eyre::Result<Vec<Arc<WsClient>>> {
        let mut clients = Vec::new();
        for k in operators {
            clients.push(Arc::new(self.ws(k).await?));
        }
        Ok(clients)
    }

    /// `rota_status` of operator `k`.
    pub(crate) async fn status(&self, k: usize) -> eyre::Result<Value> {
        Ok(self.http(k)?.request("rota_status", rpc_params![]).await?)
    }

    /// Newest certified height at operator `k`.
    pub(crate) async fn height(&self, k: usize) -> eyre::Result<u64> {
        number(&self.status(k).await?, "/heads/certifiedHeight")
    }

    /// Index of the operator whose turn it is, as operator `k` sees it.
    pub(crate) async fn leader(&self, k: usize) -> eyre::Result<usize> {
        let status = self.status(k).await?;
        let leader = status.pointer("/leader/leader").wrap_err("status without leader")?;
        let found = self.operators.iter().position(|operator| *leader == operator.identity.to_string());
        found.wrap_err_with(|| format!("leader {leader} is no operator of the devnet"))
    }

    /// Waits until operator `k` has certified `height`.
    pub(crate) async fn wait_for_height(&self, k: usize, height: u64, timeout: Duration) -> eyre::Result<()> {
        let start = Instant::now();
        while self.height(k).await.unwrap_or(0) < height {
            ensure!(start.elapsed() < timeout, "operator {k} does not reach height {height} within {timeout:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// A signed transfer of 1 wei.
    pub(crate) fn transfer(&self, signer: &PrivateKeySigner, nonce: u64, to: Address) -> eyre::Result<(B256, Bytes)> {
        self.payment(signer, nonce, to, U256::from(1))
    }

    /// `count` new accounts with ether, paid by the devnet's accounts in turn.
    pub(crate) async fn fund(&self, count: usize) -> eyre::Result<Vec<PrivateKeySigner>> {
        let signers: Vec<_> = (0..count).map(|_| PrivateKeySigner::random()).collect();
        let client = self.http(0)?;
        for (payer, signers) in self.accounts.iter().zip(signers.chunks(count.div_ceil(self.accounts.len()))) {
            let first = self.nonce(0, payer.address()).await?;
            for (nonce, signer) in (first..).zip(signers) {
                let (_, raw) = self.payment(payer, nonce, signer.address(), FUNDS)?;
                let _: B256 = client.request("eth_sendRawTransaction", rpc_params![raw]).await?;
            }
        }
        let start = Instant::now();
        for signer in &signers {
            while client.request::<U256, _>("eth_getBalance", rpc_params![signer.address()]).await? < FUNDS {
                ensure!(start.elapsed() < Duration::from_secs(30), "the senders are not funded after 30 s");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(signers)
    }

    /// A signed transfer.
    fn payment(&self, signer: &PrivateKeySigner, nonce: u64, to: Address, value: U256) -> eyre::Result<(B256, Bytes)> {
        let transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 10_000_000_000,
            max_priority_fee_per_gas: 1_000,
            to: TxKind::Call(to),
            value,
            ..Default::default()
        };
        let signature = signer.sign_hash_sync(&transaction.signature_hash())?;
        let signed = alloy_consensus::TxEnvelope::Eip1559(transaction.into_signed(signature));
        Ok((*signed.tx_hash(), signed.encoded_2718().into()))
    }

    /// The nonce that follows everything certified or pooled.
    pub(crate) async fn nonce(&self, k: usize, address: Address) -> eyre::Result<u64> {
        let count: U256 = self.http(k)?.request("eth_getTransactionCount", rpc_params![address, "pending"]).await?;
        Ok(count.to())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !self.stock && rota(&self.dir, &["down"]).is_ok() {
            // What is left behind is in the directory for temporary files.
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// Runs `rota devnet …` on the directory of a benchmark.
fn rota(dir: &Path, args: &[&str]) -> eyre::Result<()> {
    run(&mut command(dir, args)?)
}

/// `rota devnet …` on the directory of a benchmark.
fn command(dir: &Path, args: &[&str]) -> eyre::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("devnet").args(args).arg("--dir").arg(dir).stdin(Stdio::null());
    Ok(command)
}

/// Runs a command to a good end.
fn run(command: &mut Command) -> eyre::Result<()> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}", said.trim());
    Ok(())
}

/// A WebSocket client of a node.
pub(crate) async fn client(url: &str) -> eyre::Result<WsClient> {
    Ok(WsClientBuilder::default().max_buffer_capacity_per_subscription(65_536).build(url).await?)
}

/// Certified flashblocks as a client hears of them.
pub(crate) async fn flashblocks(client: &WsClient) -> eyre::Result<Subscription<Value>> {
    Ok(client.subscribe("rota_subscribe", rpc_params!["flashblocks"], "rota_unsubscribe").await?)
}

/// A number in a JSON answer, plain or as a hexadecimal quantity.
pub(crate) fn number(value: &Value, pointer: &str) -> eyre::Result<u64> {
    let found = value.pointer(pointer).wrap_err_with(|| format!("no {pointer} in {value}"))?;
    match found {
        Value::String(hex) => Ok(u64::from_str_radix(hex.trim_start_matches("0x"), 16)?),
        other => other.as_u64().wrap_err_with(|| format!("{pointer} is no number: {other}")),
    }
}

/// Milliseconds of a duration.
pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
