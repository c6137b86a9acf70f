//! Random worlds and random plans of faults: a fixed range of seeds, and every seed that once found something.
#![allow(clippy::print_stdout, reason = "the log of a test run shows what was covered")]

use rota_sim::{
    Trace,
    explore::{Options, explore, explore_all},
    regressions::REGRESSIONS,
};

/// Seeds of the range.
const SEEDS: u64 = 200;

/// Threads.
const JOBS: usize = 2;

#[test]
fn random_seeds_hold() {
    let summary = explore_all(0..SEEDS, JOBS, &Options::default(), |_, _| {});
    println!("{summary:#?}");
    assert_eq!(summary.failed, [], "replay with: rota sim run --scenario explore --seed N --trace FILE");
    // Some kinds need more time than a run has left, as a join does: of five one should have it.
    let missing = summary.coverage.iter().filter(|(_, coverage)| coverage.faults >= 5 && coverage.took_effect == 0);
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "kinds of faults that never took effect: {missing:?}");
    assert!(summary.answered > 40 * SEEDS, "hardly any load: {} answers", summary.answered);
}

#[test]
fn seeds_that_once_failed_hold() {
    for (seed, found) in REGRESSIONS {
        let outcome = explore(*seed, &Options::default(), Trace::default());
        assert!(outcome.is_ok(), "seed {seed} ({found}): {outcome:?}");
    }
}
