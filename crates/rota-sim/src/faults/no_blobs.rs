//! A beacon node without blobs.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use std::fmt;

/// An operator's beacon node has no blobs.
#[derive(Debug, Clone)]
pub struct NoBlobs {
    operator: usize,
}

impl fmt::Display for NoBlobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the beacon node of operator {} has no blobs", self.operator)
    }
}

impl Fault for NoBlobs {
    const NAME: &'static str = "no-blobs";

    fn draw(_: &mut Chance, scenario: &Scenario, operator: usize) -> Option<Self> {
        scenario.posting.is_some().then_some(Self { operator })
    }

    fn harm(&self) -> Harm {
        Harm::Nobody
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let operator = self.operator;
        world.blobs_offline(operator, true);
        Injected::new(move |world| world.blobs_offline(operator, false), |_| true)
    }
}
