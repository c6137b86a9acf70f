//! How transactions become state.

pub mod engine;
pub mod store;

pub use engine::{
    AccountProof, AccountState, At, BlockAttributes, CallOutcome, CallRequest, Draft, EngineError, Executed,
    ExecutedTransaction, ExecutionEngine, Finished, Rejection, SealedBlock,
};
pub use store::{Batch, Store, StoreError, Table};
