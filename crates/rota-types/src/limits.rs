//! Limits that every verifier enforces alike; they are part of the chain spec.

use serde::{Deserialize, Serialize};

/// The largest gas limit of one transaction (EIP-7825): larger ones are refused at admission.
pub const MAX_TRANSACTION_GAS: u64 = 16_777_216;

/// Consensus-critical limits of one flashblock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of carried transactions, 4 bytes of length each included.
    pub max_flashblock_bytes: usize,
    /// Gas used by one flashblock's carried transactions; at least [`MAX_TRANSACTION_GAS`].
    pub max_flashblock_gas: u64,
    /// Gas spent inside expensive precompiles by one flashblock's carried transactions.
    pub max_flashblock_precompile_gas: u64,
}

impl Default for Limits {
    /// 1 000 transfers of 200 ms at 5 000/s are 21 Mgas and about 115 kB; the worst mix must execute within half the
    /// pace (100 ms).
    fn default() -> Self {
        Self { max_flashblock_bytes: 1 << 20, max_flashblock_gas: 50_000_000, max_flashblock_precompile_gas: 8_000_000 }
    }
}
