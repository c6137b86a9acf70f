//! L1 as operators see it: late, gone, reorganised.

use super::{ms, s};
use rota_l1::L1Provider as _;
use rota_node::{ledger::Overruled, rpc::StatusSource};
use crate::{Scenario, World};

/// Number of the origin of the newest certified block at an operator.
fn origin(world: &World, operator: usize) -> u64 {
    world.node(operator).engine.certified().origin.number
}

/// Two of four operators see L1 late, by more than the confirmation depth: the chain keeps its pace on origins that a
/// quorum has seen.
pub fn l1_views_differ_for_seconds(base: Scenario) {
    base.run(async |world| {
        world.start_all().await;
        world.all_reach(40, s(60)).await;
        // Two of four lag by more than the confirmation depth (2 blocks).
        for lagging in [0, 1] {
            world.l1_lags(lagging, 5);
        }
        world.sleep(s(2)).await;
        let (since, before, height) = (world.now(), origin(world, 2), world.invariants.height());
        world.reach(height + 200, s(60)).await;
        let gap = world.invariants.longest_gap(since);
        assert!(gap <= ms(500), "gap of {gap:?} while views differ");
        let after = origin(world, 2);
        assert!(
            after >= before + 10,
            "the origin went from {before} to {after} only: it must follow what a quorum sees"
        );
        let newest = world.l1.head().id.number;
        assert!(after + 5 <= newest, "origin {after} has not been announced by a quorum (L1 is at {newest})");
    });
}

/// Nobody sees L1 any more: the chain keeps its pace on the origin that it has, and takes newer ones when L1 is back.
pub fn l1_gone_keeps_origin_within_drift(base: Scenario) {
    base.run(async |world| {
        world.start_all().await;
        world.all_reach(40, s(60)).await;
        world.l1_offline_for_all(true);
        // What was confirmed before may still be adopted.
        world.sleep(s(6)).await;
        let (since, kept, height) = (world.now(), origin(world, 0), world.invariants.height());
        world.reach(height + 150, s(60)).await;
        assert_eq!(origin(world, 0), kept, "an origin that nobody can have seen");
        let gap = world.invariants.longest_gap(since);
        assert!(gap <= ms(500), "gap of {gap:?} without L1");
        world.l1_offline_for_all(false);
        world.until(s(60), "the origin moves again", |world| origin(world, 0) > kept + 10).await;
    });
}

/// L1 replaces a block above the confirmation depth: nobody depends on it.
pub fn shallow_l1_reorg_is_not_noticed(base: Scenario) {
    base.run(async |world| {
        world.start_all().await;
        world.all_reach(40, s(60)).await;
        let (since, height) = (world.now(), world.invariants.height());
        world.l1.reorg(1);
        world.reach(height + 100, s(60)).await;
        let gap = world.invariants.longest_gap(since);
        assert!(gap <= ms(500), "gap of {gap:?} at a reorg above the confirmation depth");
    });
}

/// All operators restart while L1 is gone: they go on with the origin that they had.
pub fn restart_without_l1_goes_on(base: Scenario) {
    base.run(async |world| {
        world.start_all().await;
        world.all_reach(40, s(60)).await;
        world.l1_offline_for_all(true);
        world.sleep(s(6)).await;
        let kept = origin(world, 0);
        world.kill_all();
        world.resume_all().await;
        let height = world.invariants.height();
        world.all_reach(height + 100, s(60)).await;
        assert_eq!(origin(world, 0), kept, "an origin that nobody can have seen");
        world.l1_offline_for_all(false);
        world.until(s(60), "the origin moves again", |world| origin(world, 0) > kept + 10).await;
    });
}

