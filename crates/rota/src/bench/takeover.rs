//! `takeover`: `kill -9` of the leader; the longest gap between certified flashblocks that a survivor sees: of real
//! processes on loopback, and in the simulator around the world.

use super::{
    cluster::{Cluster, flashblocks, ms, number},
    outages::{Case, Place, costs},
    report::{Figure, Report, Target, quantile},
};
use eyre::{ContextCompat as _, ensure};
use jsonrpsee::{
    core::client::{ClientT, Subscription},
    rpc_params,
};
use rota_sim::takeover::Failure;
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
/// Where leaders are killed in the simulator, within an epoch and at its start.
const SIMULATED: [Place; 3] = [Place::LOOPBACK, Place::GLOBAL_4, Place::GLOBAL_7];
/// How often.
const SIMULATED_WITHIN: u64 = 20;
/// How often of these just before an epoch starts.
const SIMULATED_AT_START: u64 = 6;
/// Bounds where the first turn of an epoch is hit, ms.
const AT_START_MS: f64 = 1_500.0;

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
    drop(cluster);
    let at_most = Target::AtMost;
    let mut figures = vec![
        Figure::new(format!("loopback, {operators} processes: longest gap, p50"), quantile(&within, 0.5), "ms")
            .target(at_most(500.0)),
        Figure::new(format!("loopback, {operators} processes: longest gap, p99"), quantile(&within, 0.99), "ms")
            .target(at_most(700.0)),
        Figure::new(
            format!("loopback, {operators} processes: first turn of an epoch, p50"),
            quantile(&at_start, 0.5),
            "ms",
        ),
        Figure::new(
            format!("loopback, {operators} processes: first turn of an epoch, max"),
            quantile(&at_start, 1.0),
            "ms",
        )
        .target(at_most(AT_START_MS)),
    ];
    let samples = vec![("gap_within_epoch_ms", within), ("gap_at_epoch_start_ms", at_start)];
    let mut more = Vec::new();
    simulated(&mut figures, &mut more)?;
    let conditions = vec![
        ("operators", operators.to_string()),
        ("network", "loopback; simulated: vectors/latency/regions.json, jitter 0.5 ms".into()),
        ("kills_within_epoch", format!("{WITHIN}, simulated {SIMULATED_WITHIN} of each")),
        ("kills_at_epoch_start", format!("{AT_START}, simulated {SIMULATED_AT_START} of each")),
        ("flashblock_ms", "200".into()),
        ("observer", "websocket client of a surviving operator; simulated: every survivor".into()),
    ];
    Ok(Report::new("takeover", figures, conditions, samples).with(more))
}

/// The same in the simulator.
fn simulated(figures: &mut Vec<Figure>, samples: &mut Vec<(String, Vec<f64>)>) -> eyre::Result<()> {
    let both = [(false, SIMULATED_WITHIN), (true, SIMULATED_AT_START)];
    let case = |place, (at_epoch_start, times)| Case { place, failure: Failure::Killed, at_epoch_start, times };
    let cases: Vec<_> = SIMULATED.iter().flat_map(|place| both.map(|both| case(*place, both))).collect();
    for (case, cost) in cases.iter().zip(costs(&cases)?) {
        let (name, at_start) = (case.place.name, case.at_epoch_start);
        let what = if at_start { "first turn of an epoch" } else { "killed" };
        figures.extend(match at_start {
            false => cost.figures(case.place, what).to_vec(),
            true => vec![
                Figure::new(format!("{name}: {what}: longest gap, p50"), quantile(&cost.gaps, 0.5), "ms"),
                Figure::new(format!("{name}: {what}: longest gap, max"), cost.longest(), "ms")
                    .target(Target::AtMost(AT_START_MS)),
            ],
        });
        samples.push((format!("{name}: {what}"), cost.gaps));
    }
    Ok(())
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
