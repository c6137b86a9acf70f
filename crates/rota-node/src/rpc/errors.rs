//! Errors in the codes and words that wallets match on (EIP-1474, geth).

use super::SubmitError;
use crate::ledger::{LedgerError, LogsError};
use alloy_primitives::{Address, B256, Bytes, U256, hex};
use alloy_sol_types::{Panic, Revert, SolError};
use jsonrpsee::types::{ErrorObject, ErrorObjectOwned};
use rota_execution::EngineError;

/// Invalid parameters.
const INVALID_PARAMS: i32 = -32602;
/// Anything that geth answers without a code of its own.
const SERVER_ERROR: i32 = -32000;
/// More than this node serves at once.
const LIMIT_EXCEEDED: i32 = -32005;
/// Our fault.
const INTERNAL: i32 = -32603;
/// `execution reverted`, with the revert data.
const REVERTED: i32 = 3;
/// EIP-7966: not included within the timeout, with the hash.
const TIMEOUT: i32 = 4;

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// The parameters make no sense.
    #[error("{0}")]
    InvalidParams(String),
    /// The named block isn't here.
    #[error("header not found")]
    UnknownBlock,
    /// A call that could not start or halted, in geth's words.
    #[error("{0}")]
    Call(String),
    /// A call whose sender can't pay for it.
    #[error("insufficient funds for gas * price + value: address {from} have {balance} want {cost}")]
    InsufficientFunds {
        /// The sender.
        from: Address,
        /// Its balance, wei.
        balance: U256,
        /// What the call may cost, wei.
        cost: U256,
    },
    /// A call that reverted.
    #[error("{}", revert_message(.0))]
    Reverted(Bytes),
    /// A transaction that was not admitted.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// Admitted, but not in a sealed block in time.
    #[error("the transaction was added to the pool but wasn't included within {seconds} s")]
    Timeout {
        /// The transaction.
        hash: B256,
        /// How long was waited.
        seconds: f32,
    },
    /// Too much was asked.
    #[error("{0}")]
    Limit(String),
    /// The engine has no answer.
    #[error(transparent)]
    Engine(EngineError),
    /// The ledger has no answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Something else broke here.
    #[error("{0}")]
    Internal(&'static str),
}

impl From<EngineError> for RpcError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::UnknownBlock(_) => Self::UnknownBlock,
            other => Self::Engine(other),
        }
    }
}

impl From<LogsError> for RpcError {
    fn from(error: LogsError) -> Self {
        match error {
            LogsError::Limit { .. } => Self::Limit(error.to_string()),
            LogsError::Ledger(error) => Self::Ledger(error),
        }
    }
}

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        let message = error.to_string();
        match error {
            RpcError::InvalidParams(_) => Self::owned(INVALID_PARAMS, message, None::<()>),
            RpcError::UnknownBlock | RpcError::Call(_) | RpcError::InsufficientFunds { .. } => {
                Self::owned(SERVER_ERROR, message, None::<()>)
            }
            RpcError::Reverted(data) => Self::owned(REVERTED, message, Some(data)),
            RpcError::Submit(SubmitError::NotReplicated(hash)) => Self::owned(SERVER_ERROR, message, Some(hash)),
            RpcError::Submit(SubmitError::PoolFull) => Self::owned(LIMIT_EXCEEDED, message, None::<()>),
            RpcError::Submit(_) => Self::owned(SERVER_ERROR, message, None::<()>),
            RpcError::Timeout { hash, .. } => Self::owned(TIMEOUT, message, Some(hash)),
            RpcError::Limit(_) => Self::owned(LIMIT_EXCEEDED, message, None::<()>),
            RpcError::Engine(EngineError::StatePruned) => Self::owned(SERVER_ERROR, message, None::<()>),
            RpcError::Engine(_) | RpcError::Ledger(_) | RpcError::Internal(_) => {
                tracing::error!(error = message, "rpc call failed");
                Self::owned(INTERNAL, "internal error", None::<()>)
            }
        }
    }
}

/// `execution reverted`, with Solidity's reason if there is one.
fn revert_message(output: &Bytes) -> String {
    if let Ok(revert) = Revert::abi_decode(output) {
        return format!("execution reverted: {}", revert.reason);
    }
    match Panic::abi_decode(output) {
        Ok(panic) => format!("execution reverted: {panic}"),
        Err(_) => "execution reverted".into(),
    }
}

/// The error for a parameter that does not parse.
pub(super) fn invalid(what: &str) -> RpcError {
    RpcError::InvalidParams(format!("invalid {what}"))
}

/// The error object for a subscription that can't be served.
pub(super) fn refuse_subscription(what: &str) -> ErrorObjectOwned {
    ErrorObject::owned(INVALID_PARAMS, format!("no {what:?} subscription"), None::<()>)
}

/// Reads 32 bytes of hex.
pub(super) fn parse_hash(text: &str) -> Option<B256> {
    let mut hash = B256::ZERO;
    hex::decode_to_slice(text, hash.as_mut_slice()).ok().map(|()| hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(error: impl Into<RpcError>) -> i32 {
        ErrorObjectOwned::from(error.into()).code()
    }

    #[test]
    fn a_revert_carries_its_reason_and_data() {
        let data = Bytes::from(Revert::from("too late").abi_encode());
        let error = ErrorObjectOwned::from(RpcError::Reverted(data.clone()));
        assert_eq!(error.code(), 3);
        assert_eq!(error.message(), "execution reverted: too late");
        assert_eq!(error.data().map(|raw| raw.get().to_owned()), Some(format!("\"{data}\"")));
        assert_eq!(RpcError::Reverted(Bytes::new()).to_string(), "execution reverted");
    }

    #[test]
    fn refused_transactions_speak_geths_words() {
        let starts = |error: SubmitError, words: &str| assert!(error.to_string().starts_with(words), "{error}");
        starts(SubmitError::NonceTooLow { next: 5, found: 3 }, "nonce too low");
        starts(
            SubmitError::InsufficientFunds { balance: U256::ZERO, cost: U256::from(1) },
            "insufficient funds for gas * price + value",
        );
        starts(SubmitError::ReplacementUnderpriced, "replacement transaction underpriced");
        starts(SubmitError::AlreadyKnown, "already known");
        starts(SubmitError::Underpriced("tip 0".into()), "transaction underpriced");
        assert_eq!(code(SubmitError::AlreadyKnown), -32000);
    }

    #[test]
    fn internal_errors_tell_nothing() {
        let error = ErrorObjectOwned::from(RpcError::Ledger(LedgerError::Corrupt("secret path".into())));
        assert_eq!((error.code(), error.message()), (-32603, "internal error"));
    }

    #[test]
    fn limits_and_timeouts_have_their_codes() {
        assert_eq!(code(LogsError::Limit { limit: 1, what: "results" }), -32005);
        assert_eq!(code(RpcError::Timeout { hash: B256::ZERO, seconds: 1.0 }), 4);
    }
}
