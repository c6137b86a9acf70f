//! `price`: what agreement costs. CPU time of each of several operators for a transaction, beside that of one operator
//! which has nobody to agree with.

use super::{
    cluster::Cluster,
    load::SENDERS,
    report::{Figure, Report, Target},
    throughput::{P99_MS, offer, warm_up},
};
use eyre::{ContextCompat as _, ensure};
use std::time::Duration;

/// Transactions per second: a load that either devnet carries with ease.
const RATE: usize = 1_500;

pub(super) async fn run(operators: usize, rate: Option<usize>, lasts: Duration) -> eyre::Result<Report> {
    let rate = rate.unwrap_or(RATE);
    let together = spent(operators, rate, lasts).await?;
    let alone = spent(1, rate, lasts).await?;
    let ratio = together / (operators as f64 * alone);
    let figures = vec![
        Figure::new("CPU of all operators, of so many times one alone", ratio, "x").target(Target::AtMost(1.05)),
        Figure::new(format!("{operators} operators: CPU for 1000 transactions"), together, "s"),
        Figure::new("one operator: CPU for 1000 transactions", alone, "s"),
    ];
    let conditions = vec![
        ("operators", format!("{operators} and 1")),
        ("network", "loopback".into()),
        ("load_per_s", rate.to_string()),
        ("seconds", lasts.as_secs().to_string()),
        ("counted", "user and system time of the operators' processes while the load lasts".into()),
    ];
    Ok(Report::new("price", figures, conditions, Vec::new()))
}

/// CPU seconds of all operators for 1 000 transactions.
async fn spent(operators: usize, rate: usize, lasts: Duration) -> eyre::Result<f64> {
    let cluster = Cluster::up(operators).await?;
    let clients = cluster.clients(0..operators).await?;
    let senders = cluster.fund(SENDERS).await?;
    warm_up(&cluster, &clients, &senders).await?;
    let outcome = offer(&cluster, &clients, &senders, rate, lasts).await?;
    let missed = outcome.missed(P99_MS);
    ensure!(missed.is_none(), "{rate}/s is too much for {operators} operators: {}", missed.unwrap_or_default());
    let spent = outcome.spent.wrap_err("a devnet has processes")?;
    Ok(spent.operators / outcome.sent as f64 * 1_000.0)
}
