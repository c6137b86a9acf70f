//! Outages of other chains, replayed, and ours before they happened.
//!
//! Told where they are elsewhere in this list: L1 views that differ for seconds (Starknet, September 2025: sequencers
//! read different L1 nodes, disagreed, and a chain was rolled back) is `l1::l1_views_differ_for_seconds`; killed just
//! before an epoch's last height (tempo#1020: a validator that restarted there never entered the next epoch) is
//! `registry::killed_before_last_height_of_epoch`; a departed member that alone holds the boundary's finalization is
//! `registry::departed_member_alone_holds_the_boundary`; an operator back under its key with an empty disk is
//! `membership::empty_disk_never_votes_twice`.

use super::{ms, nobody_misbehaved, s};
use crate::{Invalid, Scenario, World};
use rota_consensus::simulated::SyncTime;
use rota_node::feed::FeedEvent;

/// Base, June 2026: the only block builder sealed an invalid block; nobody else could build, and the chain stood still
/// for 116 minutes. Here every seal of one operator is wrong, turn after turn: each costs the rest of its turn, nothing
/// of it is certified, and transactions given to it are included by others.
pub fn an_invalid_block_by_the_builder_costs_the_rest_of_its_turn(base: Scenario) {
    Scenario { turn_length: 15, ..base }.run(async |world| {
        let record = world.corrupt(2, Invalid::WrongSeal);
        world.start_all().await;
        world.all_reach(5, s(30)).await;
        let since = world.now();
        let mut wallet = world.wallet(0);
        for _ in 0..10 {
            world.submit(2, wallet.transfer(wallet.address()).1).await.expect("it takes transactions");
            world.sleep(s(2)).await;
        }
        world.until(s(20), "all are included", |world| world.invariants.outstanding() == 0).await;
        let gap = world.invariants.longest_gap(since);
        assert!(gap <= ms(700), "gap of {gap:?} at an invalid block");
        assert!(record.proposed().len() >= 2, "it had two turns");
        let certified = world.invariants.digests();
        assert!(record.proposed().iter().all(|invalid| !certified.contains(invalid)), "an invalid block was certified");
    });
}

/// Base, August 2025: the sequencer was slow, the conductor handed over to a standby that was not ready to build, and
/// nobody could take it from there: 33 minutes. Here the leader dies while the one after it is back, but far behind: the
/// chain goes on with those that are ready, and the unready one leads no certified height before it has caught up.
pub fn an_unready_successor_is_passed_over(base: Scenario) {
    Scenario { operators: 7, turn_length: 15, ..base }.run(async |world| {
        world.start_all().await;
        world.all_reach(20, s(30)).await;
        let first = world.epoch(0, 0).expect("known");
        let index = |world: &crate::World, view| {
            let leader = first.leader(view);
            world.operators().find(|operator| world.identity(*operator) == leader).expect("an operator")
        };
        let unready = index(world, 6 * 15 + 1);
        world.kill(unready);
        // The turn before its own; a healthy turn has as many heights as views.
        world.reach(5 * 15 + 6, s(60)).await;
        let leader = world.leader();
        assert_ne!(leader, unready, "the turn before");
        world.execution_takes(unready, ms(150));
        let (since, height) = (world.now(), world.invariants.height());
        world.restart(unready);
        world.kill(leader);
        world.reach(height + 60, s(60)).await;
        let gap = world.invariants.longest_gap(since);
        assert!(gap <= ms(2_500), "gap of {gap:?}: two leaders in a row can't lead");
        world.execution_takes(unready, ms(0));
        world.start(leader, false).await;
        world.all_reach(height + 120, s(60)).await;
        nobody_misbehaved(world).await;
    });
}

