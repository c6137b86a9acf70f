//! The chain's parameters on L1 (`SystemConfig`), as derivation follows them.

use alloy_primitives::{Address, B64, B256};

/// System config at an L1 block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemConfig {
    /// Address that may post batches.
    pub batcher: Address,
    /// `0x01 ‖ 0… ‖ blobBaseFeeScalar ‖ baseFeeScalar`.
    pub scalar: B256,
    /// L2 gas limit.
    pub gas_limit: u64,
    /// `denominator ‖ elasticity`.
    pub eip1559_params: B64,
    /// Operator fee scalar.
    pub operator_fee_scalar: u32,
    /// Operator fee constant.
    pub operator_fee_constant: u64,
    /// Minimum base fee, wei (Jovian).
    pub min_base_fee: u64,
    /// DA footprint gas scalar (Jovian); 0 stands for the default 400.
    pub da_footprint_gas_scalar: u16,
}
