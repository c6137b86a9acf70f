//! `throughput`: signed transfers at rising rates; the highest at which all are included with p99 within a second, why
//! the next one was not sustained, and who used the CPU meanwhile.

use super::{
    cluster::{Cluster, number},
    included::included,
    load::{Load, SENDERS, STEP},
    processes::{Cpu, Processes},
    report::{Figure, Report, Target, quantile},
};
use alloy_signer_local::PrivateKeySigner;
use jsonrpsee::ws_client::WsClient;
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// Offered rates, transactions per second.
const RATES: [usize; 11] = [250, 500, 1_000, 1_500, 2_000, 3_000, 4_000, 4_500, 5_000, 5_500, 6_000];
/// Offered before all others, for [`WARM_UP`]: L1 loads the KZG set-up with the first blob.
const WARM_UP_RATE: usize = 1_000;
/// How long that is.
const WARM_UP: Duration = Duration::from_secs(10);
/// How long the certification of everything offered may take, before the rest counts as not included.
const PATIENCE: Duration = Duration::from_secs(20);
/// The bound on p99 from submission to certification.
pub(super) const P99_MS: f64 = 1_000.0;
/// The same of a stock chain, whose blocks take a second: it is loaded beyond our bound, so that its best is seen too.
const STOCK_P99_MS: f64 = 4_000.0;

/// What one rate gave.
pub(super) struct Outcome {
    pub(super) sent: usize,
    refused: usize,
    latencies: Vec<f64>,
    certified_per_s: f64,
    /// `None` for a stock chain, whose processes are others' business.
    pub(super) spent: Option<Cpu>,
    /// Blocks that were certified at its end and not yet posted; `None` as above.
    unposted: Option<u64>,
    lasted: Duration,
}

impl Outcome {
    fn p50(&self) -> f64 {
        quantile(&self.latencies, 0.5)
    }

    fn p99(&self) -> f64 {
        quantile(&self.latencies, 0.99)
    }

    /// Why the rate was not sustained within the bound on p99, if it was not.
    pub(super) fn missed(&self, bound_ms: f64) -> Option<String> {
        let lost = self.sent - self.refused - self.latencies.len();
        match (self.refused, lost, self.p99()) {
            (0, 0, p99) if p99 <= bound_ms => None,
            (0, 0, p99) => Some(format!("p99 {p99:.0} ms > {bound_ms} ms")),
            (refused, lost, _) => Some(format!("{refused} refused, {lost} not included of {}", self.sent)),
        }
    }
}

