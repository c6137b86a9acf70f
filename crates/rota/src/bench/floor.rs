//! `floor`: finality on maps of the world above what light allows there. In the simulator: the shipping code with
//! modelled costs (a sync of 4 ms in the median, signatures, execution). With `--sockets` also real operators on two of
//! the maps, and whether they are as fast as simulated ones.

use super::{
    disk,
    report::{Figure, Report, Target, quantile},
    sockets, wan,
};
use eyre::eyre;
use rota_consensus::simulated::SyncTime;
use rota_sim::{
    Map,
    finality::{Finality, Run, measure},
    threads::on_all_cores,
};
use std::{path::Path, time::Duration};

/// Maps and operators.
const CASES: [(&str, usize); 6] =
    [("europe", 4), ("global", 4), ("transatlantic", 7), ("global", 7), ("world", 10), ("world", 50)];
/// Those of them that are measured over real sockets, with the names of their samples.
const SOCKETS: [(&str, usize, &str); 2] =
    [("global", 4, "sockets_global_4_ms"), ("transatlantic", 7, "sockets_transatlantic_7_ms")];
/// Seconds under load, by operators: those of 50 take as long as the others together.
const fn lasts(operators: usize) -> Duration {
    Duration::from_secs(if operators > MANY { 10 } else { 40 })
}
/// More operators take long to simulate.
const MANY: usize = 10;
/// Transfers per second.
const RATE: u32 = 10;
/// Budget above the floor, ms.
const OVERHEAD: f64 = 25.0;
/// Where the floor is at least so high, ms,
const HIGH: f64 = 240.0;
/// finality is at most so many times as long.
const RATIO: f64 = 1.10;
/// How far the simulator's median may be from that of real sockets, %.
const DIFFERENCE: f64 = 10.0;

pub(super) fn run() -> eyre::Result<Report> {
    let runs = CASES.iter().map(|(name, operators)| case(name, *operators)).collect::<eyre::Result<Vec<_>>>()?;
    // The longest first; and the same without waiting for disks, but where that takes as long as all others.
    let mut measured = on_all_cores(runs.into_iter().rev().collect(), |run: Run| -> eyre::Result<_> {
        let instantly = Run { sync_time: SyncTime::NONE, ..run.clone() };
        let instantly = (run.map.operators() <= MANY).then(|| simulate(&instantly)).transpose()?;
        Ok((simulate(&run)?, instantly, run.map))
    });
    measured.reverse();
    let mut figures = Vec::new();
    for measured in measured {
        let (finality, instantly, map) = measured?;
        let name = format!("{} {}", map.name, map.operators());
        figures.extend(of(&name, &map, &finality));
        if let Some(instantly) = instantly {
            let above = quantile(&instantly.above, 0.5);
            figures.push(Figure::new(format!("{name}: above the floor with disks that take no time"), above, "ms"));
        }
    }
    let conditions = [conditions(), vec![("costs", "modelled: docs/simulator.md".to_owned())]].concat();
    Ok(Report::new("floor", figures, conditions, Vec::new()))
}

/// In the simulator.
fn simulate(run: &Run) -> eyre::Result<Finality> {
    measure(run).map_err(|why| eyre!("{}, {} operators: {why}", run.map.name, run.map.operators()))
}

fn floor_ms(map: &Map) -> f64 {
    map.floor().finalized.as_secs_f64() * 1_000.0
}

/// The simulator and real sockets beside each other, with the router at a path.
pub(super) fn run_with_sockets(router: &Path) -> eyre::Result<Report> {
    let (mut figures, mut samples) = (Vec::new(), Vec::new());
    for (name, operators, sampled) in SOCKETS {
        // The modelled disk is this machine's.
        let sync_time = SyncTime { median: disk::sync_time(operators)? };
        let run = Run { sync_time, ..case(name, operators)? };
        let simulated = on_all_cores(vec![run.clone()], |run| simulate(&run)).pop().expect("one run")?;
        let real = sockets::measure(&run, router)?;
        let median = sync_time.median.as_secs_f64() * 1_000.0;
        figures.push(Figure::new(format!("{name} {operators}: a sync of the disk, median"), median, "ms"));
        figures.extend(of(&format!("{name} {operators}, simulator"), &run.map, &simulated));
        figures.extend(of(&format!("{name} {operators}, sockets"), &run.map, &real));
        for (what, simulated, real) in [
            ("finalized", &simulated.finalized, &real.finalized),
            ("certified, durable", &simulated.certified, &real.certified),
        ] {
            let ratio = quantile(simulated, 0.5) / quantile(real, 0.5);
            let named = format!("{name} {operators}: {what}, simulator and sockets differ by");
            let differ = Figure::new(named, (ratio - 1.0).abs() * 100.0, "%");
            figures.push(differ.target(Target::AtMost(DIFFERENCE)));
        }
        samples.push((sampled, real.finalized));
    }
    let real = vec![
        ("sockets", "a network namespace for each operator, every packet delayed by rota-wan, no jitter".to_owned()),
        ("l1", format!("anvil, {} ms round trip from every operator", wan::L1_RTT.as_millis())),
        (
            "costs",
            "modelled in the simulator: docs/simulator.md, with this machine's disk as it was just before; all operators on \
             its disk and cores"
                .to_owned(),
        ),
    ];
    Ok(Report::new("floor-sockets", figures, [conditions(), real].concat(), samples))
}

fn case(name: &str, operators: usize) -> eyre::Result<Run> {
    let map = Map::named(name, operators).ok_or_else(|| eyre!("no map {name}"))?;
    Ok(Run { map, seed: 1, lasts: lasts(operators), rate: RATE, flashblocks_per_block: 5, sync_time: SyncTime::BUSY })
}

fn conditions() -> Vec<(&'static str, String)> {
    vec![
        ("simulator", "median round trips of vectors/latency/regions.json, jitter 0.5 ms".to_owned()),
        ("transfers_per_s", RATE.to_string()),
        ("observer", "every operator".to_owned()),
    ]
}

/// Figures of one run on a map.
fn of(name: &str, map: &Map, finality: &Finality) -> Vec<Figure> {
    let floor = floor_ms(map);
    let median = quantile(&finality.finalized, 0.5);
    let named = |what: &str| format!("{name}: {what}");
    let above =
        Figure::new(named("above the floor of its leader and observer, median"), quantile(&finality.above, 0.5), "ms");
    let ratio = Figure::new(named("times the floor"), median / floor, "x");
    let certified = |q| quantile(&finality.certified, q);
    vec![
        Figure::new(named("floor, three quorum hops, mean"), floor, "ms"),
        Figure::new(named("proposal to finalized, median"), median, "ms"),
        above.target((floor < HIGH).then_some(Target::AtMost(OVERHEAD))),
        ratio.target((floor >= HIGH).then_some(Target::AtMost(RATIO))),
        Figure::new(named("proposal to notarized, median"), quantile(&finality.notarized, 0.5), "ms"),
        Figure::new(named("proposal to certified, durable, median"), certified(0.5), "ms"),
        Figure::new(named("proposal to certified, durable, p99"), certified(0.99), "ms"),
    ]
}
