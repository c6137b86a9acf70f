//! Runs one transaction at a time on an overlay.

use crate::{database::OverlayDatabase, engine::EngineError, meter::PrecompileMeter};
use alloy_consensus::Header;
use alloy_evm::{Evm, EvmEnv, EvmFactory, FromTxWithEncoded, block::SystemCaller, precompiles::PrecompilesMap};
use alloy_op_evm::{OpEvm, OpEvmFactory, OpTx, OpTxError};
use alloy_op_hardforks::OpChainHardforks;
use alloy_primitives::U256;
use op_revm::{L1BlockInfo, OpHaltReason, OpSpecId, precompiles::OpPrecompiles};
use revm::{
    context_interface::result::{EVMError, ResultAndState},
    inspector::NoOpInspector,
};
use rota_types::Transaction;

pub(crate) type Outcome = ResultAndState<OpHaltReason>;

/// The EVM of one block. revm's own EVM can't move between threads, so one is made for each transaction out of parts
/// that can.
pub(crate) struct Executor {
    pub(crate) database: OverlayDatabase,
    pub(crate) meter: PrecompileMeter,
    environment: EvmEnv<OpSpecId>,
    precompiles: PrecompilesMap,
    /// L1 fee parameters, read after the deposits by the first transaction that pays.
    l1_block: L1BlockInfo,
}

type BlockEvm<'a> = OpEvm<&'a mut OverlayDatabase, NoOpInspector, PrecompilesMap, OpTx>;

impl Executor {
    pub(crate) fn new(database: OverlayDatabase, environment: EvmEnv<OpSpecId>) -> Self {
        let meter = PrecompileMeter::default();
        let mut precompiles =
            PrecompilesMap::from_static(OpPrecompiles::new_with_spec(environment.cfg_env.spec).precompiles());
        meter.install(&mut precompiles);
        Self { database, meter, environment, precompiles, l1_block: L1BlockInfo::default() }
    }

    fn evm(&mut self) -> BlockEvm<'_> {
        let mut evm = OpEvmFactory::<OpTx>::default().create_evm(&mut self.database, self.environment.clone());
        *evm.components_mut().2 = self.precompiles.clone();
        evm
    }

    /// The system calls that open a block: EIP-2935 and EIP-4788.
    pub(crate) fn open(&mut self, forks: &OpChainHardforks, header: &Header) -> Result<(), EngineError> {
        let mut evm = self.evm();
        let mut system = SystemCaller::new(forks);
        system
            .apply_blockhashes_contract_call(header.parent_hash, &mut evm)
            .and_then(|()| system.apply_beacon_root_contract_call(header.parent_beacon_block_root, &mut evm))
            .map_err(|error| EngineError::Forced(error.to_string()))
    }

    /// Executes a transaction. Nothing changes until its outcome is committed to the database.
    pub(crate) fn transact(&mut self, transaction: &Transaction) -> Result<Outcome, EVMError<EngineError, OpTxError>> {
        let env = OpTx::from_encoded_tx(transaction.envelope(), transaction.sender(), transaction.encoded().clone());
        let l1_block = std::mem::take(&mut self.l1_block);
        let mut evm = self.evm();
        evm.ctx_mut().chain = l1_block;
        let outcome = evm.transact_raw(env);
        let l1_block = std::mem::take(&mut evm.ctx_mut().chain);
        drop(evm);
        self.l1_block = l1_block;
        outcome
    }

    /// The L1 fee of a transaction that was executed.
    pub(crate) fn l1_fee(&mut self, transaction: &Transaction) -> U256 {
        self.l1_block.clear_tx_l1_cost();
        let fee = self.l1_block.calculate_tx_l1_cost(transaction.encoded(), self.environment.cfg_env.spec);
        self.l1_block.clear_tx_l1_cost();
        fee
    }
}