/// Offers `rate`, or all of [`RATES`] until one is not sustained, each for `lasts`, to a devnet of its own or to the stock
/// chain of which `stock` has the files.
pub(super) async fn run(
    operators: usize,
    stock: Option<&Path>,
    rate: Option<usize>,
    lasts: Duration,
) -> eyre::Result<Report> {
    let cluster = match stock {
        Some(dir) => Cluster::stock(dir)?,
        None => Cluster::up(operators).await?,
    };
    let bound_ms = if cluster.is_stock() { STOCK_P99_MS } else { P99_MS };
    let operators = cluster.operators.len();
    let clients = cluster.clients(0..operators).await?;
    let senders = cluster.fund(SENDERS).await?;
    let (mut figures, mut samples) = (Vec::new(), Vec::new());
    let mut sustained = 0;
    let mut limit = "not reached: every rate was sustained".to_owned();
    let rates = rate.map_or_else(|| RATES.to_vec(), |rate| vec![rate]);
    warm_up(&cluster, &clients, &senders).await?;
    for &rate in &rates {
        let outcome = offer(&cluster, &clients, &senders, rate, lasts).await?;
        let included = outcome.latencies.len() as f64 / outcome.sent as f64 * 100.0;
        figures.push(Figure::new(format!("offered {rate}/s: certified"), outcome.certified_per_s, "tx/s"));
        figures.push(Figure::new(format!("offered {rate}/s: p50 to certified"), outcome.p50(), "ms"));
        figures.push(Figure::new(format!("offered {rate}/s: p99 to certified"), outcome.p99(), "ms"));
        figures.push(Figure::new(format!("offered {rate}/s: included"), included, "%"));
        if let Some(spent) = outcome.spent {
            for (who, seconds) in [("operators", spent.operators), ("load", spent.client), ("L1", spent.l1)] {
                let of_a_core = seconds / outcome.lasted.as_secs_f64() * 100.0;
                let name = format!("offered {rate}/s: CPU of {who}, {of_a_core:.0}% of a core");
                figures.push(Figure::new(name, seconds * 1e6 / outcome.sent as f64, "us/tx"));
            }
        }
        if let Some(blocks) = outcome.unposted {
            let name = format!("offered {rate}/s: certified and not yet posted at its end");
            figures.push(Figure::new(name, blocks as f64, "blocks"));
        }
        let missed = outcome.missed(bound_ms);
        if missed.is_none() {
            sustained = rate;
        }
        samples.push(("certified_ms", outcome.latencies));
        if let Some(why) = missed {
            limit = format!("{rate}/s not sustained: {why}");
            break;
        }
    }
    let best = Figure::new(format!("sustained, all included, p99 <= {} s", bound_ms / 1e3), sustained as f64, "tx/s");
    let gate = rate.is_none() && stock.is_none() && operators > 1;
    figures.insert(0, best.target(gate.then_some(Target::AtLeast(4_000.0))));
    let conditions = vec![
        ("chain", if stock.is_some() { "stock" } else { "rota" }.into()),
        ("operators", operators.to_string()),
        ("network", "loopback".into()),
        ("seconds_per_rate", lasts.as_secs().to_string()),
        ("senders", senders.len().to_string()),
        ("load_generator", "same machine, signing beforehand, one JSON-RPC batch each 10 ms to each operator".into()),
        ("samples", format!("in the order of the rates, {rates:?}/s")),
        ("limit", limit),
    ];
    Ok(Report::new("throughput", figures, conditions, samples))
}

/// Makes happen what happens only once.
pub(super) async fn warm_up(
    cluster: &Cluster,
    clients: &[Arc<WsClient>],
    senders: &[PrivateKeySigner],
) -> eyre::Result<()> {
    offer(cluster, clients, senders, WARM_UP_RATE, WARM_UP).await.map(drop)
}

/// Offers `rate` transfers per second, spread over all operators by sender.
pub(super) async fn offer(
    cluster: &Cluster,
    clients: &[Arc<WsClient>],
    senders: &[PrivateKeySigner],
    rate: usize,
    lasts: Duration,
) -> eyre::Result<Outcome> {
    let total = rate * lasts.as_secs() as usize;
    let mut load = Load::new(cluster, clients, senders, rate).await?;
    load.sign(cluster, total)?;
    let mut certified = included(cluster, &clients[0]).await?;
    let mut latencies = Vec::with_capacity(total);
    let processes = if cluster.is_stock() { None } else { Some(Processes::of(cluster.dir())?) };
    let cpu = || processes.as_ref().map(Processes::cpu).transpose();
    let before = cpu()?;
    // `bench/profile.mjs` starts when it reads this.
    eprintln!("offering {rate}/s for {} s", lasts.as_secs());
    load.start();
    let start = Instant::now();
    let mut step = tokio::time::interval(STEP);
    let mut last = start;
    let deadline = tokio::time::sleep(lasts + PATIENCE);
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
    let spent = cpu()?.zip(before).map(|(now, before)| now - before);
    let lasted = start.elapsed();
    let unposted = if cluster.is_stock() { None } else { Some(unposted(cluster).await?) };
    Ok(Outcome { sent: total, refused: load.refused, latencies, certified_per_s, spent, unposted, lasted })
}

/// Blocks that are certified and not yet posted, as an operator sees it.
async fn unposted(cluster: &Cluster) -> eyre::Result<u64> {
    let status = cluster.status(0).await?;
    let posted = number(&status, "/heads/posted").unwrap_or_default();
    Ok(number(&status, "/heads/latest/number")?.saturating_sub(posted))
}
