//! Claims about who waits, who goes first and who leaves.

use super::{COST, Wallet};
use crate::{
    mempool::{
        Best,
        pool::{Certified, Changes, Crowding, Pool, PoolLimits, SenderState, Slot},
    },
    rpc::{PoolSize, SubmitError},
};
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256, U256};
use rota_types::{Digest, Transaction};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

const LIMITS: PoolLimits =
    PoolLimits { transactions: 8, bytes: 8 * 200, per_sender: 5, queued: Duration::from_secs(60) };
const RICH: SenderState = SenderState { nonce: 0, balance: U256::MAX };

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn pool() -> Pool {
    Pool::new(LIMITS)
}

fn try_insert(pool: &mut Pool, transaction: &Arc<Transaction>) -> Result<Changes, SubmitError> {
    let (cap, gas) = (transaction.envelope().max_fee_per_gas(), transaction.envelope().gas_limit());
    pool.insert(transaction.clone(), U256::from(cap) * U256::from(gas), RICH)
}

fn insert(pool: &mut Pool, transaction: &Arc<Transaction>) -> Changes {
    try_insert(pool, transaction).expect("pooled")
}

fn order(pool: &Pool) -> Vec<B256> {
    let mut best = Best::default();
    std::iter::from_fn(|| pool.next_best(&mut best)).map(|transaction| transaction.hash()).collect()
}

fn hashes<const N: usize>(transactions: [&Arc<Transaction>; N]) -> Vec<B256> {
    transactions.map(|transaction| transaction.hash()).to_vec()
}

fn slots(transactions: &[&Arc<Transaction>]) -> Vec<Slot> {
    transactions.iter().map(|t| (t.sender(), t.envelope().nonce(), t.hash())).collect()
}

fn certify(pool: &mut Pool, height: u64, transactions: &[&Arc<Transaction>]) -> Changes {
    let included = slots(transactions);
    let changed: Vec<_> =
        included.iter().map(|(sender, nonce, _)| (*sender, SenderState { nonce: nonce + 1, ..RICH })).collect();
    pool.certified(Certified { height, included: &included, changed: &changed, crowding: None })
}

/// A certified flashblock without a user's transaction changes an account.
fn change(pool: &mut Pool, sender: Address, state: SenderState) -> Changes {
    pool.certified(Certified { height: 0, included: &[], changed: &[(sender, state)], crowding: None })
}

/// A certified flashblock into which it was this hard to get.
fn crowd(pool: &mut Pool, crowding: Crowding) {
    pool.certified(Certified { height: 0, included: &[], changed: &[], crowding: Some(crowding) });
}

#[test]
fn nonce_gap_waits_until_it_is_filled() {
    let (mut pool, wallet) = (pool(), Wallet::new(1));
    let [zero, one, two] = [0, 1, 2].map(|nonce| wallet.pay(nonce, 1));
    insert(&mut pool, &one);
    insert(&mut pool, &two);
    assert!(order(&pool).is_empty());
    assert_eq!(pool.next_nonce(&wallet.address()), None);
    assert!(!pool.is_executable(&one.hash()));
    insert(&mut pool, &zero);
    assert_eq!(order(&pool), hashes([&zero, &one, &two]));
    assert_eq!(pool.next_nonce(&wallet.address()), Some(3));
}

#[test]
fn used_nonces_and_far_ones_are_refused() {
    let (mut pool, wallet) = (pool(), Wallet::new(1));
    let state = SenderState { nonce: 3, ..RICH };
    let mut insert = |nonce| pool.insert(wallet.pay(nonce, 1), U256::ZERO, state).map(drop);
    assert_eq!(insert(2), Err(SubmitError::NonceTooLow { next: 3, found: 2 }));
    assert_eq!(insert(2).expect_err("used").to_string(), "nonce too low: next nonce 3, tx nonce 2");
    assert_eq!(insert(8), Err(SubmitError::NonceTooHigh { next: 3, found: 8 }));
    assert_eq!(insert(7), Ok(()));
    assert_eq!(insert(7), Err(SubmitError::AlreadyKnown));
}