/// L1 takes back origins of certified blocks while all operators are down: they do not go on upon what L1 does not have.
pub fn restart_on_another_l1_does_not_go_on(base: Scenario) {
    base.run(async |world| {
        world.start_all().await;
        world.all_reach(40, s(60)).await;
        world.kill_all();
        // What is certified is on blocks that are not on L1 any more, though not finally so.
        world.l1.reorg(12);
        world.resume_all().await;
        world.sleep(s(3)).await;
        let height = world.invariants.height();
        world.sleep(s(10)).await;
        assert_eq!(world.invariants.height(), height, "the chain went on with an origin that L1 does not have");
    });
}

/// What the operator says of L1's judgement: its status, its health, and whether these agree with its ledger.
fn overruled(world: &World, operator: usize) -> Option<Overruled> {
    let node = world.node(operator);
    let (status, report) = (StatusSource::status(&**node.status()), node.report());
    let said = report.conditions.iter().any(|condition| condition.starts_with("overruled by L1"));
    assert_eq!(status.overruled.is_some(), said, "{:?}", report.conditions);
    assert!(!(said && (report.lead || report.ready)), "an operator that L1 has overruled is not healthy");
    assert!(!said || node.ledger.overruled() == status.overruled, "evidence that is not durable");
    status.overruled
}

/// Finalized L1 contradicts what is certified: every operator keeps the evidence, says so and votes no more.
pub fn finalized_l1_contradicts_a_certified_origin(base: Scenario) {
    base.run(async |world| {
        world.start_all().await;
        world.all_reach(100, s(60)).await;
        world.l1.reorg(6);
        world.sleep(s(5)).await;
        assert!(world.operators().all(|operator| overruled(world, operator).is_none()), "L1 may still change its mind");
        let everybody = |world: &World| world.operators().all(|operator| overruled(world, operator).is_some());
        world.until(s(120), "everybody is overruled", everybody).await;
        let height = world.invariants.height();
        let evidence = overruled(world, 0).expect("just seen");
        for operator in world.operators() {
            let theirs = overruled(world, operator).expect("just seen");
            assert_eq!(Overruled { noticed: 0, ..theirs }, Overruled { noticed: 0, ..evidence });
        }
        // It names the first block on an origin that is not finalized, and what is there instead.
        let ledger = &world.node(0).ledger;
        let opening = |block| ledger.opener(block).expect("the disk is sound").expect("certified").flashblock;
        let (first, before) = (opening(evidence.block), opening(evidence.block - 1));
        assert_eq!((first.header.height, first.digest()), (evidence.height, evidence.digest));
        let origin = first.body.opening.expect("it opens a block").origin;
        assert_eq!((origin.number, origin.hash), (evidence.l1_number, evidence.certified));
        let canonical = async |number| world.l1.view().block_by_number(number).await.ok().flatten().expect("mined").id;
        assert_eq!(canonical(evidence.l1_number).await.hash, evidence.finalized);
        let origin = before.body.opening.expect("it opens a block").origin;
        assert_eq!(canonical(origin.number).await, origin, "an earlier block is contradicted too");

        // However often it restarts, even if L1 is gone by then.
        for operator in world.operators() {
            world.kill(operator);
            world.l1_offline(operator, true);
        }
        for operator in world.operators() {
            world.start(operator, false).await;
            assert_eq!(overruled(world, operator).map(|evidence| evidence.block), Some(evidence.block));
        }
        world.sleep(s(20)).await;
        assert_eq!(world.invariants.height(), height, "certified something that L1 has overruled");
    });
}

/// One of three L1 endpoints of every operator shows another chain: the two others are believed.
pub fn a_lying_l1_endpoint_overrules_nothing(base: Scenario) {
    base.run(async |world| {
        let lies = world.another_l1();
        for operator in world.operators() {
            world.add_l1_endpoint(operator, &lies);
        }
        world.start_all().await;
        // Long enough for the first origins to be final, on both.
        world.all_reach(600, s(300)).await;
        for operator in world.operators() {
            let finalized = world.node(operator).l1.finalized().expect("long enough");
            assert!(finalized.number > world.chain.spec.rollup.genesis.l1.number + 20);
            assert_eq!(overruled(world, operator), None);
        }
    });
}
