//! An engine that stalls once, or answers with errors.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use std::{fmt, time::Duration};

/// An operator's engine takes seconds for one execution; or fails all of them, which says nothing about flashblocks.
#[derive(Debug, Clone)]
pub struct SickEngine {
    operator: usize,
    /// How long the next execution takes; `None`: all fail.
    stall: Option<Duration>,
}

impl fmt::Display for SickEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stall {
            Some(stall) => write!(f, "the next execution of operator {} takes {stall:?}", self.operator),
            None => write!(f, "executions of operator {} fail", self.operator),
        }
    }
}

impl Fault for SickEngine {
    const NAME: &'static str = "sick-engine";
    // Certified flashblocks that it could not execute are executed after a restart.
    const RESTARTS: bool = true;

    fn draw(chance: &mut Chance, _: &Scenario, operator: usize) -> Option<Self> {
        let stall = chance.pick(&[None, Some(1), Some(5), Some(20)]).map(Duration::from_secs);
        Some(Self { operator, stall })
    }

    fn harm(&self) -> Harm {
        Harm::Operator(self.operator)
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let Self { operator, stall } = *self;
        match stall {
            Some(stall) => world.engine(operator).stall(stall),
            None => world.engine(operator).set_failing(true),
        }
        let heal = move |world: &mut World| {
            world.engine(operator).set_failing(false);
            world.restart(operator);
        };
        Injected::new(heal, |_| true)
    }
}
