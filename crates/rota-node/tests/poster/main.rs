//! Posting and reading against an L1 in memory.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod world;

use alloy_primitives::Bytes;
use commonware_runtime::Clock;
use rota_l1::{ConfigUpdate, Kind, Payload, rotate_call};
use rota_node::{feed::FeedEvent, poster::CarrierChoice};
use std::time::Duration;
use world::{CONTRACT, SKIP_TIMEOUT, Setup, World, key, run};

/// Three operators with windows of 20 L1 blocks, which can be skipped after 4.
const THREE: Setup =
    Setup { operators: 3, turns: Some((20, 4)), seq_window: 3_600, origin_lag: 200, carrier: CarrierChoice::Calldata };

/// Runs the first turn's rotation by hand, so that a test begins in operator 0's window.
async fn first_turn(world: &World) {
    let stranger = world.l1.sender(CONTRACT);
    let policy = world.config.send;
    rota_l1::deliver(&world.context, &*stranger, &policy, CONTRACT, &[rotate_call()]).await.unwrap();
    world.seconds(2).await;
}

fn told(events: &mut tokio::sync::broadcast::Receiver<FeedEvent>, of: impl Fn(&FeedEvent) -> Option<u64>) -> Vec<u64> {
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        told.extend(of(&event));
    }
    told
}

#[test]
fn every_block_is_posted_once_and_in_order() {
    run(Setup::default(), |mut world| async move {
        let mut events = world.operators[0].feed.subscribe();
        world.start(0);
        // Half-way between two L1 blocks: everybody has read the last one.
        world.seconds(61).await;
        world.assert_posted_once();
        let posted = told(&mut events, |event| match event {
            FeedEvent::Posted(number) => Some(*number),
            _ => None,
        });
        assert!(posted[0] == 0 && posted.len() > 3 && posted.is_sorted(), "{posted:?}");
        assert_eq!(posted.last().copied(), Some(world.derived_head()));
    });
}

#[test]
fn posted_becomes_safe_and_final() {
    run(Setup { operators: 2, ..Setup::default() }, |mut world| async move {
        world.start(0);
        world.follow(1);
        world.seconds(121).await;
        for operator in &world.operators {
            let inbox = operator.inbox();
            let (Some(posted), Some(safe), Some(finalized)) = (inbox.posted, inbox.safe, inbox.finalized) else {
                panic!("{inbox:?}");
            };
            assert!(0 < finalized && finalized < safe && safe <= posted, "{inbox:?}");
            // 32 L1 blocks of two seconds.
            assert!(posted - finalized >= 56, "{inbox:?}");
        }
        assert_eq!(world.operators[0].inbox().finalized, world.operators[1].inbox().finalized);
    });
}

#[test]
fn a_restarted_poster_goes_on_where_the_inbox_ends() {
    run(Setup::default(), |mut world| async move {
        for seconds in [31, 32, 33, 40] {
            world.start(0);
            world.seconds(seconds).await;
            world.kill(0);
            // Whatever was on its way gets into L1 before the next life begins.
            world.seconds(4).await;
        }
        world.start(0);
        world.seconds(20).await;
        world.assert_posted_once();
    });
}

#[test]
fn a_restart_begins_at_the_position_kept() {
    run(Setup::default(), |mut world| async move {
        world.start(0);
        world.seconds(200).await;
        world.kill(0);
        let kept = world.operators[0].store.position.lock().expect("a position in what is final");
        assert!(kept.l1_number >= 32 && kept.posted > 0, "{kept:?}");
        // 300 L1 blocks without a batch.
        world.seconds(600).await;
        world.start(0);
        world.until(5, "reading has begun", |world| world.operators[0].inbox().l1_block.is_some()).await;
        world.seconds(30).await;
        world.assert_posted_once();
    });
}

#[test]
fn a_lost_position_is_found_again_within_the_sequencing_window() {
    run(Setup { seq_window: 120, origin_lag: 20, ..Setup::default() }, |mut world| async move {
        world.start(0);
        world.seconds(400).await;
        world.kill(0);
        *world.operators[0].store.position.lock() = None;
        world.seconds(4).await;
        world.start(0);
        world.seconds(40).await;
        world.assert_posted_once();
    });
}