#[test]
fn replacement_pays_ten_percent_more_of_both() {
    let (mut pool, wallet) = (pool(), Wallet::new(1));
    let old = wallet.pay_capped(0, 20, 100);
    insert(&mut pool, &old);
    for (tip, cap) in [(22, 100), (22, 109), (21, 110), (20, 110), (21, 200)] {
        let refused = try_insert(&mut pool, &wallet.pay_capped(0, tip, cap));
        assert_eq!(refused, Err(SubmitError::ReplacementUnderpriced), "{tip} {cap}");
    }
    let new = wallet.pay_capped(0, 22, 110);
    assert_eq!(insert(&mut pool, &new).replaced, [(old.hash(), new.hash())]);
    assert_eq!(order(&pool), hashes([&new]));
    assert_eq!(pool.get(&old.hash()), None);
    assert_eq!(pool.size(), PoolSize { transactions: 1, bytes: new.encoded().len() });
    // Without a tip, ten percent more of nothing is still more than nothing.
    let free = Wallet::new(2).pay_capped(0, 0, 100);
    insert(&mut pool, &free);
    let refused = try_insert(&mut pool, &Wallet::new(2).pay_capped(0, 0, 200));
    assert_eq!(refused, Err(SubmitError::ReplacementUnderpriced));
}

#[test]
fn balance_covers_the_senders_earlier_transactions_too() {
    let (mut pool, wallet) = (pool(), Wallet::new(1));
    let state = SenderState { nonce: 0, balance: U256::from(2 * COST + 5) };
    let mut insert = |nonce, cost| pool.insert(wallet.pay(nonce, 1), U256::from(cost), state).map(drop);
    assert_eq!(insert(0, COST), Ok(()));
    assert_eq!(insert(1, COST), Ok(()));
    let refused = SubmitError::InsufficientFunds { balance: state.balance, cost: U256::from(3 * COST) };
    assert!(refused.to_string().starts_with("insufficient funds for gas * price + value"));
    assert_eq!(insert(2, COST), Err(refused));
    assert_eq!(insert(2, 5), Ok(()));
}

#[test]
fn what_the_balance_covers_no_more_waits() {
    let (mut pool, wallet) = (pool(), Wallet::new(1));
    let [zero, one, two] = [0, 1, 2].map(|nonce| wallet.pay(nonce, 1));
    for transaction in [&zero, &one, &two] {
        insert(&mut pool, transaction);
    }
    change(&mut pool, wallet.address(), SenderState { nonce: 0, balance: U256::from(2 * COST) });
    assert_eq!(order(&pool), hashes([&zero, &one]));
    change(&mut pool, wallet.address(), RICH);
    assert_eq!(order(&pool), hashes([&zero, &one, &two]));
}

#[test]
fn best_is_by_tip_then_by_arrival_and_each_senders_by_nonce() {
    let mut pool = pool();
    let [a, b, c] = [1, 2, 3].map(Wallet::new);
    let (a0, a1) = (a.pay(0, 5), a.pay(1, 50));
    let (b0, b1) = (b.pay(0, 5), b.pay(1, 2));
    let c0 = c.pay(0, 9);
    for transaction in [&b1, &b0, &a0, &a1, &c0] {
        insert(&mut pool, transaction);
    }
    assert_eq!(order(&pool), hashes([&c0, &b0, &a0, &a1, &b1]));
    let mut best = Best::default();
    assert_eq!(pool.next_best(&mut best), Some(c0));
    assert_eq!(pool.next_best(&mut best), Some(b0));
    best.skip_sender(a.address());
    assert_eq!(pool.next_best(&mut best), Some(b1));
    assert_eq!(pool.next_best(&mut best), None);
}

