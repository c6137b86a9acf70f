//! One operator.

pub mod feed;
pub mod gossip;
pub mod rpc;
