//! A start under the same key with an empty disk.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use std::fmt;

/// An operator's node is killed, and its disk is gone.
#[derive(Debug, Clone)]
pub struct EmptyDisk {
    operator: usize,
}

impl fmt::Display for EmptyDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operator {} loses its disk", self.operator)
    }
}

impl Fault for EmptyDisk {
    const NAME: &'static str = "empty-disk";
    const RESTARTS: bool = true;

    fn draw(_: &mut Chance, _: &Scenario, operator: usize) -> Option<Self> {
        Some(Self { operator })
    }

    fn harm(&self) -> Harm {
        Harm::Lost(self.operator)
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let operator = self.operator;
        let ran = world.runs(operator);
        world.kill(operator);
        world.wipe(operator);
        Injected::new(move |world| world.restart(operator), move |_| ran)
    }
}
