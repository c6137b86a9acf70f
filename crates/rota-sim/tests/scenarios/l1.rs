//! L1 as operators see it: late, gone, reorganised.

use crate::{ms, s, seeded};
use rota_sim::World;

/// Number of the origin of the newest certified block at an operator.
fn origin(world: &World, operator: usize) -> u64 {
    world.node(operator).engine.certified().origin.number
}

#[test]
fn l1_views_differ_for_seconds() {
    seeded(50).run(async |world| {
        world.start_all().await;
        world.all_reach(40, s(60)).await;
        // Two of four lag by more than the confirmation depth (2 blocks).
        for lagging in [0, 1] {
            world.l1_view(lagging).set_lag(5);
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

#[test]
fn l1_gone_keeps_origin_within_drift() {
    seeded(51).run(async |world| {
        world.start_all().await;
        world.all_reach(40, s(60)).await;
        for operator in world.operators() {
            world.l1_view(operator).set_offline(true);
        }
        // What was confirmed before may still be adopted.
        world.sleep(s(6)).await;
        let (since, kept, height) = (world.now(), origin(world, 0), world.invariants.height());
        world.reach(height + 150, s(60)).await;
        assert_eq!(origin(world, 0), kept, "an origin that nobody can have seen");
        let gap = world.invariants.longest_gap(since);
        assert!(gap <= ms(500), "gap of {gap:?} without L1");
        for operator in world.operators() {
            world.l1_view(operator).set_offline(false);
        }
        world.until(s(60), "the origin moves again", |world| origin(world, 0) > kept + 10).await;
    });
}

#[test]
fn shallow_l1_reorg_is_not_noticed() {
    seeded(52).run(async |world| {
        world.start_all().await;
        world.all_reach(40, s(60)).await;
        let (since, height) = (world.now(), world.invariants.height());
        world.l1.reorg(1);
        world.reach(height + 100, s(60)).await;
        let gap = world.invariants.longest_gap(since);
        assert!(gap <= ms(500), "gap of {gap:?} at a reorg above the confirmation depth");
    });
}
