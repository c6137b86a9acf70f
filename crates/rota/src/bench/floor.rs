//! `floor`: finality on maps of the world above what light allows there, in the simulator: the shipping code with
//! modelled costs (a sync of 4 ms in the median, signatures, execution).

use super::report::{Figure, Report, Target, quantile};
use eyre::eyre;
use rota_sim::{
    Map,
    finality::{Finality, Run, measure},
    threads::on_all_cores,
};
use std::time::Duration;

/// Maps and operators.
const CASES: [(&str, usize); 6] =
    [("europe", 4), ("global", 4), ("transatlantic", 7), ("global", 7), ("world", 10), ("world", 50)];
/// Simulated seconds under load, by operators: those of 50 take as long as the others together.
const fn lasts(operators: usize) -> Duration {
    Duration::from_secs(if operators > 10 { 10 } else { 40 })
}
/// Transfers per second.
const RATE: u32 = 10;
/// Budget above the floor, ms.
const OVERHEAD: f64 = 25.0;
/// Where the floor is at least so high, ms,
const HIGH: f64 = 240.0;
/// finality is at most so many times as long.
const RATIO: f64 = 1.10;

pub(super) fn run() -> eyre::Result<Report> {
    let mut figures = Vec::new();
    // The longest first.
    let mut measured = on_all_cores(CASES.into_iter().rev().collect(), case);
    measured.reverse();
    for ((name, operators), case) in CASES.into_iter().zip(measured) {
        let (floor, finality) = case?;
        let median = quantile(&finality.finalized, 0.5);
        let named = |what: &str| format!("{name} {operators}: {what}");
        figures.push(Figure::new(named("floor, three quorum hops"), floor, "ms"));
        figures.push(Figure::new(named("proposal to finalized, median"), median, "ms"));
        let above = Figure::new(named("above the floor"), median - floor, "ms");
        figures.push(if floor < HIGH { above.target(Target::AtMost(OVERHEAD)) } else { above });
        let ratio = Figure::new(named("times the floor"), median / floor, "x");
        figures.push(if floor < HIGH { ratio } else { ratio.target(Target::AtMost(RATIO)) });
        figures.push(Figure::new(named("proposal to notarized, median"), quantile(&finality.notarized, 0.5), "ms"));
        for (what, q) in [("median", 0.5), ("p99", 0.99)] {
            let certified = quantile(&finality.certified, q);
            figures.push(Figure::new(named(&format!("proposal to certified, durable, {what}")), certified, "ms"));
        }
    }
    let conditions = vec![
        ("network", "simulated, median round trips of vectors/latency/regions.json, jitter 0.5 ms".to_owned()),
        ("costs", "modelled: docs/simulator.md".to_owned()),
        ("transfers_per_s", RATE.to_string()),
        ("observer", "every operator".to_owned()),
    ];
    Ok(Report::new("floor", figures, conditions, Vec::new()))
}

/// The floor of a map, ms, and what was measured there.
fn case((name, operators): (&str, usize)) -> eyre::Result<(f64, Finality)> {
    let map = Map::named(name, operators).ok_or_else(|| eyre!("no map {name}"))?;
    let floor = map.floor().finalized.as_secs_f64() * 1_000.0;
    let run = Run { map, seed: 1, lasts: lasts(operators), rate: RATE, flashblocks_per_block: 5 };
    Ok((floor, measure(&run).map_err(|why| eyre!("{name}, {operators} operators: {why}"))?))
}
