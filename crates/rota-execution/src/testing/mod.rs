//! What tests and benchmarks of execution need: a development chain, funded accounts, signing, and a driver of blocks.

pub mod accounts;
pub mod attributes;
pub mod bench;
pub mod chain;
pub mod conformance;
pub mod contracts;

pub use accounts::{Request, dev_account};
pub use attributes::attributes;
pub use bench::{BenchReport, bench_engine, bench_engine_on};
pub use chain::{Chain, chain_spec, dev_genesis, rollup_config};
