//! The order in which a leader takes transactions: the highest effective tip first, the earliest among equals, and
//! each sender's by nonce.

use super::pool::Rank;
use alloy_primitives::{Address, map::HashSet};
use std::{
    collections::{BTreeSet, BinaryHeap},
    ops::Bound,
};

/// How far a leader has come through the pool. It holds no transactions: the pool is asked at every step, so that
/// nothing needs to be sorted or copied beforehand, and what leaves the pool meanwhile is not offered any more.
#[derive(Debug, Default)]
pub struct Best {
    /// The last sender's first transaction that was taken.
    last: Option<Rank>,
    /// Transactions that follow on taken ones of the same sender.
    followers: BinaryHeap<Rank>,
    /// Senders already begun: their later transactions come from `followers`.
    begun: HashSet<Address>,
    skipped: HashSet<Address>,
}

impl Best {
    /// Leaves out the rest of this sender's transactions.
    pub fn skip_sender(&mut self, sender: Address) {
        self.skipped.insert(sender);
    }

    /// The best of the next head and the best follower.
    pub(super) fn advance(&mut self, ready: &BTreeSet<Rank>) -> Option<Rank> {
        while self.followers.peek().is_some_and(|rank| self.skipped.contains(&rank.sender)) {
            self.followers.pop();
        }
        let below = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let mut heads = ready.range((Bound::Unbounded, below)).rev();
        let head = heads.find(|rank| !self.begun.contains(&rank.sender) && !self.skipped.contains(&rank.sender));
        match (head.copied(), self.followers.peek()) {
            (Some(head), follower) if follower.is_none_or(|follower| *follower < head) => {
                self.last = Some(head);
                self.begun.insert(head.sender);
                Some(head)
            }
            _ => self.followers.pop(),
        }
    }

    pub(super) fn follow(&mut self, successor: Rank) {
        self.followers.push(successor);
    }
}
