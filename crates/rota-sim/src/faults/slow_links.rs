//! Links are slow.

use super::{Fault, Harm, Injected};
use crate::{
    chance::Chance,
    scenario::Scenario,
    world::{Disturbance, World},
};
use rota_consensus::simulated::Link;
use std::{fmt, time::Duration};

/// All links of an operator, or all there are, take longer.
#[derive(Debug, Clone)]
pub struct SlowLinks {
    /// Nobody: all links.
    operator: Option<usize>,
    by: Duration,
}

impl fmt::Display for SlowLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.operator {
            Some(operator) => write!(f, "links of operator {operator} take {:?} longer", self.by),
            None => write!(f, "all links take {:?} longer", self.by),
        }
    }
}

impl Fault for SlowLinks {
    const NAME: &'static str = "slow-links";

    fn draw(chance: &mut Chance, _: &Scenario, operator: usize) -> Option<Self> {
        let operator = (!chance.one_in(4)).then_some(operator);
        Some(Self { operator, by: Duration::from_millis(chance.within(1..=40) * 25) })
    }

    fn harm(&self) -> Harm {
        self.operator.map_or(Harm::Everybody, Harm::Operator)
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let Self { operator, by } = *self;
        world
            .disturb(Disturbance::new(move |from, to, link| {
                let hit = operator.is_none_or(|operator| [from, to].contains(&operator));
                Some(if hit { Link { latency: link.latency + by, ..link } } else { link })
            }))
            .await
    }
}
