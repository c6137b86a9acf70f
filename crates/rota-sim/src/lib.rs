//! Why it is believed.
//!
//! The whole node on a deterministic runtime: the code that ships, with an in-memory network, L1 and disks. One seed
//! gives one run, bit for bit. A scenario drives a [`World`]; the world checks the [`invariants`] all the while.

pub mod byzantine;
pub mod chain;
pub mod chance;
pub mod costs;
pub mod derivation;
pub mod explore;
pub mod faults;
pub mod finality;
pub mod invariants;
pub mod machine;
pub mod map;
mod observer;
pub mod plan;
pub mod posting;
pub mod regressions;
pub mod scenario;
pub mod scenarios;
pub mod takeover;
pub mod threads;
pub mod timeline;
pub mod trace;
pub mod traffic;
pub mod wallet;
pub mod world;

pub use byzantine::Invalid;
pub use chain::Chain;
pub use explore::explore;
pub use invariants::Invariants;
pub use map::Map;
pub use plan::FaultPlan;
pub use posting::PostingPlan;
pub use scenario::Scenario;
pub use trace::Trace;
pub use wallet::Wallet;
pub use world::World;
