//! Conflicting votes.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use std::fmt;

/// An operator signs a second, conflicting vote beside its own.
#[derive(Debug, Clone)]
pub struct Equivocation {
    operator: usize,
}

impl fmt::Display for Equivocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operator {} signs conflicting votes", self.operator)
    }
}

impl Fault for Equivocation {
    const NAME: &'static str = "equivocation";
    const RESTARTS: bool = true;

    fn draw(_: &mut Chance, _: &Scenario, operator: usize) -> Option<Self> {
        Some(Self { operator })
    }

    fn harm(&self) -> Harm {
        Harm::Lost(self.operator)
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let operator = self.operator;
        world.kill(operator);
        world.equivocate(operator);
        world.restart(operator);
        let heal = move |world: &mut World| {
            world.kill(operator);
            world.reform(operator);
            world.restart(operator);
        };
        Injected::new(heal, move |world| world.convicted(operator))
    }
}
