//! Committees and schedules that change while the chain runs.

use super::{ms, nobody_misbehaved, s};
use rota_node::feed::FeedEvent;
use crate::{Scenario, World};
use rota_types::{OperatorStatus, RegistryEntry, Strategy};

/// Epochs of 12 s, three turns each.
fn short(base: Scenario, operators: usize, joiners: usize) -> Scenario {
    Scenario { epoch_length: 60, turn_length: 20, operators, joiners, ..base }
}

/// The first epoch whose committee holds `operator` (or no longer does), as everybody who runs names it.
async fn changes_at(world: &World, operator: usize, member: bool) -> u64 {
    for number in 2.. {
        let known =
            |world: &World| world.operators().filter(|i| world.runs(*i)).all(|i| world.epoch(i, number).is_some());
        world.until(s(60), &format!("epoch {number} is known"), known).await;
        let committees: Vec<_> =
            world.operators().filter(|i| world.runs(*i)).map(|i| world.committee(i, number).expect("known")).collect();
        assert!(committees.windows(2).all(|pair| pair[0] == pair[1]), "epoch {number}: {committees:?}");
        if committees[0].contains(&operator) == member {
            return number;
        }
    }
    unreachable!("epochs have no end")
}

/// Waits until an epoch is over everywhere.
async fn finish(world: &World, epoch: u64) {
    world.all_reach((epoch + 1) * 60 + 3, s(120)).await;
}

/// An operator joins: everybody names the same epoch for it, and it leads from there on.
pub fn operator_joins_at_exact_epoch(base: Scenario) {
    short(base, 4, 1).run(async |world| {
        world.start_all().await;
        world.start(4, false).await;
        world.all_reach(20, s(30)).await;
        world.register(4, world.chain.entry(4, OperatorStatus::Candidate));
        world.register(4, world.chain.entry(4, OperatorStatus::Member));
        let epoch = changes_at(world, 4, true).await;
        let since = world.now();
        finish(world, epoch + 4).await;
        for number in 0..epoch {
            assert!(!world.leaders(0, number).contains(&4), "led epoch {number} before it had joined");
        }
        let led: Vec<_> = (epoch..=epoch + 4).filter(|number| world.leaders(0, *number).contains(&4)).collect();
        assert!(!led.is_empty(), "never led after it had joined in epoch {epoch}");
        let gap = world.invariants.longest_gap(since);
        assert!(gap <= ms(500), "gap of {gap:?} while an operator joined");
        assert_eq!(world.network.blocked().await, [], "operators have cut each other off");
    });
}

/// An operator gives notice: it leads until its notice ends, and may be switched off then.
pub fn operator_leaves_at_exact_epoch(base: Scenario) {
    short(base, 5, 0).run(async |world| {
        world.start_all().await;
        world.all_reach(20, s(30)).await;
        let leaves_at = crate::chain::GENESIS_TIME + 20;
        let leaving = RegistryEntry { leaves_at, ..world.chain.entry(1, OperatorStatus::Leaving) };
        world.register(1, leaving);
        let epoch = changes_at(world, 1, false).await;
        // The last block of an epoch is the first whose time counts: notice ends at 20 s, epochs at 12, 24, 36.
        assert_eq!(epoch, 3, "left too early or too late");
        finish(world, epoch + 1).await;
        assert!((epoch..=epoch + 1).all(|number| !world.leaders(0, number).contains(&1)), "leads after it has left");
        // It follows on, and may be switched off.
        world.kill(1);
        let height = world.invariants.height();
        world.all_reach(height + 60, s(60)).await;
    });
}

/// Half of the committee is replaced at once, and those who left are switched off.
pub fn half_the_committee_replaced(base: Scenario) {
    short(base, 4, 2).run(async |world| {
        world.start_all().await;
        world.start(4, false).await;
        world.start(5, false).await;
        world.all_reach(20, s(30)).await;
        for (joins, leaves) in [(4, 0), (5, 1)] {
            world.register(joins, world.chain.entry(joins, OperatorStatus::Member));
            world.register(leaves, world.chain.entry(leaves, OperatorStatus::Jailed));
        }
        let epoch = changes_at(world, 4, true).await;
        assert_eq!(world.committee(0, epoch), Some(vec![2, 3, 4, 5]));
        let since = world.now();
        finish(world, epoch).await;
        world.kill(0);
        world.kill(1);
        finish(world, epoch + 2).await;
        let gap = world.invariants.longest_gap(since);
        assert!(gap <= ms(500), "gap of {gap:?} while half the committee was replaced");
    });
}

