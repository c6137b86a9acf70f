//! What tests outside this crate need of a node: a real chain in memory, its verdicts, and its RPC without a socket.

pub use crate::{
    application::testing::{Judgement, judge},
    ledger::fixture::{Fixture, account, certificate, logger, sign, sign_with_gas, spec},
    rpc::testing::Rpc,
};
