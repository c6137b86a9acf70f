//! One sender's transactions, in nonce order over its certified account.

use super::{
    SenderState,
    order::{Class, Entry, Rank, Worth},
    proposals::Proposals,
};
use alloy_primitives::{Address, U256};
use std::collections::BTreeMap;

#[derive(Debug)]
pub(super) struct Account {
    pub(super) state: SenderState,
    pub(super) entries: BTreeMap<u64, Entry>,
    /// The next transaction that a leader may take, if it is there and pays.
    pub(super) head: Option<Rank>,
    /// Behind the last transaction.
    end: Walk,
}

/// Where a walk along a sender's transactions has come.
#[derive(Debug, Clone, Copy)]
struct Walk {
    /// The nonce after the executable run.
    next: u64,
    /// What all of them may cost, wei.
    spent: U256,
    /// The worth of the last one.
    before: Option<Worth>,
    /// Whether the next transaction for a leader was passed, whether it pays or not.
    found: bool,
}

/// What transactions are looked at by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight<'a> {
    pub(super) sender: Address,
    pub(super) base_fee: u64,
    pub(super) proposals: &'a Proposals,
}

impl Walk {
    const fn new(nonce: u64) -> Self {
        Self { next: nonce, spent: U256::ZERO, before: None, found: false }
    }

    /// Passes a transaction: works out whether it is executable and what it is worth, and whether it is the head.
    fn pass(&mut self, entry: &mut Entry, nonce: u64, balance: U256, sight: Sight<'_>) -> Option<Rank> {
        let Sight { sender, base_fee, proposals } = sight;
        while self.next < nonce && proposals.hold(sender, self.next) {
            self.next += 1;
        }
        self.spent = self.spent.saturating_add(entry.cost);
        entry.executable = nonce == self.next && self.spent <= balance;
        self.next += u64::from(entry.executable);
        let held = proposals.hold(sender, nonce);
        let worth = entry.worth_after(self.before, base_fee, held && proposals.hold_this(sender, nonce, &entry.hash()));
        entry.worth = worth;
        self.before = Some(worth);
        if self.found || !entry.executable || held {
            return None;
        }
        self.found = true;
        (worth.class >= Class::Payable).then(|| entry.rank(base_fee))
    }

    /// Comes to the end.
    fn end(&mut self, sight: Sight<'_>) {
        while sight.proposals.hold(sight.sender, self.next) {
            self.next += 1;
        }
    }
}

impl Account {
    pub(super) const fn new(state: SenderState) -> Self {
        Self { state, entries: BTreeMap::new(), head: None, end: Walk::new(state.nonce) }
    }

    /// The nonce after the executable run.
    pub(super) const fn frontier(&self) -> u64 {
        self.end.next
    }

    /// What the transactions before this nonce may cost, wei.
    pub(super) fn spent_before(&self, nonce: u64) -> U256 {
        if self.ends_before(nonce) {
            return self.end.spent;
        }
        self.entries.range(..nonce).fold(U256::ZERO, |spent, (_, entry)| spent.saturating_add(entry.cost))
    }

    /// Whether a transaction with this nonce comes behind all others.
    pub(super) fn ends_before(&self, nonce: u64) -> bool {
        nonce >= self.end.next && self.entries.last_key_value().is_none_or(|(last, _)| *last < nonce)
    }

    /// Adds a transaction behind all others, for which nothing changes. Returns its worth.
    pub(super) fn append(&mut self, nonce: u64, mut entry: Entry, sight: Sight<'_>) -> Worth {
        let head = self.end.pass(&mut entry, nonce, self.state.balance, sight);
        self.end.end(sight);
        self.head = self.head.or(head);
        let worth = entry.worth;
        self.entries.insert(nonce, entry);
        worth
    }

    /// Works out anew which transactions are executable, what each is worth and which is next. Returns the worths that
    /// have changed, old and new.
    pub(super) fn index(&mut self, sight: Sight<'_>) -> Vec<(Worth, Worth)> {
        let mut walk = Walk::new(self.state.nonce);
        let mut changed = Vec::new();
        self.head = None;
        for (&nonce, entry) in &mut self.entries {
            let old = entry.worth;
            let head = walk.pass(entry, nonce, self.state.balance, sight);
            self.head = self.head.or(head);
            if entry.worth != old {
                changed.push((old, entry.worth));
            }
        }
        walk.end(sight);
        self.end = walk;
        changed
    }
}
