//! SIGTERM, and a start on the same disk.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use std::fmt;

/// An operator's node is told to stop.
#[derive(Debug, Clone)]
pub struct Stop {
    operator: usize,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operator {} is told to stop", self.operator)
    }
}

impl Fault for Stop {
    const NAME: &'static str = "stop";
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
        world.ask_to_stop(operator);
        Injected::new(move |world| world.restart(operator), move |_| ran)
    }
}
