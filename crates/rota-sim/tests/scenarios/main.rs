//! The scenarios: each a sentence about what the chain survives. A failing one prints its seed.

mod determinism;
mod epochs;
mod l1;
mod leader;
mod membership;
mod posting;
mod registry;
mod transactions;

use rota_sim::{Scenario, World};
use std::time::Duration;

/// Seconds, for short.
pub(crate) const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Milliseconds, for short.
pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A scenario with this seed and everything else as on the devnet.
pub(crate) fn seeded(seed: u64) -> Scenario {
    Scenario { seed, ..Default::default() }
}

/// Nobody has cut anybody off, and nobody has reported a fault.
pub(crate) async fn nobody_misbehaved(world: &World) {
    assert_eq!(world.network.blocked().await, [], "operators have cut each other off");
    for operator in world.operators().filter(|operator| world.runs(*operator)) {
        let faults = world.node(operator).ledger.evidence(0, 16).expect("the disk is sound");
        assert_eq!(faults, [], "operator {operator} has evidence of a fault");
    }
}
