//! One sender's transactions, in nonce order over its certified account.

use super::{
    SenderState,
    order::{Class, Entry, Rank, Worth},
    proposals::Used,
};
use alloy_primitives::U256;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
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

    /// Works out anew which transactions from nonce `from` on are executable, what each is worth and which is next, where
    /// proposals use these nonces of the sender. Returns the worths that have changed, old and new.
    pub(super) fn index(&mut self, from: u64, base_fee: u64, used: Used<'_>) -> Vec<(Worth, Worth)> {
        let (mut next, mut spent, mut before) = (self.state.nonce, U256::ZERO, None);
        let mut start = 0;
        // Behind one that is executable nothing is missing, so nothing before it has to be looked at.
        if let Some((&nonce, entry)) = self.entries.range(..from).next_back().filter(|(_, entry)| entry.executable) {
            (next, spent, before, start) = (nonce + 1, entry.spent, Some(entry.worth), from);
        }
        let mut changed = Vec::new();
        for (&nonce, entry) in self.entries.range_mut(start..) {
            while next < nonce && used.has(next) {
                next += 1;
            }
            spent = spent.saturating_add(entry.cost);
            entry.spent = spent;
            entry.executable = nonce == next && spent <= self.state.balance;
            next += u64::from(entry.executable);
            let worth = entry.worth_after(before, base_fee, used.has_by(nonce, &entry.hash()));
            if worth != entry.worth {
                changed.push((entry.worth, worth));
                entry.worth = worth;
            }
            before = Some(worth);
        }
        while used.has(next) {
            next += 1;
        }
        self.frontier = next;
        let mut run = self.entries.iter().take_while(|(_, entry)| entry.executable);
        let first = run.find(|(nonce, _)| !used.has(**nonce)).map(|(_, entry)| entry);
        self.head = first.filter(|entry| entry.worth.class >= Class::Payable).map(|entry| entry.rank(base_fee));
        changed
    }

    /// What the transactions before `nonce` may cost together, wei.
    pub(super) fn spent_before(&self, nonce: u64) -> U256 {
        self.entries.range(..nonce).next_back().map_or(U256::ZERO, |(_, entry)| entry.spent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mempool::{pool::proposals::Proposals, tests::Wallet};
    use alloy_consensus::Transaction as _;
    use alloy_primitives::B256;
    use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

    /// Whatever comes and goes in whatever order: to look from the nonce that has changed on is as good as to look at all.
    #[test]
    fn what_is_worked_out_from_a_nonce_on_is_what_all_of_it_would_give() {
        const BASE_FEE: u64 = 50;
        let wallet = Wallet::new(1);
        let payments: Vec<_> = (0..12).map(|nonce| wallet.pay(nonce, 1 + u128::from(nonce % 3))).collect();
        for seed in 0..200 {
            let mut rng = StdRng::seed_from_u64(seed);
            let state = SenderState { nonce: rng.random_range(0..3), balance: U256::from(rng.random_range(1..14)) };
            let (mut account, mut proposals) = (Account::new(state), Proposals::default());
            for arrival in 0..60 {
                let payment = &payments[rng.random_range(state.nonce as usize..payments.len())];
                let nonce = payment.envelope().nonce();
                let mut from = nonce;
                match rng.random_range(0..6) {
                    0 => drop(account.entries.remove(&nonce)),
                    1 => {
                        let slot = (wallet.address(), nonce, payment.hash());
                        proposals.add(B256::from(U256::from(arrival)), arrival, vec![slot]);
                        from = 0;
                    }
                    2 => {
                        proposals.settle(rng.random_range(0..=arrival));
                        from = 0;
                    }
                    _ => drop(account.entries.insert(nonce, Entry::new(payment.clone(), U256::ONE, arrival))),
                }
                let used = proposals.used(&wallet.address());
                account.index(from, BASE_FEE, used);
                let mut whole = account.clone();
                assert_eq!(whole.index(0, BASE_FEE, used), [], "seed {seed}, step {arrival}: worths");
                assert_eq!(
                    (whole.head, whole.frontier),
                    (account.head, account.frontier),
                    "seed {seed}, step {arrival}"
                );
                let executable =
                    |account: &Account| account.entries.values().map(|entry| entry.executable).collect::<Vec<_>>();
                assert_eq!(executable(&whole), executable(&account), "seed {seed}, step {arrival}");
            }
        }
    }
}
