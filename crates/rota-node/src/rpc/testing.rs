//! The RPC over a chain in memory, without a socket.

use super::{
    NodeStatus, PoolSize, PoolView, RpcContext, RpcLimits, StatusSource, Submit, SubmitError, context, server,
    stages::Stages,
};
use crate::ledger::fixture::Fixture;
use alloy_primitives::{Address, B256, Bytes};
use futures::{FutureExt as _, future::BoxFuture};
use jsonrpsee::RpcModule;
use rota_types::Transaction;
use std::sync::Arc;

/// Messages of subscriptions that wait to be read.
const BUFFER: usize = 16;

/// Decodes what is submitted, and keeps nothing.
struct Nobody;

impl PoolView for Nobody {
    fn get(&self, _: &B256) -> Option<Arc<Transaction>> {
        None
    }

    fn next_nonce(&self, _: &Address) -> Option<u64> {
        None
    }

    fn size(&self) -> PoolSize {
        PoolSize::default()
    }
}

impl Submit for Nobody {
    fn submit(&self, raw: Bytes) -> BoxFuture<'static, Result<B256, SubmitError>> {
        let result = Transaction::decode(raw).map(|transaction| transaction.hash()).map_err(SubmitError::from);
        async move { result }.boxed()
    }
}

impl StatusSource for Nobody {
    fn status(&self) -> NodeStatus {
        NodeStatus::default()
    }
}

/// A node that has this chain, and nothing else.
pub(super) fn context(fixture: &Fixture, limits: RpcLimits) -> RpcContext {
    RpcContext {
        spec: fixture.spec.clone(),
        ledger: fixture.ledger.clone(),
        engine: fixture.engine.clone(),
        feed: fixture.feed.clone(),
        pool: Arc::new(Nobody),
        submit: Arc::new(Nobody),
        status: Arc::new(Nobody),
        limits,
    }
}

/// Every method that a node serves.
#[derive(Debug)]
pub struct Rpc(RpcModule<()>);

impl Rpc {
    /// The methods over this chain; call, as [`Self::answer`], inside a tokio runtime.
    pub fn new(fixture: &Fixture, limits: RpcLimits) -> Self {
        let rpc = context::Rpc::new(context(fixture, limits), Arc::new(Stages::new()));
        Self(server::methods(rpc).expect("names of methods differ"))
    }

    /// The answer to one request; subscriptions end at once.
    ///
    /// # Errors
    /// If the text is no request.
    pub async fn answer(&self, request: &str) -> Result<String, serde_json::Error> {
        self.0.raw_json_request(request, BUFFER).await.map(|(answer, _)| answer.get().to_owned())
    }
}
