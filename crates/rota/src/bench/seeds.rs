//! `seeds`: how many seeds of the whole stack a core explores in a minute.

use super::{
    processes::cpu_seconds,
    report::{Figure, Report, Target},
};
use rota_consensus::simulated::Signing;
use rota_sim::{
    Trace,
    explore::{self, Options, draw, explore},
    threads::on_all_cores,
};
use std::time::{Duration, Instant};

/// Seeds that are run, by what their operators sign with.
const SEEDS: [(Signing, &str, usize); 2] = [(Signing::Fast, "fast scheme", 48), (Signing::Bls, "BLS", 6)];
/// Simulated time of a seed that counts as one. The explorer's seeds take some seconds more, until everybody runs and
/// until all have recovered; these are counted too, as a part of another seed.
const SIMULATED: Duration = Duration::from_secs(20);

pub(super) fn run() -> eyre::Result<Report> {
    let options = Options { lasts: SIMULATED, ..Options::default() };
    let (mut figures, mut samples, mut failed) = (Vec::new(), Vec::new(), 0);
    for (signing, name, count) in SEEDS {
        let ours = (0..).filter(|seed| draw(*seed, &options).0.signing == signing).take(count);
        let (begun, before) = (Instant::now(), cpu_seconds("self")?);
        let runs = on_all_cores(ours.collect(), |seed: u64| {
            let begun = Instant::now();
            (explore(seed, &options, Trace::default()), begun.elapsed())
        });
        let (minutes, cpu) = (begun.elapsed().as_secs_f64() / 60.0, (cpu_seconds("self")? - before) / 60.0);
        let held: Vec<&explore::Outcome> = runs.iter().filter_map(|(run, _)| run.as_ref().ok()).collect();
        failed += runs.len() - held.len();
        let simulated: Duration = held.iter().map(|outcome| outcome.simulated).sum();
        let seeds = simulated.as_secs_f64() / SIMULATED.as_secs_f64();
        let rate = Figure::new(format!("{name}: seeds in a minute of a core"), seeds / cpu, "seeds");
        figures.push(if signing == Signing::Fast { rate.target(Target::AtLeast(20.0)) } else { rate });
        figures.push(Figure::new(format!("{name}: seeds in a minute on all cores"), seeds / minutes, "seeds"));
        samples.push((name, runs.iter().map(|(_, took)| took.as_secs_f64() * 1_000.0).collect()));
    }
    figures.push(Figure::new("seeds that failed", failed as f64, "seeds").target(Target::AtMost(0.0)));
    let conditions = vec![
        ("seed", format!("{} simulated seconds of the whole stack, all faults and invariants", SIMULATED.as_secs())),
        ("counted", "all simulated time, the start and the recovery included, in units of a seed".into()),
        ("seeds", SEEDS.map(|(_, name, count)| format!("{count} {name}")).join(", ")),
        ("threads", "one on each core".into()),
        ("a_minute_of_a_core", "processor time; on all cores: on the clock".into()),
        ("samples", "wall time of each seed, ms".into()),
    ];
    Ok(Report::new("seeds", figures, conditions, samples))
}
