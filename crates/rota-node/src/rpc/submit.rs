//! `eth_`: sending transactions.

use super::{RpcError, SubmitError, context::Rpc};
use crate::feed::FeedEvent;
use alloy_primitives::{B256, Bytes};
use jsonrpsee::proc_macros::rpc;
use op_alloy_rpc_types::OpTransactionReceipt;
use std::time::Duration;
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// Sending transactions.
#[rpc(server, namespace = "eth")]
pub(super) trait Submission {
    /// Answers with the hash when enough operators hold the transaction.
    #[method(name = "sendRawTransaction")]
    async fn send_raw(&self, raw: Bytes) -> Result<B256, RpcError>;

    /// Answers with the receipt when the transaction's block is sealed (EIP-7966); `timeout` in milliseconds.
    #[method(name = "sendRawTransactionSync")]
    async fn send_raw_sync(&self, raw: Bytes, timeout: Option<u64>) -> Result<OpTransactionReceipt, RpcError>;
}

#[jsonrpsee::core::async_trait]
impl SubmissionServer for Rpc {
    async fn send_raw(&self, raw: Bytes) -> Result<B256, RpcError> {
        Ok(self.submit.submit(raw).await?)
    }

    async fn send_raw_sync(&self, raw: Bytes, timeout: Option<u64>) -> Result<OpTransactionReceipt, RpcError> {
        let limit = timeout.map_or(self.limits.sync_timeout, Duration::from_millis).min(self.limits.max_sync_timeout);
        // Before submitting, so that no seal is missed.
        let events = self.feed.subscribe();
        let hash = match self.submit.submit(raw).await {
            // A sealed block says more than acknowledgements do.
            Ok(hash) | Err(SubmitError::NotReplicated(hash)) => hash,
            Err(error) => return Err(error.into()),
        };
        match tokio::time::timeout(limit, self.await_seal(hash, events)).await {
            Ok(receipt) => receipt,
            Err(_) => Err(RpcError::Timeout { hash, seconds: limit.as_secs_f32() }),
        }
    }
}

impl Rpc {
    async fn await_seal(&self, hash: B256, mut events: Receiver<FeedEvent>) -> Result<OpTransactionReceipt, RpcError> {
        loop {
            let sealed = match events.recv().await {
                Ok(FeedEvent::Sealed(block)) => block.transactions.iter().any(|t| t.transaction.hash() == hash),
                Ok(FeedEvent::Replaced { old, .. }) if old == hash => {
                    return Err(RpcError::Call("transaction replaced".into()));
                }
                Ok(FeedEvent::Evicted(evicted)) if evicted == hash => {
                    return Err(RpcError::Call("transaction evicted from the pool".into()));
                }
                Ok(_) => false,
                // Some seals were missed: look.
                Err(RecvError::Lagged(_)) => true,
                Err(RecvError::Closed) => return Err(RpcError::Internal("feed closed")),
            };
            if sealed && let Some(receipt) = self.blocking(move |rpc| rpc.receipt(hash)).await? {
                return Ok(receipt);
            }
        }
    }
}
