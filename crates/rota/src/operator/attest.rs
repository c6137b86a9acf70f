//! What a member signs: that a candidate is ready, or that a poster is silent. The signature is printed, and goes to
//! whoever hands all of them in.

use super::{Own, candidate};
use crate::{
    contracts::{
        Reader,
        abi::{OperatorRegistry, PostingTurns},
        attestation::Statement,
    },
    rpc::Rpc,
};
use alloy_primitives::{Address, B256};
use clap::Args;
use rota_node::rpc::StatusAnswer;

/// Heights, or five seconds, by which a candidate that is in sync may be behind.
const BEHIND: u64 = 25;
/// L1 blocks by which its view of L1 may be behind: endpoints differ by one or two.
const L1_BEHIND: u64 = 3;

/// Which candidate.
#[derive(Debug, Args)]
pub(crate) struct Ready {
    #[command(flatten)]
    own: Own,
    /// The candidate.
    #[arg(long)]
    operator: Address,
    /// JSON-RPC endpoint of the candidate's node.
    #[arg(long)]
    candidate_rpc: String,
    /// JSON-RPC endpoint of the member's own node, with which the candidate's is compared.
    #[arg(long)]
    rpc: String,
}

/// Which turn.
#[derive(Debug, Args)]
pub(crate) struct Skip {
    #[command(flatten)]
    own: Own,
    /// PostingTurns on L1.
    #[arg(long)]
    posting_turns: Address,
    /// Number of the turn; by default the running one.
    #[arg(long)]
    turn: Option<u64>,
}

impl Ready {
    pub(super) async fn run(self) -> eyre::Result<()> {
        let (keys, _) = self.own.load()?;
        let l1 = self.own.place.reader().await?;
        let registry = self.own.place.registry;
        ensure_member(&l1, registry, keys.posting_address()).await?;
        let identity = candidate(&l1, registry, self.operator).await?.identity;
        ensure_ready(identity, &self.candidate_rpc, &self.rpc).await?;
        let statement = Statement::ready(l1.chain_id(), registry, self.operator, identity);
        println!("{}", statement.sign(&keys.posting)?);
        Ok(())
    }
}

impl Skip {
    pub(super) async fn run(self) -> eyre::Result<()> {
        let (keys, _) = self.own.load()?;
        let l1 = self.own.place.reader().await?;
        ensure_member(&l1, self.own.place.registry, keys.posting_address()).await?;
        let turn = match self.turn {
            Some(turn) => turn,
            None => l1.read(self.posting_turns, &PostingTurns::currentCall {}).await?.number,
        };
        println!("{}", Statement::skip(l1.chain_id(), self.posting_turns, turn).sign(&keys.posting)?);
        eprintln!("turn {turn}");
        Ok(())
    }
}

/// Refuses to sign with a key that counts for nothing.
async fn ensure_member(l1: &Reader, registry: Address, posting: Address) -> eyre::Result<()> {
    let operator = l1.read(registry, &OperatorRegistry::operatorOfPostingCall { posting }).await?;
    eyre::ensure!(!operator.is_zero(), "{posting} is no operator's posting address");
    Ok(())
}

/// Whether the node at an endpoint has this identity and is where one's own is.
pub(crate) async fn ensure_ready(identity: B256, candidate: &str, own: &str) -> eyre::Result<()> {
    let theirs: StatusAnswer = Rpc::new(candidate)?.get("rota_status").await?;
    let ours: StatusAnswer = Rpc::new(own)?.get("rota_status").await?;
    eyre::ensure!(theirs.chain_id == ours.chain_id, "the candidate's node is on chain {}", theirs.chain_id);
    eyre::ensure!(theirs.node.identity == identity, "the candidate's node has the identity {}", theirs.node.identity);
    eyre::ensure!(theirs.node.healthy, "the candidate is not well: {}", theirs.node.conditions.join("; "));
    let l1 = |status: &StatusAnswer| status.node.l1.head.map_or(0, |head| head.number);
    let (there, here) = (l1(&theirs), l1(&ours));
    eyre::ensure!(there + L1_BEHIND >= here, "the candidate's L1 is at block {there}, ours at {here}");
    let (there, here) = (theirs.heads.certified_height, ours.heads.certified_height);
    eyre::ensure!(there + BEHIND >= here, "the candidate is at height {there}, the chain at {here}");
    Ok(())
}
