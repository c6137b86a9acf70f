//! `throughput`: signed transfers at rising rates; the highest at which all are included with p99 within 2 s.

use super::{
    cluster::{Cluster, flashblocks, ms},
    latency::hashes,
    report::{Figure, Report, Target, quantile},
};
use alloy_primitives::{B256, Bytes};
use alloy_signer_local::PrivateKeySigner;
use eyre::ensure;
use jsonrpsee::{core::client::ClientT, rpc_params, ws_client::WsClient};
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// Offered rates, transactions per second.
const RATES: [usize; 6] = [250, 500, 1_000, 1_500, 2_000, 3_000];
/// How long each rate is offered.
const LASTS: Duration = Duration::from_secs(10);
/// Transactions are offered in steps of this length.
const STEP: Duration = Duration::from_millis(10);
/// The bound on p99 from submission to certification.
const P99_MS: f64 = 2_000.0;

/// What one rate gave.
struct Outcome {
    sent: usize,
    refused: usize,
    latencies: Vec<f64>,
    certified_per_s: f64,
}

pub(super) async fn run(operators: usize) -> eyre::Result<Report> {
    let cluster = Cluster::up(operators).await?;
    let mut clients = Vec::with_capacity(operators);
    for k in 0..operators {
        clients.push(Arc::new(cluster.ws(k).await?));
    }
    let (mut figures, mut samples) = (Vec::new(), Vec::new());
    let mut sustained = 0.0;
    for rate in RATES {
        let outcome = offer(&cluster, &clients, rate).await?;
        let p99 = quantile(&outcome.latencies, 0.99);
        let included = outcome.latencies.len() as f64 / outcome.sent as f64 * 100.0;
        figures.push(Figure::new(format!("offered {rate}/s: certified"), outcome.certified_per_s, "tx/s"));
        figures.push(Figure::new(format!("offered {rate}/s: p99 to certified"), p99, "ms"));
        figures.push(Figure::new(format!("offered {rate}/s: included"), included, "%"));
        let holds = outcome.refused == 0 && outcome.latencies.len() == outcome.sent && p99 <= P99_MS;
        if let Some(name) = NAMES.get(figures.len() / 3 - 1) {
            samples.push((*name, outcome.latencies));
        }
        if !holds {
            break;
        }
        sustained = outcome.certified_per_s;
    }
    let best = Figure::new("sustained, all included, p99 <= 2 s", sustained, "tx/s");
    figures.insert(0, best.target(Target::ExpectAtLeast(4_000.0)));
    let conditions = vec![
        ("operators", operators.to_string()),
        ("network", "loopback".into()),
        ("seconds_per_rate", LASTS.as_secs().to_string()),
        ("senders", cluster.accounts.len().to_string()),
        ("load_generator", "same machine, signing beforehand".into()),
    ];
    Ok(Report::new("throughput", figures, conditions, samples))
}

/// Names of the samples, one for each rate.
const NAMES: [&str; RATES.len()] = [
    "certified_ms_at_250",
    "certified_ms_at_500",
    "certified_ms_at_1000",
    "certified_ms_at_1500",
    "certified_ms_at_2000",
    "certified_ms_at_3000",
];

/// Offers `rate` transfers per second, spread over all operators by sender.
async fn offer(cluster: &Cluster, clients: &[Arc<WsClient>], rate: usize) -> eyre::Result<Outcome> {
    let total = rate * LASTS.as_secs() as usize;
    let signed = sign(cluster, total).await?;
    let mut certified = flashblocks(&clients[0]).await?;
    let (answers, mut answered) = mpsc::unbounded_channel();
    let mut waiting: HashMap<B256, Instant> = HashMap::with_capacity(total);
    let mut latencies = Vec::with_capacity(total);
    let (mut refused, mut next) = (0, 0);
    let start = Instant::now();
    let mut step = tokio::time::interval(STEP);
    let mut last = start;
    while latencies.len() + refused < total {
        ensure!(start.elapsed() < LASTS * 6, "{} of {total} certified after {:?}", latencies.len(), start.elapsed());
        tokio::select! {
            _ = step.tick(), if next < total => {
                let due = (start.elapsed().as_secs_f64() * rate as f64) as usize;
                while next < due.min(total) {
                    let (operator, hash, raw) = signed[next].clone();
                    next += 1;
                    waiting.insert(hash, Instant::now());
                    let (client, answers) = (clients[operator].clone(), answers.clone());
                    tokio::spawn(async move {
                        let answer: Result<B256, _> = client.request("eth_sendRawTransaction", rpc_params![raw]).await;
                        // The receiver outlives every sender unless the benchmark failed already.
                        let _ = answers.send((hash, answer));
                    });
                }
            }
            Some((hash, answer)) = answered.recv() => {
                if answer.is_err() && waiting.remove(&hash).is_some() {
                    refused += 1;
                }
            }
            Some(flashblock) = certified.next() => {
                last = Instant::now();
                for hash in hashes(&flashblock?) {
                    if let Some(sent) = waiting.remove(&hash) {
                        latencies.push(ms(last - sent));
                    }
                }
            }
            else => break,
        }
    }
    let certified_per_s = latencies.len() as f64 / (last - start).as_secs_f64();
    Ok(Outcome { sent: total, refused, latencies, certified_per_s })
}

/// Signs `total` transfers, interleaved over the accounts; each account always goes to the same operator.
async fn sign(cluster: &Cluster, total: usize) -> eyre::Result<Vec<(usize, B256, Bytes)>> {
    let mut nonces = Vec::with_capacity(cluster.accounts.len());
    for account in &cluster.accounts {
        nonces.push(cluster.nonce(0, account.address()).await?);
    }
    (0..total)
        .map(|index| {
            let from = index % cluster.accounts.len();
            let signer: &PrivateKeySigner = &cluster.accounts[from];
            let nonce = nonces[from] + (index / cluster.accounts.len()) as u64;
            let (hash, raw) = cluster.transfer(signer, nonce, signer.address())?;
            Ok((from % cluster.operators.len(), hash, raw))
        })
        .collect()
}
