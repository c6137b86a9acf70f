//! Two nodes with one key.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use std::fmt;

/// An operator's machine is cloned, and both run.
#[derive(Debug, Clone)]
pub struct Twins {
    operator: usize,
}

impl fmt::Display for Twins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operator {} runs twice with one key", self.operator)
    }
}

impl Fault for Twins {
    const NAME: &'static str = "twins";
    const RESTARTS: bool = true;

    fn draw(_: &mut Chance, _: &Scenario, operator: usize) -> Option<Self> {
        Some(Self { operator })
    }

    fn harm(&self) -> Harm {
        Harm::Lost(self.operator)
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let operator = self.operator;
        world.clone_operator(operator).await;
        Injected::new(move |world| world.restart(operator), |_| true)
    }
}
