//! The pool itself: who waits with what, who may go first, who must leave. Pure: no clock, no I/O.
//!
//! Each sender's transactions lie in nonce order over its certified account. The gapless run that the balance covers is
//! *executable*, the rest waits. Two ordered sets are kept up to date: `ready`, the next transaction of each sender
//! that no uncertified proposal holds, from which [`Best`] picks without sorting; and `worths`, everything from worst
//! to best. A full pool keeps the best that fit, and refuses a newcomer that would not be among them: nobody is driven
//! out but by who pays more, and never in the middle of a sender's nonces.

mod account;
mod order;
mod proposals;
mod recent;
mod settle;

pub(super) use order::Rank;
pub use proposals::Slot;
pub use settle::{Certified, Crowding};

use super::best::Best;
use crate::rpc::{PoolSize, SubmitError};
use account::Account;
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256, U256, map::HashMap};
use order::{Class, Entry, Worth};
use proposals::Proposals;
use recent::Recent;
use rota_types::Transaction;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Certified hashes that are remembered, so that late copies are known as such: some seconds at full load.
const INCLUDED: usize = 32_768;

/// Refused hashes that are remembered, each with some words.
const REFUSED: usize = 8_192;

/// How full the pool may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// Transactions.
    pub transactions: usize,
    /// Their encoded bytes.
    pub bytes: usize,
    /// Transactions of one sender; also how far a nonce may be ahead of the certified one.
    pub per_sender: usize,
    /// How long a transaction may wait for anything but its turn (see [`Pool::expire`]).
    pub queued: Duration,
}

/// A sender's certified account, as far as the pool cares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SenderState {
    /// Next nonce.
    pub nonce: u64,
    /// Balance, wei.
    pub balance: U256,
}

/// What a change of the pool has driven out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Hashes that left without being certified.
    pub evicted: Vec<B256>,
    /// `(old, new)`: the same sender and nonce, another transaction.
    pub replaced: Vec<(B256, B256)>,
}

impl Changes {
    /// Adds later changes.
    pub fn extend(&mut self, later: Self) {
        self.evicted.extend(later.evicted);
        self.replaced.extend(later.replaced);
    }
}

/// The pool.
#[derive(Debug)]
pub struct Pool {
    limits: PoolLimits,
    base_fee: u64,
    accounts: BTreeMap<Address, Account>,
    by_hash: HashMap<B256, (Address, u64)>,
    ready: BTreeSet<Rank>,
    worths: BTreeSet<Worth>,
    bytes: usize,
    arrivals: u64,
    proposals: Proposals,
    included: Recent<()>,
    refused: Recent<String>,
    generation: u64,
    /// The most crowded flashblock certified since `swept`.
    crowding: Option<Crowding>,
    /// When [`Self::expire`] was called last.
    swept: Option<SystemTime>,
}

impl Pool {
    /// An empty pool.
    pub fn new(limits: PoolLimits) -> Self {
        Self {
            limits,
            base_fee: 0,
            accounts: BTreeMap::new(),
            by_hash: HashMap::default(),
            ready: BTreeSet::new(),
            worths: BTreeSet::new(),
            bytes: 0,
            arrivals: 0,
            proposals: Proposals::default(),
            included: Recent::new(INCLUDED),
            refused: Recent::new(REFUSED),
            generation: 0,
            crowding: None,
            swept: None,
        }
    }

