//! Subscriptions over WebSocket: `eth_subscribe` (newHeads, logs, at seals) and `rota_subscribe` (flashblocks, stages).
//!
//! A subscriber that reads slowly holds up nobody: heads and logs are caught up from the ledger; one that falls too
//! far behind is closed.

use super::{
    RpcError,
    context::Rpc,
    errors::{invalid, refuse_subscription},
    logs::check_filter,
    rota::parse_reference,
    stages::{StageUpdate, unix_ms},
    types,
};
use crate::{
    feed::FeedEvent,
    ledger::{Block, block_logs},
};
use alloy_primitives::B256;
use alloy_rpc_types_eth::Filter;
use jsonrpsee::{
    PendingSubscriptionSink, SubscriptionMessage, SubscriptionSink,
    core::{SubscriptionResult, to_json_raw_value},
    proc_macros::rpc,
};
use rota_execution::Executed;
use rota_types::{Digest, Flashblock, Header, Stage};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::sync::broadcast::error::RecvError;

/// Blocks that a subscriber may be behind before it is closed.
const MAX_BEHIND: u64 = 256;

/// How long a subscription waits when too many calls run.
const RETRY: Duration = Duration::from_millis(100);

/// Heads and logs.
#[rpc(server, namespace = "eth")]
pub(super) trait EthSubscriptions {
    /// `newHeads`, or `logs` with a filter.
    #[subscription(name = "subscribe" => "subscription", unsubscribe = "unsubscribe", item = Value)]
    async fn subscribe(&self, kind: String, filter: Option<Value>) -> SubscriptionResult;
}

/// Flashblocks and stages.
#[rpc(server, namespace = "rota")]
pub(super) trait RotaSubscriptions {
    /// `flashblocks`, or `stages` of all transactions or of one (`{"hash": …}`).
    #[subscription(name = "subscribe" => "subscription", unsubscribe = "unsubscribe", item = Value)]
    async fn subscribe(&self, kind: String, options: Option<Value>) -> SubscriptionResult;
}

/// A certified flashblock, as `rota_subscribe("flashblocks")` tells it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FlashblockNews {
    digest: Digest,
    header: Header,
    /// Timestamp of its block, seconds.
    timestamp: u64,
    /// When this node had it certified and durable, Unix milliseconds.
    certified_at: u64,
    transactions: Vec<OutcomeNews>,
}

/// What became of a transaction.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutcomeNews {
    hash: B256,
    success: bool,
    gas_used: u64,
}

