//! Transactions and the promise that a returned hash is.

use super::{ms, s};
use rota_node::rpc::{Submit, SubmitError};
use crate::{Invalid, Scenario, World};

/// An operator answers a wallet when others hold its transaction, and dies then: the transaction is included all the same.
pub fn transaction_sent_to_a_dying_operator_is_included(base: Scenario) {
    base.run(async |world| {
        world.start_all().await;
        world.all_reach(20, s(30)).await;
        let dying = (world.leader() + 2) % 4;
        let mut wallet = world.wallet(0);
        let (_, raw) = wallet.transfer(wallet.address());
        // Its first copies are lost.
        for operator in world.operators() {
            world.cut(dying, operator).await;
        }
        let mut answer = world.node(dying).mempool.submit(raw);
        world.sleep(ms(300)).await;
        assert!(futures::poll!(&mut answer).is_pending(), "an answer that nobody else could vouch for");
        world.mend().await;
        let hash = answer.await.expect("the transfer is admitted");
        world.kill(dying);
        world.invariants.returned(dying, hash, world.now());
        world.until(s(5), "the transfer is included", |world| world.invariants.outstanding() == 0).await;
        let has_it = |world: &World| {
            world.node((dying + 1) % 4).ledger.transaction(&hash).expect("the disk is sound").is_some()
        };
        world.until(s(1), "another operator has it too", has_it).await;
    });
}

/// Only one other operator holds a transaction when the one that took it dies; the wallet asks that other one, which
/// takes it over: it is included by whoever leads, long before either leads again.
pub fn a_wallet_asks_the_only_one_left_that_holds_it(base: Scenario) {
    Scenario { turn_length: 50, ..base }.run(async |world| {
        world.start_all().await;
        world.all_reach(20, s(30)).await;
        let leader = world.leader();
        let [dying, holder] = [1, 2].map(|next| (leader + next) % 4);
        // Nobody else hears of it.
        let others: Vec<_> = world.operators().filter(|operator| ![dying, holder].contains(operator)).collect();
        for other in &others {
            world.cut(dying, *other).await;
        }
        let mut wallet = world.wallet(0);
        let (hash, raw) = wallet.transfer(wallet.address());
        world.submit(dying, raw.clone()).await.expect("one other holds it");
        world.kill(dying);
        world.mend().await;
        world.sleep(s(1)).await;
        assert!(!world.invariants.is_included(&hash), "nobody who leads knows of it");
        world.submit(holder, raw).await.expect("it takes the transaction over");
        world.until(s(3), "the transfer is included", |world| world.invariants.is_included(&hash)).await;
        assert_eq!(world.leader(), leader, "it has led all the while");
    });
}

/// The leader dies under load: every transaction that was answered is included.
pub fn transactions_survive_the_leader(base: Scenario) {
    base.run(async |world| {
        world.start_all().await;
        world.all_reach(20, s(30)).await;
        let mut wallet = world.wallet(1);
        world.transfers(&mut wallet, ms(30), s(2)).await;
        let leader = world.leader();
        world.kill(leader);
        world.transfers(&mut wallet, ms(30), s(3)).await;
        world.until(s(10), "all transfers are included", |world| world.invariants.outstanding() == 0).await;
    });
}

/// Transactions that an invalid flashblock carried are included in a valid one.
pub fn transactions_in_an_invalid_flashblock_are_included_later(base: Scenario) {
    base.run(async |world| {
        let record = world.corrupt(1, Invalid::WrongOutcomeRoot);
        world.start_all().await;
        world.all_reach(10, s(60)).await;
        let mut wallet = world.wallet(2);
        world.transfers(&mut wallet, ms(200), s(30)).await;
        world.until(s(10), "all transfers are included", |world| world.invariants.outstanding() == 0).await;
        assert!(!record.proposed().is_empty(), "no invalid flashblock was proposed");
    });
}

/// A transaction that no flashblock has room for leaves every pool after it has been executed once, and its nonce is free.
pub fn a_transaction_that_fits_into_no_flashblock_leaves_and_stays_out(base: Scenario) {
    Scenario { turn_length: 10, ..base }.run(async |world| {
        world.start_all().await;
        world.all_reach(10, s(30)).await;
        let mut wallet = world.wallet(3);
        let (hash, hog) = wallet.hog();
        // Replicated like any other: only executing it shows what it is. Nobody expects it to be included.
        let answer = world.node(0).mempool.submit(hog.clone()).await;
        assert!(matches!(answer, Ok(_) | Err(SubmitError::Refused(_))), "{answer:?}");
        let mut others = world.wallet(4);
        world.transfers(&mut others, ms(100), s(12)).await;
        world
            .until(s(5), "it has left every pool", |world| {
                world.operators().all(|operator| world.node(operator).mempool.get(&hash).is_none())
            })
            .await;
        // Every operator has led since, and has executed it once.
        for operator in world.operators() {
            let again = world.node(operator).mempool.submit(hog.clone()).await;
            assert!(matches!(again, Err(SubmitError::Refused(_))), "operator {operator}: {again:?}");
        }
        // Its nonce is free.
        let mut wallet = world.wallet(3);
        let (_, transfer) = wallet.transfer(wallet.address());
        world.submit(0, transfer).await.expect("the transfer is admitted");
    });
}