#[test]
fn reorgs_that_keep_the_transactions_change_nothing() {
    run(Setup::default(), |mut world| async move {
        world.start(0);
        for depth in [1, 8, 3, 1, 8] {
            world.seconds(17).await;
            world.l1.reorg(depth);
        }
        world.seconds(60).await;
        world.assert_posted();
    });
}

#[test]
fn what_a_reorg_loses_is_posted_again() {
    for depth in [1, 8, 64] {
        run(Setup { operators: 2, ..Setup::default() }, |mut world| async move {
            let mut events = world.operators[1].feed.subscribe();
            world.start(0);
            world.follow(1);
            world.seconds(140).await;
            world.l1.reorg_losing_transactions(depth);
            world.seconds(91).await;
            world.assert_posted_once();
            let posted = told(&mut events, |event| match event {
                FeedEvent::Posted(number) => Some(*number),
                _ => None,
            });
            assert!(depth == 1 || !posted.is_sorted(), "followers are told that blocks came off L1: {posted:?}");
            assert_eq!(world.operators[0].inbox().posted, world.operators[1].inbox().posted);
        });
    }
}

#[test]
fn a_channel_across_a_fork_is_read_as_derivation_reads_it() {
    run(Setup { operators: 2, ..Setup::default() }, |mut world| async move {
        world.follow(1);
        let sender = world.l1.sender(key(0).address());
        world.until(30, "ten blocks", |world| world.blocks.head() >= 10).await;
        let blocks: Vec<_> = (1..=10).map(|number| world.blocks.batch(number)).collect();
        let inbox = world.rollup.batch_inbox_address;
        let pieces = rota_batch::encode_channel(
            &world.rollup,
            &blocks,
            rota_batch::ChannelId::repeat_byte(1),
            rota_batch::Compression::Zlib,
            150,
        );
        let pieces: Vec<_> = pieces.unwrap().into_iter().map(Payload::Calldata).collect();
        assert!(pieces.len() > 1);
        let (last, first) = pieces.split_last().unwrap();
        rota_l1::deliver(&world.context, &*sender, &world.config.send, inbox, first).await.unwrap();
        world.send(&sender, std::slice::from_ref(last)).await;
        world.until(8, "the channel is read", |world| world.operators[1].inbox().posted == Some(10)).await;
        // The last frame moves to another block, the first stay.
        world.l1.reorg(1);
        world.seconds(8).await;
        assert_eq!(world.derived_head(), 10);
        assert_eq!(world.operators[1].inbox().posted, Some(10));
    });
}

#[test]
fn an_account_without_funds_is_an_alarm_and_no_end() {
    run(Setup::default(), |mut world| async move {
        world.operators[0].sender.set_broke(true);
        world.start(0);
        world.seconds(40).await;
        assert!(world.derived().is_empty());
        let conditions = world.operators[0].conditions(&world.context);
        assert!(conditions.contains("fund it"), "{conditions}");
        world.operators[0].sender.set_broke(false);
        world.seconds(100).await;
        world.assert_posted_once();
        let conditions = world.operators[0].conditions(&world.context);
        assert!(!conditions.contains("fund it"), "{conditions}");
    });
}

#[test]
fn a_nearly_empty_account_is_an_alarm_before_it_is_empty() {
    run(Setup::default(), |mut world| async move {
        // Some batches' worth: a transaction here is 30 000 gas for at most 15 wei.
        world.operators[0].sender.set_balance(20_000_000);
        world.start(0);
        world.seconds(70).await;
        world.assert_posted_once();
        let conditions = world.operators[0].conditions(&world.context);
        assert!(conditions.contains("fund it"), "{conditions}");
    });
}

#[test]
fn a_rising_base_fee_is_outbid() {
    run(Setup::default(), |mut world| async move {
        world.start(0);
        world.seconds(20).await;
        world.l1.set_base_fee(10_000);
        world.seconds(60).await;
        world.assert_posted_once();
    });
}

#[test]
fn a_fee_spike_is_waited_out_but_not_for_ever() {
    run(THREE, |mut world| async move {
        first_turn(&world).await;
        world.start_all();
        // Right after a batch, so that nothing is on its way.
        world.until(40, "a batch", |world| world.operators[0].inbox().posted > Some(0)).await;
        world.l1.set_base_fee(200_000_000_000);
        world.seconds(1).await;
        let before = world.derived_head();
        world.seconds(8).await;
        assert_eq!(world.derived_head(), before, "it waits");
        world.seconds(60).await;
        assert!(world.derived_head() > before, "patience has an end");
    });
}

