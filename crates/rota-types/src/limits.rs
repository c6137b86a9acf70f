//! Limits that every verifier enforces alike; they are part of the chain spec.

use serde::{Deserialize, Serialize};

/// The largest gas limit of one transaction (EIP-7825): larger ones are refused at admission.
pub const MAX_TRANSACTION_GAS: u64 = 16_777_216;

/// The largest encoded transaction (op-geth's pool takes none above 128 KiB): larger ones are refused at admission.
pub const MAX_TRANSACTION_BYTES: usize = 128 * 1024;

/// The largest `max_flashblock_bytes`: what a p2p message of consensus may carry at all.
const MAX_FLASHBLOCK_BYTES: usize = 8 << 20;

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

impl Limits {
    /// Whatever is admitted must fit into a flashblock, and a flashblock into a message; else says why not.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(MAX_TRANSACTION_BYTES + 4..=MAX_FLASHBLOCK_BYTES).contains(&self.max_flashblock_bytes) {
            let least = MAX_TRANSACTION_BYTES + 4;
            return Err(format!("max_flashblock_bytes must be {least} to {MAX_FLASHBLOCK_BYTES}"));
        }
        if self.max_flashblock_gas < MAX_TRANSACTION_GAS {
            return Err(format!("max_flashblock_gas must be at least {MAX_TRANSACTION_GAS} (EIP-7825)"));
        }
        Ok(())
    }
}
