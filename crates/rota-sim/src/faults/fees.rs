//! L1 is expensive.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use std::fmt;

/// L1's base fee, or that of blobs, or both, rise.
#[derive(Debug, Clone)]
pub struct Fees {
    base: u64,
    blob: u64,
}

impl fmt::Display for Fees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L1 costs {} wei of gas and {} wei of blob gas", self.base, self.blob)
    }
}

impl Fault for Fees {
    const NAME: &'static str = "fees";

    fn draw(chance: &mut Chance, scenario: &Scenario, _: usize) -> Option<Self> {
        scenario.posting?;
        Some(Self { base: chance.pick(&[7, 100, 5_000]), blob: chance.pick(&[1, 100, 100_000]) })
    }

    fn harm(&self) -> Harm {
        Harm::Nobody
    }

    async fn inject(&self, world: &mut World) -> Injected {
        world.act(None, self);
        world.l1.set_base_fee(self.base);
        world.l1.set_blob_base_fee(self.blob);
        let changed = self.base > 7 || self.blob > 1;
        let heal = |world: &mut World| {
            world.act(None, "L1 is cheap again");
            world.l1.set_base_fee(7);
            world.l1.set_blob_base_fee(1);
        };
        Injected::new(heal, move |_| changed)
    }
}
