//! Watches the votes and certificates of a running epoch: events for the application, evidence of faults, the status,
//! and the newest vote of every member (what a peer with an empty disk is told).

use crate::{
    Application, Event, Evidence, EvidenceKind, block::Digest, committees::Members, elector::Elector,
    scheme::Signatures, state::State,
};
use commonware_actor::Feedback;
use commonware_codec::Encode;
use commonware_consensus::{
    Epochable as _, Reporter, Viewable as _,
    simplex::types::{Activity, Attributable as _, Vote},
    types::{Participant, Round},
};
use commonware_parallel::Sequential;
use parking_lot::Mutex;
use rand_core::CryptoRng;
use rota_types::Identity;
use std::{collections::BTreeMap, sync::Arc};
use tracing::{error, warn};

/// The newest vote seen of every member.
pub(crate) type Witnessed<S> = Arc<Mutex<BTreeMap<Identity, Vote<S, Digest>>>>;

/// The reporter of one epoch's engine.
pub(crate) struct Tap<E, S: Signatures> {
    pub(crate) rng: Arc<Mutex<E>>,
    pub(crate) application: Arc<dyn Application>,
    pub(crate) members: Arc<Members<S>>,
    pub(crate) elector: Elector,
    pub(crate) state: Arc<State>,
    pub(crate) witnessed: Witnessed<S>,
}

impl<E, S: Signatures> Clone for Tap<E, S> {
    fn clone(&self) -> Self {
        Self {
            rng: self.rng.clone(),
            application: self.application.clone(),
            members: self.members.clone(),
            elector: self.elector.clone(),
            state: self.state.clone(),
            witnessed: self.witnessed.clone(),
        }
    }
}

impl<E: CryptoRng + Send + 'static, S: Signatures> Tap<E, S> {
    fn witness(&self, signer: Participant, vote: Vote<S, Digest>) {
        if let Some(identity) = self.members.identity(signer.get() as usize) {
            self.witnessed.lock().insert(identity, vote);
        }
    }

    fn passed(&self, round: Round) {
        let view = round.view().get() + 1;
        self.state.update(|status| {
            if status.epoch == round.epoch().get() {
                status.view = status.view.max(view);
            }
        });
    }

    /// The library reports conflicts before it checks signatures.
    fn accuse(&self, round: Round, signer: Participant, kind: EvidenceKind, valid: bool, votes: &impl Encode) {
        let (epoch, view) = (round.epoch().get(), round.view().get());
        let Some(operator) = self.members.identity(signer.get() as usize) else { return };
        if !valid {
            warn!(%operator, epoch, view, ?kind, "unsigned conflict ignored");
            return;
        }
        error!(%operator, epoch, view, ?kind, "operator signed conflicting votes");
        let votes = votes.encode();
        self.application.report(Event::Fault(Evidence { kind, epoch, view, operator, votes }));
    }
}

impl<E: CryptoRng + Send + 'static, S: Signatures> Reporter for Tap<E, S> {
    type Activity = Activity<S, Digest>;

    fn report(&mut self, activity: Self::Activity) -> Feedback {
        let round = Round::new(activity.epoch(), activity.view());
        let (epoch, view) = (round.epoch().get(), round.view().get());
        let members = self.members.clone();
        let scheme = members.verifier();
        match activity {
            Activity::Notarize(vote) => {
                if vote.signer() == self.elector.leader(round) {
                    let digest = vote.proposal.payload.into();
                    self.application.report(Event::Proposed { epoch, view, digest });
                }
                self.witness(vote.signer(), Vote::Notarize(vote));
            }
            Activity::Nullify(vote) => self.witness(vote.signer(), Vote::Nullify(vote)),
            Activity::Finalize(vote) => self.witness(vote.signer(), Vote::Finalize(vote)),
            Activity::Notarization(certificate) => {
                self.passed(round);
                let digest = certificate.proposal.payload.into();
                self.application.report(Event::Notarized { epoch, view, digest });
            }
            Activity::Certification(_) => {}
            Activity::Finalization(certificate) => {
                self.passed(round);
                let digest = certificate.proposal.payload.into();
                self.application.report(Event::Finalized { epoch, view, digest });
            }
            Activity::Nullification(_) => {
                self.passed(round);
                self.application.report(Event::Nullified { epoch, view });
            }
            Activity::ConflictingNotarize(fault) => {
                let valid = fault.verify(&mut *self.rng.lock(), scheme, &Sequential);
                self.accuse(round, fault.signer(), EvidenceKind::ConflictingNotarize, valid, &fault);
            }
            Activity::ConflictingFinalize(fault) => {
                let valid = fault.verify(&mut *self.rng.lock(), scheme, &Sequential);
                self.accuse(round, fault.signer(), EvidenceKind::ConflictingFinalize, valid, &fault);
            }
            Activity::NullifyFinalize(fault) => {
                let valid = fault.verify(&mut *self.rng.lock(), scheme, &Sequential);
                self.accuse(round, fault.signer(), EvidenceKind::NullifyFinalize, valid, &fault);
            }
        }
        Feedback::Ok
    }
}
