//! Counts the gas that transactions spend inside expensive precompiles.

use alloy_evm::precompiles::{DynPrecompile, Precompile, PrecompilesMap};
use revm::precompile::PrecompileId;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Gas spent inside expensive precompiles: all but ecrecover, SHA-256, RIPEMD-160 and identity. A call that fails
/// counts with all the gas that was given to it, as it pays.
#[derive(Debug, Clone, Default)]
pub(crate) struct PrecompileMeter(Arc<AtomicU64>);

impl PrecompileMeter {
    /// Wraps the expensive ones among `precompiles`.
    pub(crate) fn install(&self, precompiles: &mut PrecompilesMap) {
        precompiles.map_precompiles(|_, inner| {
            use PrecompileId::{EcRec, Identity, Ripemd160, Sha256};
            if matches!(inner.precompile_id(), EcRec | Sha256 | Ripemd160 | Identity) {
                return inner;
            }
            let spent = self.0.clone();
            DynPrecompile::new(inner.precompile_id().clone(), move |input| {
                let given = input.gas;
                let output = inner.call(input)?;
                let gas = if output.is_halt() { given } else { output.gas_used };
                spent.fetch_add(gas, Ordering::Relaxed);
                Ok(output)
            })
        });
    }

    /// What was spent since the last call.
    pub(crate) fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}
