//! `kill -9`, and a start on the same disk.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use std::fmt;

/// An operator's node is killed.
#[derive(Debug, Clone)]
pub struct Crash {
    operator: usize,
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operator {} is killed", self.operator)
    }
}

impl Fault for Crash {
    const NAME: &'static str = "crash";
    const RESTARTS: bool = true;

    fn draw(_: &mut Chance, _: &Scenario, operator: usize) -> Option<Self> {
        Some(Self { operator })
    }

    fn harm(&self) -> Harm {
        Harm::Operator(self.operator)
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let operator = self.operator;
        let ran = world.runs(operator);
        world.kill(operator);
        Injected::new(move |world| world.restart(operator), move |_| ran)
    }
}
