//! A leader that proposes what nobody may accept.

use super::{Fault, Harm, Injected, turned};
use crate::{byzantine::Invalid, chance::Chance, scenario::Scenario, world::World};
use rota_execution::testing::dev_genesis;
use std::fmt;

/// An operator's proposals are invalid in one way.
#[derive(Debug, Clone)]
pub struct InvalidLeader {
    operator: usize,
    invalid: Invalid,
}

impl fmt::Display for InvalidLeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operator {} proposes invalid flashblocks: {}", self.operator, self.invalid.name())
    }
}

impl Fault for InvalidLeader {
    const NAME: &'static str = "invalid-leader";
    const RESTARTS: bool = true;

    fn draw(chance: &mut Chance, scenario: &Scenario, operator: usize) -> Option<Self> {
        let kinds = Invalid::ways(dev_genesis().config.chain_id, &scenario.limits);
        let way = chance.within(0..=kinds.len() as u64 - 1) as usize;
        Some(Self { operator, invalid: kinds[way].clone() })
    }

    fn harm(&self) -> Harm {
        Harm::Lost(self.operator)
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let operator = self.operator;
        let record = world.corrupt(operator, self.invalid.clone());
        turned(world, operator, move |_| !record.proposed().is_empty())
    }
}
