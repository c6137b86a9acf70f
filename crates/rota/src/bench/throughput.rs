//! `throughput`: signed transfers at rising rates; the highest at which all are included with p99 within 2 s, and why
//! the next one was not sustained.

use super::{
    cluster::Cluster,
    included::included,
    load::{Load, SENDERS, STEP},
    report::{Figure, Report, Target, quantile},
};
use alloy_signer_local::PrivateKeySigner;
use jsonrpsee::ws_client::WsClient;
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// Offered rates, transactions per second, and the names of their samples.
const RATES: [(usize, &str); 8] = [
    (250, "certified_ms_at_250"),
    (500, "certified_ms_at_500"),
    (1_000, "certified_ms_at_1000"),
    (1_500, "certified_ms_at_1500"),
    (2_000, "certified_ms_at_2000"),
    (3_000, "certified_ms_at_3000"),
    (4_000, "certified_ms_at_4000"),
    (5_000, "certified_ms_at_5000"),
];
/// How long the certification of everything offered may take, before the rest counts as not included.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long each rate is offered.
const LASTS: Duration = Duration::from_secs(10);
/// The bound on p99 from submission to certification.
const P99_MS: f64 = 2_000.0;
/// The same of a stock chain, whose blocks take a second: it is loaded beyond our bound, so that its best is seen too.
const STOCK_P99_MS: f64 = 4_000.0;

/// What one rate gave.
struct Outcome {
    sent: usize,
    refused: usize,
    latencies: Vec<f64>,
    certified_per_s: f64,
}

impl Outcome {
    fn p99(&self) -> f64 {
        quantile(&self.latencies, 0.99)
    }

    /// Why the rate was not sustained within the bound on p99, if it was not.
    fn missed(&self, bound_ms: f64) -> Option<String> {
        let lost = self.sent - self.refused - self.latencies.len();
        match (self.refused, lost, self.p99()) {
            (0, 0, p99) if p99 <= bound_ms => None,
            (0, 0, p99) => Some(format!("p99 {p99:.0} ms > {bound_ms} ms")),
            (refused, lost, _) => Some(format!("{refused} refused, {lost} not included of {}", self.sent)),
        }
    }
}

/// Loads a devnet of its own, or the stock chain of which `stock` has the files.
pub(super) async fn run(operators: usize, stock: Option<&Path>) -> eyre::Result<Report> {
    let cluster = match stock {
        Some(dir) => Cluster::stock(dir)?,
        None => Cluster::up(operators).await?,
    };
    let bound_ms = if cluster.is_stock() { STOCK_P99_MS } else { P99_MS };
    let operators = cluster.operators.len();
    let mut clients = Vec::with_capacity(operators);
    for k in 0..operators {
        clients.push(Arc::new(cluster.ws(k).await?));
    }
    let senders = cluster.fund(SENDERS).await?;
    let (mut figures, mut samples) = (Vec::new(), Vec::new());
    let mut sustained = 0.0;
    let mut limit = "not reached: every rate was sustained".to_owned();
    for (rate, name) in RATES {
        let outcome = offer(&cluster, &clients, &senders, rate).await?;
        let included = outcome.latencies.len() as f64 / outcome.sent as f64 * 100.0;
        figures.push(Figure::new(format!("offered {rate}/s: certified"), outcome.certified_per_s, "tx/s"));
        figures.push(Figure::new(format!("offered {rate}/s: p99 to certified"), outcome.p99(), "ms"));
        figures.push(Figure::new(format!("offered {rate}/s: included"), included, "%"));
        let missed = outcome.missed(bound_ms);
        if missed.is_none() {
            sustained = outcome.certified_per_s;
        }
        samples.push((name, outcome.latencies));
        if let Some(why) = missed {
            limit = format!("{rate}/s not sustained: {why}");
            break;
        }
    }
    let best = Figure::new(format!("sustained, all included, p99 <= {} s", bound_ms / 1e3), sustained, "tx/s");
    figures.insert(0, best.target(Target::ExpectAtLeast(4_000.0)));
    let conditions = vec![
        ("chain", if stock.is_some() { "stock" } else { "rota" }.into()),
        ("operators", operators.to_string()),
        ("network", "loopback".into()),
        ("seconds_per_rate", LASTS.as_secs().to_string()),
        ("senders", senders.len().to_string()),
        ("load_generator", "same machine, signing beforehand".into()),
        ("limit", limit),
    ];
    Ok(Report::new("throughput", figures, conditions, samples))
}

/// Offers `rate` transfers per second, spread over all operators by sender.
async fn offer(
    cluster: &Cluster,
    clients: &[Arc<WsClient>],
    senders: &[PrivateKeySigner],
    rate: usize,
) -> eyre::Result<Outcome> {
    let total = rate * LASTS.as_secs() as usize;
    let mut load = Load::new(cluster, clients, senders, rate).await?;
    load.sign(cluster, total)?;
    let mut certified = included(cluster, &clients[0]).await?;
    let mut latencies = Vec::with_capacity(total);
    load.start();
    let start = Instant::now();
    let mut step = tokio::time::interval(STEP);
    let mut last = start;
    let deadline = tokio::time::sleep(LASTS + PATIENCE);
    tokio::pin!(deadline);
    while load.sent < total || load.waiting() > 0 {
        tokio::select! {
            () = &mut deadline => break,
            _ = step.tick(), if load.sent < total => load.offer(cluster, total)?,
            () = load.answered() => {}
            Some(news) = certified.recv() => {
                let (hashes, at) = news?;
                last = at;
                latencies.extend(load.included(hashes, at));
            }
        }
    }
    let certified_per_s = latencies.len() as f64 / (last - start).as_secs_f64();
    Ok(Outcome { sent: total, refused: load.refused, latencies, certified_per_s })
}
