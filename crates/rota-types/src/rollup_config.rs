//! The standard `rollup.json`, as stock clients read it.

use crate::position::BlockId;
use alloy_primitives::{Address, B64, B256};
use serde::{Deserialize, Serialize};

/// `rollup.json` as op-node reads it (optimism v1.16.11, `rollup.Config`).
///
/// Unknown keys are refused, as op-node does: an upgrade time or a DA option that this build ignored would fork it from
/// the verifiers that follow it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollupConfig {
    /// Where the rollup starts.
    pub genesis: RollupGenesis,
    /// Seconds between L2 blocks.
    pub block_time: u64,
    /// Seconds that L2 time may run ahead of the origin's (1 800 from Fjord on).
    pub max_sequencer_drift: u64,
    /// L1 blocks in which a batch must be included.
    pub seq_window_size: u64,
    /// L1 blocks in which a channel must be completed (50 from Granite on).
    pub channel_timeout: u64,
    /// L1 chain id.
    pub l1_chain_id: u64,
    /// L2 chain id.
    pub l2_chain_id: u64,
    /// Regolith activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regolith_time: Option<u64>,
    /// Canyon activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canyon_time: Option<u64>,
    /// Delta activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta_time: Option<u64>,
    /// Ecotone activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecotone_time: Option<u64>,
    /// Fjord activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fjord_time: Option<u64>,
    /// Granite activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granite_time: Option<u64>,
    /// Holocene activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holocene_time: Option<u64>,
    /// Isthmus activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isthmus_time: Option<u64>,
    /// Jovian activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jovian_time: Option<u64>,
    /// Address that batches are sent to.
    pub batch_inbox_address: Address,
    /// OptimismPortal.
    pub deposit_contract_address: Address,
    /// SystemConfig.
    pub l1_system_config_address: Address,
    /// ProtocolVersions.
    pub protocol_versions_address: Address,
    /// EIP-1559 parameters of the chain.
    pub chain_op_config: ChainOpConfig,
}

/// `rollup.json`: genesis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollupGenesis {
    /// First L1 block that can hold batches.
    pub l1: BlockId,
    /// L2 genesis block.
    pub l2: BlockId,
    /// L2 genesis timestamp.
    pub l2_time: u64,
    /// System config at genesis.
    pub system_config: GenesisSystemConfig,
}

/// `rollup.json`: genesis system config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GenesisSystemConfig {
    /// Address that may post batches.
    pub batcher_addr: Address,
    /// Unused since Ecotone.
    pub overhead: B256,
    /// `0x01 ‖ 0… ‖ blobBaseFeeScalar ‖ baseFeeScalar`.
    pub scalar: B256,
    /// L2 gas limit.
    pub gas_limit: u64,
    /// `denominator ‖ elasticity`, 4 bytes each.
    #[serde(default)]
    pub eip1559_params: B64,
    /// `operatorFeeScalar ‖ operatorFeeConstant` in the low 12 bytes.
    #[serde(default)]
    pub operator_fee_params: B256,
    /// Minimum base fee (Jovian).
    #[serde(default)]
    pub min_base_fee: u64,
    /// DA footprint gas scalar (Jovian).
    #[serde(default)]
    pub da_footprint_gas_scalar: u16,
}

/// `rollup.json`: EIP-1559 parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChainOpConfig {
    /// Elasticity.
    pub eip1559_elasticity: u32,
    /// Denominator before Canyon.
    pub eip1559_denominator: u32,
    /// Denominator from Canyon on.
    pub eip1559_denominator_canyon: u32,
}
