//! A disk that is full, or whose syncs fail.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use rota_consensus::simulated::DiskFault;
use std::fmt;

/// Writes, or syncs, of an operator fail: its node must end.
#[derive(Debug, Clone)]
pub struct FailingDisk {
    operator: usize,
    fault: DiskFault,
}

impl fmt::Display for FailingDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the disk of operator {} has a fault: {:?}", self.operator, self.fault)
    }
}

impl Fault for FailingDisk {
    const NAME: &'static str = "failing-disk";
    const RESTARTS: bool = true;

    fn draw(chance: &mut Chance, _: &Scenario, operator: usize) -> Option<Self> {
        Some(Self { operator, fault: chance.pick(&[DiskFault::Full, DiskFault::Sync]) })
    }

    fn harm(&self) -> Harm {
        Harm::Operator(self.operator)
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let Self { operator, fault } = *self;
        world.disk_fails(operator, Some(fault));
        let ended = std::rc::Rc::new(std::cell::Cell::new(false));
        let seen = ended.clone();
        let heal = move |world: &mut World| {
            ended.set(world.ended(operator).is_some());
            world.disk_fails(operator, None);
            world.restart(operator);
        };
        Injected::new(heal, move |_| seen.get())
    }
}
