//! `takeover`: `kill -9` of the leader, or the leader stopped whole (SIGSTOP: it is there and silent); the longest gap
//! between certified flashblocks that a client beside a survivor sees. Of real processes on this machine, or with
//! `--sockets` on a map; without it, of kills in the simulator around the world too.

use super::{
    cluster::{Cluster, client, flashblocks, ms, number},
    outages::{Case, Place, costs},
    report::{Figure, Report, Target, quantile},
    wan,
};
use eyre::ContextCompat as _;
use jsonrpsee::{core::client::ClientT, rpc_params};
use rota_sim::{Map, takeover::Failure};
use serde_json::Value;
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Faults within an epoch.
const WITHIN: usize = 20;
/// Faults of the leader of an epoch's first turn, just before the epoch starts.
const AT_START: usize = 5;
/// How long the certified flashblocks are watched after a fault.
const WATCH: Duration = Duration::from_secs(4);
/// A fault "within an epoch" leaves so many heights until its end, so that it can't hit the next first turn.
const MARGIN: u64 = 40;
/// The map of `--sockets`.
const MAP: (&str, usize) = ("global", 4);
/// The longest gap within an epoch, ms: median and p99 on this machine,
const LOOPBACK: (f64, f64) = (500.0, 700.0);
/// p99 on the map,
const ON_THE_MAP: f64 = 1_200.0;
/// and if an epoch's first turn is hit.
const FIRST_TURN: f64 = 1_500.0;
/// Where leaders are killed in the simulator, within an epoch and at its start.
const SIMULATED: [Place; 3] = [Place::LOOPBACK, Place::GLOBAL_4, Place::GLOBAL_7];
/// How often.
const SIMULATED_WITHIN: u64 = 20;
/// How often of these just before an epoch starts.
const SIMULATED_AT_START: u64 = 6;

/// What becomes of the leader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Fault {
    /// Killed without warning.
    #[default]
    Kill,
    /// Stopped whole: its connections stay, and it says nothing.
    Stop,
}

/// The longest gaps, ms.
struct Gaps {
    within: Vec<f64>,
    at_start: Vec<f64>,
}

impl Gaps {
    /// Figures with the bounds of their network on the median, if there is one, and on p99.
    fn figures(&self, operators: usize, (p50, p99): (Option<f64>, f64)) -> Vec<Figure> {
        let figure = |what: &str, samples: &[f64], q: f64| {
            Figure::new(format!("{operators} processes: {what}"), quantile(samples, q), "ms")
        };
        vec![
            figure("longest gap, p50", &self.within, 0.5).target(p50.map(Target::AtMost)),
            figure("longest gap, p99", &self.within, 0.99).target(Target::AtMost(p99)),
            figure("first turn of an epoch: longest gap, p50", &self.at_start, 0.5),
            figure("first turn of an epoch: longest gap, max", &self.at_start, 1.0).target(Target::AtMost(FIRST_TURN)),
        ]
    }

    fn samples(self) -> Vec<(&'static str, Vec<f64>)> {
        vec![("gap_within_epoch_ms", self.within), ("gap_at_epoch_start_ms", self.at_start)]
    }
}

/// On this machine, and kills in the simulator.
pub(super) async fn run(operators: usize, fault: Fault) -> eyre::Result<Report> {
    let gaps = measure(Cluster::up(operators).await?, fault).await?;
    let (p50, p99) = LOOPBACK;
    let mut figures = gaps.figures(operators, (Some(p50), p99));
    let mut conditions = conditions(operators, fault, "loopback".into());
    let mut simulated_samples = Vec::new();
    if fault == Fault::Kill {
        let (more, samples) = simulated()?;
        figures.extend(more);
        simulated_samples = samples;
        conditions.extend([
            ("simulated", "vectors/latency/regions.json, jitter 0.5 ms; every survivor observes".to_owned()),
            ("simulated_kills", format!("{SIMULATED_WITHIN} and at an epoch's start {SIMULATED_AT_START} of each")),
        ]);
    }
    Ok(Report::new("takeover", figures, conditions, gaps.samples()).with(simulated_samples))
}

/// On a map, with the router at a path.
pub(super) fn run_with_sockets(router: &Path, fault: Fault) -> eyre::Result<Report> {
    let (name, operators) = MAP;
    let map = Map::named(name, operators).wrap_err("no such map")?;
    let gaps = wan::with_network(&map, router, async move |on| measure(Cluster::up_on(on, &[]).await?, fault).await)?;
    let on = format!("{name}, a namespace for each operator, L1 {} ms round trip away", wan::L1_RTT.as_millis());
    let figures = gaps.figures(operators, (None, ON_THE_MAP));
    Ok(Report::new("takeover-sockets", figures, conditions(operators, fault, on), gaps.samples()))
}

