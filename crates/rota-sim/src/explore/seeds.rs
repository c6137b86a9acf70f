//! Many seeds, on many threads.

use super::{Options, Outcome, explore};
use crate::{faults::FaultKind, threads::on_threads, trace::Trace};
use std::{collections::BTreeMap, ops::Range, time::Duration};

/// How often a kind of fault was there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Seeds with at least one.
    pub seeds: u64,
    /// All there were.
    pub faults: u64,
    /// Those that took effect.
    pub took_effect: u64,
}

/// What many seeds show.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Seeds that held.
    pub passed: u64,
    /// Seeds that did not, and why.
    pub failed: Vec<(u64, String)>,
    /// Seeds whose plans went beyond what the chain can do without.
    pub bold: u64,
    /// By kind of fault.
    pub coverage: BTreeMap<&'static str, Coverage>,
    /// Heights that were certified.
    pub heights: u64,
    /// Simulated time.
    pub simulated: Duration,
    /// Answers to wallets.
    pub answered: u64,
    /// The longest time without a certified height while the chain had to go on, and its seed.
    pub longest_gap: (Duration, u64),
    /// The longest recovery, and its seed.
    pub longest_recovery: (Duration, u64),
    /// The most tasks of one operator at the end, and its seed.
    pub most_tasks: (u64, u64),
}

impl Summary {
    /// Nothing yet, of any kind.
    pub fn new() -> Self {
        let coverage = FaultKind::NAMES.iter().map(|name| (*name, Coverage::default())).collect();
        Self { coverage, ..Self::default() }
    }

    /// Counts one seed.
    pub fn add(&mut self, seed: u64, result: &Result<Outcome, String>) {
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(claim) => return self.failed.push((seed, claim.clone())),
        };
        self.passed += 1;
        self.bold += u64::from(outcome.bold);
        self.heights += outcome.heights;
        self.simulated += outcome.simulated;
        self.answered += outcome.answered;
        self.longest_gap = self.longest_gap.max((outcome.longest_gap, seed));
        self.longest_recovery = self.longest_recovery.max((outcome.recovery, seed));
        self.most_tasks = self.most_tasks.max((outcome.tasks, seed));
        for (name, coverage) in &mut self.coverage {
            let ours = || outcome.faults.iter().filter(|(kind, _)| kind == name);
            coverage.seeds += u64::from(ours().next().is_some());
            coverage.faults += ours().count() as u64;
            coverage.took_effect += ours().filter(|(_, took_effect)| *took_effect).count() as u64;
        }
    }
}

/// Runs every seed of a range on `jobs` threads, and tells of each as it ends; not in order.
pub fn explore_all(
    seeds: Range<u64>,
    jobs: usize,
    options: &Options,
    mut ended: impl FnMut(u64, &Result<Outcome, String>),
) -> Summary {
    let mut summary = Summary::new();
    let run = |seed| (seed, explore(seed, options, Trace::default()));
    on_threads(jobs, seeds, run, |(seed, result)| {
        summary.add(seed, &result);
        ended(seed, &result);
    });
    summary.failed.sort();
    summary
}
