//! A machine that computes slowly.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use std::fmt;

/// Everything that an operator computes takes several times as long.
#[derive(Debug, Clone)]
pub struct SlowMachine {
    operator: usize,
    times: u32,
}

impl fmt::Display for SlowMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operator {} computes {} times as long", self.operator, self.times)
    }
}

impl Fault for SlowMachine {
    const NAME: &'static str = "slow-machine";

    fn draw(chance: &mut Chance, _: &Scenario, operator: usize) -> Option<Self> {
        Some(Self { operator, times: chance.pick(&[3, 10, 30]) })
    }

    fn harm(&self) -> Harm {
        Harm::Operator(self.operator)
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let Self { operator, times } = *self;
        world.host(operator).set_slowness(times * 100);
        Injected::new(move |world| world.host(operator).set_slowness(100), |_| true)
    }
}