/// Linea (Maru#3247): validators committed a block in one round while others, who had not seen the quorum, went on to
/// the next round and committed another. Here, again and again, for about as long as a view takes to be given up, one
/// operator hears everybody and nobody else hears anything: it finalizes what the others have to agree on without it.
pub fn a_quorum_that_crosses_a_view_change_forks_nothing(base: Scenario) {
    Scenario { turn_length: 15, ..base }.run(async |world| {
        world.start_all().await;
        world.all_reach(10, s(30)).await;
        let mut finalized_alone = 0;
        for round in 0..24 {
            let lucky = round % 4;
            // Everybody has the flashblock; to notarize it takes some 30 ms, to finalize it as many again.
            proposed(world, lucky).await;
            world.sleep(ms(2 * (5 * round as u64 % 24))).await;
            for from in world.operators() {
                for to in world.operators().filter(|to| *to != lucky && *to != from) {
                    world.cut(from, to).await;
                }
            }
            world.sleep(ms(500 + 100 * (round as u64 % 8))).await;
            let others = world.operators().filter(|operator| *operator != lucky);
            finalized_alone += usize::from(others.map(|operator| world.tip(operator)).max() < Some(world.tip(lucky)));
            world.mend().await;
            let target = world.invariants.height() + 3;
            world.all_reach(target, s(20)).await;
        }
        assert!(finalized_alone > 0, "nobody ever held a finalization alone");
        nobody_misbehaved(world).await;
    });
}

/// Waits until an operator has executed the next proposal.
async fn proposed(world: &World, operator: usize) {
    let mut events = world.node(operator).feed.subscribe();
    let seen = |_: &World| {
        std::iter::from_fn(|| events.try_recv().ok()).any(|event| matches!(event, FeedEvent::Proposed(_)))
    };
    world.until(s(5), "a proposal", seen).await;
}

/// One operator is down and another, whose disk is slow, enters an epoch after the others have begun to vote in it: their
/// votes wait for it, and the new epoch's first turn is not lost.
pub fn votes_of_the_next_epoch_arrive_before_its_engine(base: Scenario) {
    Scenario { epoch_length: 60, turn_length: 20, ..base }.run(async |world| {
        world.start_all().await;
        world.all_reach(40, s(30)).await;
        let leads = world.epoch(0, 1).expect("known").leader(1);
        world.reach(55, s(30)).await;
        // Neither leads when it happens, nor right after.
        let spared = [world.identity(world.leader()), leads];
        let mut others = world.operators().filter(|operator| !spared.contains(&world.identity(*operator)));
        let [down, late] = [(); 2].map(|()| others.next().expect("four operators"));
        world.kill(down);
        // To enter an epoch takes a dozen syncs, to vote takes one.
        world.host(late).disk().set_sync_time(SyncTime { median: ms(45) });
        let since = world.now();
        world.reach(75, s(30)).await;
        let gap = world.invariants.longest_gap(since);
        assert!(gap <= ms(1_000), "gap of {gap:?} where a late operator enters an epoch");
        world.host(late).disk().set_sync_time(SyncTime::BUSY);
        world.start(down, false).await;
        world.all_reach(130, s(60)).await;
        nobody_misbehaved(world).await;
    });
}

/// A verifier whose engine hangs is not waited for. With one more than the chain can do without, the chain waits as long
/// as they hang and goes on at once, within the same turn or the next: no timeout of many seconds stands in between.
pub fn blocked_verifiers_stall_no_turn(base: Scenario) {
    base.run(async |world| {
        world.start_all().await;
        world.all_reach(10, s(30)).await;
        let leader = world.leader();
        let blocked: Vec<_> = world.operators().filter(|operator| *operator != leader).take(2).collect();
        let since = world.now();
        world.engine(blocked[0]).stall(s(4));
        world.sleep(s(6)).await;
        let gap = world.invariants.longest_gap(since);
        assert!(gap <= ms(500), "gap of {gap:?} with one blocked verifier");
        let since = world.now();
        blocked.iter().for_each(|operator| world.engine(*operator).stall(s(4)));
        world.sleep(s(5)).await;
        let height = world.invariants.height();
        world.all_reach(height + 20, s(30)).await;
        let gap = world.invariants.longest_gap(since);
        assert!((s(3)..=s(6)).contains(&gap), "gap of {gap:?} with two of four verifiers blocked for 4 s");
        nobody_misbehaved(world).await;
    });
}
