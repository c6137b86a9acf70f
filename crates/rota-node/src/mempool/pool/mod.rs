//! The pool itself: who waits with what, who may go first, who must leave. Pure: no clock, no I/O.
//!
//! Each sender's transactions lie in nonce order over its certified account. The gapless run that the balance covers is
//! *executable*, the rest *queued*. Two ordered sets are kept up to date: `ready`, the next transaction of each sender
//! that no uncertified proposal holds, from which [`Best`] picks without sorting; and `ranks`, everything from worst to
//! best, from which eviction takes.

mod recent;

use super::best::Best;
use crate::rpc::{PoolSize, SubmitError};
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256, U256, map::HashMap};
use recent::Recent;
use rota_types::{Digest, Transaction};
use std::{
    cmp::Reverse,
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
    /// How long a transaction may wait without becoming executable (or without paying the base fee).
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

/// A place in the order of payment: larger is better. Arrivals are unique, so no two are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// Executable, and its fee cap covers the base fee.
    payable: bool,
    /// Effective tip per gas at the pool's base fee, wei.
    tip: u128,
    /// The earlier, the better.
    arrival: Reverse<u64>,
    pub(super) sender: Address,
    pub(super) nonce: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    transaction: Arc<Transaction>,
    /// What it may cost its sender, wei.
    cost: U256,
    tip_cap: u128,
    fee_cap: u128,
    arrival: u64,
    since: SystemTime,
    executable: bool,
}

impl Entry {
    fn rank(&self, base_fee: u64, nonce: u64) -> Rank {
        let base_fee = u128::from(base_fee);
        Rank {
            payable: self.executable && self.fee_cap >= base_fee,
            tip: self.tip_cap.min(self.fee_cap.saturating_sub(base_fee)),
            arrival: Reverse(self.arrival),
            sender: self.transaction.sender(),
            nonce,
        }
    }
}

#[derive(Debug, Default)]
struct Account {
    state: SenderState,
    entries: BTreeMap<u64, Entry>,
    /// The nonce after the executable run.
    frontier: u64,
    /// Its place in `ready`.
    head: Option<Rank>,
}

/// A proposal whose transactions must not be proposed again: its height, its `(sender, nonce)`s.
#[derive(Debug)]
struct Proposal {
    height: u64,
    nonces: Vec<(Address, u64)>,
}

/// The pool.
#[derive(Debug)]
pub struct Pool {
    limits: PoolLimits,
    base_fee: u64,
    accounts: BTreeMap<Address, Account>,
    by_hash: HashMap<B256, (Address, u64)>,
    ready: BTreeSet<Rank>,
    ranks: BTreeSet<Rank>,
    bytes: usize,
    arrivals: u64,
    proposals: BTreeMap<Digest, Proposal>,
    /// In how many proposals a nonce of a sender is. Never iterated.
    in_flight: HashMap<(Address, u64), u32>,
    included: Recent<()>,
    refused: Recent<String>,
    generation: u64,
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
            ranks: BTreeSet::new(),
            bytes: 0,
            arrivals: 0,
            proposals: BTreeMap::new(),
            in_flight: HashMap::default(),
            included: Recent::new(INCLUDED),
            refused: Recent::new(REFUSED),
            generation: 0,
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
        now: SystemTime,
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
        let entry = Entry {
            cost,
            tip_cap: transaction.envelope().priority_fee_or_price(),
            fee_cap: transaction.envelope().max_fee_per_gas(),
            arrival: self.arrivals,
            since: now,
            executable: false,
            transaction,
        };
        let old = self.replaced_by(&entry, nonce)?;
        self.check_funds(&entry, nonce, state)?;
        let evicted = self.make_room(&entry, nonce, state, old.as_ref())?;