#[test]
fn what_is_skipped_or_leaves_meanwhile_is_not_offered() {
    let (a0, a1) = (Wallet::new(1).pay(0, 5), Wallet::new(1).pay(1, 5));
    let second = |meanwhile: fn(&mut Pool, &mut Best, &Transaction)| {
        let (mut pool, mut best) = (pool(), Best::default());
        insert(&mut pool, &a0);
        insert(&mut pool, &a1);
        assert_eq!(pool.next_best(&mut best), Some(a0.clone()));
        meanwhile(&mut pool, &mut best, &a1);
        pool.next_best(&mut best)
    };
    assert_eq!(second(|_, _, _| {}), Some(a1.clone()));
    assert_eq!(second(|_, best, next| best.skip_sender(next.sender())), None);
    assert_eq!(second(|pool, _, next| assert!(pool.remove_hash(&next.hash()))), None);
}

#[test]
fn base_fee_decides_who_pays_and_what_is_left_as_tip() {
    let mut pool = pool();
    let [a, b] = [1, 2].map(Wallet::new);
    let generous = a.pay_capped(0, 90, 100);
    let steady = b.pay_capped(0, 20, 200);
    insert(&mut pool, &generous);
    insert(&mut pool, &steady);
    assert_eq!(order(&pool), hashes([&generous, &steady]));
    pool.set_base_fee(95);
    assert_eq!(order(&pool), hashes([&steady, &generous]), "95 leaves a tip of 5");
    pool.set_base_fee(101);
    assert_eq!(order(&pool), hashes([&steady]));
    pool.set_base_fee(0);
    assert_eq!(order(&pool), hashes([&generous, &steady]));
}

#[test]
fn who_does_not_pay_the_base_fee_holds_back_who_follows() {
    let (mut pool, a) = (pool(), Wallet::new(1));
    pool.set_base_fee(50);
    insert(&mut pool, &a.pay_capped(0, 1, 40));
    insert(&mut pool, &a.pay_capped(1, 1, 400));
    assert!(order(&pool).is_empty());
}

#[test]
fn a_full_pool_drives_out_the_worst() {
    let mut pool = pool();
    let payers: Vec<_> = (1..=8).map(|key| Wallet::new(key).pay(0, u128::from(key) + 1)).collect();
    for transaction in &payers {
        assert_eq!(insert(&mut pool, transaction), Changes::default());
    }
    let refused = try_insert(&mut pool, &Wallet::new(9).pay(0, 1)).expect_err("pays least");
    assert!(refused.to_string().starts_with("transaction underpriced"), "{refused}");
    let refused = try_insert(&mut pool, &Wallet::new(9).pay(0, 2)).expect_err("came last among equals");
    assert!(matches!(refused, SubmitError::Underpriced(_)));
    assert_eq!(order(&pool).len(), 8, "a refusal changes nothing");
    assert_eq!(insert(&mut pool, &Wallet::new(9).pay(0, 5)).evicted, hashes([&payers[0]]));
    assert_eq!(pool.size().transactions, LIMITS.transactions);
}

#[test]
fn a_full_pool_makes_no_gaps() {
    let (mut pool, a) = (pool(), Wallet::new(1));
    let run = [(0, 9), (1, 1), (2, 50), (3, 50), (4, 50)].map(|(nonce, tip)| a.pay(nonce, tip));
    run.iter().for_each(|transaction| drop(insert(&mut pool, transaction)));
    (2..=4).for_each(|key| drop(insert(&mut pool, &Wallet::new(key).pay(0, 5))));
    // The last ones are worth no more than the 1 wei that must be taken before them.
    for (key, last) in [(5, 4), (6, 3), (7, 2), (8, 1)] {
        assert_eq!(insert(&mut pool, &Wallet::new(key).pay(0, 6)).evicted, hashes([&run[last]]));
    }
    assert_eq!(order(&pool)[0], run[0].hash());
}

#[test]
fn who_waits_drives_out_nobody_whatever_it_promises() {
    let mut pool = pool();
    let waiting = Wallet::new(1).pay(1, 2);
    insert(&mut pool, &waiting);
    (2..=8).for_each(|key| drop(insert(&mut pool, &Wallet::new(key).pay(0, 5))));
    assert_eq!(try_insert(&mut pool, &Wallet::new(9).pay(1, 98)), Err(SubmitError::PoolFull));
    assert_eq!(insert(&mut pool, &Wallet::new(9).pay(0, 0)).evicted, hashes([&waiting]), "but leaves first");
}

