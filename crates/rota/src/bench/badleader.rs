//! `badleader`: a leader that is alive and bad: silent, half-dead, or proposing what is invalid; in the simulator.

use super::{
    outages::{Case, Cost, Place, costs},
    report::Report,
};
use eyre::ContextCompat as _;
use rota_execution::testing::dev_genesis;
use rota_sim::takeover::Failure;

const PLACES: [Place; 2] = [Place::LOOPBACK, Place::GLOBAL_4];
/// How often each kind of bad leader is tried.
const TIMES: u64 = 10;

pub(super) fn run() -> eyre::Result<Report> {
    let failures = Failure::bad(dev_genesis().config.chain_id);
    let cases = PLACES.iter().flat_map(|place| {
        let case =
            |failure: &Failure| Case { place: *place, failure: failure.clone(), at_epoch_start: false, times: TIMES };
        failures.iter().map(case)
    });
    let cases: Vec<_> = cases.collect();
    let costs = costs(&cases)?;
    let mut figures = Vec::new();
    for (cases, costs) in cases.chunks(failures.len()).zip(costs.chunks(failures.len())) {
        let both = || cases.iter().zip(costs);
        let (invalid, others): (Vec<_>, Vec<_>) =
            both().partition(|(case, _)| matches!(case.failure, Failure::Invalid(_)));
        others.iter().for_each(|(case, cost)| figures.extend(cost.figures(case.place, case.failure.name())));
        // Of all ways to be invalid the usual one, and what is worst.
        let (case, cost) = invalid.first().wrap_err("there are ways to be invalid")?;
        figures.extend(cost.figures(case.place, &format!("invalid ({})", case.failure.name())));
        let worst = |one: &&(&Case, &Cost), other: &&(&Case, &Cost)| {
            (one.1.turns, one.1.longest()).partial_cmp(&(other.1.turns, other.1.longest())).expect("gaps are numbers")
        };
        let (case, cost) = invalid.iter().max_by(worst).wrap_err("there are ways to be invalid")?;
        let what = format!("invalid, worst of {} ({})", invalid.len(), case.failure.name());
        figures.extend(cost.figures(case.place, &what));
    }
    let named = |case: &Case| format!("{}: {}", case.place.name, case.failure.name());
    let samples: Vec<_> = cases.iter().map(named).zip(costs.into_iter().map(|cost| cost.gaps)).collect();
    let conditions = vec![
        ("network", "simulated; global: vectors/latency/regions.json, jitter 0.5 ms; loopback: 0.1 ms".to_owned()),
        ("costs", "modelled: docs/simulator.md".to_owned()),
        ("failures_of_each_kind", format!("{TIMES}, each of another seed, at a random moment of a turn")),
        ("silent", "nothing arrives from it or at it any more".to_owned()),
        ("builds_nothing", "it votes and answers, its flashblocks are never done".to_owned()),
        ("gap", "the longest between two certified flashblocks at any of the others".to_owned()),
        ("nominal_gap_ms", "200".to_owned()),
    ];
    Ok(Report::new("badleader", figures, conditions, Vec::new()).with(samples))
}
