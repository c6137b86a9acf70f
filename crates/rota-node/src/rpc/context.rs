//! What every namespace shares: the node's parts, the limits, the meaning of block tags, and the gate through which
//! blocking work goes.

use super::{PoolView, RpcError, StatusSource, Submit, connections::Connections, stages::Stages};
use crate::{
    feed::Feed,
    ledger::{Block, Ledger, LogLimits},
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use rota_execution::{At, EngineError, ExecutionEngine};
use rota_types::ChainSpec;
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// The node's parts that the RPC reads and writes to.
#[derive(Clone)]
pub struct RpcContext {
    /// The chain.
    pub spec: Arc<ChainSpec>,
    /// What is certified.
    pub ledger: Arc<Ledger>,
    /// State.
    pub engine: Arc<dyn ExecutionEngine>,
    /// What happens.
    pub feed: Feed,
    /// The pool.
    pub pool: Arc<dyn PoolView>,
    /// Admission.
    pub submit: Arc<dyn Submit>,
    /// The node about itself.
    pub status: Arc<dyn StatusSource>,
    /// Limits.
    pub limits: RpcLimits,
}

impl std::fmt::Debug for RpcContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RpcContext").field("ledger", &self.ledger).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// What one client, and all together, may ask for.
#[derive(Debug, Clone)]
pub struct RpcLimits {
    /// Bytes of one request (or batch).
    pub request_bytes: u32,
    /// Bytes of one answer (or batch of answers).
    pub response_bytes: u32,
    /// Calls in one batch.
    pub batch: u32,
    /// Connections; a new one ends the oldest of whoever has most.
    pub connections: u32,
    /// Bytes of answers that clients have not read yet; beyond it nothing is computed, and the connection ends that has
    /// most of them.
    pub unread_bytes: usize,
    /// Subscriptions of one connection.
    pub subscriptions: u32,
    /// Calls that read state or disk at one moment; more of them queue.
    pub concurrent_calls: usize,
    /// Calls that may queue for that; more of them are refused.
    pub queued_calls: usize,
    /// Gas of one message call.
    pub call_gas: u64,
    /// What a log query may cost.
    pub logs: LogLimits,
    /// How long `eth_sendRawTransactionSync` waits by default (EIP-7966).
    pub sync_timeout: Duration,
    /// How long it waits at most.
    pub max_sync_timeout: Duration,
    /// Origins that browsers may call from; `*` for all (a wallet needs that).
    pub cors_origins: Vec<String>,
}

impl Default for RpcLimits {
    /// A flashblock in hex is 2 MB; a full block with transactions about 10 MB. Two cores, so few calls at one moment.
    fn default() -> Self {
        Self {
            request_bytes: 2 << 20,
            response_bytes: 32 << 20,
            batch: 100,
            connections: 500,
            unread_bytes: 256 << 20,
            subscriptions: 32,
            concurrent_calls: 4,
            queued_calls: 1_024,
            call_gas: 50_000_000,
            logs: LogLimits::default(),
            sync_timeout: Duration::from_secs(10),
            max_sync_timeout: Duration::from_secs(60),
            cors_origins: vec!["*".into()],
        }
    }
}

/// The state that a block parameter names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A sealed block.
    Sealed(u64),
    /// The certified flashblocks of the open block.
    Pending,
}

/// Numbers of the newest blocks that L1 has decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Derived {
    /// In L1 blocks at the confirmation depth.
    pub(super) safe: u64,
    /// In finalized L1 blocks.
    pub(super) finalized: u64,
}

/// The context and what the RPC keeps itself. Cheap to clone.
#[derive(Clone)]
pub(super) struct Rpc {
    pub(super) context: RpcContext,
    pub(super) stages: Arc<Stages>,
    pub(super) connections: Connections,
    gate: Arc<Gate>,
}

/// Bounds the blocking work: consensus and execution share the cores with it.
struct Gate {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

impl std::ops::Deref for Rpc {
    type Target = RpcContext;

