//! The devnet's operators: their keys, their configuration, their processes.

use super::{
    accounts,
    files::{Files, OperatorEntry},
    process::Process,
};
use eyre::WrapErr;
use rota_node::keys::OperatorKeys;
use rota_types::Operator;
use std::{fs, process::Command};

/// Protects keystores that protect nothing: the same word in every devnet.
const PASSWORD: &str = "devnet";

/// Where an operator listens on the loopback interface.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) p2p: u16,
    pub(super) rpc: u16,
    pub(super) metrics: u16,
}

/// The name of an operator, counted from 0.
pub(super) fn name(number: usize) -> String {
    format!("operator-{number}")
}

/// The process of an operator, whether it runs or not.
pub(super) fn process(files: &Files, name: &str) -> Process {
    Process::new(name, files.operator_dir(name), files.operator_config(name))
}

/// Makes an operator's directory and keys; returns what it publishes. Only its posting key is well known (it needs
/// ether on L1).
pub(super) fn create(files: &Files, number: usize, ports: Ports) -> eyre::Result<Operator> {
    let name = name(number);
    let dir = files.operator_dir(&name);
    fs::create_dir_all(&dir)?;
    fs::write(dir.join("password"), format!("{PASSWORD}\n"))?;
    let index = u32::try_from(number)?;
    let keys =
        OperatorKeys { posting: accounts::account(accounts::FIRST_POSTING + index)?, ..OperatorKeys::generate() };
    keys.save(&dir.join("keys"), PASSWORD).wrap_err_with(|| format!("keys of {name}"))?;
    Ok(keys.operator(name, format!("127.0.0.1:{}", ports.p2p)))
}

/// Writes an operator's configuration: what differs from the defaults.
pub(super) fn configure(files: &Files, number: usize, ports: Ports, l1: &str) -> eyre::Result<()> {
    let name = name(number);
    let poster = number == 0;
    let Ports { p2p, rpc, metrics } = ports;
    let text = format!(
        r#"name = "{name}"
genesis = "../genesis.json"
rollup = "../rollup.json"
committee = "../committee.json"
data_dir = "data"
p2p_listen = "127.0.0.1:{p2p}"
rpc_listen = "127.0.0.1:{rpc}"
metrics_listen = "127.0.0.1:{metrics}"
l1_endpoints = ["{l1}"]
# L1 has blocks of 2 s and no reorgs of its own; all operators are on one machine.
l1_confirmations = 2
l1_poll_ms = 500
max_rtt_ms = 25
poster = {poster}
poster_interval_s = 4
"#
    );
    fs::write(files.operator_config(&name), text).wrap_err_with(|| format!("configuration of {name}"))
}

/// An operator's entry in `devnet.json`.
pub(super) fn entry(files: &Files, number: usize, ports: Ports) -> OperatorEntry {
    let name = name(number);
    let pid = process(files, &name).pid();
    OperatorEntry {
        rpc: format!("http://127.0.0.1:{}", ports.rpc),
        ws: format!("ws://127.0.0.1:{}", ports.rpc),
        metrics: format!("http://127.0.0.1:{}/metrics", ports.metrics),
        name,
        pid,
    }
}

/// Starts an operator with this very binary. `first` allows it to vote with an empty data directory: right only when
/// the chain starts.
pub(super) fn start(files: &Files, name: &str, first: bool) -> eyre::Result<()> {
    let mut command = Command::new(std::env::current_exe().wrap_err("this binary")?);
    command.arg("node").arg("--config").arg(files.operator_config(name));
    if first {
        command.arg("--first-start");
    }
    process(files, name).start(command).map(drop)
}
