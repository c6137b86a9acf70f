//! Posting to L1: posters that die, stay behind, or can't pay, an L1 that takes back what it has, and its prices.

use super::{ms, s};
use alloy_primitives::Address;
use rota_l1::{Kind, L1Sender as _};
use rota_node::poster::{CarrierChoice, PosterConfig};
use crate::{PostingPlan, Scenario, Wallet, World, derivation::Derived};
use std::time::Duration;

/// Four operators that post in turns of 40 s.
fn posting(base: Scenario) -> Scenario {
    Scenario { posting: Some(PostingPlan::default()), ..base }
}

/// Waits until the chain is posted up to a block from now, with some transactions in it.
async fn posting_goes_on(world: &World, wallet: &mut Wallet) {
    world.transfers(wallet, ms(500), s(8)).await;
    let witness = witness(world);
    let block = world.block(witness);
    world.until(s(60), &format!("block {block} is posted"), |world| world.inbox(witness).posted >= Some(block)).await;
}

/// An operator that runs.
fn witness(world: &World) -> usize {
    world.operators().find(|operator| world.runs(*operator)).expect("somebody runs")
}

/// Who posted the first block after this one.
fn poster_after(derived: &[Derived], block: Option<u64>) -> Option<Address> {
    derived.iter().find(|derived| Some(derived.number) > block).map(|derived| derived.batcher)
}

/// L1 holds the first frames of a channel when its poster dies, and fees rise over what it had offered for the rest.
/// The others skip it, and its successor posts the channel's blocks anew. The rest lands when fees fall, and counts for
/// nothing.
pub fn poster_dies_mid_channel(base: Scenario) {
    // A turn of 80 s: it is skipped long before it ends.
    let plan = PostingPlan { window: 40, ..PostingPlan::default() };
    Scenario { posting: Some(plan), ..posting(base) }.run(async |world| {
        world.start_all().await;
        let mut wallet = world.wallet(0);
        posting_goes_on(world, &mut wallet).await;
        // A channel takes several transactions, and a block has room for one.
        world.l1.set_capacity(1);
        world.transfers(&mut wallet, ms(500), s(4)).await;
        world.until(s(60), "half a channel is on L1", |world| world.l1.inbox().unfinished.is_some()).await;
        let dead = world.posts().expect("a turn has begun");
        let address = world.poster(dead).address();
        world.kill(dead);
        world.l1.set_base_fee(1_000);
        world.l1.set_capacity(usize::MAX);
        let (died, witness) = (world.now(), witness(world));
        let posted = world.derived().last().map(|block| block.number);
        world.until(s(60), "somebody goes on", |world| world.inbox(witness).posted > posted).await;
        // The skip timeout, three L1 blocks, and looks at the L1.
        let took = world.now().duration_since(died).unwrap_or_default();
        assert!(took <= s(20 + 6 + 4), "nothing was posted for {took:?}");
        assert_ne!(poster_after(&world.derived(), posted), Some(address));
        assert!(world.l1.inbox().sent.iter().all(|sent| sent.counts), "its frames have not landed yet");
        world.l1.set_base_fee(7);
        let landed = |world: &World| world.l1.inbox().sent.iter().any(|sent| sent.from == address && !sent.counts);
        world.until(s(10), "the rest of its channel lands", landed).await;
        posting_goes_on(world, &mut wallet).await;
        world.start(dead, false).await;
    });
}

/// Fees rise over what a poster has offered for its last batch, and the next turn begins before that lands. It counts
/// for nobody then, nor does anything that the old poster goes on to send, be it true or a lie.
pub fn old_poster_posts_after_rotation(base: Scenario) {
    let mut plan = PostingPlan::default();
    // It does not offer more before its turn is over.
    plan.config.send.resubmission_timeout = s(60);
    Scenario { posting: Some(plan), ..posting(base) }.run(async |world| {
        world.start_all().await;
        let mut wallet = world.wallet(0);
        posting_goes_on(world, &mut wallet).await;
        let before = world.posts();
        world.until(s(60), "another turn", |world| world.posts() != before).await;
        let old = world.posts().expect("a turn has begun");
        let address = world.poster(old).address();
        world.transfers(&mut wallet, ms(500), s(22)).await;
        assert_eq!(world.posts(), Some(old), "18 s of its turn are left");
        world.l1.set_capacity(0);
        world.transfers(&mut wallet, ms(500), s(8)).await;
        world.l1.set_base_fee(1_000);
        world.l1.set_capacity(usize::MAX);
        world.until(s(30), "the next turn", |world| world.posts() != Some(old)).await;
        assert!(world.l1.inbox().sent.iter().all(|sent| sent.counts), "its batch has not landed yet");
        world.l1.set_base_fee(7);
        let landed = |world: &World| world.l1.inbox().sent.iter().any(|sent| sent.from == address && !sent.counts);
        world.until(s(10), "its last batch lands", landed).await;

        let new = world.posts().expect("a turn has begun");
        assert_ne!(new, old);
        let posted = world.inbox(new).posted.expect("read");
        world.transfers(&mut wallet, ms(250), s(3)).await;
        let truth: Vec<_> = (posted + 1..=world.block(new)).map(|number| world.batch(new, number)).collect();
        let mut lie = truth.clone();
        lie.iter_mut().for_each(|block| block.transactions.clear());
        assert_ne!(lie, truth, "blocks with transactions");
        for blocks in [lie, truth] {
            world.post_by_hand(old, &blocks).await;
        }
        posting_goes_on(world, &mut wallet).await;
        let strangers = world.l1.inbox().sent.iter().filter(|sent| !sent.counts).count();
        assert!(strangers >= 3, "only {strangers} transactions of the old poster have landed");
        assert_ne!(poster_after(&world.derived(), Some(posted)), Some(address));
    });
}

