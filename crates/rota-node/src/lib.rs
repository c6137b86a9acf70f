//! One operator.

pub mod config;
pub mod fatal;
pub mod feed;
pub mod gossip;
pub mod health;
pub mod keys;
pub mod ledger;
pub mod mempool;
pub mod metrics;
pub mod poster;
pub mod rpc;
