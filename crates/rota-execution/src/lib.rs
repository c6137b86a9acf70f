//! How transactions become state.

mod code;
mod database;
mod draft;
mod embedded;
pub mod engine;
mod environment;
mod executor;
mod genesis;
mod history;
mod l1_fees;
mod meter;
mod reads;
mod receipt;
mod seal;
mod state;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod trie;
mod view;

pub use embedded::EmbeddedEngine;

pub use engine::{
    AccountProof, AccountState, At, BlockAttributes, CallOutcome, CallRequest, Draft, EngineError, Executed,
    ExecutedTransaction, ExecutionEngine, Finished, Rejection, SealedBlock,
};
pub use genesis::genesis_header;
pub use l1_fees::{L1Fees, estimated_size};
pub use store::{Batch, Entry, FjallStore, MemoryStore, Store, StoreError, Table};
