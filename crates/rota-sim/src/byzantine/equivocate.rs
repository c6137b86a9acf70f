//! An operator that signs twice, openly: with every notarize vote goes another one, for a digest that nobody proposed.

use rota_consensus::simulated::{Ballot, Channel, Forge, Outgoing, Tamper, Vote};

/// Signs a second, conflicting vote with every notarize vote.
#[derive(Debug, Clone, Copy, Default)]
pub struct Equivocate;

impl Tamper for Equivocate {
    fn send(&self, channel: Channel, message: Outgoing, forge: &Forge) -> Vec<Outgoing> {
        let vote = (channel == Channel::Votes).then(|| forge.vote(&message)).flatten();
        let Some(Vote { epoch, view, ballot: Ballot::Notarize { parent_view, mut digest } }) = vote else {
            return vec![message];
        };
        digest.0[0] ^= 1;
        let ballot = Ballot::Notarize { parent_view, digest };
        let second = forge.sign(Vote { epoch, view, ballot }, message.to.clone());
        std::iter::once(message).chain(second).collect()
    }
}
