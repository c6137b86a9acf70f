//! One operator.

pub mod config;
pub mod feed;
pub mod gossip;
pub mod health;
pub mod ledger;
pub mod rpc;
