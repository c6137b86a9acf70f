//! What a pooled transaction is worth: to a leader, which takes the best first, and to a full pool, which lets the worst
//! go.

use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256, U256};
use rota_types::Transaction;
use std::{cmp::Reverse, sync::Arc, time::Duration};

/// A place in a leader's order: larger is better. Arrivals are unique, so no two are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::mempool) struct Rank {
    /// Effective tip per gas at the pool's base fee, wei.
    tip: u128,
    /// The earlier, the better.
    arrival: Reverse<u64>,
    pub(in crate::mempool) sender: Address,
    pub(in crate::mempool) nonce: u64,
}

/// What a transaction waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// An earlier nonce, money, or a lower base fee: its own or an earlier one's of its sender.
    Waiting,
    /// Its turn.
    Payable,
    /// A certificate: an uncertified proposal holds it.
    Proposed,
}

/// How much a full pool wants to keep a transaction: larger is better. None is worth more than those of its sender that
/// go before it, without which it can't be executed: so the worst of all is always some sender's last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Worth {
    pub(super) class: Class,
    /// The smallest effective tip up to it. What waits pays nothing, whatever it promises.
    pub(super) tip: u128,
    /// The latest arrival up to it.
    arrival: Reverse<u64>,
    pub(super) nonce: Reverse<u64>,
    pub(super) sender: Address,
}

/// A pooled transaction.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) transaction: Arc<Transaction>,
    /// What it may cost its sender, wei.
    pub(super) cost: U256,
    /// What it and those before it may cost together, wei.
    pub(super) spent: U256,
    pub(super) tip_cap: u128,
    pub(super) fee_cap: u128,
    arrival: u64,
    /// In the gapless run of its sender that the balance covers.
    pub(super) executable: bool,
    pub(super) worth: Worth,
    /// How long it has waited for anything but load; `None`: not when it was last looked at.
    pub(super) waited: Option<Duration>,
}

impl Entry {
    /// Waits until its sender's transactions are looked at together.
    pub(super) fn new(transaction: Arc<Transaction>, cost: U256, arrival: u64) -> Self {
        let worth = Worth {
            class: Class::Waiting,
            tip: 0,
            arrival: Reverse(arrival),
            nonce: Reverse(transaction.envelope().nonce()),
            sender: transaction.sender(),
        };
        Self {
            tip_cap: transaction.envelope().priority_fee_or_price(),
            fee_cap: transaction.envelope().max_fee_per_gas(),
            transaction,
            cost,
            spent: cost,
            arrival,
            executable: false,
            worth,
            waited: None,
        }
    }

    pub(super) fn hash(&self) -> B256 {
        self.transaction.hash()
    }

    pub(super) fn bytes(&self) -> usize {
        self.transaction.encoded().len()
    }

    fn tip(&self, base_fee: u64) -> u128 {
        self.tip_cap.min(self.fee_cap.saturating_sub(base_fee.into()))
    }

    pub(super) fn rank(&self, base_fee: u64) -> Rank {
        let Worth { sender, nonce: Reverse(nonce), .. } = self.worth;
        Rank { tip: self.tip(base_fee), arrival: Reverse(self.arrival), sender, nonce }
    }

    /// Its worth after `before`, the one before it of its sender.
    pub(super) fn worth_after(&self, before: Option<Worth>, base_fee: u64, proposed: bool) -> Worth {
        let own = match self.executable {
            true if proposed => Class::Proposed,
            true if self.fee_cap >= base_fee.into() => Class::Payable,
            _ => Class::Waiting,
        };
        let class = before.map_or(own, |before| before.class.min(own));
        let tip = before.map_or(u128::MAX, |before| before.tip).min(self.tip(base_fee));
        let arrival = Reverse(self.arrival);
        Worth {
            class,
            tip: if class == Class::Waiting { 0 } else { tip },
            arrival: before.map_or(arrival, |before| before.arrival.min(arrival)),
            ..self.worth
        }
    }
}
