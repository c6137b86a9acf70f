//! Liveness and safety across epochs, crashes and lost disks.

use super::world::{FOLLOWER, Log, OPERATORS, SharedLog, Start, World, identity, index_of, run, runner, spec};
use crate::{ConsensusError, Epochs, simulated::Signing};
use commonware_runtime::deterministic;
use std::time::Duration;

/// (signer, epoch) pairs of an operator's votes.
fn epochs_voted(log: &Log, node: usize) -> Vec<u64> {
    let mut epochs: Vec<u64> = log.votes.keys().filter(|key| key.0 == identity(node)).map(|key| key.1).collect();
    epochs.dedup();
    epochs
}

#[test]
fn epoch_boundaries_have_no_gap() {
    let log = run(1, |context, log| async move {
        let world = World::started(context, spec(60, 50), log).await;
        world.all_reach(200).await;
    });
    for node in 0..OPERATORS {
        assert!(log.longest_gap(node, 2) < Duration::from_millis(300), "{:?}", log.longest_gap(node, 2));
        let seen = &log.nodes[&node];
        assert_eq!(seen.entered.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert!(seen.entered.values().all(|signing| *signing));
        assert!(seen.nullified.is_empty(), "{:?}", seen.nullified);
        assert!(seen.certificates.len() > 50, "certificates come with their flashblocks");
    }
}

#[test]
fn same_seed_same_run() {
    for signing in [Signing::Bls, Signing::Fast] {
        let once = || {
            let log = run(7, |context, log| async move {
                let mut world = World::signing(context, spec(20, 10), log, signing).await;
                world.start_all();
                world.all_reach(30).await;
            });
            let seen = log.nodes.into_iter().map(|(node, seen)| (node, seen.certified, seen.certificates));
            (seen.collect::<Vec<_>>(), log.votes)
        };
        assert_eq!(once(), once(), "{signing:?}");
    }
}

#[test]
fn a_restart_is_survived_over_epochs_with_stand_in_signatures() {
    let log = run(21, |context, log| async move {
        let mut world = World::signing(context, spec(12, 10), log, Signing::Fast).await;
        world.start_all();
        world.all_reach(20).await;
        world.kill(1);
        world.until(60, "progress without it", |world| world.top() >= 40).await;
        world.start(1, Start::default());
        world.all_reach(70).await;
    });
    for (node, seen) in &log.nodes {
        assert!(seen.certificates.len() > 5, "operator {node}: certificates come with their flashblocks");
        assert!(seen.faults.is_empty());
    }
    assert!(epochs_voted(&log, 1).contains(&5), "it signs again");
}

#[test]
fn a_crashed_leader_costs_less_than_700_ms() {
    let log = run(2, |context, log| async move {
        let spec = spec(300, 50);
        let mut world = World::started(context, spec.clone(), log).await;
        world.all_reach(20).await;
        let leader = index_of(Epochs::new(spec.clone()).get(0).expect("known").leader(20));
        world.kill(leader);
        world.until(30, "progress without the leader", |world| world.top() >= 60).await;
        world.start(leader, Start::first());
        world.all_reach(70).await;
    });
    let survivors = (0..OPERATORS).map(|node| log.longest_gap(node, 2)).min().expect("nodes");
    assert!(survivors < Duration::from_millis(700), "{survivors:?}");
}

#[test]
fn kills_around_boundaries_lose_nothing() {
    run(3, |context, log| async move {
        let length = 24;
        let mut world = World::started(context, spec(length, 10), log).await;
        for round in 0..10u64 {
            let boundary = (world.top() / length + 1) * length - 1;
            world.until(60, "the boundary", |world| world.top() >= boundary - round % 3).await;
            world.sleep(round * 29 % 260).await;
            let node = (round as usize * 3) % OPERATORS;
            world.kill(node);
            world.sleep(50 + round * 370).await;
            world.start(node, Start { slow: Duration::from_millis(round % 2 * 500), ..Start::default() });
        }
        let top = world.top();
        world.all_reach(top + length + 5).await;
    });
}

#[test]
fn crashes_of_everybody_lose_nothing() {
    let log = SharedLog::default();
    let mut runner = runner(4);
    for round in 0..7u64 {
        let shared = log.clone();
        let (_, checkpoint) = runner.start_and_recover(|context| async move {
            let before = (0..OPERATORS).map(|node| shared.lock().height(node)).max().unwrap_or(0);
            let length = 12;
            let world = World::started(context, spec(length, 10), shared).await;
            let boundary = ((before + 1) / length + 1) * length - 1;
            let stop = if round % 3 == 2 { before + 5 } else { boundary - round % 2 };
            world.until(60, "progress after a crash of everybody", |world| world.top() >= stop).await;
            world.sleep(round * 37 % 200).await;
        });
        runner = deterministic::Runner::from(checkpoint);
    }
    let log = log.lock();
    log.assert_sound();
    for node in 0..OPERATORS {
        assert!(epochs_voted(&log, node).len() >= 4, "operator {node} signs in {:?}", epochs_voted(&log, node));
    }
}

#[test]
fn an_empty_disk_never_votes_twice() {
    let log = run(5, |context, log| async move {
        let mut world = World::started(context, spec(40, 10), log).await;
        // Not even with the flag: peers prove that this key has voted.
        world.all_reach(10).await;
        world.kill(1);
        world.sleep(40).await;
        world.start(1, Start { disk: 1, ..Start::first() });
        world.until(20, "a refusal", |world| world.log.lock().nodes[&1].ended.is_some()).await;
        // Three times another disk, mid-epoch and around a boundary.
        for (disk, height) in [(2, 15), (3, 39), (4, 95)] {
            world.until(60, "a height", |world| world.top() >= height).await;
            world.kill(1);
            world.sleep(30).await;
            world.start(1, Start { disk, ..Start::default() });
        }
        world.all_reach(210).await;
    });
    assert!(matches!(log.nodes[&1].ended, Some(ConsensusError::ChainExists { epoch: 0 })));
    let last = epochs_voted(&log, 1).last().copied();
    assert!(last >= Some(4), "signs again in an epoch after the one in which it caught up: {last:?}");
    assert!(log.nodes[&1].entered[&4]);
}

#[test]
fn a_late_first_start_is_welcome() {
    let log = run(6, |context, log| async move {
        let mut world = World::new(context, spec(60, 10), log).await;
        (0..3).for_each(|node| world.start(node, Start::first()));
        world.until(30, "three operators", |world| world.top() >= 40).await;
        world.start(3, Start::first());
        world.all_reach(70).await;
    });
    assert!(log.nodes[&3].ended.is_none());
    assert_eq!(epochs_voted(&log, 3), [0, 1], "it had never voted, so it signs at once");
}

#[test]
fn a_first_start_in_a_later_epoch_is_refused() {
    let log = run(8, |context, log| async move {
        let mut world = World::new(context, spec(12, 10), log).await;
        (0..3).for_each(|node| world.start(node, Start::first()));
        world.until(30, "the second epoch", |world| world.top() >= 20).await;
        world.start(3, Start::first());
        world.until(20, "a refusal", |world| world.log.lock().nodes.get(&3).is_some_and(|n| n.ended.is_some())).await;
    });
    assert!(matches!(log.nodes[&3].ended, Some(ConsensusError::ChainExists { .. })));
    assert!(epochs_voted(&log, 3).is_empty());
}

#[test]
fn nobody_signs_without_a_first_start() {
    let log = run(9, |context, log| async move {
        let mut world = World::new(context, spec(60, 10), log).await;
        (0..OPERATORS).for_each(|node| world.start(node, Start::default()));
        world.sleep(5_000).await;
    });
    assert!(log.votes.is_empty());
}

#[test]
fn a_follower_catches_up_over_epochs() {
    let log = run(10, |context, log| async move {
        let mut world = World::started(context, spec(24, 10), log).await;
        world.all_reach(80).await;
        world.start(FOLLOWER, Start::default());
        world.until(20, "the follower at the tip", |world| world.height(FOLLOWER) + 2 >= world.top()).await;
        let top = world.top();
        world.until(60, "the follower keeps up", |world| world.height(FOLLOWER) >= top + 30).await;
    });
    assert!(log.nodes[&FOLLOWER].entered.values().all(|signing| !signing));
}

#[test]
fn a_check_that_waits_costs_one_vote_only() {
    // The leader of the first turn, so a verifier in the second, which holds these heights.
    let stuck = index_of(Epochs::new(spec(60, 10)).get(0).expect("known").turn_leader(0));
    let log = run(11, |context, log| async move {
        let mut world = World::new(context, spec(60, 10), log).await;
        (0..OPERATORS).for_each(|node| {
            // One operator never gets to see what heights 12..15 need.
            let stuck = if node == stuck { (12..15).collect() } else { Default::default() };
            world.start(node, Start { stuck, ..Start::first() });
        });
        world.all_reach(40).await;
    });
    assert!(log.longest_gap(0, 2) < Duration::from_millis(2_500), "{:?}", log.longest_gap(0, 2));
    let notarized = |view: u64| log.votes.contains_key(&(identity(stuck), 0, view, 0));
    assert!(notarized(11) && !notarized(13));
}

#[test]
fn a_partitioned_minority_rejoins() {
    run(12, |context, log| async move {
        let world = World::started(context, spec(40, 10), log).await;
        world.all_reach(10).await;
        world.network.partition(&[&[identity(0), identity(1), identity(2)], &[identity(3)]]).await;
        world.until(60, "the majority goes on", |world| world.height(0) >= 60).await;
        assert!(world.height(3) < 20);
        world.network.link_all(super::world::LINK).await;
        world.until(30, "the minority at the tip", |world| world.height(3) + 2 >= world.top()).await;
    });
}

#[test]
fn without_a_quorum_it_stops_and_resumes() {
    run(13, |context, log| async move {
        let world = World::started(context, spec(40, 10), log).await;
        world.all_reach(10).await;
        world.network.partition(&[&[identity(0), identity(1)], &[identity(2), identity(3)]]).await;
        world.sleep(1_000).await;
        let stopped = world.top();
        world.sleep(20_000).await;
        assert_eq!(world.top(), stopped);
        world.network.link_all(super::world::LINK).await;
        world.all_reach(stopped + 50).await;
    });
}
