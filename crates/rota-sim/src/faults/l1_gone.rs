//! L1 endpoints that do not answer.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use std::fmt;

/// An operator, or everybody, has no L1.
#[derive(Debug, Clone)]
pub struct L1Gone {
    /// Nobody: nobody has L1.
    operator: Option<usize>,
}

impl fmt::Display for L1Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.operator {
            Some(operator) => write!(f, "operator {operator} has no L1"),
            None => f.write_str("nobody has L1"),
        }
    }
}

impl Fault for L1Gone {
    const NAME: &'static str = "l1-gone";

    fn draw(chance: &mut Chance, _: &Scenario, operator: usize) -> Option<Self> {
        Some(Self { operator: (!chance.one_in(3)).then_some(operator) })
    }

    fn harm(&self) -> Harm {
        self.operator.map_or(Harm::Nobody, Harm::Operator)
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let hit: Vec<_> = world.operators().filter(|index| self.operator.is_none_or(|hit| hit == *index)).collect();
        hit.iter().for_each(|operator| world.l1_offline(*operator, true));
        Injected::new(move |world| hit.iter().for_each(|operator| world.l1_offline(*operator, false)), |_| true)
    }
}
