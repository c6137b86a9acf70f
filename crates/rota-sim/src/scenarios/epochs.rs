//! Epoch boundaries.

use super::{ms, s};
use crate::Scenario;

/// Epochs follow each other without a pause.
pub fn epoch_boundary_has_no_gap(base: Scenario) {
    Scenario { epoch_length: 60, turn_length: 20, ..base }.run(async |world| {
        world.start_all().await;
        world.all_reach(20, s(30)).await;
        let since = world.now();
        world.all_reach(60 * 4 + 20, s(120)).await;
        let gap = world.invariants.longest_gap(since);
        assert!(gap <= ms(350), "gap of {gap:?} across four boundaries");
    });
}

/// One operator is down over several boundaries: that costs its turns, and it comes back.
pub fn boundary_with_one_operator_down_goes_on(base: Scenario) {
    Scenario { epoch_length: 60, turn_length: 20, ..base }.run(async |world| {
        world.start_all().await;
        world.all_reach(20, s(30)).await;
        world.kill(3);
        let since = world.now();
        world.reach(60 * 3 + 20, s(120)).await;
        let gap = world.invariants.longest_gap(since);
        assert!(gap <= ms(1_500), "gap of {gap:?} with one operator down");
        world.start(3, false).await;
        world.all_reach(60 * 4 + 5, s(60)).await;
    });
}
