//! Where a flashblock leaves the chain: everything that the rules for its child need.

use crate::Digest;
use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

/// A block by number and hash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlockId {
    /// Block number.
    pub number: u64,
    /// Block hash.
    pub hash: B256,
}

/// The chain as seen after executing one flashblock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// Digest of that flashblock.
    pub digest: Digest,
    /// Its height.
    pub height: u64,
    /// Number of its L2 block.
    pub block_number: u64,
    /// Its index in that block.
    pub index: u16,
    /// The L2 block's hash, if this flashblock sealed it.
    pub sealed: Option<B256>,
    /// Timestamp of that L2 block, seconds.
    pub timestamp: u64,
    /// L1 origin of that L2 block.
    pub origin: BlockId,
    /// Blocks since the one that adopted this origin (OP sequence number).
    pub sequence_number: u64,
    /// Whether the open block admits user transactions (false in upgrade-activation blocks and past max drift).
    pub user_transactions: bool,
}
