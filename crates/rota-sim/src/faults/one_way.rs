//! One direction of one link is gone.

use super::{Fault, Harm, Injected};
use crate::{
    chance::Chance,
    scenario::Scenario,
    world::{Disturbance, World},
};
use std::fmt;

/// An operator hears nothing of another, which hears it all the same.
#[derive(Debug, Clone)]
pub struct OneWay {
    from: usize,
    to: usize,
}

impl fmt::Display for OneWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operator {} hears nothing of operator {}", self.to, self.from)
    }
}

impl Fault for OneWay {
    const NAME: &'static str = "one-way";

    fn draw(chance: &mut Chance, scenario: &Scenario, from: usize) -> Option<Self> {
        let others = scenario.operators as u64 - 1;
        let to = (from as u64 + chance.within(1..=others)) % (others + 1);
        Some(Self { from, to: to as usize })
    }

    fn harm(&self) -> Harm {
        Harm::Operator(self.to)
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let pair = (self.from, self.to);
        world.disturb(Disturbance::new(move |from, to, link| ((from, to) != pair).then_some(link))).await
    }
}
