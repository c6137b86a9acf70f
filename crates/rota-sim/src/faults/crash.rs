//! A process dies at any step, and is started on the same disk.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use std::fmt;

/// An operator's process dies: at once, or after so many more steps of its tasks.
#[derive(Debug, Clone)]
pub struct Crash {
    operator: usize,
    steps: u64,
    /// Whether its disk keeps pieces of what was not synced.
    tearing: bool,
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operator, steps, tearing } = self;
        let left = if *tearing { "pieces of what" } else { "nothing that" };
        write!(f, "operator {operator} dies in {steps} steps; {left} was not synced is left")
    }
}

impl Fault for Crash {
    const NAME: &'static str = "crash";
    const RESTARTS: bool = true;

    fn draw(chance: &mut Chance, _: &Scenario, operator: usize) -> Option<Self> {
        let steps = chance.pick(&[0, 1, 10, 100, 1_000]);
        Some(Self { operator, steps: chance.within(0..=steps), tearing: chance.one_in(2) })
    }

    fn harm(&self) -> Harm {
        Harm::Operator(self.operator)
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let Self { operator, steps, tearing } = *self;
        let ran = world.runs(operator);
        world.host(operator).disk().set_tearing(tearing);
        world.host(operator).die_after(steps);
        Injected::new(move |world| world.restart(operator), move |_| ran)
    }
}