#[test]
fn a_gap_is_filled_in_a_full_pool_at_the_cost_of_the_senders_last() {
    let (mut pool, a) = (pool(), Wallet::new(1));
    let [a0, a1, a2] = [0, 1, 2].map(|nonce| a.pay(nonce, 5));
    insert(&mut pool, &a1);
    insert(&mut pool, &a2);
    (2..=7).for_each(|key| drop(insert(&mut pool, &Wallet::new(key).pay(0, 5))));
    assert_eq!(insert(&mut pool, &a0).evicted, hashes([&a2]));
    assert_eq!(pool.next_nonce(&a.address()), Some(2));
}

#[test]
fn what_is_proposed_is_not_driven_out() {
    let mut pool = pool();
    let cheap: Vec<_> = (1..=8).map(|key| Wallet::new(key).pay(0, 1)).collect();
    cheap.iter().for_each(|transaction| drop(insert(&mut pool, transaction)));
    pool.proposed(Digest::repeat_byte(1), 1, slots(&cheap.iter().skip(1).collect::<Vec<_>>()));
    assert_eq!(insert(&mut pool, &Wallet::new(9).pay(0, 5)).evicted, hashes([&cheap[0]]));
    assert_eq!(insert(&mut pool, &Wallet::new(10).pay(0, 6)).evicted.len(), 1);
    assert!(cheap[1..].iter().all(|transaction| pool.get(&transaction.hash()).is_some()));
    assert!(matches!(try_insert(&mut pool, &Wallet::new(11).pay(0, 6)), Err(SubmitError::Underpriced(_))));
}

#[test]
fn bytes_are_limited_too() {
    let mut pool = Pool::new(PoolLimits { bytes: 300, ..LIMITS });
    let (a, b) = (Wallet::new(1), Wallet::new(2));
    let [a0, a1] = [0, 1].map(|nonce| a.pay(nonce, 1));
    assert!(a0.encoded().len() * 2 <= 300 && a0.encoded().len() * 3 > 300);
    insert(&mut pool, &a0);
    insert(&mut pool, &a1);
    assert!(try_insert(&mut pool, &a.pay(2, 50)).is_err(), "no better than what goes before it");
    let b0 = b.pay(0, 2);
    assert_eq!(insert(&mut pool, &b0).evicted, hashes([&a1]), "the later one of equals");
    assert!(pool.size().bytes <= 300);
}

#[test]
fn proposed_ones_are_offered_again_only_when_nullified() {
    let (mut pool, a) = (pool(), Wallet::new(1));
    let [a0, a1, a2] = [0, 1, 2].map(|nonce| a.pay(nonce, 1));
    for transaction in [&a0, &a1, &a2] {
        insert(&mut pool, transaction);
    }
    let (first, second) = (Digest::repeat_byte(1), Digest::repeat_byte(2));
    pool.proposed(first, 1, slots(&[&a0]));
    pool.proposed(first, 1, slots(&[&a0]));
    assert_eq!(order(&pool), hashes([&a1, &a2]));
    pool.proposed(second, 2, slots(&[&a1]));
    assert_eq!(order(&pool), hashes([&a2]));
    assert_eq!(pool.next_nonce(&a.address()), Some(3));
    pool.unproposed(second);
    assert_eq!(order(&pool), hashes([&a1, &a2]));
    pool.unproposed(first);
    pool.unproposed(first);
    assert_eq!(order(&pool), hashes([&a0, &a1, &a2]));
}

#[test]
fn a_nonce_that_only_a_proposal_has_leaves_no_gap() {
    let (mut pool, a) = (pool(), Wallet::new(1));
    let [a0, a1] = [0, 1].map(|nonce| a.pay(nonce, 1));
    pool.proposed(Digest::repeat_byte(1), 1, slots(&[&a0]));
    insert(&mut pool, &a1);
    assert_eq!(order(&pool), hashes([&a1]));
    assert_eq!(pool.next_nonce(&a.address()), Some(2));
    pool.unproposed(Digest::repeat_byte(1));
    assert!(order(&pool).is_empty());
}

