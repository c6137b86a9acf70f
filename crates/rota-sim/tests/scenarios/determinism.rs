//! One seed, one run.

use crate::{ms, s, seeded};
use alloy_primitives::B256;

/// Everything that a run with kills, load and epochs left behind.
fn run(seed: u64) -> (String, Vec<B256>) {
    let mut digests = Vec::new();
    let state = rota_sim::Scenario { epoch_length: 60, turn_length: 20, ..seeded(seed) }.run(async |world| {
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

#[test]
fn same_seed_same_run() {
    let (first, second, other) = (run(80), run(80), run(81));
    assert_eq!(first.1, second.1, "same seed, other flashblocks");
    assert_eq!(first.0, second.0, "same seed, other events");
    assert_ne!(first.0, other.0, "the seed changes nothing");
}