    /// Counts certified flashblocks: an account that was read in an earlier generation may be outdated.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Adds a transaction that passed the stateless rules. `cost` is what it may cost its sender, wei; `state` is the
    /// sender's certified account, used if the pool does not hold it already.
    pub fn insert(
        &mut self,
        transaction: Arc<Transaction>,
        cost: U256,
        state: SenderState,
    ) -> Result<Changes, SubmitError> {
        let (hash, sender, nonce) = (transaction.hash(), transaction.sender(), transaction.envelope().nonce());
        self.check_new(&hash)?;
        let state = self.accounts.get(&sender).map_or(state, |account| account.state);
        if nonce < state.nonce {
            return Err(SubmitError::NonceTooLow { next: state.nonce, found: nonce });
        }
        if nonce - state.nonce >= self.limits.per_sender as u64 {
            return Err(SubmitError::NonceTooHigh { next: state.nonce, found: nonce });
        }
        let used = self.proposals.used(&sender);
        if used.has(nonce) && !used.has_by(nonce, &hash) {
            // As good as used up, and what is in a flashblock can't be changed.
            return Err(SubmitError::NonceTooLow { next: nonce + 1, found: nonce });
        }
        let entry = Entry::new(transaction, cost, self.arrivals);
        self.check_price(&entry, nonce)?;
        self.check_funds(&entry, nonce, state)?;
        self.arrivals += 1;

        self.accounts.entry(sender).or_insert_with(|| Account::new(state));
        let old = self.put(sender, nonce, entry);
        let worth = self.entry(sender, nonce).expect("just put there").worth;
        let Some(evicted) = self.surplus(worth) else {
            self.take(sender, nonce);
            match old {
                Some(old) => drop(self.put(sender, nonce, old)),
                None => self.reindex(sender, nonce),
            }
            return Err(if worth.class >= Class::Payable {
                SubmitError::Underpriced("the pool is full of transactions that pay more".into())
            } else {
                SubmitError::PoolFull
            });
        };
        for victim in &evicted {
            self.remove_hash(victim);
        }
        Ok(Changes { evicted, replaced: old.map(|old| (old.hash(), hash)).into_iter().collect() })
    }

    /// Refuses a transaction that is pooled, was certified not long ago, or was refused by name not long ago.
    pub fn check_new(&self, hash: &B256) -> Result<(), SubmitError> {
        if self.by_hash.contains_key(hash) || self.included.contains(hash) {
            return Err(SubmitError::AlreadyKnown);
        }
        match self.refused.get(hash) {
            Some(why) => Err(SubmitError::Refused(why.clone())),
            None => Ok(()),
        }
    }

    /// Whoever replaces another pays at least a tenth more of both.
    fn check_price(&self, entry: &Entry, nonce: u64) -> Result<(), SubmitError> {
        let bumped = |old: u128, new: u128| new > old && new >= old.saturating_add(old / 10);
        match self.entry(entry.worth.sender, nonce) {
            Some(old) if !bumped(old.tip_cap, entry.tip_cap) || !bumped(old.fee_cap, entry.fee_cap) => {
                Err(SubmitError::ReplacementUnderpriced)
            }
            _ => Ok(()),
        }
    }

    /// The balance must cover this transaction and the sender's earlier ones.
    fn check_funds(&self, entry: &Entry, nonce: u64, state: SenderState) -> Result<(), SubmitError> {
        let account = self.accounts.get(&entry.worth.sender);
        let earlier = account.map_or(U256::ZERO, |account| account.spent_before(nonce));
        let cost = earlier.saturating_add(entry.cost);
        if cost > state.balance {
            return Err(SubmitError::InsufficientFunds { balance: state.balance, cost });
        }
        Ok(())
    }

    /// The worst ones, as many as must leave for the rest to fit; `None` if the newcomer were among them.
    fn surplus(&self, newcomer: Worth) -> Option<Vec<B256>> {
        let mut count = self.by_hash.len().saturating_sub(self.limits.transactions);
        let mut bytes = self.bytes.saturating_sub(self.limits.bytes);
        let (mut victims, mut worths) = (Vec::new(), self.worths.iter());
        while count > 0 || bytes > 0 {
            let worst = worths.next().filter(|worst| **worst != newcomer)?;
            let victim = self.entry(worst.sender, worst.nonce.0)?;
            victims.push(victim.hash());
            count = count.saturating_sub(1);
            bytes = bytes.saturating_sub(victim.bytes());
        }
        Some(victims)
    }

    /// Removes a transaction, and admits it no more.
    pub fn refuse(&mut self, hash: B256, why: String) -> Changes {
        let evicted = if self.remove_hash(&hash) { vec![hash] } else { Vec::new() };
        self.refused.remember(hash, why);
        Changes { evicted, ..Default::default() }
    }

