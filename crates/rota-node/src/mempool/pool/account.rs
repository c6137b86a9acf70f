//! One sender's transactions, in nonce order over its certified account.

use super::{
    SenderState,
    order::{Class, Entry, Rank, Worth},
    proposals::Used,
};
use alloy_primitives::U256;
use std::collections::BTreeMap;

#[derive(Debug)]
pub(super) struct Account {
    pub(super) state: SenderState,
    pub(super) entries: BTreeMap<u64, Entry>,
    /// The nonce after the executable run.
    pub(super) frontier: u64,
    /// The next transaction that a leader may take, if it is there and pays.
    pub(super) head: Option<Rank>,
}

impl Account {
    pub(super) const fn new(state: SenderState) -> Self {
        Self { state, entries: BTreeMap::new(), frontier: state.nonce, head: None }
    }

    /// Works out anew which transactions are executable, what each is worth and which is next, where proposals use these
    /// nonces of the sender. Returns the worths that have changed, old and new.
    pub(super) fn index(&mut self, base_fee: u64, used: Used<'_>) -> Vec<(Worth, Worth)> {
        let (mut next, mut spent, mut before) = (self.state.nonce, U256::ZERO, None);
        let mut changed = Vec::new();
        self.head = None;
        let mut next_found = false;
        for (&nonce, entry) in &mut self.entries {
            while next < nonce && used.has(next) {
                next += 1;
            }
            spent = spent.saturating_add(entry.cost);
            entry.executable = nonce == next && spent <= self.state.balance;
            next += u64::from(entry.executable);
            let worth = entry.worth_after(before, base_fee, used.has_by(nonce, &entry.hash()));
            if worth != entry.worth {
                changed.push((entry.worth, worth));
                entry.worth = worth;
            }
            before = Some(worth);
            if !next_found && entry.executable && !used.has(nonce) {
                next_found = true;
                self.head = (worth.class >= Class::Payable).then(|| entry.rank(base_fee));
            }
        }
        while used.has(next) {
            next += 1;
        }
        self.frontier = next;
        changed
    }
}
