//! Operators that lie: one behaviour per file, each in front of (or behind) the honest node's own code.
//!
//! Three places make an operator Byzantine: its application (a [`Behaviour`]), what it sends (a [`Tamper`]), and what it
//! is given ([`crate::World`]: an L1 that stands still makes its origins stale, another's posting key lets it post for
//! somebody else, a second node with its key makes it say two things that are both valid).

mod credulous;
mod equivocate;
mod false_hints;
mod flood;
mod idle;
mod invalid;
mod later;
mod mute;
mod replay;
mod two_faced;
mod withhold;

pub use credulous::Credulous;
pub use equivocate::Equivocate;
pub use false_hints::FalseHints;
pub use flood::Flood;
pub use idle::Idle;
pub use invalid::{Invalid, InvalidLeader, Record};
pub use later::{Later, Now};
pub use mute::Mute;
pub use replay::Replay;
pub use two_faced::TwoFaced;
pub use withhold::Withhold;

use rota_consensus::{
    Application,
    simulated::{Channel, Forge, Outgoing, Tamper},
};
use std::sync::Arc;

/// Puts a behaviour in front of an application. An operator may have several: each wraps the one before.
pub type Behaviour = Arc<dyn Fn(Arc<dyn Application>) -> Arc<dyn Application> + Send + Sync>;

/// Several at once: each changes what the one before sends.
pub(crate) struct Together(pub(crate) Vec<Arc<dyn Tamper>>);

impl Tamper for Together {
    fn send(&self, channel: Channel, message: Outgoing, forge: &Forge) -> Vec<Outgoing> {
        let next = |messages: Vec<Outgoing>, tamper: &Arc<dyn Tamper>| {
            messages.into_iter().flat_map(|message| tamper.send(channel, message, forge)).collect()
        };
        self.0.iter().fold(vec![message], next)
    }
}
