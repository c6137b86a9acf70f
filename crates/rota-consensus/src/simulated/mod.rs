//! Consensus on the deterministic runtime: an in-memory network of many nodes.

mod network;

pub use network::{Link, Network, Transport};