/// L1 takes back up to 64 blocks, with the turns that began and all that was posted in them. Operators notice, post
/// again what is lost, and the chain goes on at its pace. Origins are older than that here: those of certified blocks
/// that go are another story (`l1.rs`).
pub fn l1_reorg_under_poster(base: Scenario) {
    Scenario { l1_confirmations: 80, ..posting(base) }.run(async |world| {
        world.start_all().await;
        let mut wallet = world.wallet(0);
        world.transfers(&mut wallet, ms(1_000), s(140)).await;
        let since = world.now();
        for depth in [1, 4, 16, 64] {
            let before = world.inbox(0).posted.expect("read");
            let lost = world.l1.head().id.number - depth;
            world.l1.reorg_losing_transactions(depth as usize);
            let left = world.derived().last().map(|block| block.number).unwrap_or_default();
            assert!(depth < 16 || left < before, "a reorg of {depth} blocks takes nothing back");
            let noticed = |world: &World| world.operators().all(|i| world.inbox(i).posted <= Some(left));
            world.until(s(3), &format!("a reorg to L1 block {lost} is noticed"), noticed).await;
            posting_goes_on(world, &mut wallet).await;
        }
        let gap = world.invariants.longest_gap(since);
        assert!(gap <= ms(500), "gap of {gap:?} while L1 was reorganised");
    });
}

/// Blobs are the cheaper carrier until their price soars: posters take call data instead, and blobs again when the
/// spike is over.
pub fn blob_fee_spike(base: Scenario) {
    let mut plan = PostingPlan::default();
    plan.config.carrier = CarrierChoice::Auto;
    Scenario { posting: Some(plan), ..posting(base) }.run(async |world| {
        let mut wallet = world.wallet(0);
        world.l1.set_base_fee(100);
        world.start_all().await;
        for (blob_fee, expected) in [(1, Kind::Blobs), (1_000_000, Kind::Calldata), (1, Kind::Blobs)] {
            world.l1.set_blob_base_fee(blob_fee);
            // What is on its way is outbid, not turned into the other kind.
            posting_goes_on(world, &mut wallet).await;
            let from = world.l1.head().id.number;
            world.transfers(&mut wallet, ms(500), s(20)).await;
            posting_goes_on(world, &mut wallet).await;
            let inbox = world.l1.inbox();
            let sent: Vec<_> = inbox.sent.iter().filter(|sent| sent.l1_block > from).collect();
            assert!(sent.len() > 2, "{sent:?}");
            assert!(sent.iter().all(|sent| sent.kind == expected), "at a blob fee of {blob_fee}: {sent:?}");
        }
    });
}

/// Nobody can pay for posting. First that is an alarm; when half the sequencing window is gone, leaders fill no more
/// blocks, so that what is certified can still be posted in time. Transactions wait in the pool, and are included when
/// posters have caught up.
pub fn backlog_guard(base: Scenario) {
    Scenario { sequencing_window: 80, ..posting(base) }.run(async |world| {
        world.operators().for_each(|operator| world.poster(operator).set_broke(true));
        world.start_all().await;
        let mut wallet = world.wallet(0);
        world.transfers(&mut wallet, ms(500), s(20)).await;
        let alarmed = |world: &World, operator| {
            world.node(operator).report().conditions.iter().any(|condition| condition.contains("backlog"))
        };
        let guarded = |world: &World, operator| world.node(operator).health.empty_blocks();
        assert!(!world.operators().any(|operator| alarmed(world, operator)), "an alarm after 10 of 80 blocks");
        world.until(s(40), "an alarm", |world| world.operators().all(|i| alarmed(world, i))).await;
        assert!(!world.operators().any(|operator| guarded(world, operator)), "guarded after a quarter");
        let since = world.now();
        world.until(s(60), "a guard", |world| world.operators().all(|i| guarded(world, i))).await;
        let first = world.block(0) + 2;
        world.transfers(&mut wallet, ms(500), s(12)).await;
        let last = world.block(0);
        assert!(
            (first..=last).all(|number| world.batch(0, number).transactions.is_empty()),
            "a block that is not empty"
        );
        assert!(last >= first + 8 && world.invariants.outstanding() > 10, "transactions wait, blocks do not");
        assert!(
            world.operators().all(|operator| world.node(operator).report().lead),
            "it is no reason to decline a turn"
        );

        world.operators().for_each(|operator| world.poster(operator).set_broke(false));
        world.until(s(40), "posters catch up", |world| !world.operators().any(|i| alarmed(world, i))).await;
        world.until(s(5), "blocks are filled again", |world| world.invariants.outstanding() == 0).await;
        let gap = world.invariants.longest_gap(since);
        assert!(gap <= ms(500), "gap of {gap:?} with a backlog");
        posting_goes_on(world, &mut wallet).await;
    });
}