/// The strategy changes from round robin to weighted at the epoch that was announced.
pub fn schedule_switched_live(base: Scenario) {
    short(base, 4, 0).run(async |world| {
        world.start_all().await;
        world.all_reach(20, s(30)).await;
        world.announce(Strategy::Weighted, 4);
        world.register(2, RegistryEntry { weight: 5, ..world.chain.entry(2, OperatorStatus::Member) });
        let mut wallet = world.wallet(0);
        world.transfers(&mut wallet, ms(100), s(60)).await;
        finish(world, 4).await;
        let strategy = |number| world.epoch(1, number).expect("known").turns().plan().strategy;
        assert_eq!(
            [2, 3, 4, 5].map(strategy),
            [Strategy::RoundRobin, Strategy::RoundRobin, Strategy::Weighted, Strategy::Weighted]
        );
        let seeds: std::collections::BTreeSet<_> =
            [2, 3, 4, 5].map(|number| world.epoch(1, number).expect("known").turns().plan().seed).into();
        assert_eq!(seeds.len(), 4, "every epoch has its own seed");
    });
}

/// A reserve operator leads exactly where regular turns are lost.
pub fn reserve_takes_over_and_yields(base: Scenario) {
    short(base, 7, 0).run(async |world| {
        world.start_all().await;
        world.all_reach(20, s(30)).await;
        world.register(6, RegistryEntry { reserve: true, ..world.chain.entry(6, OperatorStatus::Member) });
        world.until(s(60), "epoch 3 is known", |world| world.epoch(0, 3).is_some()).await;
        world.all_reach(60 * 3 + 3, s(60)).await;
        // A healthy epoch takes three turns of four. With two operators down an epoch that gives both of them a turn is
        // short of one, which is the reserve's.
        world.kill(1);
        world.kill(2);
        finish(world, 10).await;
        let short_of_turns = |number: u64| {
            let epoch = world.epoch(0, number).expect("known");
            let lost = epoch.turns().table().filter(|seat| [1, 2].map(|i| world.identity(i)).contains(&seat.identity));
            lost.count() > 1
        };
        let needed: Vec<_> = (4..=10).filter(|number| short_of_turns(*number)).collect();
        let led: Vec<_> = (3..=10).filter(|number| world.leaders(0, *number).contains(&6)).collect();
        assert!(!needed.is_empty(), "the scenario never needs the reserve");
        assert_eq!(led, needed, "the reserve leads exactly where regular turns are lost");
    });
}

/// Everybody is killed two heights before the end of an epoch, again and again, while the committee changes.
pub fn killed_before_last_height_of_epoch(base: Scenario) {
    short(base, 4, 1).run(async |world| {
        world.start_all().await;
        world.start(4, false).await;
        world.all_reach(20, s(30)).await;
        world.register(4, world.chain.entry(4, OperatorStatus::Member));
        world.register(0, world.chain.entry(0, OperatorStatus::Jailed));
        for boundary in [1, 2, 3, 4] {
            world.reach(boundary * 60 - 2, s(60)).await;
            world.kill_all();
            world.resume_all().await;
        }
        world.all_reach(60 * 6, s(120)).await;
        assert_eq!(world.committee(2, 5), Some(vec![1, 2, 3, 4]));
        assert_eq!(world.network.blocked().await, [], "operators have cut each other off");
    });
}

/// Every member leaves: the newest committee stays, for a chain needs one.
pub fn the_last_member_to_leave_keeps_the_chain(base: Scenario) {
    short(base, 4, 0).run(async |world| {
        world.start_all().await;
        world.all_reach(20, s(30)).await;
        for operator in world.members() {
            world.register(operator, world.chain.entry(operator, OperatorStatus::Left));
        }
        world.all_reach(60 * 4, s(90)).await;
        assert_eq!(world.committee(0, 4), Some(vec![0, 1, 2, 3]), "the newest committee stays");
    });
}

/// A newcomer starts with genesis alone after the committee has changed twice, and catches up.
pub fn a_late_node_follows_through_committees_it_never_knew(base: Scenario) {
    short(base, 4, 3).run(async |world| {
        world.start_all().await;
        world.start(4, false).await;
        world.start(5, false).await;
        world.all_reach(20, s(30)).await;
        for (joins, leaves) in [(4, 0), (5, 1)] {
            world.register(joins, world.chain.entry(joins, OperatorStatus::Member));
            world.register(leaves, world.chain.entry(leaves, OperatorStatus::Left));
            let epoch = changes_at(world, joins, true).await;
            finish(world, epoch).await;
        }
        // Everybody but the newcomer runs; it starts with genesis alone.
        world.start(6, false).await;
        let height = world.invariants.height();
        world.until(s(60), "the newcomer has caught up", |world| world.tip(6) >= height).await;
        let epoch = height / 60;
        assert_eq!(world.committee(6, epoch), world.committee(2, epoch));
    });
}

