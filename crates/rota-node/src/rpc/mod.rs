//! What wallets, integrators and operators ask a node: JSON-RPC over HTTP and WebSocket on one port.
//!
//! Tags: `latest` is the last sealed, certified block; `pending` the certified flashblocks of the open block on top of
//! it (its nonces include the pool); `safe` and `finalized` are those that L1 has, genesis until known. One file for each concern:
//! blocks and transactions, state, fees, logs, submission, subscriptions, `rota_`, `optimism_`, `net_` and `web3_`.

mod batches;
mod blocks;
mod connections;
mod context;
mod errors;
mod estimate;
mod fees;
#[cfg(test)]
mod flood;
mod logs;
mod net_web3;
mod optimism;
mod rota;
mod seams;
mod server;
mod socket;
mod stages;
mod state;
mod submit;
mod subscriptions;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod types;

pub use connections::Ended;
pub use context::{RpcContext, RpcLimits};
pub use errors::RpcError;
pub use rota::{
    CertificateAnswer, FlashblockAnswer, HeadsAnswer, OperatorAnswer, OutcomeAnswer, ScheduleAnswer, StatusAnswer,
    TransactionStatus, TrustAnswer, TurnAnswer,
};
pub use seams::{L1BlockRef, L1Status, NodeStatus, PoolSize, PoolView, Role, StatusSource, Submit, SubmitError};
pub use server::{RpcServer, serve};
pub use stages::{StageChange, StageUpdate, TrackedTransaction};