    /// Removes a transaction that can't ever be executed. Returns whether it was there.
    pub fn remove_hash(&mut self, hash: &B256) -> bool {
        let Some((sender, nonce)) = self.by_hash.get(hash).copied() else { return false };
        self.take(sender, nonce);
        self.reindex(sender, nonce);
        true
    }

    /// Puts an entry of a known account in its place, and returns the one that was there.
    fn put(&mut self, sender: Address, nonce: u64, entry: Entry) -> Option<Entry> {
        let old = self.take(sender, nonce);
        if let Some(account) = self.accounts.get_mut(&sender) {
            self.bytes += entry.bytes();
            self.by_hash.insert(entry.hash(), (sender, nonce));
            self.worths.insert(entry.worth);
            account.entries.insert(nonce, entry);
        }
        self.reindex(sender, nonce);
        old
    }

    /// Takes an entry out of everything but `ready`: [`Self::reindex`] must follow.
    fn take(&mut self, sender: Address, nonce: u64) -> Option<Entry> {
        let entry = self.accounts.get_mut(&sender)?.entries.remove(&nonce)?;
        self.worths.remove(&entry.worth);
        self.by_hash.remove(&entry.hash());
        self.bytes -= entry.bytes();
        Some(entry)
    }

    /// Works out anew what a sender's transactions from nonce `from` on are worth and which is next. An account without
    /// any is forgotten.
    fn reindex(&mut self, sender: Address, from: u64) {
        let Some(account) = self.accounts.get_mut(&sender) else { return };
        if let Some(head) = account.head.take() {
            self.ready.remove(&head);
        }
        if account.entries.is_empty() {
            self.accounts.remove(&sender);
            return;
        }
        for (old, new) in account.index(from, self.base_fee, self.proposals.used(&sender)) {
            self.worths.remove(&old);
            self.worths.insert(new);
        }
        self.ready.extend(account.head);
    }

    fn reindex_all(&mut self, senders: impl IntoIterator<Item = Address>) {
        for sender in senders.into_iter().collect::<BTreeSet<_>>() {
            self.reindex(sender, 0);
        }
    }

    /// The transaction that a leader should try next.
    pub fn next_best(&self, best: &mut Best) -> Option<Arc<Transaction>> {
        let rank = best.advance(&self.ready)?;
        let next = rank.nonce.saturating_add(1);
        let follower = self.entry(rank.sender, next).filter(|follower| follower.worth.class >= Class::Payable);
        if let Some(follower) = follower.filter(|_| !self.proposals.used(&rank.sender).has(next)) {
            best.follow(follower.rank(self.base_fee));
        }
        self.entry(rank.sender, rank.nonce).map(|entry| entry.transaction.clone())
    }

    fn entry(&self, sender: Address, nonce: u64) -> Option<&Entry> {
        self.accounts.get(&sender)?.entries.get(&nonce)
    }

    fn find(&self, hash: &B256) -> Option<&Entry> {
        let (sender, nonce) = self.by_hash.get(hash)?;
        self.entry(*sender, *nonce)
    }

    /// A pooled transaction.
    pub fn get(&self, hash: &B256) -> Option<&Arc<Transaction>> {
        self.find(hash).map(|entry| &entry.transaction)
    }

    /// Whether a transaction was certified not long ago.
    pub fn was_included(&self, hash: &B256) -> bool {
        self.included.contains(hash)
    }

    /// Whether a transaction is in the executable run.
    pub fn is_executable(&self, hash: &B256) -> bool {
        self.find(hash).is_some_and(|entry| entry.executable)
    }

    /// Whether a sender has pooled transactions.
    pub fn holds(&self, sender: &Address) -> bool {
        self.accounts.contains_key(sender)
    }

    /// The nonce after a sender's executable transactions, if it has any.
    pub fn next_nonce(&self, sender: &Address) -> Option<u64> {
        let account = self.accounts.get(sender)?;
        (account.frontier > account.state.nonce).then_some(account.frontier)
    }

    /// How full the pool is.
    pub fn size(&self) -> PoolSize {
        PoolSize { transactions: self.by_hash.len(), bytes: self.bytes }
    }
}
