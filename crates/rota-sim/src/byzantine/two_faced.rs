//! An operator that equivocates where no single node sees it: half of the others get its votes, the other half get votes
//! for digests that nobody proposed.

use rota_consensus::simulated::{Ballot, Channel, Forge, Outgoing, Tamper, Vote};
use rota_types::Identity;
use std::collections::BTreeSet;

/// Signs one vote for those in a set, and another for the rest.
#[derive(Debug, Clone)]
pub struct TwoFaced {
    /// Who gets false votes.
    pub deceived: BTreeSet<Identity>,
}

impl Tamper for TwoFaced {
    fn send(&self, channel: Channel, message: Outgoing, forge: &Forge) -> Vec<Outgoing> {
        let vote = (channel == Channel::Votes).then(|| forge.vote(&message)).flatten();
        let Some(vote) = vote else { return vec![message] };
        let other = |mut digest: alloy_primitives::B256| {
            digest.0[0] ^= 1;
            digest
        };
        let ballot = match vote.ballot {
            Ballot::Notarize { parent_view, digest } => Ballot::Notarize { parent_view, digest: other(digest) },
            Ballot::Finalize { parent_view, digest } => Ballot::Finalize { parent_view, digest: other(digest) },
            Ballot::Nullify => return vec![message],
        };
        let (deceived, rest) = message.to.iter().partition(|identity| self.deceived.contains(*identity));
        let lie = forge.sign(Vote { ballot, ..vote }, deceived);
        std::iter::once(Outgoing { to: rest, ..message }).chain(lie).collect()
    }
}
