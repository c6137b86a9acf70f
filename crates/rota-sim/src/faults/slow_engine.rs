//! An engine that is slow, or stalls.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use std::{fmt, time::Duration};

/// Every execution of an operator takes longer; those that have begun are not cut short.
#[derive(Debug, Clone)]
pub struct SlowEngine {
    operator: usize,
    takes: Duration,
}

impl fmt::Display for SlowEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "every execution of operator {} takes {:?}", self.operator, self.takes)
    }
}

impl Fault for SlowEngine {
    const NAME: &'static str = "slow-engine";

    fn draw(chance: &mut Chance, _: &Scenario, operator: usize) -> Option<Self> {
        let takes = chance.pick(&[50, 150, 300, 1_000, 5_000]);
        Some(Self { operator, takes: Duration::from_millis(takes) })
    }

    fn harm(&self) -> Harm {
        Harm::Operator(self.operator)
    }

    fn recovery(&self) -> Duration {
        self.takes + Duration::from_secs(4)
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let Self { operator, takes } = *self;
        world.execution_takes(operator, takes);
        Injected::new(move |world| world.execution_takes(operator, Duration::ZERO), |_| true)
    }
}