#[test]
fn a_proposed_transaction_is_not_replaced() {
    let (mut pool, a) = (pool(), Wallet::new(1));
    let old = a.pay(0, 10);
    insert(&mut pool, &old);
    pool.proposed(Digest::repeat_byte(1), 1, slots(&[&old]));
    let refused = try_insert(&mut pool, &a.pay_capped(0, 90, 900));
    assert_eq!(refused, Err(SubmitError::NonceTooLow { next: 1, found: 0 }));
    pool.unproposed(Digest::repeat_byte(1));
    assert_eq!(insert(&mut pool, &a.pay_capped(0, 90, 900)).replaced.len(), 1);
}

#[test]
fn of_a_proposed_nonce_only_the_proposed_transaction_is_admitted() {
    let (mut pool, a) = (pool(), Wallet::new(1));
    let (theirs, mine) = (a.pay(0, 10), a.pay_capped(0, 90, 900));
    pool.proposed(Digest::repeat_byte(1), 1, slots(&[&theirs]));
    assert_eq!(try_insert(&mut pool, &mine), Err(SubmitError::NonceTooLow { next: 1, found: 0 }));
    insert(&mut pool, &theirs);
}

#[test]
fn certified_ones_leave_and_stay_known() {
    let (mut pool, a) = (pool(), Wallet::new(1));
    let [a0, a1] = [0, 1].map(|nonce| a.pay(nonce, 1));
    insert(&mut pool, &a0);
    insert(&mut pool, &a1);
    pool.proposed(Digest::repeat_byte(1), 1, slots(&[&a0]));
    let generation = pool.generation();
    assert_eq!(certify(&mut pool, 1, &[&a0]), Changes::default());
    assert_ne!(pool.generation(), generation);
    assert_eq!(order(&pool), hashes([&a1]));
    assert_eq!(try_insert(&mut pool, &a0), Err(SubmitError::AlreadyKnown));
    assert!(pool.was_included(&a0.hash()) && pool.get(&a0.hash()).is_none());
    certify(&mut pool, 2, &[&a1]);
    assert_eq!(pool.size(), PoolSize::default());
    assert_eq!(pool.next_nonce(&a.address()), None);
}

#[test]
fn another_with_the_same_nonce_replaces_when_certified() {
    let (mut pool, a) = (pool(), Wallet::new(1));
    let (mine, theirs, later) = (a.pay(0, 1), a.pay(0, 2), a.pay(1, 1));
    insert(&mut pool, &mine);
    insert(&mut pool, &later);
    let changes = certify(&mut pool, 1, &[&theirs]);
    assert_eq!(changes.replaced, [(mine.hash(), theirs.hash())]);
    assert_eq!(order(&pool), hashes([&later]));
    // A nonce that moved on without a transaction of this flashblock: nobody knows what took its place.
    let changes = change(&mut pool, a.address(), SenderState { nonce: 2, ..RICH });
    assert_eq!(changes.evicted, hashes([&later]));
}

#[test]
fn siblings_of_a_certified_flashblock_hold_nothing_back() {
    let (mut pool, a, b) = (pool(), Wallet::new(1), Wallet::new(2));
    let (a0, b0) = (a.pay(0, 1), b.pay(0, 1));
    insert(&mut pool, &a0);
    insert(&mut pool, &b0);
    pool.proposed(Digest::repeat_byte(1), 1, slots(&[&a0]));
    pool.proposed(Digest::repeat_byte(2), 1, slots(&[&b0]));
    assert!(order(&pool).is_empty());
    certify(&mut pool, 1, &[&a0]);
    assert_eq!(order(&pool), hashes([&b0]));
}

/// Looks at what waits every ten seconds, each time after something happened.
fn pass(pool: &mut Pool, seconds: std::ops::RangeInclusive<u64>, mut before: impl FnMut(&mut Pool)) -> Vec<B256> {
    let mut evicted = Vec::new();
    for second in seconds.step_by(10) {
        before(pool);
        evicted.extend(pool.expire(at(second)).evicted);
    }
    evicted
}

