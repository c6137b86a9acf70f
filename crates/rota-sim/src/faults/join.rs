//! An operator joins.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use rota_types::OperatorStatus;
use std::fmt;

/// An operator that was not in the first committee becomes a member.
#[derive(Debug, Clone)]
pub struct Join {
    operator: usize,
}

impl fmt::Display for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operator {} joins", self.operator)
    }
}

impl Fault for Join {
    const NAME: &'static str = "join";

    fn draw(chance: &mut Chance, scenario: &Scenario, _: usize) -> Option<Self> {
        let joiners = scenario.joiners as u64;
        let operator = |chosen| scenario.operators + chosen as usize;
        (joiners > 0).then(|| Self { operator: operator(chance.within(0..=joiners - 1)) })
    }

    fn harm(&self) -> Harm {
        Harm::Operator(self.operator)
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let operator = self.operator;
        if !world.is_up(operator) {
            world.restart(operator);
        }
        world.register(operator, world.chain.entry(operator, OperatorStatus::Member));
        Injected::new(|_| {}, move |world| world.was_member(operator, true))
    }
}
