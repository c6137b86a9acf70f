//! A member that signs conflicting votes is convicted from bytes.

use super::world::{OPERATORS, Start, World, identity, run, spec};
use crate::{
    Epochs, EvidenceKind,
    block::Digest,
    committees::Committees,
    config::{OPTIMISTIC_VIEWS, Timing},
    elector::Turns,
    scheme::Bls,
    simulated::{Signing, SimScheme},
};
use commonware_codec::DecodeExt as _;
use commonware_consensus::{
    Epochable as _, Viewable as _,
    simplex::{elector::Terms, types::ConflictingNotarize},
    types::{Epoch, Round, TermLength, View, ViewDelta},
};
use commonware_parallel::Sequential;
use rand::{SeedableRng as _, rngs::StdRng};
use std::num::NonZeroU32;

#[test]
fn the_elector_names_the_schedules_leader() {
    let spec = spec(300, 7);
    let epochs = Epochs::new(spec.clone());
    let committees = Committees::<Bls>::new(&spec, epochs.clone(), ()).expect("keys");
    let length = TermLength::new(NonZeroU32::new(7).expect("not zero"));
    let terms =
        Terms::stable(length, Timing::new(&spec, Timing::MAX_ROUND_TRIP).stall, ViewDelta::new(OPTIMISTIC_VIEWS));
    for epoch in [0, 1, 2, 3, 1_000_003] {
        let (running, members) = (epochs.get(epoch).expect("known"), committees.members(epoch).expect("known"));
        let elector = Turns { epoch: running.clone(), terms }.elector(members.keys());
        for view in 1..100 {
            let elected = elector.leader(Round::new(Epoch::new(epoch), View::new(view)));
            let identity = members.identity(elected.get() as usize).expect("a member");
            assert_eq!(identity, running.leader(view), "epoch {epoch} view {view}");
            assert_eq!(View::new(view).term_index(length), running.turn_of(view) + 1);
        }
    }
}

#[test]
fn conflicting_votes_are_evidence() {
    [Signing::Bls, Signing::Fast].into_iter().for_each(conflicting_votes_convict);
}

fn conflicting_votes_convict(signing: Signing) {
    let log = run(20, move |context, log| async move {
        let mut world = World::signing(context, spec(60, 10), log, signing).await;
        world.start(0, Start { equivocates: true, ..Start::first() });
        (1..OPERATORS).for_each(|node| world.start(node, Start::first()));
        world.until(60, "progress with an equivocating member", |world| world.height(1) >= 30).await;
        let blocked = world.network.blocked().await;
        assert!(blocked.iter().all(|(_, whom)| *whom == identity(0)), "{blocked:?}");
    });
    let committees = Committees::<SimScheme>::new(&spec(60, 10), Epochs::new(spec(60, 10)), signing).expect("keys");
    for node in 1..OPERATORS {
        let faults = &log.nodes[&node].faults;
        assert!(!faults.is_empty(), "operator {node} noticed");
        for fault in faults {
            assert_eq!((fault.kind, fault.operator), (EvidenceKind::ConflictingNotarize, identity(0)));
            let votes = ConflictingNotarize::<SimScheme, Digest>::decode(fault.votes.clone()).expect("decodes");
            assert_eq!((votes.epoch().get(), votes.view().get()), (fault.epoch, fault.view));
            let members = committees.members(fault.epoch).expect("known");
            assert!(votes.verify(&mut StdRng::seed_from_u64(1), members.verifier(), &Sequential));
        }
    }
}
