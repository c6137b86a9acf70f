//! An epoch's schedule as the library's elector: sticky turns, one leader each.

use crate::{
    keys::{PublicKey, identity_of},
    scheme::Signatures,
};
use commonware_consensus::{
    simplex::elector::{self, Input, Scheduled, Terms},
    types::{Participant, Round},
};
use commonware_utils::ordered::Set;
use rota_types::{Epoch, Identity};
use std::sync::Arc;

/// Builds the elector of one epoch.
#[derive(Clone)]
pub(crate) struct Turns {
    pub(crate) epoch: Arc<Epoch>,
    pub(crate) terms: Terms,
}

impl Turns {
    pub(crate) fn elector(self, participants: &Set<PublicKey>) -> Elector {
        let participants = participants.iter().map(identity_of).collect();
        Elector { epoch: self.epoch, terms: self.terms, participants }
    }
}

impl<S: Signatures> elector::Config<S> for Turns {
    type Elector = Elector;

    fn build(self, participants: &Set<PublicKey>) -> Elector {
        self.elector(participants)
    }
}

/// Names the leader that the epoch's schedule names.
#[derive(Clone)]
pub(crate) struct Elector {
    epoch: Arc<Epoch>,
    terms: Terms,
    participants: Vec<Identity>,
}

impl Elector {
    pub(crate) fn leader(&self, round: Round) -> Participant {
        let leader = self.epoch.leader(round.view().get());
        let index = self.participants.iter().position(|identity| *identity == leader);
        Participant::from_usize(index.expect("the schedule names members"))
    }
}

impl<S: Signatures> elector::Elector<S> for Elector {
    type Mode = Scheduled;

    fn terms(&self) -> Terms {
        self.terms
    }

    fn elect(&self, round: Round, (): Input<'_, S, Self>) -> Participant {
        self.leader(round)
    }
}
