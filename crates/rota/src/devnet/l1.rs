//! The devnet's L1: anvil from the recorded genesis; once the chain is founded, one block every two seconds.

use super::{
    chain::L1_BLOCK_TIME,
    files::Files,
    process::{Process, find_program},
};
use crate::rpc::Rpc;
use alloy_primitives::U64;
use eyre::WrapErr;
use serde::Deserialize;
use std::{
    net::SocketAddr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// Chain id of the recorded L1.
pub(super) const CHAIN_ID: u64 = 900;
/// States that anvil keeps, in blocks; without a limit it would write all of them to disk.
const STATES: &str = "256";
/// How long anvil may take to answer.
const START: Duration = Duration::from_secs(20);

/// The process, whether it runs or not.
pub(super) fn process(files: &Files) -> Process {
    Process::new("l1", files.l1_dir(), files.l1_genesis())
}

/// Starts anvil at an address; until [`tick`] it mines when it is told to.
///
/// Block n has timestamp `timestamp + 2n` whatever the machine's load, and two blocks make an epoch of anvil's, so that
/// L1 finalizes within seconds.
pub(super) async fn start(files: &Files, anvil: Option<&Path>, at: SocketAddr, timestamp: u64) -> eyre::Result<Rpc> {
    let mut command = Command::new(find_program(anvil, "anvil")?);
    command.args(["--host", &at.ip().to_string(), "--port", &at.port().to_string()]);
    command.arg("--init").arg(files.l1_genesis());
    command.arg("--cache-path").arg(files.l1_dir().join("cache"));
    command.args(["--timestamp", &timestamp.to_string(), "--chain-id", &CHAIN_ID.to_string()]);
    command.args(["--no-mining", "--slots-in-an-epoch", "1"]);
    command.args(["--hardfork", "prague", "--order", "fifo", "--accounts", "0"]);
    command.args(["--prune-history", STATES, "--silent"]);
    process(files).start(command)?;

    let rpc = Rpc::new(&url(at))?;
    let genesis = ready(&rpc).await.wrap_err_with(|| format!("see {}", process(files).log().display()))?;
    eyre::ensure!(genesis.timestamp.to::<u64>() == timestamp, "anvil started at another time than asked");
    let () = rpc.call("anvil_setBlockTimestampInterval", &[L1_BLOCK_TIME]).await?;
    Ok(rpc)
}

/// From now on a block every two seconds.
pub(super) async fn tick(rpc: &Rpc) -> eyre::Result<()> {
    rpc.call("evm_setIntervalMining", &[L1_BLOCK_TIME]).await
}

/// The endpoint at an address.
pub(super) fn url(at: SocketAddr) -> String {
    format!("http://{at}")
}

#[derive(Debug, Deserialize)]
struct Block {
    timestamp: U64,
}

/// Waits for the genesis block.
async fn ready(rpc: &Rpc) -> eyre::Result<Block> {
    let deadline = Instant::now() + START;
    loop {
        match rpc.call("eth_getBlockByNumber", &[serde_json::json!("0x0"), serde_json::json!(false)]).await {
            Ok(block) => return Ok(block),
            Err(error) if Instant::now() > deadline => return Err(error.wrap_err("anvil does not answer")),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
