//! An operator's place in the schedule changes.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use rota_types::{OperatorStatus, RegistryEntry};
use std::fmt;

/// A member gets another weight, or becomes a reserve operator.
#[derive(Debug, Clone)]
pub struct Weight {
    operator: usize,
    weight: u64,
    reserve: bool,
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reserve = if self.reserve { ", in reserve" } else { "" };
        write!(f, "operator {} has the weight {}{reserve}", self.operator, self.weight)
    }
}

impl Fault for Weight {
    const NAME: &'static str = "weight";

    fn draw(chance: &mut Chance, _: &Scenario, operator: usize) -> Option<Self> {
        Some(Self { operator, weight: chance.within(1..=9), reserve: chance.one_in(4) })
    }

    fn harm(&self) -> Harm {
        Harm::Nobody
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let Self { operator, weight, reserve } = *self;
        let entry = world.chain.entry(operator, OperatorStatus::Member);
        world.register(operator, RegistryEntry { weight, reserve, ..entry });
        Injected::new(|_| {}, |_| true)
    }
}
