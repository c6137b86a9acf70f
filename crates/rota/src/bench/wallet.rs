//! `wallet`: from a user beside an operator to Certified there, seven operators on both sides of the Atlantic, in the
//! simulator.

use super::report::{Figure, Report, Target, quantile};
use eyre::eyre;
use rota_consensus::simulated::SyncTime;
use rota_sim::{
    Map,
    finality::{Run, Waits, wallet},
    threads::on_all_cores,
};
use std::time::Duration;

const MAP: &str = "transatlantic";
const OPERATORS: usize = 7;
const LASTS: Duration = Duration::from_secs(60);
const RATE: u32 = 5;
/// One trusted sequencer with flashblocks of 200 ms on this map, for a user anywhere: computed from the round trips, ms.
const TRUSTED: f64 = 139.0;

/// Flashblocks in a block of a second, their length, and the median that is expected, ms.
const CASES: [(u16, &str, f64); 2] = [(20, "50 ms", 165.0), (5, "200 ms", 240.0)];

pub(super) fn run() -> eyre::Result<Report> {
    let (mut figures, mut samples) = (Vec::new(), Vec::new());
    let map = Map::named(MAP, OPERATORS).ok_or_else(|| eyre!("no map {MAP}"))?;
    let measured = on_all_cores(CASES.to_vec(), |(flashblocks_per_block, ..)| {
        let run = Run {
            map: map.clone(),
            seed: 1,
            lasts: LASTS,
            rate: RATE,
            flashblocks_per_block,
            sync_time: SyncTime::BUSY,
        };
        let instantly = Run { sync_time: SyncTime::NONE, ..run.clone() };
        Ok((wallet(&run)?, wallet(&instantly)?))
    });
    for ((_, name, bound), waits) in CASES.into_iter().zip(measured) {
        let (Waits { proposed, certified }, instantly) =
            waits.map_err(|why: String| eyre!("flashblocks of {name}: {why}"))?;
        let named = |what: &str| format!("flashblocks of {name}: {what}");
        figures.push(Figure::new(named("p50"), quantile(&certified, 0.5), "ms").target(Target::ExpectAtMost(bound)));
        figures.push(Figure::new(named("p99"), quantile(&certified, 0.99), "ms"));
        figures.push(Figure::new(named("until it is proposed, p50"), quantile(&proposed, 0.5), "ms"));
        let instantly = quantile(&instantly.certified, 0.5);
        figures.push(Figure::new(named("with disks that take no time, p50"), instantly, "ms"));
        samples.push((name, certified));
    }
    figures.push(Figure::new("one trusted sequencer, 200 ms (computed)", TRUSTED, "ms"));
    let conditions = vec![
        ("network", format!("simulated: {MAP}, {OPERATORS} operators, jitter 0.5 ms")),
        ("costs", "modelled: docs/simulator.md".to_owned()),
        ("users", "beside every operator in turn".to_owned()),
        ("transfers_per_s", RATE.to_string()),
    ];
    Ok(Report::new("wallet", figures, conditions, samples))
}
