//! The seam between consensus and execution: a tree of uncertified flashblocks over certified state.
//!
//! A leader *opens* a block (or continues the open one), *extends* a draft transaction by transaction, and *finishes*
//! it, sealing or not. A verifier does the same with the transactions it was given and compares. The result is
//! *adopted* into the tree under the flashblock's digest; certification *commits* it, which discards its siblings.

use crate::{
    l1_fees::L1Fees,
    store::{Batch, StoreError},
};
use alloy_consensus::Header;
use alloy_primitives::{Address, B64, B256, Bytes, U256};
use op_alloy_consensus::OpReceiptEnvelope;
use rota_types::{Digest, Opening, Position, RegistryEvent, Transaction};
use std::sync::Arc;

/// Everything about an L2 block that derivation fixes, apart from its transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockAttributes {
    /// Timestamp and origin, as the flashblock carries them.
    pub opening: Opening,
    /// Blocks since the one that adopted the origin.
    pub sequence_number: u64,
    /// prev-randao of the origin.
    pub prev_randao: B256,
    /// Fee recipient (the sequencer fee vault).
    pub fee_recipient: Address,
    /// L2 gas limit.
    pub gas_limit: u64,
    /// parent beacon block root of the origin.
    pub parent_beacon_block_root: B256,
    /// `denominator ‖ elasticity`; zero stands for the chain's default.
    pub eip1559_params: B64,
    /// Minimum base fee (Jovian).
    pub min_base_fee: u64,
    /// L1 info deposit, user deposits, upgrade transactions: in order, never carried by flashblocks.
    pub deposits: Vec<Arc<Transaction>>,
    /// Whether the block admits user transactions (false in upgrade-activation blocks and past max drift).
    pub user_transactions: bool,
    /// What a newly adopted origin says of the operators' registry. Executes nothing; coming epochs are made of it.
    pub registry_events: Vec<RegistryEvent>,
}

/// Why a transaction can't be at this place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Invalid in every place, whatever the state: drop it from the pool.
    #[error("invalid: {0}")]
    Invalid(String),
    /// Invalid here, perhaps valid in another place (nonce gap, nonce used up by this draft or an ancestor, balance, fee
    /// cap below base fee).
    #[error("not valid yet: {0}")]
    NotYet(String),
    /// Doesn't fit into what is left of this flashblock or block (gas, DA footprint, bytes, precompile gas).
    #[error("does not fit: {0}")]
    DoesNotFit(&'static str),
    /// Takes more than a whole flashblock may hold (precompile gas, bytes): drop it for good.
    #[error("fits into no flashblock: {0}")]
    NeverFits(String),
    /// Not executed: it might not fit, and this draft has executed too many for nothing already. No verdict; never
    /// the answer to a draft that has refused nothing.
    #[error("not tried: too many others did not fit")]
    NotTried,
    /// No verdict: the engine failed while executing it. [`Draft::finish`] returns the error.
    #[error("engine failed: {0}")]
    Engine(String),
}

/// What went wrong inside the engine. None of these is a verdict on a flashblock.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No node of the tree has this digest: execute its ancestors first.
    #[error("flashblock {0} not executed")]
    UnknownFlashblock(Digest),
    /// The parent has not the state (open or sealed) that the call needs.
    #[error("{0}")]
    Misuse(&'static str),
    /// State older than the window.
    #[error("state pruned")]
    StatePruned,
    /// No such block.
    #[error("block {0} not found")]
    UnknownBlock(u64),
    /// A forced transaction (deposit) could not be executed: derivation and engine disagree.
    #[error("forced transaction failed: {0}")]
    Forced(String),
    /// The EVM failed on something other than the transaction.
    #[error("EVM: {0}")]
    Evm(String),
    /// The store failed: the node must stop.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The data in the store contradict each other or the chain spec.
    #[error("corrupt: {0}")]
    Corrupt(String),
}

