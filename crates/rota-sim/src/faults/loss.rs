//! Messages are lost.

use super::{Fault, Harm, Injected};
use crate::{
    chance::Chance,
    scenario::Scenario,
    world::{Disturbance, World},
};
use rota_consensus::simulated::Link;
use std::fmt;

/// Some messages from and to an operator, or on all links, are lost.
#[derive(Debug, Clone)]
pub struct Loss {
    /// Nobody: all links.
    operator: Option<usize>,
    ppm: u32,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_cent = f64::from(self.ppm) / 10_000.0;
        match self.operator {
            Some(operator) => write!(f, "operator {operator} loses {per_cent} % of its messages"),
            None => write!(f, "{per_cent} % of all messages are lost"),
        }
    }
}

impl Fault for Loss {
    const NAME: &'static str = "loss";

    fn draw(chance: &mut Chance, _: &Scenario, operator: usize) -> Option<Self> {
        let operator = (!chance.one_in(4)).then_some(operator);
        Some(Self { operator, ppm: chance.within(1..=30) as u32 * 10_000 })
    }

    fn harm(&self) -> Harm {
        self.operator.map_or(Harm::Everybody, Harm::Operator)
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let Self { operator, ppm } = *self;
        world
            .disturb(Disturbance::new(move |from, to, link| {
                let hit = operator.is_none_or(|operator| [from, to].contains(&operator));
                Some(if hit { Link { loss_ppm: link.loss_ppm.max(ppm), ..link } } else { link })
            }))
            .await
    }
}
