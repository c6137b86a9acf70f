//! `failover`: `kill -9` of the leader; the longest gap between certified flashblocks that a survivor's client sees.

use super::{
    cluster::{Cluster, flashblocks, ms, number},
    report::{Figure, Report, Target, quantile},
};
use eyre::{ContextCompat as _, ensure};
use jsonrpsee::{
    core::client::{ClientT, Subscription},
    rpc_params,
};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Kills within an epoch.
const WITHIN: usize = 16;
/// Kills of the leader of an epoch's first turn, just before the epoch starts.
const AT_START: usize = 4;
/// How long the certified flashblocks are watched after a kill.
const WATCH: Duration = Duration::from_secs(4);
/// A kill "within an epoch" leaves so many heights until its end, so that it can't hit the next first turn.
const MARGIN: u64 = 40;

pub(super) async fn run(operators: usize) -> eyre::Result<Report> {
    let cluster = Cluster::up(operators).await?;
    let epoch_length = number(&schedule(&cluster, 0).await?, "/epochLength")?;
    let mut within = Vec::with_capacity(WITHIN);
    let mut at_start = Vec::with_capacity(AT_START);
    while within.len() < WITHIN || at_start.len() < AT_START {
        let height = cluster.height(0).await?;
        let left = epoch_length - height % epoch_length;
        if left > MARGIN && within.len() < WITHIN {
            let victim = cluster.leader(0).await?;
            within.push(gap(&cluster, victim).await?);
        } else if at_start.len() < AT_START {
            let epoch = height / epoch_length + 1;
            let victim = first_leader(&cluster, epoch).await?;
            let witness = (victim + 1) % cluster.operators.len();
            cluster.wait_for_height(witness, epoch * epoch_length - 5, Duration::from_secs(60)).await?;
            at_start.push(gap(&cluster, victim).await?);
        } else {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
    let figures = vec![
        Figure::new("longest gap, kill within an epoch, max", quantile(&within, 1.0), "ms")
            .target(Target::AtMost(700.0)),
        Figure::new("longest gap, kill within an epoch, p50", quantile(&within, 0.5), "ms"),
        Figure::new("longest gap, first turn of an epoch hit, max", quantile(&at_start, 1.0), "ms")
            .target(Target::AtMost(1_500.0)),
        Figure::new("longest gap, first turn of an epoch hit, p50", quantile(&at_start, 0.5), "ms"),
    ];
    let conditions = vec![
        ("operators", operators.to_string()),
        ("network", "loopback".into()),
        ("kills_within_epoch", WITHIN.to_string()),
        ("kills_at_epoch_start", AT_START.to_string()),
        ("flashblock_ms", "200".into()),
        ("observer", "websocket client of a surviving operator".into()),
    ];
    let samples = vec![("gap_within_epoch_ms", within), ("gap_at_epoch_start_ms", at_start)];
    Ok(Report::new("failover", figures, conditions, samples))
}

/// The first turn of an epoch.
async fn schedule(cluster: &Cluster, epoch: u64) -> eyre::Result<Value> {
    Ok(cluster.http(0)?.request("rota_schedule", rpc_params![epoch, 0, 1]).await?)
}

/// Index of the operator that leads the first turn of an epoch.
async fn first_leader(cluster: &Cluster, epoch: u64) -> eyre::Result<usize> {
    let schedule = schedule(cluster, epoch).await?;
    let leader = schedule.pointer("/turns/0/leader").wrap_err("schedule without turns")?;
    let found = cluster.operators.iter().position(|operator| *leader == operator.identity.to_string());
    found.wrap_err("the first leader is no operator of the devnet")
}

/// Kills `victim`, measures the longest gap at a survivor, and brings the victim back to the tip.
async fn gap(cluster: &Cluster, victim: usize) -> eyre::Result<f64> {
    let witness = (victim + 1) % cluster.operators.len();
    let client = cluster.ws(witness).await?;
    let mut certified = flashblocks(&client).await?;
    let mut last = arrival(&mut certified).await?;
    cluster.kill(victim)?;
    let until = Instant::now() + WATCH;
    let mut longest = Duration::ZERO;
    while last < until {
        let now = arrival(&mut certified).await?;
        longest = longest.max(now - last);
        last = now;
    }
    cluster.restart(victim)?;
    let tip = cluster.height(witness).await?;
    cluster.wait_for_height(victim, tip, Duration::from_secs(30)).await?;
    // The victim signs again and everybody has heard of it before the next kill.
    tokio::time::sleep(Duration::from_secs(2)).await;
    Ok(ms(longest))
}

/// When the next certified flashblock arrives.
async fn arrival(certified: &mut Subscription<Value>) -> eyre::Result<Instant> {
    let next = tokio::time::timeout(Duration::from_secs(30), certified.next()).await;
    ensure!(matches!(next, Ok(Some(Ok(_)))), "no certified flashblock for 30 s");
    Ok(Instant::now())
}