fn conditions(operators: usize, fault: Fault, network: String) -> Vec<(&'static str, String)> {
    let fault = match fault {
        Fault::Kill => "kill -9",
        Fault::Stop => "SIGSTOP",
    };
    vec![
        ("fault", fault.into()),
        ("operators", operators.to_string()),
        ("network", network),
        ("faults_within_epoch", WITHIN.to_string()),
        ("faults_at_epoch_start", AT_START.to_string()),
        ("flashblock_ms", "200".into()),
        ("observer", "websocket client beside a surviving operator".into()),
    ]
}

/// By name.
type Samples = Vec<(String, Vec<f64>)>;

/// Kills in the simulator: figures, and the samples of each case.
fn simulated() -> eyre::Result<(Vec<Figure>, Samples)> {
    let (mut figures, mut samples) = (Vec::new(), Vec::new());
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
                    .target(Target::AtMost(FIRST_TURN)),
            ],
        });
        samples.push((format!("{name}: {what}"), cost.gaps));
    }
    Ok((figures, samples))
}

async fn measure(cluster: Cluster, fault: Fault) -> eyre::Result<Gaps> {
    let epoch_length = number(&schedule(&cluster, 0).await?, "/epochLength")?;
    let (mut within, mut at_start) = (Vec::with_capacity(WITHIN), Vec::with_capacity(AT_START));
    while within.len() < WITHIN || at_start.len() < AT_START {
        let height = cluster.height(0).await?;
        let left = epoch_length - height % epoch_length;
        if left > MARGIN && within.len() < WITHIN {
            let victim = cluster.leader(0).await?;
            within.push(gap(&cluster, victim, fault).await?);
        } else if at_start.len() < AT_START {
            let epoch = height / epoch_length + 1;
            let victim = first_leader(&cluster, epoch).await?;
            let witness = (victim + 1) % cluster.operators.len();
            cluster.wait_for_height(witness, epoch * epoch_length - 5, Duration::from_secs(60)).await?;
            at_start.push(gap(&cluster, victim, fault).await?);
        } else {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
    Ok(Gaps { within, at_start })
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

/// Does it to `victim`, measures the longest gap beside a survivor, and brings the victim back to the tip.
async fn gap(cluster: &Cluster, victim: usize, fault: Fault) -> eyre::Result<f64> {
    let witness = (victim + 1) % cluster.operators.len();
    let mut certified = arrivals(cluster, witness);
    let mut last = arrival(&mut certified).await?;
    match fault {
        Fault::Kill => cluster.kill(victim)?,
        Fault::Stop => cluster.pause(victim)?,
    }
    let until = Instant::now() + WATCH;
    let mut longest = Duration::ZERO;
    while last < until {
        let now = arrival(&mut certified).await?;
        longest = longest.max(now - last);
        last = now;
    }
    match fault {
        Fault::Kill => cluster.restart(victim)?,
        Fault::Stop => cluster.resume(victim)?,
    }
    let tip = cluster.height(witness).await?;
    cluster.wait_for_height(victim, tip, Duration::from_secs(30)).await?;
    // The victim signs again and everybody has heard of it before the next fault.
    tokio::time::sleep(Duration::from_secs(2)).await;
    Ok(ms(longest))
}

/// When certified flashblocks arrive at a client beside an operator, as long as somebody wants to know.
fn arrivals(cluster: &Cluster, witness: usize) -> UnboundedReceiver<Instant> {
    let (told, arrivals) = unbounded_channel();
    let url = cluster.operators[witness].ws.clone();
    cluster.beside(witness, async move || {
        let client = client(&url).await?;
        let mut certified = flashblocks(&client).await?;
        while let Some(Ok(_)) = certified.next().await {
            if told.send(Instant::now()).is_err() {
                break;
            }
        }
        Ok(())
    });
    arrivals
}

/// When the next certified flashblock arrives.
async fn arrival(certified: &mut UnboundedReceiver<Instant>) -> eyre::Result<Instant> {
    let next = tokio::time::timeout(Duration::from_secs(30), certified.recv()).await;
    next.ok().flatten().wrap_err("no certified flashblock for 30 s")
}
