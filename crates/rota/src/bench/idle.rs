//! `idle`: CPU and memory of a devnet that nobody uses.

use super::{
    cluster::Cluster,
    processes::Processes,
    report::{Figure, Report, Target},
};
use std::time::{Duration, Instant};

/// How long the devnet settles first.
const SETTLE: Duration = Duration::from_secs(20);
/// How long it is watched.
const WATCH: Duration = Duration::from_secs(60);

pub(super) async fn run(operators: usize) -> eyre::Result<Report> {
    let cluster = Cluster::up(operators).await?;
    tokio::time::sleep(SETTLE).await;
    let processes = Processes::of(cluster.dir())?;
    let (before, start) = (processes.cpu()?, Instant::now());
    tokio::time::sleep(WATCH).await;
    let spent = processes.cpu()? - before;
    let busy = (spent.operators + spent.l1) / start.elapsed().as_secs_f64() * 100.0;
    let memory = processes.resident_megabytes()?;
    let largest = memory.iter().copied().fold(0.0, f64::max);
    let figures = vec![
        Figure::new("CPU of all operators and anvil, of one core", busy, "%").target(Target::AtMost(30.0)),
        Figure::new("resident memory of the largest operator", largest, "MB").target(Target::AtMost(300.0)),
    ];
    let conditions = vec![
        ("operators", operators.to_string()),
        ("settled_s", SETTLE.as_secs().to_string()),
        ("watched_s", WATCH.as_secs().to_string()),
        ("flashblock_ms", "200".into()),
    ];
    Ok(Report::new("idle", figures, conditions, vec![("resident_mb", memory)]))
}
