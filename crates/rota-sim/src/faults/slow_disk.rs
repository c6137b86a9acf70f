//! A disk whose syncs take long.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use rota_consensus::simulated::SyncTime;
use std::{fmt, time::Duration};

/// An operator's disk takes long to sync.
#[derive(Debug, Clone)]
pub struct SlowDisk {
    operator: usize,
    median: Duration,
}

impl fmt::Display for SlowDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a sync of operator {} takes {:?} in the median", self.operator, self.median)
    }
}

impl Fault for SlowDisk {
    const NAME: &'static str = "slow-disk";

    fn draw(chance: &mut Chance, _: &Scenario, operator: usize) -> Option<Self> {
        Some(Self { operator, median: Duration::from_millis(chance.pick(&[15, 50, 200, 1_000])) })
    }

    fn harm(&self) -> Harm {
        Harm::Operator(self.operator)
    }

    /// One sync may take seven times the median, and some wait for another.
    fn recovery(&self) -> Duration {
        self.median * 20 + Duration::from_secs(4)
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let Self { operator, median } = *self;
        world.host(operator).disk().set_sync_time(SyncTime { median });
        let usual = world.scenario().sync_time;
        Injected::new(move |world| world.host(operator).disk().set_sync_time(usual), |_| true)
    }
}
