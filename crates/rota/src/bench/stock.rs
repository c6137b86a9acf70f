//! Unmodified OP Stack clients beside a benchmark's devnet (built by `make clients`).

use super::cluster::{Cluster, number};
use crate::{devnet::free_ports, rpc::Rpc};
use alloy_primitives::B256;
use eyre::{WrapErr as _, ensure};
use serde_json::Value;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long a client may take to answer.
const START: Duration = Duration::from_secs(30);

/// A running client; dropping it ends it.
pub(super) struct Client {
    child: Child,
    log: PathBuf,
}

impl Client {
    /// Starts a program of `clients`; its output goes to `dir`.
    fn start(clients: &Path, program: &str, dir: &Path, args: &[String]) -> eyre::Result<Self> {
        let path = clients.join(program);
        ensure!(path.is_file(), "{} does not exist: run `make clients` in the repository", path.display());
        let log = dir.join(format!("{program}.log"));
        let output = File::create(&log).wrap_err_with(|| log.display().to_string())?;
        let child = Command::new(&path)
            .args(args)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .wrap_err_with(|| path.display().to_string())?;
        Ok(Self { child, log })
    }

    /// An error with what it said last, if it has ended.
    pub(super) fn ensure_runs(&mut self) -> eyre::Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(ended.is_none(), "{} has ended:\n{}", self.log.display(), self.tail());
        Ok(())
    }

    /// The end of what it said.
    fn tail(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Waits until the client answers a call without parameters.
    async fn answers(&mut self, rpc: &Rpc, method: &str) -> eyre::Result<()> {
        let start = Instant::now();
        while rpc.get::<Value>(method).await.is_err() {
            self.ensure_runs()?;
            ensure!(start.elapsed() < START, "{method} is not answered:\n{}", self.tail());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn words(line: &str) -> impl Iterator<Item = String> {
    line.split_whitespace().map(String::from)
}

/// op-node and op-geth that derive the chain from L1 alone.
pub(super) struct Verifier {
    op_node: Rpc,
    // Dropped in this order.
    _op_node: Client,
    _geth: Client,
}

impl Verifier {
    /// Starts the pair for a devnet.
    pub(super) async fn start(clients: &Path, cluster: &Cluster) -> eyre::Result<Self> {
        let root = cluster.dir().canonicalize()?;
        let (dir, file) = (root.join("verifier"), |name: &str| root.join(name).display().to_string());
        fs::create_dir_all(&dir)?;
        let (data, jwt) = (dir.join("geth").display().to_string(), dir.join("jwt.hex").display().to_string());
        fs::write(&jwt, "11".repeat(32))?;
        let init = Command::new(clients.join("geth"))
            .args(["init", "--state.scheme", "hash", "--datadir", &data, &file("genesis.json")])
            .output()
            .wrap_err_with(|| format!("{}/geth: run `make clients` in the repository", clients.display()))?;
        ensure!(init.status.success(), "geth init: {}", String::from_utf8_lossy(&init.stderr));

        let ports = free_ports(3)?;
        let (http, auth, node) = (ports[0], ports[1], ports[2]);
        let network = cluster.chain_id;
        let geth = format!(
            "--datadir {data} --networkid {network} --nodiscover --maxpeers 0 --port 0 --ipcdisable --syncmode full \
             --gcmode archive --state.scheme hash --http --http.addr 127.0.0.1 --http.port {http} \
             --http.api eth,net,web3,debug --authrpc.addr 127.0.0.1 --authrpc.port {auth} --authrpc.jwtsecret {jwt} \
             --rollup.disabletxpoolgossip=true"
        );
        let mut geth = Client::start(clients, "geth", &dir, &words(&geth).collect::<Vec<_>>())?;
        geth.answers(&Rpc::new(&format!("http://127.0.0.1:{http}"))?, "eth_chainId").await?;

        let (l1, beacon) = (cluster.l1.rpc.replace("http://", "ws://"), &cluster.l1.beacon);
        let (rollup, l1_config) = (file("rollup.json"), file("l1-config.json"));
        let op_node = format!(
            "--l1 {l1} --l1.beacon {beacon} --l1.rpckind standard --l1.trustrpc --l1.epoch-poll-interval 4s \
             --l2 http://127.0.0.1:{auth} --l2.jwt-secret {jwt} --rollup.config {rollup} \
             --rollup.l1-chain-config {l1_config} --p2p.disable --rpc.addr 127.0.0.1 --rpc.port {node}"
        );
        let mut client = Client::start(clients, "op-node", &dir, &words(&op_node).collect::<Vec<_>>())?;
        let op_node = Rpc::new(&format!("http://127.0.0.1:{node}"))?;
        client.answers(&op_node, "optimism_version").await?;
        Ok(Self { op_node, _op_node: client, _geth: geth })
    }

    /// Numbers of the blocks that it calls safe and finalized.
    pub(super) async fn heads(&self) -> eyre::Result<(u64, u64)> {
        let status: Value = self.op_node.get("optimism_syncStatus").await?;
        Ok((number(&status, "/safe_l2/number")?, number(&status, "/finalized_l2/number")?))
    }
}

/// How op-batcher writes what it posts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    /// `--batch-type`: 0 is singular, 1 is span.
    pub(super) batches: u8,
    /// `--compression-algo`.
    pub(super) compression: &'static str,
}

/// op-batcher, which takes the blocks of operator `k` and posts them as call data with the account of this key.
pub(super) async fn batcher(
    clients: &Path,
    cluster: &Cluster,
    k: usize,
    key: B256,
    format: Format,
) -> eyre::Result<Client> {
    let port = free_ports(1)?[0];
    let (l1, l2) = (&cluster.l1.rpc, &cluster.operators[k].rpc);
    let Format { batches, compression } = format;
    let args = format!(
        "--l1-eth-rpc {l1} --l2-eth-rpc {l2} --rollup-rpc {l2} --private-key {key} --data-availability-type calldata \
         --batch-type {batches} --compression-algo {compression} --poll-interval 1s --sub-safety-margin 4 \
         --max-channel-duration 1 --target-num-frames 16 --throttle.unsafe-da-bytes-lower-threshold 0 --num-confirmations 1 --txmgr.receipt-query-interval 1s --resubmission-timeout 30s \
         --rpc.addr 127.0.0.1 --rpc.port {port}"
    );
    Client::start(clients, "op-batcher", cluster.dir(), &words(&args).collect::<Vec<_>>())
}