/// One executed transaction of a flashblock.
#[derive(Debug, Clone)]
pub struct ExecutedTransaction {
    /// The transaction (a deposit or a carried one).
    pub transaction: Arc<Transaction>,
    /// Its consensus receipt, exactly as in the block.
    pub receipt: OpReceiptEnvelope,
    /// Gas used by this transaction alone.
    pub gas_used: u64,
    /// Address of the created contract.
    pub created: Option<Address>,
    /// What op-geth shows as the L1 fee of this transaction, wei (0 for deposits).
    pub l1_fee: U256,
}

/// A sealed L2 block.
#[derive(Debug, Clone)]
pub struct SealedBlock {
    /// Its header, exactly as op-geth makes it.
    pub header: Header,
    /// keccak256 of the header.
    pub hash: B256,
    /// Every transaction with its receipt, deposits first.
    pub transactions: Vec<Arc<ExecutedTransaction>>,
    /// Size of the RLP-encoded block in bytes.
    pub size: usize,
}

/// The outcome of executing one flashblock.
#[derive(Debug, Clone)]
pub struct Executed {
    /// Where the chain stands after it. `digest` and `height` are filled in by [`ExecutionEngine::adopt`].
    pub position: Position,
    /// The attributes of the block, if this flashblock opened it (kept so that a restart needs no L1).
    pub attributes: Option<Arc<BlockAttributes>>,
    /// This flashblock's transactions (at index 0 the deposits too), in order.
    pub transactions: Vec<Arc<ExecutedTransaction>>,
    /// Root over this flashblock's leaves.
    pub outcome_root: B256,
    /// Gas used in the L2 block so far.
    pub cumulative_gas: u64,
    /// The block, if this flashblock sealed it.
    pub sealed: Option<Arc<SealedBlock>>,
}

/// A flashblock being executed: state that belongs to nobody else until it is adopted.
pub trait Draft: Send {
    /// Executes one transaction at the end, or leaves the draft unchanged. Returns the gas used.
    fn extend(&mut self, transaction: &Arc<Transaction>) -> Result<u64, Rejection>;

    /// Gas still free under the flashblock's and the block's limits.
    fn gas_left(&self) -> u64;

    /// Base fee of the open block, wei.
    fn base_fee(&self) -> u64;

    /// Ends the flashblock; `seal` completes the block (state root, header, hash).
    fn finish(self: Box<Self>, seal: bool) -> Result<Finished, EngineError>;
}

/// A finished draft: its outcome, and engine-private state waiting to be adopted.
pub struct Finished {
    /// What the header commits to.
    pub executed: Arc<Executed>,
    /// The engine's own overlay.
    pub overlay: Box<dyn std::any::Any + Send + Sync>,
}

impl std::fmt::Debug for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Finished").field("executed", &self.executed).finish_non_exhaustive()
    }
}

/// The state that a read refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// After a sealed, certified block, within the window of recent states.
    Block(u64),
    /// After a flashblock of the tree, or the newest certified one.
    Flashblock(Digest),
}

/// An account as `eth_getProof` and the pool see it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccountState {
    /// Nonce.
    pub nonce: u64,
    /// Balance, wei.
    pub balance: U256,
    /// keccak256 of the code.
    pub code_hash: B256,
}

/// A message call that changes nothing (`eth_call`, `eth_estimateGas`).
#[derive(Debug, Clone, Default)]
pub struct CallRequest {
    /// Caller.
    pub from: Address,
    /// Callee; `None` creates.
    pub to: Option<Address>,
    /// Gas limit.
    pub gas: u64,
    /// Gas price, wei; 0 skips fee checks.
    pub gas_price: u128,
    /// Value, wei.
    pub value: U256,
    /// Input.
    pub input: Bytes,
    /// EIP-2930 access list.
    pub access_list: alloy_eips::eip2930::AccessList,
    /// EIP-7702 authorizations.
    pub authorizations: Vec<alloy_eips::eip7702::SignedAuthorization>,
}

