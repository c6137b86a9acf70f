//! `latency`: from handing a signed transaction to an operator until that operator tells that it is certified.

use super::{
    cluster::{Cluster, flashblocks, ms},
    report::{Figure, Report, Target, quantile},
};
use alloy_primitives::B256;
use eyre::ensure;
use jsonrpsee::{core::client::ClientT, rpc_params};
use serde_json::Value;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Transactions measured.
const SAMPLES: usize = 300;
/// Mean time between two transactions: light load.
const EVERY: Duration = Duration::from_millis(100);

pub(super) async fn run(operators: usize) -> eyre::Result<Report> {
    let cluster = Cluster::up(operators).await?;
    let (sender, to) = (cluster.accounts[0].clone(), cluster.accounts[1].address());
    let client = cluster.ws(0).await?;
    let mut certified = flashblocks(&client).await?;
    let mut nonce = cluster.nonce(0, sender.address()).await?;
    let mut waiting: HashMap<B256, Instant> = HashMap::new();
    let mut samples = Vec::with_capacity(SAMPLES);
    let mut next = tokio::time::Instant::now();
    let deadline = Instant::now() + EVERY * SAMPLES as u32 + Duration::from_secs(30);
    let mut sent = 0;
    let (answers, mut answered) = tokio::sync::mpsc::unbounded_channel();
    let client = std::sync::Arc::new(client);
    while samples.len() < SAMPLES {
        ensure!(Instant::now() < deadline, "{} of {SAMPLES} transactions certified in time", samples.len());
        tokio::select! {
            () = tokio::time::sleep_until(next), if sent < SAMPLES => {
                // Not in step with the pace: uniformly between half and one and a half of the mean.
                next += EVERY / 2 + EVERY.mul_f64(rand::random::<f64>());
                let (hash, raw) = cluster.transfer(&sender, nonce, to)?;
                nonce += 1;
                sent += 1;
                waiting.insert(hash, Instant::now());
                let (client, answers) = (client.clone(), answers.clone());
                tokio::spawn(async move {
                    let answer: Result<B256, _> = client.request("eth_sendRawTransaction", rpc_params![raw]).await;
                    // The receiver outlives every sender unless the benchmark failed already.
                    let _ = answers.send(answer);
                });
            }
            Some(answer) = answered.recv() => {
                answer?;
            }
            Some(flashblock) = certified.next() => {
                let now = Instant::now();
                for hash in hashes(&flashblock?) {
                    if let Some(start) = waiting.remove(&hash) {
                        samples.push(ms(now - start));
                    }
                }
            }
        }
    }
    let figures = vec![
        Figure::new("submit to certified, p50", quantile(&samples, 0.5), "ms").target(Target::AtMost(220.0)),
        Figure::new("submit to certified, p99", quantile(&samples, 0.99), "ms").target(Target::AtMost(400.0)),
        Figure::new("submit to certified, max", quantile(&samples, 1.0), "ms"),
    ];
    let conditions = vec![
        ("operators", operators.to_string()),
        ("network", "loopback".into()),
        ("transactions", SAMPLES.to_string()),
        ("load_per_s", (1_000 / EVERY.as_millis()).to_string()),
        ("flashblock_ms", "200".into()),
        ("observer", "websocket client of the receiving operator".into()),
    ];
    Ok(Report::new("latency", figures, conditions, vec![("submit_to_certified_ms", samples)]))
}

/// Hashes of the transactions in a flashblock's notification.
pub(super) fn hashes(flashblock: &Value) -> Vec<B256> {
    let list = flashblock.get("transactions").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|transaction| transaction["hash"].as_str()?.parse().ok()).collect()
}
