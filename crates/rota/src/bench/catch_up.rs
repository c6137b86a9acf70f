//! `catch-up`: how long an operator that was away needs to replay what it missed.

use super::{
    cluster::{Cluster, number},
    report::{Figure, Report},
    workload::{MIX, Workload},
};
use eyre::ensure;
use std::time::{Duration, Instant};

/// How long the operator is away.
const AWAY: Duration = Duration::from_secs(120);
/// Transactions per second meanwhile.
const RATES: [usize; 2] = [0, 300];
/// How long it may take to be back.
const PATIENCE: Duration = Duration::from_secs(300);
/// Flashblocks behind the tip that still count as there.
const THERE: u64 = 2;

pub(super) async fn run(operators: usize) -> eyre::Result<Report> {
    let cluster = Cluster::up(operators).await?;
    let mut workload = Workload::new(&cluster).await?;
    let away = operators - 1;
    let others: Vec<_> = (0..away).collect();
    let mut figures = Vec::new();
    for rate in RATES {
        cluster.kill(away)?;
        let (left, before) = (Instant::now(), cluster.height(0).await?);
        if rate == 0 {
            tokio::time::sleep(AWAY).await;
        } else {
            workload.send(&cluster, &others, rate, AWAY).await?;
        }
        let absent = left.elapsed();
        cluster.restart(away)?;
        let back = Instant::now();
        loop {
            // Not there before it answers.
            let behind = match cluster.height(away).await {
                Ok(height) => cluster.height(0).await?.saturating_sub(height),
                Err(_) => u64::MAX,
            };
            if behind <= THERE {
                break;
            }
            ensure!(back.elapsed() < PATIENCE, "not at the tip after {} s", PATIENCE.as_secs());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let took = back.elapsed();
        let replayed = cluster.height(0).await? - before;
        let peers = number(&cluster.status(away).await?, "/peers")?;
        ensure!(peers > 0, "at the tip without peers");
        let of = |what: &str| format!("away {} s at {rate}/s: {what}", AWAY.as_secs());
        figures.push(Figure::new(of("until at the tip"), took.as_secs_f64(), "s"));
        figures.push(Figure::new(of("flashblocks replayed"), replayed as f64 / took.as_secs_f64(), "per s"));
        figures.push(Figure::new(of("times as fast as lived"), absent.as_secs_f64() / took.as_secs_f64(), "x"));
    }
    let conditions = vec![
        ("operators", operators.to_string()),
        ("network", "loopback".into()),
        ("flashblock_ms", "200".into()),
        ("mix", MIX.into()),
        ("counted", "from the spawn of the process, its start included; the others go on meanwhile".into()),
    ];
    Ok(Report::new("catch-up", figures, conditions, Vec::new()))
}
