//! A thin line.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use std::fmt;

/// An operator's line carries little.
#[derive(Debug, Clone)]
pub struct Bandwidth {
    operator: usize,
    bytes_per_second: usize,
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the line of operator {} carries {} bytes a second", self.operator, self.bytes_per_second)
    }
}

impl Fault for Bandwidth {
    const NAME: &'static str = "bandwidth";

    fn draw(chance: &mut Chance, _: &Scenario, operator: usize) -> Option<Self> {
        Some(Self { operator, bytes_per_second: chance.pick(&[2_000, 10_000, 50_000, 200_000]) })
    }

    fn harm(&self) -> Harm {
        Harm::Operator(self.operator)
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let Self { operator, bytes_per_second } = *self;
        world.limit_bandwidth(operator, Some(bytes_per_second)).await;
        Injected {
            heal: Box::new(move |world| Box::pin(async move { world.limit_bandwidth(operator, None).await })),
            took_effect: Box::new(|_| true),
        }
    }
}
