//! What the RPC needs of the pool, of admission and of the node: small object-safe traits that those implement.

use crate::ledger::Overruled;
use alloy_primitives::{Address, B256, Bytes};
use futures::future::BoxFuture;
use rota_types::{BlockId, Identity, Transaction, TransactionError};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The pool as wallets see it. Never blocks for long: called on every `eth_getTransactionCount(.., "pending")`.
pub trait PoolView: Send + Sync + 'static {
    /// A pooled transaction.
    fn get(&self, hash: &B256) -> Option<Arc<Transaction>>;

    /// The nonce after this sender's gapless pooled transactions; `None` if the pool holds none that follows on the
    /// certified state.
    fn next_nonce(&self, sender: &Address) -> Option<u64>;

    /// Transactions and bytes in the pool.
    fn size(&self) -> PoolSize;
}

/// How full the pool is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolSize {
    /// Transactions.
    pub transactions: usize,
    /// Their encoded bytes.
    pub bytes: usize,
}

/// Admits a wallet's transaction.
pub trait Submit: Send + Sync + 'static {
    /// Decodes, recovers, checks and pools the transaction; resolves with its hash when f other operators hold it.
    fn submit(&self, raw: Bytes) -> BoxFuture<'static, Result<B256, SubmitError>>;
}

/// Why a transaction was not admitted (or, for [`Self::NotReplicated`], not yet known to survive this node). The
/// texts are those of geth where it has one: wallets match on them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Not a transaction, or not of a type that users may send.
    #[error(transparent)]
    Malformed(#[from] TransactionError),
    /// More bytes than a transaction may have.
    #[error("oversized data: transaction size {size}, limit {limit}")]
    Oversized {
        /// Encoded bytes.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// Signed for another chain, or for none.
    #[error("invalid chain id for signer: have {found:?} want {expected}")]
    ChainId {
        /// This chain.
        expected: u64,
        /// The transaction's chain; `None` without replay protection.
        found: Option<u64>,
    },
    /// The nonce is used up.
    #[error("nonce too low: next nonce {next}, tx nonce {found}")]
    NonceTooLow {
        /// The sender's next nonce.
        next: u64,
        /// The transaction's.
        found: u64,
    },
    /// Too far ahead of the sender's next nonce to be kept.
    #[error("nonce too high: next nonce {next}, tx nonce {found}")]
    NonceTooHigh {
        /// The sender's next nonce.
        next: u64,
        /// The transaction's.
        found: u64,
    },
    /// The balance does not cover gas, value, and L1 fee.
    #[error("insufficient funds for gas * price + value: balance {balance}, tx cost {cost}")]
    InsufficientFunds {
        /// Balance, wei.
        balance: alloy_primitives::U256,
        /// What the sender's transactions up to this one may cost, wei.
        cost: alloy_primitives::U256,
    },
    /// Same sender and nonce as a pooled one, but it does not pay enough more.
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    /// Pays less than this node admits.
    #[error("transaction underpriced: {0}")]
    Underpriced(String),
    /// Pooled here already, or certified.
    #[error("already known")]
    AlreadyKnown,
    /// Gas limit below what it needs in any case.
    #[error("intrinsic gas too low: gas {found}, minimum needed {needed}")]
    IntrinsicGas {
        /// Needed.
        needed: u64,
        /// Gas limit.
        found: u64,
    },
    /// Gas limit above EIP-7825's cap or the block's.
    #[error("exceeds transaction gas limit: gas {found}, limit {limit}")]
    GasLimit {
        /// The cap.
        limit: u64,
        /// Gas limit.
        found: u64,
    },
    /// Its data alone exceed a block's DA footprint (Jovian).
    #[error("exceeds block DA footprint: footprint {found}, limit {limit}")]
    DaFootprint {
        /// The block's limit: its gas limit.
        limit: u64,
        /// The transaction's footprint, gas.
        found: u64,
    },
    /// Breaks a rule of the protocol in another way (tip above fee cap, init code too large, ...).
    #[error("{0}")]
    Invalid(String),
    /// Executed here before, and found to fit into no flashblock.
    #[error("transaction refused: {0}")]
    Refused(String),
    /// No room for it, in the pool or for this sender.
    #[error("txpool is full")]
    PoolFull,
    /// The transaction is kept and forwarded, but too few operators have acknowledged it in time.
    #[error("not replicated yet: transaction {0} is kept here and sent on, but too few operators have confirmed it")]
    NotReplicated(B256),
    /// This node can't admit transactions now (stopping, not synced, ...).
    #[error("{0}")]
    Unavailable(String),
}

/// What the node knows about itself.
pub trait StatusSource: Send + Sync + 'static {
    /// A snapshot; never blocks.
    fn status(&self) -> NodeStatus;
}

/// What a node does in the committee.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Votes and leads.
    Operator,
    /// Has no key: syncs and serves.
    #[default]
    Follower,
}

/// A node's snapshot of itself. What follows from chain spec and ledger (heads, committee, schedule) is not in here:
/// the RPC adds it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// p2p identity.
    pub identity: Identity,
    /// Operator or follower.
    pub role: Role,
    /// Whether it signs in the current epoch (an operator that lost its journal waits for the next but one).
    pub signing: bool,
    /// Current epoch of consensus.
    pub epoch: u64,
    /// Newest view seen in that epoch.
    pub view: u64,
    /// Connected peers.
    pub peers: usize,
    /// Newest height that peers have certified, as far as known; above the ledger's tip while syncing.
    pub network_height: u64,
    /// Whether it would lead now if it were its turn.
    pub healthy: bool,
    /// Why not, or what else is wrong, in words (`degraded: no certificate for 3 s`, ...).
    pub conditions: Vec<String>,
    /// The evidence that L1 has overruled what is certified: this operator then votes no more in this lineage.
    #[serde(default)]
    pub overruled: Option<Overruled>,
    /// What it has seen of L1.
    pub l1: L1Status,
    /// Newest L2 block number in L1 blocks, as far as this node knows.
    pub posted: Option<u64>,
    /// Newest L2 block number in L1 blocks at the confirmation depth.
    pub safe: Option<u64>,
    /// Newest L2 block number in finalized L1 blocks.
    pub finalized: Option<u64>,
    /// Newest L1 block whose inbox was read.
    pub inbox: Option<BlockId>,
    /// Whose batches count there.
    pub batcher: Option<Address>,
}

/// L1 as this node sees it; `None`: not known yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct L1Status {
    /// Newest block.
    pub head: Option<L1BlockRef>,
    /// Newest block at the confirmation depth: what this node announces as origin.
    pub confirmed: Option<L1BlockRef>,
    /// Newest finalized block.
    pub finalized: Option<L1BlockRef>,
}

/// An L1 block as `optimism_syncStatus` shows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct L1BlockRef {
    /// Hash.
    pub hash: B256,
    /// Number.
    pub number: u64,
    /// Hash of the parent.
    pub parent_hash: B256,
    /// Timestamp, seconds.
    pub timestamp: u64,
}
