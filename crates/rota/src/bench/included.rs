//! Which transactions are in, as a client hears of it: by flashblocks at an operator, by blocks at a stock node.

use super::{
    cluster::{Cluster, flashblocks},
    latency::hashes,
};
use alloy_primitives::B256;
use eyre::WrapErr as _;
use jsonrpsee::{
    core::client::{ClientT as _, Subscription, SubscriptionClientT as _},
    rpc_params,
    ws_client::WsClient,
};
use serde_json::Value;
use std::{sync::Arc, time::Instant};
use tokio::sync::mpsc::{self, UnboundedReceiver};

/// Hashes that are in, and when the client heard of it; an error ends it.
pub(super) type Included = UnboundedReceiver<eyre::Result<(Vec<B256>, Instant)>>;

/// Listens at a node of the cluster.
pub(super) async fn included(cluster: &Cluster, client: &Arc<WsClient>) -> eyre::Result<Included> {
    let stock = cluster.is_stock();
    let mut news: Subscription<Value> = match stock {
        false => flashblocks(client).await?,
        true => client.subscribe("eth_subscribe", rpc_params!["newHeads"], "eth_unsubscribe").await?,
    };
    let (sender, receiver) = mpsc::unbounded_channel();
    let client = client.clone();
    tokio::spawn(async move {
        while let Some(news) = news.next().await {
            let at = Instant::now();
            let said = match news {
                Ok(head) if stock => of_block(&client, &head).await,
                other => other.map(|flashblock| hashes(&flashblock)).wrap_err("the subscription failed"),
            };
            // Nobody listens any more when the rate's time is over.
            if sender.send(said.map(|hashes| (hashes, at))).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// The transactions of a block whose header a stock node has sent.
async fn of_block(client: &WsClient, head: &Value) -> eyre::Result<Vec<B256>> {
    let block: Value = client.request("eth_getBlockByHash", rpc_params![&head["hash"], false]).await?;
    Ok(serde_json::from_value(block["transactions"].clone())?)
}