#[test]
fn a_blob_fee_spike_makes_call_data_of_it() {
    run(Setup { carrier: CarrierChoice::Auto, ..Setup::default() }, |mut world| async move {
        // One blob costs 131 072 wei beside its transaction, each of the several transactions with call data 2 million.
        world.l1.set_base_fee(100);
        world.start(0);
        world.seconds(40).await;
        let kinds = |from: u64| {
            let sent = world.l1.inbox().sent;
            let of = |kind| sent.iter().filter(|sent| sent.l1_block >= from && sent.kind == kind).count();
            (of(Kind::Blobs), of(Kind::Calldata))
        };
        let (blobs, calldata) = kinds(1);
        assert!(blobs > 2 && calldata == 0, "{blobs} {calldata}");
        world.l1.set_blob_base_fee(1_000_000);
        world.seconds(20).await;
        let spike = world.l1.head().id.number;
        world.seconds(60).await;
        let (blobs, calldata) = kinds(spike);
        assert!(blobs == 0 && calldata > 2, "{blobs} {calldata}");
        world.assert_posted_once();
    });
}

#[test]
fn withheld_blobs_are_waited_for() {
    let setup = Setup { operators: 2, carrier: CarrierChoice::Blobs, ..Setup::default() };
    run(setup, |mut world| async move {
        world.start(0);
        world.follow(1);
        world.seconds(30).await;
        world.operators[1].view.set_blobs_offline(true);
        world.seconds(100).await;
        let (poster, reader) = (world.operators[0].inbox(), world.operators[1].inbox());
        assert!(reader.posted < poster.posted && !reader.synced, "{reader:?}");
        let conditions = world.operators[1].conditions(&world.context);
        assert!(conditions.contains("inbox not read"), "{conditions}");
        world.operators[1].view.set_blobs_offline(false);
        world.seconds(11).await;
        world.assert_posted_once();
        let (poster, reader) = (world.operators[0].inbox(), world.operators[1].inbox());
        assert_eq!(reader.posted, poster.posted);
    });
}

#[test]
fn garbage_and_batches_of_strangers_do_not_count() {
    run(Setup { operators: 2, ..Setup::default() }, |mut world| async move {
        world.follow(1);
        world.until(30, "three blocks", |world| world.blocks.head() >= 3).await;
        let (ours, stranger) = (world.l1.sender(key(0).address()), world.l1.sender(key(9).address()));
        world.send(&ours, &[Payload::Calldata(Bytes::from_static(b"garbage"))]).await;
        world.send(&stranger, &world.channel(&[world.blocks.batch(1)], 2)).await;
        // A batch that leaves a gap.
        world.send(&ours, &world.channel(&[world.blocks.batch(3)], 3)).await;
        world.seconds(4).await;
        assert_eq!(world.operators[1].inbox().posted, Some(0));
        assert!(world.operators[1].store.differences.lock().is_empty());
        world.start(0);
        world.seconds(40).await;
        world.assert_posted_once();
    });
}

#[test]
fn a_batch_that_differs_is_kept_as_evidence_and_is_an_alarm() {
    run(Setup { operators: 2, ..Setup::default() }, |mut world| async move {
        world.follow(1);
        world.until(30, "three blocks", |world| world.blocks.head() >= 3).await;
        let sender = world.l1.sender(key(0).address());
        let lie = world.channel(&[world.blocks.batch(1), world.blocks.wrong(2)], 1);
        world.send(&sender, &lie).await;
        world.seconds(4).await;
        let inbox = world.operators[1].inbox();
        assert_eq!((inbox.posted, inbox.differs), (Some(0), Some(2)));
        let differences = world.operators[1].store.differences.lock().clone();
        assert_eq!(differences.len(), 1);
        let difference = &differences[0];
        assert_eq!((difference.batcher, difference.block), (key(0).address(), 2));
        assert_eq!(difference.certified, world::hash(2));
        assert!(!difference.channel.is_empty());
        assert!(world.operators[1].conditions(&world.context).contains("posted, but not certified"));
        // The evidence outlives the reorg that takes the batch back, the alarm does not.
        world.l1.reorg_losing_transactions(6);
        world.seconds(6).await;
        assert_eq!(world.operators[1].inbox().differs, None);
        assert_eq!(world.operators[1].store.differences.lock().len(), 1);
    });
}

