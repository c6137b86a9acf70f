//! A poster that can't pay.

use super::{Fault, Harm, Injected};
use crate::{chance::Chance, scenario::Scenario, world::World};
use std::fmt;

/// An operator's posting account is empty.
#[derive(Debug, Clone)]
pub struct Broke {
    operator: usize,
}

impl fmt::Display for Broke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operator {} can't pay for posting", self.operator)
    }
}

impl Fault for Broke {
    const NAME: &'static str = "broke";

    fn draw(_: &mut Chance, scenario: &Scenario, operator: usize) -> Option<Self> {
        scenario.posting.is_some().then_some(Self { operator })
    }

    fn harm(&self) -> Harm {
        Harm::Nobody
    }

    async fn inject(&self, world: &mut World) -> Injected {
        let operator = self.operator;
        world.act(operator, "can't pay for posting");
        world.poster(operator).set_broke(true);
        let heal = move |world: &mut World| {
            world.act(operator, "can pay again");
            world.poster(operator).set_broke(false);
        };
        Injected::new(heal, |_| true)
    }
}