/// How a message call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome {
    /// Return data and gas used.
    Success {
        /// Return data.
        output: Bytes,
        /// Gas used, refunds subtracted.
        gas_used: u64,
    },
    /// Reverted with data.
    Revert {
        /// Revert data.
        output: Bytes,
        /// Gas used.
        gas_used: u64,
    },
    /// Halted (out of gas, invalid opcode, ...).
    Halt {
        /// Why.
        reason: String,
        /// Gas used.
        gas_used: u64,
    },
    /// Could not start: the caller can't pay.
    InsufficientFunds {
        /// The caller's balance, wei.
        balance: U256,
        /// Gas limit times gas price, plus value, wei.
        cost: U256,
    },
    /// Could not start for another reason (gas limit too high, too little for the input, ...).
    Invalid(String),
}

/// An EIP-1186 proof against the latest certified block.
#[derive(Debug, Clone)]
pub struct AccountProof {
    /// The account.
    pub account: AccountState,
    /// Root of its storage trie.
    pub storage_root: B256,
    /// Nodes from the state root to the account.
    pub account_proof: Vec<Bytes>,
    /// For each asked slot: key, value, nodes from the storage root.
    pub storage_proofs: Vec<(B256, U256, Vec<Bytes>)>,
}

/// Executes flashblocks. Every method is synchronous and may be called from any thread.
pub trait ExecutionEngine: Send + Sync + 'static {
    /// The newest certified position (genesis at first).
    fn certified(&self) -> Position;

    /// The header of the newest sealed, certified block.
    fn head(&self) -> Arc<Header>;

    /// The outcome of a flashblock of the tree or of the newest certified one.
    fn executed(&self, digest: Digest) -> Option<Arc<Executed>>;

    /// Starts the flashblock after `parent`: opens a block with `attributes` if the parent sealed its own, else
    /// continues the open one with `None`.
    fn draft(&self, parent: Digest, attributes: Option<&BlockAttributes>) -> Result<Box<dyn Draft>, EngineError>;

    /// Puts a finished draft into the tree under its flashblock's digest and height. Idempotent.
    fn adopt(&self, digest: Digest, height: u64, finished: Finished) -> Result<Arc<Executed>, EngineError>;

    /// Makes an adopted child of [`Self::certified`] the certified one, discards everything that doesn't descend from
    /// it, and writes `extra` and the engine's own changes in one durable atomic batch before it returns.
    fn commit(&self, digest: Digest, extra: Batch) -> Result<(), EngineError>;

    /// Drops one uncertified flashblock and its descendants (its view was nullified).
    fn discard(&self, digest: Digest);

    /// The header of the block that is open (or was sealed) at this flashblock, as far as it is known: for a sealed one
    /// the header itself, for an open one number, timestamp, base fee, gas limit and the other environment fields.
    fn block_header(&self, at: At) -> Result<Arc<Header>, EngineError>;

    /// The accounts that a flashblock of the tree changed, as they are after it, in the order of their addresses. Empty
    /// for the one that the engine started from.
    fn changed(&self, digest: Digest) -> Result<Vec<(Address, AccountState)>, EngineError>;

    /// An account; `None` if it doesn't exist.
    fn account(&self, at: At, address: Address) -> Result<Option<AccountState>, EngineError>;

    /// Code of an account.
    fn code(&self, at: At, address: Address) -> Result<Bytes, EngineError>;

    /// A storage slot.
    fn storage(&self, at: At, address: Address, slot: U256) -> Result<U256, EngineError>;

    /// Runs a message call on a state without changing it.
    fn call(&self, at: At, request: &CallRequest) -> Result<CallOutcome, EngineError>;

    /// EIP-1186 proof at the newest sealed, certified block.
    fn proof(&self, address: Address, slots: &[B256]) -> Result<AccountProof, EngineError>;

    /// What L1 charges for transactions' data on this state.
    fn l1_fees(&self, at: At) -> Result<L1Fees, EngineError>;
}
