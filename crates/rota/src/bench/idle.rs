//! `idle`: CPU and memory of a devnet that nobody uses.

use super::{
    cluster::Cluster,
    report::{Figure, Report, Target},
};
use eyre::{Context as _, ContextCompat as _};
use serde_json::Value;
use std::time::{Duration, Instant};

/// How long the devnet settles first.
const SETTLE: Duration = Duration::from_secs(20);
/// How long it is watched.
const WATCH: Duration = Duration::from_secs(60);

pub(super) async fn run(operators: usize) -> eyre::Result<Report> {
    let cluster = Cluster::up(operators).await?;
    tokio::time::sleep(SETTLE).await;
    let file: Value = serde_json::from_slice(&std::fs::read(cluster.dir().join("devnet.json"))?)?;
    let pids = file["operators"].as_array().wrap_err("devnet.json without operators")?;
    let mut pids =
        pids.iter().map(|operator| operator["pid"].as_u64()).collect::<Option<Vec<_>>>().wrap_err("no pid")?;
    let members = pids.clone();
    pids.push(std::fs::read_to_string(cluster.dir().join("l1/pid"))?.trim().parse()?);
    let (before, start) = (cpu_seconds(&pids)?, Instant::now());
    tokio::time::sleep(WATCH).await;
    let busy = (cpu_seconds(&pids)? - before) / start.elapsed().as_secs_f64() * 100.0;
    let memory = members.iter().map(|pid| resident_megabytes(*pid)).collect::<eyre::Result<Vec<_>>>()?;
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

/// User and system time of processes so far, from `/proc/<pid>/stat` in clock ticks of 10 ms (Linux's USER_HZ).
fn cpu_seconds(pids: &[u64]) -> eyre::Result<f64> {
    let ticks = pids.iter().map(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).wrap_err("a process has ended")?;
        // The name in parentheses may hold spaces; utime and stime are fields 14 and 15.
        let (_, rest) = stat.rsplit_once(')').wrap_err("unknown format")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        Ok(fields[11].parse::<f64>()? + fields[12].parse::<f64>()?)
    });
    Ok(ticks.sum::<eyre::Result<f64>>()? / 100.0)
}

/// Resident memory of a process, MB.
fn resident_megabytes(pid: u64) -> eyre::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).wrap_err("a process has ended")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).wrap_err("no VmRSS")?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes / 1_000.0)
}
