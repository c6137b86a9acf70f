//! Claims about what a certified flashblock says of those that it did not take.

use super::{Wallet, executed, spec};
use crate::mempool::{crowding, pool::Crowding};
use alloy_consensus::Header;
use rota_execution::{Executed, ExecutedTransaction};
use std::sync::Arc;

fn header() -> Header {
    Header { gas_limit: 60_000_000, base_fee_per_gas: Some(30), blob_gas_used: Some(0), ..Default::default() }
}

/// One with two transactions that leave tips of 5 and 3, and use this much gas together.
fn flashblock(gas: u64) -> Executed {
    let mut executed = executed(1, &[Wallet::new(1).pay_capped(0, 5, 100), Wallet::new(2).pay_capped(0, 50, 33)]);
    executed.cumulative_gas = gas;
    let share = |one: &Arc<ExecutedTransaction>| Arc::new(ExecutedTransaction { gas_used: gas / 2, ..(**one).clone() });
    executed.transactions = executed.transactions.iter().map(share).collect();
    executed
}

#[test]
fn what_is_less_than_half_full_had_room() {
    let of = |executed: &Executed, header: &Header| crowding(&spec(), executed, header);
    let half = spec().limits.max_flashblock_precompile_gas / 2;
    assert_eq!(of(&executed(1, &[]), &header()), Some(Crowding::Room));
    assert_eq!(of(&flashblock(half - 2), &header()), Some(Crowding::Room));
    assert_eq!(of(&flashblock(half), &header()), Some(Crowding::Tip(3)), "the flashblock's gas");
    let footprint = Header { blob_gas_used: Some(30_000_000), ..header() };
    assert_eq!(of(&flashblock(0), &footprint), Some(Crowding::Tip(3)), "the block's DA footprint");
    let full = Executed { cumulative_gas: 30_000_000, ..executed(1, &[]) };
    assert_eq!(of(&full, &header()), Some(Crowding::Tip(u128::MAX)), "the block's gas: nobody was passed over");
}

#[test]
fn what_is_closed_to_users_says_nothing() {
    let last = executed(spec().epoch_length - 1, &[]);
    assert_eq!(crowding(&spec(), &last, &header()), None);
    let mut closed = executed(1, &[]);
    closed.position.user_transactions = false;
    assert_eq!(crowding(&spec(), &closed, &header()), None);
}