        let mut changes = Changes { evicted, ..Default::default() };
        for victim in &changes.evicted {
            self.remove_hash(victim);
        }
        if let Some(old) = old {
            self.take(sender, nonce);
            changes.replaced.push((old.transaction.hash(), hash));
        }
        self.arrivals += 1;
        self.bytes += entry.transaction.encoded().len();
        self.by_hash.insert(hash, (sender, nonce));
        self.ranks.insert(entry.rank(self.base_fee, nonce));
        let account = self.accounts.entry(sender).or_insert_with(|| Account { state, ..Default::default() });
        account.entries.insert(nonce, entry);
        self.reindex(sender);
        Ok(changes)
    }

    /// The entry that this one replaces, if it pays enough more.
    fn replaced_by(&self, entry: &Entry, nonce: u64) -> Result<Option<Entry>, SubmitError> {
        let sender = entry.transaction.sender();
        let Some(old) = self.accounts.get(&sender).and_then(|account| account.entries.get(&nonce)) else {
            return Ok(None);
        };
        if self.in_flight.contains_key(&(sender, nonce)) {
            // Proposed already: as good as used up, and what is in a flashblock can't be changed.
            return Err(SubmitError::NonceTooLow { next: nonce + 1, found: nonce });
        }
        let bumped = |old: u128, new: u128| new > old && new >= old.saturating_add(old / 10);
        if !bumped(old.tip_cap, entry.tip_cap) || !bumped(old.fee_cap, entry.fee_cap) {
            return Err(SubmitError::ReplacementUnderpriced);
        }
        Ok(Some(old.clone()))
    }

    /// The balance must cover this transaction and the sender's earlier ones.
    fn check_funds(&self, entry: &Entry, nonce: u64, state: SenderState) -> Result<(), SubmitError> {
        let earlier = self.accounts.get(&entry.transaction.sender()).into_iter();
        let earlier = earlier.flat_map(|account| account.entries.range(..nonce)).map(|(_, entry)| entry.cost);
        let cost = earlier.fold(entry.cost, U256::saturating_add);
        if cost > state.balance {
            return Err(SubmitError::InsufficientFunds { balance: state.balance, cost });
        }
        Ok(())
    }

    /// Chooses whom a newcomer drives out: the worst ones that are worse than itself, as few as make room.
    fn make_room(
        &self,
        entry: &Entry,
        nonce: u64,
        state: SenderState,
        old: Option<&Entry>,
    ) -> Result<Vec<B256>, SubmitError> {
        let sender = entry.transaction.sender();
        let (old_count, old_bytes) = old.map_or((0, 0), |old| (1, old.transaction.encoded().len()));
        let mut count = (self.by_hash.len() + 1 - old_count).saturating_sub(self.limits.transactions);
        let mut bytes = (self.bytes + entry.transaction.encoded().len() - old_bytes).saturating_sub(self.limits.bytes);
        if count == 0 && bytes == 0 {
            return Ok(Vec::new());
        }
        let executable = match old {
            Some(old) => old.executable,
            None => nonce == self.next_executable(sender, state),
        };
        let rank = Entry { executable, ..entry.clone() }.rank(self.base_fee, nonce);
        let mut victims = Vec::new();
        for worst in self.ranks.iter().take_while(|worst| **worst < rank) {
            if worst.sender == sender {
                continue;
            }
            let Some(victim) = self.entry(worst.sender, worst.nonce) else { continue };
            victims.push(victim.transaction.hash());
            count = count.saturating_sub(1);
            bytes = bytes.saturating_sub(victim.transaction.encoded().len());
            if count == 0 && bytes == 0 {
                return Ok(victims);
            }
        }
        if rank.payable {
            return Err(SubmitError::Underpriced("the pool is full of transactions that pay more".into()));
        }
        Err(SubmitError::PoolFull)
    }

    /// The nonce that would continue the executable run.
    fn next_executable(&self, sender: Address, state: SenderState) -> u64 {
        if let Some(account) = self.accounts.get(&sender) {
            return account.frontier;
        }
        (state.nonce..).find(|nonce| !self.in_flight.contains_key(&(sender, *nonce))).unwrap_or(u64::MAX)
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
        self.reindex(sender);
        true
    }

    /// Takes an entry out of everything but `ready`: [`Self::reindex`] must follow.
    fn take(&mut self, sender: Address, nonce: u64) -> Option<Entry> {
        let entry = self.accounts.get_mut(&sender)?.entries.remove(&nonce)?;
        self.ranks.remove(&entry.rank(self.base_fee, nonce));
        self.by_hash.remove(&entry.transaction.hash());
        self.bytes -= entry.transaction.encoded().len();
        Some(entry)
    }

    /// Works out anew which of a sender's transactions are executable and which is next.
    fn reindex(&mut self, sender: Address) {
        let Some(account) = self.accounts.get_mut(&sender) else { return };
        if let Some(head) = account.head.take() {
            self.ready.remove(&head);
        }
        if account.entries.is_empty() {
            self.accounts.remove(&sender);
            return;
        }
        let (mut next, mut spent, mut head) = (account.state.nonce, U256::ZERO, None);
        let in_flight = |nonce| self.in_flight.contains_key(&(sender, nonce));
        for (&nonce, entry) in &mut account.entries {
            while next < nonce && in_flight(next) {
                next += 1;
            }
            spent = spent.saturating_add(entry.cost);
            let executable = nonce == next && spent <= account.state.balance;
            if executable != entry.executable {
                self.ranks.remove(&entry.rank(self.base_fee, nonce));
                entry.executable = executable;
                self.ranks.insert(entry.rank(self.base_fee, nonce));
            }
            if executable {
                next += 1;
                if head.is_none() && !in_flight(nonce) {
                    head = Some(entry.rank(self.base_fee, nonce));
                }
            }
        }
        while in_flight(next) {
            next += 1;
        }
        account.frontier = next;
        account.head = head.filter(|head| head.payable);
        self.ready.extend(account.head);
    }

    /// Transactions are valued at this base fee from now on.
    pub fn set_base_fee(&mut self, base_fee: u64) {
        if std::mem::replace(&mut self.base_fee, base_fee) == base_fee {
            return;
        }
        self.ready.clear();
        let mut ranks = Vec::with_capacity(self.by_hash.len());
        for account in self.accounts.values_mut() {
            ranks.extend(account.entries.iter().map(|(nonce, entry)| entry.rank(base_fee, *nonce)));
            account.head = None;
        }
        self.ranks = ranks.into_iter().collect();
        let senders: Vec<_> = self.accounts.keys().copied().collect();
        for sender in senders {
            self.reindex(sender);
        }
    }

    /// A proposal was executed: what it holds is not proposed again on top of it.
    pub fn proposed(&mut self, digest: Digest, height: u64, nonces: Vec<(Address, u64)>) {
        if self.proposals.contains_key(&digest) {
            return;
        }
        for key in &nonces {
            *self.in_flight.entry(*key).or_default() += 1;
        }
        self.reindex_all(nonces.iter().map(|(sender, _)| *sender));
        self.proposals.insert(digest, Proposal { height, nonces });
    }

    /// A proposal will not be certified, or is: it holds nothing back any more.
    pub fn unproposed(&mut self, digest: Digest) {
        let Some(proposal) = self.proposals.remove(&digest) else { return };
        for key in &proposal.nonces {
            if let Some(count) = self.in_flight.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    self.in_flight.remove(key);
                }
            }
        }
        self.reindex_all(proposal.nonces.iter().map(|(sender, _)| *sender));
    }

    fn reindex_all(&mut self, senders: impl Iterator<Item = Address>) {
        for sender in senders.collect::<BTreeSet<_>>() {
            self.reindex(sender);
        }
    }

    /// Begins a new generation: of the accounts that a certified flashblock touched, those to be read again.
    pub fn outdated(&mut self, touched: impl IntoIterator<Item = Address>) -> Vec<Address> {
        self.generation += 1;
        touched.into_iter().filter(|address| self.holds(address)).collect()
    }

    /// A flashblock is certified: its transactions leave, and so do those whose nonce others have used. `included` are
    /// its transactions, `states` the accounts after it that [`Self::outdated`] has named.
    pub fn certified(
        &mut self,
        height: u64,
        included: &[(Address, u64, B256)],
        states: &[(Address, SenderState)],
    ) -> Changes {
        let mut changes = Changes::default();
        let by_nonce: BTreeMap<_, _> =
            included.iter().map(|(sender, nonce, hash)| ((*sender, *nonce), *hash)).collect();
        for hash in by_nonce.values() {
            self.included.remember(*hash, ());
        }
        for &(sender, state) in states {
            let Some(account) = self.accounts.get_mut(&sender) else { continue };
            account.state = state;
            let used: Vec<_> = account.entries.range(..state.nonce).map(|(nonce, _)| *nonce).collect();
            for nonce in used {
                let Some(old) = self.take(sender, nonce) else { continue };
                let old = old.transaction.hash();
                match by_nonce.get(&(sender, nonce)) {
                    Some(new) if *new != old => changes.replaced.push((old, *new)),
                    None if !self.included.contains(&old) => changes.evicted.push(old),
                    _ => {}
                }
            }
        }
        let settled: Vec<_> = self
            .proposals
            .iter()
            .filter(|(_, proposal)| proposal.height <= height)
            .map(|(digest, _)| *digest)
            .collect();
        for digest in settled {
            self.unproposed(digest);
        }
        self.reindex_all(states.iter().map(|(sender, _)| *sender));
        changes
    }

    /// A sender's certified account was read again.
    pub fn refresh(&mut self, sender: Address, state: SenderState) -> Changes {
        self.certified(0, &[], &[(sender, state)])
    }

    /// Drops what has waited too long without becoming executable.
    pub fn expire(&mut self, now: SystemTime) -> Changes {
        let old = |rank: &&Rank| {
            let since = self.entry(rank.sender, rank.nonce).map(|entry| entry.since);
            since.is_some_and(|since| now.duration_since(since).unwrap_or_default() > self.limits.queued)
        };
        let expired: Vec<_> = self.ranks.iter().take_while(|rank| !rank.payable).filter(old).copied().collect();
        let mut changes = Changes::default();
        for rank in expired {
            changes.evicted.extend(self.take(rank.sender, rank.nonce).map(|entry| entry.transaction.hash()));
            self.reindex(rank.sender);
        }
        changes
    }

    /// The transaction that a leader should try next.
    pub fn next_best(&self, best: &mut Best) -> Option<Arc<Transaction>> {
        let rank = best.advance(&self.ready)?;
        let next = rank.nonce.saturating_add(1);
        if let Some(entry) = self.entry(rank.sender, next).filter(|entry| entry.executable) {
            let successor = entry.rank(self.base_fee, next);
            if successor.payable && !self.in_flight.contains_key(&(rank.sender, next)) {
                best.follow(successor);
            }
        }
        self.entry(rank.sender, rank.nonce).map(|entry| entry.transaction.clone())
    }

    fn entry(&self, sender: Address, nonce: u64) -> Option<&Entry> {
        self.accounts.get(&sender)?.entries.get(&nonce)
    }

    /// A pooled transaction.
    pub fn get(&self, hash: &B256) -> Option<&Arc<Transaction>> {
        let (sender, nonce) = self.by_hash.get(hash)?;
        self.entry(*sender, *nonce).map(|entry| &entry.transaction)
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

    /// Whether a transaction was certified not long ago.
    pub fn was_included(&self, hash: &B256) -> bool {
        self.included.contains(hash)
    }

    /// Whether a transaction is in the executable run.
    pub fn is_executable(&self, hash: &B256) -> bool {
        let place = self.by_hash.get(hash);
        place.and_then(|(sender, nonce)| self.entry(*sender, *nonce)).is_some_and(|entry| entry.executable)
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
