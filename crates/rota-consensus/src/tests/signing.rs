//! Nobody votes twice and nobody is locked out, wherever between two durable writes everybody is killed.

use super::world::{Log, OPERATORS, Start, World, identity, run, spec};
use crate::signing::Signing;
use commonware_runtime::{Storage as _, Supervisor as _};
use std::time::Duration;

fn voted(log: &Log, node: usize, epoch: u64) -> bool {
    log.votes.keys().any(|key| key.0 == identity(node) && key.1 == epoch)
}

/// Every operator was killed in `enter`, after as much of its first epoch was written as `prepare` writes.
async fn prepare(world: &World, journal: bool, note: bool) {
    for node in 0..OPERATORS {
        let config = world.config(node, &Start::default());
        let context = world.context.child("prepare").with_attribute("id", node);
        let mut signing = Signing::load(context, config.partition("signing")).await.expect("storage");
        signing.allow_from(0).await.expect("storage");
        if note {
            signing.open_journal(&world.context, &config.partition("votes-0"), 0).await.expect("storage");
        }
        if !journal {
            // An error says that it was never there.
            let _ = world.context.remove(&config.partition("votes-0"), None).await;
        }
    }
}

#[test]
fn everybody_killed_before_the_first_vote_resumes() {
    for (journal, note) in [(false, false), (true, true)] {
        let log = run(15, |context, log| async move {
            let mut world = World::new(context, spec(40, 10), log).await;
            prepare(&world, journal, note).await;
            (0..OPERATORS).for_each(|node| world.start(node, Start::default()));
            world.all_reach(10).await;
        });
        assert!((0..OPERATORS).all(|node| log.nodes[&node].entered[&0] && voted(&log, node, 0)));
    }
}

#[test]
fn a_journal_lost_before_anything_was_delivered_is_noticed() {
    let log = run(16, |context, log| async move {
        let mut world = World::new(context, spec(40, 10), log).await;
        prepare(&world, false, true).await;
        (0..OPERATORS).for_each(|node| world.start(node, Start::default()));
        world.sleep(5_000).await;
    });
    assert!(log.votes.is_empty());
}

#[test]
fn a_journal_lost_right_after_the_first_vote_is_noticed() {
    let log = run(17, |context, log| async move {
        let mut world = World::started(context, spec(40, 10), log).await;
        world.until(20, "a first vote", |world| voted(&world.log.lock(), 1, 0)).await;
        assert_eq!(world.height(1), 0, "nothing was delivered yet");
        world.kill(1);
        let journal = world.config(1, &Start::default()).partition("votes-0");
        world.context.remove(&journal, None).await.expect("the journal exists");
        world.start(1, Start::default());
        world.all_reach(90).await;
    });
    let entered = &log.nodes[&1].entered;
    assert!(!entered[&0], "it may have voted there");
    assert!(entered[&1] && entered[&2], "it stood at the tip in the first epoch: {entered:?}");
}

#[test]
fn a_slow_application_in_short_epochs_costs_no_signature() {
    let log = run(18, |context, log| async move {
        let mut world = World::new(context, spec(8, 10), log).await;
        let slow = |first_start| Start { first_start, slow: Duration::from_millis(500), ..Start::default() };
        [0, 2, 3].into_iter().for_each(|node| world.start(node, Start::first()));
        world.start(1, slow(true));
        for epoch in 2..6 {
            // The slow one has entered an epoch and has not acknowledged much of the one before.
            world
                .until(60, "an epoch", |world| {
                    world.log.lock().nodes.get(&1).is_some_and(|node| node.entered.contains_key(&epoch))
                })
                .await;
            world.kill(1);
            world.start(1, slow(false));
        }
        world.all_reach(60).await;
    });
    let entered = &log.nodes[&1].entered;
    assert!(entered.values().all(|signing| *signing), "{entered:?}");
}
