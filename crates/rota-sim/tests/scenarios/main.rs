//! The scenarios: each a sentence about what the chain survives. A failing one prints its seed.

mod determinism;
mod epochs;
mod l1;
mod leader;
mod membership;
mod registry;
mod transactions;

use rota_sim::Scenario;
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
