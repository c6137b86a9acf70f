//! An operator leaves.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use rota_types::OperatorStatus;
use std::fmt;

/// A member of the first committee leaves, or is sent away.
#[derive(Debug, Clone)]
pub struct Leave {
    operator: usize,
    status: OperatorStatus,
}

impl fmt::Display for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operator {} leaves ({:?})", self.operator, self.status)
    }
}

impl Fault for Leave {
    const NAME: &'static str = "leave";
    const ONCE: bool = true;

    fn draw(chance: &mut Chance, scenario: &Scenario, operator: usize) -> Option<Self> {
        let status = chance.pick(&[OperatorStatus::Left, OperatorStatus::Jailed]);
        // The chain can do without one more only if that costs the committee no vote that it may miss.
        let faults = |operators: usize| (operators - 1) / 3;
        let enough = scenario.operators > 4 && faults(scenario.operators) == faults(scenario.operators - 1);
        enough.then_some(Self { operator, status })
    }

    fn harm(&self) -> Harm {
        Harm::Nobody
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let operator = self.operator;
        world.register(operator, world.chain.entry(operator, self.status));
        Injected::new(|_| {}, move |world| world.was_member(operator, false))
    }
}
