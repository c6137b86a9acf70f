//! L1 changes its mind about blocks that nobody has built upon yet.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use std::fmt;

/// L1 replaces its newest blocks, no more than lie on top of any origin.
#[derive(Debug, Clone)]
pub struct L1Reorg {
    depth: usize,
    /// Whether the transactions in them are lost.
    losing: bool,
}

impl fmt::Display for L1Reorg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.losing { " and loses what was in them" } else { "" };
        write!(f, "L1 replaces its newest {} blocks{what}", self.depth)
    }
}

impl Fault for L1Reorg {
    const NAME: &'static str = "l1-reorg";

    fn draw(chance: &mut Chance, scenario: &Scenario, _: usize) -> Option<Self> {
        let depth = chance.within(1..=scenario.l1_confirmations.max(1)) as usize;
        (scenario.l1_confirmations > 0).then_some(Self { depth, losing: chance.one_in(2) })
    }

    fn harm(&self) -> Harm {
        Harm::Nobody
    }

    async fn inject(&self, world: &mut World) -> Injected {
        if self.losing {
            world.l1.reorg_losing_transactions(self.depth);
        } else {
            world.l1.reorg(self.depth);
        }
        Injected::new(|_| {}, |_| true)
    }
}
