//! Signed transfers at a steady rate, and what became of them.

use super::{
    cluster::{Cluster, ms},
    latency::hashes,
};
use alloy_primitives::{B256, Bytes};
use alloy_signer_local::PrivateKeySigner;
use jsonrpsee::{
    core::{client::ClientT, params::BatchRequestBuilder},
    rpc_params,
    ws_client::WsClient,
};
use serde_json::Value;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// Transactions are offered in steps of this length: those for one operator as a JSON-RPC batch.
pub(super) const STEP: Duration = Duration::from_millis(10);
/// Calls in one batch: the most that an operator takes.
const BATCH: usize = 100;
/// Senders: so many that the pool's limit for one sender is not what is measured.
pub(super) const SENDERS: usize = 100;

/// Transactions that were not taken.
type Refused = Vec<B256>;

/// A transaction that waits to be sent: by which client, its hash, its bytes.
type Signed = (usize, B256, Bytes);

/// A load: transfers of many senders in turn, each sender always by the same client.
pub(super) struct Load {
    clients: Vec<Arc<WsClient>>,
    /// With the nonce that is next.
    senders: Vec<(PrivateKeySigner, u64)>,
    /// Transactions per second.
    rate: usize,
    since: Instant,
    signed: VecDeque<Signed>,
    /// Transactions that were ever signed.
    made: usize,
    answers: (UnboundedSender<Refused>, UnboundedReceiver<Refused>),
    waiting: HashMap<B256, Instant>,
    /// Transactions that were sent.
    pub(super) sent: usize,
    /// Those of them that were not taken: no hash was returned.
    pub(super) refused: usize,
}

impl Load {
    /// Offers nothing before [`Self::start`].
    pub(super) async fn new(
        cluster: &Cluster,
        clients: &[Arc<WsClient>],
        senders: &[PrivateKeySigner],
        rate: usize,
    ) -> eyre::Result<Self> {
        let mut with_nonces = Vec::with_capacity(senders.len());
        for sender in senders {
            with_nonces.push((sender.clone(), cluster.nonce(0, sender.address()).await?));
        }
        Ok(Self {
            clients: clients.to_vec(),
            senders: with_nonces,
            rate,
            since: Instant::now(),
            signed: VecDeque::new(),
            made: 0,
            answers: mpsc::unbounded_channel(),
            waiting: HashMap::new(),
            sent: 0,
            refused: 0,
        })
    }

    /// Signs beforehand, so that it is not done while others are measured.
    pub(super) fn sign(&mut self, cluster: &Cluster, count: usize) -> eyre::Result<()> {
        for _ in 0..count {
            let from = self.made % self.senders.len();
            let (sender, nonce) = &mut self.senders[from];
            let (hash, raw) = cluster.transfer(sender, *nonce, sender.address())?;
            *nonce += 1;
            self.made += 1;
            self.signed.push_back((from % self.clients.len(), hash, raw));
        }
        Ok(())
    }

    /// From now on transactions become due.
    pub(super) fn start(&mut self) {
        self.since = Instant::now();
    }

    /// Sends what is due by now, but not more than `limit` in all; signs what is not signed yet.
    pub(super) fn offer(&mut self, cluster: &Cluster, limit: usize) -> eyre::Result<()> {
        let due = (self.since.elapsed().as_secs_f64() * self.rate as f64) as usize;
        let mut offered: Vec<Vec<(B256, Bytes)>> = vec![Vec::new(); self.clients.len()];
        while self.sent < due.min(limit) {
            if self.signed.is_empty() {
                self.sign(cluster, 1)?;
            }
            let Some((client, hash, raw)) = self.signed.pop_front() else { break };
            self.sent += 1;
            self.waiting.insert(hash, Instant::now());
            offered[client].push((hash, raw));
        }
        for (client, offered) in self.clients.iter().zip(offered) {
            for batch in offered.chunks(BATCH) {
                let (client, answers, batch) = (client.clone(), self.answers.0.clone(), batch.to_vec());
                tokio::spawn(async move {
                    // The receiver outlives every sender unless the benchmark failed already.
                    let _ = answers.send(send(&client, batch).await);
                });
            }
        }
        Ok(())
    }

    /// Takes the next answer of a node.
    pub(super) async fn answered(&mut self) {
        // Never the end: a sender is kept beside the receiver.
        for hash in self.answers.1.recv().await.into_iter().flatten() {
            if self.waiting.remove(&hash).is_some() {
                self.refused += 1;
            }
        }
    }

    /// Takes note of a certified flashblock that a client heard of at `now`; returns the milliseconds since each of its
    /// transactions was sent.
    pub(super) fn certified(&mut self, flashblock: &Value, now: Instant) -> Vec<f64> {
        self.included(hashes(flashblock), now)
    }

    /// The same by the transactions' hashes.
    pub(super) fn included(&mut self, hashes: Vec<B256>, now: Instant) -> Vec<f64> {
        let sent = hashes.into_iter().filter_map(|hash| self.waiting.remove(&hash));
        sent.map(|sent| ms(now - sent)).collect()
    }

    /// Transactions that were sent, not refused, and are not certified (yet).
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

/// Sends transactions as one batch; returns those that were not taken.
async fn send(client: &WsClient, batch: Vec<(B256, Bytes)>) -> Refused {
    let mut request = BatchRequestBuilder::new();
    let made = batch.iter().try_for_each(|(_, raw)| request.insert("eth_sendRawTransaction", rpc_params![raw]));
    let answers = match made {
        Ok(()) => client.batch_request::<B256>(request).await.ok(),
        Err(_) => None,
    };
    let hashes = batch.iter().map(|(hash, _)| *hash);
    match answers {
        Some(answers) => hashes.zip(answers).filter(|(_, answer)| answer.is_err()).map(|(hash, _)| hash).collect(),
        None => hashes.collect(),
    }
}
