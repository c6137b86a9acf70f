//! A flashblock being executed.

use crate::{
    database::{BlockHashes, OverlayDatabase},
    embedded::Pending,
    engine::{BlockAttributes, Draft, EngineError, Executed, ExecutedTransaction, Finished, Rejection},
    environment::Rules,
    executor::{Aborted, Executor, Outcome},
    l1_fees::estimated_size,
    receipt, seal,
    state::{Changes, State},
};
use alloy_consensus::{Header, Transaction as _};
use alloy_eips::Typed2718;
use alloy_op_evm::OpTxError;
use alloy_primitives::U256;
use op_revm::{L1BlockInfo, OpTransactionError};
use revm::{
    DatabaseCommit,
    context_interface::result::{EVMError, InvalidTransaction, ResultAndState},
};
use rota_types::{Digest, Limits, Position, Transaction, limits::MAX_TRANSACTION_GAS};
use std::sync::Arc;

/// The least gas of any transaction.
const INTRINSIC_GAS: u64 = 21_000;

/// Transactions that one draft may execute for nothing. Each costs its leader up to a transaction's gas and a
/// flashblock's precompile gas, and its sender nothing.
const MAX_WASTED: u32 = 2;

/// The chain after a flashblock, as the engine keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Overlay {
    /// Header of the block: complete if sealed, else with gas, DA footprint and bloom so far.
    pub(crate) header: Arc<Header>,
    /// State after the flashblock.
    pub(crate) state: State,
    /// Hashes of the blocks before `header`, and of itself if sealed.
    pub(crate) hashes: BlockHashes,
    /// Attributes of the open block; `None` if sealed.
    pub(crate) attributes: Option<Arc<BlockAttributes>>,
    /// Transactions of the open block so far; empty if sealed.
    pub(crate) transactions: Vec<Arc<ExecutedTransaction>>,
    /// State before the block.
    pub(crate) before: State,
    /// Changes of the block so far, one for each flashblock.
    pub(crate) changes: Vec<Arc<Changes>>,
}

/// What a draft starts from.
pub(crate) struct Start {
    pub(crate) rules: Arc<Rules>,
    pub(crate) limits: Limits,
    /// Digest of the flashblock before this one.
    pub(crate) parent: Digest,
    pub(crate) position: Position,
    pub(crate) overlay: Overlay,
    pub(crate) database: OverlayDatabase,
    /// Whether the block is opened by this flashblock.
    pub(crate) opens: bool,
}

/// The embedded engine's [`Draft`].
pub(crate) struct EmbeddedDraft {
    rules: Arc<Rules>,
    limits: Limits,
    parent: Digest,
    /// Position after this flashblock, still unsealed and without digest and height.
    position: Position,
    attributes: Arc<BlockAttributes>,
    opens: bool,
    header: Header,
    before: State,
    base: State,
    hashes: BlockHashes,
    earlier_changes: Vec<Arc<Changes>>,
    earlier: Vec<Arc<ExecutedTransaction>>,
    executed: Vec<Arc<ExecutedTransaction>>,
    executor: Executor,
    /// Bytes, gas and precompile gas of the transactions carried so far.
    carried: Usage,
    /// Transactions that were executed and then didn't fit.
    wasted: u32,
    da_footprint_scalar: u64,
    failure: Option<EngineError>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Usage {
    bytes: usize,
    gas: u64,
    precompile_gas: u64,
}

impl EmbeddedDraft {
    /// Starts a flashblock; one that opens a block executes the system calls and the deposits.
    pub(crate) fn new(start: Start) -> Result<Self, EngineError> {
        let Start { rules, limits, parent, position, overlay, database, opens } = start;
        let Overlay { header, state, hashes, attributes, transactions, before, changes } = overlay;
        let attributes = attributes.ok_or(EngineError::Misuse("the block is sealed"))?;
        let header = Arc::unwrap_or_clone(header);
        let executor = Executor::new(database, rules.environment(&header));
        let mut draft = Self {
            rules,
            limits,
            parent,
            position,
            attributes,
            opens,
            header,
            before,
            base: state,
            hashes,
            earlier_changes: changes,
            earlier: transactions,
            executed: Vec::new(),
            executor,
            carried: Usage::default(),
            wasted: 0,
            da_footprint_scalar: 0,
            failure: None,
        };
        if opens {
            draft.open()?;
        }
        if draft.rules.is_jovian(draft.header.timestamp) {
            draft.da_footprint_scalar =
                L1BlockInfo::fetch_da_footprint_gas_scalar(&mut draft.executor.database)?.into();
        }
        Ok(draft)
    }

