//! `rota devnet follow`: what an operator's colleagues do to let a follower in, and the follower's own start.

use super::{
    At,
    command::open,
    files::{Files, NodeEntry},
    nodes::{self, Ports},
    process::free_ports,
};
use crate::rpc::Rpc;
use rota_node::rpc::StatusAnswer;
use std::time::{Duration, Instant};

/// How long a restarted operator, or a new follower, may take to be where the others are.
const CATCH_UP: Duration = Duration::from_secs(60);
/// Time between looks at it.
const LOOK: Duration = Duration::from_millis(100);
/// Heights that a node must gain beyond the tip of before, so that it is known to hear the others.
const BEYOND: u64 = 5;

/// Adds a follower to a running devnet.
pub(super) async fn follow(at: &At) -> eyre::Result<()> {
    let (files, mut manifest) = open(at)?;
    let name = nodes::follower_name(manifest.followers.len());
    let ports = Ports::of_nodes(&free_ports(3)?)[0];
    let identity = nodes::create_follower(&files, &name)?;
    nodes::configure_follower(&files, &name, ports, &manifest.l1)?;
    for operator in &manifest.operators {
        nodes::let_in(&files, &operator.name, &ports.peer(&identity))?;
    }
    manifest.followers.push(nodes::entry(&files, name.clone(), identity, ports));
    manifest.save(&files)?;

    // One at a time: the others are a quorum.
    for operator in &manifest.operators {
        let process = nodes::process(&files, &operator.name);
        let before = tip(manifest.nodes()).await?;
        if process.stop().await? {
            nodes::start(&files, &operator.name, false)?;
            caught_up(&files, operator, before).await?;
            println!("{} restarted: it lets {name} in", operator.name);
        }
    }
    nodes::start(&files, &name, false)?;
    let follower = nodes::entry(&files, name, identity, ports);
    caught_up(&files, &follower, tip(&manifest.operators).await?).await?;
    manifest.refresh(&files)?;
    println!("{} follows: {}  {}", follower.name, follower.rpc, follower.ws);
    Ok(())
}

/// The newest certified height that any of the nodes knows.
async fn tip(nodes: impl IntoIterator<Item = &NodeEntry>) -> eyre::Result<u64> {
    let mut tip = None;
    for node in nodes {
        tip = tip.max(height(node).await);
    }
    tip.ok_or_else(|| eyre::eyre!("no operator answers"))
}

async fn height(node: &NodeEntry) -> Option<u64> {
    let status: StatusAnswer = Rpc::new(&node.rpc).ok()?.get("rota_status").await.ok()?;
    Some(status.heads.certified_height)
}

/// Waits until a node has passed a height.
async fn caught_up(files: &Files, node: &NodeEntry, tip: u64) -> eyre::Result<()> {
    let deadline = Instant::now() + CATCH_UP;
    while height(node).await.is_none_or(|height| height < tip + BEYOND) {
        let process = nodes::process(files, &node.name);
        eyre::ensure!(process.pid().is_some(), "{} ended:\n{}", node.name, process.tail());
        eyre::ensure!(Instant::now() < deadline, "{} is not at the tip after {} s", node.name, CATCH_UP.as_secs());
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}
