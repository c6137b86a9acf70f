//! Writes to a disk fail.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use std::fmt;

/// Every write of an operator's ledger fails: its node must end.
#[derive(Debug, Clone)]
pub struct FailingDisk {
    operator: usize,
}

impl fmt::Display for FailingDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "writes to the disk of operator {} fail", self.operator)
    }
}

impl Fault for FailingDisk {
    const NAME: &'static str = "failing-disk";
    const RESTARTS: bool = true;

    fn draw(_: &mut Chance, _: &Scenario, operator: usize) -> Option<Self> {
        Some(Self { operator })
    }

    fn harm(&self) -> Harm {
        Harm::Operator(self.operator)
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let operator = self.operator;
        world.disk_fails(operator, true);
        let ended = std::rc::Rc::new(std::cell::Cell::new(false));
        let seen = ended.clone();
        let heal = move |world: &mut World| {
            ended.set(world.ended(operator).is_some());
            world.disk_fails(operator, false);
            world.restart(operator);
        };
        Injected::new(heal, move |_| seen.get())
    }
}
