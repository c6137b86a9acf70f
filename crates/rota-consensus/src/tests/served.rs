//! A peer that votes in a past epoch is helped, and can't make us work.

use super::world::{FOLLOWER, Start, World, identity, run, spec};
use crate::{Epochs, committees::Committees, config::Channel, keys::public_key, scheme::Bls, served::Served};
use commonware_codec::{Encode as _, varint::UInt};
use commonware_p2p::{Receiver as _, Recipients, Sender as _, utils::mux};
use futures::FutureExt as _;
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

#[test]
fn a_member_is_answered_once_a_second_whatever_epochs_it_names() {
    let committees = Committees::<Bls>::new(&spec(60, 10), Epochs::new(spec(60, 10)), ()).expect("keys");
    let peer = |index| public_key(&identity(index)).expect("a key");
    let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
    let mut served = Served::default();
    assert!(served.due(&committees, &peer(0), 99, 100, at(5_000)));
    assert!((0..100).all(|epoch| !served.due(&committees, &peer(0), epoch, 100, at(5_999))));
    assert!(served.due(&committees, &peer(1), 98, 100, at(5_999)), "another peer");
    assert!(served.due(&committees, &peer(0), 98, 100, at(6_000)));
    assert!(served.due(&committees, &peer(0), 99, 100, at(1_000)), "the clock was set back");
}

#[test]
fn strangers_and_those_far_behind_are_not_answered() {
    let committees = Committees::<Bls>::new(&spec(60, 10), Epochs::new(spec(60, 10)), ()).expect("keys");
    let peer = |index| public_key(&identity(index)).expect("a key");
    let (mut served, now) = (Served::default(), SystemTime::UNIX_EPOCH);
    assert!((0..98).all(|epoch| !served.due(&committees, &peer(0), epoch, 100, now)));
    assert!((100..110).all(|epoch| !served.due(&committees, &peer(0), epoch, 100, now)));
    assert!(!served.due(&committees, &peer(FOLLOWER), 99, 100, now));
    assert!(served.due(&committees, &peer(0), 99, 100, now), "asking in vain costs nothing");
}

#[test]
fn votes_of_past_epochs_are_answered_sparingly() {
    let answers = |node: usize| {
        let counts = std::sync::Arc::new(parking_lot::Mutex::new(BTreeMap::<u64, usize>::new()));
        let counted = counts.clone();
        run(14, move |context, log| async move {
            let mut world = World::new(context, spec(12, 10), log).await;
            (0..3).for_each(|node| world.start(node, Start::first()));
            world.until(60, "the fourth epoch", |world| world.top() >= 40).await;
            let (mut votes, _) = world.network.raw(identity(node), Channel::Votes).await.expect("registers");
            let (_, mut received) = world.network.raw(identity(node), Channel::Certificates).await.expect("registers");
            for _ in 0..20 {
                for epoch in [0u64, 1, 2, 2, 1, 0] {
                    votes.send(Recipients::All, [UInt(epoch).encode().as_ref(), &[0; 8]].concat(), false);
                }
                world.sleep(100).await;
            }
            while let Some(Ok((_, message))) = received.recv().now_or_never() {
                let (epoch, _) = mux::parse(message).expect("a muxed message");
                *counted.lock().entry(epoch).or_default() += 1;
            }
        });
        // Nobody sends certificates of these epochs any more, unless asked.
        let counts = counts.lock().clone();
        [0, 1, 2].map(|epoch| counts.get(&epoch).copied().unwrap_or_default())
    };
    let member = answers(3);
    assert_eq!(member[0], 0, "too old");
    let recent = member[1] + member[2];
    assert!((3..=3 * 3).contains(&recent), "each of three nodes answers once a second for two seconds: {member:?}");
    assert_eq!(answers(FOLLOWER), [0; 3], "no member");
}
