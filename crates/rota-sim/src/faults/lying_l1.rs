//! One L1 endpoint of several lies.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use std::fmt;

/// An operator runs with one endpoint more: it shows another L1.
#[derive(Debug, Clone)]
pub struct LyingL1 {
    operator: usize,
}

impl fmt::Display for LyingL1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operator {} has an endpoint of another L1 too", self.operator)
    }
}

impl Fault for LyingL1 {
    const NAME: &'static str = "lying-l1";
    const RESTARTS: bool = true;

    fn draw(_: &mut Chance, _: &Scenario, operator: usize) -> Option<Self> {
        Some(Self { operator })
    }

    fn harm(&self) -> Harm {
        Harm::Operator(self.operator)
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let operator = self.operator;
        let lies = world.another_l1();
        world.add_l1_endpoint(operator, &lies);
        world.restart(operator);
        let heal = move |world: &mut World| {
            world.remove_l1_endpoints(operator);
            world.restart(operator);
        };
        Injected::new(heal, |_| true)
    }
}
