//! Counts the gas that a transaction spends inside expensive precompiles, and stops it when that is too much.

use alloy_evm::precompiles::{DynPrecompile, Precompile, PrecompilesMap};
use revm::precompile::{PrecompileError, PrecompileId};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Gas spent inside expensive precompiles: all but ecrecover, SHA-256, RIPEMD-160 and identity. A call that fails
/// counts with all the gas that was given to it, as it pays.
#[derive(Debug, Clone, Default)]
pub(crate) struct PrecompileMeter(Arc<Counter>);

#[derive(Debug, Default)]
struct Counter {
    spent: AtomicU64,
    allowance: AtomicU64,
}

impl PrecompileMeter {
    /// Wraps the expensive ones among `precompiles`.
    pub(crate) fn install(&self, precompiles: &mut PrecompilesMap) {
        precompiles.map_precompiles(|_, inner| {
            use PrecompileId::{EcRec, Identity, Ripemd160, Sha256};
            if matches!(inner.precompile_id(), EcRec | Sha256 | Ripemd160 | Identity) {
                return inner;
            }
            let counter = self.0.clone();
            DynPrecompile::new(inner.precompile_id().clone(), move |mut input| {
                let given = input.gas;
                // What costs more than is left ends as out of gas before it computes anything.
                input.gas = given.min(counter.left());
                let output = inner.call(input)?;
                counter.spend(if output.is_halt() { given } else { output.gas_used })?;
                Ok(output)
            })
        });
    }

    /// Counts anew. The call that exceeds the allowance ends the transaction with an error of the EVM.
    pub(crate) fn start(&self, allowance: u64) {
        self.0.spent.store(0, Relaxed);
        self.0.allowance.store(allowance, Relaxed);
    }

    /// What was spent since the start; above the allowance if that ended the transaction.
    pub(crate) fn spent(&self) -> u64 {
        self.0.spent.load(Relaxed)
    }
}

impl Counter {
    fn left(&self) -> u64 {
        self.allowance.load(Relaxed).saturating_sub(self.spent.load(Relaxed))
    }

    fn spend(&self, gas: u64) -> Result<(), PrecompileError> {
        let spent = self.spent.load(Relaxed).saturating_add(gas);
        self.spent.store(spent, Relaxed);
        if spent > self.allowance.load(Relaxed) {
            return Err(PrecompileError::Fatal("precompile gas above the allowance".into()));
        }
        Ok(())
    }
}
