//! Operators that come and go: partitions, lost quorums, restarts, lost disks.

use super::{ms, nobody_misbehaved, s};
use crate::{Scenario, World};
use rota_consensus::simulated::DiskFault;

/// One operator is cut off, does not go on alone, and catches up.
pub fn minority_partition_rejoins(base: Scenario) {
    base.run(async |world| {
        world.start_all().await;
        world.all_reach(20, s(30)).await;
        world.partition(&[&[0, 1, 2], &[3]]).await;
        let height = world.invariants.height();
        world.reach(height + 60, s(60)).await;
        assert!(world.tip(3) <= height + 10, "the minority went on alone");
        world.mend().await;
        world.all_reach(height + 90, s(60)).await;
        nobody_misbehaved(world).await;
    });
}

/// Two of four operators are gone: nothing is certified until they are back.
pub fn majority_lost_stops_and_resumes(base: Scenario) {
    base.run(async |world| {
        world.start_all().await;
        world.all_reach(20, s(30)).await;
        world.kill(1);
        world.kill(2);
        world.sleep(s(2)).await;
        let height = world.invariants.height();
        world.sleep(s(10)).await;
        assert_eq!(world.invariants.height(), height, "two of four certified something");
        world.start(1, false).await;
        world.start(2, false).await;
        world.all_reach(height + 40, s(60)).await;
        nobody_misbehaved(world).await;
    });
}

/// Operators are killed one after the other, then all at once: everything certified is still there.
pub fn crash_restart_every_operator(base: Scenario) {
    Scenario { epoch_length: 60, turn_length: 20, ..base }.run(async |world| {
        world.start_all().await;
        world.all_reach(10, s(30)).await;
        for operator in world.operators() {
            world.kill(operator);
            world.sleep(s(3)).await;
            world.start(operator, false).await;
            let height = world.invariants.height();
            world.all_reach(height + 10, s(30)).await;
        }
        for _ in 0..3 {
            world.kill_all();
            let height = world.invariants.height();
            world.resume_all().await;
            world.all_reach(height + 15, s(30)).await;
        }
        nobody_misbehaved(world).await;
    });
}

/// A leader that is told to stop hands its turn over without a pause.
pub fn graceful_stop_hands_the_turn_over(base: Scenario) {
    base.run(async |world| {
        world.start_all().await;
        world.all_reach(23, s(30)).await;
        let (leader, since, height) = (world.leader(), world.now(), world.invariants.height());
        world.stop(leader).await;
        world.reach(height + 30, s(30)).await;
        let gap = world.invariants.longest_gap(since);
        // To wait for a leader that is gone takes twice as long.
        assert!(gap <= ms(300), "gap of {gap:?} at a graceful stop");
    });
}

/// A node fails while it hands its turn over: it says so.
pub fn a_failure_during_the_hand_over_is_the_outcome(base: Scenario) {
    base.run(async |world| {
        world.start_all().await;
        world.all_reach(23, s(30)).await;
        let leader = world.leader();
        let node = world.node(leader).clone();
        let watched = node.clone();
        let hand_over = async move { node.stop().await };
        let failure = async {
            // It declines its turn, and still leads: the others need a few round trips to take over.
            world.sleep(ms(5)).await;
            watched.fatal.stop("the disk failed");
        };
        let (outcome, ()) = futures::future::join(hand_over, failure).await;
        let error = outcome.as_ref().as_ref().expect_err("a node that failed says so");
        assert_eq!(error.to_string(), "the disk failed");
        world.kill(leader);
    });
}

/// An operator comes back under its key with an empty disk: it signs nothing until an epoch in which it cannot have.
pub fn empty_disk_never_votes_twice(base: Scenario) {
    Scenario { epoch_length: 60, turn_length: 20, ..base }.run(async |world| {
        world.start_all().await;
        world.all_reach(15, s(30)).await;
        world.kill(2);
        world.wipe(2);
        world.start(2, false).await;
        let signing = |world: &World| rota_node::rpc::StatusSource::status(&**world.node(2).status()).signing;
        world.sleep(s(2)).await;
        assert!(!signing(world), "signs in the epoch in which its disk was lost");
        world.all_reach(130, s(120)).await;
        world.until(s(60), "signs again in a later epoch", signing).await;
        nobody_misbehaved(world).await;
    });
}

/// Writes to a disk fail: the node stops, and goes on from what it had when the disk is mended.
pub fn failing_disk_stops_the_node_and_nothing_certified_is_lost(base: Scenario) {
    base.run(async |world| {
        world.start_all().await;
        world.all_reach(15, s(30)).await;
        world.disk_fails(1, Some(DiskFault::Full));
        world.until(s(5), "the node ends", |world| world.ended(1).is_some()).await;
        world.kill(1);
        // It takes somebody a while to make room.
        let height = world.invariants.height();
        world.reach(height + 40, s(30)).await;
        world.disk_fails(1, None);
        world.start(1, false).await;
        world.all_reach(height + 60, s(60)).await;
    });
}