impl FlashblockNews {
    fn new(flashblock: &Flashblock, executed: &Executed) -> Self {
        let outcome = |e: &Arc<rota_execution::ExecutedTransaction>| OutcomeNews {
            hash: e.transaction.hash(),
            success: e.receipt.status(),
            gas_used: e.gas_used,
        };
        Self {
            digest: flashblock.digest(),
            header: flashblock.header,
            timestamp: executed.position.timestamp,
            certified_at: unix_ms(),
            transactions: executed.transactions.iter().map(outcome).collect(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StagesOptions {
    hash: Option<String>,
    stage: Option<Stage>,
}

#[jsonrpsee::core::async_trait]
impl EthSubscriptionsServer for Rpc {
    async fn subscribe(
        &self,
        pending: PendingSubscriptionSink,
        kind: String,
        filter: Option<Value>,
    ) -> SubscriptionResult {
        let filter = match kind.as_str() {
            "newHeads" => None,
            "logs" => match parse_filter(filter) {
                Ok(filter) => Some(filter),
                Err(error) => {
                    pending.reject(error).await;
                    return Ok(());
                }
            },
            other => {
                pending.reject(refuse_subscription(other)).await;
                return Ok(());
            }
        };
        // Before accepting: what is sealed from here on is told.
        let next = self.ledger.head().number() + 1;
        let sink = pending.accept().await?;
        let rpc = self.clone();
        tokio::spawn(async move { rpc.follow_blocks(sink, next, filter).await });
        Ok(())
    }
}

#[jsonrpsee::core::async_trait]
impl RotaSubscriptionsServer for Rpc {
    async fn subscribe(
        &self,
        pending: PendingSubscriptionSink,
        kind: String,
        options: Option<Value>,
    ) -> SubscriptionResult {
        match kind.as_str() {
            "flashblocks" => {
                let events = self.feed.subscribe();
                let sink = pending.accept().await?;
                tokio::spawn(follow_flashblocks(sink, events));
            }
            "stages" => {
                let (hash, stage) = match parse_stages(options) {
                    Ok(options) => options,
                    Err(error) => {
                        pending.reject(error).await;
                        return Ok(());
                    }
                };
                let updates = self.stages.subscribe();
                let sink = pending.accept().await?;
                tokio::spawn(follow_stages(sink, updates, hash, stage));
            }
            other => pending.reject(refuse_subscription(other)).await,
        }
        Ok(())
    }
}

impl Rpc {
    /// Sends what every sealed block from `next` on has: its header, or the logs that match.
    async fn follow_blocks(&self, sink: SubscriptionSink, mut next: u64, filter: Option<Filter>) {
        let mut events = self.feed.subscribe();
        loop {
            let head = self.ledger.head().number();
            if head.saturating_sub(next) > MAX_BEHIND {
                return;
            }
            while next <= head {
                let number = next;
                let block = match self.blocking(move |rpc| Ok(rpc.ledger.block(number)?)).await {
                    Ok(Some(block)) => block,
                    // Too many calls at once: the subscription waits, it does not end.
                    Err(RpcError::Limit(_)) => {
                        tokio::time::sleep(RETRY).await;
                        continue;
                    }
                    Ok(None) | Err(_) => return,
                };
                if !send_block(&sink, &block, filter.as_ref()).await {
                    return;
                }
                next += 1;
            }
            loop {
                tokio::select! {
                    () = sink.closed() => return,
                    event = events.recv() => match event {
                        Ok(FeedEvent::Sealed(_)) | Err(RecvError::Lagged(_)) => break,
                        Ok(_) => {}
                        Err(RecvError::Closed) => return,
                    },
                }
            }
        }
    }
}

/// `false` if the subscriber is gone.
async fn send_block(sink: &SubscriptionSink, block: &Block, filter: Option<&Filter>) -> bool {
    let Some(filter) = filter else { return send(sink, &types::header(&block.sealed)).await };
    if !filter.matches_bloom(block.sealed.header.logs_bloom) {
        return true;
    }
    for found in block_logs(&block.sealed).filter(|found| filter.matches(&found.log)) {
        if !send(sink, &types::log(found)).await {
            return false;
        }
    }
    true
}

async fn follow_flashblocks(sink: SubscriptionSink, mut events: tokio::sync::broadcast::Receiver<FeedEvent>) {
    loop {
        tokio::select! {
            () = sink.closed() => return,
            event = events.recv() => match event {
                Ok(FeedEvent::Certified { flashblock, executed }) => {
                    if !send(&sink, &FlashblockNews::new(&flashblock, &executed)).await {
                        return;
                    }
                }
                Ok(_) => {}
                // A gap would go unnoticed otherwise: heights are contiguous within one subscription.
                Err(RecvError::Lagged(_) | RecvError::Closed) => return,
            },
        }
    }
}

async fn follow_stages(
    sink: SubscriptionSink,
    mut updates: tokio::sync::broadcast::Receiver<Arc<Vec<StageUpdate>>>,
    hash: Option<B256>,
    stage: Option<Stage>,
) {
    use super::StageChange;
    loop {
        tokio::select! {
            () = sink.closed() => return,
            batch = updates.recv() => {
                let Ok(batch) = batch else { return };
                let wanted = |update: &&StageUpdate| {
                    hash.is_none_or(|hash| update.hash == hash)
                        && stage.is_none_or(|stage| update.change == StageChange::Stage(stage))
                };
                for update in batch.iter().filter(wanted) {
                    if !send(&sink, update).await {
                        return;
                    }
                }
            }
        }
    }
}

async fn send(sink: &SubscriptionSink, item: &impl Serialize) -> bool {
    match to_json_raw_value(item) {
        Ok(json) => sink.send(SubscriptionMessage::from(json)).await.is_ok(),
        Err(_) => false,
    }
}

fn parse_filter(filter: Option<Value>) -> Result<Filter, RpcError> {
    let filter = match filter {
        None | Some(Value::Null) => Filter::default(),
        Some(filter) => serde_json::from_value(filter).map_err(|_| invalid("log filter"))?,
    };
    check_filter(&filter)?;
    Ok(filter)
}

fn parse_stages(options: Option<Value>) -> Result<(Option<B256>, Option<Stage>), RpcError> {
    let options = match options {
        None | Some(Value::Null) => return Ok((None, None)),
        Some(options) => {
            serde_json::from_value::<StagesOptions>(options).map_err(|_| invalid("options of a stages subscription"))?
        }
    };
    Ok((options.hash.as_deref().map(parse_reference).transpose()?, options.stage))
}