#[test]
fn a_batch_of_what_is_not_certified_yet_waits_for_the_verdict() {
    run(Setup { operators: 2, ..Setup::default() }, |mut world| async move {
        world.follow(1);
        world.until(30, "three blocks", |world| world.blocks.head() >= 3).await;
        let sender = world.l1.sender(key(0).address());
        let head = world.blocks.head();
        let ahead: Vec<_> = (1..=head + 12).map(|number| world.blocks.batch(number)).collect();
        world.send(&sender, &world.channel(&ahead, 1)).await;
        world.seconds(2).await;
        let inbox = world.operators[1].inbox();
        assert!(inbox.posted == Some(0) && !inbox.synced, "{inbox:?}");
        world.seconds(12).await;
        assert_eq!(world.operators[1].inbox().posted, Some(head + 12));
    });
}

#[test]
fn posters_take_turns() {
    run(THREE, |mut world| async move {
        world.start_all();
        world.seconds(240).await;
        world.assert_posted_once();
        let mut posters: Vec<_> = world.derived().iter().map(|(_, _, batcher, _)| *batcher).collect();
        posters.dedup();
        assert_eq!(posters[..4], [0, 1, 2, 0].map(|index| key(index).address()), "{posters:?}");
    });
}

#[test]
fn a_rotation_counts_for_the_whole_block_that_holds_it() {
    run(Setup { operators: 2, ..Setup::default() }, |mut world| async move {
        world.follow(1);
        world.until(30, "six blocks", |world| world.blocks.head() >= 6).await;
        let [old, new] = [0, 2].map(|index| world.l1.sender(key(index).address()));
        let batch = |from: u64, to: u64| (from..=to).map(|number| world.blocks.batch(number)).collect::<Vec<_>>();
        world.l1.update_config(ConfigUpdate::Batcher(key(2).address()));
        // Both are mined in the block of the rotation: the old one's is ignored, though it comes first.
        let (by_old, by_new) = (world.channel(&batch(1, 2), 1), world.channel(&batch(1, 3), 2));
        futures::join!(world.send(&old, &by_old), world.send(&new, &by_new));
        world.seconds(3).await;
        assert_eq!(world.operators[1].inbox().posted, Some(3));
        assert_eq!(world.operators[1].inbox().batcher, Some(key(2).address()));
        // The old poster goes on: ignored for good.
        world.send(&old, &world.channel(&batch(4, 6), 3)).await;
        world.seconds(4).await;
        assert_eq!(world.operators[1].inbox().posted, Some(3));
        assert_eq!(world.derived_head(), 3);
        assert!(world.operators[1].store.differences.lock().is_empty());
    });
}

#[test]
fn a_silent_poster_is_skipped_and_its_successor_goes_on() {
    run(THREE, |mut world| async move {
        first_turn(&world).await;
        // Operator 0 has the turn and is dead from the start.
        world.start(1);
        world.start(2);
        let begun = world.context.current();
        world.until(90, "something is posted", |world| world.operators[1].inbox().posted > Some(0)).await;
        let took = world.context.current().duration_since(begun).unwrap();
        assert!(took >= SKIP_TIMEOUT / 2 && took <= SKIP_TIMEOUT + Duration::from_secs(12), "{took:?}");
        assert_eq!(world.derived()[0].2, key(1).address());
        world.seconds(20).await;
        world.assert_posted_once();
    });
}

#[test]
fn a_poster_that_posts_is_not_skipped() {
    run(THREE, |mut world| async move {
        first_turn(&world).await;
        world.start_all();
        world.seconds(36).await;
        let batches = world.derived();
        assert!(batches.iter().all(|(_, _, batcher, _)| *batcher == key(0).address()), "{batches:?}");
        world.assert_posted_once();
    });
}

#[test]
fn a_poster_killed_in_mid_channel_is_followed_by_another() {
    run(THREE, |mut world| async move {
        first_turn(&world).await;
        world.start_all();
        world.seconds(8).await;
        // Fees rise while a channel of several transactions is on its way, and its poster dies.
        let posted = world.operators[1].inbox().posted;
        world.l1.set_base_fee(1_000);
        world.seconds(5).await;
        world.kill(0);
        world.seconds(100).await;
        assert!(world.operators[1].inbox().posted > posted);
        world.assert_posted();
        let last = world.derived().last().map(|(_, _, batcher, _)| *batcher);
        assert!(last.is_some_and(|last| last != key(0).address()));
    });
}

