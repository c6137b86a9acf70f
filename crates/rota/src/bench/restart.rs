//! `restart`: `kill -9` of every operator at once; from the last process spawn to the first certified flashblock.

use super::{
    cluster::{Cluster, ms},
    report::{Figure, Report, Target, quantile},
};
use eyre::ensure;
use std::time::{Duration, Instant};

/// How often everybody is killed.
const ROUNDS: usize = 5;

pub(super) async fn run(operators: usize) -> eyre::Result<Report> {
    let cluster = Cluster::up(operators).await?;
    let mut samples = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let mut before = 0;
        for k in 0..operators {
            before = before.max(cluster.height(k).await?);
        }
        cluster.kill("all")?;
        cluster.restart("all")?;
        let start = Instant::now();
        while cluster.height(0).await.unwrap_or(0) <= before {
            ensure!(start.elapsed() < Duration::from_secs(60), "no certified flashblock within a minute");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        samples.push(ms(start.elapsed()));
        for k in 0..operators {
            cluster.wait_for_height(k, before + 1, Duration::from_secs(60)).await?;
        }
    }
    let figures = vec![
        Figure::new("last spawn to first certified flashblock, max", quantile(&samples, 1.0), "ms")
            .target(Target::AtMost(4_000.0)),
        Figure::new("last spawn to first certified flashblock, p50", quantile(&samples, 0.5), "ms"),
    ];
    let conditions =
        vec![("operators", operators.to_string()), ("network", "loopback".into()), ("rounds", ROUNDS.to_string())];
    Ok(Report::new("restart", figures, conditions, vec![("spawn_to_certified_ms", samples)]))
}
