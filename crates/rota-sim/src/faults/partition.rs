//! The network falls apart into two.

use super::{Fault, Harm, Injected};
use crate::{
    chance::Chance,
    scenario::Scenario,
    world::{Disturbance, World},
};
use std::fmt;

/// Some operators reach only each other.
#[derive(Debug, Clone)]
pub struct Partition {
    minority: Vec<usize>,
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operators {:?} are cut off from the others", self.minority)
    }
}

impl Fault for Partition {
    const NAME: &'static str = "partition";

    fn draw(chance: &mut Chance, scenario: &Scenario, operator: usize) -> Option<Self> {
        let mut minority = vec![operator];
        // Half of the time more than one, then perhaps more than the chain can do without.
        for other in (0..scenario.operators).filter(|other| *other != operator) {
            if minority.len() < scenario.operators / 2 && chance.one_in(2 * scenario.operators as u64) {
                minority.push(other);
            }
        }
        Some(Self { minority })
    }

    fn harm(&self) -> Harm {
        match *self.minority {
            [operator] => Harm::Operator(operator),
            _ => Harm::Everybody,
        }
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let inside = self.minority.clone();
        world
            .disturb(Disturbance::new(move |from, to, link| {
                (inside.contains(&from) == inside.contains(&to)).then_some(link)
            }))
            .await
    }
}
