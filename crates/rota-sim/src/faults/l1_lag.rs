//! L1 endpoints that are behind.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use std::fmt;

/// An operator sees L1 late.
#[derive(Debug, Clone)]
pub struct L1Lag {
    operator: usize,
    blocks: u64,
}

impl fmt::Display for L1Lag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L1 endpoints of operator {} are {} blocks behind", self.operator, self.blocks)
    }
}

impl Fault for L1Lag {
    const NAME: &'static str = "l1-lag";

    fn draw(chance: &mut Chance, _: &Scenario, operator: usize) -> Option<Self> {
        Some(Self { operator, blocks: chance.within(1..=6) })
    }

    fn harm(&self) -> Harm {
        Harm::Operator(self.operator)
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let operator = self.operator;
        world.l1_lags(operator, self.blocks);
        Injected::new(move |world| world.l1_lags(operator, 0), |_| true)
    }
}
