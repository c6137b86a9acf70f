//! Consensus on the deterministic runtime: an in-memory network of many nodes.

pub mod host;
mod network;
mod scheme;

pub use network::{Link, Network, Transport};
pub use scheme::Signing;
#[cfg(test)]
pub(crate) use scheme::SimScheme;
