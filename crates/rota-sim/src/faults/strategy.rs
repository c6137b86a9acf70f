//! Another strategy gives the turns.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use std::fmt;

/// The strategy changes at an epoch that is announced.
#[derive(Debug, Clone)]
pub struct Strategy {
    strategy: rota_types::Strategy,
    /// Epochs from the running one to the change.
    ahead: u64,
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} gives the turns {} epochs later", self.strategy, self.ahead)
    }
}

impl Fault for Strategy {
    const NAME: &'static str = "strategy";

    fn draw(chance: &mut Chance, _: &Scenario, _: usize) -> Option<Self> {
        let strategy = chance.pick(&[rota_types::Strategy::RoundRobin, rota_types::Strategy::Weighted]);
        Some(Self { strategy, ahead: chance.within(2..=3) })
    }

    fn harm(&self) -> Harm {
        Harm::Nobody
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let epoch = world.chain.spec.epoch_of(world.invariants.height()) + self.ahead;
        world.announce(self.strategy, epoch);
        let strategy = self.strategy;
        Injected::new(
            |_| {},
            move |world| world.known_epoch(epoch).is_some_and(|epoch| epoch.turns().plan().strategy == strategy),
        )
    }
}
