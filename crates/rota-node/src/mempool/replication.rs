//! Who holds the transactions that were submitted here: acknowledgements counted, answers given, copies sent again.
//! Pure: no clock, no I/O.

use crate::rpc::SubmitError;
use alloy_primitives::{B256, Bytes};
use futures::channel::oneshot;
use rota_types::{Committee, Identity};
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    time::{Duration, SystemTime},
};

/// How long a submitter waits for acknowledgements.
pub(super) const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(2);

/// Time until the first copy is sent again; doubled each time.
const RESEND_MIN: Duration = Duration::from_millis(500);

/// Longest time between copies, also of acknowledged ones: an operator that restarted has an empty pool.
const RESEND_MAX: Duration = Duration::from_secs(8);

/// Where the answer to a submitter goes.
pub(super) type Reply = oneshot::Sender<Result<B256, SubmitError>>;

#[derive(Debug)]
struct Tracked {
    raw: Bytes,
    /// Bit i: operator i holds it.
    holders: u128,
    waiting: Vec<Reply>,
    /// When those who wait are told that it takes too long.
    deadline: SystemTime,
    resend: SystemTime,
    backoff: Duration,
    /// Its place in `due`.
    due: SystemTime,
}

impl Tracked {
    fn new(raw: Bytes, now: SystemTime) -> Self {
        Self { raw, holders: 0, waiting: Vec::new(), deadline: now, resend: now, backoff: RESEND_MIN, due: now }
    }
}

/// Transactions submitted here that are not yet included.
#[derive(Debug)]
pub(super) struct Replication {
    identity: Identity,
    committee: Vec<Identity>,
    me: Option<usize>,
    needed: u32,
    tracked: BTreeMap<B256, Tracked>,
    due: BTreeSet<(SystemTime, B256)>,
}

impl Replication {
    /// An operator needs f others to hold a transaction, a follower f + 1.
    pub(super) fn new(committee: &Committee, identity: Identity) -> Self {
        let mut replication = Self {
            identity,
            committee: Vec::new(),
            me: None,
            needed: 0,
            tracked: BTreeMap::new(),
            due: BTreeSet::new(),
        };
        replication.enter(committee);
        replication
    }

    /// From now on the operators of this committee count; acknowledgements of those who stay are kept.
    pub(super) fn enter(&mut self, committee: &Committee) {
        let operators = committee.operators();
        if operators.iter().map(|operator| &operator.identity).eq(&self.committee) {
            return;
        }
        let place = |identity: &Identity| committee.find(identity).map(|(index, _)| index);
        let places: Vec<_> = self.committee.iter().map(place).collect();
        for tracked in self.tracked.values_mut() {
            let held = (0..).zip(&places).filter(|(old, _)| tracked.holders >> old & 1 == 1);
            tracked.holders = held.filter_map(|(_, new)| *new).fold(0, |holders, new| holders | 1 << new);
        }
        self.committee = operators.iter().map(|operator| operator.identity).collect();
        self.me = place(&self.identity);
        self.needed = committee.faults() as u32 + u32::from(self.me.is_none());
        let hashes: Vec<_> = self.tracked.keys().copied().collect();
        hashes.into_iter().for_each(|hash| self.answer(hash));
    }

    /// Operators other than this node.
    pub(super) fn others(&self) -> impl Iterator<Item = Identity> {
        let me = self.me;
        self.committee.iter().enumerate().filter(move |(index, _)| Some(*index) != me).map(|(_, identity)| *identity)
    }

    /// Somebody submits a transaction that is in the pool here. While it is too little known they wait for
    /// acknowledgements, and a copy is due: the bytes to send. Else their answer is `already known`. One that came from
    /// a peer is taken over: a wallet that asks here may do so because that peer is gone.
    pub(super) fn submitted(&mut self, hash: B256, raw: Bytes, reply: Reply, now: SystemTime) -> Option<Bytes> {
        let (tracked, new) = match self.tracked.entry(hash) {
            Entry::Occupied(entry) => (entry.into_mut(), false),
            Entry::Vacant(entry) => (entry.insert(Tracked::new(raw, now)), true),
        };
        if !new && tracked.holders.count_ones() >= self.needed {
            let _ = reply.send(Err(SubmitError::AlreadyKnown));
            return None;
        }
        if tracked.waiting.is_empty() {
            // Those who come later don't put it off.
            tracked.deadline = now + ACKNOWLEDGE_TIMEOUT;
        }
        tracked.waiting.push(reply);
        (tracked.resend, tracked.backoff) = (now + RESEND_MIN, RESEND_MIN);
        let raw = tracked.raw.clone();
        self.answer(hash);
        self.reschedule(hash);
        Some(raw)
    }

    /// A peer holds these transactions. Only operators count, each once.
    pub(super) fn acknowledged(&mut self, from: &Identity, hashes: &[B256]) {
        let Some(index) = self.committee.iter().position(|identity| identity == from) else { return };
        if Some(index) == self.me {
            return;
        }
        for hash in hashes {
            if let Some(tracked) = self.tracked.get_mut(hash) {
                tracked.holders |= 1 << index;
                self.answer(*hash);
            }
        }
    }

    /// Answers those who wait, once enough operators hold the transaction.
    fn answer(&mut self, hash: B256) {
        if let Some(tracked) = self.tracked.get_mut(&hash)
            && tracked.holders.count_ones() >= self.needed
        {
            // A submitter that has gone away needs no answer.
            tracked.waiting.drain(..).for_each(|reply| drop(reply.send(Ok(hash))));
        }
    }

    /// A transaction needs no copies any more: it is certified (`Ok`), or it has left the pool.
    pub(super) fn end(&mut self, hash: &B256, result: Result<(), SubmitError>) {
        if let Some(tracked) = self.tracked.remove(hash) {
            self.due.remove(&(tracked.due, *hash));
            let result = result.map(|()| *hash);
            tracked.waiting.into_iter().for_each(|reply| drop(reply.send(result.clone())));
        }
    }

    /// Tells those who have waited too long, and returns up to `bytes` (at least one transaction) to send again.
    pub(super) fn tick(&mut self, now: SystemTime, bytes: usize) -> Vec<(B256, Bytes)> {
        let (mut copies, mut size) = (Vec::new(), 0);
        while let Some(&(due, hash)) = self.due.first()
            && due <= now
            && size < bytes
        {
            let Some(tracked) = self.tracked.get_mut(&hash) else {
                self.due.remove(&(due, hash));
                continue;
            };
            if tracked.deadline <= now {
                tracked.waiting.drain(..).for_each(|reply| drop(reply.send(Err(SubmitError::NotReplicated(hash)))));
            }
            if tracked.resend <= now {
                let enough = tracked.holders.count_ones() >= self.needed;
                if enough && tracked.backoff < RESEND_MAX {
                    tracked.backoff = RESEND_MAX;
                } else {
                    size += tracked.raw.len();
                    copies.push((hash, tracked.raw.clone()));
                    tracked.backoff = (tracked.backoff * 2).min(RESEND_MAX);
                }
                tracked.resend = now + tracked.backoff;
            }
            self.reschedule(hash);
        }
        copies
    }

    fn reschedule(&mut self, hash: B256) {
        let Some(tracked) = self.tracked.get_mut(&hash) else { return };
        self.due.remove(&(tracked.due, hash));
        tracked.due = if tracked.waiting.is_empty() { tracked.resend } else { tracked.resend.min(tracked.deadline) };
        self.due.insert((tracked.due, hash));
    }

    /// When something is due next.
    pub(super) fn next_due(&self) -> Option<SystemTime> {
        self.due.first().map(|(due, _)| *due)
    }
}
