//! The devnet's nodes: their keys, their configuration, their processes.

use super::{
    accounts,
    files::{Files, L1Entry, NodeEntry},
    hosts,
    process::Process,
};
use alloy_primitives::Address;
use eyre::WrapErr;
use rota_node::{
    Config,
    keys::{OperatorKeys, save_identity},
};
use rota_types::Identity;
use std::{fs, net::Ipv4Addr};

/// Protects keystores that protect nothing: the same word in every devnet.
const PASSWORD: &str = "devnet";
/// Longest round trip on one machine, ms: it may have to wait for its cores.
pub(super) const MAX_RTT_MS: u64 = 25;

/// Where a node listens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) host: Ipv4Addr,
    pub(super) p2p: u16,
    pub(super) rpc: u16,
    pub(super) metrics: u16,
}

impl Ports {
    /// Three ports of the loopback interface for each node.
    pub(super) fn of_nodes(ports: &[u16]) -> Vec<Self> {
        let host = Ipv4Addr::LOCALHOST;
        ports.chunks_exact(3).map(|p| Self { host, p2p: p[0], rpc: p[1], metrics: p[2] }).collect()
    }

    /// The same on another host.
    pub(super) const fn at(self, host: Ipv4Addr) -> Self {
        Self { host, ..self }
    }

    /// Where its p2p listens.
    pub(super) fn endpoint(self) -> String {
        format!("{}:{}", self.host, self.p2p)
    }

    /// As operators let a follower in.
    pub(super) fn peer(self, identity: &Identity) -> String {
        format!("{identity}@{}", self.endpoint())
    }
}

/// The name of an operator, counted from 0.
pub(super) fn operator_name(number: usize) -> String {
    format!("operator-{number}")
}

/// The name that a person means: an operator's number, or a name.
pub(super) fn meant(node: &str) -> String {
    node.parse().map_or_else(|_| node.to_owned(), operator_name)
}

/// The name of a follower, counted from 0.
pub(super) fn follower_name(number: usize) -> String {
    format!("follower-{number}")
}

/// Whether a file of the devnet's directory is a node's directory.
pub(super) fn is_name(file: &str) -> bool {
    file.starts_with("operator-") || file.starts_with("follower-")
}

/// The process of a node, whether it runs or not.
pub(super) fn process(files: &Files, name: &str) -> Process {
    Process::new(name, files.node_dir(name), files.node_config(name))
}

/// Makes an operator's directory and keys. Only its posting key is well known (it needs ether on L1).
pub(super) fn create_operator(files: &Files, number: usize) -> eyre::Result<OperatorKeys> {
    let name = operator_name(number);
    create_dir(files, &name)?;
    let index = u32::try_from(number)?;
    let keys =
        OperatorKeys { posting: accounts::account(accounts::FIRST_POSTING + index)?, ..OperatorKeys::generate() };
    keys.save(&files.node_dir(&name).join("keys"), PASSWORD).wrap_err_with(|| format!("keys of {name}"))?;
    Ok(keys)
}

/// Makes a follower's directory and identity.
pub(super) fn create_follower(files: &Files, name: &str) -> eyre::Result<Identity> {
    create_dir(files, name)?;
    let identity = OperatorKeys::generate().identity;
    save_identity(&files.node_dir(name).join("keys"), &identity, PASSWORD)
        .wrap_err_with(|| format!("identity of {name}"))?;
    Ok(identity.identity())
}

fn create_dir(files: &Files, name: &str) -> eyre::Result<()> {
    let dir = files.node_dir(name);
    fs::create_dir_all(&dir)?;
    Ok(fs::write(dir.join("password"), format!("{PASSWORD}\n"))?)
}

/// Writes an operator's configuration: what differs from the defaults.
pub(super) fn configure_operator(
    files: &Files,
    number: usize,
    ports: Ports,
    l1: &L1Entry,
    posting_turns: Address,
    max_rtt_ms: u64,
) -> eyre::Result<()> {
    let role = format!(
        "poster = true\nposter_interval_s = 4\nposting_turns = \"{posting_turns}\"\n\
         # Posting turns are short.\nposter_skip_timeout_s = 20\n"
    );
    configure(files, &operator_name(number), ports, l1, max_rtt_ms, &role)
}

