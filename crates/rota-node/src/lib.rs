//! One operator.

mod application;
pub mod config;
pub mod fatal;
pub mod feed;
pub mod gossip;
pub mod health;
pub mod http;
pub mod keys;
pub mod ledger;
pub mod mempool;
pub mod metrics;
pub mod node;
mod overrule;
mod peers;
pub mod poster;
pub mod rpc;
pub mod serve;
pub mod status;
#[cfg(feature = "testing")]
pub mod testing;

pub use config::Config;
pub use node::{Edges, Node, NodeError, Setup};