#[test]
fn who_loses_the_turn_on_the_way_abandons_the_channel() {
    run(Setup { operators: 2, ..Setup::default() }, |mut world| async move {
        world.config.patient_above = u128::MAX;
        world.start(0);
        world.follow(1);
        world.seconds(20).await;
        // What it sends gets stuck: no cap on fees is as high. Then another takes over.
        world.l1.set_base_fee(600_000_000_000);
        world.seconds(10).await;
        let before = world.derived_head();
        world.l1.update_config(ConfigUpdate::Batcher(key(1).address()));
        world.seconds(10).await;
        world.l1.set_base_fee(7);
        world.kill(1);
        world.start(1);
        world.seconds(40).await;
        let batches = world.derived();
        let later: Vec<_> = batches.iter().filter(|(first, ..)| *first > before).collect();
        assert!(
            !later.is_empty() && later.iter().all(|(_, _, batcher, _)| *batcher == key(1).address()),
            "{batches:?}"
        );
        world.assert_posted_once();
    });
}

#[test]
fn a_reorg_of_the_rotation_gives_the_turn_back() {
    run(THREE, |mut world| async move {
        first_turn(&world).await;
        world.start_all();
        world.until(60, "the second turn", |world| world.operators[0].inbox().batcher == Some(key(1).address())).await;
        world.seconds(6).await;
        world.l1.reorg_losing_transactions(8);
        world.seconds(75).await;
        world.assert_posted();
    });
}

#[test]
fn a_member_that_left_in_its_turn_is_rotated_away() {
    run(THREE, |mut world| async move {
        first_turn(&world).await;
        world.start_all();
        world.seconds(10).await;
        world.l1.remove_member([1; 32].into());
        world.kill(0);
        world.until(10, "another turn", |world| world.operators[1].inbox().batcher == Some(key(1).address())).await;
        world.seconds(30).await;
        world.assert_posted();
    });
}

#[test]
fn a_backlog_is_an_alarm_and_then_a_reason_for_empty_blocks() {
    let setup = Setup { operators: 2, seq_window: 80, origin_lag: 2, ..Setup::default() };
    run(setup, |mut world| async move {
        world.operators[0].sender.set_broke(true);
        world.start(0);
        world.follow(1);
        world.seconds(36).await;
        let follower = &world.operators[1];
        let conditions = follower.conditions(&world.context);
        assert!(!conditions.contains("backlog") && !follower.health.empty_blocks(), "{conditions}");
        world.seconds(14).await;
        let follower = &world.operators[1];
        assert!(follower.conditions(&world.context).contains("backlog"), "after a quarter of the window");
        assert!(!follower.health.empty_blocks() && follower.inbox().backlog > 20);
        assert!(follower.health.healthy_to_lead(world.context.current()), "it goes on leading");
        world.seconds(42).await;
        assert!(world.operators[1].health.empty_blocks(), "after half of it");
        world.operators[0].sender.set_broke(false);
        world.seconds(30).await;
        world.assert_posted_once();
        let follower = &world.operators[1];
        assert!(!follower.health.empty_blocks() && !follower.conditions(&world.context).contains("backlog"));
    });
}

#[test]
fn a_backlog_is_posted_at_any_price() {
    let setup = Setup { seq_window: 80, origin_lag: 2, ..Setup::default() };
    run(setup, |mut world| async move {
        world.start(0);
        world.seconds(20).await;
        world.l1.set_base_fee(120_000_000_000);
        world.seconds(36).await;
        let before = world.derived_head();
        assert!(before < 30, "it waits: {before}");
        world.seconds(60).await;
        assert!(world.derived_head() > before);
    });
}

#[test]
fn two_processes_with_one_posting_key_make_no_other_chain() {
    run(Setup { operators: 2, ..Setup::default() }, |mut world| async move {
        world.operators.pop();
        world.add(0);
        world.start(0);
        world.seconds(9).await;
        world.start(1);
        world.seconds(240).await;
        world.assert_posted();
        assert!(world.operators.iter().all(|operator| operator.inbox().differs.is_none()));
        world.kill(0);
        world.seconds(60).await;
        world.assert_posted();
    });
}
