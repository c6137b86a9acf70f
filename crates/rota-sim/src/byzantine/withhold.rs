//! A leader that shows its flashblocks to some only: the others hear of them in votes, and must get them from those who
//! have them.

use rota_consensus::simulated::{Channel, Forge, Outgoing, Tamper};
use rota_types::Identity;
use std::collections::BTreeSet;

/// Sends flashblocks, asked for or not, to nobody of a set.
#[derive(Debug, Clone)]
pub struct Withhold {
    /// Who gets none.
    pub from: BTreeSet<Identity>,
}

impl Tamper for Withhold {
    fn send(&self, channel: Channel, mut message: Outgoing, _: &Forge) -> Vec<Outgoing> {
        if matches!(channel, Channel::Blocks | Channel::Backfill) {
            message.to.retain(|identity| !self.from.contains(identity));
        }
        vec![message]
    }
}
