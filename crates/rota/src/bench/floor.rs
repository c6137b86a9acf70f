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
    Map, SharedCores,
    finality::{Finality, Run, Work, measure},
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
        let (finality, _) = simulate(&run)?;
        Ok((finality, instantly, run.map))
    });
    measured.reverse();
    let mut figures = Vec::new();
    for measured in measured {
        let (finality, instantly, map) = measured?;
        let name = format!("{} {}", map.name, map.operators());
        figures.extend(of(&name, &map, &finality));
        if let Some((instantly, _)) = instantly {
            let above = quantile(&instantly.above, 0.5);
            figures.push(Figure::new(format!("{name}: above the floor with disks that take no time"), above, "ms"));
        }
    }
    let conditions = [conditions(), vec![("costs", "modelled: docs/simulator.md".to_owned())]].concat();
    Ok(Report::new("floor", figures, conditions, Vec::new()))
}

/// In the simulator, and what it cost there.
fn simulate(run: &Run) -> eyre::Result<(Finality, Work)> {
    measure(run).map_err(|why| eyre!("{}, {} operators: {why}", run.map.name, run.map.operators()))
}

fn floor_ms(map: &Map) -> f64 {
    map.floor().finalized.as_secs_f64() * 1_000.0
}

/// The simulator and real sockets beside each other, with the router at a path.
pub(super) fn run_with_sockets(router: &Path) -> eyre::Result<Report> {
    let (mut figures, mut samples) = (Vec::new(), Vec::new());
    // On a thread that nothing else runs on.
    let alone = |run: Run| on_all_cores(vec![run], |run| simulate(&run)).pop().expect("one run");
    for (name, operators, sampled) in SOCKETS {
        // The modelled disk is this machine's.
        let sync_time = SyncTime { median: disk::sync_time(operators)? };
        let run = Run { sync_time, ..case(name, operators)? };
        let (real, busy_ms) = sockets::measure(&run, router)?;
        let (apart, work) = alone(run.clone())?;
        // So are its cores: what they did besides what is modelled was in the steps of tasks.
        let step = Duration::from_secs_f64((busy_ms - work.cpu_ms).max(0.0) / work.steps / 1_000.0);
        let shared = Some(SharedCores { count: std::thread::available_parallelism()?.get(), step });
        let (simulated, _) = alone(Run { shared, ..run.clone() })?;

        let name = format!("{name} {operators}");
        let mut figure = |what: &str, value, unit| figures.push(Figure::new(format!("{name}: {what}"), value, unit));
        figure("a sync of the disk, median", sync_time.median.as_secs_f64() * 1_000.0, "ms");
        figure("cores busy for an operator's flashblock", busy_ms, "ms");
        figure("of that modelled", work.cpu_ms, "ms");
        figure("steps of tasks for an operator's flashblock", work.steps, "");
        figure("a step besides what is modelled", step.as_secs_f64() * 1e6, "us");
        figure("simulator, two cores for each: proposal to finalized, median", quantile(&apart.finalized, 0.5), "ms");
        figures.extend(of(&format!("{name}, sockets"), &run.map, &real));
        for (what, simulated, real) in [
            ("finalized", &simulated.finalized, &real.finalized),
            ("certified, durable", &simulated.certified, &real.certified),
        ] {
            let (simulated, real) = (quantile(simulated, 0.5), quantile(real, 0.5));
            let took = format!("{name}, simulator on these cores: proposal to {what}, median");
            figures.push(Figure::new(took, simulated, "ms"));
            let named = format!("{name}: {what}, simulator on these cores and sockets differ by");
            let differ = Figure::new(named, (simulated / real - 1.0).abs() * 100.0, "%");
            figures.push(differ.target(Target::AtMost(DIFFERENCE)));
        }
        samples.push((sampled, real.finalized));
    }
    let real = vec![
        ("sockets", "a network namespace for each operator, every packet delayed by rota-wan, no jitter".to_owned()),
        ("l1", format!("anvil, {} ms round trip from every operator", wan::L1_RTT.as_millis())),
        (
            "costs",
            "modelled in the simulator: docs/simulator.md, with this machine's disk as it was just before and its cores, \
             which all operators share, as busy as they were"
                .to_owned(),
        ),
    ];
    Ok(Report::new("floor-sockets", figures, [conditions(), real].concat(), samples))
}

fn case(name: &str, operators: usize) -> eyre::Result<Run> {
    let map = Map::named(name, operators).ok_or_else(|| eyre!("no map {name}"))?;
    let (lasts, sync_time) = (lasts(operators), SyncTime::BUSY);
    Ok(Run { map, seed: 1, lasts, rate: RATE, flashblocks_per_block: 5, sync_time, shared: None })
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
