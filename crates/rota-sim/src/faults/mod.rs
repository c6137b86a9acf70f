//! Faults that a plan can contain: a file each (one for all lies), and a line each in the list below.

mod bandwidth;
mod broke;
mod crash;
mod empty_disk;
mod failing_disk;
mod fees;
mod invalid_leader;
mod join;
mod l1_gone;
mod l1_lag;
mod l1_reorg;
mod leave;
mod lies;
mod loss;
mod lying_l1;
mod no_blobs;
mod one_way;
mod partition;
mod sick_engine;
mod slow_disk;
mod slow_engine;
mod slow_links;
mod slow_machine;
mod stop;
mod strategy;
mod twins;
mod weight;
mod wrong_clock;

use crate::{chance::Chance, scenario::Scenario, world::World};
use futures::future::{FutureExt as _, LocalBoxFuture, ready};
use std::{fmt, time::Duration};

/// What a fault costs the committee while it lasts, and until those whom it hit can be counted on again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// Nothing that agreement needs.
    Nobody,
    /// This operator is not to be counted on.
    Operator(usize),
    /// This operator may be malicious, or has lost what it knew: it is not to be counted on for the rest of the run.
    Lost(usize),
    /// Nobody can be counted on.
    Everybody,
}

/// What ends a fault.
type Heal = Box<dyn for<'a> FnOnce(&'a mut World) -> LocalBoxFuture<'a, ()>>;

/// A fault in effect.
pub(crate) struct Injected {
    /// Ends it.
    pub(crate) heal: Heal,
    /// Whether it changed anything, as it shows at the end of the run.
    pub(crate) took_effect: Box<dyn Fn(&World) -> bool>,
}

impl Injected {
    /// A fault that ends so, and whose effect is shown so.
    pub(crate) fn new(heal: impl FnOnce(&mut World) + 'static, took_effect: impl Fn(&World) -> bool + 'static) -> Self {
        Self {
            heal: Box::new(move |world| {
                heal(world);
                ready(()).boxed_local()
            }),
            took_effect: Box::new(took_effect),
        }
    }
}

/// An operator that has been given a behaviour is restarted with it, and in the end honest.
pub(crate) fn turned(world: &mut World, operator: usize, took_effect: impl Fn(&World) -> bool + 'static) -> Injected {
    world.restart(operator);
    let heal = move |world: &mut World| {
        world.reform(operator);
        world.restart(operator);
    };
    Injected::new(heal, took_effect)
}

/// One kind of fault. The value says all of one instance of it, apart from when it begins and ends.
pub(crate) trait Fault: fmt::Debug + fmt::Display + Clone {
    /// The name of the kind.
    const NAME: &'static str;

    /// Whether it starts or ends the operator's node: an operator has one such fault at a time.
    const RESTARTS: bool = false;

    /// Whether a plan has at most one of this kind.
    const ONCE: bool = false;

    /// One of this kind, at this operator if it is at one; `None` if such a world can't have it.
    fn draw(chance: &mut Chance, scenario: &Scenario, operator: usize) -> Option<Self>;

    /// What it costs.
    fn harm(&self) -> Harm;

    /// How long after its end what it cost is back.
    fn recovery(&self) -> Duration {
        Duration::from_secs(4)
    }

    /// Begins.
    async fn inject(&self, world: &mut World) -> Injected;
}

macro_rules! faults {
    ($($module:ident::$kind:ident)*) => {
        /// A fault of any kind.
        #[derive(Debug, Clone)]
        pub enum FaultKind {
            $(#[doc = concat!("See `faults/", stringify!($module), ".rs`.")] $kind($module::$kind),)*
        }

        impl FaultKind {
            /// The names of all kinds.
            pub const NAMES: &[&str] = &[$($module::$kind::NAME),*];

            /// A fault of the kind with this name, at this operator if it is at one; `None` if such a world can't have
            /// it.
            pub(crate) fn draw(name: &str, chance: &mut Chance, scenario: &Scenario, operator: usize) -> Option<Self> {
                match name {
                    $($module::$kind::NAME => Some(Self::$kind($module::$kind::draw(chance, scenario, operator)?)),)*
                    _ => None,
                }
            }

            /// The name of its kind.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$kind(_) => $module::$kind::NAME),* }
            }

            /// What it costs the committee.
            pub fn harm(&self) -> Harm {
                match self { $(Self::$kind(fault) => fault.harm()),* }
            }

            pub(crate) fn recovery(&self) -> Duration {
                match self { $(Self::$kind(fault) => fault.recovery()),* }
            }

            pub(crate) const fn restarts(&self) -> bool {
                match self { $(Self::$kind(_) => $module::$kind::RESTARTS),* }
            }

            pub(crate) const fn once(&self) -> bool {
                match self { $(Self::$kind(_) => $module::$kind::ONCE),* }
            }

            pub(crate) async fn inject(&self, world: &mut World) -> Injected {
                match self { $(Self::$kind(fault) => fault.inject(world).await),* }
            }
        }

        impl fmt::Display for FaultKind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $(Self::$kind(fault) => fault.fmt(f)),* }
            }
        }
    };
}

faults! {
    crash::Crash
    stop::Stop
    empty_disk::EmptyDisk
    failing_disk::FailingDisk
    partition::Partition
    one_way::OneWay
    loss::Loss
    slow_links::SlowLinks
    bandwidth::Bandwidth
    slow_engine::SlowEngine
    sick_engine::SickEngine
    slow_machine::SlowMachine
    slow_disk::SlowDisk
    wrong_clock::WrongClock
    l1_lag::L1Lag
    l1_gone::L1Gone
    no_blobs::NoBlobs
    l1_reorg::L1Reorg
    lying_l1::LyingL1
    fees::Fees
    broke::Broke
    invalid_leader::InvalidLeader
    twins::Twins
    lies::Equivocation
    lies::TwoFaced
    lies::Withhold
    lies::Mute
    lies::Credulous
    lies::Replay
    lies::Flood
    lies::FalseHints
    join::Join
    leave::Leave
    weight::Weight
    strategy::Strategy
}
