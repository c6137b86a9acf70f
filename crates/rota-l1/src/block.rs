//! What the chain reads of an L1 block.

use crate::system_config::SystemConfig;
use alloy_primitives::{B256, U256};
use op_alloy_consensus::TxDeposit;
use rota_types::BlockId;

/// An L1 block, reduced to what L2 blocks are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct L1Block {
    /// Number and hash.
    pub id: BlockId,
    /// Hash of the parent.
    pub parent_hash: B256,
    /// Timestamp, seconds.
    pub timestamp: u64,
    /// Base fee, wei.
    pub base_fee: U256,
    /// Blob base fee, wei.
    pub blob_base_fee: U256,
    /// prev-randao.
    pub prev_randao: B256,
    /// Parent beacon block root (zero before Cancun).
    pub parent_beacon_block_root: B256,
    /// User deposits of this block, in log order.
    pub deposits: Vec<TxDeposit>,
    /// The system config after this block's updates.
    pub system_config: SystemConfig,
}