    /// EIP-2935 and EIP-4788 system calls, then the deposits.
    fn open(&mut self) -> Result<(), EngineError> {
        self.executor.open(&self.rules.forks, &self.header)?;
        for deposit in self.attributes.clone().deposits.iter() {
            if deposit.envelope().gas_limit() > self.header.gas_limit - self.header.gas_used {
                return Err(EngineError::Forced(format!("deposit {} exceeds the block's gas", deposit.hash())));
            }
            let nonce = self.executor.database.account(deposit.sender())?.map_or(0, |account| account.nonce);
            let forced = |why: String| EngineError::Forced(format!("deposit {}: {why}", deposit.hash()));
            let (outcome, _) = self.executor.transact(deposit, u64::MAX).map_err(|aborted| match aborted {
                Aborted::Evm(EVMError::Database(error)) => error,
                Aborted::Evm(error) => forced(error.to_string()),
                Aborted::PrecompileGas => forced("precompile gas".into()),
            })?;
            self.accept(deposit, outcome, nonce, U256::ZERO);
        }
        Ok(())
    }

    const fn flashblock_gas_left(&self) -> u64 {
        self.limits.max_flashblock_gas.saturating_sub(self.carried.gas)
    }

    const fn precompile_gas_left(&self) -> u64 {
        self.limits.max_flashblock_precompile_gas.saturating_sub(self.carried.precompile_gas)
    }

    /// A transaction with this gas limit fits, whatever its execution does: nothing inside it spends more.
    fn certain_gas(&self) -> u64 {
        self.flashblock_gas_left().min(self.precompile_gas_left())
    }

    /// Takes an executed transaction over into the draft.
    fn accept(&mut self, transaction: &Arc<Transaction>, outcome: Outcome, nonce: u64, l1_fee: U256) -> u64 {
        let ResultAndState { result, state } = outcome;
        let gas_used = result.tx_gas_used();
        self.header.gas_used += gas_used;
        let receipt = receipt::build(transaction.envelope(), result, self.header.gas_used, nonce);
        self.header.logs_bloom.accrue_bloom(receipt.logs_bloom());
        let created = transaction.envelope().is_create().then(|| transaction.sender().create(nonce));
        self.executor.database.commit(state);
        self.executed.push(Arc::new(ExecutedTransaction {
            transaction: transaction.clone(),
            receipt,
            gas_used,
            created,
            l1_fee,
        }));
        gas_used
    }

    /// The checks that need no execution. Returns the transaction's DA footprint.
    fn admit(&self, transaction: &Transaction) -> Result<u64, Rejection> {
        let envelope = transaction.envelope();
        let gas_limit = envelope.gas_limit();
        if !matches!(envelope.ty(), 0..=2 | 4) {
            return Err(Rejection::Invalid(format!("transaction type {:#04x} not supported", envelope.ty())));
        }
        if gas_limit > MAX_TRANSACTION_GAS {
            return Err(Rejection::Invalid(format!("gas limit {gas_limit} above {MAX_TRANSACTION_GAS}")));
        }
        let bytes = carried_bytes(transaction);
        if bytes > self.limits.max_flashblock_bytes {
            return Err(Rejection::NeverFits(format!("{bytes} bytes")));
        }
        if !self.attributes.user_transactions {
            return Err(Rejection::NotYet("this block admits no user transactions".into()));
        }
        if gas_limit > self.header.gas_limit {
            return Err(Rejection::NotYet(format!("gas limit {gas_limit} above the block's")));
        }
        if gas_limit > self.header.gas_limit - self.header.gas_used {
            return Err(Rejection::DoesNotFit("block gas"));
        }
        if self.carried.gas + INTRINSIC_GAS > self.limits.max_flashblock_gas {
            return Err(Rejection::DoesNotFit("flashblock gas"));
        }
        if self.carried.bytes + bytes > self.limits.max_flashblock_bytes {
            return Err(Rejection::DoesNotFit("flashblock bytes"));
        }
        if self.wasted >= MAX_WASTED && gas_limit > self.certain_gas() {
            return Err(Rejection::NotTried);
        }
        if self.da_footprint_scalar == 0 {
            return Ok(0);
        }
        let size = estimated_size(transaction) / 1_000_000;
        let footprint = size.saturating_mul(self.da_footprint_scalar);
        let used = self.header.blob_gas_used.unwrap_or_default();
        if footprint > self.header.gas_limit {
            return Err(Rejection::NotYet("DA footprint above the block's limit".into()));
        }
        if footprint > self.header.gas_limit.saturating_sub(used) {
            return Err(Rejection::DoesNotFit("DA footprint"));
        }
        Ok(footprint)
    }
}

impl Draft for EmbeddedDraft {
    fn extend(&mut self, transaction: &Arc<Transaction>) -> Result<u64, Rejection> {
        if let Some(failure) = &self.failure {
            return Err(Rejection::Engine(failure.to_string()));
        }
        let footprint = self.admit(transaction)?;
        let (outcome, precompile_gas) =
            match self.executor.transact(transaction, self.limits.max_flashblock_precompile_gas) {
                Ok(executed) => executed,
                Err(Aborted::PrecompileGas) => {
                    self.wasted += 1;
                    let most = self.limits.max_flashblock_precompile_gas;
                    return Err(Rejection::NeverFits(format!("more than {most} gas in precompiles")));
                }
                Err(Aborted::Evm(error)) => {
                    let rejection = classify(&error);
                    match error {
                        EVMError::Transaction(_) => {}
                        EVMError::Database(error) => self.failure = Some(error),
                        other => self.failure = Some(EngineError::Evm(other.to_string())),
                    }
                    return Err(rejection);
                }
            };
        if precompile_gas > self.precompile_gas_left() {
            self.wasted += 1;
            return Err(Rejection::DoesNotFit("precompile gas"));
        }
        if outcome.result.tx_gas_used() > self.flashblock_gas_left() {
            self.wasted += 1;
            return Err(Rejection::DoesNotFit("flashblock gas"));
        }
        let l1_fee = self.executor.l1_fee(transaction);
        let gas_used = self.accept(transaction, outcome, transaction.envelope().nonce(), l1_fee);
        if let Some(used) = &mut self.header.blob_gas_used {
            *used += footprint;
        }
        self.carried.bytes += carried_bytes(transaction);
        self.carried.gas += gas_used;
        self.carried.precompile_gas += precompile_gas;
        Ok(gas_used)
    }

