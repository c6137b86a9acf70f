//! A clock that is seconds off.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use std::{fmt, time::Duration};

/// An operator's clock is ahead or behind.
#[derive(Debug, Clone)]
pub struct WrongClock {
    operator: usize,
    ahead: Duration,
    behind: Duration,
}

impl fmt::Display for WrongClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the clock of operator {} is {:?} ahead, {:?} behind", self.operator, self.ahead, self.behind)
    }
}

impl Fault for WrongClock {
    const NAME: &'static str = "wrong-clock";

    fn draw(chance: &mut Chance, _: &Scenario, operator: usize) -> Option<Self> {
        let off = Duration::from_millis(chance.pick(&[100, 500, 1_500, 5_000]));
        let (ahead, behind) = if chance.one_in(2) { (off, Duration::ZERO) } else { (Duration::ZERO, off) };
        Some(Self { operator, ahead, behind })
    }

    fn harm(&self) -> Harm {
        Harm::Operator(self.operator)
    }

    /// Timers that were set by the wrong clock end first.
    fn recovery(&self) -> Duration {
        self.ahead + self.behind + Duration::from_secs(6)
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let Self { operator, ahead, behind } = *self;
        world.host(operator).set_clock(ahead, behind);
        Injected::new(move |world| world.host(operator).set_clock(Duration::ZERO, Duration::ZERO), |_| true)
    }
}
