//! An operator that never votes: it follows, proposes, answers, and says nothing about anybody's flashblock.

use rota_consensus::simulated::{Channel, Forge, Outgoing, Tamper};

/// Sends no votes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mute;

impl Tamper for Mute {
    fn send(&self, channel: Channel, message: Outgoing, _: &Forge) -> Vec<Outgoing> {
        if channel == Channel::Votes { Vec::new() } else { vec![message] }
    }
}
