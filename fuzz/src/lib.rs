//! Fuzz targets for every decoder, driven on stable Rust.
//!
//! A [`Target`] takes any bytes, asserts what must hold of the decoder, and says whether it accepted them. [`run`]
//! mutates golden seeds deterministically: `cargo test -p rota-fuzz` runs each target briefly, `cargo run --release -p
//! rota-fuzz -- TARGET SECONDS` as long as you like. A failure prints the input that made it.

mod batch;
mod driver;
mod l1;
mod node;
mod types;

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
    /// Feeds one input, panics if an invariant breaks, and returns whether the decoder accepted it.
    pub feed: fn(&[u8]) -> bool,
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
];