    fn gas_left(&self) -> u64 {
        let block = self.header.gas_limit - self.header.gas_used;
        block.min(self.flashblock_gas_left())
    }

    fn base_fee(&self) -> u64 {
        self.header.base_fee_per_gas.unwrap_or_default()
    }

    fn finish(self: Box<Self>, seal: bool) -> Result<Finished, EngineError> {
        let mut draft = *self;
        if let Some(failure) = draft.failure {
            return Err(failure);
        }
        let changes = Arc::new(std::mem::take(&mut draft.executor.database.changes));
        let mut state = draft.base;
        state.apply(&changes);
        // Hash now what this flashblock changed, so that sealing has only its own part left.
        state.root();
        let mut all_changes = draft.earlier_changes;
        all_changes.push(changes);
        let mut transactions = draft.earlier;
        transactions.extend(draft.executed.iter().cloned());

        let outcome_root = seal::outcome_root(&draft.executed);
        let cumulative_gas = draft.header.gas_used;
        let mut overlay = Overlay {
            header: Arc::new(draft.header),
            state,
            hashes: draft.hashes,
            attributes: Some(draft.attributes.clone()),
            transactions,
            before: draft.before,
            changes: all_changes,
        };
        let sealed = seal.then(|| Arc::new(seal::seal(&mut overlay)));
        let executed = Executed {
            position: Position { sealed: sealed.as_ref().map(|block| block.hash), ..draft.position },
            attributes: draft.opens.then_some(draft.attributes),
            transactions: draft.executed,
            outcome_root,
            cumulative_gas,
            sealed,
        };
        Ok(Finished { executed: Arc::new(executed), overlay: Box::new(Pending { parent: draft.parent, overlay }) })
    }
}

/// The position of the flashblock after `parent`.
pub(crate) fn next_position(parent: &Position, header: &Header, attributes: &BlockAttributes, opens: bool) -> Position {
    Position {
        digest: Digest::ZERO,
        height: 0,
        block_number: header.number,
        index: if opens { 0 } else { parent.index + 1 },
        sealed: None,
        timestamp: header.timestamp,
        origin: attributes.opening.origin,
        sequence_number: attributes.sequence_number,
        user_transactions: attributes.user_transactions,
    }
}

/// Bytes that a transaction takes in a flashblock.
fn carried_bytes(transaction: &Transaction) -> usize {
    transaction.encoded().len() + 4
}

fn classify(error: &EVMError<EngineError, OpTxError>) -> Rejection {
    let EVMError::Transaction(OpTxError(invalid)) = error else { return Rejection::Engine(error.to_string()) };
    match invalid {
        OpTransactionError::Base(
            InvalidTransaction::NonceTooHigh { .. }
            | InvalidTransaction::NonceTooLow { .. }
            | InvalidTransaction::LackOfFundForMaxFee { .. }
            | InvalidTransaction::GasPriceLessThanBasefee,
        ) => Rejection::NotYet(invalid.to_string()),
        _ => Rejection::Invalid(invalid.to_string()),
    }
}
