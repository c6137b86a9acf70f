//! What wallets, integrators and operators ask a node: JSON-RPC over HTTP and WebSocket on one port.

mod seams;

pub use seams::{L1BlockRef, L1Status, NodeStatus, PoolSize, PoolView, Role, StatusSource, Submit, SubmitError};