#[test]
fn gapped_unpaid_and_unpayable_ones_expire() {
    let (mut pool, [a, b, c]) = (pool(), [1, 2, 3].map(Wallet::new));
    let (gapped, unpaid, unpayable) = (a.pay(1, 1), b.pay(0, 1), c.pay_capped(0, 1, 40));
    for transaction in [&gapped, &unpaid, &unpayable] {
        insert(&mut pool, transaction);
    }
    pool.set_base_fee(50);
    change(&mut pool, b.address(), SenderState::default());
    assert!(pass(&mut pool, 0..=60, |_| {}).is_empty());
    let mut evicted = pass(&mut pool, 70..=70, |_| {});
    evicted.sort_unstable();
    let mut expected = hashes([&gapped, &unpaid, &unpayable]);
    expected.sort_unstable();
    assert_eq!(evicted, expected);
}

#[test]
fn payable_ones_wait_for_their_turn_as_long_as_it_takes() {
    let (mut pool, a) = (pool(), Wallet::new(1));
    insert(&mut pool, &a.pay(0, 5));
    insert(&mut pool, &a.pay(1, 90));
    // Flashblocks are full of what pays as much; the second can't go before the first.
    assert!(pass(&mut pool, 0..=1000, |pool| crowd(pool, Crowding::Tip(5))).is_empty());
    // Some were not full.
    let mixed = |pool: &mut Pool| [Crowding::Tip(6), Crowding::Room].into_iter().for_each(|c| crowd(pool, c));
    assert!(pass(&mut pool, 1010..=2000, mixed).is_empty());
    // Nothing is certified at all.
    assert!(pass(&mut pool, 2010..=3000, |_| {}).is_empty());
    assert_eq!(order(&pool).len(), 2);
}

#[test]
fn what_leaders_pass_over_expires() {
    for crowding in [Crowding::Room, Crowding::Tip(4)] {
        let (mut pool, refused, proposed) = (pool(), Wallet::new(1).pay(0, 5), Wallet::new(2).pay(0, 5));
        insert(&mut pool, &refused);
        insert(&mut pool, &proposed);
        pool.proposed(Digest::repeat_byte(1), 1, slots(&[&proposed]));
        assert!(pass(&mut pool, 0..=60, |pool| crowd(pool, crowding)).is_empty());
        assert_eq!(pass(&mut pool, 70..=70, |pool| crowd(pool, crowding)), hashes([&refused]));
    }
}

#[test]
fn waiting_counts_from_when_it_began() {
    let (mut pool, unpayable) = (pool(), Wallet::new(1).pay_capped(0, 1, 40));
    insert(&mut pool, &unpayable);
    assert!(pass(&mut pool, 0..=1000, |pool| crowd(pool, Crowding::Tip(9))).is_empty());
    pool.set_base_fee(50);
    assert!(pass(&mut pool, 1010..=1070, |_| {}).is_empty());
    pool.set_base_fee(30);
    assert!(pass(&mut pool, 1080..=1080, |pool| crowd(pool, Crowding::Tip(9))).is_empty());
    pool.set_base_fee(50);
    assert!(pass(&mut pool, 1090..=1150, |_| {}).is_empty());
    assert_eq!(pass(&mut pool, 1160..=1160, |_| {}), hashes([&unpayable]));
}

#[test]
fn losing_one_in_the_middle_makes_the_later_ones_wait() {
    let (mut pool, a) = (pool(), Wallet::new(1));
    let [a0, a1, a2] = [0, 1, 2].map(|nonce| a.pay(nonce, 1));
    for transaction in [&a0, &a1, &a2] {
        insert(&mut pool, transaction);
    }
    assert!(pool.remove_hash(&a1.hash()));
    assert!(!pool.remove_hash(&a1.hash()));
    assert_eq!(order(&pool), hashes([&a0]));
    assert_eq!(pool.size().transactions, 2);
}
