//! Runs one transaction at a time on an overlay.

use crate::{database::OverlayDatabase, engine::EngineError, l1_fees::L1Fees, meter::PrecompileMeter};
use alloy_consensus::Header;
use alloy_evm::{Evm as _, EvmEnv, FromTxWithEncoded, block::SystemCaller, precompiles::PrecompilesMap};
use alloy_op_evm::{OpEvm, OpEvmContext, OpTx, OpTxError};
use alloy_op_hardforks::OpChainHardforks;
use alloy_primitives::U256;
use op_revm::{L1BlockInfo, OpHaltReason, OpSpecId, precompiles::OpPrecompiles};
use revm::{
    Context, Journal,
    context::{Evm, FrameStack, JournalEntry, JournalInner, LocalContext},
    context_interface::result::{EVMError, ResultAndState},
    handler::{EthFrame, instructions::EthInstructions},
    inspector::NoOpInspector,
};
use rota_types::Transaction;
use std::cell::Cell;

/// What a transaction did, not yet committed.
pub(crate) type Outcome = ResultAndState<OpHaltReason>;

/// Why a transaction has no outcome.
pub(crate) enum Aborted {
    /// It spent more in expensive precompiles than it was allowed, and was stopped there.
    PrecompileGas,
    /// It is invalid, or the engine failed.
    Evm(EVMError<EngineError, OpTxError>),
}

/// The EVM of one block. revm's own EVM can't move between threads: it is put together for each transaction out of
/// parts that can, and of scratch space that stays with the thread.
pub(crate) struct Executor {
    pub(crate) database: OverlayDatabase,
    meter: PrecompileMeter,
    environment: EvmEnv<OpSpecId>,
    precompiles: PrecompilesMap,
    journal: JournalInner<JournalEntry>,
    /// L1 fee parameters, read after the deposits by the first transaction that pays.
    l1_block: L1BlockInfo,
}

type BlockEvm<'a> = OpEvm<&'a mut OverlayDatabase, NoOpInspector, &'a mut PrecompilesMap, OpTx>;

/// Call frames and the memory that they share: large, and reused by every transaction of a thread.
type Scratch = (FrameStack<EthFrame>, LocalContext);

thread_local! {
    static SCRATCH: Cell<Option<Scratch>> = const { Cell::new(None) };
}

impl Executor {
    pub(crate) fn new(database: OverlayDatabase, environment: EvmEnv<OpSpecId>) -> Self {
        let meter = PrecompileMeter::default();
        let mut precompiles =
            PrecompilesMap::from_static(OpPrecompiles::new_with_spec(environment.cfg_env.spec).precompiles());
        meter.install(&mut precompiles);
        Self {
            database,
            meter,
            environment,
            precompiles,
            journal: JournalInner::default(),
            l1_block: L1BlockInfo::default(),
        }
    }

    /// Lends an EVM. What it has loaded is forgotten afterwards if `run` fails.
    fn with_evm<T, E>(&mut self, run: impl FnOnce(&mut BlockEvm<'_>) -> Result<T, E>) -> Result<T, E> {
        let EvmEnv { cfg_env, block_env } = self.environment.clone();
        let (frame_stack, local) = SCRATCH.take().unwrap_or_default();
        let instruction = EthInstructions::new_mainnet_with_spec(cfg_env.spec.into());
        let ctx: OpEvmContext<_> = Context {
            block: block_env,
            tx: OpTx::default(),
            cfg: cfg_env,
            journaled_state: Journal { database: &mut self.database, inner: std::mem::take(&mut self.journal) },
            chain: std::mem::take(&mut self.l1_block),
            local,
            error: Ok(()),
        };
        let precompiles = &mut self.precompiles;
        let inner = op_revm::OpEvm(Evm { ctx, inspector: NoOpInspector, instruction, precompiles, frame_stack });
        let mut evm = OpEvm::new(inner, false);
        let result = run(&mut evm);
        let Evm { ctx, frame_stack, .. } = evm.into_inner().0;
        self.l1_block = ctx.chain;
        SCRATCH.set(Some((frame_stack, ctx.local)));
        if result.is_ok() {
            self.journal = ctx.journaled_state.inner;
        }
        result
    }

    /// The system calls that open a block: EIP-2935 and EIP-4788.
    pub(crate) fn open(&mut self, forks: &OpChainHardforks, header: &Header) -> Result<(), EngineError> {
        self.with_evm(|evm| {
            let mut system = SystemCaller::new(forks);
            system.apply_blockhashes_contract_call(header.parent_hash, evm)?;
            system.apply_beacon_root_contract_call(header.parent_beacon_block_root, evm)
        })
        .map_err(|error| EngineError::Forced(error.to_string()))
    }

    /// Executes a transaction that may spend so much in expensive precompiles, and returns what it spent there too.
    /// Nothing changes until its outcome is committed to the database.
    pub(crate) fn transact(
        &mut self,
        transaction: &Transaction,
        precompile_gas: u64,
    ) -> Result<(Outcome, u64), Aborted> {
        let env = OpTx::from_encoded_tx(transaction.envelope(), transaction.sender(), transaction.encoded().clone());
        // What is known already is not estimated again; the first transaction that pays finds out itself.
        let known = self.l1_block.l2_block == Some(self.environment.block_env.number);
        self.l1_block.tx_l1_cost = known.then(|| self.l1_fee(transaction));
        self.meter.start(precompile_gas);
        let result = self.with_evm(|evm| evm.transact_raw(env));
        match (result, self.meter.spent()) {
            (Err(_), spent) if spent > precompile_gas => Err(Aborted::PrecompileGas),
            (Err(error), _) => Err(Aborted::Evm(error)),
            (Ok(outcome), spent) => Ok((outcome, spent)),
        }
    }

    /// The L1 fee of a transaction, once one that pays was executed.
    pub(crate) fn l1_fee(&self, transaction: &Transaction) -> U256 {
        L1Fees::new(&self.l1_block).fee(transaction)
    }
}