/// Writes a follower's configuration.
pub(super) fn configure_follower(files: &Files, name: &str, ports: Ports, l1: &L1Entry) -> eyre::Result<()> {
    configure(files, name, ports, l1, MAX_RTT_MS, "follower = true\n")
}

fn configure(files: &Files, name: &str, ports: Ports, l1: &L1Entry, max_rtt_ms: u64, role: &str) -> eyre::Result<()> {
    let Ports { host, p2p, rpc, metrics } = ports;
    let L1Entry { rpc: l1, beacon } = l1;
    let text = format!(
        r#"name = "{name}"
genesis = "../genesis.json"
rollup = "../rollup.json"
committee = "../committee.json"
data_dir = "data"
p2p_listen = "{host}:{p2p}"
rpc_listen = "{host}:{rpc}"
metrics_listen = "{host}:{metrics}"
l1_endpoints = ["{l1}"]
l1_beacon_endpoints = ["{beacon}"]
# anvil's headers do not fit the transactions of blocks with blobs.
trust_l1_bodies = true
# L1 has blocks of 2 s and no reorgs of its own.
l1_confirmations = 2
l1_poll_ms = 500
max_rtt_ms = {max_rtt_ms}
{role}"#
    );
    fs::write(files.node_config(name), text).wrap_err_with(|| format!("configuration of {name}"))
}

/// Adds a follower to an operator's configuration: it lets it in from its next start on.
pub(super) fn let_in(files: &Files, operator: &str, follower: &str) -> eyre::Result<()> {
    let path = files.node_config(operator);
    let known = Config::load(&path)?.followers;
    let known = known.iter().map(|peer| format!("{}@{}", peer.identity, peer.endpoint));
    let all: Vec<_> = known.chain([follower.to_owned()]).collect();
    let text = fs::read_to_string(&path)?;
    let others = text.lines().filter(|line| !line.starts_with("followers = ")).map(|line| format!("{line}\n"));
    let text: String = others.chain([format!("followers = {all:?}\n")]).collect();
    fs::write(&path, text).wrap_err_with(|| format!("configuration of {operator}"))
}

/// A node's entry in `devnet.json`.
pub(super) fn entry(files: &Files, name: String, identity: Identity, ports: Ports) -> NodeEntry {
    let Ports { host, rpc, metrics, .. } = ports;
    NodeEntry {
        identity,
        rpc: format!("http://{host}:{rpc}"),
        ws: format!("ws://{host}:{rpc}"),
        metrics: format!("http://{host}:{metrics}/metrics"),
        pid: process(files, &name).pid(),
        name,
    }
}

/// Starts a node with this very binary. `first` allows an operator to vote with an empty data directory: right only
/// when the chain starts.
pub(super) fn start(files: &Files, name: &str, first: bool) -> eyre::Result<()> {
    let mut command = hosts::command(&files.node_dir(name), &std::env::current_exe().wrap_err("this binary")?);
    command.arg("node").arg("--config").arg(files.node_config(name));
    if first {
        command.arg("--first-start");
    }
    process(files, name).start(command).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn followers_are_let_in_one_after_the_other() {
        let dir = std::env::temp_dir().join(format!("rota-nodes-{}", std::process::id()));
        let files = Files::create(Path::new(&dir)).expect("temporary directory");
        let ports = Ports { host: Ipv4Addr::LOCALHOST, p2p: 1, rpc: 2, metrics: 3 };
        create_dir(&files, "operator-0").expect("writable");
        let l1 = L1Entry { rpc: "http://127.0.0.1:4".into(), beacon: "http://127.0.0.1:5".into() };
        configure_operator(&files, 0, ports, &l1, Address::repeat_byte(6), MAX_RTT_MS).expect("writable");
        let names = [0, 1].map(follower_name);
        let entries = names.map(|name| ports.peer(&create_follower(&files, &name).expect("writable")));
        for entry in &entries {
            let_in(&files, "operator-0", entry).expect("a configuration");
        }
        let config = Config::load(&files.node_config("operator-0")).expect("still a configuration");
        let known = config.followers.iter().map(|peer| format!("{}@{}", peer.identity, peer.endpoint));
        assert_eq!(known.collect::<Vec<_>>(), entries);
        assert_eq!(config.posting_turns(), Some(Address::repeat_byte(6)), "the rest is as it was");
        fs::remove_dir_all(dir).expect("ours");
    }
}
