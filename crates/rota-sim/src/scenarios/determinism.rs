//! One seed, one run.

use super::{ms, s};
use crate::Scenario;
use alloy_primitives::B256;

/// Everything that a run with kills, load and epochs left behind.
fn run(base: Scenario) -> (String, Vec<B256>) {
    let mut digests = Vec::new();
    let state = Scenario { epoch_length: 60, turn_length: 20, ..base }.run(async |world| {
        world.start_all().await;
        world.all_reach(20, s(30)).await;
        let mut wallet = world.wallet(0);
        world.transfers(&mut wallet, ms(50), s(3)).await;
        let leader = world.leader();
        world.kill(leader);
        world.transfers(&mut wallet, ms(50), s(3)).await;
        world.start(leader, false).await;
        world.all_reach(90, s(60)).await;
        digests = world.invariants.digests();
    });
    (state, digests)
}

/// The same seed gives the same flashblocks and the same events, another seed others.
pub fn same_seed_same_run(base: Scenario) {
    let changed = Scenario { seed: base.seed.wrapping_add(1), ..base.clone() };
    let (first, second, other) = (run(base.clone()), run(base), run(changed));
    assert_eq!(first.1, second.1, "same seed, other flashblocks");
    assert_eq!(first.0, second.0, "same seed, other events");
    assert_ne!(first.0, other.0, "the seed changes nothing");
}