/// Waits until an operator has seen 2f+1 notarize votes for what is proposed at this height.
async fn notarized(world: &World, operator: usize, height: u64) {
    let mut events = world.node(operator).feed.subscribe();
    let mut proposed = None;
    let what = format!("height {height} is notarized");
    let seen = |_: &World| {
        while let Ok(event) = events.try_recv() {
            match event {
                FeedEvent::Proposed(executed) if executed.position.height == height => {
                    proposed = Some(executed.position.digest);
                }
                FeedEvent::Notarized(digest) if proposed == Some(digest) => return true,
                _ => {}
            }
        }
        false
    };
    world.until(s(5), &what, seen).await;
}

/// The operator that leaves with an epoch is the only one in which the votes for its last height come together: its own
/// vote reaches nobody any more, and one of the others is down. It goes on to an epoch in which it has no voice; the
/// others can't, one vote short for ever. As soon as it hears them again, they get the certificate from it.
pub fn departed_member_alone_holds_the_boundary(base: Scenario) {
    short(base, 4, 1).run(async |world| {
        world.start_all().await;
        world.start(4, false).await;
        world.all_reach(20, s(30)).await;
        // Who leads the end of epoch 1, the last one of the old committee, stays and runs.
        let end = world.epoch(0, 1).expect("known from the start").leader(50);
        let mut others = world.members().filter(|operator| world.identity(*operator) != end);
        let [departing, down] = [(); 2].map(|()| others.next().expect("four members"));
        world.register(4, world.chain.entry(4, OperatorStatus::Member));
        world.register(departing, world.chain.entry(departing, OperatorStatus::Left));
        assert_eq!(changes_at(world, 4, true).await, 2);
        assert!(!world.committee(0, 2).expect("known").contains(&departing));
        let stay: Vec<_> = world.operators().filter(|operator| ![departing, down].contains(operator)).collect();

        let last = 2 * 60 - 1;
        world.reach(last - 5, s(30)).await;
        world.kill(down);
        world.all_reach(last - 1, s(30)).await;
        // It notarizes at once, but its vote to finalize must wait until it has executed.
        world.execution_takes(departing, ms(400));
        notarized(world, stay[0], last).await;
        for operator in world.operators() {
            world.cut(departing, operator).await;
        }
        world.until(s(5), "it holds the boundary", |world| world.tip(departing) == last).await;
        world.partition(&[&stay]).await;
        world.execution_takes(departing, ms(0));
        world.sleep(s(10)).await;
        assert!(stay.iter().all(|operator| world.tip(*operator) == last - 1), "the others have the boundary too");

        world.mend().await;
        world.until(s(20), "the chain goes on", |world| stay.iter().all(|i| world.tip(*i) >= last + 30)).await;
        world.start(down, false).await;
        finish(world, 3).await;
        nobody_misbehaved(world).await;
    });
}

/// Nobody listens at a member's endpoint: its node never runs. That costs its turns, and nothing else.
pub fn a_member_that_never_comes_costs_its_turns(base: Scenario) {
    short(base, 4, 1).run(async |world| {
        world.start_all().await;
        world.all_reach(20, s(30)).await;
        world.register(4, world.chain.entry(4, OperatorStatus::Member));
        let epoch = changes_at(world, 4, true).await;
        let since = world.now();
        finish(world, epoch + 2).await;
        assert!((epoch..=epoch + 2).all(|number| !world.leaders(0, number).contains(&4)), "it does not run");
        let gap = world.invariants.longest_gap(since);
        assert!(gap <= ms(1_500), "gap of {gap:?} where its turn would be");
    });
}

/// An entry whose identity is proven for another account: the contract can't tell, and all nodes ignore it alike.
pub fn an_entry_without_its_identitys_word_is_ignored_by_all(base: Scenario) {
    short(base, 4, 1).run(async |world| {
        world.start_all().await;
        world.all_reach(20, s(30)).await;
        let identity_proof = world.chain.entry(0, OperatorStatus::Member).identity_proof;
        world.register(4, RegistryEntry { identity_proof, ..world.chain.entry(4, OperatorStatus::Member) });
        finish(world, 3).await;
        for number in 2..=4 {
            let committees: Vec<_> = world.members().map(|operator| world.committee(operator, number)).collect();
            assert!(committees.iter().all(|members| *members == Some(vec![0, 1, 2, 3])), "{number}: {committees:?}");
        }
        nobody_misbehaved(world).await;
    });
}