/// A poster's account runs dry: an alarm while it can still pay; when it can't, its turns are skipped, and others post.
pub fn a_poster_without_eth_is_skipped(base: Scenario) {
    posting(base).run(async |world| {
        world.start_all().await;
        let mut wallet = world.wallet(0);
        posting_goes_on(world, &mut wallet).await;
        let poor = world.posts().expect("a turn has begun");
        let address = world.poster(poor).address();
        let alarmed =
            |world: &World| world.node(poor).report().conditions.iter().any(|condition| condition.contains("fund it"));
        assert!(!alarmed(world));
        world.poster(poor).set_balance(20_000_000);
        world.until(s(70), "an alarm", alarmed).await;
        world.until(s(200), "its turn again", |world| world.posts() == Some(poor)).await;
        posting_goes_on(world, &mut wallet).await;
        assert!(alarmed(world), "it can still pay");

        world.poster(poor).set_broke(true);
        for _ in 0..2 {
            world.until(s(200), "another's turn", |world| world.posts() != Some(poor)).await;
            world.until(s(200), "its turn", |world| world.posts() == Some(poor)).await;
            let (begun, posted) = (world.now(), world.inbox(poor).posted);
            world.until(s(60), "somebody posts", |world| world.inbox(poor).posted > posted).await;
            let took: Duration = world.now().duration_since(begun).unwrap_or_default();
            assert!(took <= s(20 + 6 + 4), "nothing was posted for {took:?}");
            assert_ne!(poster_after(&world.derived(), posted), Some(address));
        }
    });
}

/// One operator's beacon node has no blobs. It can't read what is posted, says so, and does not take the others' word;
/// it catches up when the blobs are there.
pub fn a_beacon_node_without_blobs_is_waited_for(base: Scenario) {
    let config = PosterConfig { carrier: CarrierChoice::Blobs, ..PostingPlan::default().config };
    let plan = PostingPlan { config, ..PostingPlan::default() };
    Scenario { posting: Some(plan), ..posting(base) }.run(async |world| {
        world.start_all().await;
        let mut wallet = world.wallet(0);
        posting_goes_on(world, &mut wallet).await;
        world.blobs_offline(3, true);
        let (since, before) = (world.now(), world.inbox(3).posted);
        // Its own turn is among these; it posts nothing that may be posted already.
        world.transfers(&mut wallet, ms(500), s(170)).await;
        let view = world.inbox(3);
        assert!(view.posted <= before.map(|block| block + 8) && !view.synced, "read without blobs: {view:?}");
        assert!(world.inbox(0).posted > before.map(|block| block + 100), "{:?}", world.inbox(0));
        let conditions = world.node(3).report().conditions;
        assert!(conditions.iter().any(|condition| condition.contains("inbox not read")), "{conditions:?}");
        world.blobs_offline(3, false);
        world.until(s(10), "it has caught up", |world| world.inbox(3).posted == world.inbox(0).posted).await;
        let gap = world.invariants.longest_gap(since);
        assert!(gap <= ms(500), "gap of {gap:?} without blobs");
    });
}

/// Two nodes post from one account, against all advice. They get into each other's way, but make no other chain.
pub fn two_nodes_with_one_posting_key(base: Scenario) {
    posting(base).run(async |world| {
        world.share_posting_key(1, 0);
        world.start_all().await;
        let mut wallet = world.wallet(0);
        world.transfers(&mut wallet, ms(1_000), s(200)).await;
        let address = world.poster(0).address();
        let derived = world.derived();
        let shared = derived.iter().filter(|block| block.batcher == address).count();
        assert!(shared > 20, "{shared} blocks of the shared account");
        posting_goes_on(world, &mut wallet).await;
    });
}
