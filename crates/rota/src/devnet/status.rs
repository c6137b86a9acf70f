//! How a devnet is doing: the processes, and what the nodes say of themselves.

use super::{
    At,
    files::{Files, Manifest, NodeEntry},
    l1, nodes,
};
use crate::{output, rpc::Rpc};
use alloy_primitives::U64;
use futures::future::try_join_all;
use rota_node::rpc::StatusAnswer;
use rota_types::Identity;
use serde::Serialize;

/// A devnet at one moment.
#[derive(Debug, Serialize)]
pub(super) struct Snapshot {
    l1: L1,
    operators: Vec<NodeState>,
    followers: Vec<NodeState>,
}

#[derive(Debug, Serialize)]
struct L1 {
    rpc: String,
    pid: Option<u32>,
    /// Newest block.
    block: Option<u64>,
}

#[derive(Debug, Serialize)]
struct NodeState {
    name: String,
    identity: Identity,
    rpc: String,
    pid: Option<u32>,
    /// `rota_status`, if it answers.
    status: Option<StatusAnswer>,
}

impl NodeState {
    /// Asks all of them at once.
    async fn take_all(files: &Files, entries: &[NodeEntry]) -> eyre::Result<Vec<Self>> {
        try_join_all(entries.iter().map(|entry| Self::take(files, entry))).await
    }

    /// Asks a node, if it runs.
    async fn take(files: &Files, entry: &NodeEntry) -> eyre::Result<Self> {
        let rpc = Rpc::new(&entry.rpc)?;
        let pid = nodes::process(files, &entry.name).pid();
        let status = if pid.is_some() { rpc.get("rota_status").await.ok() } else { None };
        Ok(Self { name: entry.name.clone(), identity: entry.identity, rpc: entry.rpc.clone(), pid, status })
    }

    /// Newest sealed block.
    fn block(&self) -> Option<u64> {
        self.status.as_ref().map(|status| status.heads.latest.number)
    }
}

impl Snapshot {
    /// Asks everybody at once.
    pub(super) async fn take(files: &Files, manifest: &Manifest) -> eyre::Result<Self> {
        let l1_rpc = Rpc::new(&manifest.l1.rpc)?;
        Ok(Self {
            l1: L1 { rpc: manifest.l1.rpc.clone(), pid: l1::process(files).pid(), block: block_number(&l1_rpc).await },
            operators: NodeState::take_all(files, &manifest.operators).await?,
            followers: NodeState::take_all(files, &manifest.followers).await?,
        })
    }

    /// Operators that run.
    pub(super) fn running(&self) -> usize {
        self.operators.iter().filter(|operator| operator.pid.is_some()).count()
    }

    /// Whether every operator has sealed a block.
    pub(super) fn all_sealed(&self) -> bool {
        self.operators.iter().all(|operator| operator.block().is_some_and(|block| block > 0))
    }

    /// One line: the operator that is furthest speaks for the chain.
    pub(super) fn line(&self) -> String {
        let running =
            format!("L1 {} | {}/{} operators run", shown(self.l1.block), self.running(), self.operators.len());
        let first = self.operators.iter().filter_map(|operator| operator.status.as_ref());
        let Some(status) = first.max_by_key(|status| status.heads.certified_height) else { return running };
        // Nodes name operators that joined later by their accounts.
        let leader = self.operators.iter().find(|operator| operator.identity == status.leader.leader);
        format!(
            "block {} | flashblock {} | posted {} | safe {} | epoch {} | leader {} | {running}",
            status.heads.latest.number,
            status.heads.certified_height,
            shown(status.heads.posted),
            status.heads.safe.number,
            status.node.epoch,
            leader.map_or(&status.leader.name, |operator| &operator.name),
        )
    }

    fn table(&self) -> String {
        let none = String::new;
        let heading = row("", ["pid", "block", "certified", "epoch", "peers", "rpc"].map(String::from));
        let l1 = row("l1", [pid(self.l1.pid), shown(self.l1.block), none(), none(), none(), self.l1.rpc.clone()]);
        let nodes = self.operators.iter().chain(&self.followers).map(|node| {
            let of = |field: fn(&StatusAnswer) -> u64| shown(node.status.as_ref().map(field));
            let certified = of(|status| status.heads.certified_height);
            let (epoch, peers) = (of(|status| status.node.epoch), of(|status| status.node.peers as u64));
            let (pid, block) = (pid(node.pid), shown(node.block()));
            row(&node.name, [pid, block, certified, epoch, peers, node.rpc.clone()])
        });
        [heading, l1].into_iter().chain(nodes).collect()
    }
}

fn row(name: &str, [pid, block, certified, epoch, peers, rpc]: [String; 6]) -> String {
    format!("{name:<12} {pid:>8} {block:>8} {certified:>10} {epoch:>6} {peers:>6}  {rpc}\n")
}

/// Prints the snapshot of a devnet.
pub(super) async fn print(at: &At, json: bool) -> eyre::Result<()> {
    let files = Files::at(&at.dir)?;
    let snapshot = Snapshot::take(&files, &Manifest::load(&files)?).await?;
    if json { output::print_json(&snapshot) } else { output::print(snapshot.table()) }
}

async fn block_number(rpc: &Rpc) -> Option<u64> {
    rpc.get::<U64>("eth_blockNumber").await.ok().map(|number| number.to())
}

fn pid(pid: Option<u32>) -> String {
    pid.map_or_else(|| "stopped".into(), |pid| pid.to_string())
}

fn shown(number: Option<u64>) -> String {
    number.map_or_else(|| "-".into(), |number| number.to_string())
}