    fn deref(&self) -> &RpcContext {
        &self.context
    }
}

impl Rpc {
    pub(super) fn new(context: RpcContext, stages: Arc<Stages>) -> Self {
        let RpcLimits { connections, unread_bytes, concurrent_calls, queued_calls, .. } = context.limits;
        let connections = Connections::new(connections as usize, unread_bytes);
        let gate = Arc::new(Gate {
            running: Arc::new(Semaphore::new(concurrent_calls.max(1))),
            admitted: Arc::new(Semaphore::new(concurrent_calls.max(1) + queued_calls)),
        });
        Self { context, stages, connections, gate }
    }

    /// Runs work that reads disk or executes code, when its turn comes.
    pub(super) async fn blocking<T, F>(&self, work: F) -> Result<T, RpcError>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> Result<T, RpcError> + Send + 'static,
    {
        let busy = |_| RpcError::Limit("too many calls at once, try again".into());
        let admitted = self.gate.admitted.clone().try_acquire_owned().map_err(busy)?;
        let closed = RpcError::Internal("call gate closed");
        let Ok(running) = self.gate.running.clone().acquire_owned().await else { return Err(closed) };
        if !self.connections.has_room() {
            return Err(RpcError::Limit("too many answers are not read yet, try again".into()));
        }
        let rpc = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let result = work(&rpc);
            drop((admitted, running));
            result
        });
        task.await.unwrap_or(Err(RpcError::Internal("call panicked")))
    }

    /// What a block parameter names; `None` if there is no such block here.
    pub(super) fn target(&self, id: BlockId) -> Result<Option<Target>, RpcError> {
        let head = self.ledger.head().number();
        let genesis = self.spec.rollup.genesis.l2.number;
        Ok(match id {
            BlockId::Hash(hash) => self.ledger.block_number(&hash.block_hash)?.map(Target::Sealed),
            BlockId::Number(BlockNumberOrTag::Number(number)) => {
                (genesis..=head).contains(&number).then_some(Target::Sealed(number))
            }
            BlockId::Number(BlockNumberOrTag::Latest) => Some(Target::Sealed(head)),
            BlockId::Number(BlockNumberOrTag::Pending) => Some(Target::Pending),
            BlockId::Number(BlockNumberOrTag::Earliest) => Some(Target::Sealed(genesis)),
            BlockId::Number(BlockNumberOrTag::Safe) => Some(Target::Sealed(self.derived().safe)),
            BlockId::Number(BlockNumberOrTag::Finalized) => Some(Target::Sealed(self.derived().finalized)),
        })
    }

    /// The newest blocks that L1 has made safe and final; genesis until known.
    pub(super) fn derived(&self) -> Derived {
        let status = self.status.status();
        let (genesis, head) = (self.spec.rollup.genesis.l2.number, self.ledger.head().number());
        let known = |number: Option<u64>| number.unwrap_or(genesis).clamp(genesis, head);
        Derived { safe: known(status.safe), finalized: known(status.finalized) }
    }

    /// Reads state at a block parameter.
    pub(super) fn read<T>(&self, id: BlockId, read: impl Fn(At) -> Result<T, EngineError>) -> Result<T, RpcError> {
        match self.target(id)?.ok_or(RpcError::UnknownBlock)? {
            Target::Sealed(number) => Ok(read(At::Block(number))?),
            Target::Pending => {
                // The certified tip may move on between asking for it and reading there.
                let mut result = read(At::Flashblock(self.engine.certified().digest));
                for _ in 0..3 {
                    if !matches!(result, Err(EngineError::UnknownFlashblock(_))) {
                        break;
                    }
                    result = read(At::Flashblock(self.engine.certified().digest));
                }
                Ok(result?)
            }
        }
    }

    /// The sealed block that a parameter names (`pending` names none).
    pub(super) fn sealed_block(&self, id: BlockId) -> Result<Option<Arc<Block>>, RpcError> {
        match self.target(id)? {
            Some(Target::Sealed(number)) => Ok(self.ledger.block(number)?),
            Some(Target::Pending) | None => Ok(None),
        }
    }
}
