//! Fuzz targets for every decoder, driven on stable Rust.
//!
//! A [`Target`] takes any bytes, asserts what must hold of the decoder, and says whether it accepted them. [`run`]
//! mutates golden seeds and the committed corpus (`fuzz/corpus`) deterministically: `cargo test -p rota-fuzz` runs each
//! target briefly, `make fuzz` each for a minute, keeping inputs that were refused for a new reason or accepted at a new
//! length. A failure prints the input that made it. `docs/hostile-input.md` says which decoder is under which target.

mod batch;
mod consensus;
pub mod corpus;
mod disk;
mod driver;
mod endpoint;
mod files;
mod l1;
mod l1_http;
mod node;
mod rpc;
mod types;
mod verifier;

use std::fmt::Display;

pub use driver::{Report, run};

/// One decoder under attack.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Executions in an ordinary test run.
    pub executions: u64,
    /// Inputs that the decoder accepts, to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Feeds one input, panics if an invariant breaks, and returns what the decoder made of it.
    pub feed: fn(&[u8]) -> Outcome,
}

/// Accepted, or why not.
pub type Outcome = Result<(), String>;

/// The reason of a refusal.
fn refused(error: impl Display) -> String {
    error.to_string()
}

/// Every target.
pub const TARGETS: &[Target] = &[
    types::FLASHBLOCK,
    types::BODY,
    types::CERTIFICATE,
    types::TRANSACTION,
    types::BRANCH_JSON,
    types::SPEC_JSON,
    l1::DEPOSIT_LOG,
    l1::CONFIG_LOG,
    l1::L1_INFO,
    node::GOSSIP,
    batch::FRAMES,
    batch::BLOB,
    batch::CHANNEL,
    batch::SPAN_BATCH,
    consensus::BLOCK,
    consensus::VOTES,
    consensus::CERTIFICATES,
    consensus::WELCOME,
    verifier::VERIFIER,
    l1::REGISTRY_LOG,
    l1_http::L1_JSON,
    l1_http::BEACON_JSON,
    rpc::RPC,
    files::CONFIG_TOML,
    files::KEYSTORE,
    disk::LEDGER_ROW,
    disk::RESTART,
];
