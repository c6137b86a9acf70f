//! Leaders that fail in the simulator, again and again: gaps and lost turns.

use super::{
    cluster::ms,
    report::{Figure, Target, quantile},
};
use eyre::{ContextCompat as _, eyre};
use rota_sim::{
    Map,
    takeover::{Failure, Outage, Run, measure},
    threads::on_all_cores,
};

/// Where leaders fail.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Name of the place.
    pub(super) name: &'static str,
    /// Name of a map and its operators; nothing: four on one machine.
    map: Option<(&'static str, usize)>,
    /// Bounds on the gap, ms: the median if there is one, and the longest.
    pub(super) gap: (Option<f64>, f64),
}

impl Place {
    /// Four operators on one machine.
    pub(super) const LOOPBACK: Self = Self { name: "simulated loopback, 4", map: None, gap: (Some(500.0), 700.0) };
    /// Four operators around the world.
    pub(super) const GLOBAL_4: Self = Self { name: "global, 4", map: Some(("global", 4)), gap: (None, 1_200.0) };
    /// Seven.
    pub(super) const GLOBAL_7: Self = Self { name: "global, 7", map: Some(("global", 7)), gap: (None, 1_200.0) };
}

/// One way to fail at one place, some times.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) place: Place,
    pub(super) failure: Failure,
    pub(super) at_epoch_start: bool,
    /// How often.
    pub(super) times: u64,
}

/// What one case cost.
#[derive(Debug, Default)]
pub(super) struct Cost {
    /// The longest gap of each failure, ms.
    pub(super) gaps: Vec<f64>,
    /// The most turns that one failure cost.
    pub(super) turns: usize,
}

impl Cost {
    fn add(&mut self, Outage { gap, turns_lost }: Outage) {
        self.gaps.push(ms(gap));
        self.turns = self.turns.max(turns_lost);
    }

    /// The longest gap of all.
    pub(super) fn longest(&self) -> f64 {
        quantile(&self.gaps, 1.0)
    }

    /// Figures of a case with its place's bounds: `what` failed how.
    pub(super) fn figures(&self, place: Place, what: &str) -> [Figure; 3] {
        let (median, longest) = place.gap;
        let named = |figure: &str| format!("{}: {what}: {figure}", place.name);
        [
            Figure::new(named("gap, p50"), quantile(&self.gaps, 0.5), "ms").target(median.map(Target::AtMost)),
            Figure::new(named("gap, max"), self.longest(), "ms").target(Target::AtMost(longest)),
            Figure::new(named("turns lost, max"), self.turns as f64, "turns").target(Target::AtMost(1.0)),
        ]
    }
}

/// Runs all cases on all cores; what each cost.
pub(super) fn costs(cases: &[Case]) -> eyre::Result<Vec<Cost>> {
    let runs = cases.iter().enumerate().flat_map(|(place, case)| (0..case.times).map(move |seed| (place, case, seed)));
    let outages = on_all_cores(runs.collect(), |(place, case, seed)| (place, seed, outage(case, seed)));
    let mut costs: Vec<_> = cases.iter().map(|_| Cost::default()).collect();
    for (place, seed, outage) in outages {
        let Case { place: Place { name, .. }, failure, .. } = &cases[place];
        costs[place].add(outage.map_err(|why| eyre!("{name}, {}, seed {seed}: {why:#}", failure.name()))?);
    }
    Ok(costs)
}

fn outage(case: &Case, seed: u64) -> eyre::Result<Outage> {
    let Case { place, failure, at_epoch_start, .. } = case.clone();
    let map = place.map.map(|(name, operators)| Map::named(name, operators).wrap_err("no such map")).transpose()?;
    measure(&Run { map, seed, failure, at_epoch_start }).map_err(|why| eyre!(why))
}
