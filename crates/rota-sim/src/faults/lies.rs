//! Operators that lie: one kind of fault for each behaviour of [`crate::byzantine`].

use super::{Fault, Harm, Injected, turned};
use crate::{
    byzantine::{self, Behaviour},
    chance::Chance,
    scenario::Scenario,
    world::World,
};
use rota_types::Identity;
use std::{collections::BTreeSet, fmt, sync::Arc};

/// Every second one of the others.
fn half(world: &World, operator: usize) -> BTreeSet<Identity> {
    world.operators().filter(|other| *other != operator && other % 2 == 0).map(|other| world.identity(other)).collect()
}

macro_rules! lies {
    ($($(#[doc = $doc:literal])+ $kind:ident = $name:literal, $begin:expr, shown by $shown:expr;)*) => {
        $($(#[doc = $doc])+
        #[derive(Debug, Clone)]
        pub struct $kind {
            operator: usize,
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "operator {} lies: {}", self.operator, $name)
            }
        }

        impl Fault for $kind {
            const NAME: &'static str = $name;
            const RESTARTS: bool = true;

            fn draw(_: &mut Chance, _: &Scenario, operator: usize) -> Option<Self> {
                Some(Self { operator })
            }

            fn harm(&self) -> Harm {
                Harm::Lost(self.operator)
            }

            async fn inject(&self, world: &mut World) -> Injected {
                let operator = self.operator;
                let begin: fn(&mut World, usize) = $begin;
                let shown: fn(&World, usize) -> bool = $shown;
                begin(world, operator);
                turned(world, operator, move |world| shown(world, operator))
            }
        })*
    };
}

lies! {
    /// Signs a second, conflicting vote beside its own, for all to see.
    Equivocation = "equivocation", |world, operator| world.tamper(operator, byzantine::Equivocate), shown by World::convicted;
    /// Signs one vote for some and another for the others.
    TwoFaced = "two-faced", |world, operator| {
        let deceived = half(world, operator);
        world.tamper(operator, byzantine::TwoFaced { deceived });
    }, shown by |_, _| true;
    /// Shows its flashblocks to some only.
    Withhold = "withhold", |world, operator| {
        let from = half(world, operator);
        world.tamper(operator, byzantine::Withhold { from });
    }, shown by |_, _| true;
    /// Never votes.
    Mute = "mute", |world, operator| world.tamper(operator, byzantine::Mute), shown by |_, _| true;
    /// Votes for everything.
    Credulous = "credulous", |world, operator| {
        let behaviour: Behaviour = Arc::new(|inner| Arc::new(byzantine::Credulous(inner)));
        world.behave(operator, "vote for everything", behaviour);
    }, shown by |_, _| true;
    /// Says everything again.
    Replay = "replay", |world, operator| world.tamper(operator, byzantine::Replay::default()), shown by |_, _| true;
    /// Floods every channel.
    Flood = "flood", |world, operator| world.tamper(operator, byzantine::Flood::new(operator as u64)), shown by |_, _| true;
    /// Lies about L1, the time and what it holds.
    FalseHints = "false-hints", |world, operator| world.tamper(operator, byzantine::FalseHints), shown by |_, _| true;
}
