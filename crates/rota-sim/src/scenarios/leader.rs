//! Leaders that crash, lie, or should not lead.

use super::{ms, s};
use alloy_primitives::{Address, Bytes};
use crate::{Invalid, Map, Scenario, Wallet, byzantine::Equivocate};
use rota_types::Limits;

/// The leader is killed in the middle of a block: another takes over at once, and it comes back.
pub fn leader_crashes_mid_block(base: Scenario) {
    base.run(async |world| {
        world.start_all().await;
        world.all_reach(23, s(30)).await;
        let (leader, since, height) = (world.leader(), world.now(), world.invariants.height());
        world.kill(leader);
        world.reach(height + 40, s(30)).await;
        let gap = world.invariants.longest_gap(since);
        assert!(gap <= ms(700), "gap of {gap:?} within an epoch");
        world.start(leader, false).await;
        world.all_reach(height + 60, s(30)).await;
    });
}

/// Three operators in Europe and one in Australia, over links whose delays vary and that lose messages: who is only far
/// away is not given up, not even in the first view of its turn, in which it begins last.
pub fn a_leader_far_away_keeps_its_turn(base: Scenario) {
    let map = Map::named("outpost", 4).expect("a map");
    let far = Scenario { max_rtt: Some(map.max_rtt()), jitter: ms(10), loss_ppm: 100, ..Scenario::on(&map, base.seed) };
    Scenario { trace: base.trace, ..far }.run(async |world| {
        world.start_all().await;
        world.all_reach(10, s(60)).await;
        let since = world.now();
        // A turn of each, and the first one's again.
        world.all_reach(220, s(120)).await;
        let lost = world.invariants.views_lost(since);
        assert!(lost == 0, "{lost} views lost: somebody was given up");
    });
}

/// One operator's proposals are invalid in one way: none is ever certified, and the chain goes on.
fn one_invalid_leader(base: Scenario, limits: Limits, fault: impl FnOnce(u64) -> Invalid) {
    // Short turns, so that the faulty leader gets several.
    Scenario { turn_length: 10, limits, ..base }.run(async |world| {
        let fault = fault(world.chain.spec.chain_id());
        let record = world.corrupt(2, fault);
        world.start_all().await;
        world.reach(120, s(120)).await;
        let invalid = record.proposed();
        assert!(!invalid.is_empty(), "no invalid flashblock was proposed");
        let certified = world.invariants.digests();
        assert!(invalid.iter().all(|digest| !certified.contains(digest)), "an invalid flashblock was certified");
        for honest in [0, 1, 3] {
            world.until(s(10), "honest operators keep up", |world| world.tip(honest) >= 110).await;
        }
    });
}

/// A leader proposes flashblocks with a wrong outcome root.
pub fn leader_proposes_invalid_flashblock_wrong_outcome_root(base: Scenario) {
    one_invalid_leader(base, Limits::default(), |_| Invalid::WrongOutcomeRoot);
}

/// A leader proposes flashblocks with a wrong block hash.
pub fn leader_proposes_invalid_flashblock_wrong_seal(base: Scenario) {
    one_invalid_leader(base, Limits::default(), |_| Invalid::WrongSeal);
}

/// A leader proposes flashblocks that carry a transaction of nobody.
pub fn leader_proposes_invalid_flashblock_bad_signature(base: Scenario) {
    one_invalid_leader(base, Limits::default(), |chain_id| {
        let (_, raw) = Wallet::new(chain_id, 0).transfer(Address::ZERO);
        let mut bytes = raw.to_vec();
        // The last byte belongs to s: the signature recovers to somebody else, or to nobody.
        *bytes.last_mut().expect("not empty") ^= 1;
        Invalid::BadSignature(Bytes::from(bytes))
    });
}

/// A leader proposes flashblocks of more gas than allowed.
pub fn leader_proposes_invalid_flashblock_over_gas(base: Scenario) {
    let limits = Limits { max_flashblock_gas: 16_777_216, ..Default::default() };
    one_invalid_leader(base, limits, |chain_id| {
        let mut wallet = Wallet::new(chain_id, 0);
        Invalid::OverGas((0..3).map(|_| wallet.burn(8_000_000).1).collect())
    });
}

/// A leader proposes blocks on an origin that skips one.
pub fn leader_proposes_invalid_flashblock_skipped_origin(base: Scenario) {
    one_invalid_leader(base, Limits::default(), |_| Invalid::SkippedOrigin);
}

/// A leader proposes blocks from before their origin.
pub fn leader_proposes_invalid_flashblock_broken_drift(base: Scenario) {
    one_invalid_leader(base, Limits::default(), |_| Invalid::BrokenDrift);
}

/// A leader proposes blocks a second late.
pub fn leader_proposes_invalid_flashblock_wrong_timestamp(base: Scenario) {
    one_invalid_leader(base, Limits::default(), |_| Invalid::WrongTimestamp);
}

/// A leader proposes headers that name another body.
pub fn leader_proposes_invalid_flashblock_wrong_body(base: Scenario) {
    one_invalid_leader(base, Limits::default(), |_| Invalid::WrongBody);
}

/// An operator signs conflicting votes: others keep evidence against it and against nobody else.
pub fn leader_equivocates(base: Scenario) {
    Scenario { turn_length: 10, ..base }.run(async |world| {
        world.tamper(1, Equivocate);
        world.start_all().await;
        world.reach(120, s(120)).await;
        let offender = world.identity(1);
        let mut noticed = 0;
        for honest in [0, 2, 3] {
            let evidence = world.node(honest).ledger.evidence(0, 64).expect("the disk is sound");
            noticed += evidence.len();
            assert!(evidence.iter().all(|fault| fault.operator == offender), "an honest operator was convicted");
        }
        assert!(noticed > 0, "nobody kept evidence of the equivocation");
        let blocked = world.network.blocked().await;
        assert!(blocked.iter().all(|(_, whom)| *whom == offender), "an honest operator was cut off");
    });
}

/// An operator whose engine is slower than the pace declines to lead.
pub fn slow_engine_declines(base: Scenario) {
    Scenario { turn_length: 20, ..base }.run(async |world| {
        world.start_all().await;
        world.all_reach(10, s(30)).await;
        let slow = (world.leader() + 1) % 4;
        world.execution_takes(slow, ms(600));
        let (since, height) = (world.now(), world.invariants.height());
        world.reach(height + 200, s(120)).await;
        let ledger = &world.node((slow + 1) % 4).ledger;
        let led = (height + 100..=height + 200)
            .filter_map(|height| ledger.flashblock(height).expect("the disk is sound"))
            .filter(|flashblock| flashblock.header.leader == world.identity(slow))
            .count();
        assert_eq!(led, 0, "an operator whose engine is too slow went on leading");
        let gap = world.invariants.longest_gap(since);
        assert!(gap <= ms(350), "gap of {gap:?}: its turns were waited for");
        world.execution_takes(slow, ms(0));
    });
}
